"""The tables in README.md and notebooks/TEACHING.md: what the build measured of the lessons, and the answers."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from cnnlab.show.exercises import EXERCISES
from cnnlab.show.exercises.exercise import Exercise
from notebooks.build.derive import NOTEBOOKS, ROOT, minutes, sources, tags

PAGES = {ROOT / "README.md": "notebooks/", NOTEBOOKS / "TEACHING.md": ""}
"""page -> where the notebooks are, seen from it"""


def table(prefix: str) -> str:
    """The lessons. prefix: of the links."""
    lines = ["| lesson | in class | exercises | runs in | memory |", "|---|---|---|---|---|"]
    total = 0.0
    for path in _built(NOTEBOOKS):
        notebook = nbformat.read(path, as_version=4)
        shown, tried = minutes(notebook)
        seconds, memory = (notebook.metadata["cnnlab"][what] for what in ("wall", "memory"))
        total += seconds
        title = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
        exercises = sum("exercise" in tags(cell) for cell in notebook.cells)
        told = f"{shown} min | {exercises}, {tried} min | {seconds:.0f} s | {memory / 1e6:.0f} MB"
        lines.append(f"| [{title}]({prefix}{path.name}) | {told} |")
    return "\n".join([*lines, f"| all | | | {total:.0f} s | |"])


def answers() -> str:
    """What each exercise expects, what its solution came to, and the likely mistakes."""
    lines = ["| | expected | answer | likely mistakes |", "|---|---|---|---|"]
    for path in _built(NOTEBOOKS / "solutions"):
        for number, said in _said(nbformat.read(path, as_version=4)):
            exercise = EXERCISES[number]
            mistakes = dict.fromkeys(exercise.mistakes.values() if isinstance(exercise, Exercise) else ())  # each once
            lines.append(f"| {number} | {exercise.asks} | {said} | {' / '.join(mistakes)} |")
    return "\n".join(lines)


def _built(folder: Path) -> list[Path]:
    files = (folder / f"{path.stem}.ipynb" for path in sources())
    return [file for file in files if file.exists()]


def _said(solved: NotebookNode) -> list[tuple[str, str]]:
    """number and answer of the checks that passed"""
    text = "".join(output.text for cell in solved.cells if "exercise" in tags(cell) for output in cell.outputs)
    return re.findall(r"^([\d.]+): right: (.*)\.$", text, re.MULTILINE)


def with_tables(text: str, page: Path) -> str:
    """The text of a page, with its tables as they should be."""
    for name, content in (("lessons", table(PAGES[page])), ("answers", answers())):
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(start)
        if found:
            text = f"{before}{start}\n{content}\n{end}{rest.partition(end)[2]}"
    return text


def write_overview() -> None:
    """Bring the tables up to date."""
    for page in PAGES:
        if page.exists():
            text = page.read_text(encoding="utf-8")
            page.write_text(with_tables(text, page), encoding="utf-8")
