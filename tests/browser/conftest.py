"""What the browser tests share: one Chromium, and one JupyterLab over a temporary folder."""

import pytest

from tests.browser import lab as labs

NOTEBOOK = "explorer.ipynb"
OWN = "own.ipynb"
SHOW = "import cnnlab as cl\nexplorer = cl.Explorer('efficientnet')\nexplorer"
ASK = "print(explorer.state, explorer.cost, explorer.budget)"
OWN_CELLS = (
    """
import cnnlab as cl
import pandas as pd
arch = cl.architecture('cifar_resnet20', classes=36)
frame = pd.DataFrame([
    dict(name='small', family='resnet', accuracy=91.0, macs=10_000_000, params=70_000),
    dict(name='large', family='resnet', accuracy=95.0, macs=160_000_000, params=1_000_000, activations=700_000),
])
explorer = cl.Explorer(arch, points=frame, axis='glyphs test accuracy, %')
explorer""",
    "explorer.add('mine', 93.25, arch)",
    "explorer.depth, explorer.width, explorer.resolution = 2.0, 1.5, 48",
    "print(explorer.state, explorer.cost, explorer.budget)",
)


@pytest.fixture(scope="session")
def browser():
    with labs.chromium() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab over a folder with the two notebooks."""
    folder = tmp_path_factory.mktemp("notebooks")
    labs.write_notebook(folder / NOTEBOOK, SHOW, ASK)
    labs.write_notebook(folder / OWN, *OWN_CELLS)
    with labs.running_lab(folder, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def page(browser, lab):
    """The notebook, run, with its Explorer on the page."""
    page = labs.open_notebook(browser, lab, NOTEBOOK)
    labs.run_all(page)
    page.wait_for_selector(".cnnlab")
    yield page
    page.close()


@pytest.fixture(scope="module")
def own_page(browser, lab):
    page = labs.open_notebook(browser, lab, OWN)
    page.locator(".jp-CodeCell").first.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".cnnlab", timeout=labs.CELL_MS)
    yield page
    page.close()
