"""The build on a lesson of a few lines: what students get, what the solutions get, and what is measured."""

from __future__ import annotations

import re

import pytest

from notebooks.build.derive import lesson, minutes, solutions, tags, timed, words
from notebooks.build.execute import execute
from notebooks.build.site import page, text_page

TINY = """\
# %% [markdown]
# # 99 · Tiny
#
# ## Goals
#
# * To be short.

# %%
x = 20
print(x)

# %% [markdown]
# Twice that is {2 * x:,}, in a set {{1}}.

# %% [markdown]
# ## Exercises

# %% tags=["exercise"]
import cnnlab as cl

blocks = 16  # given
# Your answer:
half = blocks / 2
answer = 2 * half
cl.lesson.check("00.1", answer)

# %% [markdown] tags=["solution"]
# Because {blocks}.

# %% [markdown]
# ## Summary
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "99_tiny.py"
    path.write_text(TINY)
    return path


def test_students_get_the_stub_and_what_it_takes(source, tmp_path):
    derived = lesson(source)
    assert [cell.cell_type for cell in derived.cells] == [
        "markdown",
        "code",
        "markdown",
        "markdown",
        "code",
        "markdown",
    ]
    assert not any("solution" in tags(cell) for cell in derived.cells)
    run = execute(derived, tmp_path)
    built = timed(run.notebook, run.times)
    head, code, text, _, exercise, _ = built.cells
    assert head.source.startswith("# 99 · Tiny\n\n[![Open in Colab](badges/colab.svg)](https://colab")
    assert f"All cells together take {run.times.wall:.0f} s on" in head.source
    assert (code.outputs[0].text, code.execution_count) == ("20\n", 1)
    assert text.source == "Twice that is 40, in a set {1}."
    assert exercise.source.splitlines()[3:] == ["# Your answer:", "answer = None", 'cl.lesson.check("00.1", answer)']
    assert exercise.outputs[0].text.startswith("00.1: no answer yet") and exercise.execution_count == 2
    assert built.metadata["cnnlab"]["memory"] > 1e7
    assert minutes(built)[1] == 4 and 30 < words(built) < 60


def test_solutions_are_solved_and_say_why(source, tmp_path):
    solved = execute(solutions(source), tmp_path).notebook
    head, setup, _, exercise, why = solved.cells
    assert head.source.startswith("# Solutions to 99 · Tiny") and "(../99_tiny.ipynb)" in head.source
    assert setup.source == "import cnnlab as cl"
    assert exercise.outputs[0].text == "00.1: right: 16 blocks.\n"
    assert why.source == "Because 16."


def test_no_exercises_no_solutions(tmp_path):
    path = tmp_path / "98_none.py"
    path.write_text("# %% [markdown]\n# # 98 · None\n")
    with pytest.raises(ValueError, match=r"98_none\.py: one cell must start with '## Exercises'"):
        solutions(path)


def test_an_expression_that_fails_stops_the_build(source, tmp_path):
    path = tmp_path / "97_wrong.py"
    path.write_text("# %% [markdown]\n# # 97 · Wrong\n\n# %% [markdown]\n# It is {nothing}.\n")
    with pytest.raises(Exception, match="name 'nothing' is not defined"):
        execute(lesson(path), tmp_path)


def test_a_page_leads_to_pages_and_fetches_nothing(source):
    html = page(lesson(source), '<a href="index.html">All lessons</a>', "Tiny")
    assert "<title>Tiny</title>" in html and 'aria-label="Lessons"' in html
    assert not re.findall(r"""(?:src|import|url)\s*[=(]?\s*["'(]?https?:""", html)
    text = "[a](00_start_here.ipynb) [b](TEACHING.md#plans) [c](https://arxiv.org/abs/x.md) [d](solutions/01.ipynb)"
    html = text_page(f"{text}\n\n| a | b |\n|---|---|\n| 1 | 2 |", "", "Links")
    for target in ("00_start_here.html", "TEACHING.html#plans", "https://arxiv.org/abs/x.md", "solutions/01.html"):
        assert f'href="{target}"' in html
    assert "<td>2</td>" in html
