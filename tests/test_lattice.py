"""The lattice: what is sent to the browser says of every slider position what the network itself says, to the unit."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import cnnlab as cl
from cnnlab.arch.blocks import act, add, avg_pool, conv, conv_stem, norm, squeeze_excite
from cnnlab.arch.edits import BLOCKS, edited, options_of
from cnnlab.show.footprint import products
from cnnlab.show.lattice import ALL_KINDS, FAMILIES, STEPS, Lattice, family, lattice, lattice_of, packed, uses
from cnnlab.show.tables import KINDS, summed, terms

COEFFICIENTS = [  # of the authors' efficientnet_builder.py: width, depth, resolution, for B0 to B7
    *[(1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 300)],
    *[(1.4, 1.8, 380), (1.6, 2.2, 456), (1.8, 2.6, 528), (2.0, 3.1, 600)],
]
CORNERED = ("efficientnet", "resnet", "resnet_d", "regnet_y", "convnext", "vgg_bn", "small_resnet", "small_mbconv")
OTHERS = ("resnext50_32x4d", "cifar_resnet20", "efficientnet_b3", "regnet_x_400mf")


def students_block(x, width, stride=1, *, kernel=3):
    """As a student writes it: with an `if`, which no array can answer, and groups that not all widths have."""
    y = act(norm(conv(x, width, kernel, stride, groups=4)))
    if x.channels == width and stride == 1:
        y = add(y, x)
    return y


def own() -> cl.Architecture:
    stages = (cl.Stage(students_block, 2, 24), cl.Stage(students_block, 3, 40, 2, {"kernel": 5}))
    return cl.Architecture("mine", cl.Stage(conv_stem, 1, 12, 2), stages, resolution=50, classes=7, divisor=2)


def odd() -> cl.Architecture:
    """Each width is another network: a squeeze-excite for some, two layers for others."""

    def block(x, width, stride=1):
        y = act(norm(conv(x, width, 3, stride)))
        if width > 12:
            y = squeeze_excite(y, width // 4)
        return act(add(norm(conv(y, width, 1)), y)) if width % 3 else y

    stages = (cl.Stage(block, 1, 10), cl.Stage(block, 2, 12, 2), cl.Stage(block, 2, 13))
    return cl.Architecture("odd", cl.Stage(conv_stem, 1, 8), stages, resolution=20, classes=3, channels=1, divisor=1)


OWN = {"mine": own, "odd": odd}


@functools.cache
def made(key: str) -> Lattice:
    return lattice_of(OWN[key]() if key in OWN else key, kinds=ALL_KINDS)


def by_hand(arch: cl.Architecture, kind: str) -> int:
    if kind == "inference":
        return arch.memory(1).inference
    if kind == "training":
        return arch.memory(32, optimizer="momentum").training
    return getattr(arch.cost(), kind) if kind in KINDS else arch.cost(kind).macs


def scaled(which: Lattice, at: list[float]) -> cl.Architecture:
    return cl.scaled(which.base, **dict(zip(STEPS, at, strict=True)))


def place(draw: st.DrawFn, which: Lattice) -> list[float]:
    return [draw(st.sampled_from(which.header[knob])) for knob in STEPS]


def check_totals(which: Lattice, at: list[float]) -> None:
    arch = scaled(which, at)
    expected = {kind: by_hand(arch, kind) for kind in ALL_KINDS}
    assert {kind: which.total(kind, *at) for kind in ALL_KINDS} == expected, (which.header["id"], at)


# Totals, of every kind.


@settings(max_examples=60)
@given(data=st.data())
def test_totals_are_those_of_the_network(data):
    which = made(data.draw(st.sampled_from([*FAMILIES, *OWN, *OTHERS])))
    check_totals(which, place(data.draw, which))


@pytest.mark.parametrize("key", CORNERED)
def test_totals_at_the_corners(key):
    ends = [(steps[0], steps[-1]) for steps in (made(key).header[knob] for knob in STEPS)]
    for corner in [[d, w, r] for d in ends[0] for w in ends[1] for r in ends[2]]:
        check_totals(made(key), corner)


@st.composite
def edits_of(draw: st.DrawFn, base: cl.Architecture) -> dict[int, dict[str, Any]]:
    """One to three rows with another block, depth, width or options."""
    found: dict[int, dict[str, Any]] = {}
    numbers = st.integers(1, len(base.stages))
    for number in sorted(draw(st.sets(numbers, min_size=1, max_size=3))):
        block = draw(st.none() | st.sampled_from(list(BLOCKS)))
        taken = options_of(BLOCKS[block] if block else base.stages[number - 1].block)
        values = {
            "block": st.just(block),
            "depth": st.integers(1, 4),
            "width": st.sampled_from([8, 16, 33, 64, 100]),
            "kernel": st.sampled_from([1, 3, 5, 7]),
            "expand": st.integers(1, 4),
            "se": st.sampled_from([0, 1]) if base.name.startswith("mobilenet_v3") else st.sampled_from([0, 0.25, 1]),
        }
        possible = [*(["block"] if block else []), "depth", "width", *taken]
        chosen = draw(st.sets(st.sampled_from(possible), min_size=1)) | ({"block"} if block else set())
        found[number] = {field: draw(values[field]) for field in possible if field in chosen}
    return found


@settings(max_examples=25)
@given(data=st.data())
def test_totals_of_edited_networks_and_other_classes(data):
    key = data.draw(st.sampled_from(list(FAMILIES)))
    edits, classes = data.draw(edits_of(family(key).base)), data.draw(st.none() | st.integers(2, 3000))
    try:
        changed = edited(family(key).base, edits)
        replace(changed, stages=tuple(replace(stage, depth=2) for stage in changed.stages)).cost()  # sliders go there
    except ValueError:  # CIFAR shortcuts only add channels, 32 groups need some, ...
        with pytest.raises(ValueError, match=r"^stage\d\.\d\."):
            lattice_of(key, edits=edits)
        return
    which = lattice_of(key, kinds=ALL_KINDS, edits=edits, classes=classes)
    assert which.header["classes"] == which.base.classes == (classes or family(key).base.classes)
    assert which.base.stages == edited(family(key).base, edits).stages
    check_totals(which, [1.0, 1.0, which.base.resolution])
    check_totals(which, place(data.draw, which))


def test_a_class_more_is_a_row_of_the_last_layer_more():
    few, more = (lattice_of("small_resnet", classes=n) for n in (10, 11))
    for width in (0.25, 1.0, 2.5):
        channels = few.rows(1, width, 28)[-2].channels
        assert more.total("params", 1, width, 28) - few.total("params", 1, width, 28) == channels + 1


# Layer by layer, read from what is sent by JSON and an array alone.


def layers_sent(which: Lattice, at: list[float]) -> pd.DataFrame:
    """A row for every layer, written out, of what a browser is sent."""
    sent = packed(which)
    numbers = np.frombuffer(sent.pop("numbers"), "<f8")
    header = json.loads(json.dumps(sent, allow_nan=False))
    d, w, r = (header[knob].index(value) for knob, value in zip(STEPS, at, strict=True))
    found = []
    for stage in header["stages"]:
        for j in range(int(numbers[stage["depths"] + d])):
            block = stage["blocks"][min(j, len(stage["blocks"]) - 1)]
            whole = {kind: 0 for kind in KINDS}
            for layer in block["layers"]:
                there = "there" not in layer or numbers[layer["there"] + w]
                path = [stage["name"], *([str(j)] if stage["name"].startswith("stage") else []), layer["name"]]
                costs = {k: sum(int(numbers[a + w] * numbers[b + r]) for a, b in layer.get(k, ())) for k in KINDS}
                whole = {kind: whole[kind] + costs[kind] for kind in KINDS}
                assert there or not any(costs.values()), layer["name"]
                shape = {"channels": int(numbers[layer["channels"] + w]), "size": int(numbers[layer["size"] + r])}
                found += [{"layer": ".".join(path), "role": layer["role"], **shape, **costs}] if there else []
            summed_up = {k: sum(int(numbers[a + w] * numbers[b + r]) for a, b in block[k]) for k in KINDS}
            assert summed_up == whole, (header["id"], stage["name"], j)
    return pd.DataFrame(found)


@settings(max_examples=25)
@given(data=st.data())
def test_layers_are_those_of_the_network_written_out(data):
    which = made(data.draw(st.sampled_from([*FAMILIES, *OWN, *OTHERS])))
    at = place(data.draw, which)
    graph = scaled(which, at).graph()
    frame = graph.table("layer").set_index("layer")
    expected = frame.loc[~frame["operation"].str.startswith("stochastic depth"), ["channels", "size", *KINDS]]
    sent = layers_sent(which, at)
    rows = sent.set_index("layer")[expected.columns]
    pd.testing.assert_frame_equal(rows, expected, check_dtype=False)
    # As many groups as channels, at a small width alone, do not make another role.
    also = {"depthwise": "spatial"} if which.key in ("resnext", "resnext50_32x4d", "mine") else {}
    roles, found = (
        each.replace({"role": also}).groupby("role")[[*KINDS]].sum() for each in (graph.table("role"), sent)
    )
    pd.testing.assert_frame_equal(found.loc[roles.index], roles, check_dtype=False)


@settings(max_examples=25)
@given(data=st.data())
def test_rows_are_the_stages_of_the_network_written_out(data):
    which = made(data.draw(st.sampled_from([*FAMILIES, *OWN, *OTHERS])))
    at = place(data.draw, which)
    arch = scaled(which, at)
    frame = arch.graph().table("layer")
    stage = frame["layer"].str.split(".").str[0]
    expected = frame.groupby(stage, sort=False)[[*KINDS]].sum()
    rows = which.rows(*at)
    assert [row.stage for row in rows] == list(expected.index)
    assert [tuple(vars(row.cost).values()) for row in rows] == [tuple(map(int, each)) for each in expected.to_numpy()]
    assert [row.blocks for row in rows] == [1, *(stage.depth for stage in arch.stages), 1]
    assert sum((row.cost for row in rows), cl.Cost()) == arch.cost()
    last = frame.groupby(stage, sort=False)[["channels", "size"]].last().to_numpy()[:-1].tolist()
    assert [[row.channels, row.size] for row in rows[:-1]] == last


def test_published_networks_stand_on_the_lattice():
    for i, (width, depth, resolution) in enumerate(COEFFICIENTS):
        rows = family("efficientnet").rows(depth, width, resolution)
        assert sum((row.cost for row in rows), cl.Cost()) == cl.architecture(f"efficientnet_b{i}").cost()


# The receptive field, against the gradients of a pixel in the middle.


def branched() -> cl.Architecture:
    """Ways of several lengths, and each block at half the resolution."""

    def block(x, width, stride=1):
        long = conv(conv(x, width, 3, stride), width, 3)
        return add(long, conv(x, width, 7, stride), conv(avg_pool(x, 3, stride, 1), width, 1))

    stages = (cl.Stage(block, 1, 8, 2), cl.Stage(block, 1, 8, 2), cl.Stage(block, 1, 8, 2))
    return cl.Architecture("branched", cl.Stage(conv_stem, 1, 8, 2), stages, resolution=64)


class Untouched(nn.Module):
    """What lets an image through as it is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def straightened(arch: cl.Architecture) -> nn.Module:
    """The module with the same windows, but so that everything it sees counts: sums of positive weights."""
    model = arch.graph().module(seed=0).double().eval()
    for parent in list(model.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(part.kernel_size, part.stride, part.padding))
            elif isinstance(part, (nn.Conv2d, nn.Linear)):
                nn.init.constant_(part.weight, 1 / part.weight[0].numel())
            elif not list(part.children()) and not isinstance(part, (nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
                setattr(parent, name, Untouched())
    return model


def seen(model: nn.Module, path: str, size: int, channels: int) -> int:
    """How many px of the image reach the middle pixel of what this part puts out."""
    found = []
    handle = model.get_submodule(path).register_forward_hook(lambda _module, _x, y: found.append(y))
    x = torch.ones(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    model(x)
    handle.remove()
    middle = found[0].shape[-1] // 2
    (gradient,) = torch.autograd.grad(found[0][0, :, middle, middle].sum(), x)
    rows = gradient[0].abs().sum((0, 2)).nonzero()
    assert rows.min() > 0 and rows.max() < size - 1  # else the border may have cut it
    return int(rows.max() - rows.min()) + 1


def fields(which: Lattice) -> Iterator[tuple[str, int]]:
    """Each block of the base with what one pixel of it sees, from reach and stride as sent."""
    sight, step = 1, 1
    for row, stage in zip(which.rows(1.0, 1.0, which.base.resolution), packed(which)["stages"], strict=True):
        for j in range(row.blocks):
            block = stage["blocks"][min(j, 1, len(stage["blocks"]) - 1)]
            sight, step = sight + block["reach"] * step, step * block["stride"]
            yield f"{row.stage}.{j}" if row.stage.startswith("stage") else row.stage, sight


@pytest.mark.parametrize(
    ("name", "edits", "most"),
    [
        ("small_resnet", {}, 200),
        ("small_mbconv", {1: {"kernel": 5, "se": 0}, 2: {"kernel": 7, "se": 0}}, 200),
        ("vgg11", {}, 200),
        ("resnet18", {}, 480),
        ("resnet50d", {1: {"depth": 1}, 2: {"depth": 1}, 3: {"depth": 1}, 4: {"block": "fused_mbconv"}}, 320),
        ("convnext_tiny", {1: {"depth": 1}, 3: {"kernel": 3, "depth": 1}, 4: {"depth": 1}}, 400),
        ("mobilenet_v1", {5: {"depth": 1}}, 400),
        ("branched", {}, 200),
    ],
)
def test_receptive_fields(name, edits, most):
    base = branched() if name == "branched" else cl.scaled(cl.architecture(name), width=0.05 if name in THIN else 1)
    which = lattice(base, edits=edits)
    model = straightened(cl.scaled(which.base, resolution=most))
    checked = 0
    for path, field in fields(which):
        if field < most - 64 and path != "head":
            assert seen(model, path, most, base.channels) == field, path
            checked += 1
    assert checked >= 4


THIN = ("vgg11", "resnet18", "resnet50d", "convnext_tiny", "mobilenet_v1")


# Sliders.


def test_steps_of_the_sliders():
    for key in [*FAMILIES, *OWN, "cifar_resnet20"]:
        which = made(key)
        steps, own_size = which.header["resolution"], which.base.resolution
        assert own_size in steps and steps[0] >= which.base.stride and 2.7 * own_size < steps[-1] <= 3 * own_size
        assert all(r % 4 == 0 for r in steps if r != own_size)
        assert all(low < high for knob in STEPS for low, high in pairwise(which.header[knob]))
        start = [which.header[knob][i] for knob, i in zip(STEPS, which.header["base"], strict=True)]
        assert start == [1, 1, own_size] and scaled(which, start) == which.base
        assert which.header["widest"] == max(row.channels for row in which.rows(*start))


def test_widths_that_a_network_refuses_are_left_out():
    widths = made("mine").header["width"]
    for width in [k / 20 for k in range(5, 51)]:
        try:
            cl.scaled(own(), width=width).cost()
        except ValueError:
            assert width not in widths  # 12 * 1.1 rounds to 14 channels, which 4 groups do not divide
        else:
            assert width in widths
    assert 1.1 not in widths and 1.0 in widths


@pytest.mark.parametrize(
    ("knob", "value", "words"),
    [
        ("depth", 9, "depth=9: for resnet the depth must be from 0.2 to 3.6"),
        ("depth", math.nan, "depth=nan: for resnet the depth must be from 0.2 to 3.6"),
        ("depth", -math.inf, "depth=-inf"),
        ("width", 1.23, "goes from 0.25 to 2.5 in steps of 0.05; the nearest is 1.25"),
        ("resolution", 225, "goes from 56 to 672 px in steps of 4; the nearest is 224"),
        ("resolution", 20, "the resolution must be from 56 to 672 px"),
    ],
)
def test_values_that_are_not_on_a_slider_are_told(knob, value, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        family("resnet").index(knob, value)


def test_networks_that_no_lattice_holds_are_refused():
    def growing(x, width, stride=1):
        return conv(x, x.channels + width, 3, stride)

    dense = cl.Architecture("dense", cl.Stage(conv_stem, 1, 8), (cl.Stage(growing, 3, 8),), resolution=32)
    with pytest.raises(ValueError, match="dense: the second block of stage1 changes the shape"):
        lattice(dense)
    huge = cl.Architecture("huge", cl.Stage(conv_stem, 1, 8), (cl.Stage(BLOCKS["plain"], 1, 200_000),), resolution=64)
    with pytest.raises(ValueError, match=r"a cost of [\d,]+ is too large for the Explorer \(at most 2\^53\)"):
        lattice(huge)
    with pytest.raises(ValueError, match="holds arrays"):
        lattice_of(cl.scaled(own(), width=np.array([1, 2])))


# What is sent.


@pytest.mark.parametrize("key", FAMILIES)
def test_what_is_sent_is_small_and_whole(key):
    sent = packed(family(key))
    numbers = sent.pop("numbers")
    assert len(json.dumps(sent, allow_nan=False)) < 45_000 and len(numbers) < 160_000
    assert (np.frombuffer(numbers, "<f8") == family(key).numbers).all()
    sent = packed(made(key))
    numbers = np.frombuffer(sent.pop("numbers"), "<f8")
    assert len(json.dumps(sent, allow_nan=False)) < 45_000 and numbers.nbytes < 160_000
    assert (numbers == np.trunc(numbers)).all() and numbers.min() >= 0 and numbers.max() < 2**53


def test_what_the_header_says():
    edits = {3: {"block": "basic", "depth": 2}, 4: {"se": 0.25}}
    header = packed(lattice_of("resnet", edits=edits, classes=5))
    said = {name: header[name] for name in ("key", "id", "of", "block", "stride", "classes", "channels", "kinds")}
    assert said == {
        **{"key": "resnet", "id": "resnet,3.block=basic,3.depth=2,4.se=0.25", "of": "resnet50"},
        **{"block": "", "stride": 32, "classes": 5, "channels": 3, "kinds": ["macs", "params", "activations"]},
    }
    assert header["rows"][2] == {"block": "basic", "known": True, "depth": 2, "width": 1024, "se": 0.0}
    assert header["rows"][3] == {"block": "bottleneck", "known": True, "depth": 3, "width": 512, "se": 0.25}
    assert header["edits"] == {"3": {"block": "basic", "depth": 2}, "4": {"se": 0.25}}
    assert [each["block"] for each in header["own"]] == ["bottleneck"] * 4
    assert [each["depth"] for each in header["own"]] == [3, 4, 6, 3]
    assert [stage["smaller"] for stage in header["stages"]] == ["stem", "1/4", "1/8", "1/16", "1/32", "head"]
    mine = packed(made("mine"))
    assert (mine["key"], mine["id"], mine["label"], mine["own"]) == ("mine", "mine", "mine, yours", mine["rows"])
    assert mine["rows"][1] == {"block": "students_block", "known": False, "depth": 3, "width": 40, "kernel": 5}
    assert mine["kinds"] == list(ALL_KINDS)
    same = cl.architecture("resnet50", classes=3)
    assert packed(lattice(cl.Architecture("resnet", same.stem, same.stages)))["key"] == "resnet_yours"
    assert packed(lattice_of("efficientnet"))["block"] == "MBConv"


def test_what_was_made_lately_is_kept():
    assert lattice_of("resnet", edits={3: {"depth": 2}}) is lattice_of("resnet", edits={3: {"depth": 2}})
    assert family("resnet") is lattice_of("resnet") and lattice_of("resnet101").base == cl.architecture("resnet101")
    one = own()
    assert lattice_of(one) is lattice_of(one)


# The sums of products that it is made of.


def dense(found: list[Any], shape: tuple[int, int]) -> np.ndarray:
    table = np.zeros(shape, np.int64)
    for by_width, by_size in found:
        table = table + np.asarray(by_width)[:, None] * np.asarray(by_size)[None]
    return table


@given(data=st.data())
def test_terms_are_the_table(data):
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    few = st.sampled_from([0, 0, 1, 2, 3, 7, 2**40])
    if data.draw(st.booleans()):
        table = np.array([[data.draw(few) for _ in range(shape[1])] for _ in range(shape[0])])
    else:
        columns = np.array([data.draw(st.integers(0, 2**20)) for _ in range(shape[0])])[:, None]
        table = columns * np.array([data.draw(st.integers(0, 2**20)) for _ in range(shape[1])])
    found = terms(table, shape)
    assert (dense(found, shape) == table).all() and (found == []) == (not table.any())
    assert all(len(term.by_width) == shape[0] and len(term.by_size) == shape[1] for term in found)
    twice = summed([found, found])
    assert (dense(twice, shape) == 2 * table).all() and len(twice) == len(found)


def test_terms_of_what_broadcasts():
    assert (dense(terms(3, (2, 4)), (2, 4)) == 3).all() and terms(0, (2, 4)) == []
    assert (dense(terms([[5], [6]], (2, 3)), (2, 3)) == [[5] * 3, [6] * 3]).all()
    assert (dense(terms([[1, 2, 3]], (2, 3)), (2, 3)) == [[1, 2, 3]] * 2).all()
    with pytest.raises(ValueError, match="too large for the Explorer"):
        terms([[2**53 + 2]], (1, 1))


@given(data=st.data())
def test_products_are_the_table_or_refused(data):
    sizes = np.array([[1] * 6, [1, 4, 4, 9, 16, 25], [16, 36, 49, 100, 256, 400]])
    factors = np.array([[data.draw(st.integers(0, 10**6)) for _ in sizes] for _ in range(3)])
    table = factors @ sizes
    assert (dense(products(table, list(sizes)), table.shape) == table).all()
    table[1, 2] += 1
    with pytest.raises(ValueError, match="no sum of few products"):
        products(table, list(sizes))


@given(st.integers(1, 60))
def test_uses_add_up(blocks):
    found = dict(uses(blocks))
    assert sum(found.values()) == blocks and all(found.values())
    assert set(found) == ({"only"} if blocks == 1 else {"first", "last"} | ({"middle"} if blocks > 2 else set()))
