"""What a notebook shows for an architecture, a graph and a cost, in a real JupyterLab, in both themes."""

import os
import re
from pathlib import Path

import pytest

import cnnlab as cl
from tests.browser import lab as labs

pytestmark = pytest.mark.browser

CELLS = (
    "import cnnlab as cl\narch = cl.architecture('efficientnet_b0')\narch",
    "graph = cl.architecture('resnet50').graph()\ngraph",
    "cl.architecture('googlenet')",
    "graph.cost()",
    "cl.plot_roofline(cl.roofline(arch, seconds=0.1))",
    "cl.waterfall(cl.architecture('resnet50'), cl.architecture('seresnet50'), arch)",
)
TEXTS = """(area) => {
    const style = getComputedStyle(area);
    const view = area.getBoundingClientRect();
    return [...area.querySelectorAll("svg text")].filter((t) => t.textContent.trim()).map((t) => {
        const box = t.getBoundingClientRect();
        const inside = box.left >= view.left - 1 && box.right <= view.right + 1;
        return [t.textContent, getComputedStyle(t).fill, inside, box.height];
    });
}"""


def brightness(colour: str) -> float:
    """0 (black) to 255 of "rgb(r, g, b)"."""
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


@pytest.mark.parametrize(("theme", "dark"), [(labs.LIGHT, False), (labs.DARK, True)], ids=["light", "dark"])
def test_views_are_whole_and_legible(browser, tmp_path, theme, dark):
    labs.write_notebook(tmp_path / "views.ipynb", *CELLS)
    with labs.running_lab(tmp_path, tmp_path / "home", theme) as lab:
        page = labs.open_notebook(browser, lab, "views.ipynb", height=6000)
        labs.run_all(page)
        areas = page.locator(".jp-OutputArea-output")
        assert areas.count() == len(CELLS)
        for i, network in ((0, "efficientnet_b0"), (1, "resnet50"), (2, "googlenet")):
            area = areas.nth(i)
            texts = area.evaluate(TEXTS)
            assert len(texts) > 10
            for text, fill, inside, height in texts:
                assert inside, f"{text} of {network} is cut off"
                assert height >= 8, f"{text} of {network} is too small to read"
                assert brightness(fill) > 150 if dark else brightness(fill) < 130, f"{text} of {network}: {fill}"
            cost = cl.architecture(network).cost()
            assert f"{cost.macs:,}" in area.inner_text()
        assert "4,089,184,256" in areas.nth(3).inner_text()
        assert areas.nth(4).locator("img").count() == areas.nth(5).locator("img").count() == 1
        shots = Path(os.environ.get("SHOTS", tmp_path))
        for i in range(len(CELLS)):
            areas.nth(i).screenshot(path=shots / f"view_{i}_{'dark' if dark else 'light'}.png")
        assert page.problems == []
        page.close()
