"""Networks pinned beside the present one, and the waterfall from one to the other."""

import re

import pytest

import cnnlab as cl
from tests.browser.explorer_page import (
    COUNTS,
    check,
    choose,
    control,
    cost_of,
    enter,
    network,
    number,
    press,
    read,
    run,
    show,
    slider,
    start,
    wait_state,
)

pytestmark = pytest.mark.browser

LINE = re.compile(
    r"(?P<label>[^:]+): (?P<before>[\d,]+) to (?P<after>[\d,]+) [\w -]+: (?P<sign>[−+±]) (?P<change>[\d,]+)"
)
TABLE = """(el) => {
    const texts = (tr) => [...tr.querySelectorAll("td")].map((td) => [...td.children].map((part) => part.textContent));
    const rows = [...el.querySelectorAll(".cnnlab-compare-table tbody tr:not([hidden])")];
    return Object.fromEntries(rows.map((tr) => [tr.dataset.figure, texts(tr)]));
}"""


def waterfall(view):
    labels = view.locator(".fall-line").evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    return labels[0], [found.groupdict() for text in labels[1:-1] if (found := LINE.fullmatch(text))], labels[-1]


def check_waterfall(view, before, after, kind):
    """Against cl.diff of the two networks."""
    first, lines, last = waterfall(view)
    assert number(first.partition(": ")[2]) == cost_of(before, kind)
    assert number(last.partition(": ")[2]) == cost_of(after, kind)
    frame = cl.diff(before, after)
    assert [line["label"].removeprefix("at ").removesuffix(" size") for line in lines] == frame["stage"].tolist()
    for end in ("before", "after"):
        assert [number(line[end]) for line in lines] == frame[f"{kind}_{end}"].tolist()
    changes = [number(line["change"]) * {"−": -1, "+": 1, "±": 0}[line["sign"]] for line in lines]
    assert changes == frame[f"{kind}_change"].tolist()


def check_table(view, networks):
    """Against each network's own cost."""
    table = view.evaluate(TABLE)
    for kind in COUNTS:
        costs = [cost_of(arch, kind) for arch in networks]
        assert [number(figure) for figure, _ in table[kind]] == costs
        for (_, ratio), cost in zip(table[kind][1:], costs[1:], strict=True):
            assert abs(float(ratio.removeprefix("× ")) / (cost / costs[0]) - 1) < 0.01
    assert [figure for figure, _ in table["weights"]] == [f"{4 * arch.cost().params / 1e6:.1f} MB" for arch in networks]
    assert [number(figure) for figure, _ in table["blocks"]] == [sum(s.depth for s in arch.stages) for arch in networks]
    return table


def test_pins_table_and_waterfall(page):
    view = show(page, "cl.Explorer('efficientnet')")
    states = []

    def pin():
        states.append(check(view)["state"])
        press(view, "pin")
        view.locator(".cnnlab-pin-buttons").nth(len(states) - 1).wait_for()

    pin()
    slider(view, "phi").focus()
    page.keyboard.press("PageUp")
    pin()
    enter(view, "4.kernel", "7", end="Tab")
    wait_state(view, ".*4.kernel=7")
    now = check(view)["state"]
    networks = [network(state, "imagenet") for state in (*states, now)]
    table = check_table(view, networks)
    assert [edits for edits, _ in table["edits"]] == ["–", "–", "4.kernel=7"]
    for i, kind in ((0, "macs"), (1, "params"), (0, "activations")):
        choose(view, "x-axis", kind)
        control(view, "waterfall-from").select_option(index=i)
        read(view)
        check_waterfall(view, networks[i], networks[2], kind)
    choose(view, "x-axis", "training")
    page.wait_for_function(
        "(el) => el.querySelector('[data-readout=axis]').textContent.includes('GB')", arg=view.element_handle()
    )
    read(view)
    assert number(view.evaluate(TABLE)["training"][-1][0]) == cost_of(networks[2], "training")
    choose(view, "x-axis", "macs")
    choose(view, "family", "resnet")  # as many stages differ: by size of the images
    read(view)
    networks[2] = network(check(view)["state"], "imagenet")
    check_table(view, networks)
    check_waterfall(view, networks[0], networks[2], "macs")
    pins = run(page, "print([pin['id'] for pin in explorer.pins])")
    assert pins == str(states)


def test_pins_are_left_and_gone_back_to(page):
    view = show(page, "cl.Explorer('resnet', depth=1.4)")
    first = check(view)["state"]
    press(view, "pin")
    press(view, "pin")
    assert view.locator('[data-readout="pins"]').text_content() == "This network is pinned already, as A."
    choose(view, "family", "vgg")
    enter(view, "2.depth", "5")
    wait_state(view, ".*2.depth=5")
    second = check(view)["state"]
    press(view, "pin-this")
    view.locator('[data-button="goto-pin"]').nth(0).click()
    wait_state(view, re.escape(first) + "$")
    check(view)
    view.locator('[data-button="goto-pin"]').nth(1).focus()
    page.keyboard.press("Enter")
    wait_state(view, re.escape(second) + "$")
    check(view)
    view.locator('[data-button="unpin"]').first.click()
    read(view)
    assert view.locator('[data-button="goto-pin"]').count() == 1
    assert run(page, "print([pin['id'] for pin in explorer.pins])") == str([second])
    for _ in range(7):
        slider(view, "width").focus()
        page.keyboard.press("ArrowRight")
        press(view, "pin")
    assert view.locator('[data-readout="pins"]').text_content() == "6 networks are pinned; unpin one first."
    run(page, "explorer.pins = []")
    read(view)
    assert view.locator('[data-summary="compare"]').text_content() == "nothing pinned"


def test_waterfall_by_keyboard(page):
    view = show(page, "cl.Explorer('efficientnet')")
    start(view)
    press(view, "pin")
    slider(view, "phi").focus()
    page.keyboard.press("End")
    read(view)
    view.locator('.fall-line[tabindex="0"]').focus()
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    label = page.evaluate("() => document.activeElement.getAttribute('aria-label')")
    assert label.startswith("stage3: ") and view.locator('[data-readout="waterfall"]').text_content() == label
    assert set(view.locator(".on[data-stage]").evaluate_all("(all) => all.map((one) => one.dataset.stage)")) == {
        "stage3"
    }
