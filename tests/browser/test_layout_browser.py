"""How the Explorer looks: in JupyterLab and as a page, light and dark, wide, narrow and at 200 % zoom."""

import os
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from tests.browser import lab as labs
from tests.browser.explorer_layout import faint, flaws
from tests.browser.explorer_page import (
    CELLS,
    check,
    choose,
    enter,
    open_section,
    press,
    run,
    show,
    slider,
    start,
    wait_state,
)

pytestmark = pytest.mark.browser

WIDTHS = (1400, 1024, 700, 512)  # the last two: the first two at 200 %
CROWDED = ("efficientnet", "efficientnet_v2", "mobilenet_v3", "regnet_x", "vgg_bn", "small_plain")


def shoot(view, name, tmp_path):
    path = Path(os.environ.get("SHOTS", tmp_path)) / f"explorer_{name}.png"
    view.screenshot(path=str(path))
    return path


def fill(view):
    """All that can stand on the page: pins and their table, layers, edits, a budget."""
    press(view, "pin")
    choose(view, "family", "resnet_d")
    slider(view, "phi").focus()
    view.page.keyboard.press("PageUp")
    press(view, "pin")
    start(view)
    enter(view, "3.kernel", "7")
    wait_state(view, ".*3.kernel=7")
    enter(view, "budget", "2")
    for name in ("layers", "compare", "training", "takeaway", "coefficients"):
        open_section(view, name)
    view.locator(".cnnlab-groups-of-points summary").click()
    view.page.mouse.move(0, 0)
    view.page.evaluate("() => document.activeElement.blur()")


@pytest.mark.parametrize(("width", "dark"), [*((width, False) for width in WIDTHS), (1400, True), (700, True)])
def test_a_page_at_every_width(browser, saved, tmp_path, width, dark):
    """No text cut off or on another one, nothing sticks out, all of it legible; whatever the family and the axis."""
    page = labs.open_page(browser, saved, width=width, height=1000, dark=dark)
    view = page.locator(".cnnlab")
    view.wait_for()
    for name in ("layers", "compare", "training", "coefficients"):
        open_section(view, name)
    found = {}
    press(view, "pin")
    for key in CROWDED if not dark else CROWDED[:1]:
        choose(view, "family", key)
        found[key] = flaws(view)
        slider(view, "phi").focus()
        page.keyboard.press("End")
        found[f"{key}, large"] = flaws(view)
    press(view, "pin")
    choose(view, "x-axis", "training")
    found["memory"] = flaws(view)
    choose(view, "data", "glyphs")
    choose(view, "x-axis", "thop")
    found["glyphs"] = flaws(view)
    choose(view, "by", "role")
    found["roles"] = flaws(view)
    shoot(view, f"page_{width}_{'dark' if dark else 'light'}", tmp_path)
    assert not any(found.values()), "\n".join(f"{where}: {each}" for where, all in found.items() for each in all[:6])
    assert faint(view) == []
    assert page.problems == []
    page.close()


@pytest.mark.parametrize(("width", "bar"), [(1400, True), (1024, True), (1024, False), (700, False)])
def test_in_jupyterlab(view, tmp_path, width, bar):
    """With and without JupyterLab's list of files at the side."""
    page = view.page
    start(view)
    if view.locator('[data-summary="compare"]').text_content() == "nothing pinned":
        fill(view)
    try:
        page.set_viewport_size({"width": width, "height": 1300})
        shown = page.locator("#jp-left-stack").is_visible()
        if shown != bar:
            page.evaluate("() => document.activeElement.blur()")
            page.keyboard.press("Control+b")
        page.mouse.move(0, 0)
        page.wait_for_timeout(300)
        check(view)
        found = flaws(view)
        shoot(view, f"lab_{width}_{'bar' if bar else 'alone'}", tmp_path)
        assert not found, "\n".join(found[:20])
    finally:
        page.set_viewport_size({"width": 1700, "height": 1300})


@pytest.mark.parametrize(("theme", "dark"), [(labs.LIGHT, False), (labs.DARK, True)], ids=["light", "dark"])
def test_both_themes_are_legible(browser, request, tmp_path, theme, dark):
    """Text stands out from the background at least 4.5 times, marks at least 2 times (WCAG's ratio)."""
    if not dark:
        view = show(request.getfixturevalue("page"), "cl.Explorer('efficientnet')")
        legible(view, dark, tmp_path)
        return
    labs.write_notebook(tmp_path / "dark.ipynb", *CELLS)
    with labs.running_lab(tmp_path, tmp_path / "home", theme) as lab:
        page = labs.open_notebook(browser, lab, "dark.ipynb", width=1700, height=1300)
        run(page, "import cnnlab as cl")
        legible(show(page, "cl.Explorer('efficientnet')"), dark, tmp_path)
        assert page.problems == []
        page.close()


def legible(view, dark, tmp_path):
    fill(view)
    check(view)
    assert faint(view) == []
    view.locator('.row[data-stage="stage2"]').hover()
    assert faint(view) == [] and flaws(view) == []
    shoot(view, f"lab_{'dark' if dark else 'light'}", tmp_path)
    shot = shoot(view.locator(".cnnlab-plot"), f"plot_{'dark' if dark else 'light'}", tmp_path)
    with Image.open(shot) as image:
        median = ImageStat.Stat(image.convert("L")).median[0]
    assert median < 60 if dark else median > 220
