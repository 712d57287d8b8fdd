"""Architectures as data: a student's own block works everywhere at once; tables add up; bad rows are refused."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

import cnnlab as cl
from cnnlab.arch.blocks import act, add, avg_pool, basic, bottleneck, conv, conv_stem, mbconv, norm, shortcut
from tests import oracles


def mixed(x, width, stride=1, *, kernel=5):  # a student's block: eight lines, groups, and a branch
    half = width // 2
    y = act(norm(conv(x, half, 1)))
    y = act(norm(conv(y, half, kernel, stride, groups=half)), "silu")
    z = norm(conv(avg_pool(x, stride, stride) if stride > 1 else x, width, 1))
    y = add(norm(conv(y, width, 1)), z)
    return act(add(y, shortcut(x, width, stride)))


def mine(**changes):
    rows = [
        cl.Stage(mixed, depth=1, width=16),
        cl.Stage(mixed, depth=3, width=32, stride=2, options={"kernel": 3}),
        cl.Stage(mbconv, depth=2, width=48, stride=2, options={"expand": 4}),
    ]
    fields = {"stem": cl.Stage(conv_stem, 1, 16), "stages": rows, "resolution": 32, "classes": 7} | changes
    return cl.Architecture("mine", **fields)


def test_a_students_block_works_everywhere_at_once():
    arch = mine()
    module = arch.graph().module(seed=0)
    assert module(torch.randn(2, 3, 32, 32)).shape == (2, 7)
    assert arch.cost().params == oracles.numel(module)
    traced = cl.trace(module, 32)
    assert traced.cost() == arch.cost() == arch.graph().cost()
    assert traced.table("stage")["macs"].tolist() == arch.graph().table("stage")["macs"].tolist()
    assert arch.cost().macs == oracles.macs(module, 32)
    assert "mixed kernel=3" in str(arch)
    assert "dw 3x3 16" in str(arch)
    d, w, r = np.array([1.0, 2.0, 1.3]), np.array([0.5, 1.0, 2.2]), np.array([16, 40, 36])
    loop = [cl.scaled(arch, depth=a, width=b, resolution=c).cost().macs for a, b, c in zip(d, w, r, strict=True)]
    assert cl.scaled(arch, depth=d, width=w, resolution=r).cost().macs.tolist() == loop


def test_architectures_are_frozen_values():
    assert mine() == mine()
    assert hash(mine()) == hash(mine())
    assert mine() != mine(classes=8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        mine().classes = 8


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "cifar_resnet20"])
@pytest.mark.parametrize("by", ["layer", "block", "stage"])
def test_tables_add_up_to_the_cost(name, by):
    graph = cl.architecture(name).graph()
    table = graph.table(by)
    cost = graph.cost()
    assert [table[c].sum() for c in ("macs", "params", "activations")] == [cost.macs, cost.params, cost.activations]
    assert table["share"].sum() == pytest.approx(1)
    assert table[by].is_unique


def test_stage_tables_agree_with_the_modules_own_parts():
    graph = cl.architecture("efficientnet_b0").graph()
    module = graph.module()
    for by in ("stage", "block"):
        for row in graph.table(by).itertuples():
            assert row.params == oracles.numel(module.get_submodule(getattr(row, by)))


def test_folded_tables_agree_with_unfolded_ones():
    arch = cl.architecture("resnet101")
    columns = ["stage", "channels", "size", "macs", "params", "activations"]
    folded, whole = (arch.graph(folded=f).table("stage")[columns] for f in (True, False))
    assert folded.equals(whole)


def test_tables_of_traced_networks_find_the_stages():
    from torchvision import models

    stages = cl.trace(models.resnet18()).table("stage")["stage"].tolist()
    assert stages == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    blocks = cl.trace(models.efficientnet_b0()).table("block")["block"].tolist()
    assert blocks[:4] == ["features.0", "features.1.0", "features.2.0", "features.2.1"]


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match="by='color': choose one of layer, block, stage"):
        mine().graph().table("color")


def test_costs_add_up():
    parts = [cl.Cost(1, 2, 3), cl.Cost(10, 20, 30)]
    assert sum(parts) == parts[0] + parts[1] == cl.Cost(11, 22, 33)
    assert cl.Cost(5).flops == 10
    with pytest.raises(TypeError):
        cl.Cost(1) + 5


def odd(x, width, stride=1):
    return conv(x, width, 3, stride, groups=3)


def one(block, width, **options):
    return cl.Architecture("one", STEM, [cl.Stage(block, 1, width, 1, options)])


STEM = cl.Stage(conv_stem, 1, 16)
BAD = [
    (lambda: cl.Stage(basic, 0, 16), ValueError, r"basic: depth=0: depth must be a whole number, 1 or more"),
    (lambda: cl.Stage(basic, -2, 16), ValueError, r"basic: depth=-2: depth must be"),
    (lambda: cl.Stage(basic, 2.5, 16), ValueError, r"basic: depth=2.5: depth must be a whole number"),
    (lambda: cl.Stage(basic, math.nan, 16), ValueError, r"basic: depth=nan: depth must be a whole number"),
    (lambda: cl.Stage(basic, "2", 16), TypeError, r"basic: depth='2': depth must be a whole number.*not a str"),
    (lambda: cl.Stage(basic, 1, 0), ValueError, r"basic: width=0: width must be a whole number, 1 or more"),
    (lambda: cl.Stage(basic, 1, 16, stride=0), ValueError, r"basic: stride=0: stride must be"),
    (lambda: cl.Stage(basic, np.array([1, 0]), 16), ValueError, r"basic: depth=0: depth must be"),
    (lambda: cl.Stage("basic", 1, 16), TypeError, r"block='basic': it must be a function"),
    (lambda: cl.Stage(basic, 1, 16, 1, {"kernel": 5}), TypeError, r"basic: options has 'kernel'.*it takes: option"),
    (lambda: cl.Stage(basic, 1, 16, 1, {"width": 5}), TypeError, r"basic: options has 'width'.*it takes: option"),
    (lambda: cl.Architecture("a", STEM, ()), ValueError, r"a: stages is empty"),
    (lambda: mine(resolution=3), ValueError, r"mine: resolution=3: its strides shrink the image 4 times.*from 4 to"),
    (lambda: mine(classes=0), ValueError, r"mine: classes=0: classes must be a whole number, 1 or more"),
    (
        lambda: mine(drop_path=1.0),
        ValueError,
        r"mine: drop_path=1.0: drop_path must be a number at least 0 and below 1",
    ),
    (lambda: mine(drop_path="a"), TypeError, r"mine: drop_path='a': drop_path must be a number"),
    (lambda: mine(stages=[cl.Stage(basic, 1, 16, 1, {"option": "C"})]).cost(), ValueError, r"option='C': the shortcut"),
    (lambda: cl.architecture("resnet19"), ValueError, r"'resnet19' is unknown; did you mean resnet1\d"),
    (lambda: cl.architecture("transformer"), ValueError, r"'transformer' is unknown; (the names are|did you mean)"),
    (lambda: cl.architecture(50), ValueError, r"architecture 50 is unknown"),
    (lambda: cl.architecture("resnet18", resolution=16), ValueError, r"resnet18: resolution=16: .*from 32 to 4096"),
    (
        lambda: cl.Architecture("deep", STEM, [cl.Stage(basic, 10**6, 16)], resolution=32).graph(),
        ValueError,
        r"deep has 1,000,000 blocks, too many to write out",
    ),
    (
        lambda: cl.scaled(mine(), width=np.array([1, 2])).graph(),
        ValueError,
        r"mine holds arrays, so it is many networks.*use .cost\(\)",
    ),
    (lambda: one(bottleneck, 8, group_width=4).cost(), ValueError, r"stage1.0.conv1: width=0: width must be"),
    (lambda: cl.Stage(basic, 1, 16, stride=np.array([1, 2])), TypeError, r"basic: stride=.*must be one whole number"),
    (lambda: one(mbconv, 16, kernel="5").cost(), TypeError, r"kernel='5': kernel must be a whole number"),
    (lambda: one(mbconv, 16, kernel=0).cost(), ValueError, r"kernel=0: kernel must be a whole number"),
    (lambda: one(mbconv, 16, expand=0).cost(), ValueError, r"stage1.0.conv1: width=0: width must be a whole number"),
    (lambda: one(mbconv, 16, expand=1.01).cost(), ValueError, r"stage1.0.conv1: width=16.16: width must be a whole"),
    (lambda: one(mbconv, 16, se=math.nan).cost(), ValueError, r"se=nan: se must be a number above 0 and at most 16"),
    (
        lambda: mine(head=cl.Head(options={"drop": 1.5})).cost(),
        ValueError,
        r"head.dropout1: rate=1.5: rate must be a number at least 0 and at most 1",
    ),
    (lambda: one(odd, 16).cost(), ValueError, r"stage1.0.conv1: groups=3 does not divide its 16 input channels"),
]


@pytest.mark.parametrize(("build", "error", "sentence"), BAD, ids=lambda case: case if isinstance(case, str) else "")
def test_bad_rows_are_refused_with_the_field_the_value_and_the_range(build, error, sentence):
    with pytest.raises(error, match=sentence):
        build()


def test_names_outside_the_package_say_what_there_is():
    with pytest.raises(AttributeError, match=r"cnnlab has no 'resnet50'; its names are Architecture"):
        _ = cl.resnet50
    assert set(cl.__all__) <= set(dir(cl))
    assert all(getattr(cl, name) is not None for name in cl.__all__)
