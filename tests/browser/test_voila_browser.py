"""A notebook with an Explorer as a Voila page: no cells, no JupyterLab, a kernel of its own."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import lab as labs
from tests.browser.test_page_browser import shows_exact_numbers

pytestmark = pytest.mark.browser

CELLS = (
    "import cnnlab as cl\nexplorer = cl.Explorer('efficientnet')\nexplorer",
    """
import ipywidgets
label = ipywidgets.Label()
def tell(change=None):
    label.value = f"the kernel says {explorer.state}: {explorer.cost.macs:,}"
explorer.observe(tell, ["family", "depth", "width", "resolution"])
tell()
label""",
)


@pytest.fixture(scope="module")
def voila_page(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    labs.write_notebook(folder / "explorer.ipynb", *CELLS)
    with labs.running_voila(folder, tmp_path_factory.mktemp("home")) as voila:
        page = labs.open_voila(browser, voila, "explorer.ipynb")
        page.wait_for_selector(".cnnlab", timeout=labs.CELL_MS)
        yield page
        page.close()


@pytest.mark.parametrize("key", ["efficientnet", "resnet", "resnet_basic"])
def test_exact_numbers_and_a_kernel_that_follows(voila_page, key):
    page = voila_page
    page.locator('.cnnlab [data-control="family"]').select_option(key)
    for name, press in (("depth", "End"), ("width", "ArrowRight"), ("resolution", "Home")):
        page.locator(f'.cnnlab [data-slider="{name}"]').focus()
        page.keyboard.press(press)
        shows_exact_numbers(page, key)
    state = page.locator('.cnnlab [data-readout="state"]').text_content()
    macs = page.locator('.cnnlab [data-readout="macs"]').text_content()
    expect(page.get_by_text(re.compile(f"the kernel says {re.escape(state)}: {macs}"))).to_be_visible(timeout=10_000)


def test_no_code_and_no_console_errors(voila_page):
    assert voila_page.get_by_text("import cnnlab").count() == 0
    assert voila_page.problems == []
