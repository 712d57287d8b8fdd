"""lesson: right answers are told from wrong ones, and wrong ones get a reason. The answers here are worked by hand."""

from __future__ import annotations

import math
import re

import pytest

import cnnlab as cl
from cnnlab.show.lesson import EXERCISES

RIGHT = {
    "01.1": 4,  # twice the height and twice the width
    "01.2": 1_810_522_464 / 385_814_752,
    "02.1": 2 * 9 * 64 * 64 + 2 * 2 * 64,
    "02.2": 9,
    "10.1": 0.65,
    "10.2": 352,
}
TOLD = [
    ("01.1", 2, r"01.1: not yet. Twice the resolution is twice the height and twice the width."),
    ("01.2", 4, r"01.2: not yet. 2\^phi is what the paper aims at; ask the network's cost\(\)."),
    ("02.1", 73728, r"02.1: not yet. The two convolutions are right; the two batch norms"),
    ("02.1", 80000, r"02.1: not yet. 80,000 parameters is too large."),
    ("02.2", 3, r"02.2: not yet. 3 blocks in each stage is too small."),
    ("10.1", None, r"10.1: no answer yet; put a number in place of None."),
    ("10.1", "0.65", r"10.1: not yet. '0.65' is not a number; the answer is in times the width."),
    ("10.2", math.nan, r"10.2: not yet. nan is not a number"),
    ("10.2", True, r"10.2: not yet. True is not a number"),
]


@pytest.mark.parametrize("number", EXERCISES)
def test_the_right_answer_is_right(number, capsys):
    cl.lesson.check(number, RIGHT[number])
    assert capsys.readouterr().out.startswith(f"{number}: right: ")


@pytest.mark.parametrize(("number", "answer", "sentence"), TOLD)
def test_another_answer_is_told_what_is_wrong(number, answer, sentence, capsys):
    cl.lesson.check(number, answer)
    assert re.match(sentence, capsys.readouterr().out)


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match=r"exercise '99.9' is unknown; the exercises are 01.1, 01.2"):
        cl.lesson.check("99.9", 1)


def test_a_room_that_can_train_is_ready(capsys):
    cl.lesson.room()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Python 3.")
    assert "42 classes, ready" in lines[1]
    assert lines[-1] == "This room is ready."
