"""Conventions: each tool's own total, to the last unit, on other people's networks and on ours; and why they differ."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.arch import blocks
from cnnlab.arch import layers as op
from cnnlab.arch.conventions import COMPONENTS, CONVENTIONS
from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.reconcile import explain, reconcile
from tests.counters import TOOLS
from tests.references import TORCHVISION, reference

CNNS = [name for name in sorted(TORCHVISION) if not name.startswith(("vit", "swin", "maxvit"))]
ODD = [  # one network of each family and way of writing, at a size that leaves windows over
    *("alexnet", "vgg11_bn", "resnet18", "squeezenet1_1", "densenet121", "googlenet", "inception_v3", "mobilenet_v2"),
    *("mnasnet0_5", "shufflenet_v2_x0_5", "efficientnet_b0", "regnet_y_400mf", "convnext_tiny"),
]


def ours(graph: Graph) -> dict[str, int]:
    return {tool: graph.cost(convention=tool).macs for tool in TOOLS}


def theirs(module: nn.Module, resolution: int, channels: int = 3) -> dict[str, int]:
    return {tool: count(module, resolution, channels) for tool, count in TOOLS.items()}


CASES = [(name, 75 if name == "inception_v3" else 64) for name in CNNS] + [(name, 97) for name in ODD]


@pytest.mark.parametrize(("name", "resolution"), CASES)
def test_torchvisions_networks_cost_what_each_tool_says(name, resolution):
    module = reference(name)
    assert ours(cl.trace(module, resolution)) == theirs(module, resolution)


ZOO = [  # rows of stages and functions alike
    *("plain18", "resnet50", "cifar_resnet20", "cifar_resnet20_b", "efficientnet_b1", "mobilenet_v3_small"),
    *("regnet_y_400mf", "squeezenet1_1", "googlenet", "convnext_tiny"),
]


@pytest.mark.parametrize("name", ZOO)
def test_the_zoos_modules_cost_what_each_tool_says(name):
    arch = cl.architecture(name, resolution=65)
    graph = arch.graph()
    assert ours(graph) == theirs(graph.module(), 65)
    assert {tool: arch.cost(convention=tool).macs for tool in TOOLS} == ours(graph)  # folded, and unfolded


# One layer on 16 channels of 8x8 pixels, 1,024 numbers. The charges of fvcore, torchinfo, ptflops and thop by hand.
LAYERS = {
    "conv": (lambda x: blocks.conv(x, 8, 3), (73728, 73728, 73728, 73728)),
    "conv with bias": (lambda x: blocks.conv(x, 8, 3, bias=True), (73728, 74240, 74240, 73728)),
    "depthwise": (lambda x: blocks.conv(x, 16, 3, groups=16), (9216, 9216, 9216, 9216)),
    "batch norm": (blocks.norm, (2048, 32, 2048, 4096)),
    **{kind: (lambda x, kind=kind: blocks.act(x, kind), (0, 0, 0, 0)) for kind in op.ACTIVATIONS},
    "relu": (blocks.act, (0, 0, 2048, 0)),
    "relu6": (lambda x: blocks.act(x, "relu6"), (0, 0, 1024, 0)),
    "silu": (lambda x: blocks.act(x, "silu"), (0, 0, 1024, 0)),
    "gelu": (lambda x: blocks.act(x, "gelu"), (0, 0, 2048, 0)),
    "elu": (lambda x: blocks.act(x, "elu"), (0, 0, 2048, 0)),
    "leaky_relu": (lambda x: blocks.act(x, "leaky_relu"), (0, 0, 1024, 0)),
    "max pool": (lambda x: x.apply("pool", op.MaxPool(2, 2)), (0, 0, 2048, 0)),
    "average pool": (lambda x: x.apply("pool", op.AvgPool(3, 2, 1)), (0, 0, 2048, 256)),
    "global pool": (blocks.global_pool, (1024, 0, 2048, 1040)),
    "adaptive pool": (lambda x: x.apply("pool", op.AdaptivePool(6)), (1024, 0, 2048, 1600)),  # (8/6)^2 + 1 each
    # 64 + 49 for each channel, less the unit that thop's floating point loses (VGG at 256 px has this pool).
    "uneven pool": (lambda x: x.apply("pool", op.AdaptivePool(7)), (1024, 0, 2048, 1807)),
    "linear": (lambda x: blocks.linear(blocks.flatten(x), 10), (10240, 10250, 10250, 10240)),
    "residual add": (lambda x: blocks.add(x, x), (0, 0, 0, 0)),
    "gate multiply": (lambda x: blocks.multiply(x, x), (0, 0, 0, 0)),
    "concat": (lambda x: blocks.concat(x, x), (0, 0, 0, 0)),
    "slice": (lambda x: x.apply("slice", op.Slice(0, 4)), (0, 0, 0, 0)),
    "shuffle": (lambda x: x.apply("shuffle", op.Shuffle(4)), (0, 0, 0, 0)),
    "pad": (lambda x: x.apply("pad", op.Pad(1, 1)), (0, 0, 0, 0)),
    "pad channels": (lambda x: x.apply("pad", op.PadChannels(20)), (0, 0, 0, 0)),
    "layer scale": (lambda x: x.apply("scale", op.LayerScale()), (0, 0, 0, 0)),
    "affine": (lambda x: x.apply("affine", op.Affine(2.0, 1.0)), (0, 0, 0, 0)),
    "dropout": (lambda x: blocks.dropout(x, 0.5), (0, 0, 0, 0)),
    "stochastic depth": (lambda x: x.apply("drop", op.DropPath(0.5)), (0, 0, 0, 0)),
}


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_costs_what_each_tool_says(case):
    write, expected = LAYERS[case]
    graph = write(cl.image(16, 8)).graph("layer")
    assert tuple(ours(graph).values()) == expected
    assert tuple(theirs(graph.module(), 8, 16).values()) == expected


class Calls(nn.Module):
    """A module that calls this function, which it looks up when it runs, as written code does."""

    def __init__(self, function) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 16, 3, padding=1), function

    def forward(self, x):
        return self.function(self.conv(x))


CALLED = {
    "F.relu": lambda x: F.relu(x),
    "F.relu inplace": lambda x: F.relu(x, inplace=True),
    "F.relu6": lambda x: F.relu6(x),
    "F.hardtanh": lambda x: F.hardtanh(x, 0, 6),
    "F.silu": lambda x: F.silu(x),
    "F.gelu": lambda x: F.gelu(x),
    "F.elu": lambda x: F.elu(x),
    "F.hardswish": lambda x: F.hardswish(x),
    "torch.sigmoid": lambda x: torch.sigmoid(x),
    "F.max_pool2d": lambda x: F.max_pool2d(x, 2),
    "F.avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "F.adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (1, 1)),
    "mean": lambda x: x.mean([2, 3]),
    "every other pixel": lambda x: x[:, :, ::2, ::2],
    "+": lambda x: x + x,
    "+=": lambda x: x.__iadd__(x),
    "*": lambda x: x * x,
    "cat": lambda x: torch.cat([x, x], 1),
    "chunk": lambda x: x.chunk(2, 1)[1],
    "flatten": lambda x: torch.flatten(x, 1),
    "F.pad": lambda x: F.pad(x, (1, 1, 1, 1)),
    "F.dropout": lambda x: F.dropout(x, 0.5, False),
    "constants": lambda x: x * 0.5 + 1.0,
}


@pytest.mark.parametrize("case", CALLED)
def test_a_called_function_costs_what_each_tool_says(case):
    module = Calls(CALLED[case])
    assert ours(cl.trace(module, 16)) == theirs(module, 16)


TORCHS = {  # what ptflops tells from F.relu, + and *
    "torch.relu": lambda x: torch.relu(x),
    "torch.add": lambda x: torch.add(x, x),
    "torch.mul": lambda x: torch.mul(x, x),
}


@pytest.mark.parametrize("called", TORCHS)
def test_torchs_own_functions_are_told_from_those_of_the_same_name(called):
    module = Calls(TORCHS[called])
    graph = cl.trace(module, 16)
    layers = (*graph.layers[:-1], graph.output._replace(called=called))
    assert ours(dataclasses.replace(graph, layers=layers)) == theirs(module, 16)


class ChannelsLast(nn.Module):
    """A module of the last dimension, applied to the channels of each pixel, as ConvNeXt's blocks do."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


# 16 channels of 8x8 pixels again; torchvision's LayerNorm2d has a class of its own, which two tools do not know.
PIXELS = {
    "layer norm": (ChannelsLast(nn.LayerNorm(16)), (5120, 32, 1024, 4096)),
    "LayerNorm2d": (nn.Sequential(models.convnext.LayerNorm2d(16)), (5120, 32, 0, 0)),
    "linear": (ChannelsLast(nn.Linear(16, 8)), (8192, 136, 8704, 8192)),
    "linear without bias": (ChannelsLast(nn.Linear(16, 8, bias=False)), (8192, 128, 8192, 8192)),
}


@pytest.mark.parametrize("case", PIXELS)
def test_a_layer_on_each_pixel_costs_what_each_tool_says(case):
    module, expected = PIXELS[case]
    assert tuple(ours(cl.trace(module, 8, channels=16)).values()) == expected
    assert tuple(theirs(module, 8, 16).values()) == expected


class MyConv(nn.Conv2d):
    """Tools that look up a class find none; torchinfo reads "Conv" in its name."""


class MyLinear(nn.Linear):
    """As MyConv."""


class NormAct(nn.BatchNorm2d):
    """timm's BatchNormAct2d in short: a norm with a child, so that torchinfo does not take it for a layer."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias))


OWN = {
    "conv": (MyConv(16, 8, 3, padding=1), (73728, 74240, 0, 0)),
    "linear": (ChannelsLast(MyLinear(16, 8)), (8192, 136, 0, 0)),
    "norm and act": (NormAct(16), (2048, 0, 2048, 0)),
}


@pytest.mark.parametrize("case", OWN)
def test_a_layer_of_a_class_of_its_own_costs_what_each_tool_says(case):
    part, expected = OWN[case]
    module = nn.Sequential(part)
    assert tuple(ours(cl.trace(module, 8, channels=16)).values()) == expected
    assert tuple(theirs(module, 8, 16).values()) == expected


@settings(max_examples=15)
@given(
    resolution=st.integers(9, 40),
    widths=st.lists(st.integers(1, 24), min_size=1, max_size=3),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 3),
    kind=st.sampled_from(op.ACTIVATIONS),
    part=st.integers(1, 7),
    bias=st.booleans(),
)
def test_any_small_network_costs_what_each_tool_says(resolution, widths, kernel, stride, kind, part, bias):
    x = cl.image(3, resolution)
    for width in widths:
        x = blocks.act(blocks.norm(blocks.conv(x, width, kernel, stride, bias=bias)), kind)
    x = x.apply("pool", op.AdaptivePool(part))
    graph = blocks.linear(blocks.flatten(x), 5, bias=bias).graph("small")
    assert ours(graph) == theirs(graph.module(), resolution)


def test_arrays_of_settings_cost_what_each_costs_alone():
    resolution, width = np.array([[97], [224]]), np.array([1.0, 1.4, 2.0])
    arch = cl.scaled(cl.architecture("efficientnet_b0"), width=width, depth=width, resolution=resolution)
    for tool in CONVENTIONS:
        totals = arch.cost(convention=tool).macs
        assert totals.shape == (2, 3)
        for at in np.ndindex(2, 3):
            alone = cl.scaled(
                cl.architecture("efficientnet_b0"),
                width=float(width[at[1]]),
                depth=float(width[at[1]]),
                resolution=int(resolution[at[0], 0]),
            )
            assert totals[at] == alone.graph().cost(convention=tool).macs


# cost_counters.md, section 2, measured with the real tools at 224 px, in the digits given there.
MEASURED = {
    "resnet50": {"macs": 4.089184, "fvcore": 4.1115, "torchinfo": 4.089238, "ptflops": 4.1324, "thop": 4.1337},
    "efficientnet_b0": {"macs": 385.815, "fvcore": 401.7, "torchinfo": 385.867, "ptflops": 410.2, "thop": 415.1},
}


@pytest.mark.parametrize("name", MEASURED)
def test_totals_are_those_that_were_measured(name):
    frame = cl.architecture(name).graph().reconcile()
    unit = 1e9 if name == "resnet50" else 1e6
    for tool, figure in MEASURED[name].items():
        digits = len(str(figure).partition(".")[2])
        assert round(frame.loc["total", tool] / unit, digits) == figure


@pytest.mark.parametrize("folded", [False, True], ids=["unfolded", "folded"])
@pytest.mark.parametrize("name", ["resnet50", "efficientnet_v2_s", "cifar_resnet20"])
def test_components_sum_to_the_total_and_name_every_difference(name, folded):
    graph = cl.architecture(name).graph(folded=folded)
    frame = reconcile(graph)
    assert list(frame.columns) == list(CONVENTIONS) == ["macs", *TOOLS]
    assert list(frame.index) == [part for part in COMPONENTS if part in frame.index] + ["total"]
    assert (frame.drop("total").sum() == frame.loc["total"]).all()
    assert {tool: frame.loc["total", tool] for tool in CONVENTIONS} == {
        tool: graph.cost(convention=tool).macs for tool in CONVENTIONS
    }
    assert frame.loc["residual add"].eq(0).all()
    text = frame.attrs["explanation"]
    for tool in TOOLS:
        line = next(line for line in text.splitlines() if line.startswith(tool))
        said = {part for part in COMPONENTS if f": {part} " in line or f", {part} " in line}
        assert said == {part for part in frame.index[:-1] if frame.loc[part, tool] != frame.loc[part, "macs"]}


def test_the_differences_are_explained_in_words():
    text = explain(cl.architecture("resnet50").graph())
    assert text == explain(cl.architecture("resnet50").graph(folded=True))
    assert text.splitlines()[0] == "macs: 4.0892 G multiply-adds."
    assert text.splitlines()[-1] == (
        "thop says 4.1337 G: 44.56 M more than macs: batch norm 44.46 M (4 per input), "
        "global pooling 102.40 k (1 per input and output)."
    )


def test_a_tool_that_says_the_same_or_less_is_explained_too():
    bare = blocks.conv(cl.image(3, 8), 4, 3).graph("bare")
    assert explain(bare).splitlines()[1:] == [f"{tool} says 6.9120 k, as macs does." for tool in TOOLS]
    pixels = cl.image(4, 8).apply("linear", op.Linear(4, False, True)).graph("pixels")
    assert "torchinfo says 16: 1.01 k less than macs: linear -1.01 k." in explain(pixels)


def test_parameters_and_activations_stay_ours():
    graph = cl.architecture("resnet18").graph()
    for tool in TOOLS:
        assert dataclasses.replace(graph.cost(tool), macs=graph.cost().macs) == graph.cost()
    assert graph.cost(convention="macs") == graph.cost()


@pytest.mark.parametrize("name", ["flops", "FVCORE", "", None])
def test_an_unknown_convention_is_refused_with_the_names(name):
    for thing in (cl.architecture("resnet18"), cl.architecture("resnet18").graph()):
        with pytest.raises(ValueError, match=r"is unknown; choose one of macs, fvcore, torchinfo, ptflops, thop"):
            thing.cost(convention=name)


def test_an_op_without_a_rule_is_refused_by_its_name():
    class Wavelet(op.Op):
        """A layer that no convention knows."""

    graph = Graph("mine", (*cl.image(3, 8).tape.layers, Layer("front.wave", Wavelet(), (0,), 3, 8)))
    assert graph.cost().macs == 0
    with pytest.raises(ValueError, match=r"front.wave: Wavelet has no rule in any convention but macs"):
        graph.cost(convention="thop")


def test_every_op_has_a_rule():
    ops = {kind for kind in vars(op).values() if isinstance(kind, type) and issubclass(kind, op.Op)} - {op.Op, op.Pool}
    assert len(ops) >= 20
    x = Layer("x", op.Input(4, 8), (), 4, 8)
    for kind in ops:
        fields = {f.name: 1 for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
        graph = Graph("one", (x, Layer("y", kind(**fields), (0, 0), 4, 8)))
        for tool in CONVENTIONS:
            assert graph.cost(convention=tool).macs >= 0


def test_many_settings_have_no_single_table():
    graph = cl.architecture("resnet18", resolution=np.array([64, 96])).graph(folded=True)
    with pytest.raises(ValueError, match=r"resnet18 holds arrays, so it is many networks"):
        graph.reconcile()
