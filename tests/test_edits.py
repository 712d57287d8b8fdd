"""Edits: a row of the table that is changed is changed in the network, and nothing else is; the rest is refused."""

from __future__ import annotations

import copy
import functools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cnnlab as cl
from cnnlab.arch.bases import FAMILIES, base_of
from cnnlab.arch.blocks import (
    basic,
    bottleneck,
    conv,
    conv_stem,
    fused_mbconv,
    mbconv,
    mbconv_v3,
    plain,
    regnet_bottleneck,
)
from cnnlab.arch.edits import BLOCKS, FIELDS, edited, option, options_of
from tests.oracles import counted

TIMES = {"bottleneck": 4}
"""Channels that a block puts out for each of its width."""


@functools.cache
def base(key: str) -> cl.Architecture:
    return base_of(key)


def small(block, **options) -> cl.Architecture:
    stages = (cl.Stage(plain, 1, 8), cl.Stage(block, 2, 16, 2, options), cl.Stage(plain, 1, 24))
    return cl.Architecture("small", cl.Stage(conv_stem, 1, 8, 2), stages, resolution=16, classes=3)


# What an edit makes of a row.


@pytest.mark.parametrize(
    ("block", "options", "changes", "expected"),
    [
        (plain, {}, {"depth": 4}, (plain, 4, 16, {})),
        (plain, {}, {"width": 40}, (plain, 2, 40, {})),
        (basic, {"option": "A"}, {"se": 0.25}, (basic, 2, 16, {"option": "A", "se": 0.25})),
        (bottleneck, {"groups": 2}, {"width": 8}, (bottleneck, 2, 8, {"groups": 2})),
        (mbconv, {"kernel": 3, "kind": "relu6"}, {"kernel": 7}, (mbconv, 2, 16, {"kernel": 7, "kind": "relu6"})),
        (mbconv, {}, {"expand": 3, "se": 0}, (mbconv, 2, 16, {"expand": 3, "se": 0})),
        (fused_mbconv, {"expand": 4}, {"expand": 1}, (fused_mbconv, 2, 16, {"expand": 1})),
        (mbconv_v3, {"se": False}, {"se": 1}, (mbconv_v3, 2, 16, {"se": True})),
        (mbconv_v3, {"se": True}, {"se": False, "expand": 2.5}, (mbconv_v3, 2, 16, {"se": False, "expand": 2.5})),
        (regnet_bottleneck, {"group_width": 8}, {"se": 0.5}, (regnet_bottleneck, 2, 16, {"group_width": 8, "se": 0.5})),
        # Another block: as many channels leave it, and only an option that means the same stays.
        (plain, {}, {"block": "basic"}, (basic, 2, 16, {})),
        (plain, {}, {"block": "bottleneck"}, (bottleneck, 2, 4, {})),
        (bottleneck, {"se": 0.25, "groups": 2}, {"block": "basic"}, (basic, 2, 64, {"se": 0.25})),
        (basic, {"option": "A"}, {"block": "bottleneck"}, (bottleneck, 2, 4, {"option": "A"})),
        (basic, {"se": 0.5}, {"block": "mbconv"}, (mbconv, 2, 16, {})),
        (mbconv, {"kernel": 5, "se": 0.5, "kind": "relu"}, {"block": "plain"}, (plain, 2, 16, {})),
        (
            *(mbconv, {"kernel": 5, "expand": 3, "se": 0.5, "kind": "relu"}, {"block": "fused_mbconv"}),
            (fused_mbconv, 2, 16, {"kernel": 5, "expand": 3, "kind": "relu"}),
        ),
        (fused_mbconv, {"kernel": 5}, {"block": "mbconv"}, (mbconv, 2, 16, {"kernel": 5})),
        (mbconv_v3, {"kernel": 5, "expand": 2.5}, {"block": "mbconv"}, (mbconv, 2, 16, {})),
        (regnet_bottleneck, {"group_width": 8}, {"block": "fused_mbconv"}, (fused_mbconv, 2, 16, {})),
        (mbconv, {"kernel": 5}, {"block": "mbconv"}, (mbconv, 2, 16, {"kernel": 5})),  # the same: nothing changes
        # The block comes first, in whatever order they are told.
        (plain, {}, {"kernel": 5, "width": 24, "block": "mbconv", "depth": 1}, (mbconv, 1, 24, {"kernel": 5})),
        (plain, {}, {"width": 10, "block": "bottleneck"}, (bottleneck, 2, 10, {})),
        (plain, {}, {}, (plain, 2, 16, {})),
    ],
)
def test_rows(block, options, changes, expected):
    start = small(block, **options)
    before = copy.deepcopy(start)
    found = edited(start, {2: changes})
    row = found.stages[1]
    assert (row.block, row.depth, row.width, row.options) == expected
    assert (row.stride, row.fixed) == (2, start.stages[1].fixed)
    assert replace(found, name="small", stages=(found.stages[0], start.stages[1], found.stages[2])) == start == before
    assert edited(start, {}) == start
    module = found.graph().module(seed=0)
    assert counted(module, 16) == tuple(vars(found.cost()).values())


def test_kernels_squeezes_and_expansions_are_those_of_the_module():
    found = edited(small(plain), {2: {"block": "mbconv", "kernel": 5, "expand": 3, "se": 0.5}, 1: {"block": "basic"}})
    first, second = (dict(found.graph().module().get_submodule(f"stage2.{i}").named_modules()) for i in (0, 1))
    convolutions = [part for part in first.values() if isinstance(part, torch.nn.Conv2d)]
    assert [(c.out_channels, c.kernel_size[0], c.groups) for c in convolutions] == [
        *[(24, 1, 1), (24, 5, 24), (4, 1, 1), (24, 1, 1), (16, 1, 1)]  # 8 channels, 24 inside, 4 squeezed
    ]
    convolutions = [part for part in second.values() if isinstance(part, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [48, 48, 8, 48, 16]


@pytest.mark.parametrize("key", FAMILIES)
def test_another_block_leaves_the_rest_as_it_is(key):
    start = base(key)
    before = start.graph(folded=True).table("stage").set_index("stage")
    number = len(start.stages) // 2
    for name in BLOCKS:
        found = edited(start, {number: {"block": name}})
        after = found.graph(folded=True).table("stage").set_index("stage")
        shapes = ["channels", "size"]
        assert (after[shapes] == before[shapes]).all(axis=None) and found.stages[number - 1].block is BLOCKS[name]
        rest = [stage for stage in before.index if stage != f"stage{number}"]
        assert (after.loc[rest] == before.loc[rest])[["macs", "params", "activations"]].all(axis=None)


@settings(max_examples=40)
@given(data=st.data())
def test_depths_and_widths_are_those_of_the_network(data):
    start = base(data.draw(st.sampled_from(list(FAMILIES))))
    every = range(1, len(start.stages) + 1)
    # Shortcuts of CIFAR networks only add channels, so that their widths must rise.
    widths = st.integers(4, 40).map(lambda n: 8 * n)
    edits = data.draw(
        st.dictionaries(
            st.sampled_from(every),
            st.fixed_dictionaries({}, optional={"depth": st.integers(1, 9), "width": widths}),
            min_size=1,
        )
    )
    if start.name.startswith(("cifar", "small")):
        edits = {number: {k: v for k, v in changes.items() if k != "width"} for number, changes in edits.items()}
    before = copy.deepcopy(start)
    found = edited(start, edits)
    assert start == before
    frame = found.graph().table("layer")
    names = frame["layer"].str.split(".")
    for number in every:
        own, changes = start.stages[number - 1], edits.get(number, {})
        inside = frame[names.str[0] == f"stage{number}"]
        assert names[inside.index].str[1].nunique() == changes.get("depth", own.depth)
        times = TIMES.get(own.block.__name__, 1)
        assert inside["channels"].iloc[-1] == times * changes.get("width", own.width)
    assert frame["params"].sum() == found.cost().params == cl.scaled(found, depth=1.0).cost().params


def test_what_a_block_takes():
    found = {name: options_of(block) for name, block in BLOCKS.items()}
    assert found == {
        "plain": (),
        "basic": ("se",),
        "bottleneck": ("se",),
        "mbconv": ("kernel", "expand", "se"),
        "fused_mbconv": ("kernel", "expand"),
    }
    assert options_of(functools.partial(mbconv, kernel=5)) == ()
    for block in BLOCKS.values():
        stage = cl.Stage(block, 1, 16)
        assert all(option(stage, field) == block.__kwdefaults__[field] for field in options_of(block))
    assert option(cl.Stage(mbconv, 1, 16, options={"kernel": 5}), "kernel") == 5


def test_a_block_of_ones_own():
    def students_block(x, width, stride=1, *, kernel=3, groups=1):
        return conv(x, width, kernel, stride, groups=groups)

    found = edited(small(students_block, groups=2), {2: {"kernel": 5}})
    assert found.stages[1].options == {"groups": 2, "kernel": 5}
    with pytest.raises(ValueError, match="its block, students_block, takes no se; it takes depth, width, kernel"):
        edited(small(students_block), {2: {"se": 0.5}})
    with pytest.raises(ValueError, match="takes no kernel; it takes depth, width"):
        edited(small(functools.partial(conv, kernel=3)), {2: {"kernel": 5}})
    assert edited(small(students_block, groups=2), {2: {"block": "basic"}}).stages[1].options == {}


# What is no edit.


@pytest.mark.parametrize(
    ("edits", "error", "words"),
    [
        ({5: {"depth": 2}}, ValueError, "stage5 of resnet50: there is no such stage; it has stages 1 to 4"),
        ({0: {"depth": 2}}, ValueError, "stage0 of resnet50: there is no such stage"),
        ({"1": {"depth": 2}}, TypeError, "edits['1'] of resnet50: a stage goes by its number, from 1 to 4"),
        ({1.0: {"depth": 2}}, TypeError, "edits[1.0] of resnet50: a stage goes by its number"),
        ({True: {"depth": 2}}, TypeError, "edits[True] of resnet50: a stage goes by its number"),
        ({1: 5}, TypeError, "stage1 of resnet50: 5: it must be fields with values, such as {'kernel': 5}"),
        (
            *({1: {"stride": 2}}, ValueError),
            "stage1 of resnet50: 'stride' cannot be edited; it must be one of block, depth, width, kernel, expand, se",
        ),
        ({1: {"depth": 0}}, ValueError, "stage1 of resnet50: depth=0: depth must be a whole number from 1 to 1000"),
        ({1: {"depth": 1001}}, ValueError, "depth=1001: depth must be a whole number from 1 to 1000"),
        ({1: {"depth": 2.5}}, ValueError, "depth=2.5: depth must be a whole number"),
        ({1: {"depth": "2"}}, TypeError, "depth='2': depth must be a whole number from 1 to 1000, not a str"),
        ({1: {"depth": None}}, TypeError, "depth=None: depth must be a whole number"),
        ({1: {"depth": np.array([1, 2])}}, TypeError, "depth must be one whole number, not an array"),
        ({1: {"width": 10_001}}, ValueError, "width=10001: width must be a whole number from 1 to 10000"),
        ({1: {"width": -8}}, ValueError, "width=-8: width must be"),
        ({1: {"width": True}}, TypeError, "width=True: width must be a whole number from 1 to 10000, not a bool"),
        ({1: {"kernel": 5}}, ValueError, "its block, bottleneck, takes no kernel; it takes depth, width, se"),
        ({1: {"block": "basic", "expand": 2}}, ValueError, "its block, basic, takes no expand; it takes depth, width"),
        (
            {1: {"block": "dense"}},
            ValueError,
            "block='dense': it must be one of plain, basic, bottleneck, mbconv, fused",
        ),
        ({1: {"block": ["basic"]}}, ValueError, "block=['basic']: it must be one of plain"),
        ({1: {"block": None}}, ValueError, "block=None: it must be one of plain"),
        (
            {1: {"block": "mbconv", "kernel": 4}},
            ValueError,
            "kernel=4: it must be odd, so that the image keeps its size",
        ),
        ({1: {"block": "mbconv", "kernel": 33}}, ValueError, "kernel=33: kernel must be a whole number from 1 to 31"),
        ({1: {"block": "mbconv", "kernel": "5"}}, TypeError, "kernel='5': kernel must be a whole number"),
        ({1: {"block": "mbconv", "expand": 65}}, ValueError, "expand=65: expand must be a whole number from 1 to 64"),
        ({1: {"block": "mbconv", "expand": 2.5}}, ValueError, "expand=2.5: expand must be a whole number"),
        ({1: {"block": "mbconv", "se": 1.5}}, ValueError, "se=1.5: se must be a number at least 0 and at most 1"),
        ({1: {"se": math.nan}}, ValueError, "se=nan: se must be a number at least 0 and at most 1"),
        ({1: {"se": -0.1}}, ValueError, "se=-0.1: se must be"),
        ({1: {"se": True}}, TypeError, "se=True: se must be a number at least 0 and at most 1, not a bool"),
    ],
)
def test_what_is_no_edit_is_told(edits, error, words):
    start = base("resnet")
    before = copy.deepcopy(start)
    with pytest.raises(error) as told:
        edited(start, edits)
    assert words in str(told.value), str(told.value)
    assert start == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"se": 0.5, "expand": 0}, "expand=0: expand must be a number above 0 and at most 64"),
        ({"expand": 64.5}, "expand=64.5: expand must be a number above 0 and at most 64"),
        ({"se": 2}, "se=2: se must be a number at least 0 and at most 1"),
    ],
)
def test_what_is_no_edit_of_mobilenet_v3(changes, words):
    with pytest.raises(ValueError) as told:
        edited(base("mobilenet_v3"), {4: changes})
    assert words in str(told.value)


def test_architectures_of_arrays_are_refused():
    many = cl.scaled(base("resnet"), width=np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="stage1 of resnet50 holds arrays, so it is many stages; edit one of numbers"):
        edited(many, {1: {"depth": 2}})


def test_the_name_says_what_was_edited():
    found = edited(base("resnet"), {3: {"block": "mbconv", "kernel": 5}, 4: {"depth": 2}})
    assert found.name == "resnet50 3.block=mbconv 3.kernel=5 4.depth=2"
    assert set(FIELDS) == {"block", "depth", "width", *options_of(mbconv)}
