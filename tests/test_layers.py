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
from cnnlab.run.parts import ACTIVATIONS
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


@given(st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(0, 2), st.integers(8, 20), st.integers(1, 3))
def test_conv_with_sides(kernel, around, size, stride):
    padding = tuple(around + k // 2 for k in kernel)
    conv = nn.Conv2d(3, 4, kernel, stride, padding)
    layer = op.Conv(4, kernel, stride, padding, bias=True)
    y = conv.to("meta")(torch.empty(1, 3, size, size, device="meta"))
    if y.shape[2] != y.shape[3]:
        with pytest.raises(ValueError, match=f"leaves an image of {y.shape[2]} x {y.shape[3]} px"):
            written(layer, 3, size)
        return
    graph = written(layer, 3, size)
    assert graph.output.size == y.shape[2]
    assert graph.cost() == cl.Cost(oracles.macs(conv, size), oracles.numel(conv), y.numel())


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(5, 30))
def test_pools_rounded_up(kernel, stride, padding, size):
    padding = min(padding, kernel // 2)
    for layer, pool in ((op.MaxPool, nn.MaxPool2d), (op.AvgPool, nn.AvgPool2d)):
        graph = written(layer(kernel, stride, padding, ceil=True), 2, size)
        x = torch.randn(1, 2, size, size)
        y = pool(kernel, stride, padding, ceil_mode=True)(x)
        assert graph.output.size == y.shape[2] == y.shape[3]
        assert torch.equal(graph.module()(x), y)


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
    (op.Shuffle(3), nn.ChannelShuffle(3)),
    (op.Pad(1, 2), nn.ZeroPad2d((1, 2, 1, 2))),
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


class PerPixel(nn.Module):
    """A linear layer and a layer norm as torch wants them: channels last."""

    def __init__(self, kind: nn.Module) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x):
        return self.kind(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


LEARNED = [
    (op.Linear(8, each_pixel=True), PerPixel(nn.Linear(6, 8))),
    (op.Linear(8, bias=False, each_pixel=True), PerPixel(nn.Linear(6, 8, bias=False))),
    (op.LayerNorm(1e-5), PerPixel(nn.LayerNorm(6))),
]


@pytest.mark.parametrize(("layer", "module"), LEARNED, ids=["linear", "linear without bias", "layer norm"])
def test_layers_on_each_pixel(layer, module):
    graph = written(layer, 6, 5)
    x = torch.randn(2, 6, 5, 5)
    ours = graph.module(weights=module.state_dict())
    assert torch.allclose(ours(x), module(x), atol=1e-6)
    assert graph.cost().params == oracles.numel(module)
    assert graph.cost().macs == oracles.macs(module, 5, channels=6)


def test_layer_scale_begins_where_it_is_told_and_learns():
    graph = written(op.LayerScale(0.25), 6, 5)
    module, x = graph.module(), torch.randn(2, 6, 5, 5)
    assert torch.equal(module(x), 0.25 * x)
    assert [tuple(p.shape) for p in module.parameters()] == [(6, 1, 1)]
    assert graph.cost() == cl.Cost(params=6)
    flat = written(op.LayerScale(0.5), 6, 1, flat=True).module()
    assert torch.equal(flat(x[:, :, :1, :1]), 0.5 * x[:, :, 0, 0])


@pytest.mark.parametrize(("scale", "shift"), [(2.0, 0.0), (1.0, -3.0), (1.0, 0.0), (0.5, 0.25)])
def test_affine(scale, shift):
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(written(op.Affine(scale, shift), 3, 4).module()(x), x * scale + shift)


def test_slices_and_flat_vectors():
    x = cl.image(6, 1)
    y = x.apply("slice", op.Slice(2, 5)).apply("flatten", op.Flatten()).apply("unflatten", op.Unflatten())
    assert (y.channels, y.size) == (3, 1)
    t = torch.randn(2, 6, 1, 1)
    assert torch.equal(y.graph("part").module()(t), t[:, 2:5])


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
    (op.Conv(8, (3, 0)), 8, 8, False, r"kernel=0: kernel must be a whole number, 1 or more"),
    (op.Slice(4, 4), 8, 8, False, r"stop=4: stop must be a whole number, 5 or more"),
    (op.Slice(4, 9), 8, 8, False, r"takes channels 4 to 9, and gets an image of 8"),
    (op.Shuffle(3), 8, 8, False, r"groups=3 does not divide its 8 channels"),
    (op.Pad(-1, 0), 8, 8, False, r"before=-1: before must be a whole number, 0 or more"),
    (op.Pad(1, 0), 8, 8, True, r"needs an image"),
    (op.Unflatten(), 8, 8, False, r"needs a flat vector"),
    (op.Linear(0), 8, 1, True, r"width=0"),
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
