"""count: any module, operation by operation, against torch's own counter, numbers worked by hand, and torchvision's."""

from __future__ import annotations

import copy
import itertools
import pickle
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

import cnnlab as cl
from cnnlab.run.count import count
from cnnlab.run.formulas import BUCKETS, rule
from cnnlab.run.shapes import SHAPES
from tests import oracles
from tests.nets import net


def conv(c_in=8, c_out=16, k=3, padding=1, bias=False, **more):
    return nn.Conv2d(c_in, c_out, k, padding=padding, bias=bias, **more)


class Sub(nn.Conv2d):
    """A subclass, named unlike a convolution."""


def shared():
    inner = conv()
    return nn.ModuleDict({"a": nn.Sequential(inner), "b": nn.Sequential(inner)})


def tied():
    module = nn.ModuleDict({"a": conv(8, 8), "b": conv(8, 8)})
    module["b"].weight = module["a"].weight
    return module


def pruned():
    module = conv()
    torch.nn.utils.prune.l1_unstructured(module, "weight", 0.5)
    return module


IMAGE = (1, 8, 8, 8)
LSTM = 5 * 2 * (4 * 16) * (8 + 16)  # steps, sequences, gates, inputs of a gate

# Traps of the study, with its numbers: (name, module, shapes of the inputs, multiply-adds).
TRAPS = [
    ("T1 conv", conv(), [IMAGE], 73_728),
    ("T2 conv and bias", conv(bias=True), [IMAGE], 73_728),
    ("T3 depthwise", conv(16, 16, groups=16), [(1, 16, 8, 8)], 9_216),
    ("T3 grouped, stride", conv(16, 32, groups=4, stride=2), [(1, 16, 8, 8)], 18_432),
    ("T5 transposed", nn.ConvTranspose2d(3, 1, 2, 2), [(1, 3, 2, 2)], 48),
    ("T5 transposed, grouped", nn.ConvTranspose2d(16, 32, 2, 2, groups=4), [(1, 16, 4, 4)], 8_192),
    ("T6 same, even kernel", conv(8, 16, 4, "same"), [IMAGE], 131_072),
    ("T6 dilated", conv(padding=2, dilation=2), [IMAGE], 73_728),
    ("T7 subclass", Sub(8, 16, 3, padding=1), [IMAGE], 73_728),
    ("T7 parametrized", nn.utils.parametrizations.weight_norm(conv()), [IMAGE], 73_728),
    ("T7 lazy", nn.LazyConv2d(16, 3, padding=1), [IMAGE], 73_728),
    ("T8 F.conv2d", net(lambda s, x, w: F.conv2d(x, w, padding=1)), [IMAGE, (16, 8, 3, 3)], 73_728),
    ("T8 @", net(lambda s, x, y: x @ y), [(16, 32), (32, 16)], 8_192),
    ("T8 matmul", net(lambda s, x, y: torch.matmul(x, y)), [(2, 8, 32), (2, 32, 16)], 8_192),
    ("T8 bmm", net(lambda s, x, y: torch.bmm(x, y)), [(2, 8, 32), (2, 32, 16)], 8_192),
    ("T8 baddbmm", net(lambda s, x, y: torch.baddbmm(y[:, :8], x, y)), [(2, 8, 32), (2, 32, 16)], 8_192),
    ("T8 einsum", net(lambda s, x, y: torch.einsum("bik,bkj->bij", x, y)), [(2, 8, 32), (2, 32, 16)], 8_192),
    ("T8 vector", net(lambda s, x, y: x @ y), [(16, 32), (32,)], 512),
    ("T8 direct forward", net(lambda s, x: s.sub.forward(x), sub=conv(8, 8)), [IMAGE], 36_864),
    ("T9 attention", net(lambda s, q, k, v: F.scaled_dot_product_attention(q, k, v)), [(1, 4, 16, 8)] * 3, 16_384),
    ("T9 heads", nn.MultiheadAttention(64, 4, batch_first=True), [(1, 16, 64)] * 3, 294_912),
    ("T10 LSTM", nn.LSTM(8, 16), [(5, 2, 8)], LSTM),
    ("T10 GRU", nn.GRU(8, 16, bidirectional=True), [(5, 2, 8)], 2 * LSTM * 3 // 4),
    ("T11 called twice", net(lambda s, x: s.sub(s.sub(x)), sub=conv(8, 8)), [IMAGE], 73_728),
    ("T11 two parents", net(lambda s, x: s.of["a"](x) + s.of["b"](x), of=shared()), [IMAGE], 147_456),
    ("T11 tied", net(lambda s, x: s.of["b"](s.of["a"](x)), of=tied()), [IMAGE], 73_728),
    ("T12 never called", net(lambda s, x: s.a(x), a=conv(), b=conv()), [IMAGE], 73_728),
    ("T12 result unused", net(lambda s, x: (s.b(x), s.a(x))[1], a=conv(8, 8), b=conv(8, 8)), [IMAGE], 73_728),
    ("T13 batch of 4", conv(), [(4, 8, 8, 8)], 4 * 73_728),
    ("T13 functional batch", net(lambda s, x, y: x @ y), [(4, 16, 32), (32, 16)], 4 * 8_192),
    ("T14 unbatched", conv(6, 16), [(6, 8, 8)], 55_296),
    ("T15 linear on 3-D", nn.Linear(64, 32), [(1, 10, 64)], 20_480),
    ("T16 frozen", conv().requires_grad_(False), [IMAGE], 73_728),
    ("T17 mask", pruned(), [IMAGE], 73_728),
    ("T22 tall", conv(), [(1, 8, 4, 16)], 73_728),
    ("T22 wide kernel", conv(8, 16, (1, 7), (0, 3)), [(1, 8, 4, 16)], 64 * 16 * 8 * 7),
    ("T24 silu", nn.SiLU(), [IMAGE], 0),
    ("T24 x * sigmoid(x)", net(lambda s, x: x * torch.sigmoid(x)), [IMAGE], 0),
    ("T25 pool", nn.AdaptiveAvgPool2d(1), [IMAGE], 0),
    ("T27 beyond 32 bits", nn.Linear(100_000, 100_000, device="meta"), [(100, 100_000)], 10**12),
    ("conv1d", nn.Conv1d(8, 16, 3, padding=1), [(1, 8, 64)], 16 * 8 * 3 * 64),
    ("conv3d", nn.Conv3d(2, 4, 3, padding=1), [(1, 2, 4, 4, 4)], 64 * 4 * 2 * 27),
    ("transposed 1d", nn.ConvTranspose1d(4, 6, 3, 2, 1), [(1, 4, 10)], 10 * 4 * 6 * 3),
    (
        "grouped-query",
        net(lambda s, q, k: F.scaled_dot_product_attention(q, k, k)),
        [(1, 4, 16, 8), (1, 4, 5, 8)],
        5_120,
    ),
]
TABLE = [pytest.param(*case[1:], id=case[0]) for case in TRAPS]


def given_(shapes) -> list[torch.Tensor]:
    return [torch.empty(shape) for shape in shapes]


@pytest.mark.parametrize(("module", "shapes", "macs"), TABLE)
def test_the_traps_of_the_study(module, shapes, macs):
    found = count(module.train(), *given_(shapes))
    assert (found.macs, found.flops, found.unknown, found.device) == (macs, 2 * macs, (), "meta")
    for by in ("module", "op"):
        assert found.table(by)["macs"].sum() == macs
    assert found.coverage == 1
    assert count(module, *given_(shapes)) == found  # T20
    assert count(module.eval(), *given_(shapes)).macs == macs  # T23
    assert count(module, *given_(shapes), training=True).macs == macs


@pytest.mark.parametrize(("module", "shapes", "macs"), TABLE)
def test_the_traps_on_real_tensors_agree(module, shapes, macs):
    """The fallback: what must see numbers runs on copies of the real ones, through other kernels."""
    if macs > 10**9:
        pytest.skip("too large to compute")

    def forward(self, *inputs):
        result = self.inner(*inputs)
        assert np.isfinite(float(inputs[0].sum()))  # meta tensors have no such number
        return result

    found = count(net(forward, inner=module), *[torch.zeros(shape) for shape in shapes])
    assert (found.macs, found.device, found.unknown) == (macs, "cpu", ())
    assert "meta tensors cannot run it" in found.note


# Worked by hand: forward multiply-adds, and how many times as many the backward pass has.
# 2 with a gradient of the input and one of the weight; 1 where the input needs none.
BACKWARD = [
    ("conv", conv(), [IMAGE]),
    ("depthwise", conv(16, 16, groups=16), [(1, 16, 8, 8)]),
    ("grouped", conv(16, 16, groups=4), [(1, 16, 8, 8)]),
    ("stride", conv(16, 32, groups=4, stride=2, bias=True), [(1, 16, 9, 9)]),
    ("transposed", nn.ConvTranspose2d(3, 6, 2, 2), [(1, 3, 4, 4)]),
    ("transposed, grouped", nn.ConvTranspose2d(16, 32, 2, 2, groups=4), [(2, 16, 4, 4)]),
    ("conv1d", nn.Conv1d(8, 16, 3), [(2, 8, 12)]),
    ("linear", nn.Linear(64, 32), [(4, 64)]),
    ("linear on 3-D", nn.Linear(64, 32), [(2, 10, 64)]),
]


@pytest.mark.parametrize(("module", "shapes"), [pytest.param(*c[1:], id=c[0]) for c in BACKWARD])
def test_a_training_step_is_three_forwards_also_in_groups(module, shapes):
    """T4: the gradient of a grouped kernel is grouped."""
    forward = count(module, *given_(shapes)).macs
    (x,) = given_(shapes)
    first = count(module, x, training=True)
    inner = count(module, x.requires_grad_(), training=True)
    assert (first.macs, first.backward_macs, first.training_macs) == (forward, forward, 2 * forward)
    assert (inner.macs, inner.backward_macs, inner.training_macs) == (forward, 2 * forward, 3 * forward)
    frozen = count(copy.deepcopy(module).requires_grad_(False), x, training=True)
    assert frozen.backward_macs == forward
    assert inner.table("op")["backward_macs"].sum() == 2 * forward


def test_backward_of_attention_and_products():
    for module, shapes in [(c[1], c[2]) for c in TRAPS if c[0] in ("T9 attention", "T8 @", "T8 bmm", "T8 matmul")]:
        found = count(module, *[x.requires_grad_() for x in given_(shapes)], training=True)
        assert found.training_macs == 3 * found.macs


def test_backward_is_booked_where_the_forward_ran():
    module = nn.Sequential(conv(), nn.BatchNorm2d(16), nn.ReLU(), nn.Sequential(conv(16, 4)), nn.Flatten())
    module.append(nn.Linear(4 * 64, 3))
    table = count(module, torch.empty(IMAGE), training=True).table().set_index("module")
    assert table["backward_macs"].to_dict() == {
        **{"": 0, "0": 73_728, "1": 0, "2": 0, "3": 0, "3.0": 2 * 36_864, "4": 0, "5": 2 * 768},
    }
    assert table["macs_within"].to_dict() == {
        **{"": 73_728 + 36_864 + 768, "0": 73_728, "1": 0, "2": 0, "3": 36_864, "3.0": 36_864, "4": 0, "5": 768},
    }


@given(
    c_in=st.integers(1, 4), c_out=st.integers(1, 4), groups=st.integers(1, 3), kernel=st.integers(1, 4),
    stride=st.integers(1, 3), padding=st.integers(0, 2), dilation=st.integers(1, 2), size=st.integers(7, 11),
    transposed=st.booleans(),
)  # fmt: skip
def test_convolutions_of_every_shape(c_in, c_out, groups, kernel, stride, padding, dilation, size, transposed):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    module = kind(groups * c_in, groups * c_out, kernel, stride, padding, dilation=dilation, groups=groups, bias=False)
    x = torch.zeros(2, groups * c_in, size, size + 1)
    found = count(module, x)
    with FlopCounterMode(display=False) as counter:
        y = module(x)
    assert found.flops == counter.get_total_flops()
    (row,) = [row for row in found.rows if row.op == "aten.convolution"]
    assert row.elements == y.numel()
    # By brute force: one multiply-add for each product of an input with a weight, padding included.
    spread = x if transposed else y
    assert found.macs == spread.numel() * (c_out if transposed else c_in) * kernel * kernel


SMALL = [
    ("alexnet", 64), ("vgg11", 32), ("resnet18", 33), ("resnext50_32x4d", 64), ("regnet_y_400mf", 64),
    ("regnet_x_400mf", 40), ("efficientnet_b0", 65), ("efficientnet_v2_s", 32), ("mobilenet_v2", 50),
    ("mobilenet_v3_small", 47), ("mnasnet0_5", 64), ("shufflenet_v2_x0_5", 64), ("squeezenet1_1", 64),
    ("densenet121", 64), ("googlenet", 64), ("inception_v3", 96), ("convnext_tiny", 64), ("vit_b_16", 224),
    ("swin_t", 64), ("swin_v2_t", 64), ("maxvit_t", 224),
]  # fmt: skip


def build(name: str) -> nn.Module:
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    # RegNet reads the numbers of its rates while it is built, which meta has not.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        return models.get_model(name, **options).eval()


@pytest.mark.parametrize(("name", "resolution"), SMALL, ids=[case[0] for case in SMALL])
def test_torchs_own_counter_agrees_on_torchvisions_networks(name, resolution):
    """T21: RegNets, which cannot be built on meta, as well."""
    module = build(name)
    x = torch.empty(2, 3, resolution, resolution)
    found = count(module, x)
    meta = module.to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        meta(x.to("meta"))
    assert found.flops == counter.get_total_flops()
    assert (found.images, found.macs_per_image) == (2, found.macs // 2)
    assert (found.unknown, found.coverage, found.device, found.mode) == ((), 1, "meta", "eval")
    assert found.params == found.trainable == oracles.numel(module)
    assert found.table("module")["params"].sum() == found.params


@pytest.mark.parametrize("name", ["resnet18", "vgg11", "squeezenet1_1", "vit_b_32"])
def test_training_of_networks_without_groups_agrees_with_torchs_counter(name):
    module = build(name)
    x = torch.empty(2, 3, 224 if "vit" in name else 64, 224 if "vit" in name else 64)
    with FlopCounterMode(display=False) as counter:
        module(x.to("meta")).sum().backward()
    assert 2 * count(module, x, training=True).training_macs == counter.get_total_flops()


@pytest.mark.parametrize(("name", "most"), [("mobilenet_v2", 3), ("efficientnet_b0", 3), ("resnext50_32x4d", 3)])
def test_training_of_grouped_networks_is_just_below_three_forwards(name, most):
    found = count(build(name), torch.empty(1, 3, 64, 64), training=True)
    first = next(row.macs for row in found.rows if row.op == "aten.convolution")
    assert found.training_macs == most * found.macs - first  # the image needs no gradient


GOLDEN = ["ResNet18", "ResNet50", "MobileNet_V2", "EfficientNet_B0", "EfficientNet_B1", "EfficientNet_B7", "ViT_B_16"]


@pytest.mark.parametrize("name", GOLDEN)
def test_torchvisions_published_figures(name):
    """T28."""
    weights = getattr(models, f"{name}_Weights").IMAGENET1K_V1
    size = weights.transforms().crop_size[0]
    found = count(build(name.lower()), torch.empty(1, 3, size, size))
    assert f"{found.macs / 1e9:.3f}" == f"{weights.meta['_ops']:.3f}"
    assert found.params == weights.meta["num_params"]


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "mobilenet_v2", "densenet121", "vgg11_bn"])
@pytest.mark.parametrize("resolution", [64, 75])
def test_the_two_engines_agree(name, resolution):
    module = build(name)
    graph = cl.trace(module, resolution).cost()
    found = count(module, torch.empty(1, 3, resolution, resolution))
    assert (graph.macs, graph.params) == (found.macs, found.params)


# Attention, in every way to run it (T9).

HEADS = nn.MultiheadAttention(64, 4, batch_first=True)
LAYER = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_attention_costs_the_same_in_every_mode(mode, context, device):
    fast = torch.backends.mha.get_fastpath_enabled()
    with context():
        x = torch.empty(1, 16, 64, device=device)
        heads = count(copy.deepcopy(HEADS).train(mode).to(device), x, x, x)
        layer = count(copy.deepcopy(LAYER).train(mode).to(device), x)
        training = count(copy.deepcopy(HEADS).train(mode).to(device), x, x, x, training=True)
    assert (heads.macs, training.macs, heads.unknown) == (294_912, 294_912, ())
    assert (layer.macs, layer.unknown) == (294_912 + 2 * 16 * 64 * 128, ())
    assert heads.unused == ()  # out_proj's forward never runs, and its weight is used
    assert torch.backends.mha.get_fastpath_enabled() is fast


def test_biases_are_reported_apart():
    assert count(conv(bias=True), torch.empty(IMAGE)).bias_adds == 1_024
    assert count(nn.Linear(64, 32), torch.empty(5, 64)).bias_adds == 160
    strided = net(lambda s, x: s.fc(x.permute(0, 2, 3, 1)), fc=nn.Linear(8, 4))  # adds its bias on its own
    assert count(strided, torch.empty(IMAGE)).bias_adds == 64 * 4
    assert count(conv(), torch.empty(IMAGE)).bias_adds == 0


def test_parameters_count_once():
    twice = net(lambda s, x: s.of["a"](x) + s.of["b"](x), of=shared())
    assert (count(twice, torch.empty(IMAGE)).params, oracles.numel(twice)) == (1_152, 1_152)
    same = net(lambda s, x: s.of["b"](s.of["a"](x)), of=tied())
    assert count(same, torch.empty(IMAGE)).params == 576
    frozen = count(conv().requires_grad_(False), torch.empty(IMAGE))
    assert (frozen.params, frozen.trainable) == (1_152, 0)
    assert count(pruned(), torch.empty(IMAGE)).params == 1_152


def test_what_is_never_used_is_named():
    module = net(lambda s, x: F.conv2d(s.a(x), s.c.weight), a=conv(8, 8), b=conv(), c=conv(8, 8), d=nn.ReLU())
    found = count(module, torch.empty(IMAGE))
    assert found.unused == ("b",)
    assert found.table().set_index("module").loc["b", ["calls", "params", "macs"]].tolist() == [0, 1_152, 0]
    assert "never used      b" in str(found)
    assert count(build("googlenet"), torch.empty(1, 3, 64, 64)).unused[0] == "aux1.conv.conv"


def test_shared_modules_and_repeated_calls_are_booked_once_each():
    module = net(lambda s, x: s.of["a"](x) + s.of["b"](x), of=shared())
    table = count(module, torch.empty(IMAGE)).table().set_index("module")
    assert table["calls"].to_dict() == {"": 1, "of": 0, "of.a": 1, "of.a.0": 2, "of.b": 1}
    assert table["macs_within"].to_dict() == {"": 147_456, "of": 0, "of.a": 73_728, "of.a.0": 147_456, "of.b": 73_728}


def test_a_forward_called_directly_is_booked_under_its_own_module_and_within_the_caller():
    module = net(lambda s, x: s.sub.forward(x) + F.conv2d(x, s.sub.weight, padding=1), sub=conv(8, 8))
    table = count(module, torch.empty(IMAGE)).table().set_index("module")
    assert table["macs"].to_dict() == {"": 36_864, "sub": 36_864}
    assert table["macs_within"].to_dict() == {"": 73_728, "sub": 36_864}


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_compute_again_in_the_backward_pass(reentrant):
    def forward(self, x):
        return checkpoint(self.b, self.a(x), use_reentrant=reentrant)

    module = net(forward, a=conv(8, 8), b=nn.Sequential(conv(8, 8), nn.Conv2d(8, 8, 1, bias=False)))
    found = count(module, torch.empty(IMAGE), training=True)
    table = found.table().set_index("module")
    again = 36_864 + 4_096 * reentrant  # the other way knows that it needs no result of the last layer
    assert (found.macs, found.backward_macs) == (2 * 36_864 + 4_096, 3 * 36_864 + 2 * 4_096 + again)
    assert table["backward_macs"].tolist() == [0, 36_864, 0, 3 * 36_864, (2 + reentrant) * 4_096]
    assert table["calls"].to_dict() == {"": 1, "a": 1, "b": 2, "b.0": 2, "b.1": 2}


def test_images():
    assert count(conv(), torch.empty(4, 8, 8, 8)).images == 4
    assert count(conv(), torch.empty(8, 8, 8)).images == 1
    assert count(nn.Linear(8, 8), torch.empty(4, 8)).images == 4
    assert count(nn.Conv1d(8, 8, 3), torch.empty(4, 8, 8)).images == 4
    assert count(conv(), torch.empty(0, 8, 8, 8)).macs == 0


def test_pools_and_resizing_put_out_the_same_numbers():
    """T25: one thing said in two ways has one cost."""
    ways = [
        (nn.AdaptiveAvgPool2d(1), net(lambda s, x: x.mean((2, 3)))),
        (net(lambda s, x: F.interpolate(x, scale_factor=2)), net(lambda s, x: F.interpolate(x, size=(16, 16)))),
        (nn.SiLU(), nn.Hardswish()),
    ]
    for a, b in ways:
        one, other = (count(m, torch.empty(IMAGE)).table("op")["elements"].sum() for m in (a, b))
        assert one == other > 0
    gate = net(lambda s, x: x * x.mean((2, 3), keepdim=True))  # the product is as large as the image, once
    assert count(gate, torch.empty(IMAGE)).table("op").set_index("op").loc["aten.mul", "elements"] == 512


# The results that count makes itself, beside PyTorch's.

A, X, W, C = torch.ops.aten, torch.rand(2, 8, 6, 6), torch.rand(16, 4, 3, 3), torch.rand(8)
M, ROWS, SPREAD = torch.rand(5, 8), torch.rand(5, 7), torch.rand(2, 8, 1, 1)
CONV = ([2, 1], [1, 2], [1, 1], False, [0, 0], 2)
OWN = [
    (A.convolution.default, (X, W, torch.rand(16), *CONV)),
    (A.convolution_backward.default, (torch.rand(2, 16, 3, 8), X, W, [16], *CONV, [True, True, True])),
    (A.convolution_backward.default, (torch.rand(2, 16, 3, 8), X, W, [16], *CONV, [False, True, False])),
    (A.native_batch_norm.default, (X, C, C, C, C, True, 0.1, 1e-5)),
    (A.native_batch_norm.default, (X, C, C, C, C, False, 0.1, 1e-5)),
    (A.native_batch_norm_backward.default, (X, X, C, C, C, C, C, True, 1e-5, [True, True, True])),
    (A.native_layer_norm.default, (M, [8], C, C, 1e-5)),
    (A.native_layer_norm.default, (X.permute(0, 2, 3, 1), [8], C, C, 1e-5)),
    (A.native_layer_norm_backward.default, (M, M, [8], M[:, :1], M[:, :1], C, C, [True, True, True])),
    (A.native_group_norm.default, (X, C, C, 2, 8, 36, 4, 1e-5)),
    (A.addmm.default, (C, M, torch.rand(8, 8))),
    (A.addmm.default, (torch.rand(7), ROWS.t(), M[:, :7])),
    (A.mm.default, (M.t(), ROWS)),
    (A.cat.default, ([X, X[:, :3].clone()], 1)),
    (A.cat.default, ([X, X],)),
    (A.cat.default, ([X, X], -1)),
    (A.mean.dim, (X, [2, 3])),
    (A.mean.dim, (X, [-1, -2], True)),
    (A.sum.dim_IntList, (X, [0])),
    *[(op.default, (X,)) for op in (A.relu, A.silu, A.gelu, A.sigmoid, A.hardswish, A.hardsigmoid, A.tanh)],
    *[(op.default, (X,)) for op in (A.relu_, A.silu_, A.hardswish_)],
    (A.hardtanh.default, (X, 0, 6)),
    (A.hardtanh_.default, (X, 0, 6)),
    (A.clamp_min.default, (X, 1)),
    *[(op, (X, 2.0)) for op in (A.mul.Scalar, A.div.Scalar)],
    (A.threshold_backward.default, (X, X, 0)),
    (A.hardtanh_backward.default, (X, X, 0, 6)),
    *[(op.default, (X, X)) for op in (A.silu_backward, A.gelu_backward, A.sigmoid_backward)],
    *[(op.default, (X, X)) for op in (A.hardswish_backward, A.hardsigmoid_backward)],
    *[(op.Tensor, pair) for op in (A.add, A.sub, A.mul, A.div) for pair in ((X, X), (X, SPREAD), (SPREAD, X))],
    (A.add_.Tensor, (X, X)),
    (A._softmax.default, (X, 1, False)),
    (A._safe_softmax.default, (X, -1)),
    (A._softmax_backward_data.default, (X, X, 1, torch.float32)),
]


def looks(result) -> list:
    return [
        (t.shape, t.dtype, t.stride()) if t is not None else None
        for t in (result if type(result) in (tuple, list) else [result])
    ]


def to_meta(value):
    if isinstance(value, torch.Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    return [to_meta(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("operation", "arguments"), OWN, ids=[f"{k}-{case[0]}" for k, case in enumerate(OWN)])
def test_our_shapes_are_pytorchs(operation, arguments):
    ours = SHAPES[operation](*[to_meta(a) for a in arguments])
    assert ours is not None
    real = copy.deepcopy(arguments)
    assert looks(ours) == looks(operation(*real))


def test_every_shape_of_ours_is_tested():
    assert {case[0] for case in OWN} == set(SHAPES)


ODD = [
    (A.convolution.default, (X[:, :7].contiguous(), W, None, *CONV)),
    (A.convolution.default, (X[..., :1].contiguous(), W, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 2)),
    (A.convolution.default, (X, W.double(), None, *CONV)),
    (A.native_layer_norm.default, (M, [7], None, None, 1e-5)),
    (A.addmm.default, (C, M, M)),
    (A.mm.default, (M, M)),
    (A.cat.default, ([X, SPREAD], 1)),
    (A.cat.default, ([X, X], 4)),
    (A.mean.dim, (X, [4])),
    (A.add.Tensor, (X, X[:, :7].contiguous())),
    (A._softmax.default, (X, 4, False)),
]


@pytest.mark.parametrize(("operation", "arguments"), ODD, ids=[f"{k}-{case[0]}" for k, case in enumerate(ODD)])
def test_what_does_not_fit_is_left_to_pytorch_which_complains(operation, arguments):
    assert SHAPES[operation](*[to_meta(a) for a in arguments]) is None
    with pytest.raises((RuntimeError, IndexError)):
        operation(*arguments)


# Nothing is changed.


class Nasty(nn.Module):
    """A forward that changes all it can reach: attributes, statistics, weights, random state."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(8, 8)
        self.norm = nn.BatchNorm2d(8)
        self.frozen = nn.BatchNorm2d(8).eval()
        self.lazy = nn.LazyLinear(3)
        self.drop = nn.Dropout(0.5)
        self.spectral = nn.utils.spectral_norm(nn.Linear(3, 3))
        self.register_buffer("steps", torch.zeros(2))
        self.log: list = []
        self.hidden = [conv(8, 8)]
        self.last = self.error = None
        self.conv.weight.grad = torch.ones(8, 8, 3, 3)
        self.again = lambda x: self.norm(x)  # closes over the original

    def forward(self, x):
        self.log.append(len(self.log))
        with torch.no_grad():
            self.steps += 1
            self.conv.weight.mul_(2)
        y = self.hidden[0](self.again(self.frozen(self.norm(self.conv(x)))))
        self.last = self.drop(y)
        self.extra = random.random() + np.random.rand() + torch.rand(1).item()
        if self.error:
            raise self.error
        return self.spectral(self.lazy(self.last.mean((2, 3)))) + torch.zeros(3)


def condition(module: nn.Module) -> dict:
    """All that a count must not change, with the values themselves."""
    state = {k: v.clone() for k, v in module.state_dict().items() if not nn.parameter.is_lazy(v)}
    return {
        "values": {k: v.tolist() for k, v in state.items()},
        "keys": list(module.state_dict()),
        "identities": [id(p) for p in itertools.chain(module.parameters(), module.buffers())],
        "classes": [type(m) for m in module.modules()],
        "modes": [m.training for m in module.modules()],
        "attributes": [{k: id(v) for k, v in vars(m).items()} for m in module.modules()],
        "hooks": [[len(v) for k, v in vars(m).items() if k.endswith("_hooks")] for m in module.modules()],
        "log": list(module.log),
        "gradients": [p.grad if p.grad is None else p.grad.tolist() for p in module.parameters()],
        "random": (
            random.random.__self__.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
        ),
        "functions": (F.conv2d, F.relu, torch.matmul, torch.Tensor.add_, nn.Module.__call__),
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "stack": torch._C._len_torch_dispatch_stack(),
        "globals": len(nn.modules.module._global_forward_hooks) + len(nn.modules.module._global_forward_pre_hooks),
    }


@pytest.mark.parametrize("training", [False, True], ids=["forward", "training"])
@pytest.mark.parametrize(
    "error", [None, RuntimeError("no"), KeyboardInterrupt()], ids=["passes", "raises", "interrupt"]
)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_nothing_is_changed(training, error, device):
    """T18, T19, T30: nothing is left behind, also after an error or an interrupt."""
    module = Nasty().train()
    module.frozen.eval()
    module.error = error
    x = torch.ones(2, 8, 8, 8, requires_grad=True)
    forward = type("Real", (Nasty,), {"forward": lambda s, x: x.sum().item() and Nasty.forward(s, x)})
    if device == "cpu":
        module.__class__ = forward
    before = condition(module)
    try:
        found = count(module, x, training=training)
        assert error is None
        # Two convolutions, two linear layers; of the spectral norm two products with a vector, and u (W v).
        assert (found.device, found.macs) == (device, 2 * (2 * 36_864 + 24 + 9) + 2 * 9 + 9 + 3)
    except (ValueError, KeyboardInterrupt) as caught:
        assert error is not None
        assert isinstance(caught, KeyboardInterrupt) == isinstance(error, KeyboardInterrupt)
    assert condition(module) == before
    assert x.grad is None
    assert torch.equal(x, torch.ones_like(x))


def test_a_counted_module_can_be_pickled_and_copied_and_counted_again():
    module = models.resnet18().train()
    first = count(module, torch.empty(2, 3, 64, 64), training=True)
    again = pickle.loads(pickle.dumps(module))
    with pytest.raises(ValueError, match=r"conv1 \(Conv2d\)"):
        count(module, torch.empty(2, 4, 64, 64))
    assert first == count(module, torch.empty(2, 3, 64, 64), training=True)  # T20
    assert first == count(copy.deepcopy(module), torch.empty(2, 3, 64, 64), training=True)
    assert first == count(again, torch.empty(2, 3, 64, 64), training=True)
    assert pickle.loads(pickle.dumps(first)) == first
    assert hash(first) == hash(copy.deepcopy(first))


def test_dice_do_not_change_a_count():
    """T23: a network that skips layers at random is the same network each time."""
    module = net(lambda s, x: s.a(x) if torch.rand(1) < 0.5 else s.a(s.a(x)), a=conv(8, 8))
    assert len({count(module, torch.empty(IMAGE)).macs for _ in range(8)}) == 1
    dropping = models.efficientnet_b0().train()
    assert count(dropping, torch.empty(2, 3, 64, 64)).macs == count(dropping.eval(), torch.empty(2, 3, 64, 64)).macs


# Wrapped, unknown, wrong.


def test_wrapped_modules_cost_what_is_inside():
    """T29."""
    module = nn.Sequential(conv(), nn.BatchNorm2d(16), nn.Sequential(conv(16, 4)))
    plain = count(module, torch.empty(IMAGE))
    compiled = torch.compile(module)
    nested = nn.Sequential(nn.DataParallel(module))
    assert count(compiled, torch.empty(IMAGE)) == plain == count(nn.DataParallel(module), torch.empty(IMAGE))
    assert count(nested, torch.empty(IMAGE)).macs == plain.macs
    assert [part.path for part in count(nested, torch.empty(IMAGE)).parts] == ["", "0", "0.0", "0.1", "0.2", "0.2.0"]
    inside = net(lambda s, x: s.net.module[0](x), net=nn.DataParallel(module))
    assert count(inside, torch.empty(IMAGE)).macs == 73_728
    module.compile()
    assert count(module, torch.empty(IMAGE)) == plain
    scripted = count(torch.jit.script(nn.Sequential(conv(), nn.ReLU())), torch.empty(IMAGE))
    assert (scripted.macs, scripted.params) == (73_728, 1_152)


@torch.library.custom_op("cnnlab_tests::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


@twice.register_fake
def _(x):
    return torch.empty_like(x)


def test_what_nobody_has_a_formula_for_is_unknown_and_said():
    found = count(net(lambda s, x: twice(s.a(x)), a=conv()), torch.empty(IMAGE))
    assert (found.macs, found.unknown, found.coverage) == (73_728, ("cnnlab_tests.twice",), 0.5)
    assert "NOT COUNTED: cnnlab_tests.twice (coverage 50 %)" in repr(found)
    assert "unknown         cnnlab_tests.twice 50.0 % of the numbers put out" in str(found)
    distances = count(net(lambda s, x: torch.cdist(x, x)), torch.empty(30, 3))
    assert distances.unknown
    assert set(found.table("op")["bucket"]) <= set(BUCKETS)


PRODUCTS = {
    "mm",
    "bmm",
    "addmm",
    "baddbmm",
    "mv",
    "addmv",
    "dot",
    "matmul",
    "linear",
    "attention",
    "rnn",
    "convolution",
}


def test_every_operation_is_in_one_bucket_and_no_product_is_free_by_its_tags():
    packets = [getattr(torch.ops.aten, name) for name in dir(torch.ops.aten)]
    for packet in [p for p in packets if hasattr(p, "overloads")]:
        for overload in packet.overloads():
            known = rule(getattr(packet, overload))
            assert known.bucket in BUCKETS
            assert (known.macs is not None) == (known.bucket == "counted")
            if PRODUCTS & set(known.name.removeprefix("aten.").split("_")):
                assert known.bucket != "free" or known.kind == "create", known


FAILING = [
    (
        nn.Sequential(conv()),
        [(1, 9, 8, 8)],
        {},
        r"0 \(Conv2d\): its forward fails on \(1, 9, 8, 8\) \(RuntimeError: .*channels",
    ),
    (nn.Sequential(nn.Flatten(), nn.Linear(5, 5)), [IMAGE], {}, r"1 \(Linear\): .*check the shape of the inputs"),
    (net(lambda s, x: x + s.none), [IMAGE], {}, r"Net: its forward fails on \(1, 8, 8, 8\) \(AttributeError"),
    (nn.Sequential(nn.Sequential(nn.BatchNorm2d(8))), [(1, 8, 1, 1)], {}, r"0\.0 \(BatchNorm2d\): .*count two images"),
    (conv(), [IMAGE], {"scale": 2}, r"Conv2d: its forward fails .*unexpected keyword argument 'scale'"),
    (net(lambda s, x: x if x.sum() > 0 else -x).to("meta"), [IMAGE], {}, None),
    (net(lambda s, x: s.a(x) if x.sum() > 0 else -x, a=conv()).to("meta"), [IMAGE], {}, r"no numbers to fall back on"),
]


@pytest.mark.parametrize(("module", "shapes", "more", "sentence"), FAILING, ids=range(len(FAILING)))
def test_a_failing_forward_is_told_with_its_place(module, shapes, more, sentence):
    if sentence is None:
        assert count(module, *given_(shapes), **more).device == "cpu"
        return
    with pytest.raises(ValueError, match=sentence) as caught:
        count(module, *given_(shapes), **more)
    assert caught.value.__cause__ is not None
    assert "\n" not in str(caught.value)


def test_what_is_asked_wrongly_is_told():
    with pytest.raises(TypeError, match=r"module=str: count takes a torch.nn.Module"):
        count("resnet18")
    found = count(conv(), torch.empty(IMAGE))
    with pytest.raises(ValueError, match=r"only its forward pass was counted; use count\(..., training=True\)"):
        found.training_macs  # noqa: B018
    with pytest.raises(ValueError, match="by='layer': choose one of module, op"):
        found.table(by="layer")


def test_keyword_and_nested_inputs():
    module = net(lambda s, batch, *, scale=1: s.a(batch["x"][0]) * scale, a=conv())
    assert count(module, {"x": [torch.empty(IMAGE)]}, scale=2).macs == 73_728
    assert count(module, batch={"x": (torch.empty(IMAGE),)}).shapes == (IMAGE,)


def test_tensors_that_a_forward_makes_itself():
    module = net(lambda s, x: s.a(x + torch.arange(8.0)) + torch.ones(16, 1, 1).to(x.device), a=conv())
    assert (count(module, torch.empty(IMAGE)).macs, count(module, torch.empty(IMAGE)).device) == (73_728, "meta")


def test_a_count_reads_well():
    found = count(models.resnet18(), torch.empty(2, 3, 64, 64), training=True)
    text = str(found)
    assert "ResNet in train mode, run on meta with (2, 3, 64, 64)" in text
    assert f"multiply-adds   {found.macs:,} (" in text
    assert "per image" in text and "2 images" in text and "unknown         nothing" in text
    assert repr(found).startswith(f"Count(ResNet: {found.macs:,} MACs for 2 images, ")
