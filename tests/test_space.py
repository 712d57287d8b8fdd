"""Spaces: all settings in one call cost what each costs on its own; the Pareto front is what brute force finds."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torchvision import models

import cnnlab as cl
from cnnlab.arch.architecture import MOST_PIXELS
from cnnlab.arch.bases import FAMILIES
from cnnlab.arch.blocks import act, add, conv, conv_stem, flatten, linear, norm, shortcut
from cnnlab.arch.pareto import pareto
from cnnlab.arch.scaling import MOST_TIMES
from cnnlab.arch.space import Space
from cnnlab.arch.stairs import stairs
from tests import oracles

COST = ["macs", "params", "activations"]


def asks(x, width, stride=1):
    """A block that asks about its width, as a student writes it: it cannot be asked about many widths at once."""
    y = act(norm(conv(x, width, 3, stride)))
    return add(y, x) if x.channels == width and stride == 1 else act(add(y, shortcut(x, width, stride)))


def flat_head(x, classes):
    """A head without pooling: its cost does not come apart into pixels and channels."""
    return linear(flatten(x), classes)


def mine(block=asks, **fields):
    rows = [cl.Stage(block, 2, 16), cl.Stage(block, 3, 40, 2)]
    return cl.Architecture("mine", cl.Stage(conv_stem, 1, 16, 2), rows, **{"resolution": 32, "classes": 7} | fields)


def unpooled():
    return mine(cl.blocks.basic, head=cl.Head(flat_head))


BASES = [*FAMILIES, "efficientnet_v2_s", "cifar_resnet20", "cifar_resnet20_b", mine(), unpooled()]


def one_by_one(base, frame):
    """Each row's cost by a call of its own, with plain numbers."""
    rows = []
    for d, w, r in zip(frame["depth"], frame["width"], frame["resolution"], strict=True):
        cost = cl.scaled(base, depth=float(d), width=float(w), resolution=int(r)).cost()
        rows.append([cost.macs, cost.params, cost.activations])
    return rows


multipliers = st.floats(0.1, 4)
some = {"min_size": 1, "max_size": 5}


@settings(max_examples=40)
@given(
    st.sampled_from(BASES),
    st.lists(multipliers, **some),
    st.lists(multipliers, **some),
    st.lists(st.integers(32, 300), **some),
)
def test_a_grid_costs_what_each_setting_costs(base, depth, width, resolution):
    assume(base != "resnext" or min(width) >= 0.15)  # refused below: no channel is left for each of its groups
    space = Space(base, depth=depth, width=width, resolution=resolution)
    frame = space.frame()
    order = [(d, w, r) for d in depth for w in width for r in resolution]  # depth outermost
    assert list(frame[["depth", "width", "resolution"]].itertuples(index=False, name=None)) == order
    assert frame[COST].to_numpy().tolist() == one_by_one(space.base, frame)
    assert (frame[[*COST, "resolution"]].dtypes == np.int64).all()
    last = space.architecture(len(space) - 1).cost()
    assert frame[COST].iloc[-1].tolist() == [last.macs, last.params, last.activations]


@pytest.mark.parametrize("base", BASES, ids=lambda base: getattr(base, "name", base))
def test_a_sample_costs_what_each_setting_costs(base):
    ends = {"depth": [0.3, 3.0], "width": [0.2, 2.5], "resolution": [40, 333]}
    space = Space(base, **ends).sample(300, seed=3)
    frame = space.frame()
    assert len(space) == len(frame) == 300
    assert frame[COST].to_numpy().tolist() == one_by_one(space.base, frame)
    for knob, (least, most) in ends.items():
        assert least <= frame[knob].min() < frame[knob].max() <= most
    assert frame.equals(Space(base, **ends).sample(300, seed=3).frame())
    assert not frame.equals(Space(base, **ends).sample(300, seed=4).frame())
    assert len(frame["depth"].unique()) == 300


def test_every_network_of_rows_can_be_varied():
    found = 0
    for name in cl.names():
        base = cl.architecture(name)
        if isinstance(base, cl.Architecture):
            knobs = {"depth": [0.5, 1.1, 2.0], "width": [0.75, 1.0, 1.3], "resolution": [225, 224, 260]}
            space = Space(base, **knobs, paired=True)
            assert space.frame()[COST].to_numpy().tolist() == one_by_one(base, space.frame()), name
            found += 1
    assert found > 40


def test_a_million_random_settings_are_exact_on_a_sample():
    space = Space("efficientnet", depth=[0.2, 3.6], width=[0.25, 2.5], resolution=[56, 672]).sample(10**6, seed=1)
    frame = space.frame()
    assert len(frame) == 10**6
    chosen = frame.sample(200, random_state=0)
    assert chosen[COST].to_numpy().tolist() == one_by_one(space.base, chosen)


@pytest.mark.parametrize("knob", ["depth", "width"])
def test_settings_a_hair_apart_are_told_apart(knob):
    """On every stair of B0 between 1 and 2: the last float below its edge and the first one above."""
    base = cl.architecture("efficientnet_b0")
    _, firsts = stairs(base, knob, np.linspace(1.0, 2.0, 200))
    values = [v for first in firsts[1:].tolist() for v in (np.nextafter(first, 0), first)]
    frame = Space(base, **{knob: values * (101 // len(values) + 1)}).frame()  # so many that stairs are looked for
    assert frame[COST].to_numpy().tolist() == one_by_one(base, frame)
    assert (frame["macs"].to_numpy()[::2] != frame["macs"].to_numpy()[1::2]).all()
    assert len(values) >= 12


def test_phi_is_compound_scaling():
    frame = Space("efficientnet", phi=[-1, 0, 0.5, 3]).frame()
    b0 = cl.architecture("efficientnet_b0")
    assert frame["phi"].tolist() == [-1, 0, 0.5, 3]
    assert frame["macs"].tolist() == [cl.compound(b0, phi=p).cost().macs for p in (-1, 0, 0.5, 3)]
    assert frame["depth"].tolist() == pytest.approx([1.2**p for p in (-1, 0, 0.5, 3)])
    sample = Space("efficientnet", phi=[0, 4]).sample(50, seed=0).frame()
    assert 0 <= sample["phi"].min() < sample["phi"].max() <= 4
    assert sample["macs"].tolist() == [cl.compound(b0, phi=p).cost().macs for p in sample["phi"]]


def test_a_space_agrees_with_torch():
    frame = Space("resnet_basic", resolution=[64, 97]).frame()
    net = models.resnet18()
    assert frame["macs"].tolist() == [oracles.macs(net, 64), oracles.macs(net, 97)]
    assert frame["params"].tolist() == [oracles.numel(net)] * 2


@pytest.mark.parametrize("name", ["resnet152", "efficientnet_v2_l", "resnext101_32x8d"])
def test_the_largest_corner_does_not_overflow(name):
    corner = {"depth": MOST_TIMES, "width": MOST_TIMES, "resolution": MOST_PIXELS}
    row = Space(name, **corner).frame().iloc[0]
    exact = cl.scaled(cl.architecture(name), **corner).cost()  # Python's own whole numbers
    assert [int(row[what]) for what in COST] == [exact.macs, exact.params, exact.activations]


@pytest.mark.parametrize("base", ["resnet_basic", "efficientnet", mine()], ids=["resnet", "efficientnet", "mine"])
def test_memory_when_asked_is_that_of_each_setting(base):
    space = Space(base, depth=[0.5, 1.0, 1.4], width=[0.6, 1.0], resolution=[64, 75])
    frame = space.frame(batch=3)
    for i, row in enumerate(frame.itertuples()):
        memory = space.architecture(i).memory(3)
        assert (row.inference, row.training) == (memory.inference, memory.training)


def test_a_space_reads_well():
    space = Space("resnet", depth=[1, 2], width=0.5)
    assert repr(space) == "Space(resnet50: 2 settings, depth 1 to 2, width 0.5, resolution 224)"
    assert len(space) == 2
    with pytest.raises(ValueError, match="read-only"):
        space.depth[0] = 3
    with pytest.raises(AttributeError):
        space.depth = 3


ARRAYS = cl.scaled(cl.architecture("resnet18"), width=np.array([1.0, 2.0]))
BAD_SPACES = {
    "unknown": (
        dict(base="resnet51"),
        ValueError,
        r"base='resnet51' is unknown; it must be efficientnet, resnet.*cl.names\(\)",
    ),
    "number": (dict(base=50), TypeError, r"base=50 is a int, whose depth and width nothing says; it must be an Arch"),
    "function": (dict(base="googlenet"), TypeError, r"base=googlenet is a Network, whose depth and width nothing says"),
    "graph": (dict(base=cl.architecture("resnet18").graph()), TypeError, r"base=resnet18 is a Graph, whose depth"),
    "arrays": (dict(base=ARRAYS), ValueError, r"resnet18 holds arrays, so it is many networks; start from one"),
    "zero": (dict(depth=0), ValueError, r"depth=0: depth must be a number above 0"),
    "nan": (dict(width=[1, math.nan]), ValueError, r"width=nan: width must be a number above 0"),
    "infinite": (dict(width=math.inf), ValueError, r"width=inf: width must be"),
    "large": (dict(width=[1, 51]), ValueError, r"width=51.0: width must be a number above 0 and at most 50"),
    "thin": (dict(width=[0.001, 1]), ValueError, r"width=0.001: it leaves resnet18 a layer of 0.064 channels"),
    "half": (dict(resolution=[224.5]), ValueError, r"resolution=224.5: resolution must be a whole number"),
    "small": (dict(resolution=[31, 224]), ValueError, r"resnet18 r=31: resolution=31: its strides shrink the image"),
    "huge": (
        dict(resolution=10**6),
        ValueError,
        r"resolution=1000000: resolution must be .* from 1 to 4096",
    ),
    "word": (dict(depth="deep"), TypeError, r"depth='deep': depth must be a number.*not a str"),
    "words": (dict(depth=["deep"]), TypeError, r"depth=\['deep'\]: give a number, or numbers in one dimension"),
    "truth": (dict(depth=True), TypeError, r"depth=True: depth must be a number"),
    "truths": (dict(depth=[True]), TypeError, r"depth=\[True\]: give a number"),
    "plane": (dict(depth=np.ones((2, 2))), TypeError, r"(?s)depth=array.*give a number, or numbers in one dimension"),
    "ragged": (dict(depth=[[1], [1, 2]]), TypeError, r"depth=\[\[1\], \[1, 2\]\]: give a number"),
    "empty": (dict(depth=[]), ValueError, r"depth is empty; give at least one value"),
    "unpaired": (
        dict(depth=[1, 2], width=[1, 2, 3], paired=True),
        ValueError,
        r"do not pair: 2 of depth, 3 of width, 1 of resolution; give as many of each, or one",
    ),
    "phi and depth": (dict(phi=[1, 2], depth=2.0), ValueError, r"phi=\[1, 2\] sets depth, width and resolution tog"),
    "phi and width": (dict(phi=1, width=[1.0]), ValueError, r"phi=1 sets depth, width and resolution together"),
    "phi and resolution": (dict(phi=1, resolution=224), ValueError, r"phi=1 sets depth, width and resolution"),
    "phi too large": (dict(phi=[1, 21]), ValueError, r"phi=21.0: phi must be a number above -10 and at most 20"),
    "phi too small": (dict(phi=-10), ValueError, r"phi=-10.0: phi must be a number above -10"),
    "many": (
        dict(depth=np.linspace(1, 2, 5000), width=np.linspace(1, 2, 5000)),
        ValueError,
        r"resnet18: 25,000,000 settings are too many for one space \(at most 20,000,000\)",
    ),
}


@pytest.mark.parametrize(("arguments", "error", "sentence"), BAD_SPACES.values(), ids=BAD_SPACES)
def test_bad_spaces_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        Space(**{"base": "resnet_basic"} | arguments)


def test_a_refused_width_is_named():
    thin = Space(cl.architecture("resnext50_32x4d"), width=[0.1, 1.0])
    with pytest.raises(ValueError, match=r"resnext50_32x4d at width=0.1: stage1.0.conv1: width=0: width must be"):
        thin.frame()
    with pytest.raises(ValueError, match=r"resnext50_32x4d w=0.1: stage1.0.conv1: width=0: width must be"):
        Space(cl.architecture("resnext50_32x4d"), width=0.1)


def test_costs_beyond_64_bits_are_refused():
    vast = cl.Architecture("vast", cl.Stage(conv_stem, 1, 10**6), [cl.Stage(cl.blocks.plain, 10**4, 10**6)])
    with pytest.raises(ValueError, match=r"vast: the cost at depth=50, width=50, resolution=224 does not fit 64 bits"):
        Space(vast, depth=[1, 50], width=50)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda s: s.sample(0), ValueError, r"n=0: n must be a whole number from 1 to 20000000"),
        (lambda s: s.sample(10, seed=-1), ValueError, r"seed=-1: seed must be a whole number, 0 or more"),
        (lambda s: s.sample("10"), TypeError, r"n='10': n must be a whole number"),
        (lambda s: s.architecture(2), ValueError, r"row=2: row must be a whole number from 0 to 1"),
        (lambda s: s.architecture(-1), ValueError, r"row=-1: row must be a whole number from 0 to 1"),
        (lambda s: s.frame(batch=0), ValueError, r"batch=0: batch must be a whole number, 1 or more"),
    ],
    ids=["none", "seed", "word", "beyond", "before", "batch"],
)
def test_bad_questions_are_refused(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call(Space("resnet", depth=[1, 2]))


def brute_force(rows):
    """The rows that no other beats, by the definition: every row against every other."""
    return [
        i
        for i, (c, a) in enumerate(rows)
        if not (math.isnan(c) or math.isnan(a))
        and not any((oc <= c and oa >= a) and (oc < c or oa > a) for oc, oa in rows)
    ]


few = st.sampled_from([-math.inf, 0.0, 1.0, 2.0, 3.0, math.inf, math.nan])


@settings(max_examples=300)
@given(st.lists(st.tuples(few | st.floats(0, 5), few | st.floats(0, 5)), max_size=12))
def test_the_front_is_what_brute_force_finds(rows):
    frame = pd.DataFrame(rows, columns=["macs", "accuracy"], dtype=float)
    front = pareto(frame)
    assert sorted(front.index) == brute_force(rows)
    assert front["macs"].is_monotonic_increasing
    assert front.equals(frame.loc[front.index])


def test_the_front_of_other_columns_keeps_every_column():
    frame = pd.DataFrame(
        {"name": list("abcd"), "params": [3, 1, 2, 2**60 + 1], "top1": [5, 1, 0, 6], "x": 0}, index=[9, 8, 7, 6]
    )
    assert pareto(frame, cost="params", accuracy="top1")["name"].tolist() == ["b", "a", "d"]
    close = pd.DataFrame({"macs": [2**60 + 1, 2**60], "accuracy": [2, 1]})  # the same as floats
    assert pareto(close).index.tolist() == [1, 0]
    assert pareto(frame.iloc[:0], "params", "top1").empty
    nullable = frame.assign(top1=pd.array([None, 1, 0, 6], dtype="Int64"))
    assert pareto(nullable, "params", "top1")["name"].tolist() == ["b", "d"]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (([1, 2],), TypeError, r"frame must be a pandas DataFrame, not a list"),
        ((pd.DataFrame({"macs": [1]}),), ValueError, r"accuracy='accuracy' is no column of the frame; it has macs"),
        ((pd.DataFrame({"a": [1]}), "b"), ValueError, r"cost='b' is no column of the frame; it has a"),
        (
            (pd.DataFrame({"macs": ["1"], "accuracy": [1]}),),
            TypeError,
            r"'macs': the column holds .*must hold numbers",
        ),
        ((pd.DataFrame({"macs": [1], "accuracy": [True]}),), TypeError, r"accuracy='accuracy': the column holds bool"),
    ],
    ids=["list", "no accuracy", "no cost", "words", "truth"],
)
def test_bad_fronts_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        pareto(*arguments)
