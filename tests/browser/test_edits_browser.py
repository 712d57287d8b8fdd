"""Rows typed over, blocks swapped, steps taken back, networks pinned and compared."""

import re

import pytest

from cnnlab.arch.edits import BLOCKS
from tests.browser.explorer_page import (
    base_of,
    check,
    choose,
    control,
    enter,
    kernel_agrees,
    network,
    press,
    show,
    slider,
    start,
    wait_state,
)

pytestmark = pytest.mark.browser

FIELDS = ("block", "depth", "width", "kernel", "expand", "se")
LINE = re.compile(
    r"(?P<label>[^:]+): (?P<before>[\d,]+) to (?P<after>[\d,]+) [\w-]+: (?P<sign>[−+±]) (?P<change>[\d,]+)"
)


def alert(view):
    return view.locator('[data-readout="refused"]').text_content()


def field_values(view, stage):
    cells = control(view, f"{stage}.block").locator("xpath=ancestor::tr").locator("[data-control]")
    return cells.evaluate_all(
        "(all) => Object.fromEntries(all.filter((one) => !one.parentNode.hidden).map((one) =>"
        " [one.dataset.control.split('.')[1], one.type === 'checkbox' ? one.checked : one.value]))"
    )


@pytest.mark.parametrize("key", ["efficientnet", "resnet", "mobilenet_v3", "convnext", "vgg"])
def test_rows_are_the_bases(view, key):
    start(view, key)
    base = base_of(key, "imagenet")
    for i, stage in enumerate(base.stages, 1):
        shown = field_values(view, i)
        assert shown["block"] == stage.block.__name__
        assert (int(shown["depth"]), int(shown["width"])) == (stage.depth, stage.width)
        for option in set(FIELDS[3:]) & set(stage.options):
            assert float(shown[option]) == float(stage.options[option]), (i, option)
    assert not set(field_values(view, 1)) - set(FIELDS)


@pytest.mark.parametrize(
    ("key", "edits"),
    [
        ("efficientnet", [("3.kernel", "7"), ("2.se", "0"), ("6.expand", "4"), ("1.depth", "3"), ("5.width", "96")]),
        ("resnet_basic", [("1.width", "32"), ("2.depth", "7"), ("4.se", "0.5")]),
        ("vgg", [("3.width", "128"), ("1.depth", "1")]),
        ("convnext", [("3.kernel", "5"), ("1.expand", "3")]),
        ("small_mbconv", [("1.kernel", "5"), ("2.expand", "2")]),
    ],
)
def test_typing_over_rows(view, key, edits):
    """Each edit is in the state, in the numbers and in the kernel; Undo takes them back one by one."""
    states = [start(view, key)["state"]]
    for at, (name, text) in enumerate(edits, 1):
        enter(view, name, text, end=("Enter", "Tab")[at % 2])
        wait_state(view, f".*,{name}={text}(,|$)")
        shown = check(view)
        states.append(shown["state"])
        assert f"{at} edit{'s' * (at > 1)}" == shown["summaries"]["rows"] and control(view, name).input_value() == text
        assert control(view, name).locator("xpath=ancestor::td").get_attribute("title").startswith("was ")
    kernel_agrees(view)
    slider(view, "depth").focus()
    view.page.keyboard.press("End")
    assert check(view)["state"].startswith(f"{key},d=3.6,")
    for state in reversed(states):
        press(view, "undo")
        wait_state(view, re.escape(state) + "$")
        check(view)
    kernel_agrees(view)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("3.kernel", "4", "stage3: kernel=4: it must be an odd whole number from 1 to 31."),
        ("3.kernel", "", "stage3: kernel=nothing: it must be an odd whole number"),
        ("2.depth", "0", "stage2: depth=0: it must be a whole number, at least 1."),
        ("2.depth", "1.5", "stage2: depth=1.5: it must be a whole number"),
        ("2.width", "-8", "stage2: width=-8: it must be a whole number"),
        ("2.width", "20000", "width=20000: width must be a whole number from 1 to 10000"),
        ("4.expand", "65", "stage4: expand=65: it must be a number from 1 to 64."),
        ("4.expand", "2.5", "expand=2.5: expand must be a whole number from 1 to 64"),
        ("4.se", "1.5", "stage4: se=1.5: it must be a number from 0 (none) to 1."),
    ],
)
def test_what_cannot_be_is_told(view, name, text, words):
    before = start(view)["state"]
    value = control(view, name).input_value()
    enter(view, name, text)
    view.page.wait_for_function(
        "([root, words]) => root.querySelector('[data-readout=refused]').textContent.includes(words)",
        arg=[view.element_handle(), words],
        timeout=10_000,
    )
    assert check(view)["state"] == before and control(view, name).input_value() == value
    enter(view, "3.kernel", "7")
    wait_state(view, ".*3.kernel=7$")
    assert alert(view) == ""


@pytest.mark.parametrize("block", BLOCKS)
def test_another_block(view, block):
    """One stage, then all of them: as `edited` does it."""
    key = "resnet_d" if block == "mbconv" else "efficientnet"
    start(view, key)
    choose(view, "3.block", block)
    if block != base_of(key, "imagenet").stages[2].block.__name__:
        wait_state(view, f".*,3.block={block}$")
    check(view)
    choose(view, "all-blocks", block)
    view.page.wait_for_function(
        "([root, block]) => [...root.querySelectorAll('[data-control$=\".block\"]')].every((one) =>"
        " one.closest('tr').hidden || one.parentNode.hidden || one.value === block)",
        arg=[view.element_handle(), block],
    )
    shown = check(view)
    stages = network(shown["state"], "imagenet").stages
    assert {stage.block.__name__ for stage in stages} == {block} and shown["controls"]["all-blocks"] in (block, "own")
    kernel_agrees(view)
    choose(view, "all-blocks", "own")
    wait_state(view, rf"{key},d=1,w=1,r=\d+$")
    press(view, "undo")
    wait_state(view, re.escape(shown["state"]))
    if not view.locator('[data-button="undo-edits"]').is_disabled():
        press(view, "undo-edits")
    wait_state(view, rf"{key},d=1,w=1,r=\d+$")
    check(view)


def test_one_edit_taken_back(view):
    start(view)
    enter(view, "3.kernel", "7", end="Tab")
    wait_state(view, ".*3.kernel=7$")
    choose(view, "5.block", "basic")
    wait_state(view, ".*3.kernel=7,5.block=basic$")
    back = view.locator('[data-button="back-3.kernel"]')
    assert back.get_attribute("aria-label") == "stage3, kernel: take the edit back (was 5)"
    back.click()
    wait_state(view, r".*r=224,5.block=basic$")
    assert control(view, "3.kernel").evaluate("(el) => el === document.activeElement")
    check(view)


def test_undo_of_everything(view):
    """Sliders, families, coefficients, edits and jumps: each step back, in turn, and none too many."""
    view = show(view.page, "cl.Explorer('efficientnet')")
    assert view.locator('[data-button="undo"]').is_disabled()
    seen = [check(view)["state"]]

    def done(pattern):
        wait_state(view, pattern)
        seen.append(check(view)["state"])

    for name, key in (("width", "ArrowRight"), ("phi", "PageUp")):
        slider(view, name).focus()
        view.page.keyboard.press(key)
        done("efficientnet")
    enter(view, "2.kernel", "5")
    done(".*2.kernel=5")
    choose(view, "family", "vgg")
    done("vgg,")
    choose(view, "1.block", "basic")
    done(".*1.block=basic")
    press(view, "reset")
    done("vgg,d=1,w=1,r=224$")
    assert len(set(seen)) == len(seen)
    for state in reversed(seen[:-1]):
        press(view, "undo")
        wait_state(view, re.escape(state) + "$")
        check(view)
    assert view.locator('[data-button="undo"]').is_disabled()
    kernel_agrees(view)
