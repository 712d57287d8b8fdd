"""Every kind of cost as the x axis, linear and logarithmic; budgets; lines of equal cost and the compound path."""

import math
import re

import pytest

import cnnlab as cl
from cnnlab.arch.scaling import multipliers
from cnnlab.show.lattice import lattice_of
from tests.browser.explorer_page import (
    CONVENTIONS,
    COUNTS,
    FRAMES,
    check,
    choose,
    control,
    cost_of,
    enter,
    network,
    number,
    points,
    read,
    run,
    show,
    slider,
    start,
    wait_state,
)

pytestmark = pytest.mark.browser

KINDS = (*COUNTS, *CONVENTIONS, "inference", "training")
ZOO = ("resnet50", "mobilenet_v2", "regnet_y_400mf", "efficientnet_b2", "convnext_tiny", "vgg16_bn")


def axis_of(view):
    """From a cost to its place on the x axis, by two of the points."""
    logarithmic = read(view)["controls"]["logarithmic"]
    f = math.log if logarithmic else float
    found = sorted(points(view), key=lambda p: p["cost"])
    (a, x0), (b, x1) = ((f(p["cost"]), p["x"]) for p in (found[0], found[-1]))
    return lambda cost: x0 + (f(cost) - a) / (b - a) * (x1 - x0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_cost_axis(view, kind):
    """Points stand where their own networks' costs say; so does "you are here"; log and linear."""
    if control(view, "x-axis").input_value() == "macs":
        start(view, "resnet")
    choose(view, "x-axis", kind)
    view.page.wait_for_function("(el) => el.querySelectorAll('[data-point]').length > 60", arg=view.element_handle())
    here = cost_of(network(check(view)["state"], "imagenet"), kind)
    for logarithmic in (False, True):
        control(view, "logarithmic").set_checked(logarithmic)
        found, along = points(view), axis_of(view)
        for p in found:
            assert abs(along(p["cost"]) - p["x"]) < 0.2, p
        for name in ZOO:
            assert {p["cost"] for p in found if p["name"] == name} == {cost_of(published(name), kind)}, name
        assert abs(along(here) - read(view)["here"]) < 0.2
        title = view.locator(".title").last.text_content()
        assert title.endswith("(log)") == logarithmic
        ticks = view.locator(".grid text[text-anchor=middle]").evaluate_all(
            "(all) => all.map((one) => [one.textContent, Number(one.getAttribute('x'))])"
        )
        plot = [each for each in ticks if re.search(r"[kMG0]", each[0]) and not each[0].startswith("width")]
        assert len(plot) >= 3
    assert run(view.page, "print(explorer.against, explorer.logarithmic)") == f"{kind} True"


def published(name):
    """A network of torchvision, at the resolution at which its accuracy was measured."""
    rows = cl.published().query("model == @name and source.str.startswith('torchvision')")
    return cl.scaled(cl.architecture(name), resolution=int(rows["resolution"].iloc[0]))


def tip_of(view, name):
    view.locator(f'[data-point][aria-label^="{name}:"]').first.focus()
    return view.locator(".cnnlab-tip").inner_text()


def test_tooltips_are_exact(view):
    start(view)
    for kind in ("thop", "training", "macs"):
        choose(view, "x-axis", kind)
        view.page.wait_for_function(
            "(el) => el.querySelectorAll('[data-point]').length > 60", arg=view.element_handle()
        )
        for name in ZOO[:3]:
            text, arch = tip_of(view, name), cl.architecture(name)
            accuracy = cl.published().query("model == @name and source.str.startswith('torchvision')")["accuracy"]
            assert any(f"{value:g} % (published)" in text for value in accuracy)
            assert f"{arch.cost().macs:,} multiply-adds\n" in text and f"{arch.cost().params:,} parameters" in text
            if kind == "training":
                assert f"{cost_of(arch, kind):,} B memory, training" in text
            if kind == "thop":
                assert f"{cost_of(arch, kind):,} multiply-adds, thop's count" in text
    places = []
    for each in ("Home", "ArrowRight", "ArrowRight", "End", "ArrowLeft"):
        view.page.keyboard.press(each)
        places.append(
            float(view.page.evaluate("() => document.activeElement.getAttribute('transform').slice(10).split(' ')[0]"))
        )
        assert view.locator('[data-point][tabindex="0"]').count() == 1
    assert places[0] <= places[1] <= places[2] <= places[4] <= places[3]
    view.page.keyboard.press("Tab")
    assert not view.locator(".cnnlab-tip").is_visible()


def test_the_compound_path_on_the_axis(view):
    start(view)
    choose(view, "x-axis", "macs")
    along, which = axis_of(view), lattice_of("efficientnet")
    marks = view.locator(".path .mark").evaluate_all(
        "(all) => all.map((one) => Number(one.getAttribute('d').match(/M([\\d.]+)/)[1]))"
    )
    texts = view.locator(".path text").all_text_contents()
    assert texts[0] == "φ = 0" and len(marks) == len(texts) >= 6
    for x, text in zip(marks, texts, strict=True):
        grown = [
            value * times for value, times in zip((1, 1, 224), multipliers(int(text.removeprefix("φ = "))), strict=True)
        ]
        d, w, r = (
            min(which.header[k], key=lambda s, v=v: abs(s - round(v, 6)))
            for k, v in zip(("depth", "width", "resolution"), grown, strict=True)
        )
        cost = cl.scaled(which.base, depth=d, width=w, resolution=int(r)).cost().macs
        assert abs(along(cost) - x) < 0.2


@pytest.mark.parametrize("key", ["efficientnet", "resnet_basic"])
def test_lines_of_equal_cost(view, key):
    """For each depth the largest width that costs no more than the network at the sliders, half and twice of it."""
    start(view, key)
    slider(view, "resolution").focus()
    view.page.keyboard.press("PageDown")
    arch, header = network(check(view)["state"], "imagenet"), lattice_of(key).header
    target = arch.cost().macs
    lines = view.locator(".iso path").evaluate_all("(all) => all.map((one) => one.getAttribute('d'))")
    base = cl.scaled(lattice_of(key).base, resolution=arch.resolution)
    grid = {d: [cl.scaled(base, depth=d, width=w).cost().macs for w in header["width"]] for d in header["depth"][::3]}
    left, right, top, bottom = view.evaluate(
        """(el) => { const svg = el.querySelector('[data-view="plane"]');
        const lines = [...svg.querySelectorAll(".grid line")];
        const all = lines.flatMap((l) => [[l.x1, l.y1], [l.x2, l.y2]]).map((p) => p.map((v) => v.baseVal.value));
        return [Math.min(...all.map((p) => p[0])), Math.max(...all.map((p) => p[0])),
                Math.min(...all.map((p) => p[1])), Math.max(...all.map((p) => p[1]))]; }"""
    )
    widths, depths = header["width"], header["depth"]
    x = {w: left + (w - widths[0]) / (widths[-1] - widths[0]) * (right - left) for w in widths}
    y = {d: bottom + (d - depths[0]) / (depths[-1] - depths[0]) * (top - bottom) for d in depths}
    for share, path in zip((0.5, 1, 2), lines, strict=True):
        places = [tuple(map(float, place)) for place in re.findall(r"[ML]([\d.]+) ([\d.]+)", path or "")]
        found = {
            min(depths, key=lambda d, at=at: abs(y[d] - at)): min(widths, key=lambda w, to=to: abs(x[w] - to))
            for to, at in places
        }
        for d, costs in grid.items():
            fitting = [w for w, cost in zip(widths, costs, strict=True) if cost <= share * target]
            assert found.get(d) == (fitting[-1] if fitting and len(fitting) < len(widths) else None), (share, d)


def test_budgets_shade_and_best_jumps(page):
    view = show(page, "cl.Explorer('efficientnet')")
    best = view.locator('[data-button="best"]')
    shade = view.locator(".shade")
    assert best.is_disabled() and float(shade.get_attribute("width")) == 0
    enter(view, "budget", "2.5")
    assert run(page, "print(explorer.budgets)") == "{'macs': 2500000000.0}"
    assert (
        abs(axis_of(view)(2.5e9) - float(shade.get_attribute("x"))) < 0.2 and float(shade.get_attribute("width")) > 50
    )
    over = {p["name"] for p in points(view) if p["over"]}
    assert over == {p["name"] for p in points(view) if p["cost"] > 2.5e9}
    assert "15 % used" in view.locator('[data-readout="budget"]').text_content()
    allowed = [p for p in points(view) if not p["over"]]
    top = max(allowed, key=lambda p: p["accuracy"])
    best.click()
    read(view)
    assert f"{top['name']}: {top['accuracy']:g} %" in view.locator('[data-readout="budget"]').text_content()
    assert top["name"] == "efficientnet_b3"
    wait_state(view, "efficientnet,d=1.4,w=1.2,r=300$")
    assert check(view)["rings"] == 1
    choose(view, "x-axis", "params")  # and a second budget, of another kind
    enter(view, "budget", "6")
    assert run(page, "print(explorer.budgets)") == "{'macs': 2500000000.0, 'params': 6000000.0}"
    allowed = [p for p in points(view) if not p["over"]]
    frame = cl.published().query("source.str.startswith('torchvision') and macs <= 2.5e9 and params <= 6e6")
    assert {p["name"] for p in allowed} == set(frame["model"])
    best.focus()
    page.keyboard.press("Enter")
    wait_state(view, "efficientnet,d=1,w=1,r=224$")
    check(view)
    enter(view, "budget", "")
    choose(view, "x-axis", "macs")
    enter(view, "budget", "0.001")
    best.click()
    read(view)
    assert "no point on the plot keeps to the budget" in view.locator('[data-readout="budget"]').text_content()
    enter(view, "budget", "")
    assert run(page, "print(explorer.budgets)") == "{}" and float(shade.get_attribute("width")) == 0
    run(page, "explorer.budgets = {'macs': 4e8}")
    view.page.evaluate(FRAMES)
    assert float(control(view, "budget").input_value()) == 0.4
    assert number(read(view)["macs"]) <= 4e8 and "96 % used" in view.locator('[data-readout="budget"]').text_content()
