"""The Explorer in a real JupyterLab and a real Chromium: every number is `graph.cost()`'s, whatever you turn.

The expected numbers are computed in this process, from what the sliders on the page say.
"""

import re

import pytest

import cnnlab as cl
from cnnlab.arch.bases import FAMILIES
from cnnlab.arch.scaling import multipliers
from cnnlab.show.lattice import lattice_of
from tests.browser.explorer_page import (
    COUNTS,
    KNOBS,
    OWN,
    check,
    choose,
    control,
    kernel_agrees,
    no_problems,
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

USUAL = (1.2, 1.1, 1.15)
POWERS = (1, 2, 2)


def nearest(steps, value):
    return min(steps, key=lambda step: abs(step - round(value, 6)))


def on_path(key, phi, coefficients=USUAL):
    """Where the compound coefficient leads on a family's sliders: depth, width, resolution."""
    which = lattice_of(key)
    start = (1.0, 1.0, which.base.resolution)
    grown = [value * times for value, times in zip(start, multipliers(phi, *coefficients), strict=True)]
    return [nearest(which.header[name], value) for name, value in zip(KNOBS, grown, strict=True)]


def settings(shown):
    return [float(re.search(rf",{letter}=([\d.]+)", shown["state"])[1]) for letter in "dwr"]


def test_at_first(view):
    shown = check(view)
    assert shown["state"] == "efficientnet,d=1,w=1,r=224"
    assert number(shown["macs"]) == 385_814_752 and number(shown["params"]) == 5_288_548
    assert shown["accuracy"] == ["efficientnet_b077.692 %"] and shown["rings"] == 1
    options = control(view, "family").locator("option").evaluate_all("(all) => all.map((one) => one.value)")
    assert options == list(FAMILIES)


@pytest.mark.parametrize("key", FAMILIES)
def test_every_family(view, key):
    choose(view, "family", key)
    check(view)
    seen = [start(view, key)["state"]]
    for name, keys in (("depth", ("End",)), ("width", ("Home",)), ("resolution", ("PageUp",)), ("phi", ("End",))):
        slider(view, name).focus()
        for each in keys:
            view.page.keyboard.press(each)
            seen.append(check(view)["state"])
    assert len(set(seen)) == 5, seen
    kernel_agrees(view)
    press(view, "reset")
    assert check(view)["state"] == seen[0]


@pytest.mark.parametrize("key", ["efficientnet", "regnet_y"])
@pytest.mark.parametrize("name", [*KNOBS, "phi"])
def test_keyboard(view, key, name):
    start(view, key)
    knob = slider(view, name)
    knob.focus()
    places = []
    for each in ("Home", "ArrowRight", "ArrowUp", "PageUp", "ArrowLeft", "End", "ArrowDown", "PageDown"):
        view.page.keyboard.press(each)
        places.append(check(view)["sliders"][name])
    last = int(knob.get_attribute("max"))
    assert places[:3] == [0, 1, 2] and places[3] > 2 and places[4] == places[3] - 1
    assert places[5:7] == [last, last - 1] and places[7] < last - 1
    assert knob.evaluate("(el) => el === document.activeElement"), "JupyterLab took the keys"
    kernel_agrees(view)


@pytest.mark.parametrize("name", [*KNOBS, "phi"])
def test_mouse(view, name):
    start(view)
    knob = slider(view, name)
    knob.scroll_into_view_if_needed()
    box, mouse = knob.bounding_box(), view.page.mouse
    middle = box["y"] + box["height"] / 2
    mouse.move(box["x"] + 0.2 * box["width"], middle)
    mouse.down()
    seen = set()
    for share in (0.3, 0.45, 0.62, 0.8, 0.97, 0.5):
        mouse.move(box["x"] + share * box["width"], middle)
        seen.add(check(view)["sliders"][name])
    mouse.up()
    assert len(seen) == 6
    kernel_agrees(view)


def test_compound_path(view):
    start(view)
    slider(view, "phi").focus()
    view.page.keyboard.press("Home")
    for i in range(15):
        shown = check(view)
        assert shown["outputs"]["phi"] == f"{i / 2:.1f}" and settings(shown) == on_path("efficientnet", i / 2)
        predicted = (1.2 * 1.1**2 * 1.15**2) ** (i / 2)
        assert f"formula: cost × {predicted:.{1 if predicted >= 10 else 2}f}" in shown["hints"]["phi"]
        view.page.keyboard.press("ArrowRight")
    assert run(view.page, "print(explorer.phi)") == "7.0"
    slider(view, "depth").focus()
    view.page.keyboard.press("ArrowLeft")
    shown = check(view)
    assert shown["outputs"]["phi"] == "–" and shown["hints"]["phi"].startswith("off the compound path; cost × ")


@pytest.mark.parametrize("at", range(3))
def test_compound_coefficients_stay_near_two(view, at):
    """One coefficient moves, the others give way; the sliders go to the compound path of the new ones."""
    start(view)
    slider(view, "phi").focus()
    for each in ("Home", *["ArrowRight"] * 4):
        view.page.keyboard.press(each)
    part = view.locator('[data-section="coefficients"]')
    if part.get_attribute("open") is None:
        part.locator("summary").press("Enter")
    name = ("alpha", "beta", "gamma")[at]
    knob = slider(view, name)
    knob.focus()
    for each in ("ArrowRight", "ArrowRight", "PageUp", "PageUp", "End", "ArrowLeft", "PageDown", "Home"):
        view.page.keyboard.press(each)
        shown = check(view)
        three = [shown["sliders"][each] for each in ("alpha", "beta", "gamma")]
        product = three[0] * three[1] ** 2 * three[2] ** 2
        assert abs(product - 2) < 0.06, (each, three)
        assert f"= {product:.2f}" in shown["readouts"]["product"]
        assert settings(shown) == on_path("efficientnet", 2, three)
        words = [
            f"{letter}={value:g}" for letter, value, usual in zip("abg", three, USUAL, strict=True) if value != usual
        ]
        assert shown["state"].split(",")[4:] == words
    kernel_agrees(view)
    control(view, "keep-product").uncheck()
    knob.focus()
    before = [read(view)["sliders"][each] for each in ("alpha", "beta", "gamma")]
    view.page.keyboard.press("ArrowRight")
    after = [check(view)["sliders"][each] for each in ("alpha", "beta", "gamma")]
    assert [i for i in range(3) if before[i] != after[i]] == [at]
    kernel_agrees(view)
    control(view, "keep-product").check()
    start(view)


def test_two_published_figures_of_one_network(view):
    shown = start(view, "resnet")
    assert shown["accuracy"] == ["resnet5080.858 %", "resnet5076.13 %"] and shown["rings"] == 2
    slider(view, "depth").focus()
    view.page.keyboard.press("ArrowRight")
    shown = check(view)
    assert shown["rings"] == 0 and shown["accuracy"][0] == "nothing published at this setting"
    assert shown["accuracy"][1].startswith("best at no more cost: ")


def test_screen_readers_hear_of_it(view):
    start(view)
    slider(view, "width").focus()
    view.page.keyboard.press("ArrowRight")
    view.page.wait_for_timeout(900)
    shown = read(view)
    assert f"{shown['macs']} MACs, {shown['params']} params" in view.locator("[aria-live]").text_content()
    for name, label in (*((name, name) for name in KNOBS), ("phi", "compound phi")):
        knob = slider(view, name)
        assert knob.get_attribute("aria-label") == label and knob.get_attribute("aria-valuetext")


POINTS = """[
    dict(name='small', family='resnet', accuracy=91.0, macs=10_000_000, params=70_000),
    dict(name='large', family='resnet', accuracy=95.0, macs=160_000_000, params=1_000_000, activations=700_000),
]"""


def test_ones_own_network_and_points(page):
    arch = "cl.architecture('cifar_resnet20', classes=36)"
    view = show(page, f"cl.Explorer({arch}, points={POINTS}, axis='my accuracy, %')")
    shown = check(view)
    assert shown["state"] == "cifar_resnet20,d=1,w=1,r=32" and shown["rings"] == 0
    assert [label.partition(":")[0] for label, _ in shown["points"]] == ["small", "large"]
    assert view.get_by_text("my accuracy, %").count() == 1
    run(page, f"explorer.add('mine', 93.25, {arch})")
    shown = check(view)
    assert shown["rings"] == 1 and "93.25 %" in shown["accuracy"][0]
    assert "mine" in view.locator(".labels").text_content()
    run(page, "explorer.depth, explorer.width, explorer.resolution = 2.0, 1.5, 48")
    assert check(view)["state"] == "cifar_resnet20,d=2,w=1.5,r=48"
    choose(view, "family", "resnet")
    assert check(view)["state"] == "resnet,d=2,w=1.5,r=224"
    choose(view, "family", "cifar_resnet20")
    assert check(view)["state"] == "cifar_resnet20,d=2,w=1.5,r=32"
    kernel_agrees(view)
    assert number(read(view)["params"]) == cl.scaled(OWN["cifar_resnet20"], depth=2.0, width=1.5).cost().params
    choose(view, "x-axis", "activations")
    assert [label.partition(":")[0] for label, _ in read(view)["points"]] == ["large", "mine"]
    no_problems(page)


def test_python_and_page_move_one_another(page):
    view = show(page, "cl.Explorer.from_state('resnet,d=2,w=1.25,r=160,3.block=basic,a=1.3', against='params')")
    shown = check(view)
    assert shown["state"] == "resnet,d=2,w=1.25,r=160,a=1.3,3.block=basic" and shown["controls"]["x-axis"] == "params"
    kernel_agrees(view)
    run(page, "explorer.edits = {2: {'width': 160}}")
    wait_state(view, "resnet.*2.width=160")
    check(view)
    run(page, "explorer.family = 'vgg'")
    wait_state(view, "vgg,d=2,w=1.25,r=160,a=1.3$")
    check(view)
    run(page, "explorer.against, explorer.logarithmic = 'macs', False")
    assert {**read(view)["controls"], "x-axis": "macs", "logarithmic": False} == read(view)["controls"]
    said = run(page, "try:\n    explorer.depth = 9\nexcept ValueError as error:\n    print(error)")
    assert said.startswith("depth=9: for vgg the depth must be from 0.2 to 3.6")
    check(view)
    kernel_agrees(view)
    assert {kind: number(read(view)[kind]) for kind in COUNTS} == vars(
        cl.scaled(cl.architecture("vgg16"), depth=2.0, width=1.25, resolution=160).cost()
    )
    no_problems(page)
