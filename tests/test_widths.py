"""Width groups: channels that can only go together, on networks whose groups are known by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnlab as cl
from cnnlab.arch.blocks import act, add, concat, conv, flatten, global_pool, linear, multiply, norm
from cnnlab.arch.graph import Graph, Image, image
from cnnlab.arch.layers import ACTIVATIONS, PadChannels, Shuffle, Slice
from cnnlab.arch.widths import Group, Widths, widths
from cnnlab.arch.zeros import AT_ZERO
from tests import oracles
from tests.nets import net


def end(x: Image, classes: int = 5) -> Graph:
    return linear(flatten(global_pool(x)), classes).graph("hand")


def free(found: Widths) -> dict[str, int]:
    return {group.name: len(group) for group in found.groups if not group.locked}


def labels(found: Widths, name: str) -> list[int]:
    return found.labels[[layer.name for layer in found.graph.layers].index(name)].tolist()


def together(found: Widths, layer: str, channel: int) -> dict[str, list[int]]:
    """name of a layer -> its channels that go when this channel of that layer goes."""
    unit = labels(found, layer)[channel]
    held = {
        one.name: np.flatnonzero(own == unit).tolist()
        for one, own in zip(found.graph.layers, found.labels, strict=True)
    }
    return {name: places for name, places in held.items() if places}


def plain() -> Graph:
    return end(conv(act(norm(conv(image(3, 8), 6))), 4))


def residual() -> Graph:
    x = conv(image(3, 8), 4)
    return end(add(conv(act(conv(x, 6)), 4), x))


def depthwise() -> Graph:
    x = conv(image(3, 8), 6)
    return end(conv(conv(x, 6, groups=6), 4))


def multiplier() -> Graph:
    return end(conv(conv(conv(image(3, 8), 4), 8, groups=4), 4))


def gathering() -> Graph:
    """Two channels in, one out, of each group."""
    return end(conv(conv(conv(image(3, 8), 8), 4, groups=4), 4))


def one_channel() -> Graph:
    return end(conv(conv(conv(image(3, 8), 1), 1), 4))


def flat() -> Graph:
    return linear(flatten(conv(image(3, 4), 3)), 2).graph("hand")


def concats() -> Graph:
    x = conv(image(3, 8), 2)
    return end(conv(concat(conv(x, 3), x, conv(x, 4)), 5))


def twice() -> Graph:
    x = conv(image(3, 8), 3)
    return end(conv(concat(x, x), 5))


def padded() -> Graph:
    x = conv(image(3, 8), 3)
    return end(add(conv(x, 5), x.apply("pad", PadChannels(5))))


def halves() -> Graph:
    x = conv(image(3, 8), 6)
    a, b = x.apply("slice", Slice(0, 2)), x.apply("slice", Slice(2, 6))
    return end(concat(conv(a, 3), b))


def shuffled() -> Graph:
    return end(conv(conv(image(3, 8), 6).apply("shuffle", Shuffle(2)), 4))


def gate() -> Graph:
    x = conv(image(3, 8), 4)
    squeeze = act(conv(global_pool(x), 2, 1, bias=True))
    return end(conv(multiply(x, act(conv(squeeze, 4, 1, bias=True), "sigmoid")), 3))


@pytest.mark.parametrize(
    ("make", "groups", "layer", "channel", "go"),
    [
        (plain, {"conv1": 6, "conv2": 4}, "conv1", 2, {"conv1": [2], "norm1": [2], "act1": [2]}),
        (residual, {"conv1": 4, "conv2": 6}, "conv3", 1, {"conv1": [1], "conv3": [1], "add1": [1]}),
        (depthwise, {"conv1": 6, "conv3": 4}, "conv2", 5, {"conv1": [5], "conv2": [5]}),
        (multiplier, {"conv1": 4, "conv3": 4}, "conv2", 3, {"conv1": [1], "conv2": [2, 3]}),
        (gathering, {"conv1": 4, "conv3": 4}, "conv1", 3, {"conv1": [2, 3], "conv2": [1]}),
        (one_channel, {"conv1": 1, "conv2": 1, "conv3": 4}, "conv2", 0, {"conv2": [0]}),
        (flat, {"conv1": 3}, "conv1", 1, {"conv1": [1], "flatten1": [*range(16, 32)]}),
        (concats, {"conv1": 2, "conv2": 3, "conv3": 4, "conv4": 5}, "conv3", 1, {"conv3": [1], "concat1": [6]}),
        (concats, {"conv1": 2, "conv2": 3, "conv3": 4, "conv4": 5}, "conv1", 1, {"conv1": [1], "concat1": [4]}),
        (twice, {"conv1": 3, "conv2": 5}, "conv1", 2, {"conv1": [2], "concat1": [2, 5]}),
        (padded, {"conv1": 3, "conv2": 2}, "conv2", 1, {"conv1": [1], "conv2": [1], "pad1": [1], "add1": [1]}),
        (padded, {"conv1": 3, "conv2": 2}, "conv2", 4, {"conv2": [4], "pad1": [4], "add1": [4]}),
        (halves, {"conv1": 2, "conv1 (2)": 4, "conv2": 3}, "conv1", 3, {"conv1": [3], "slice2": [1], "concat1": [4]}),
        (shuffled, {"conv1": 3, "conv2": 4}, "conv1", 1, {"conv1": [1, 4], "shuffle1": [2, 3]}),
        (gate, {"conv1": 4, "conv2": 2, "conv4": 3}, "conv1", 3, None),
    ],
)
def test_by_hand(make, groups, layer, channel, go):
    found = widths(make())
    assert free(found) == groups
    if go is not None:
        pooled = {"pool1", "flatten1"} if "flatten1" not in go else set()
        assert {name: places for name, places in together(found, layer, channel).items() if name not in pooled} == go


def parts(found: Widths, group: Group) -> Mapping[str, set[str]]:
    names = [layer.name for layer in found.graph.layers]
    return {what: {names[i] for i in getattr(group, what)} for what in ("writers", "readers", "gates")}


def test_gates_are_the_last_writers_before_a_reader():
    found = widths(cl.architecture("efficientnet_b0").graph())
    assert parts(found, found.by_name["stage2.0.conv1"]) == {
        "writers": {f"stage2.0.{name}" for name in ("conv1", "norm1", "conv2", "norm2", "se.conv2")},
        "readers": {"stage2.0.se.conv1", "stage2.0.conv3"},
        "gates": {"stage2.0.norm2"},  # not its own norm, and not the gate's convolution
    }
    assert parts(found, found.by_name["stage2.0.se.conv1"]) == {
        "writers": {"stage2.0.se.conv1"},
        "readers": {"stage2.0.se.conv2"},
        "gates": {"stage2.0.se.conv1"},
    }
    resnet = widths(cl.architecture("resnet18").graph())
    trunk = parts(resnet, resnet.by_name["stem.conv1"])
    assert trunk["writers"] == {
        *("stem.conv1", "stem.norm1", "stage1.0.conv2", "stage1.0.norm2", "stage1.1.conv2", "stage1.1.norm2")
    }
    assert trunk["gates"] == {name for name in trunk["writers"] if "norm" in name}
    assert trunk["readers"] == {"stage1.0.conv1", "stage1.1.conv1", "stage2.0.conv1", "stage2.0.shortcut.conv1"}


def test_a_dense_layer_has_a_gate_in_every_norm_that_reads_the_concatenation():
    found = widths(cl.architecture("densenet121").graph())
    group = next(group for group in found.groups if group.name == "dense1.0.conv2")
    gates = parts(found, group)["gates"]
    assert len(group) == 32
    assert gates == {name for name in parts(found, group)["writers"] if "norm" in name}
    assert len(gates) == 6  # five more layers of the block, and the transition


def test_locks_have_a_reason():
    convnext = widths(cl.architecture("convnext_tiny").graph())
    told = {group.name: group.locked for group in convnext.groups if group.locked}
    assert told["input"] == "it is the image that enters"
    assert told["head.linear1"] == "it is the network's output"
    assert "normalises over all channels together" in told["stem.conv1"]
    assert free(convnext)["stage1.0.block.linear1"] == 384  # what lies inside a block is free


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_an_activation_that_revives_0_locks_what_it_feeds(kind):
    torch_says = {"hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "silu": F.silu, "relu6": F.relu6}
    function = torch_says.get(kind) or getattr(F, kind, None) or getattr(torch, kind)
    at_zero = float(function(torch.zeros(1)))
    assert AT_ZERO.get(kind, 0.0) == at_zero
    inner = act(conv(image(3, 8), 4, bias=True), kind)
    found = widths(end(conv(inner, 3)))
    assert bool(found.by_name["conv1"].locked) == (at_zero != 0)
    if at_zero:
        assert found.by_name["conv1"].locked == ("act1 turns 0 into 0.5, so a masked channel would still reach conv2")


def test_narrowing_by_nothing_changes_nothing():
    for name in ("resnet18", "efficientnet_b0", "densenet121", "convnext_tiny", "googlenet"):
        graph = cl.architecture(name).graph()
        found = widths(graph)
        assert found.narrowed(np.ones(found.count, bool)) == graph


def test_folded_graphs_are_refused():
    with pytest.raises(ValueError, match="stands for several layers"):
        widths(cl.architecture("resnet50").graph(folded=True))


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "mobilenet_v2", "efficientnet_b0", "densenet121"])
def test_every_unit_is_in_one_group_and_every_channel_has_a_unit(name):
    found = widths(cl.architecture(name).graph())
    units = np.concatenate([group.units for group in found.groups])
    assert sorted(units) == list(range(found.count))
    for group in found.groups:
        for i in group.layers:
            places = found.places(group, i)
            assert places.shape[0] == len(group)
            assert (found.labels[i][places] == group.units[:, None]).all()


def test_what_moves_together_is_what_moves():
    """The oracle: set one channel of one layer to a number and see where the network's images change their zeros."""
    model = net(
        lambda self, x: self.head(self.down(torch.relu(self.up(x)) + self.skip(x)).mean((2, 3))),
        up=nn.Conv2d(3, 4, 1, bias=False), skip=nn.Conv2d(3, 4, 1, bias=False), down=nn.Conv2d(4, 2, 1, bias=False),
        head=nn.Linear(2, 3),
    )  # fmt: skip
    found = widths(cl.trace(model, 8))
    assert together(found, "up", 2).keys() >= {"up", "skip"}
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        for part in (model.up, model.skip):
            part.weight[2] = 0
        before = model(x)
        model.down.weight[:, 2] = 100  # nobody listens any more
        assert torch.equal(model(x), before)
    assert oracles.numel(model) == found.graph.cost().params
