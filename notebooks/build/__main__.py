"""`python -m notebooks.build [03 07 ...]`: derive and execute lessons and their solutions; without numbers, all.

One after the other, so that the seconds in their headers are those of a machine that does nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from tqdm import tqdm

from notebooks.build.derive import NOTEBOOKS, lesson, solutions, sources, timed
from notebooks.build.execute import execute
from notebooks.build.overview import write_overview

SLOW = 2  # seconds of a cell that are worth a word


def build(path: Path) -> str:
    """Write the notebooks of one source; say what it took."""
    unsolved, solved = lesson(path), solutions(path)
    run = execute(unsolved, NOTEBOOKS)
    write(timed(run.notebook, run.times), NOTEBOOKS / f"{path.stem}.ipynb")
    folder = NOTEBOOKS / "solutions"
    folder.mkdir(exist_ok=True)
    write(execute(solved, folder).notebook, folder / f"{path.stem}.ipynb")
    slow = [f"{seconds:.1f} s in cell {place}" for place, seconds in enumerate(run.seconds) if seconds > SLOW]
    return ", ".join([f"{path.stem}: {run.times.wall:.0f} s", *slow])


def write(notebook: NotebookNode, path: Path) -> None:
    """Validate, and write in place of what was there."""
    nbformat.validate(notebook)
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    part.replace(path)


def main(numbers: list[str]) -> None:
    """Build these lessons, or all."""
    known = {path.stem[:2]: path for path in sources()}
    if unknown := [number for number in numbers if number not in known]:
        sys.exit(f"no lesson {', '.join(unknown)}; there are {', '.join(known)}")
    for number in tqdm(numbers or list(known), unit="lesson"):
        tqdm.write(build(known[number]))
    write_overview()


if __name__ == "__main__":
    main(sys.argv[1:])
