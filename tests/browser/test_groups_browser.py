"""The chooser of width groups in a real JupyterLab: another layer by keyboard, another picture, in both themes."""

import os
import re
from html import unescape
from pathlib import Path

import pytest

import cnnlab as cl
from cnnlab.show.groupview import group_diagram
from tests.browser import lab as labs

pytestmark = pytest.mark.browser

CELLS = (
    "import cnnlab as cl\n"
    "from cnnlab.show.groupchooser import group_chooser\n"
    "chooser = group_chooser(cl.architecture('resnet18'))\n"
    "chooser",
    "print(chooser)",
)
SHOWN = """(label) => {
    const svg = document.querySelector(".jp-OutputArea-output .cnnlab-groups");
    return svg && svg.getAttribute("aria-label") === label;
}"""
TEXTS = """(svg) => {
    const view = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("text")].map((t) => {
        const box = t.getBoundingClientRect();
        const inside = box.left >= view.left - 1 && box.right <= view.right + 1;
        return [t.textContent, getComputedStyle(t).fill, inside, parseFloat(getComputedStyle(t).fontSize)
            * view.width / svg.viewBox.baseVal.width];
    });
}"""


def brightness(colour: str) -> float:
    """0 (black) to 255 of "rgb(r, g, b)"."""
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


def wait_for_picture(page, layer):
    """Until the picture is that of this layer; its texts then are those of `group_diagram`."""
    picture = group_diagram(cl.architecture("resnet18"), layer).svg
    page.wait_for_function(SHOWN, arg=re.search('aria-label="(.*?)"', picture).group(1), timeout=10_000)
    svg = page.locator(".jp-OutputArea-output .cnnlab-groups")
    assert svg.count() == 1, "the picture is put in the place of the last one"
    expected = [re.sub(r"<[^>]*>", "", text) for text in re.findall(r"<text[^>]*>(.*?)</text>", picture)]
    assert svg.locator("text").all_text_contents() == [unescape(text) for text in expected]
    return svg


@pytest.mark.parametrize(("theme", "dark"), [(labs.LIGHT, False), (labs.DARK, True)], ids=["light", "dark"])
def test_another_layer_by_keyboard(browser, tmp_path, theme, dark):
    layers = [layer.name for layer in cl.architecture("resnet18").graph().layers]
    labs.write_notebook(tmp_path / "groups.ipynb", *CELLS)
    with labs.running_lab(tmp_path, tmp_path / "home", theme) as lab:
        page = labs.open_notebook(browser, lab, "groups.ipynb", height=1400)
        labs.run_all(page)
        svg = wait_for_picture(page, "stem.conv1")
        choice = page.get_by_label("Layer")
        choice.focus()
        assert choice.input_value() == "stem.conv1"
        for press, at in (("ArrowDown", 2), ("ArrowDown", 3), ("End", len(layers) - 1), ("Home", 0), ("ArrowDown", 1)):
            page.keyboard.press(press)
            svg = wait_for_picture(page, layers[at])
            assert choice.evaluate("(el) => el === document.activeElement"), "JupyterLab took the keys"
        for text, fill, inside, size in svg.evaluate(TEXTS):
            assert inside, f"{text} is cut off"
            assert size >= 11, f"{text} is too small to read: {size} px"
            assert brightness(fill) > 150 if dark else brightness(fill) < 130, f"{text}: {fill}"
        assert labs.run_code(page, 1) == f"GroupChooser(resnet18: {layers[1]})"
        shots = Path(os.environ.get("SHOTS", tmp_path))
        page.locator(".jp-OutputArea-output").first.screenshot(path=shots / f"groups_{'dark' if dark else 'light'}.png")
        assert page.problems == []
        page.close()
