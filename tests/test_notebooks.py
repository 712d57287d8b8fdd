"""The committed notebooks: fit to be compared (the guard), and alive outside nbval (nbclient and an HTML export).

Their outputs are compared by nbval in the same run of pytest (see the Makefile); here the lessons are executed from
their sources, so that the numbers in their prose are computed anew as well.
"""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbval.plugin import get_sanitize_patterns

from notebooks.build.derive import NOTEBOOKS, lesson, sources
from notebooks.build.execute import execute
from notebooks.build.fields import as_code, pattern
from tests.notebook_guard import HEADINGS, WIDGET, pictures, problems

ROOT = Path(__file__).parents[1]
COMMITTED = [path for path in sorted(NOTEBOOKS.rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_there_are_notebooks():
    assert COMMITTED, "notebooks/ holds no notebook: the tests below would pass and test nothing"


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_guard(path):
    headings = HEADINGS if path.parent == NOTEBOOKS else ("Exercises",)
    found = problems(nbformat.read(path, as_version=4), headings)
    assert not found, "\n".join(["", *found])


@pytest.fixture(scope="module", params=sources(), ids=lambda path: path.stem)
def stored_and_fresh(request) -> tuple[NotebookNode, NotebookNode]:
    """A committed lesson, and its source executed anew, as JupyterLab's Run All would."""
    stored = nbformat.read(NOTEBOOKS / f"{request.param.stem}.ipynb", as_version=4)
    return stored, execute(lesson(request.param), NOTEBOOKS).notebook


def test_runs_from_top_to_bottom_with_its_pictures(stored_and_fresh):
    stored, fresh = stored_and_fresh
    assert [pictures(cell) for cell in fresh.cells] == [pictures(cell) for cell in stored.cells]


def test_numbers_in_prose_are_as_committed(stored_and_fresh):
    stored, fresh = stored_and_fresh
    for old, new in zip(stored.cells[1:], fresh.cells[1:], strict=True):  # the first says how long it took
        assert old.cell_type == "code" or old.source == new.source


def images(notebook: NotebookNode) -> list[str]:
    """The pictures of the outputs in an HTML export, each as its tag."""
    html, _ = HTMLExporter().from_notebook_node(notebook)
    without_text = re.sub(r'<div class="jp-RenderedHTMLCommon jp-RenderedMarkdown.*?</div>', "", html, flags=re.DOTALL)
    return re.findall(r"<img\b[^>]*>|<svg\b[^>]*>", without_text)


def test_html_export_shows_every_picture_with_its_text(stored_and_fresh):
    _, fresh = stored_and_fresh
    found = images(fresh)
    assert len(found) >= sum(pictures(cell) for cell in fresh.cells)
    assert [tag[:200] for tag in found if tag.startswith("<img") and not re.search(r'alt="[^"]', tag)] == []


# ---- the guard itself: one good notebook, and each way to spoil it


def good() -> NotebookNode:
    widget = {WIDGET: {"model_id": "1"}, "image/png": PNG, "text/plain": "Explorer(depth=2): 1.8 GMACs"}
    told = {"image/png": {"alt": "Explorer(depth=2)"}}
    cells = [
        new_markdown_cell("# Depth\n\n## Goals\n\n## Time: 20 minutes\n\n![A curve](curve.png)"),
        new_code_cell("import cnnlab as cl", execution_count=1),
        new_code_cell("print(1 + 1)", execution_count=2, outputs=[new_output("stream", text="2\n")]),
        new_code_cell("explorer", execution_count=3, outputs=[new_output("display_data", widget, metadata=told)]),
        new_code_cell("", execution_count=None),
        new_markdown_cell("## Exercises\n\n## Summary"),
    ]
    return new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})


def with_code(source: str, *outputs: NotebookNode, tags: tuple[str, ...] = ()) -> NotebookNode:
    """The good notebook with one more cell at its end."""
    notebook = good()
    cell = new_code_cell(source, execution_count=4, outputs=list(outputs), metadata={"tags": list(tags)})
    notebook.cells.append(cell)
    return notebook


def with_text(source: str) -> NotebookNode:
    notebook = good()
    notebook.cells.append(new_markdown_cell(source))
    return notebook


def without_text_output() -> NotebookNode:
    notebook = good()
    figure = new_output("display_data", {"image/png": PNG, "text/plain": "<Figure size 640x480 with 1 Axes>"})
    notebook.cells[2].outputs, notebook.cells[3].outputs = [figure], [figure]
    return notebook


def changed(cell: int | None = None, **values: object) -> NotebookNode:
    notebook = good()
    (notebook.metadata if cell is None else notebook.cells[cell]).update(values)
    return notebook


def tagged(tag: str) -> NotebookNode:
    notebook = good()
    for cell in notebook.cells:
        cell.metadata.tags = [tag]
    return notebook


ERROR = new_output("error", ename="ValueError", evalue="no", traceback=[])
SHOWN = new_output("stream", text="shown\n")


@pytest.mark.parametrize(
    "notebook",
    [
        good(),
        with_code("1 / 0", ERROR, tags=("raises-exception",)),
        with_code("%matplotlib inline\nimport matplotlib.pyplot as plt\nfigure = plt.figure(); plt.show()"),
        with_code("if False:\n    print('never')"),
        with_code("def shout():\n    print('later')"),
        with_code("None"),
        with_code("print('to nowhere', file=buffer)"),
        with_code("text = 'a;'  # a comment;"),
        with_code("# see https://example.org\nx = 1"),
        with_code("%%time\nprint('hello')", SHOWN),
        with_text("```python\nx = 1  # ![](x.png)\n```"),
        with_text('<img src="a.png" alt="A residual block">'),
        with_code("\n".join(["x = 1"] * 25)),
    ],
)
def test_guard_lets_good_notebooks_pass(notebook):
    nbformat.validate(notebook)
    assert problems(notebook) == []


@pytest.mark.parametrize(
    ("notebook", "complaint"),
    [
        (changed(kernelspec={"name": "cnnlab"}), "kernelspec is cnnlab"),
        (changed(widgets={"state": {}}), "metadata.widgets"),
        (with_code("'x'", new_output("stream", text="x" * 500_000)), "bytes, not under 500,000"),
        (changed(2, execution_count=None), r"execution counts are \[1, None, 3\]"),
        (changed(2, execution_count=7), r"execution counts are \[1, 7, 3\]"),
        (changed(1, execution_count=2), r"execution counts are \[2, 2, 3\]"),
        (changed(2, outputs=[]), "shows something but has no output"),
        (with_code("for i in range(3):\n    print(i)"), "shows something but has no output"),
        (with_code("with torch.no_grad():\n    print(model(x))"), "shows something but has no output"),
        (with_code("cost.macs"), "shows something but has no output"),
        (with_code("%%time\nprint('hello')"), "shows something but has no output"),
        (without_text_output(), "nothing in this notebook is compared"),
        (tagged("nbval-ignore-output"), "nothing in this notebook is compared"),
        (tagged("nbval-skip"), "nothing in this notebook is compared"),
        (
            with_code("x", new_output("stream", name="stderr", text="UserWarning: look")),
            "stderr was saved: 'UserWarning",
        ),
        (with_code("1 / 0", ERROR), "error was saved .ValueError. and the cell is not tagged"),
        (changed(3, outputs=[new_output("display_data", {WIDGET: {}, "text/plain": "x"})]), "widget without text and"),
        (changed(3, outputs=[new_output("display_data", {WIDGET: {}, "image/png": PNG})]), "widget without text and"),
        (changed(3, outputs=[new_output("display_data", {"image/png": PNG})]), "picture without alt text"),
        (changed(3, outputs=[new_output("display_data", {"image/svg+xml": "<svg/>"})]), "SVG alone"),
        (with_code("cl.lesson.show(figure, 'A curve.')"), "shows something but has no output"),
        (with_code("guess.reveal(3)"), "shows something but has no output"),
        (with_code("ax.plot(x);", SHOWN), "ends with `;`"),
        (with_code("ax.plot(x);  # draw it", SHOWN), "ends with `;`"),
        (with_code("%%capture\nax.plot(x);"), "ends with `;`"),
        (with_code("interact(f, x=3)", SHOWN), "uses interact,"),
        (with_code("@widgets.interact\ndef f(x): ...", SHOWN), "uses interact,"),
        (with_code("out = widgets.Output()"), "uses Output,"),
        (with_code("from IPython.display import clear_output as wipe\nwipe()"), "uses clear_output,"),
        (with_code("def f(:"), "does not parse"),
        (with_code("\n".join(["x = 1"] * 26)), "26 lines, more than 25"),
        (with_code("page = get('https://example.org/x.csv')"), "holds the address"),
        (with_code("from urllib.request import urlopen"), "imports urllib.request"),
        (with_code("import requests as r"), "imports requests"),
        (with_code("data = FashionMNIST('.', download=True)"), "download=True"),
        (with_code("!pip install this"), "shell command"),
        (with_text("![](curve.png)"), "no alt text"),
        (with_text('<img src="a.png" alt="">'), "no alt text"),
        (with_text('<img src="a.png">'), "no alt text"),
        *((changed(0, source=good().cells[0].source.replace(h, "x")), f"starts with {h}") for h in ("Goals", "Time")),
        *((changed(5, source=good().cells[5].source.replace(h, "x")), f"with {h}") for h in ("Exercises", "Summary")),
    ],
)
def test_guard_catches(notebook, complaint):
    found = problems(notebook)
    assert any(re.search(complaint, problem) for problem in found), found


def test_guard_names_the_cell():
    assert problems(with_code("ax.plot(x);", SHOWN))[0].startswith("cell 7 (ax.plot(x);): ")


# ---- the two other checks, on notebooks made up here


def test_execution_reports_an_error(tmp_path):
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(new_notebook(cells=[new_code_cell("1 / 0")]), tmp_path)


def test_execution_fills_in_text_and_keeps_pictures(tmp_path):
    show = f"import base64\nfrom IPython.display import display\ndisplay({{'image/png': '{PNG}'}}, raw=True)"
    text = "{base64.__name__} of {1 + 1:.1f} {{sets}}\n\n![A](b.png)"
    run = execute(
        new_notebook(cells=[new_code_cell(show), new_markdown_cell(text), new_markdown_cell("{{}}")]), tmp_path
    )
    picture, told, braces = run.notebook.cells
    assert told.source == "base64 of 2.0 {sets}\n\n![A](b.png)" and braces.source == "{}"
    assert pictures(picture) == len(images(run.notebook)) == 1 and picture.execution_count == 1
    assert run.times.cpu > 0 and len(run.seconds) == 3


@pytest.mark.parametrize("text", ["{x}", "a {x:,} b", "{x['y']:.1f}{{}}", "no field", "quotes \" and ' and \\\\ {x}"])
def test_filled_in_text_matches_its_pattern(text, capsys):
    class Any:
        def __getitem__(self, _key: str) -> float:
            return 1234.5

        def __format__(self, spec: str) -> str:
            return format(1234, spec)

    exec(as_code(text), {"x": Any()})
    assert pattern(text).fullmatch(capsys.readouterr().out)


def test_export_shows_the_picture_of_a_widget():
    assert sum(pictures(cell) for cell in good().cells) == len(images(good())) == 1


# ---- nbval's sanitize file


def sanitized(text: str) -> str:
    for overlooked, replacement in get_sanitize_patterns((ROOT / "tests/nbval_sanitize.cfg").read_text()):
        text = re.sub(overlooked, replacement, text)
    return text


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        ("<Block at 0x7f3a99b0c0d0>", "<Block at 0x7f11aa000010>"),
        ("<Figure size 640x480 with 2 Axes>", "<Figure size 800x600 with 2 Axes>"),
        ("took 1.25 s", "took 980 ms"),
    ],
)
def test_sanitize_overlooks(stored, fresh):
    assert stored != fresh
    assert sanitized(stored) == sanitized(fresh)


@pytest.mark.parametrize(
    ("stored", "fresh"),
    [
        ("4,089,184,256 MACs", "4,089,184,257 MACs"),
        ("<Figure size 640x480 with 1 Axes>", "<Figure size 640x480 with 2 Axes>"),
        ("stride 2", "stride 1"),
        ("4 stages", "5 stages"),
    ],
)
def test_sanitize_does_not_overlook(stored, fresh):
    assert sanitized(stored) != sanitized(fresh)
