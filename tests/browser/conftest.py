"""What the browser tests share: one Chromium, one JupyterLab over a temporary folder, one notebook with an Explorer."""

import json
import shutil

import pytest

import cnnlab as cl
from tests.browser import explorer_page as pages
from tests.browser import lab as labs

NOTEBOOK = "explorer.ipynb"


@pytest.fixture(scope="session")
def browser():
    with labs.chromium() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab over a folder with an empty notebook and the committed ones that show an Explorer."""
    folder = tmp_path_factory.mktemp("notebooks")
    labs.write_notebook(folder / NOTEBOOK, *pages.CELLS)
    for path in with_explorer():
        shutil.copy(path, folder)
    with labs.running_lab(folder, tmp_path_factory.mktemp("home")) as running:
        yield running


def with_explorer():
    """The committed notebooks that show an Explorer."""
    for path in sorted((labs.ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        if any("Explorer" in "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
            yield path


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """An Explorer as a page of its own, with some of its rows edited, and a budget."""
    path = tmp_path_factory.mktemp("saved") / "explorer.html"
    cl.Explorer.from_state(pages.EDITED, budget=2e9).save_html(path)
    return path


@pytest.fixture(scope="session")
def page(browser, lab):
    """A notebook whose first cell shows an Explorer; its kernel, with all that it has imported, serves all tests."""
    page = labs.open_notebook(browser, lab, NOTEBOOK, width=1700, height=1300)
    page.set_default_timeout(15_000)
    pages.watch(page)
    yield page
    page.close()


@pytest.fixture(scope="module")
def view(page):
    """A new Explorer in that notebook. After the module's tests neither console nor kernel may have complained."""
    page.problems.clear()
    yield pages.show(page, "cl.Explorer('efficientnet')")
    pages.no_problems(page)
