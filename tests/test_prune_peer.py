"""Width groups beside Torch-Pruning's: what goes with one channel, in which layers, and at which places."""

from __future__ import annotations

import copy
from functools import cache

import pytest
import torch
import torch_pruning as tp
from torch import nn
from torch.nn import functional as F
from torchvision import models

import cnnlab as cl
from cnnlab.arch.widths import Widths, widths
from tests import oracles
from tests.nets import net

PIXELS = 64
KINDS = (nn.Conv2d, nn.Linear, nn.BatchNorm2d)

Places = dict[str, list[int]]
"""name of a layer -> channels"""


@cache
def followed(name: str) -> tuple[nn.Module, Widths, tp.DependencyGraph]:
    """A network of torchvision's, as we and they see it."""
    model = models.get_model(name).eval()
    graph = tp.DependencyGraph().build_dependency(model, torch.randn(1, 3, PIXELS, PIXELS))
    return model, widths(cl.trace(model, PIXELS)), graph


def ours(found: Widths, layer: str, channel: int) -> tuple[Places, Places]:
    """What goes with a channel of a layer: of the channels that layers put out, and of those that they take in."""
    layers = found.graph.layers
    unit = found.labels[[one.name for one in layers].index(layer)][channel]
    group = next(group for group in found.groups if unit in group.units)

    def places(at: int) -> list[int]:
        return (found.labels[at] == unit).nonzero()[0].tolist()

    out = {layers[i].name: places(i) for i in group.writers}
    return out, {layers[i].name: places(layers[i].inputs[0]) for i in group.readers}


def theirs(model: nn.Module, graph: tp.DependencyGraph, layer: str, channel: int) -> tuple[Places, Places]:
    """The same, as Torch-Pruning has it; a depthwise convolution's channels are both, and count as put out."""
    names = {part: name for name, part in model.named_modules()}
    out: Places = {}
    into: Places = {}
    for dep, places in graph.get_pruning_group(model.get_submodule(layer), tp.prune_conv_out_channels, idxs=[channel]):
        if isinstance(dep.target.module, KINDS):
            side = out if graph.is_out_channel_pruning_fn(dep.handler) else into
            side[names[dep.target.module]] = sorted(places)
    return out, into


CASES = {
    "resnet18": ("conv1", "layer1.0.conv1", "layer2.0.conv2", "layer3.0.downsample.0", "layer4.1.conv2"),
    "mobilenet_v2": ("features.0.0", "features.2.conv.0.0", "features.2.conv.1.0", "features.4.conv.2"),
    "densenet121": (
        "features.conv0",
        "features.denseblock1.denselayer2.conv1",
        "features.denseblock1.denselayer3.conv2",
        "features.transition2.conv",
        "features.denseblock4.denselayer16.conv2",
    ),
}


@pytest.mark.parametrize("channel", [0, 5, -1])
@pytest.mark.parametrize(("name", "layer"), [(name, layer) for name, layers in CASES.items() for layer in layers])
def test_what_goes_with_a_channel(name: str, layer: str, channel: int) -> None:
    model, found, graph = followed(name)
    channel %= model.get_submodule(layer).out_channels
    out, into = ours(found, layer, channel)
    assert out[layer] == [channel]
    assert (out, into) == theirs(model, graph, layer, channel)


@pytest.mark.parametrize("name", CASES)
def test_sets_of_layers(name: str) -> None:
    """All groups of a network, but that of the classifier, which they leave out if they are told and we lock."""
    model, found, graph = followed(name)
    names = {part: name for name, part in model.named_modules()}
    last = [part for part in model.modules() if isinstance(part, nn.Linear)][-1]
    theirs = [
        {
            names[dep.target.module]
            for dep, _ in group
            if graph.is_out_channel_pruning_fn(dep.handler) and isinstance(dep.target.module, KINDS)
        }
        for group in graph.get_all_groups(ignored_layers=[last])
    ]
    ours = [{found.graph.layers[i].name for i in group.writers} for group in found.groups if not group.locked]
    assert sorted(map(sorted, ours)) == sorted(map(sorted, theirs))


# The parameter-free shortcut of CIFAR ResNets: every other pixel, and zeros for the channels that are missing. Here
# Torch-Pruning 1.6.1 is no oracle: it numbers channels behind F.pad as before it. Where zeros come first the shapes fit
# and the output is wrong; where they come last it asks for channels that there are none of. A network masked by hand is
# the oracle instead.

BEFORE, AFTER = 6, 10


def padded(*zeros: int) -> nn.Module:
    """A convolution, then a block with a shortcut that puts so many channels of zeros before and after."""

    def forward(self: nn.Module, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm0(self.conv0(x)))
        short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, *zeros))
        y = F.relu(self.norm1(self.conv1(x)) + short)
        return self.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))

    torch.manual_seed(0)
    parts = {
        "conv0": nn.Conv2d(3, BEFORE, 3, padding=1, bias=False),
        "norm0": nn.BatchNorm2d(BEFORE),
        "conv1": nn.Conv2d(BEFORE, AFTER, 3, 2, padding=1, bias=False),
        "norm1": nn.BatchNorm2d(AFTER),
        "fc": nn.Linear(AFTER, 4),
    }
    return oracles.randomised(net(forward, **parts))


@pytest.mark.parametrize(
    ("zeros", "group", "unit", "goes"),
    [
        ((0, 4), "conv0", 5, {"conv0": [5], "conv1": [5]}),
        ((0, 4), "conv1", 0, {"conv1": [6]}),
        ((0, 4), "conv1", 3, {"conv1": [9]}),
        ((2, 2), "conv0", 0, {"conv0": [0], "conv1": [2]}),
        ((2, 2), "conv0", 5, {"conv0": [5], "conv1": [7]}),
        ((2, 2), "conv1", 1, {"conv1": [1]}),
        ((2, 2), "conv1 (2)", 1, {"conv1": [9]}),
        ((4, 0), "conv0", 3, {"conv0": [3], "conv1": [7]}),
    ],
)
def test_padded_shortcut(zeros: tuple[int, int], group: str, unit: int, goes: Places) -> None:
    model = padded(*zeros)
    masked = copy.deepcopy(model)
    with torch.no_grad():
        for layer, channels in goes.items():
            masked.get_submodule(layer).weight[channels] = 0
            norm = masked.get_submodule(layer.replace("conv", "norm"))
            norm.weight[channels] = norm.bias[channels] = 0
    plan = cl.prune.plan(model, remove={group: [unit]}, resolution=16)
    small = plan.apply(model)
    assert {name: getattr(small, name).out_channels for name in ("conv0", "conv1")} == {
        "conv0": BEFORE - len(goes.get("conv0", [])),
        "conv1": AFTER - 1,
    }
    assert oracles.difference(masked, small, 16) < 1e-6
    assert oracles.difference(masked, model, 16) > 1e-3
    assert plan.verify(model).difference < 1e-9
