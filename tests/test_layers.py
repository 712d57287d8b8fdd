"""Every formula of the closed set against the torch layer that it describes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import cnnlab as cl
from cnnlab.arch import layers as op
from cnnlab.run.module import ACTIVATIONS
from tests import oracles


def written(layer: op.Op, channels: int, size: int, flat: bool = False) -> cl.Graph:
    x = cl.image(channels, size)
    x = x.apply("flatten", op.Flatten()) if flat else x
    return x.apply("layer", layer).graph("one")


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 4))
    kernel, dilation = draw(st.integers(1, 5)), draw(st.integers(1, 2))
    layer = op.Conv(
        width=groups * draw(st.integers(1, 5)),
        kernel=kernel,
        stride=draw(st.integers(1, 3)),
        padding=draw(st.integers(0, 3)),
        groups=groups,
        dilation=dilation,
        bias=draw(st.booleans()),
    )
    return layer, groups * draw(st.integers(1, 4)), draw(st.integers(dilation * (kernel - 1) + 1, 24))


@given(convolutions())
def test_conv(case):
    layer, channels, size = case
    graph = written(layer, channels, size)
    conv = nn.Conv2d(
        channels, layer.width, layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups, layer.bias
    )
    y = conv.to("meta")(torch.empty(1, channels, size, size, device="meta"))
    assert (graph.output.channels, graph.output.size, graph.output.size) == tuple(y.shape[1:])
    assert graph.cost() == cl.Cost(oracles.macs(conv, size, channels), oracles.numel(conv), y.numel())


@given(st.integers(1, 300), st.integers(1, 300), st.booleans())
def test_linear(channels, width, bias):
    graph = written(op.Linear(width, bias), channels, 1, flat=True)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(channels, width, bias))
    assert graph.cost() == cl.Cost(oracles.macs(linear, 1, channels), oracles.numel(linear), width)


FREE = [
    (op.MaxPool(3, 2, 1), nn.MaxPool2d(3, 2, 1)),
    (op.MaxPool(2, 2), nn.MaxPool2d(2)),
    (op.AvgPool(3, 1, 1), nn.AvgPool2d(3, 1, 1)),
    (op.AvgPool(1, 2), nn.AvgPool2d(1, 2)),
    (op.AdaptivePool(1), nn.AdaptiveAvgPool2d(1)),
    (op.AdaptivePool(7), nn.AdaptiveAvgPool2d(7)),
    (op.Flatten(), nn.Flatten()),
    (op.Dropout(0.3), nn.Dropout(0.3)),
    *[(op.Act(kind), module()) for kind, module in ACTIVATIONS.items()],
]


@pytest.mark.parametrize("size", [7, 8, 33])
@pytest.mark.parametrize(("layer", "module"), FREE, ids=lambda case: str(case))
def test_layers_without_parameters_cost_nothing_and_compute_what_torch_computes(layer, module, size):
    graph = written(layer, 6, size)
    x = torch.randn(2, 6, size, size)
    y, expected = graph.module().eval()(x), module.eval()(x)
    assert torch.equal(y, expected)
    assert graph.cost() == cl.Cost()
    assert (graph.output.channels, graph.output.size) == (y.shape[1], y.shape[2] if y.dim() == 4 else None)


def test_batch_norm():
    graph, norm = written(op.BatchNorm(1e-3, 0.01), 6, 5), nn.BatchNorm2d(6, 1e-3, 0.01)
    assert graph.cost() == cl.Cost(0, oracles.numel(norm), 0)
    x = torch.randn(4, 6, 5, 5)
    assert torch.equal(graph.module()(x), norm(x))


def test_images_meet():
    x = cl.image(4, 6)
    gate = x.apply("pool", op.AdaptivePool(1))
    a = x.apply("add", op.Add(), x)
    b = a.apply("multiply", op.Multiply(), gate)
    c = b.apply("concat", op.Concat(), x, a)
    d = c.apply("pad", op.PadChannels(15))
    assert [(i.channels, i.size) for i in (a, b, c, d)] == [(4, 6), (4, 6), (12, 6), (15, 6)]
    t = torch.randn(2, 4, 6, 6)
    double = t + t
    scaled = double * t.mean((2, 3), keepdim=True)
    expected = torch.cat([scaled, t, double, torch.zeros(2, 3, 6, 6)], 1)
    assert torch.allclose(d.graph("meeting").module()(t), expected, atol=1e-6)


BAD = [
    (op.Conv(6, 3, groups=4), 8, 8, False, r"layer1: groups=4 does not divide its 6 output channels"),
    (op.Conv(8, 3, groups=3), 8, 8, False, r"groups=3 does not divide its 8 input channels"),
    (op.Conv(8, 7), 8, 5, False, r"window of 7 px does not fit the image of 5 px.*larger resolution"),
    (op.Conv(0, 3), 8, 8, False, r"width=0: width must be a whole number, 1 or more"),
    (op.Conv(8, 3), 8, 8, True, r"needs an image, and gets a flat vector"),
    (op.AdaptivePool(), 8, 8, True, r"needs an image"),
    (op.Linear(5), 8, 8, False, r"needs a flat vector, and gets an image of 8 px; put flatten before it"),
    (op.Act("swish"), 8, 8, False, r"kind='swish' is no activation known here; choose one of relu"),
    (op.PadChannels(4), 8, 8, False, r"cannot pad 8 channels to width=4"),
    (op.MaxPool(3, 2), 8, 2, False, r"window of 3 px does not fit"),
]


@pytest.mark.parametrize(("layer", "channels", "size", "flat", "sentence"), BAD, ids=lambda case: str(case)[:30])
def test_what_does_not_fit_is_refused_with_the_layers_path(layer, channels, size, flat, sentence):
    with pytest.raises(ValueError, match=sentence):
        written(layer, channels, size, flat)


@pytest.mark.parametrize("layer", [op.Add(), op.Multiply(), op.Concat()])
def test_images_of_different_size_do_not_meet(layer):
    x = cl.image(4, 8)
    with pytest.raises(ValueError, match=r"layer1: its inputs disagree in size: 8 and 4"):
        x.apply("layer", layer, x.apply("pool", op.MaxPool(2, 2)))


def test_formulas_take_arrays():
    x = cl.image(np.array([4, 8, 12]), np.array([[8], [9]]))
    y = x.apply("conv", op.Conv(np.array([4, 8, 12]) * 2, 3, 2, 1, groups=np.array([4, 8, 12]), bias=True))
    cost = y.graph("many").cost()
    for i, size in enumerate([8, 9]):
        for j, channels in enumerate([4, 8, 12]):
            conv = nn.Conv2d(channels, 2 * channels, 3, 2, 1, groups=channels)
            assert cost.macs[i, j] == oracles.macs(conv, size, channels)
            assert np.broadcast_to(cost.params, (2, 3))[i, j] == oracles.numel(conv)
