"""Published, measured, pruned and own accuracies on the plot, and what is predicted, against cnnlab's own tables."""

import re
from collections import Counter

import numpy as np
import pytest

import cnnlab as cl
from tests.browser.explorer_page import (
    check,
    choose,
    classes_of,
    control,
    kernel_agrees,
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

QUANTILE = 1.96
FOUND = re.compile(r"95 % interval ([\d.]+) to ([\d.]+) %")
PREDICTED = re.compile(
    r"predicted, not measured: ([\d.]+) % \(([\d.]+) to ([\d.]+) %; error of settings left out ([\d.]+) points\)"
)


def published(source):
    """(accuracy, multiply-adds) of the convolutional networks of this source, as a multiset."""
    frame = cl.published()
    frame = frame[
        (frame["data"] == "imagenet") & (frame["family"] != "transformer") & ~frame["weights"].str.contains("SWAG")
    ]
    frame = frame[frame["source"].str.startswith(source)].dropna(subset=["accuracy", "macs", "params"])
    return Counter(zip(frame["accuracy"].round(3), frame["macs"].astype(int), strict=True))


def shown_points(view):
    return Counter((round(p["accuracy"], 3), int(p["cost"])) for p in points(view))


def test_published_by_recipe_and_paper(view):
    start(view)
    assert shown_points(view) == published("torchvision")
    view.locator(".cnnlab-groups-of-points summary").click()
    labels = view.locator(".cnnlab-groups-of-points label")
    names = [re.sub(r" \(\d+\)$", "", text) for text in labels.all_text_contents()]
    assert names[:2] == ["torchvision, first recipe", "torchvision, later recipe"] and len(names) > 8
    for name in names[:2]:
        view.get_by_label(f"show {name}", exact=True).uncheck()
    assert points(view) == [] and view.locator(".front").get_attribute("d") == ""
    for name in names[2:]:
        box = view.get_by_label(f"show {name}", exact=True)
        box.check()
        assert shown_points(view) == published(name), name
        box.uncheck()
    box = view.get_by_label(f"show {names[0]}", exact=True)
    box.focus()
    view.page.keyboard.press("Space")
    first = shown_points(view)
    assert first and first < published("torchvision")
    assert view.page.evaluate("() => document.activeElement.getAttribute('aria-label')") == f"show {names[0]}"
    view.get_by_label(f"show {names[1]}", exact=True).check()
    assert shown_points(view) == published("torchvision")
    series = view.get_by_label("show ResNet", exact=True)
    series.uncheck()
    assert not any(re.match(r"resnet\d", p["name"]) for p in points(view))
    series.check()


def front_of(view):
    path = view.locator(".front").first.get_attribute("d")
    return {tuple(map(float, place)) for place in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)}


@pytest.mark.parametrize("kind", ["macs", "params", "activations"])
def test_pareto_front(view, kind):
    start(view)
    choose(view, "x-axis", kind)
    import pandas as pd

    found = [p for p in points(view) if not p["below"]]
    frame = pd.DataFrame(found)
    best = cl.pareto(frame, cost="cost")
    expected = {(p["x"], p["y"]) for p in best.to_dict("records")}
    assert {place for place in front_of(view) if place[1] < 339} == {place for place in expected if place[1] < 339}
    choose(view, "x-axis", "macs")


@pytest.mark.parametrize("data", ["glyphs", "fashion_mnist", "cifar10"])
def test_measured_points_have_intervals(view, data):
    """The mean of each setting's seeds, and 95 % of it by the spread between seeds, pooled over a family."""
    choose(view, "data", data)
    view.page.wait_for_function(
        "(el) => /measured|test accuracy/.test(el.querySelector('.title').textContent)", arg=view.element_handle()
    )
    frame = cl.measured(data).dropna(subset=["accuracy"])
    expected = {}
    for base, part in frame.groupby("base"):
        cells = part.groupby(["depth", "width", "resolution"])
        squares = (part["accuracy"] - cells["accuracy"].transform("mean")) ** 2
        noise = np.sqrt(squares.sum() / (len(part) - cells.ngroups))
        for (d, w, r), cell in cells:
            margin = QUANTILE * noise / np.sqrt(len(cell))
            expected[f"{base} d={d:g} w={w:g} {r} px"] = (cell["accuracy"].mean(), margin, cell["macs"].iloc[0])
    found = {p["name"]: p for p in points(view) if p["kind"] == "measured"}
    assert set(found) == set(expected)
    for name, (mean, _, macs) in expected.items():
        assert abs(found[name]["accuracy"] - mean) < 0.0006 and found[name]["cost"] == macs
    for name in list(expected)[:: len(expected) // 7]:
        mark = view.locator(f'[data-point="{found[name]["index"]}"]')
        mark.focus()
        text = view.locator(".cnnlab-tip").inner_text()
        low, high = map(float, FOUND.search(text).groups())
        mean, margin, macs = expected[name]
        assert low == pytest.approx(max(0, mean - margin), abs=0.051)
        assert high == pytest.approx(min(100, mean + margin), abs=0.051)
        assert f"{macs:,} multiply-adds" in text and name in text
    bars = view.locator(".errors").get_attribute("d").count("M")
    assert bars == len([p for p in points(view) if not p["below"]])
    choose(view, "data", "imagenet")


def test_every_source_with_every_measured_family(page):
    """Also those of which nothing is published, measured or predicted; as many classes as were measured there."""
    view = show(page, "cl.Explorer('small_plain', data='clothing64')")
    for data in ("clothing64", "glyphs", "fashion_mnist", "imagenet", "cifar10"):
        choose(view, "data", data)
        for key in ("small_resnet", "small_mbconv", "small_plain"):
            choose(view, "family", key)
            page.wait_for_timeout(400)  # the number of classes, and what is predicted, come by themselves
            params = network(read(view)["state"], data).cost().params
            view.locator('[data-readout="params"]', has_text=f"{params:,}").wait_for()
            slider(view, "width").focus()
            page.keyboard.press("ArrowRight")
            check(view)
            assert page.problems == [], (data, key)
    kernel_agrees(view)


@pytest.mark.parametrize("data", ["glyphs", "cifar10"])
def test_pruned_points(page, data):
    """The mean accuracy of the networks of each criterion and budget, less exact by as much as is said."""
    view = show(page, f"cl.Explorer('small_resnet', data={data!r})")
    view.locator(".cnnlab-groups-of-points summary").click()
    for name in ("pruned, then fine-tuned", "beside the pruned"):
        assert not view.get_by_label(f"show {name}", exact=True).is_checked()
        view.get_by_label(f"show {name}", exact=True).check()
    found = {p["name"]: p for p in points(view) if p["kind"] == "pruned"}
    frame = cl.prune.pruned(data).dropna(subset=["accuracy"])
    cells = frame.groupby(["family", "importance", "budget"])
    assert len(found) == cells.ngroups
    for (family, importance, budget), cell in cells:
        point = found[f"small_{family} {importance.replace('_', ' ')} {budget:g}"]
        assert abs(point["accuracy"] - cell["accuracy"].mean()) < 0.001 and point["cost"] == round(cell["macs"].mean())


@pytest.mark.parametrize("key", ["small_resnet", "small_mbconv"])
def test_what_is_predicted_is_said_to_be(page, key):
    view = show(page, f"cl.Explorer({key!r}, data='glyphs')")
    predicted = view.locator('[data-readout="predicted"]')
    page.wait_for_function(
        "(el) => el.querySelector('[data-readout=predicted]').textContent", arg=view.element_handle()
    )
    for name, keys in (("depth", ["ArrowRight"] * 3), ("width", ["ArrowLeft"] * 2), ("resolution", ["ArrowRight"])):
        slider(view, name).focus()
        for each in keys:
            page.keyboard.press(each)
        arch = network(check(view)["state"], "glyphs")
        told = list(map(float, PREDICTED.fullmatch(predicted.text_content()).groups()))
        expected = cl.predict(arch, data="glyphs")
        wanted = [expected.accuracy, expected.low, expected.high, expected.error]
        assert told == pytest.approx(wanted, abs=0.056), arch.name
        assert view.locator(".band-text").text_content() == f"predicted {told[0]:.1f} %"
        assert view.locator('[data-mark="band"]').get_attribute("visibility") == "visible"
    slider(view, "width").focus()
    page.keyboard.press("End")
    check(view)
    with pytest.raises(ValueError):
        cl.predict(network(read(view)["state"], "glyphs"), data="glyphs")
    assert predicted.text_content() == "" and view.locator(".band-text").get_attribute("visibility") == "hidden"


def test_measured_network_at_the_sliders(page):
    """A point is ringed where the sliders make its network, for as many classes as it was measured with."""
    view = show(page, "cl.Explorer('small_resnet', data='glyphs')")
    assert classes_of("small_resnet", "glyphs") == 42
    frame = cl.measured("glyphs")
    frame = frame[(frame["base"] == "small_resnet") & (frame["resolution"] == 32)]
    for _, row in frame.drop_duplicates(["depth", "width"]).head(4).iterrows():
        run(page, f"explorer.depth, explorer.width, explorer.resolution = {row['depth']}, {row['width']}, 32")
        wait_state(view, rf"small_resnet,d={row['depth']:g},w={row['width']:g},r=32$")
        shown = check(view)
        assert number(shown["macs"]) == row["macs"] and number(shown["params"]) == row["params"]
        assert shown["rings"] >= 1 and any("small_resnet d=" in line for line in shown["accuracy"])
    choose(view, "data", "cifar10")
    page.wait_for_function(
        "(el) => el.querySelector('.title').textContent.startsWith('CIFAR')", arg=view.element_handle()
    )
    shown = check(view)
    assert number(shown["params"]) == network(shown["state"], "cifar10").cost().params
    assert control(view, "data").input_value() == "cifar10"
