"""lesson: right answers are told from wrong ones, and wrong ones get a reason; guesses, pictures that follow sliders.

The answers of each lesson, worked by other means than cnnlab's, lie in tests/answers.
"""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

import cnnlab as cl
from cnnlab.show.exercises import EXERCISES
from cnnlab.show.exercises.exercise import Exercise

ANSWERS = [
    import_module(f"tests.answers.{path.stem}")
    for path in sorted((Path(__file__).parent / "answers").glob("lesson*.py"))
]
RIGHT = {number: answer for module in ANSWERS for number, answer in module.RIGHT.items()}
TOLD = [told for module in ANSWERS for told in module.TOLD]
NONSENSE = {"nan": math.nan, "inf": math.inf, "true": True, "word": "nonsense", "list": [], "thing": object(), "cl": cl}


def said(number, answer, capsys) -> str:
    cl.lesson.check(number, answer)
    return capsys.readouterr().out


@pytest.mark.parametrize("number", EXERCISES)
def test_the_right_answer_is_right(number, capsys):
    assert said(number, RIGHT[number], capsys).startswith(f"{number}: right: ")


@pytest.mark.parametrize(("number", "answer", "sentence"), TOLD, ids=[f"{i}-{told[0]}" for i, told in enumerate(TOLD)])
def test_another_answer_is_told_what_is_wrong(number, answer, sentence, capsys):
    words = said(number, answer, capsys)
    assert words.startswith(f"{number}: not yet. Expected: ") and sentence in words


@pytest.mark.parametrize("number", EXERCISES)
@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_told_what_was_expected(number, answer, capsys):
    words = said(number, answer, capsys)
    assert words.startswith(f"{number}: not yet. Expected: ") and words.endswith(".\n")


@pytest.mark.parametrize("number", EXERCISES)
def test_no_answer_yet(number, capsys):
    assert said(number, None, capsys) == f"{number}: no answer yet; put yours in place of None.\n"


@pytest.mark.parametrize("number", [n for n, exercise in EXERCISES.items() if isinstance(exercise, Exercise)])
def test_likely_mistakes_are_mistakes(number):
    """None of them is the right answer, no two are the same, and their sentences follow "Likely: "."""
    exercise = EXERCISES[number]
    right, wrongs = exercise.answer(), [wrong() for wrong in exercise.mistakes]
    for place, wrong in enumerate(wrongs):
        assert not exercise._same(wrong, right), wrong
        assert not any(exercise._same(wrong, other) for other in wrongs[:place]), wrong
    assert not any(sentence.endswith(".") or sentence[0].isspace() for sentence in exercise.mistakes.values())


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match=r"exercise '99.9' is unknown; the exercises are 00.1, 00.2"):
        cl.lesson.check("99.9", 1)


def test_a_room_that_can_train_is_ready(capsys):
    cl.lesson.room()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Python 3.")
    assert "42 classes, ready" in lines[1]
    assert lines[-1] == "This room is ready."


def test_a_network_trained_here_is_one_more_row_of_the_table():
    """Whose recipe, images and threads it has; another processor may round otherwise, so not to the last point."""
    table = cl.measured("glyphs").set_index(["base", "depth", "width", "resolution", "seed"])["accuracy"]
    arch = cl.scaled(cl.architecture("small_mbconv", classes=42), depth=1, width=0.5, resolution=16)
    threads = torch.get_num_threads()
    found = cl.lesson.repeat(arch, limit=8000, seed=1).test_accuracy
    assert abs(found - table["small_mbconv", 1, 0.5, 16, 1]) < 6
    assert torch.get_num_threads() == threads


# ---- guesses


@pytest.mark.parametrize(
    ("guess", "truth", "words"),
    [
        (None, 3.94, "3.94 times. No guess was committed.\n"),
        (2, 3.94, "3.94 times. You had said 2 times: the truth is 1.97 times as much.\n"),
        (4, 3.94, "3.94 times. You had said 4 times: within 5 %.\n"),
        (2, -1, "-1 times. You had said 2 times: off by -3.\n"),
        (2, 25_557_032, "25,557,032 times. You had said 2 times: the truth is 12,778,516 times as much.\n"),
    ],
)
def test_a_guess_is_compared_with_the_truth(guess, truth, words, capsys):
    asked = cl.lesson.guess("How many?", 1, 8, unit="times")
    if guess is not None:
        asked.commit(guess)
    asked.reveal(truth)
    assert capsys.readouterr().out == words


def test_a_choice(capsys):
    asked = cl.lesson.guess("Which?", choices=["plain", "residual"])
    asked.commit("plain")
    asked.commit("residual")  # too late
    asked.reveal("residual")
    assert capsys.readouterr().out == "Residual. You had said plain: not so.\n"


def press(asked) -> None:
    asked.children[1].children[2].click()


def test_the_button_commits_to_what_the_slider_says():
    asked = cl.lesson.guess("How many?", 1, 8, step=0.5, unit="times")
    slider = asked.children[1].children[0]
    slider.value = 2.5
    assert asked.committed is None
    press(asked)
    assert asked.committed == 2.5 and slider.disabled


def test_the_button_wants_a_choice():
    asked = cl.lesson.guess("Which?", choices=["plain", "residual"])
    press(asked)
    assert asked.committed is None and "Choose first" in asked.children[2].value
    with pytest.raises(ValueError, match="'thin' is none of the choices: plain, residual"):
        asked.commit("thin")


@pytest.mark.parametrize("arguments", [(), (1,), (None, 3)])
def test_a_guess_needs_ends_or_choices(arguments):
    with pytest.raises(ValueError, match="give the ends of a slider, low and high, or choices"):
        cl.lesson.guess("How many?", *arguments)


def test_without_a_kernel_the_question_is_there():
    bundle = cl.lesson.guess("Is a < b?", 1, 8, unit="times")._repr_mimebundle_()
    assert bundle["text/plain"] == "Predict: Is a < b? (1 to 8 times)"
    assert "Is a &lt; b?" in bundle["text/html"]


# ---- pictures that follow sliders, and figures with captions


def drawn(k: int, word: str) -> tuple[Figure, str]:
    if k == 5:
        raise ValueError("five is < six")
    figure, (axes,) = cl.lesson.panels(1, height=2)
    axes.plot([0, k])
    return figure, f"{word} {k}"


def test_a_picture_follows_its_controls():
    play = cl.lesson.play(drawn, {"k": (1, 6, 1), "word": ["up", "to"]}, start={"k": 2})
    before = play._repr_mimebundle_()[0]["image/png"]
    assert repr(play) == "Play(k=2, word=up): up 2"
    play.controls["k"].value = 3
    play.controls["word"].value = "to"
    data, about = play._repr_mimebundle_()
    assert data["text/plain"] == "Play(k=3, word=to): to 3" and data["image/png"] != before
    assert about["image/png"]["alt"] == data["text/plain"]
    assert 'alt="to 3"' in play.children[2].value and "to 3" in play.children[3].value


def test_an_error_is_told_in_the_widget():
    play = cl.lesson.play(drawn, {"k": (1, 6, 1), "word": ["up"]})
    picture = play.children[1 + 1].value
    play.controls["k"].value = 5
    assert "ValueError: five is &lt; six" in play.children[3].value
    assert play.children[2].value == picture
    play.controls["k"].value = 6
    assert "up 6" in play.children[3].value


def test_a_figure_needs_a_caption():
    figure, _ = cl.lesson.panels(2)
    with pytest.raises(ValueError, match="a figure needs a caption"):
        cl.lesson.show(figure, " ")
