"""The Explorer without a browser: its numbers are exact, its state is honest, and it stays true outside a kernel."""

import base64
import functools
import io
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _remove_buffers
from PIL import Image

import cnnlab as cl
from cnnlab.arch.blocks import act, add, conv, conv_stem, norm
from cnnlab.show import points, tradeoff
from cnnlab.show.lattice import FAMILIES, STEPS, Lattice, family, lattice, lattice_of, packed
from cnnlab.show.tables import KINDS

ROOT = Path(__file__).parents[1]
B3 = "Explorer(efficientnet, depth 1.4, width 1.2, 300 px): 1,827,141,392 MACs, 12,233,232 params"
COEFFICIENTS = [  # of the authors' efficientnet_builder.py: width, depth, resolution, for B0 to B7
    *[(1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 300)],
    *[(1.4, 1.8, 380), (1.6, 2.2, 456), (1.8, 2.6, 528), (2.0, 3.1, 600)],
]
Explorer = functools.partial(cl.Explorer, points=[])


def students_block(x, width, stride=1, *, kernel=3):
    """As a student writes it: with an `if`, which no array can answer, and groups that not all widths have."""
    y = act(norm(conv(x, width, kernel, stride, groups=4)))
    if x.channels == width and stride == 1:
        y = add(y, x)
    return y


def own() -> cl.Architecture:
    stages = (cl.Stage(students_block, 2, 24), cl.Stage(students_block, 3, 40, 2, {"kernel": 5}))
    return cl.Architecture("mine", cl.Stage(conv_stem, 1, 12, 2), stages, resolution=50, classes=7, divisor=2)


@functools.cache
def lattices() -> tuple[Lattice, ...]:
    own_ones = (own(), cl.architecture("cifar_resnet20", classes=36), cl.architecture("resnext50_32x4d"))
    return (*map(family, FAMILIES), *map(lattice, own_ones))


def table(arch: cl.Architecture, *, folded: bool) -> pd.DataFrame:
    """Cost per stage straight from the layers, so that not even `table(by="stage")` is shared."""
    frame = arch.graph(folded=folded).table(by="layer")
    frame["stage"] = frame["layer"].str.split(".").str[0]
    return frame.groupby("stage", sort=False)[[*KINDS]].sum()


def check(which: Lattice, depth: float, width: float, resolution: int, *, folded: bool) -> None:
    arch = cl.scaled(which.base, depth=depth, width=width, resolution=resolution)
    rows = which.rows(depth, width, resolution)
    assert sum((row.cost for row in rows), cl.Cost()) == arch.cost()
    expected = table(arch, folded=folded)
    assert [row.stage for row in rows] == list(expected.index)
    assert [tuple(vars(row.cost).values()) for row in rows] == [tuple(map(int, row)) for row in expected.to_numpy()]
    assert [row.blocks for row in rows[1:-1]] == [stage.depth for stage in arch.stages]


# The lattice.


@given(data=st.data())
def test_lattice_is_exact(data):
    which = data.draw(st.sampled_from(lattices()))
    check(which, *(data.draw(st.sampled_from(which.header[knob])) for knob in STEPS), folded=True)


@settings(max_examples=25)
@given(data=st.data())
def test_lattice_is_exact_layer_by_layer_unfolded(data):
    which = data.draw(st.sampled_from(lattices()))
    check(which, *(data.draw(st.sampled_from(which.header[knob])) for knob in STEPS), folded=False)


@pytest.mark.parametrize("key", FAMILIES)
def test_lattice_is_exact_at_its_corners(key):
    ends = [(steps[0], steps[-1]) for steps in (family(key).header[knob] for knob in STEPS)]
    for corner in [(d, w, r) for d in ends[0] for w in ends[1] for r in ends[2]]:
        check(family(key), *corner, folded=True)


def test_stage_table_agrees():
    for which in map(family, FAMILIES):
        frame = cl.scaled(which.base, depth=1.7, width=0.85, resolution=100).graph().table(by="stage")
        rows = which.rows(1.7, 0.85, 100)
        assert [row.cost.macs for row in rows] == frame["macs"].tolist()
        assert [row.size for row in rows[:-1]] == frame["size"].tolist()[:-1]
        assert [row.channels for row in rows[:-1]] == frame["channels"].tolist()[:-1]


def test_published_networks_stand_on_the_lattice():
    for i, (width, depth, resolution) in enumerate(COEFFICIENTS):
        rows = family("efficientnet").rows(depth, width, resolution)
        assert sum((row.cost for row in rows), cl.Cost()) == cl.architecture(f"efficientnet_b{i}").cost()


def test_phi_goes_to_the_nearest_place():
    header = family("efficientnet").header
    for i, place in enumerate(header["phi"]):
        exact = (1.2 ** (i / 2), 1.1 ** (i / 2), 224 * 1.15 ** (i / 2))
        for knob, at, value in zip(STEPS, place, exact, strict=True):
            steps = np.array(header[knob])
            assert abs(steps[at] - value) == np.abs(steps - value).min()
    assert header["growth"] == pytest.approx(1.2 * 1.1**2 * 1.15**2)
    assert Explorer(depth=1.4, width=1.2, resolution=296).phi == 2
    assert Explorer(depth=1.4, width=1.2, resolution=300).phi is None


def test_widths_that_a_network_refuses_are_left_out():
    widths = lattice(own()).header["width"]
    assert 1.0 in widths and 1.1 not in widths  # 12 * 1.1 rounds to 14 channels, which 4 groups do not divide
    with pytest.raises(ValueError, match=r"width=1.1: .* the nearest is 1"):
        Explorer(own(), width=1.1)


def test_resolutions_hold_the_base():
    for which in lattices():
        steps = which.header["resolution"]
        own_size = which.base.resolution
        assert own_size in steps and steps[0] >= which.base.stride and 2.7 * own_size < steps[-1] <= 3 * own_size
        assert all(r % 4 == 0 for r in steps if r != own_size)


def test_stages_that_change_shape_in_every_block_are_refused():
    def growing(x, width, stride=1):
        return conv(x, x.channels + width, 3, stride)

    arch = cl.Architecture("dense", cl.Stage(conv_stem, 1, 8), (cl.Stage(growing, 3, 8),), resolution=32)
    with pytest.raises(ValueError, match="second block of stage1 changes the shape"):
        Explorer(arch)


def test_what_is_sent_is_small_and_whole():
    headers, numbers = packed(list(map(family, FAMILIES)))
    assert len(json.dumps(headers)) < 20_000 and len(numbers) < 800_000
    assert [h["at"] for h in headers] == [0, *np.cumsum([h["length"] for h in headers])[:-1]]
    sent = np.frombuffer(numbers, "<u4")
    for header, which in zip(headers, map(family, FAMILIES), strict=True):
        assert (sent[header["at"] : header["at"] + header["length"]] == which.numbers).all()


# State.


@given(data=st.data())
def test_state_round_trip(data):
    which = family(data.draw(st.sampled_from(list(FAMILIES))))
    knobs = {knob: data.draw(st.sampled_from(which.header[knob])) for knob in STEPS}
    explorer = Explorer(which.key, **knobs)
    again = cl.Explorer.from_state(explorer.state, points=[])
    assert (again.state, again.cost, repr(again)) == (explorer.state, explorer.cost, repr(explorer))
    assert again.architecture == explorer.architecture == cl.scaled(which.base, **knobs)


def test_state_of_ones_own():
    explorer = Explorer(own(), depth=1.5, resolution=64)
    assert explorer.state == "mine,d=1.5,w=1,r=64"
    assert cl.Explorer.from_state(explorer.state, own(), points=[]).cost == explorer.cost
    assert cl.Explorer.from_state("cifar_resnet20", points=[]).cost == cl.architecture("cifar_resnet20").cost()
    assert cl.Explorer.from_state("resnet,r=160", points=[]).state == "resnet,d=1,w=1,r=160"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: cl.Explorer.from_state("resnot,d=1"), ["family='resnot'", "efficientnet", "resnet_basic"]),
        (lambda: cl.Explorer.from_state(""), ["family=''"]),
        (lambda: cl.Explorer.from_state("resnet,d=9", points=[]), ["depth=9", "0.2 to 3.6"]),
        (lambda: cl.Explorer.from_state("resnet,d=0", points=[]), ["depth=0", "0.2 to 3.6"]),
        (lambda: cl.Explorer.from_state("resnet,w=0.2", points=[]), ["width=0.2", "0.25 to 2.5"]),
        (
            lambda: cl.Explorer.from_state("resnet,w=1.23", points=[]),
            ["width=1.23", "of 0.05", "nearest is 1.25"],
        ),
        (lambda: cl.Explorer.from_state("resnet,r=9999", points=[]), ["resolution=9999", "56 to 672 px"]),
        (lambda: cl.Explorer.from_state("resnet,r=225", points=[]), ["resolution=225", "steps of 4", "nearest is 224"]),
        (lambda: cl.Explorer.from_state("resnet,r=224.5"), ["r='224.5'", "whole number"]),
        (lambda: cl.Explorer.from_state("resnet,d=two"), ["d='two'", "depth", "decimal number"]),
        (lambda: cl.Explorer.from_state("resnet,d=1e1"), ["d='1e1'"]),
        (lambda: cl.Explorer.from_state("resnet,d=nan"), ["d='nan'"]),
        (lambda: cl.Explorer.from_state("resnet,d=-1"), ["d='-1'"]),
        (lambda: cl.Explorer.from_state("resnet,d"), ["d=''"]),
        (lambda: cl.Explorer.from_state("resnet,q=1"), ["'q=1'", "d=, w= and r="]),
        (lambda: cl.Explorer.from_state("resnet,d=1,d=2"), ["d= stands twice"]),
        (lambda: Explorer("resnot"), ["base='resnot'", "efficientnet", "cl.names()"]),
        (lambda: Explorer(depth=4), ["depth=4", "0.2 to 3.6"]),
        (lambda: Explorer(depth=float("nan")), ["depth=nan"]),
        (lambda: Explorer(resolution=20), ["resolution=20", "56 to 672 px"]),
        (lambda: Explorer(budget=-1), ["budget=-1", "above 0"]),
        (lambda: cl.Explorer(points=[{"accuracy": 1, "macs": 2}]), ["'params'"]),
        (lambda: cl.Explorer(points=[{"accuracy": 101, "macs": 2, "params": 3}]), ["accuracy=101", "0 to 100"]),
        (lambda: cl.Explorer(points=[{"accuracy": 1, "macs": float("nan"), "params": 3}]), ["macs=nan"]),
        (lambda: Explorer().add("mine", 120, cl.architecture("resnet18")), ["mine", "accuracy=120"]),
    ],
)
def test_bad_input_is_told(make, words):
    with pytest.raises(ValueError) as error:
        make()
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("make", [lambda: Explorer(3), lambda: Explorer(depth="2"), lambda: Explorer().add("x", 1, 2)])
def test_wrong_types_are_told(make):
    with pytest.raises(TypeError, match="must be"):
        make()


# A live widget.


def test_python_moves_the_sliders():
    explorer = Explorer("efficientnet")
    explorer.depth, explorer.width, explorer.resolution = 1.4, 1.2, 300
    assert explorer.cost == cl.architecture("efficientnet_b3").cost()
    for name, value in (("depth", 9.0), ("width", 1.23), ("resolution", 7), ("family", "resnot"), ("budget", -1.0)):
        with pytest.raises(ValueError, match=f"{name}="):
            setattr(explorer, name, value)
    assert explorer.state == "efficientnet,d=1.4,w=1.2,r=300"


def test_another_family_brings_its_own_sliders():
    explorer = Explorer(cl.architecture("cifar_resnet20", classes=36), depth=2.0)
    explorer.family = "resnet"
    assert explorer.state == "resnet,d=2,w=1,r=224"  # 32 px are not on its slider; depth 2 is
    explorer.set_state({"family": "cifar_resnet20", "depth": 1, "resolution": 48})
    assert explorer.state == "cifar_resnet20,d=1,w=1,r=48"


def test_a_bad_message_changes_nothing():
    explorer = Explorer("resnet")
    with pytest.raises(ValueError, match="depth=77"):
        explorer.set_state({"depth": 77.0, "width": 2.0})
    assert explorer.state == "resnet,d=1,w=1,r=224"


def test_messages_on_many_threads():
    explorer, errors = Explorer("efficientnet"), []
    dice = random.Random(0)
    plans = [[tuple(dice.choice(family("resnet").header[k]) for k in STEPS) for _ in range(25)] for _ in range(6)]

    def drag(plan, i):
        try:
            for depth, width, resolution in plan:
                key = dice.choice(list(FAMILIES))
                if i % 3:
                    explorer.set_state({"family": key, "depth": depth, "width": width, "resolution": resolution})
                else:
                    explorer.depth = depth
                arch = explorer.architecture
                assert arch.cost().macs > 0 and explorer.state
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=drag, args=(plan, i)) for i, plan in enumerate(plans)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    base = family(explorer.family).base
    arch = cl.scaled(base, depth=explorer.depth, width=explorer.width, resolution=explorer.resolution)
    assert explorer.architecture == arch and explorer.cost == arch.cost()


def test_widget_state_is_json_and_buffers():
    state, paths, buffers = _remove_buffers(Explorer(own(), budget=1e6).get_state())
    json.dumps(state, allow_nan=False)
    assert paths == [["_numbers"]] and len(buffers[0]) == sum(h["length"] for h in state["_lattices"]) * 4


def test_nothing_is_fetched_or_evaluated_in_the_browser():
    source = (ROOT / "cnnlab/show/explorer.js").read_text() + (ROOT / "cnnlab/show/explorer.css").read_text()
    for word in ("eval(", "new Function", "innerHTML", "fetch(", "import(", "@import", "url(", "https://"):
        assert word not in source
    assert source.count("http://") == source.count("http://www.w3.org/2000/svg") == 1


# Points.

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


def test_points_of_a_frame():
    explorer = cl.Explorer(cl.architecture("cifar_resnet20"), points=FRAME, axis="test accuracy, %")
    shown = explorer._evidence
    assert [p["name"] for p in shown["points"]] == [
        "resnet d=1 w=1 r=32",
        "mbconv d=1 w=0.5 r=32",
        "resnet d=2 w=1 r=32",
    ]
    assert shown["axis"] == "test accuracy, %" and [s["name"] for s in shown["series"]] == ["resnet", "mbconv"]
    assert shown["front"] == {"macs": [1, 2], "params": [1, 2], "activations": [0, 2]}
    assert len({(s["colour"], s["shape"]) for s in shown["series"]}) == 2
    assert tradeoff.matches(shown, explorer.cost)[0]["accuracy"] == 91.5
    explorer.add("mine", 95.5, cl.scaled(cl.architecture("cifar_resnet20"), width=2.0))
    explorer.add(FRAME.head(1).assign(name="again"))
    assert [p["name"] for p in explorer._evidence["points"][3:]] == ["mine", "again"]
    assert explorer._evidence["order"][:2] == [3, 4]  # one's own are labelled first
    explorer.width = 2.0
    assert tradeoff.matches(explorer._evidence, explorer.cost)[0]["name"] == "mine"


def test_domain_holds_every_point():
    shown = points.evidence(points.given_points(FRAME), "x", [{"macs": 5, "params": 5, "activations": 5}])
    for kind in KINDS:
        low, high = shown["domain"][kind]
        assert low < 5 and all(p[kind] is None or low < p[kind] < high for p in shown["points"])
    low, high = shown["range"]
    assert all(low < p["accuracy"] < high for p in shown["points"])


def test_published_points():
    found = points.published_points()
    assert len(found) > 80 and not [p for p in found if "vit" in p["name"] or "SWAG" in p["note"]]
    pale = {p["name"]: p["pale"] for p in found if p["name"].startswith(("resnet18", "efficientnet_b0", "mnasnet0_5"))}
    assert pale == {"resnet18": True, "efficientnet_b0": False, "mnasnet0_5": True}
    shown = points.evidence(found, "x", [])
    b3 = tradeoff.matches(shown, cl.architecture("efficientnet_b3").cost())
    assert [(p["name"], p["accuracy"]) for p in b3] == [("efficientnet_b3", 82.008)]
    resnet50 = tradeoff.matches(shown, cl.architecture("resnet50").cost())
    assert [p["accuracy"] for p in resnet50] == [80.858, 76.13]
    json.dumps(shown, allow_nan=False)


# Outside a kernel.


def test_mime_bundle():
    data, _ = Explorer(depth=1.4, width=1.2, resolution=300)._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert data["text/plain"] == B3
    raw = base64.b64decode(data["image/png"])
    picture = Image.open(io.BytesIO(raw))
    assert picture.size == (1160, 650) and len(raw) < 80_000
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


def test_names_of_the_zoo_are_bases():
    assert lattice_of("resnet101").base == cl.architecture("resnet101")
    assert Explorer("resnet101").state == "resnet101,d=1,w=1,r=224"
