"""The Explorer without a browser: what it is made of, its state strings, and how it looks outside a kernel."""

from __future__ import annotations

import base64
import gc
import io
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _remove_buffers
from PIL import Image

import cnnlab as cl
from cnnlab.show.lattice import ALL_KINDS, FAMILIES, KINDS, STEPS, packed
from cnnlab.show.parts import PARTS, PRESETS
from cnnlab.show.sources import SOURCES, points_of
from tests.explorer_heard import EDITED, FRAME, Explorer, consistent
from tests.test_lattice import edits_of, own

ROOT = Path(__file__).parents[1]
B3 = "Explorer(efficientnet, depth 1.4, width 1.2, 300 px): 1,827,141,392 MACs, 12,233,232 params"


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
