"""The Explorer's points, costs and bands, and what it trains and times in the background."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cnnlab as cl
from cnnlab.run.store import Store
from cnnlab.show import tradeoff
from cnnlab.show.costing import costs_of
from cnnlab.show.lattice import ALL_KINDS, KINDS, MEMORY, STEPS
from cnnlab.show.sources import SOURCES, points_of
from tests.explorer_heard import FRAME, Explorer, Heard, consistent
from tests.sweeping import wait
from tests.test_lattice import by_hand, own

# Data, x axis, bands.


def test_another_source_shows_its_own_points():
    explorer = cl.Explorer("small_resnet")
    for source in ("glyphs", "imagenet", "cifar10", "clothing64", "own", "fashion_mnist"):
        explorer.data = source
        assert [p["name"] for p in explorer._evidence["points"]] == [p["name"] for p in points_of(source)]
        assert explorer._evidence["axis"] == SOURCES[source].axis
        consistent(explorer)


def test_classes_are_those_of_the_measured_networks():
    explorer = cl.Explorer("small_resnet", data="glyphs")
    row = (
        cl.measured("glyphs").query("base == 'small_resnet' and depth == 1 and width == 1 and resolution == 28").iloc[0]
    )
    assert explorer.cost == cl.Cost(row["macs"], row["params"], row["activations"])
    (match,) = tradeoff.matches(plot(explorer), explorer.cost, explorer.network)
    assert match["network"] == ["small_resnet", 1, 1, 28] and match["place"] == explorer.network
    glyphs = explorer.architecture.classes
    explorer.data = "imagenet"
    assert explorer.architecture.classes == 10 and explorer._lattice["classes"] == 10 != glyphs
    consistent(explorer)
    explorer.set_state({"data": "glyphs", "depth": 2.0})
    assert explorer.architecture.classes == explorer._lattice["classes"] == glyphs
    explorer.go("small_mbconv,1.depth=2")
    assert explorer.architecture.classes == glyphs
    explorer.go("resnet")
    assert explorer.architecture.classes == 1000
    consistent(explorer)


@pytest.mark.parametrize("kind", [kind for kind in ALL_KINDS if kind not in KINDS])
def test_another_axis_brings_its_costs(kind):
    explorer = cl.Explorer("resnet", data="cifar10")
    assert explorer._costs == {} and explorer._lattice["kinds"] == list(KINDS)
    explorer.against = kind
    consistent(explorer)
    assert set(explorer._lattice["kinds"]) == {*KINDS, *(MEMORY if kind in MEMORY else [kind])}
    chosen, *sliders = explorer.settings()
    assert chosen.total(kind, *sliders) == by_hand(cl.architecture("resnet50"), kind)
    known = [(p, cost) for p, cost in zip(explorer._evidence["points"], explorer._costs[kind], strict=True) if cost]
    for p, cost in random.Random(kind).sample(known, 4):
        name, depth, width, resolution = p["network"]
        arch = cl.scaled(cl.architecture(name, classes=p["classes"]), depth=depth, width=width, resolution=resolution)
        assert cost == by_hand(arch, kind), p["name"]
    explorer.data = "glyphs"
    consistent(explorer)
    explorer.go("vgg,3.depth=2")
    consistent(explorer)
    explorer.set_state({"data": "clothing64", "against": "macs"})
    consistent(explorer)
    explorer.against = kind
    consistent(explorer)


def test_costs_of_the_published_points():
    explorer = cl.Explorer("resnet", against="inference")
    at = {p["name"]: cost for p, cost in zip(explorer._evidence["points"], explorer._costs["inference"], strict=True)}
    for name in ("resnet50", "mobilenet_v2", "convnext_tiny"):
        assert at[name] == by_hand(cl.architecture(name), "inference")
    explorer.against = "latency"
    assert "latency" not in explorer._costs


def test_a_network_with_an_if_has_every_cost():
    explorer = Explorer(own(), against="training", width=1.3)
    consistent(explorer)
    for kind in ALL_KINDS:
        explorer.against = kind
        chosen, *sliders = explorer.settings()
        assert chosen.total(kind, *sliders) == by_hand(explorer.architecture, kind)
    explorer.edits = {1: {"kernel": 5}}
    assert len(explorer.png()) > 10_000


def test_bands_are_what_predict_says():
    explorer = cl.Explorer("small_resnet", data="glyphs")
    found = wait(lambda: explorer._bands.get("glyphs|small_resnet"), "a band")
    shape = [found[knob][1] - found[knob][0] + 1 for knob in STEPS]
    numbers = np.frombuffer(found["numbers"], "<u2").reshape(3, *shape) / 100
    dice = random.Random(0)
    for at in [[dice.randrange(n) for n in shape] for _ in range(4)]:
        for knob, i in zip(STEPS, at, strict=True):
            setattr(explorer, knob, explorer._lattice[knob][found[knob][0] + i])
        said = cl.predict(replace(explorer.architecture, classes=10), "glyphs")
        assert numbers[:, *at] == pytest.approx([said.accuracy, said.low, said.high], abs=0.0051)
    explorer.data = "cifar10"
    wait(lambda: explorer._bands.get("cifar10|small_resnet"), "another band")
    explorer.data = "clothing64"
    wait(lambda: "clothing64|small_resnet" in explorer._bands, "that there is none")
    assert explorer._bands["clothing64|small_resnet"] == {}
    explorer.go("resnet")
    assert set(explorer._bands) == {f"{data}|small_resnet" for data in ("glyphs", "cifar10", "clothing64")}


# Points of one's own.


def shown(explorer: cl.Explorer) -> list[str]:
    return [p["name"] for p in explorer._evidence["points"]]


def plot(explorer: cl.Explorer) -> dict[str, Any]:
    """What a still picture shows of the points."""
    return explorer._contents.evidence(explorer.data, explorer._added)


def test_points_of_a_frame():
    explorer = cl.Explorer(cl.architecture("cifar_resnet20"), points=FRAME, axis="test accuracy, %")
    first = ["resnet d=1 w=1 r=32", "mbconv d=1 w=0.5 r=32", "resnet d=2 w=1 r=32"]
    assert explorer.data == "own" and shown(explorer) == first
    assert explorer._evidence["axis"] == "test accuracy, %"
    assert [s["name"] for s in explorer._evidence["series"]] == ["resnet", "mbconv"]
    assert len({s["shape"] for s in explorer._evidence["series"]}) == 2
    assert tradeoff.matches(plot(explorer), explorer.cost)[0]["accuracy"] == 91.5
    explorer.add("mine", 95.5, cl.scaled(cl.architecture("cifar_resnet20"), width=2.0))
    explorer.add(FRAME.head(1).assign(name="again"))
    assert shown(explorer) == [*first, "mine", "again"]
    explorer.width = 2.0
    assert tradeoff.matches(plot(explorer), explorer.cost)[0]["name"] == "mine"
    explorer.add("mine", 96, cl.architecture("cifar_resnet20"))  # in place of the other
    assert shown(explorer) == [*first, "again", "mine"] and explorer._evidence["points"][-1]["accuracy"] == 96
    explorer.against = "fvcore"
    consistent(explorer)
    assert costs_of(explorer._evidence["points"], "fvcore") == [None] * 5 == explorer._costs["fvcore"]


def test_points_stay_where_they_were_put():
    explorer = cl.Explorer("small_resnet", data="glyphs", against="thop")
    known = len(points_of("glyphs"))
    explorer.add("mine", 50, explorer.architecture)
    assert shown(explorer)[known:] == ["mine"]
    consistent(explorer)
    explorer.data = "cifar10"
    assert "mine" not in shown(explorer)
    mine = [replace_name(points_of("glyphs")[0], "put there")]
    explorer.put("glyphs", mine)
    assert shown(explorer) == [p["name"] for p in points_of("cifar10")]
    consistent(explorer)
    explorer.data = "glyphs"
    assert shown(explorer)[known:] == ["mine", "put there"] and len(points_of("glyphs")) == known
    consistent(explorer)


def replace_name(point: dict[str, Any], name: str) -> dict[str, Any]:
    return {**point, "name": name}


# Training and timing in the background.


@pytest.fixture
def trained(tmp_path) -> Iterator[Heard]:
    explorer = cl.Explorer("small_resnet", depth=0.5, resolution=8, edits={2: {"width": 24}}, data="glyphs",
                           store=tmp_path / "runs.sqlite")  # fmt: skip
    yield Heard(explorer)
    explorer.close()


def over(explorer: cl.Explorer) -> bool:
    return explorer.training.get("state") in ("done", "failed", "stopped")


def test_training_and_timing(trained, tmp_path):
    explorer, network = trained.explorer, trained.explorer.network
    assert explorer.training == {}
    explorer.measure_latency()
    assert trained.ask(do="stop") is None
    wait(lambda: explorer._latencies.get(network, {}).get("state") == "stopped", "the end")
    assert explorer._latencies[network]["median"] is None

    assert trained.ask(do="train", data="digits", epochs=1, limit=100) is None
    assert "a job is running" in trained.ask(do="latency")["refused"]
    assert "a job is running" in trained.ask(do="train", data="digits", epochs=1, limit=100)["refused"]
    with pytest.raises(RuntimeError, match="a job is running"):
        explorer.measure_latency()
    assert not explorer._added
    explorer.width = 2.0  # the page goes on meanwhile
    wait(lambda: over(explorer), "the end")
    told = explorer.training
    assert told["state"] == "done", told
    assert (told["total"], len(told["epochs"]), told["data"], told["network"]) == (1, 1, "digits", network)
    json.dumps(explorer._training, allow_nan=False)
    wait(lambda: explorer._added, "a point")
    with Store(tmp_path / "runs.sqlite") as book:
        (row,) = book.frame().to_dict("records")
    expected = cl.Trial(explorer.settings()[0].base, 0.5, 1.0, 8, "digits", 100, cl.Recipe(epochs=1))
    assert row["key"] == expected.key and f"{row['accuracy']:.1f} %" in told["message"]
    assert row["history"] == told["epochs"] and row["depth"] == 0.5

    explorer.data = "own"  # digits have no plot of their own
    (point,) = explorer._evidence["points"]
    assert (point["accuracy"], point["place"], point["kind"]) == (row["accuracy"], network, "yours")
    assert point["costs"] == {kind: row[kind] for kind in KINDS}
    assert ["own", SOURCES["own"].label] in explorer._sources

    explorer.width = 1.0
    assert trained.ask(do="latency") is None
    timed = wait(lambda: (t := explorer._latencies.get(network)) and t["state"] in ("done", "failed") and t, "a time")
    assert timed["state"] == "done" and 0 < timed["low"] <= timed["median"] <= timed["high"], timed


def test_what_cannot_be_trained_is_told(trained):
    explorer = trained.explorer
    explorer.resolution = 28
    assert trained.ask(do="train", data="digits", epochs=1) is None
    wait(lambda: over(explorer), "the end")
    assert explorer.training["state"] == "failed" and "resolution=28" in explorer.training["message"]
    trained.explorer.close()
    assert "closed" in trained.ask(do="train", data="digits", epochs=1)["refused"]


def test_rows_of_a_store_are_points(tmp_path):
    path = tmp_path / "runs.sqlite"
    row = {
        **{"key": "0", "data": "glyphs", "base": "small_resnet", "depth": 1.5, "width": 1.0, "resolution": 28},
        **{"seed": 3, "epochs": 4, "macs": 5, "params": 6, "activations": 7, "accuracy": 61.5},
        **{"validation_accuracy": 60.0, "train_accuracy": 70.0, "train_loss": 0.5, "stopped": None, "seconds": 1.0},
        **{"device": "a clock", "threads": 1, "finished": "2026", "settings": "{}", "history": "[]", "versions": "{}"},
    }
    edited = {"key": "1", "base": "resnet50 3.block=basic 3.depth=2", "resolution": 224}
    cases = [row, row | edited, row | {"key": "2", "accuracy": None}, row | {"key": "3", "data": "digits"}]
    with Store(path) as book:
        for case in cases:
            book.add(case)
    explorer = cl.Explorer("small_resnet", data="cifar10", store=path)
    assert not explorer._added
    explorer.data = "glyphs"
    found = explorer._evidence["points"][len(points_of("glyphs")) :]
    assert [p["accuracy"] for p in found] == [61.5, 61.5] and {p["kind"] for p in found} == {"yours"}
    assert found[0]["costs"] == {"macs": 5, "params": 6, "activations": 7} and "4 epochs, seed 3" in found[0]["note"]
    assert [p["place"] for p in found] == [
        "small_resnet,d=1.5,w=1,r=28",
        "resnet,d=1.5,w=1,r=224,3.block=basic,3.depth=2",
    ]
    explorer.data = "cifar10"
    explorer.data = "glyphs"
    assert len(explorer._evidence["points"]) == len(points_of("glyphs")) + 2
    assert len(cl.Explorer("small_resnet", store=path)._evidence["points"]) == len(points_of("glyphs")) + 2
    assert cl.Explorer("small_resnet", store=tmp_path / "none.sqlite").data == "glyphs"
    assert not (tmp_path / "none.sqlite").exists()
