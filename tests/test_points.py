"""The evidence of the Explorer: points, their sources, what their networks cost, predicted bands, the still plot."""

import csv
import functools
import json
import math
import random
import statistics
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import cnnlab as cl
from cnnlab.arch.bases import FAMILIES
from cnnlab.show import points, sources, state, tradeoff
from cnnlab.show.bands import band, predicted
from cnnlab.show.costing import costs_of, place, with_costs
from cnnlab.show.lattice import lattice_of
from cnnlab.show.points import KINDS, evidence, given_points
from cnnlab.show.sources import SOURCES, groups_of, points_of
from tests.explorer_heard import FRAME

DATA = Path(__file__).parents[1] / "data"
MEASURED = ("glyphs", "fashion_mnist", "cifar10", "clothing64")
COUNTS = ("macs", "params", "activations")
KNOBS = ("depth", "width", "resolution")
KEYS = {
    *("name", "label", "series", "family", "group", "kind", "pale", "accuracy", "low", "high", "seeds", "classes"),
    *("costs", "network", "place", "note"),
}


def rows(path: str) -> list[dict[str, str]]:
    with open(DATA / path, newline="") as file:
        return list(csv.DictReader(file))


def of_kind(data: str, kind: str) -> list[points.Point]:
    return [p for p in points_of(data) if p["kind"] == kind]


def network(p: points.Point) -> cl.Architecture:
    """The network of a place, for the point's classes, built by other means than the code that is tested."""
    key, sliders = state.read(p["place"])[:2]
    base = cl.architecture(FAMILIES[key][1] if key in FAMILIES else key, classes=p["classes"])
    return cl.scaled(base, **sliders)


# The published table.


def test_published_points_are_those_of_the_table():
    frame = cl.published()
    frame = frame[(frame["data"] == "imagenet") & (frame["family"] != "transformer")]
    frame = frame[~frame["weights"].str.contains("SWAG")].dropna(subset=["macs", "params", "accuracy"])
    expected = sorted(
        map(repr, zip(*(frame[c].tolist() for c in ("model", "accuracy", "macs", "params")), strict=True))
    )
    found = points_of("imagenet")
    shown = [(p["name"], p["accuracy"], p["costs"]["macs"], p["costs"]["params"]) for p in found]
    assert sorted(map(repr, shown)) == expected and len(found) > 230
    assert not [p for p in found if p["family"] == "transformer" or "SWAG" in p["note"]]


def test_published_groups():
    groups = groups_of("imagenet")
    assert [g["name"] for g in groups if g["shown"]] == ["torchvision, first recipe", "torchvision, later recipe"]
    papers = {"Tan and Le 2019", "Tan and Le 2021", "He et al. 2015", "Radosavovic et al. 2020", "Bello et al. 2021"}
    assert papers < {g["name"] for g in groups if not g["shown"]}
    notes = {g["name"]: g["note"] for g in groups}
    assert notes["He et al. 2015"] == "mean of 10 crops" and "mean of 5 runs" in notes["Radosavovic et al. 2020"]
    crops = cl.published().query("data == 'imagenet' and protocol == 'mean of 10 crops' and macs.notna()")
    assert {g["name"]: g["count"] for g in groups}["He et al. 2015"] == len(crops)
    assert sum(g["count"] for g in groups) == len(points_of("imagenet"))
    pale = {p["name"]: p["pale"] for p in points_of("imagenet") if "V1" in p["note"]}
    cases = {"resnet18": True, "mnasnet0_5": True, "efficientnet_b0": False, "convnext_tiny": False}
    assert {name: pale[name] for name in cases} == cases


def test_resnet50_stands_twice():
    shown = [p for p in points_of("imagenet") if p["name"] == "resnet50"]
    assert {(p["accuracy"], p["group"]) for p in shown} == {
        (80.858, "torchvision, later recipe"),
        (76.13, "torchvision, first recipe"),
    }
    assert all("IMAGENET1K_V" in p["note"] and "224 px" in p["note"] and "torchvision" in p["note"] for p in shown)


# The measured tables.


def by_hand(data: str) -> dict[tuple, tuple]:
    """base, depth, width, px -> mean, half the 95 % interval, seeds, costs: from the file, with loops alone."""
    cells = defaultdict(list)
    for row in rows(f"measured/{data}.csv"):
        if row["accuracy"]:
            cells[(row["base"], *(float(row[k]) for k in KNOBS))].append(row)
    squares, spare = defaultdict(float), defaultdict(int)
    for key, members in cells.items():
        values = [float(row["accuracy"]) for row in members]
        squares[key[0]] += sum((v - statistics.mean(values)) ** 2 for v in values)
        spare[key[0]] += len(values) - 1
    found = {}
    for key, members in cells.items():
        margin = 1.96 * math.sqrt(squares[key[0]] / spare[key[0]] / len(members))
        mean = statistics.mean(float(row["accuracy"]) for row in members)
        found[key] = mean, margin, len(members), {kind: int(members[0][kind]) for kind in COUNTS}
    return found


@pytest.mark.parametrize("data", MEASURED)
def test_measured_points_are_means_with_pooled_intervals(data):
    expected, found = by_hand(data), of_kind(data, "measured")
    assert {tuple(p["network"]) for p in found} == set(expected) and len(found) == len(expected)
    for p in found:
        mean, margin, seeds, costs = expected[tuple(p["network"])]
        assert p["accuracy"] == pytest.approx(mean, abs=6e-4) and p["seeds"] == seeds and p["costs"] == costs
        assert p["low"] == pytest.approx(max(0, mean - margin), abs=6e-4)
        assert p["high"] == pytest.approx(min(100, mean + margin), abs=6e-4)
        assert p["group"].startswith(p["family"]) and p["family"] == p["series"] == p["network"][0]
    shown = {g["name"]: g for g in groups_of(data) if g["shown"]}
    assert sum(g["count"] for g in shown.values()) == len(found)
    assert all("epochs" in g["note"] and "seeds" in g["note"] for g in shown.values())


def test_runs_that_broke_down_are_left_out_and_told(monkeypatch):
    frame = cl.measured("clothing64")
    frame.loc[[0, 1, 2, 3], "accuracy"] = math.nan  # all three seeds of one setting, and one of another
    monkeypatch.setattr("cnnlab.run.measured.measured", lambda data=None: frame)
    found = sources._measured("clothing64")
    assert len(found) == 9 and sorted(p["seeds"] for p in found) == [2, *[3] * 8]
    broken = [p for p in found if p["family"] == frame["base"][0]]
    assert sources._extent("clothing64", broken).endswith("; 4 networks whose training broke down are left out")


@pytest.mark.parametrize("data", ["glyphs", "cifar10"])
def test_pruned_points(data):
    cells = defaultdict(list)
    for row in rows(f"pruned/{data}.csv"):
        cells[(row["family"], row["importance"].replace("_", " "), float(row["budget"]))].append(row)
    found = of_kind(data, "pruned")
    assert len(found) == len(cells)
    intervals = {f: cl.prune.compared(f, data).set_index(["importance", "budget"]) for f in ("resnet", "mbconv")}
    for p in found:
        family, (criterion, _, budget) = p["family"].removeprefix("small_"), p["label"].rpartition(" ")
        members = cells[(family, criterion, float(budget))]
        assert p["accuracy"] == pytest.approx(statistics.mean(float(r["accuracy"]) for r in members), abs=6e-4)
        assert p["costs"] == {k: round(statistics.mean(int(r[k]) for r in members)) for k in COUNTS}
        row = intervals[family].loc[(criterion.replace(" ", "_"), float(budget))]
        ends = max(0, row["low"]), min(100, row["high"])
        assert (p["low"], p["high"]) == pytest.approx(ends, abs=6e-4)
        assert p["place"] is None and criterion in p["label"] and p["seeds"] == len(members)
    hidden = [g for g in groups_of(data) if not g["shown"]]
    assert {g["name"] for g in hidden} == {p["group"] for p in found} and len(hidden) == 2


# All sources.


def test_sources_are_those_of_the_tables():
    assert set(SOURCES) == {"imagenet", *cl.measured()["data"].unique(), "own"}
    assert points_of("own") == [] and groups_of("own") == []
    with pytest.raises(ValueError, match=r"data='mnist'.*imagenet, glyphs"):
        points_of("mnist")


@pytest.mark.parametrize("data", SOURCES)
def test_points_are_json_of_one_shape(data):
    found = points_of(data)
    json.dumps([found, groups_of(data)], allow_nan=False)
    assert {frozenset(p) for p in [*found, *given_points(FRAME)]} == {frozenset(KEYS)}
    assert all((p["low"] is None) == (p["high"] is None) and 0 <= p["accuracy"] <= 100 for p in found)
    assert all(p["low"] is None or 0 <= p["low"] <= p["accuracy"] <= p["high"] <= 100 for p in found)
    assert points_of(data) is found  # computed once


@pytest.mark.parametrize("data", SOURCES)
def test_series_can_be_told_apart_without_colour(data):
    shown = evidence(points_of(data), SOURCES[data].axis, groups=groups_of(data))["series"]
    assert len({s["shape"] for s in shown}) == len(shown)
    assert {s["shape"] for s in shown} <= set(tradeoff.MARKERS) and {s["colour"] for s in shown} <= set(points.COLOURS)


# Places on the sliders.


@pytest.mark.parametrize("data", SOURCES)
def test_a_place_makes_exactly_the_network_of_the_point(data):
    for p in points_of(data):
        if p["place"]:
            cost = network(p).cost()
            assert (cost.macs, cost.params) == (p["costs"]["macs"], p["costs"]["params"]), p["place"]


def test_a_place_is_on_the_sliders_and_written_as_the_explorer_writes_it():
    places = sorted({p["place"] for data in SOURCES for p in points_of(data) if p["place"]})
    keys = ("efficientnet", "mobilenet_v2", "small_resnet", "small_mbconv", "resnetrs152", "regnet_y_8gf", "vgg11")
    for key in keys:
        steps = lattice_of(key)
        for text in (text for text in places if text.startswith(f"{key},")):
            sliders = state.read(text).settings
            exact = [steps.header[knob][steps.index(knob, sliders[knob])] for knob in KNOBS]
            assert state.write(key, *exact) == text


def test_who_has_a_place():
    for p in points_of("imagenet"):
        own = isinstance(cl.architecture(p["name"]), cl.Architecture) if p["name"] in cl.names() else False
        assert p["place"] or not own, p["name"]
    places = {p["name"]: p["place"] for p in points_of("imagenet") if p["group"].startswith("torchvision")}
    b = {1: (1.1, 1.0, 240), 3: (1.4, 1.2, 300), 5: (2.2, 1.6, 456), 7: (3.1, 2.0, 600)}
    for i, (d, w, r) in b.items():
        assert places[f"efficientnet_b{i}"] == f"efficientnet,d={d:g},w={w:g},r={r}"
    assert places["densenet121"] is places["alexnet"] is places["shufflenet_v2_x1_0"] is None
    for data in MEASURED:
        for p in of_kind(data, "measured"):
            d, w, r = (Fraction(str(value)) for value in p["network"][1:])
            on = d * 10 % 1 == 0 and w * 20 % 1 == 0 and (r % 4 == 0 or r == 28) and r >= 8
            assert (p["place"] is not None) == on, p["network"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (("resnet50", 1, 1, 224), "resnet,d=1,w=1,r=224"),
        (("resnet50", 4, 1, 224), None),
        (("resnet50", 1, 1, 225), None),
        (("resnet50", 1, 1, 52), None),
        (("resnet50", 1, 1, 676), None),
        (("resnet50", 1, 1, None), None),
        (("resnet101", 1, 1.25, 672), "resnet101,d=1,w=1.25,r=672"),
        (("inception_v3", 1, 1, 299), None),
        (("resnet50_first", 1, 1, 224), None),
        (("small_resnet", 0.1 + 0.2, 0.35, 28), "small_resnet,d=0.3,w=0.35,r=28"),
        (("efficientnet_b3", 1.1, 1, 300), None),
    ],
)
def test_place(setting, expected):
    if setting[0] == "efficientnet_b3":  # scaled further, it stands on sliders of its own
        expected = "efficientnet_b3,d=1.1,w=1,r=300"
    assert place(*setting) == expected


# Other costs.


def cost_by_hand(graph, kind: str) -> int:
    if kind == "inference":
        return graph.memory(batch=1).inference
    if kind == "training":
        return graph.memory(batch=32, optimizer="momentum").training
    return getattr(graph.cost(), kind) if kind in COUNTS else graph.cost(kind).macs


@pytest.mark.parametrize("kind", KINDS)
def test_published_costs(kind):
    found = points_of("imagenet")
    costs = costs_of(found, kind)
    assert len(costs) == len(found)
    if kind == "latency":
        assert not any(costs)
        return
    known = [i for i, p in enumerate(found) if p["name"] in cl.names()]
    assert all(costs[i] for i in known)
    for i in random.Random(kind).sample(known, 5):
        px = int(found[i]["note"].partition(" px")[0].rpartition(" ")[2])
        graph = (
            cl.architecture(found[i]["name"], resolution=px).graph(folded=True, training=kind == "training")
            if (isinstance(cl.architecture(found[i]["name"]), cl.Architecture))
            else cl.architecture(found[i]["name"], resolution=px).graph()
        )
        assert costs[i] == cost_by_hand(graph, kind), found[i]["name"]
    shuffle = [cost for p, cost in zip(found, costs, strict=True) if p["name"].startswith("shufflenet")]
    assert len(shuffle) == 4 and all((cost is None) == (kind not in COUNTS) for cost in shuffle)


@pytest.mark.parametrize("kind", KINDS[:-1])
@pytest.mark.parametrize("data", ["glyphs", "fashion_mnist"])
def test_measured_costs(data, kind):
    found = points_of(data)
    costs = costs_of(found, kind)
    for i in random.Random(kind).sample(range(len(found)), 12):
        p = found[i]
        if p["network"] is None:
            assert p["kind"] == "pruned" and (costs[i] is None) == (kind not in COUNTS)
            continue
        base, depth, width, px = p["network"]
        arch = cl.scaled(cl.architecture(base, classes=p["classes"]), depth=depth, width=width, resolution=px)
        assert costs[i] == cost_by_hand(arch.graph(), kind), p["name"]  # layer by layer, one network at a time


def test_with_costs_leaves_the_points_as_they_are():
    before = json.dumps(points_of("cifar10"))
    found = with_costs(points_of("cifar10"), "fvcore")
    assert json.dumps(points_of("cifar10")) == before
    assert [p["costs"]["fvcore"] for p in found] == costs_of(points_of("cifar10"), "fvcore")
    assert costs_of(found, "fvcore") == costs_of(points_of("cifar10"), "fvcore")
    with pytest.raises(ValueError, match=r"against='flops'.*macs, params"):
        costs_of(found, "flops")


# Points of one's own.

ROW = {"accuracy": 90, "macs": 2, "params": 3}


def test_given_points():
    frame = FRAME.assign(low=[91.0, math.nan, 93], high=[92.0, math.nan, 93.5], place=["resnet,d=2", None, None])
    found = given_points(frame.assign(latency=[0.002, 0.003, math.nan], seeds=[3, math.nan, 2]))
    assert [p["name"] for p in found] == ["resnet d=1 w=1 r=32", "mbconv d=1 w=0.5 r=32", "resnet d=2 w=1 r=32"]
    assert [(p["low"], p["high"], p["seeds"]) for p in found] == [(91, 92, 3), (None, None, None), (93, 93.5, 2)]
    assert [p["place"] for p in found] == ["resnet,d=2", None, None]
    assert [p["costs"]["activations"] for p in found] == [188_426, None, 400_000]
    assert costs_of(found, "latency") == [0.002, 0.003, None] and costs_of(found, "fvcore") == [None] * 3
    assert given_points([ROW], kind=points.YOURS)[0]["group"] == points.YOURS
    assert len(given_points(cl.published().dropna(subset=["macs", "params", "accuracy"]))) > 200  # NA, not NaN


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accuracy": 101}, ["row 0", "accuracy=101", "0 to 100"]),
        ({"accuracy": "90"}, ["accuracy='90'"]),
        ({"macs": math.nan}, ["macs=nan", "above 0"]),
        ({"params": 0}, ["params=0"]),
        ({"training": -4}, ["training=-4", "above 0"]),
        ({"low": -1}, ["low=-1", "0 to 100"]),
        ({"low": 95, "high": 99}, ["accuracy=90", "outside its own interval, low=95"]),
        ({"place": "resnet,d=two"}, ["d='two'"]),
        ({"name": "mine", "activations": "many"}, ["(mine)", "activations='many'"]),
    ],
)
def test_bad_points_are_told(change, words):
    with pytest.raises(ValueError) as error:
        given_points([ROW | change])
    assert all(word in str(error.value) for word in words), str(error.value)


def test_missing_columns_are_told():
    with pytest.raises(ValueError, match="points has no column 'params'; it needs accuracy, macs, params"):
        given_points([{"accuracy": 1, "macs": 2}])


# How a picture lays them out.


@st.composite
def scattered(draw):
    number = st.none() | st.integers(1, 9)
    rows = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), number, st.sampled_from("abc")), max_size=30))
    found = given_points([{"accuracy": a, "macs": m, "params": 1, "family": f} for a, m, _, f in rows])
    for p, (_, _, activations, _) in zip(found, rows, strict=True):
        p["costs"]["activations"] = activations
    return found, set(draw(st.lists(st.sampled_from("abc"), unique=True)))


@settings(max_examples=60)
@given(scattered())
def test_layout_is_of_the_shown_points(case):
    found, visible = case
    groups = [{**g, "shown": g["name"] in visible} for g in points.grouped(found)]
    laid = evidence(found, "x", groups=groups)
    assert laid["shown"] == [i for i, p in enumerate(found) if p["family"] in visible]
    for kind in COUNTS:
        costs = [p["costs"][kind] for p in found]
        known = [(i, costs[i], found[i]["accuracy"]) for i in laid["shown"] if costs[i]]
        best = {i for i, c, a in known if not any(d <= c and b >= a and (d, b) != (c, a) for _, d, b in known)}
        assert set(laid["front"][kind]) == best
        assert [costs[i] for i in laid["front"][kind]] == sorted(costs[i] for i in best)
        low, high = laid["domain"][kind]
        assert all(low < cost < high for _, cost, _ in known)
        order = laid["order"][kind]
        assert set(order) <= {i for i, *_ in known} and len(set(order)) == len(order)
    assert all(laid["range"][0] <= found[i]["accuracy"] < laid["range"][1] for i in laid["shown"])
    assert {s["name"] for s in laid["series"]} == {p["series"] for p in laid["points"]}


def test_axes_reach_intervals_and_anchors():
    found = given_points([ROW | {"low": 70, "high": 99.5}])
    laid = evidence(found, "x", [{"macs": 5000, "params": 1, "low": 60, "high": 65}, {"inference": 7}])
    assert laid["range"][0] < 60 and laid["range"][1] > 99.5
    assert laid["domain"]["macs"][1] > 5000 and laid["domain"]["params"][0] < 1
    assert evidence([], "x")["range"] == [0, 100]
    own = given_points([ROW | {"accuracy": 20}], kind=points.YOURS)
    assert evidence([*found, *own], "x")["order"]["macs"][0] == 1  # one's own are labelled first


def test_the_worst_of_many_points_stand_at_the_foot():
    many = given_points([ROW | {"accuracy": a, "low": a - 1, "high": a + 1} for a in (10, *[80] * 60)])
    assert evidence(many, "x")["range"] == [75, 85.8]  # 79 to 81, and air for ten points


# The still plot.


@functools.cache
def drawn(data: str, against: str, **more) -> tuple[Figure, dict]:
    groups = [{**g, "shown": True} for g in groups_of(data)]
    laid, figure = evidence(with_costs(points_of(data), against), SOURCES[data].axis, groups=groups), Figure()
    tradeoff.tradeoff(figure.add_axes((0.1, 0.3, 0.5, 0.6)), laid, cl.Cost(), against, **more)
    tradeoff.legend(figure, laid, against)
    return figure, laid


def test_error_bars_are_drawn_and_nothing_is_clipped():
    figure, laid = drawn("cifar10", "params", budget=None, here=2e4, predicted=(44.0, 41.0, 47.0))
    axes = figure.axes[0]
    foot, top = laid["range"]
    lines = [line for line in axes.lines if line.get_linewidth() == 0.7]
    expected = [(p["costs"]["params"], max(p["low"], foot), p["high"]) for p in laid["points"]]
    assert sorted((line.get_xdata()[0], *line.get_ydata()) for line in lines) == sorted(expected)
    assert max(p["high"] for p in laid["points"]) < top and not any(line.get_clip_on() for line in lines)
    texts = [text.get_text() for text in axes.texts]
    assert "you are here: 44.0 % predicted (41.0 to 47.0)" in texts
    assert any(list(line.get_ydata()) == [41.0, 47.0] for line in axes.lines)
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"small_mbconv", "small_resnet, pruned", "Pareto front"} < names
    assert "thin bars: 95 % intervals" in figure.texts[-1].get_text()


def test_points_without_this_cost_are_not_drawn():
    figure, laid = drawn("cifar10", "training", here=1e6, budget=2e6)
    markers = [line for line in figure.axes[0].lines if line.get_marker() in tradeoff.MARKERS.values()]
    assert len(markers) == len(of_kind("cifar10", "measured")) < len(laid["points"])
    assert not any("pruned" in text.get_text() for text in figure.legends[0].get_texts())
    assert "shaded: over the budget, 2 MB" in [text.get_text() for text in figure.axes[0].texts]
    assert not drawn("clothing64", "latency", budget=None)[0].legends


def test_matches():
    laid = evidence(points_of("glyphs"), "x", groups=groups_of("glyphs"))
    arch, place = cl.scaled(cl.architecture("small_resnet"), depth=1.5), "small_resnet,d=1.5,w=1,r=28"
    found = tradeoff.matches(laid, arch.cost(), place)
    assert [p["network"] for p in found] == [["small_resnet", 1.5, 1, 28]]
    assert tradeoff.matches(laid, arch.cost()) == []  # it tells 10 classes apart, the glyphs are 42
    cost = replace(arch, classes=42).cost()
    assert tradeoff.matches(laid, cost, "small_resnet,d=1.3,w=1,r=28") == found  # the same whole blocks
    assert [p["family"] for p in tradeoff.matches(laid, cost, "small_plain,d=1.5,w=1,r=28")] == ["small_plain"]
    assert {p["family"] for p in tradeoff.matches(laid, cost)} == {"small_plain", "small_resnet"}  # who can tell
    assert tradeoff.matches(laid, cost, f"{place},2.block=plain") == []
    own = evidence(given_points([{"accuracy": 1, "macs": cost.macs, "params": cost.params}]), "x")
    assert tradeoff.matches(own, cost, place) == tradeoff.matches(own, cost, f"{place},2.block=plain") == own["points"]
    published = evidence(points_of("imagenet"), "x", groups=groups_of("imagenet"))
    resnet50 = cl.architecture("resnet50").cost()
    for where in (None, "resnet,d=1,w=1,r=224", "resnet50,d=1,w=1,r=224", "mine,d=1,w=1,r=224"):
        assert [p["accuracy"] for p in tradeoff.matches(published, resnet50, where)] == [80.858, 76.13]
    b3 = tradeoff.matches(published, cl.architecture("efficientnet_b3").cost(), "efficientnet,d=1.4,w=1.2,r=300")
    assert [(p["name"], p["accuracy"]) for p in b3] == [("efficientnet_b3", 82.008)]


# Bands.


def rounded(base: str, depth: float, width: float) -> tuple[float, float]:
    """Depth and width of the network that these sliders make: its second stage has 2 and 32 in the base."""
    return math.ceil(2 * depth - 1e-9) / 2, math.floor(32 * width + 0.5 + 1e-9) / 32


@pytest.mark.parametrize("data", ["glyphs", "fashion_mnist"])
@pytest.mark.parametrize("key", ["small_resnet", "small_mbconv"])
def test_band_is_what_predict_says(data, key):
    from cnnlab.run.predict import predictor

    steps = lattice_of(key)
    found = band(data, key, steps.header)
    shape = [found[knob][1] - found[knob][0] + 1 for knob in KNOBS]
    assert len(found["numbers"]) == 3 * 2 * math.prod(shape) and (found["data"], found["family"]) == (data, key)
    known, dice = predictor(key.removeprefix("small_"), data), random.Random(key)
    # A band may have been kept by a process with another number of threads, whose sums differ in their last digits.
    assert (found["error"], found["noise"]) == pytest.approx((known.error, known.noise), rel=1e-9)
    compared = 0
    for at in [[dice.randint(*found[knob]) for knob in KNOBS] for _ in range(40)]:
        sliders = {knob: steps.header[knob][i] for knob, i in zip(KNOBS, at, strict=True)}
        told = predicted(found, at)
        depth, width = rounded(key, sliders["depth"], sliders["width"])
        expected = [float(v[0]) for v in known.at(depth, width, sliders["resolution"])]
        assert told == pytest.approx(expected, abs=0.005001)
        try:
            said = cl.predict(cl.scaled(steps.base, **sliders), data)
        except ValueError as error:  # predict refuses some widths of small_mbconv, whose head is finer than its stages
            assert key == "small_mbconv" and "scaled alike" in str(error)
        else:
            compared += 1
            assert told == pytest.approx((said.accuracy, said.low, said.high), abs=0.005001)
    assert compared >= 10


def test_outside_a_band_predict_refuses():
    steps = lattice_of("small_resnet")
    found = band("cifar10", "small_resnet", steps.header)
    middle = [sum(found[knob]) // 2 for knob in KNOBS]
    for i, knob in enumerate(KNOBS):
        for end, step in ((0, -1), (1, 1)):
            inside, outside = list(middle), list(middle)
            inside[i], outside[i] = found[knob][end], found[knob][end] + step
            assert predicted(found, inside) is not None and predicted(found, outside) is None
            if outside[i] < 0:
                continue  # the first slider position is still the shallowest network that was measured
            sliders = {k: steps.header[k][j] for k, j in zip(KNOBS, outside, strict=True)}
            with pytest.raises(ValueError, match="lies outside what was measured"):
                cl.predict(cl.scaled(steps.base, **sliders), "cifar10")


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ("imagenet", "efficientnet"),
        ("glyphs", "resnet"),
        ("fashion_mnist", "small_plain"),  # not trained on it
        ("clothing64", "small_resnet"),  # at five resolutions only
        ("own", "small_resnet"),
    ],
)
def test_no_band_without_measurements(data, key):
    assert band(data, key, lattice_of(key).header) is None
    assert predicted(None, (0, 0, 0)) is None


def test_no_band_where_no_slider_reaches():
    assert band("cifar10", "small_resnet", {"depth": [1.0], "width": [1.0], "resolution": [64, 68]}) is None


def test_importing_the_evidence_loads_no_torch():
    program = (
        "import sys, cnnlab.show.sources, cnnlab.show.costing, cnnlab.show.bands, cnnlab.show.tradeoff;"
        "assert not {'torch', 'torchvision', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=DATA.parent)
