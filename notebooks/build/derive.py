"""From a lesson's source to its notebook, and to the notebook of its solutions; nothing is executed here."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"
SOURCES = NOTEBOOKS / "source"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
KERNEL = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
TURN, TIME = "# Your answer:", "## Time"


@dataclass(frozen=True)
class Times:
    """What the header of a lesson says of time; measured by the build.

    wall, cpu: seconds of all cells, on how many cores. memory: bytes of the kernel at the end.
    """

    wall: float
    cpu: float
    memory: float
    cores: int


def sources() -> list[Path]:
    """The lessons' sources, in the order of the lessons."""
    return sorted(SOURCES.glob("[0-9][0-9]_*.py"))


def read(path: Path) -> NotebookNode:
    """A source as a notebook whose markdown has fields to fill in, and whose exercises are solved."""
    source = jupytext.read(path, fmt="py:percent")
    number = path.stem[:2]
    cells = [cell for cell in source.cells if cell.source.strip()]
    for place, cell in enumerate(cells):
        cell["id"] = f"l{number}-{place:02}"
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return new_notebook(cells=cells, metadata={**KERNEL, "cnnlab": {"lesson": number}})


def lesson(path: Path) -> NotebookNode:
    """The notebook that students get: exercises are stubs. What it takes is not known yet: see `timed`."""
    notebook = read(path)
    notebook.cells = [cell for cell in notebook.cells if "solution" not in tags(cell)]
    for cell in notebook.cells:
        if "exercise" in tags(cell):
            cell.source = stub(cell.source)
    head = notebook.cells[0]
    title, _, rest = head.source.partition("\n")
    head.source = "\n".join([title, "", badges(path.stem), rest, "", TIME])
    return notebook


def timed(executed: NotebookNode, times: Times) -> NotebookNode:
    """The notebook with what it takes in its header and its metadata."""
    (shown, tried), wall, cpu = minutes(executed), round(times.wall), round(times.cpu)
    line = (
        f"About {shown} minutes in class and {tried} for the exercises. All cells together take {wall} s on "
        f"{times.cores} cores ({cpu} s of processor time); no GPU, no network."
    )
    executed.cells[0].source = executed.cells[0].source.replace(TIME, f"{TIME}\n\n{line}")
    executed.metadata["cnnlab"].update({"wall": wall, "cpu": cpu, "memory": int(times.memory)})
    return executed


def solutions(path: Path) -> NotebookNode:
    """The exercises of a lesson, solved, with what is said about them: from its Exercises to its Summary."""
    notebook = read(path)
    title = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
    starts = [i for i, cell in enumerate(notebook.cells) if re.match(r"## (Exercises|Summary)", cell.source)]
    if len(starts) != 2:
        raise ValueError(f"{path.name}: one cell must start with '## Exercises', and a later one with '## Summary'")
    text = f"# Solutions to {title}\n\nLook here after you have tried. The lesson: [{path.stem}](../{path.stem}.ipynb)."
    head = new_markdown_cell(text, id=f"s{path.stem[:2]}")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _from_subfolder(cell.source)
    setup = new_code_cell("import cnnlab as cl", id=f"s{path.stem[:2]}-setup")
    notebook.cells = [head, setup, *notebook.cells[starts[0] : starts[1]]]
    return notebook


def _from_subfolder(text: str) -> str:
    """Markdown whose relative links are those of a page in solutions/."""
    text = re.sub(r"\]\((?!https?:|#)", "](../", text)
    return text.replace("](../solutions/", "](")


def stub(solved: str) -> str:
    """An exercise with its solution taken out: what stands between `# Your answer:` and the check.

    >>> print(stub("x = 3\\n# Your answer:\\nanswer = 2 * x\\ncl.lesson.check('00.1', answer)"))
    x = 3
    # Your answer:
    answer = None
    cl.lesson.check('00.1', answer)
    """
    check = ast.parse(solved).body[-1]
    lines = solved.splitlines()
    if TURN not in lines or not lines[check.lineno - 1].startswith("cl.lesson.check("):
        raise ValueError(f"an exercise needs a line {TURN!r} and must end with cl.lesson.check(...):\n{solved}")
    given = lines[: lines.index(TURN) + 1]
    return "\n".join([*given, "answer = None", *lines[check.lineno - 1 :]])


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", ()))


def badges(stem: str) -> str:
    """Where to open the lesson, as pictures that link: Colab, Binder, and how on this machine."""
    place = REPOSITORY.removeprefix("https://github.com/")
    file = f"notebooks/{stem}.ipynb"
    colab = f"https://colab.research.google.com/github/{place}/blob/main/{file}"
    binder = f"https://mybinder.org/v2/gh/{place}/main?labpath={quote(file, safe='')}"
    return (
        f"[![Open in Colab](badges/colab.svg)]({colab}) [![Open in Binder](badges/binder.svg)]({binder}) "
        f"[![Run on this machine](badges/local.svg)]({REPOSITORY}#two-commands)"
    )


def minutes(notebook: NotebookNode) -> tuple[int, int]:
    """In class (180 words a minute, half a minute a code cell, two a guess), and for exercises (four each)."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    guesses = sum("cl.lesson.guess(" in source for source in code)
    exercises = sum("exercise" in tags(cell) for cell in notebook.cells)
    shown = words(notebook) / 180 + 0.5 * (len(code) - exercises) + 2 * guesses
    return 5 * round(shown / 5), 4 * exercises


def words(notebook: NotebookNode) -> int:
    """The words of its prose, code fences and tables left out."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\[!\[.*?\)\]\(.*?\)|^\|.*$", "", text, flags=re.MULTILINE)
    return len(re.findall(r"[^\W\d_][\w’'-]*", text))
