"""The Explorer without a browser: its numbers are exact, its state is honest, and it stays true outside a kernel."""

from __future__ import annotations

import base64
import functools
import gc
import io
import json
import logging
import os
import random
import re
import subprocess
import sys
import threading
import types
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _remove_buffers
from PIL import Image

import cnnlab as cl
from cnnlab.arch.edits import BLOCKS, FIELDS
from cnnlab.run.store import Store
from cnnlab.show import state as states
from cnnlab.show import tradeoff
from cnnlab.show.costing import costs_of
from cnnlab.show.lattice import ALL_KINDS, FAMILIES, KINDS, MEMORY, STEPS, family, packed
from cnnlab.show.parts import PARTS, PRESETS
from cnnlab.show.sources import SOURCES, points_of
from tests.oracles import numel
from tests.sweeping import wait
from tests.test_lattice import by_hand, edits_of, own

ROOT = Path(__file__).parents[1]
B3 = "Explorer(efficientnet, depth 1.4, width 1.2, 300 px): 1,827,141,392 MACs, 12,233,232 params"
EDITED = {1: {"width": 16}, 2: {"block": "mbconv", "depth": 3, "se": 0}}
Explorer = functools.partial(cl.Explorer, points=[])


class Heard:
    """An explorer's page: what Python sends it, and what it may ask for."""

    def __init__(self, explorer: cl.Explorer) -> None:
        self.explorer, self.said = explorer, []
        explorer.send = lambda content, buffers=None: self.said.append(content)

    def ask(self, **message: Any) -> Any:
        """The answer to a message, if there is one."""
        before = len(self.said)
        self.explorer._handle_custom_msg(message, [])
        assert len(self.said) <= before + 1
        return self.said[-1] if len(self.said) > before else None


def consistent(explorer: cl.Explorer) -> None:
    """All that the page knows is of the network at the sliders, and of the source and the costs that are shown."""
    chosen, *sliders = explorer.settings()
    arch = explorer.architecture
    assert explorer.cost == arch.cost() and [chosen.total(kind, *sliders) for kind in KINDS] == [
        *vars(arch.cost()).values()
    ]
    sent = explorer._lattice
    assert sent["id"] == chosen.header["id"] == ",".join([explorer.family, *words(explorer.edits)])
    assert sent["numbers"] == chosen.numbers.tobytes() and sent["kinds"] == chosen.header["kinds"]
    assert all(getattr(explorer, knob) in sent[knob] for knob in STEPS)
    shown = explorer._evidence
    assert shown["source"] == explorer.data and explorer._costs.get("source", explorer.data) == explorer.data
    if explorer.against not in (*KINDS, "latency"):
        assert explorer.against in sent["kinds"]
        assert len(explorer._costs[explorer.against]) == len(shown["points"])


def words(edits: dict[str, Any]) -> list[str]:
    """Edits as a state has them: floats in as many digits as tell them apart."""
    return [f"{n}.{f}={int(v[f]) if v[f] in (0, 1) else v[f]}"
            for n, v in sorted(edits.items()) for f in FIELDS if f in v]  # fmt: skip


# What it is made of.


@pytest.mark.parametrize(
    ("base", "options", "expected"),
    [
        ("resnet", {}, {"family": "resnet", "depth": 1, "width": 1, "resolution": 224, "edits": {}, "data": "own"}),
        ("resnet", {"edits": {3: {"block": "basic"}, 1: {}}}, {"edits": {"3": {"block": "basic"}}}),
        ("resnet", {"coefficients": {"alpha": 1.25}}, {"coefficients": [1.25, 1.1, 1.15]}),
        ("resnet", {"coefficients": {"gamma": 1, "beta": 2.0}}, {"coefficients": [1.2, 2, 1]}),
        ("resnet", {"budget": 1e9}, {"budgets": {"macs": 1e9}}),
        ("resnet", {"budget": {"params": 5_000_000, "training": 2e9}}, {"budgets": {"params": 5e6, "training": 2e9}}),
        ("resnet", {"budget": np.float64(3)}, {"budgets": {"macs": 3}}),
        ("resnet", {"hide": "compound"}, {"hidden": list(PRESETS["compound"])}),
        ("resnet", {"hide": "rows"}, {"hidden": ["rows"]}),
        ("resnet", {"hide": ["rows", "bars"], "projector": True}, {"hidden": ["rows", "bars"], "projector": True}),
        ("resnet", {"against": "latency", "data": "glyphs"}, {"against": "latency", "data": "glyphs"}),
        ("small_plain", {"points": None}, {"data": "glyphs", "resolution": 28}),
        ("vgg", {"points": None}, {"data": "imagenet"}),
        ("resnet101", {"depth": 2, "width": 0.5, "resolution": 160}, {"depth": 2, "width": 0.5, "resolution": 160}),
        (cl.architecture("cifar_resnet20"), {}, {"family": "cifar_resnet20", "resolution": 32}),
    ],
)
def test_options(base, options, expected):
    explorer = Explorer(base, **options)
    assert {name: getattr(explorer, name) for name in expected} == expected
    consistent(explorer)
    again = cl.Explorer.from_state(explorer.state, base if isinstance(base, cl.Architecture) else None, points=[])
    assert (again.state, again.architecture.stages) == (explorer.state, explorer.architecture.stages)


def test_presets_leave_what_they_say():
    assert all(set(parts) < set(PARTS) for parts in PRESETS.values())
    sliders = {"depth", "width", "resolution", "phi"}
    for knob in STEPS:
        assert sliders - set(Explorer("resnet", hide=knob).hidden) == {knob}
    assert sliders <= set(Explorer("resnet", hide="pictures").hidden) and Explorer("resnet").hidden == []


def test_menus():
    explorer = cl.Explorer("resnet")
    assert [key for key, _ in explorer._families] == list(FAMILIES)
    assert [key for key, _ in explorer._sources] == [key for key in SOURCES if key != "own"]
    assert {"glyphs", "digits"} < {key for key, _ in explorer._trainable}
    explorer = Explorer(own())
    assert explorer._families[0] == ["mine", "mine, yours"] and len(explorer._families) == len(FAMILIES) + 1
    assert [key for key, _ in explorer._sources][-1] == "own"
    explorer = cl.Explorer("resnet")
    explorer.data = "own"  # there is nothing yet, but what is shown is in the menu
    assert (
        [key for key, _ in explorer._sources][-1] == [key for key, _ in cl.Explorer(data="own")._sources][-1] == "own"
    )


def test_widget_state_is_json_and_buffers():
    state, paths, buffers = _remove_buffers(Explorer(own(), budget=1e6, edits={2: {"depth": 2}}).get_state())
    json.dumps(state, allow_nan=False)
    assert paths == [["_lattice", "numbers"]] and len(buffers[0]) % 8 == 0


def test_nothing_is_fetched_or_evaluated_in_the_browser():
    source = cl.Explorer._esm + cl.Explorer._css
    for word in ("eval(", "new Function", "innerHTML", "fetch(", "import(", "@import", "url(", "https://"):
        assert word not in source, word
    assert source.count("http://") == source.count("http://www.w3.org/2000/svg") == 1


def test_phi_is_the_nearest_place_on_the_compound_path():
    for key in ("efficientnet", "cifar_resnet"):
        explorer = Explorer(key)
        for phi in (0, 0.5, 1, 2, 3, 5.5):
            for knob, times in zip(STEPS, (1.2, 1.1, 1.15), strict=True):
                steps = np.array(explorer._lattice[knob], float)
                own_value = steps[explorer._lattice["base"][STEPS.index(knob)]]
                setattr(explorer, knob, steps[np.abs(steps - round(own_value * times**phi, 6)).argmin()].item())
            assert explorer.phi == phi, (key, phi)
    assert Explorer(depth=1.4, width=1.2, resolution=296).phi == 2
    assert Explorer(depth=1.4, width=1.2, resolution=300).phi is None
    assert Explorer(depth=1.4, width=1.2, resolution=296, coefficients={"gamma": 1.3}).phi is None
    assert Explorer(depth=2.0, coefficients={"alpha": 2, "beta": 1, "gamma": 1}).phi == 1


# State strings.


@settings(max_examples=40)
@given(data=st.data())
def test_state_round_trip(data):
    key = data.draw(st.sampled_from([*FAMILIES, "resnet101"]))
    edits = data.draw(st.just({}) | edits_of(cl.Explorer(key, points=[]).architecture))
    third = {n: {f: 1 / 3 if f == "se" and v == 0.25 else v for f, v in c.items()} for n, c in edits.items()}
    decimals = st.integers(10**6, 2 * 10**6).map(lambda n: n / 10**6)
    coefficients = data.draw(st.dictionaries(st.sampled_from(["alpha", "beta", "gamma"]), decimals))
    try:
        explorer = Explorer(key, edits=third, coefficients=coefficients)
    except ValueError as error:  # CIFAR's shortcuts only add channels, 32 groups need some, ...
        assert re.match(r"stage\d\.\d\.", str(error))
        return
    for knob in STEPS:
        setattr(explorer, knob, data.draw(st.sampled_from(explorer._lattice[knob])))
    again = cl.Explorer.from_state(explorer.state, points=[])
    assert (again.state, again.cost, repr(again)) == (explorer.state, explorer.cost, repr(explorer))
    assert again.architecture == explorer.architecture and again.coefficients == explorer.coefficients
    assert again.network == explorer.network and (again.network == again.state) == (
        explorer.coefficients == [1.2, 1.1, 1.15]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resnet", "resnet,d=1,w=1,r=224"),
        ("resnet,r=160", "resnet,d=1,w=1,r=160"),
        (" resnet , d=2 ,3.block=basic,w=0.5 ", "resnet,d=2,w=0.5,r=224,3.block=basic"),
        ("resnet,a=1.2,b=1.10,g=1.15", "resnet,d=1,w=1,r=224"),
        ("resnet,b=1.25,4.depth=2,3.width=64", "resnet,d=1,w=1,r=224,b=1.25,3.width=64,4.depth=2"),
        ("efficientnet,3.se=0,3.kernel=7", "efficientnet,d=1,w=1,r=224,3.kernel=7,3.se=0"),
        ("mobilenet_v3,6.expand=2.3,6.se=1", "mobilenet_v3,d=1,w=1,r=224,6.expand=2.3,6.se=1"),
        ("cifar_resnet20,3.block=mbconv,3.se=0.5", "cifar_resnet20,d=1,w=1,r=32,3.block=mbconv,3.se=0.5"),
    ],
)
def test_states_that_are_read(text, expected):
    assert cl.Explorer.from_state(text, points=[]).state == expected


def test_options_go_before_the_state():
    explorer = cl.Explorer.from_state("resnet,d=2,w=2,3.depth=2", points=[], depth=3, edits={})
    assert explorer.state == "resnet,d=3,w=2,r=224"


def test_what_is_refused_leaves_nothing_behind(recwarn):
    with pytest.raises(ValueError, match="depth=9"):
        Explorer(depth=9)
    gc.collect()
    assert not recwarn.list


def test_state_of_ones_own():
    explorer = Explorer(own(), depth=1.5, resolution=64, edits={1: {"kernel": 5}})
    assert explorer.state == "mine,d=1.5,w=1,r=64,1.kernel=5"
    assert cl.Explorer.from_state(explorer.state, own(), points=[]).cost == explorer.cost
    assert cl.Explorer.from_state("cifar_resnet20", points=[]).cost == cl.architecture("cifar_resnet20").cost()


def read(text: str) -> Callable[[], Any]:
    return lambda: cl.Explorer.from_state(text, points=[])


def make(*base: Any, **options: Any) -> Callable[[], Any]:
    return lambda: Explorer(*base, **options)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (read("resnot,d=1"), ["family='resnot'", "efficientnet", "resnet_basic"]),
        (read(""), ["family=''"]),
        (read("resnet,d=9"), ["depth=9", "0.2 to 3.6"]),
        (read("resnet,w=1.23"), ["width=1.23", "of 0.05", "nearest is 1.25"]),
        (read("resnet,r=9999"), ["resolution=9999", "56 to 672 px"]),
        (read("resnet,r=225"), ["resolution=225", "steps of 4", "nearest is 224"]),
        (read("resnet,r=224.5"), ["r='224.5'", "whole number of px"]),
        (read("resnet,d=two"), ["d='two'", "depth", "decimal number"]),
        (read("resnet,d=1e1"), ["d='1e1'"]),
        (read("resnet,d=nan"), ["d='nan'"]),
        (read("resnet,d=-1"), ["d='-1'"]),
        (read("resnet,d"), ["d=''"]),
        (read("resnet,q=1"), ["'q=1'", "d=, w=, r= and edits"]),
        (read("resnet,d=1,d=2"), ["d= stands twice"]),
        (read("resnet,a=3"), ["alpha=3", "1 to 2"]),
        (read("resnet,a=x"), ["a='x'", "alpha", "decimal number"]),
        (read("resnet,b=1.1,b=1.1"), ["b= stands twice"]),
        (read("resnet,3.kernel=5"), ["stage3 of resnet50", "bottleneck, takes no kernel"]),
        (read("resnet,9.depth=2"), ["stage9 of resnet50", "stages 1 to 4"]),
        (read("resnet,0.depth=2"), ["0.depth is no edit"]),
        (read("resnet,3.stride=2"), ["3.stride is no edit", "block, depth, width, kernel, expand or se"]),
        (read("resnet,x.depth=2"), ["x.depth is no edit"]),
        (read("resnet,3.depth=2.5"), ["3.depth='2.5'", "whole number"]),
        (read("resnet,3.depth=-2"), ["3.depth='-2'"]),
        (read("resnet,3.depth"), ["3.depth=''"]),
        (read("resnet,3.block="), ["block=''", "mbconv"]),
        (read("resnet,3.se=true"), ["3.se='true'", "decimal number"]),
        (read("resnet,3.se=2"), ["se=2", "at most 1"]),
        (read("resnet,3.depth=2,3.depth=2"), ["3.depth= stands twice"]),
        (make("resnot"), ["base='resnot'", "efficientnet", "cl.names()"]),
        (make(depth=4), ["depth=4", "0.2 to 3.6"]),
        (make(depth=float("nan")), ["depth=nan"]),
        (make(resolution=20), ["resolution=20", "56 to 672 px"]),
        (make(own(), width=1.1), ["width=1.1", "the nearest is 1"]),
        (make("resnet", edits={"one": {"depth": 1}}), ["edits['one']", "a stage's number with fields"]),
        (make("resnet", edits={1: 3}), ["edits[1]", "a stage's number with fields"]),
        (make("resnet", edits={1: {"depth": [2]}}), ["edits[1]: depth=[2]", "a number or the name of a block"]),
        (make("resnet", edits={7: {"depth": 1}}), ["stage7 of resnet50", "no such stage"]),
        (make("resnet", edits={1: {"depth": 0}}), ["stage1 of resnet50: depth=0"]),
        (make("resnet", coefficients={"delta": 1}), ["'delta'", "alpha, beta or gamma"]),
        (make("resnet", coefficients={"alpha": 0.9}), ["alpha=0.9", "1 to 2"]),
        (make("resnet", coefficients={"beta": float("nan")}), ["beta=nan"]),
        (make(budget=-1), ["budget=-1", "above 0"]),
        (make(budget=float("inf")), ["budget=inf", "above 0"]),
        (make(budget="1e9"), ["budget='1e9'", "above 0"]),
        (make(budget={"flops": 1}), ["budget['flops']", "no kind of cost", "macs, params"]),
        (make(budget={"params": 0}), ["budget['params']=0", "above 0"]),
        (make(hide="everything"), ["hide='everything'", "simple, cost, depth"]),
        (make(hide=["plot", "sliders"]), ["hide has 'sliders'", "depth, width"]),
        (make(data="mnist"), ["data='mnist'", "imagenet, glyphs"]),
        (make(points=[{"accuracy": 1, "macs": 2}]), ["'params'"]),
        (make(points=[{"accuracy": 101, "macs": 2, "params": 3}]), ["accuracy=101", "0 to 100"]),
        (lambda: Explorer().add("mine", 120, cl.architecture("resnet18")), ["mine", "accuracy=120"]),
        (lambda: Explorer().go("resnot"), ["family='resnot'", "cl.names()"]),
        (lambda: Explorer().go("resnet,3.kernel=5"), ["stage3 of resnet50", "takes no kernel"]),
        (lambda: Explorer().train("digits", epochs=0), ["epochs=0"]),
        (lambda: Explorer().train("digits", limit=0), ["limit=0"]),
    ],
)  # fmt: skip
def test_bad_input_is_told(ask, said):
    with pytest.raises(ValueError) as error:
        ask()
    assert all(word in str(error.value) for word in said), str(error.value)


@pytest.mark.parametrize(
    "ask",
    [
        make(3),
        make(cl.scaled(cl.architecture("resnet18"), width=np.array([1, 2]))),
        make(depth="2"),
        make(width=True),
        make(edits=[1]),
        make(coefficients=1.2),
        make(coefficients={"alpha": "1.2"}),
        make(hide=3),
        lambda: Explorer().add("x", 1, 2),
        lambda: cl.Explorer.from_state(3),
        lambda: Explorer().train(7),
    ],
)
def test_wrong_types_are_told(ask):
    with pytest.raises((TypeError, ValueError), match=r"must be|holds arrays"):
        ask()


# Python and the page move it.


def test_python_moves_the_sliders():
    explorer = Explorer("efficientnet")
    explorer.depth, explorer.width, explorer.resolution = 1.4, 1.2, 300
    assert explorer.cost == cl.architecture("efficientnet_b3").cost()
    bad = {
        **{"depth": 9.0, "width": 1.23, "resolution": 7, "family": "resnot", "budgets": {"macs": -1.0}},
        **{"edits": {"3": {"kernel": 4}}, "coefficients": [1.2, 1.1, 3.0], "against": "flops", "data": "mnist"},
    }
    for name, value in bad.items():
        with pytest.raises((ValueError, traitlets.TraitError), match=r"must be|goes from|should be|expected"):
            setattr(explorer, name, value)
    assert explorer.state == "efficientnet,d=1.4,w=1.2,r=300"
    consistent(explorer)


def test_another_family_brings_its_own_sliders():
    explorer = Explorer(cl.architecture("cifar_resnet20", classes=36), depth=2.0)
    explorer.family = "resnet"
    assert explorer.state == "resnet,d=2,w=1,r=224"  # 32 px are not on its slider; depth 2 is
    explorer.set_state({"family": "cifar_resnet20", "depth": 1, "resolution": 48})
    assert explorer.state == "cifar_resnet20,d=1,w=1,r=48" and explorer.architecture.classes == 36
    consistent(explorer)


def test_edits_are_of_one_family():
    explorer = Explorer("efficientnet")
    explorer.edits = {7: {"kernel": 7}}
    assert explorer.edits == {"7": {"kernel": 7}} and explorer.state.endswith(",7.kernel=7")
    consistent(explorer)
    explorer.set_state({"edits": {"7": {"kernel": 7}, "1": {}, "2": {"depth": 3, "se": 0.5}}})
    assert explorer._lattice["rows"][1] == {"block": "mbconv", "known": True, "depth": 3, "width": 24, "kernel": 3,
                                            "expand": 6, "se": 0.5}  # fmt: skip
    consistent(explorer)
    explorer.family = "resnet"
    assert explorer.edits == {} and explorer.state == "resnet,d=1,w=1,r=224"
    consistent(explorer)
    for _ in range(2):  # by a message, together with what is of the new family
        explorer.set_state({"family": "efficientnet", "edits": {"7": {"kernel": 7}}, "depth": 2.0})
        assert explorer.state == "efficientnet,d=2,w=1,r=224,7.kernel=7"
        explorer.set_state({"family": "resnet", "depth": 1.0})
        assert explorer.state == "resnet,d=1,w=1,r=224"
        consistent(explorer)


def test_go():
    explorer = Explorer("efficientnet", depth=1.4, resolution=300)
    explorer.go("resnet,4.block=basic,4.depth=2")
    assert explorer.state == "resnet,d=1.4,w=1,r=300,4.block=basic,4.depth=2"
    consistent(explorer)
    explorer.go("cifar_resnet20")
    assert explorer.state == "cifar_resnet20,d=1.4,w=1,r=32"
    explorer.go("efficientnet,d=2")  # sliders stay where they are
    assert explorer.state == "efficientnet,d=1.4,w=1,r=224"
    mine = Explorer(own())
    mine.go("resnet")
    mine.go("mine,1.kernel=5")
    assert mine.architecture.stages[0].options == {"kernel": 5}
    consistent(mine)


BAD_MESSAGES = [
    {"depth": 77.0, "width": 2.0},
    {"width": 2.0, "resolution": True},
    {"depth": 2.0, "resolution": "224"},
    {"depth": 2.0, "coefficients": [1, 2]},
    {"depth": 2.0, "coefficients": ["a", 1, 1]},
    {"coefficients": [1, 1, float("nan")]},
    {"budgets": {"macs": 1e9, "params": -1}, "depth": 2.0},
    {"family": "resnot", "depth": 2.0},
    {"family": "resnet_basic", "edits": {"7": {"depth": 2}}, "depth": 2.0},
    {"edits": {"3": {"kernel": 5}}, "width": 2.0},
    {"edits": {"3": 5}},
    {"edits": {"²": {"depth": 2}}},
    {"edits": {"3": {"depth": None}}},
    {"edits": [3], "depth": 2.0},
    {"data": "mnist", "depth": 2.0},
    {"against": "flops", "data": "glyphs"},
]


@pytest.mark.parametrize("message", BAD_MESSAGES, ids=str)
def test_a_bad_message_changes_nothing(message):
    explorer = Explorer("resnet", edits={3: {"depth": 2}}, budget=5e9)
    before = explorer.get_state()
    with pytest.raises((ValueError, TypeError, traitlets.TraitError)):
        explorer.set_state(message)
    assert explorer.get_state() == before
    consistent(explorer)


def test_a_page_goes_to_another_network():
    page = Heard(Explorer("efficientnet", depth=2))
    assert page.ask(do="go", id="resnet,3.block=basic") is None
    assert (
        page.explorer._lattice["asked"] == "resnet,3.block=basic"
        and page.explorer._lattice["id"] == "resnet,3.block=basic"
    )
    assert page.explorer.state == "resnet,d=2,w=1,r=224,3.block=basic"
    assert page.ask(do="go", id="resnet, 3.depth=4 ,3.block=basic") is None
    assert page.explorer._lattice["asked"] == "resnet, 3.depth=4 ,3.block=basic"
    assert page.explorer._lattice["id"] == "resnet,3.block=basic,3.depth=4"
    before = page.explorer.get_state()
    for bad, words_said in {
        "resnot": "family='resnot'", "resnet,3.kernel=5": "takes no kernel", "resnet,3.depth=x": "3.depth='x'",
        "": "family=''", "resnet,8.depth=1": "no such stage", "resnext,1.width=8": "width=0",
        "resnet,q": "'q' is no setting", "cifar_resnet,1.width=99": "cannot pad",
    }.items():  # fmt: skip
        answer = page.ask(do="go", id=bad)
        assert words_said in answer["refused"] and answer.get("do") == "go", answer
    assert page.explorer.get_state() == before
    consistent(page.explorer)


def test_messages_that_mean_nothing_do_nothing(caplog, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "file"))
    page = Heard(Explorer("resnet"))
    before = page.explorer.get_state()
    for message in ({}, {"do": "dance"}, {"do": "go"}, {"do": "go", "id": 3}, {"do": None}, {"done": "go"}):
        assert page.ask(**message) is None
    for message in (
        {"do": "train", "data": "digits", "epochs": -1},
        {"do": "train", "data": "digits", "epochs": 1, "limit": "many"},
        {"do": "train", "data": "digits", "epochs": 1, "limit": -3},
        {"do": "train", "data": "digits", "epochs": 1, "limit": float("inf")},
        {"do": "train", "data": "digits", "epochs": 1},  # to be kept where no folder can be
    ):
        assert page.ask(**message)["refused"]
    assert page.ask(do="stop") is None and page.explorer.get_state() == before
    assert not caplog.records


def test_the_source_of_an_edited_network_runs():
    page = Heard(Explorer("small_resnet", width=1.5, resolution=32, edits=EDITED))
    file = page.ask(do="source")["file"]
    assert re.fullmatch(r"[\w.]+\.py", file["name"]) and file["mime"] == "text/x-python"
    module = types.ModuleType("source")
    exec(compile(file["text"], file["name"], "exec"), module.__dict__)
    *_, network = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == "source"]
    model = network().eval()
    assert numel(model) == page.explorer.cost.params
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, page.explorer.architecture.classes)
    assert all(ord(letter) < 128 for letter in file["name"])


def test_pins_come_and_go():
    explorer = Explorer("resnet")
    pins = [{"state": "resnet,d=2,w=1,r=224", "cost": {"macs": 8e9}}, {"state": "vgg,d=1,w=1,r=224"}]
    explorer.set_state({"pins": pins})
    assert explorer.pins == pins and explorer.get_state()["pins"] == pins
    explorer.pins = pins[:1]
    assert explorer.pins == pins[:1] and explorer.state == "resnet,d=1,w=1,r=224"


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

FRAME = pd.DataFrame(
    {
        "family": ["resnet", "mbconv", "resnet"],
        "depth": [1.0, 1.0, 2.0],
        "width": [1.0, 0.5, 1.0],
        "resolution": [32, 32, 32],
        "accuracy": [91.5, 92.0, 93.25],
        "macs": [40_551_040, 10_000_000, 80_000_000],
        "params": [269_722, 60_000, 500_000],
        "activations": [188_426, None, 400_000],
    }
)


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


# Outside a kernel.


@pytest.mark.parametrize("options", [{"points": []}, {}, {"against": "training", "budget": {"training": 1e9}}], ids=str)
def test_mime_bundle(options):
    data, _ = cl.Explorer(depth=1.4, width=1.2, resolution=300, **options)._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert data["text/plain"] == B3
    raw = base64.b64decode(data["image/png"])
    picture = Image.open(io.BytesIO(raw))
    assert picture.size == (1160, 650) and len(raw) < 120_000
    assert len(set(picture.convert("RGB").resize((116, 65)).tobytes())) > 50


PROGRAM = """
import hashlib, sys
import cnnlab.show.explorer
assert not {"torch", "torchvision"} & set(sys.modules), "importing the Explorer loaded torch"
explorer = cnnlab.show.explorer.Explorer("efficientnet", depth=1.4, width=1.2, resolution=300, points=[])
data, _ = explorer._repr_mimebundle_()
assert "matplotlib.pyplot" not in sys.modules and not {"torch", "torchvision"} & set(sys.modules)
print(data["text/plain"], hashlib.sha256(data["image/png"].encode()).hexdigest())
"""


def test_text_and_picture_are_the_same_in_another_process():
    said = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1 and said.pop().startswith(B3)


BANDS = [
    *[("glyphs", f"small_{family}") for family in ("resnet", "mbconv", "plain")],
    *[(data, f"small_{family}") for data in ("fashion_mnist", "cifar10") for family in ("resnet", "mbconv")],
]


def embedded(path: Path) -> dict[str, Any]:
    """What a saved page holds, with the length of each buffer in its place."""
    (text,) = re.findall(r'id="cnnlab-data">([^<]*)<', path.read_text(encoding="utf-8"))
    raw = zlib.decompress(base64.b64decode(text))
    length = int.from_bytes(raw[:4], "little")
    data = json.loads(raw[4 : 4 + length])
    for place, start, size in data["buffers"]:
        holder = data
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = raw[4 + length + start :][:size]
    return data


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[cl.Explorer, Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("saved") / "explorer.html"
    explorer = cl.Explorer("small_resnet", edits=EDITED, depth=2, data="glyphs", against="fvcore")
    explorer.add("mine", 50, explorer.architecture)
    explorer.put("own", points_of("cifar10")[:1])
    explorer.save_html(path)
    return explorer, path, embedded(path)


def test_a_saved_page_is_small_and_always_the_same(saved, tmp_path):
    explorer, path, _ = saved
    assert 100_000 < path.stat().st_size < 3_000_000
    before = explorer.state
    explorer.save_html(str(tmp_path / "again.html"))
    assert (tmp_path / "again.html").read_bytes() == path.read_bytes() and explorer.state == before
    again = cl.Explorer.from_state(explorer.state, data="glyphs", against="fvcore")
    again.add("mine", 50, again.architecture)
    again.put("own", points_of("cifar10")[:1])
    again.save_html(tmp_path / "third.html")
    assert (tmp_path / "third.html").read_bytes() == path.read_bytes()
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]', text) and "http-equiv" in text and repr(explorer) in text


def test_a_saved_page_answers_for_every_family_and_source(saved):
    explorer, _, data = saved
    state, answers = data["state"], data["answers"]
    assert (state["family"], state["depth"], state["data"], state["against"]) == ("small_resnet", 2, "glyphs", "fvcore")
    assert state["_lattice"]["id"] == "small_resnet,1.width=16,2.block=mbconv,2.depth=3,2.se=0"
    assert state["_lattice"]["kinds"] == list(ALL_KINDS)
    assert {*FAMILIES, state["_lattice"]["id"]} == {key for key in answers["go"] if "|" not in key}
    for key, answer in answers["go"].items():
        sent, (source, _, name) = answer["_lattice"], key.rpartition("|")
        assert sent["asked"] == sent["id"] == name and sent["kinds"] == list(ALL_KINDS)
        assert sent["classes"] == explorer._contents.lattice(sent["key"], {}, source or "glyphs").header["classes"]
    assert {"imagenet|small_resnet", "cifar10|small_resnet", "fashion_mnist|small_plain"} < set(answers["go"])
    for key in ("resnet", "small_mbconv"):
        expected = explorer._contents.lattice(key, {}, "glyphs", ALL_KINDS)
        assert answers["go"][key]["_lattice"]["numbers"] == packed(expected)["numbers"]
    assert set(answers["data"]) == set(SOURCES) == {key for key, _ in state["_sources"]}
    for key, answer in answers["data"].items():
        assert [p["name"] for p in answer["_evidence"]["points"]][: len(points_of(key))] == [
            p["name"] for p in points_of(key)
        ]
        assert set(answer["_costs"]) == {"source", *ALL_KINDS} - set(KINDS)
    assert answers["data"]["glyphs"]["_evidence"]["points"][-1]["name"] == "mine"
    assert answers["data"]["own"]["_evidence"]["points"] == points_of("cifar10")[:1]
    bands = {place for place, found in state["_bands"].items() if found}
    assert bands == {f"{place[0]}|{place[1]}" for place in BANDS}


def test_a_page_of_ones_own_is_saved(tmp_path):
    explorer = cl.Explorer(own(), points=FRAME, axis="test accuracy, %")
    explorer.save_html(tmp_path / "own.html")
    data = embedded(tmp_path / "own.html")
    assert data["answers"]["go"]["mine"]["_lattice"]["kinds"] == list(ALL_KINDS)
    assert len(data["answers"]["data"]["own"]["_evidence"]["points"]) == 3


# Many messages, and many at once.


def draw_edits(dice: random.Random) -> dict[str, Any]:
    values: dict[str, list[Any]] = {
        **{"block": [*BLOCKS, "dense", 3], "depth": [1, 2, 3, 0, 2.5, "3", None], "width": [8, 16, 64, 10**9]},
        **{"kernel": [1, 3, 5, 4, 33], "expand": [1, 2, 2.5, 70], "se": [0, 0.25, 1 / 3, 2, True]},
    }
    found: dict[str, Any] = {}
    for number in dice.sample(range(1, 9), dice.randint(0, 2)):
        fields = {field: dice.choice(values[field]) for field in dice.sample(FIELDS, dice.randint(0, 2))}
        found[dice.choice(["x", "0", "²"]) if dice.random() < 0.05 else str(number)] = fields
    return found if dice.random() < 0.97 else {"1": 5}


def draw_message(dice: random.Random, explorer: cl.Explorer) -> dict[str, Any]:
    """A message of a page: of every kind, right or wrong."""
    keys = ["efficientnet", "resnet", "small_resnet", "cifar_resnet", "mobilenet_v3", "vgg", "resnet101", "nope"]
    odd: list[Any] = [9, -1, float("nan"), 0.33, "2", None, [1], True, 1e300, 225]

    def slider(knob: str) -> Any:
        return dice.choice(odd) if dice.random() < 0.15 else dice.choice(explorer._lattice[knob])

    sliders = {knob: slider(knob) for knob in dice.sample(STEPS, dice.randint(1, 3))}
    edits = draw_edits(dice)
    text = [f"{n}.{field}={value}" for n, c in edits.items() if isinstance(c, dict) for field, value in c.items()]
    return dice.choice([
        *[sliders] * 4,
        *[{"do": "go", "id": ",".join([dice.choice(keys), *text])}] * 3,
        {"family": dice.choice([*keys, 3])} | dice.choice([{}, sliders, {"edits": edits}]),
        {"edits": edits},
        {"edits": edits} | sliders,
        {"budgets": dice.choice([{}, {"macs": 1e9}, {"macs": -1}, {"x": 1}, {"params": "a"}, 5])} | sliders,
        {"coefficients": dice.choice([[1.2, 1.1, 1.3], [9, 1, 1], [1, 2], ["a", 1, 1], [True, 1, 1], None])},
        {"data": dice.choice([*SOURCES, "mnist", 3])},
        {"against": dice.choice([*ALL_KINDS, "latency", "flops", None])},
        {"do": dice.choice(["stop", "dance"])},
    ])  # fmt: skip


def test_a_thousand_messages(caplog):
    dice, page = random.Random(6), Heard(cl.Explorer("efficientnet"))
    explorer, refused = page.explorer, 0
    with caplog.at_level(logging.WARNING):
        for step in range(1000):
            message = draw_message(dice, explorer)
            before = explorer.state, explorer.data, explorer.against, explorer.budgets
            try:
                answer = page.ask(**message) if "do" in message else explorer.set_state(message)
            except (ValueError, TypeError, traitlets.TraitError):
                refused += 1
                assert (explorer.state, explorer.data, explorer.against, explorer.budgets) == before, message
            else:
                refused += answer is not None
            consistent(explorer)
            if step % 20 == 0:
                again = cl.Explorer.from_state(explorer.state, points=[])
                arch = replace(explorer.architecture, classes=again.architecture.classes)
                assert again.state == explorer.state and again.cost == arch.cost()
    assert 200 < refused < 800 and not caplog.records, caplog.records[:1]


def on_threads(work: Callable[[random.Random, int], None], many: int = 6) -> None:
    """Do it on several threads at once, each with dice of its own; none may fail or hang."""
    errors: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            work(random.Random(number), number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(number,), daemon=True) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors, errors
    assert not any(thread.is_alive() for thread in threads)


def test_messages_on_many_threads():
    explorer = cl.Explorer("efficientnet")
    page = Heard(explorer)
    keys = ["efficientnet", "resnet", "small_resnet", "cifar_resnet"]

    def work(dice: random.Random, number: int) -> None:
        for _ in range(40):
            sliders = {knob: dice.choice(family("resnet").header[knob]) for knob in STEPS}
            try:
                match dice.randrange(8):
                    case 0:
                        explorer.set_state({"family": dice.choice(keys), **sliders})
                    case 1:
                        explorer.depth = sliders["depth"]
                    case 2:
                        explorer.go(dice.choice(keys) + dice.choice(["", ",1.depth=3"]))
                    case 3:
                        explorer.set_state({"edits": dice.choice([{}, {"2": {"width": 64}}])})
                    case 4:
                        explorer.against = dice.choice(["macs", "fvcore", "training", "latency"])
                    case 5:
                        explorer.data = dice.choice(list(SOURCES))
                    case 6:
                        explorer.add(f"mine {number}", 50, explorer.architecture)
                    case 7:
                        explorer.set_state({"depth": 99.0})
            except ValueError:  # not on the sliders of the family that another thread has chosen
                pass
            assert explorer.architecture.cost().macs > 0 and states.read(explorer.state)

    on_threads(work)
    consistent(explorer)
    assert explorer._lattice["id"] == ",".join([explorer.family, *words(explorer.edits)]) and not page.said


def test_what_python_sets_is_not_lost_beside_messages():
    """traitlets holds back all changes while it takes a message, and drops them when the message is refused."""
    explorer, busy = Explorer("resnet"), threading.Event()

    def work(dice: random.Random, number: int) -> None:
        try:
            for step in range(60 if number == 0 else 0):
                explorer.data, explorer.against = ("imagenet", "macs") if step % 2 else ("glyphs", "params")
                assert explorer._evidence["source"] == explorer.data
        finally:
            if number == 0:
                busy.set()
        while not busy.is_set():
            with pytest.raises(ValueError, match="depth=99"):
                explorer.set_state({"depth": 99.0, "budgets": {"macs": 1e9}})

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        on_threads(work, 3)
    finally:
        sys.setswitchinterval(switching)
    consistent(explorer)
