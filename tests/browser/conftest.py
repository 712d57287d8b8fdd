"""What the browser tests share: one Chromium, one JupyterLab over a temporary folder, one notebook with an Explorer."""

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
    """JupyterLab over a folder with an empty notebook."""
    folder = tmp_path_factory.mktemp("notebooks")
    labs.write_notebook(folder / NOTEBOOK, *pages.CELLS)
    with labs.running_lab(folder, tmp_path_factory.mktemp("home")) as running:
        yield running


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
