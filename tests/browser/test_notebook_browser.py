"""The Explorer among a notebook's other things: many families in a row, two of them, a new kernel."""

import re

import pytest

from cnnlab.arch.bases import FAMILIES
from tests.browser import lab as labs
from tests.browser.explorer_page import (
    CELLS,
    check,
    choose,
    control,
    enter,
    kernel_agrees,
    no_problems,
    press,
    read,
    run,
    show,
    shut_down,
    slider,
    start,
    wait_state,
)

pytestmark = pytest.mark.browser


def test_ten_families_at_once(view):
    """Chosen faster than Python answers: the last one wins, on the page and in the kernel."""
    start(view)
    keys = list(FAMILIES)[3:14]
    control(view, "family").evaluate(
        """(select, keys) => keys.forEach((key) => {
            select.value = key;
            select.dispatchEvent(new Event("change", { bubbles: true }));
        })""",
        keys,
    )
    wait_state(view, f"{keys[-1]},")
    view.page.wait_for_timeout(1500)
    assert check(view)["state"].startswith(f"{keys[-1]},")
    kernel_agrees(view)
    for key in keys[:4]:  # and as a person does it, with the keys
        control(view, "family").focus()
        view.page.keyboard.press("ArrowUp")
        slider(view, "width").focus()
        view.page.keyboard.press("ArrowRight")
        assert key
    view.page.wait_for_timeout(1500)
    check(view)
    kernel_agrees(view)


def test_edits_in_a_row(view):
    """Typed faster than Python answers: all of them are there."""
    start(view)
    for name, text in (("1.kernel", "5"), ("2.kernel", "7"), ("3.kernel", "3"), ("4.kernel", "9"), ("5.kernel", "3")):
        enter(view, name, text)
    wait_state(view, ".*5.kernel=3$")
    state = check(view)["state"]
    assert state.endswith("1.kernel=5,2.kernel=7,3.kernel=3,4.kernel=9,5.kernel=3")
    kernel_agrees(view)


def test_two_explorers_in_one_notebook(page):
    """Neither hears of the other; the same one shown twice is one."""
    page.evaluate("() => document.querySelectorAll('.cnnlab').forEach((el) => el.setAttribute('data-old', ''))")
    two = "explorer, other = cl.Explorer('resnet'), cl.Explorer('vgg')"
    run(page, f"from IPython.display import display\n{two}\ndisplay(explorer, other, explorer)", cell=0)
    views = page.locator(".cnnlab:not([data-old])")
    views.nth(2).wait_for()
    first, second, again = (views.nth(i) for i in range(3))
    slider(first, "depth").focus()
    page.keyboard.press("ArrowRight")
    slider(second, "width").focus()
    page.keyboard.press("End")
    choose(second, "x-axis", "params")
    assert check(first)["state"] == "resnet,d=1.1,w=1,r=224" and read(first)["controls"]["x-axis"] == "macs"
    assert check(second)["state"] == "vgg,d=1,w=2.5,r=224"
    wait_state(again, "resnet,d=1.1,w=1,r=224$")
    choose(again, "family", "mnasnet")
    wait_state(first, "mnasnet,")
    check(first)
    check(again)
    assert check(second)["state"] == "vgg,d=1,w=2.5,r=224"
    kernel_agrees(first)
    first.locator('.row[data-stage="stage2"]').hover()
    assert first.locator(".on[data-stage]").count() and not second.locator(".on[data-stage]").count()
    press(again, "pin")
    read(first)
    assert (
        read(first)["summaries"]["compare"] == "1 pinned" and read(second)["summaries"]["compare"] == "nothing pinned"
    )
    names = page.locator(".cnnlab:not([data-old]) [id]").evaluate_all("(all) => all.map((one) => one.id)")
    assert len(names) == len(set(names)), "ids stand once on a page"
    no_problems(page)


def test_kernel_restart(browser, lab):
    """The page that is left does no harm; run again, all is there again."""
    labs.write_notebook(lab.folder / "restart.ipynb", *CELLS)
    page = labs.open_notebook(browser, lab, "restart.ipynb", width=1700, height=1300)
    run(page, "import cnnlab as cl")
    view = show(page, "cl.Explorer('resnet')")
    slider(view, "depth").focus()
    page.keyboard.press("ArrowRight")
    check(view)
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Kernel$")).click()
    page.locator('.lm-Menu-item[data-command="kernelmenu:restart"]').click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    labs.wait_idle(page)
    slider(view, "width").focus()  # the sliders still turn, with the numbers that are there
    page.keyboard.press("ArrowRight")
    check(view)
    control(view, "family").select_option("mnasnet")
    view.get_by_text("Python has ended").wait_for()
    assert check(view)["state"].startswith("resnet,")
    page.wait_for_timeout(500)
    run(page, "import cnnlab as cl")
    view = show(page, "cl.Explorer('vgg')")
    slider(view, "width").focus()
    page.keyboard.press("ArrowRight")
    assert check(view)["state"] == "vgg,d=1,w=1.05,r=224"
    kernel_agrees(view)
    assert page.problems == []
    page.close()
    shut_down(lab, "restart.ipynb")
