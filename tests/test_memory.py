"""Memory against what torch itself keeps: weights, live images, what autograd saves, optimizer state; to the byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.arch import blocks as b
from cnnlab.arch import layers as op
from cnnlab.arch.graph import Graph, Image, Layer, image
from cnnlab.arch.memory import Memory, memory, memory_table
from cnnlab.arch.storage import overwriting
from tests import memory_oracle as oracle

FIELDS = ("weights", "buffers", "input", "peak", "saved", "gradients", "optimizer", "inference", "training")

TRACED = (
    *("alexnet", "vgg11_bn", "squeezenet1_1", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5"),
    *("shufflenet_v2_x0_5", "googlenet", "inception_v3", "convnext_tiny"),
)


@pytest.fixture(autouse=True)
def weights_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not depend on what the weights are, and drawing them takes most of the time."""
    monkeypatch.setattr("cnnlab.run.module.initialise", lambda model, seed: None)


def measured(
    graph: Graph, *, batch: int = 2, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> dict[str, int]:
    """What torch says of the graph's own module."""
    module = graph.module().to(device, dtype)
    x = oracle.images(module, graph.input.size, batch=batch, channels=graph.input.channels)
    weights, buffers = oracle.owned(module)
    return {
        "weights": weights,
        "buffers": buffers,
        "input": x.numel() * x.element_size(),
        "peak": oracle.peak(module, x),
        "saved": oracle.saved(module, x),
    }


def said(memory: Memory) -> dict[str, int]:
    return {name: getattr(memory, name) for name in ("weights", "buffers", "input", "peak", "saved")}


def thin(arch):
    """With at most two blocks in a stage: what a third would do, the folded graph says."""
    if not isinstance(arch, cl.Architecture):
        return arch
    return replace(arch, stages=tuple(replace(stage, depth=min(stage.depth, 2)) for stage in arch.stages))


@pytest.mark.parametrize("name", cl.names())
def test_every_network_of_the_zoo_to_the_byte(name):
    arch = cl.architecture(name)
    graph = thin(arch).graph()
    assert said(graph.memory(batch=2)) == measured(graph, device="meta")
    assert arch.memory(batch=2) == arch.graph().memory(batch=2), "folded and unfolded disagree"


@pytest.mark.parametrize("name", ["cifar_resnet32", "efficientnet_b3"])
def test_deep_networks_to_the_byte(name):
    graph = cl.architecture(name).graph()
    assert said(graph.memory(batch=2)) == measured(graph, device="meta")


@pytest.mark.parametrize("name", TRACED)
def test_traced_networks_to_the_byte(name):
    with torch.device("meta"):
        more = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        plain = models.get_model(name, **more)
    graph = cl.trace(plain, resolution=224)
    assert said(graph.memory(batch=2)) == measured(graph, device="meta")


def test_the_figures_of_the_study():
    """T26."""
    # Measured there with torch's own hooks on torchvision's networks, 224 px, float32, MB per image.
    resnet, b0 = (cl.architecture(name).graph() for name in ("resnet50", "efficientnet_b0"))
    assert resnet.memory().peak == 10_436_608  # three images of 56 x 56 x 256 and one of 56 x 56 x 64
    assert resnet.memory().peak == (3 * 256 + 64) * 56 * 56 * 4
    per_image = [graph.memory(batch=2).saved - graph.memory(batch=1).saved for graph in (resnet, b0)]
    assert [round(n / 1e6, 1) for n in per_image] == [85.9, 88.2]
    assert per_image[0] < per_image[1]  # a tenth of the multiply-adds, and more to keep
    assert b0.cost().macs * 10 < resnet.cost().macs
    with torch.device("meta"):
        theirs = models.resnet50()
    x = oracle.images(theirs, 224)
    assert (oracle.saved(theirs, x), oracle.peak(theirs, x)) == (resnet.memory().saved, resnet.memory().peak)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "cifar_resnet20"])
def test_batch_and_dtype_scale_exactly(name):
    graph = cl.architecture(name, resolution=64).graph()
    one, two, seven = (graph.memory(batch=n) for n in (1, 2, 7))
    assert (two.peak, seven.peak) == (2 * one.peak, 7 * one.peak)
    assert seven.saved - one.saved == 6 * (two.saved - one.saved)
    assert seven.weights == one.weights
    for dtype, torchs in (("float64", torch.float64), ("bfloat16", torch.bfloat16)):
        assert said(graph.memory(batch=2, dtype=dtype)) == measured(graph, dtype=torchs)
    half = graph.memory(batch=2, dtype="float16")
    assert 2 * half.weights == two.weights
    assert half == graph.memory(batch=2, dtype=2) == graph.memory(batch=2, dtype="bfloat16")
    if name != "resnet18":  # its max pooling computes int64 places, which do not shrink
        assert (2 * half.saved, 2 * half.peak) == (two.saved, two.peak)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.1)),
        ("momentum", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
        ("adam", lambda p: torch.optim.Adam(p)),
        ("adam", lambda p: torch.optim.AdamW(p)),
    ],
    ids=["sgd", "momentum", "adam", "adamw"],
)
def test_optimizer_state_and_gradients(name, make):
    graph = cl.architecture("efficientnet_b0", resolution=32).graph()
    module = graph.module()
    optimizer = make(module.parameters())
    module(oracle.images(module, 32, batch=2)).sum().backward()
    optimizer.step()
    memory = graph.memory(batch=2, optimizer=name)
    assert memory.optimizer == oracle.state(optimizer)
    assert memory.gradients == sum(p.grad.numel() * p.grad.element_size() for p in module.parameters())
    assert memory.training == sum(getattr(memory, n) for n in ("weights", "buffers", "saved", "gradients", "optimizer"))
    assert memory.inference == memory.weights + memory.buffers + memory.input + memory.peak
    assert cl.architecture("efficientnet_b0", resolution=32).memory(2, optimizer=name) == memory


def test_in_place_activations_are_those_that_the_module_overwrites():
    for name in ("resnet50", "efficientnet_b0", "cifar_resnet20"):
        graph = cl.architecture(name, resolution=32).graph()
        module, over = graph.module(), overwriting(graph.layers)
        acts = [i for i, layer in enumerate(graph.layers) if isinstance(layer.op, op.Act)]
        for i in acts:
            assert getattr(module.get_submodule(graph.layers[i].name), "inplace", False) == (i in over)
        assert 0 < len(over) <= len(acts)


# Architectures and single layers at random.

BLOCKS = st.sampled_from(
    [
        (b.plain, {}),
        (b.basic, {"option": "A"}),
        (b.basic, {"option": "B"}),
        (b.bottleneck, {}),
        (b.mbconv, {"expand": 1}),
        (b.mbconv, {"expand": 4, "kind": "hardswish", "se": 0}),
        (b.mbconv, {"expand": 2, "kernel": 5}),
        (b.fused_mbconv, {"expand": 1}),
        (b.fused_mbconv, {"expand": 3, "kind": "gelu"}),
    ]
)


@st.composite
def architectures(draw: st.DrawFn) -> cl.Architecture:
    stages = []
    for _ in range(draw(st.integers(1, 3))):
        block, options = draw(BLOCKS)
        width = 8 * draw(st.integers(1, 4))
        stages.append(cl.Stage(block, draw(st.integers(1, 4)), width, draw(st.sampled_from([1, 2])), options))
    if any(stage.options.get("option") == "A" for stage in stages):  # which cannot narrow
        stages = sorted((stage for stage in stages if stage.block is not b.bottleneck), key=lambda stage: stage.width)
    head = draw(st.sampled_from([cl.Head(), cl.Head(b.conv_head, 16)]))
    return cl.Architecture(
        "random",
        cl.Stage(b.conv_stem, 1, 8, draw(st.sampled_from([1, 2]))),
        tuple(stages),
        head,
        resolution=draw(st.integers(16, 24)),
        classes=3,
        drop_path=draw(st.sampled_from([0.0, 0.2])),
    )


@given(architectures())
@settings(max_examples=30)
def test_any_architecture_to_the_byte(arch):
    graph = arch.graph()
    assert said(graph.memory(batch=2)) == measured(graph)
    assert arch.memory(batch=2) == graph.memory(batch=2)


def gate(x: Image) -> Image:
    return b.multiply(x, b.act(b.conv(b.global_pool(x), x.channels, 1, bias=True), "hardsigmoid"))


STEPS = {
    **{kind: lambda x, kind=kind: b.act(x, kind) for kind in op.ACTIVATIONS},
    "conv": lambda x: b.conv(x, 6, 3, bias=True),
    "norm": b.norm,
    "layer_norm": lambda x: x.apply("norm", op.LayerNorm()),
    "layer_scale": lambda x: x.apply("scale", op.LayerScale()),
    "affine": lambda x: x.apply("affine", op.Affine(2.0, 0.0)),
    "each_pixel": lambda x: x.apply("linear", op.Linear(6, each_pixel=True)),
    "max_pool": lambda x: b.max_pool(x, 3, 1, 1),
    "avg_pool": lambda x: b.avg_pool(x, 3, 1, 1),
    "pool": lambda x: x.apply("pool", op.AdaptivePool(5)),
    "pad": lambda x: x.apply("pad", op.Pad(0, 1)),
    "pad_channels": lambda x: x.apply("pad", op.PadChannels(x.channels + 2)),
    "slice": lambda x: x.apply("slice", op.Slice(0, x.channels - 1)) if x.channels > 2 else x,
    "shuffle": lambda x: x.apply("shuffle", op.Shuffle(1)),
    "dropout": lambda x: b.dropout(x, 0.5),
    "drop_path": lambda x: x.apply("drop", op.DropPath(0.1)),
    "gate": gate,
    "square": lambda x: b.multiply(x, x),
    "double": lambda x: b.add(x, x),
    "residual": lambda x: b.add(b.conv(x.inside("branch"), x.channels, 3), x),
    "concat": lambda x: b.concat(x, b.act(b.norm(b.conv(x.inside("branch"), 3, 1)))),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=7), st.booleans())
@settings(max_examples=80)
def test_any_chain_of_layers_to_the_byte(steps, nested):
    x = image(4, 9)
    for n, step in enumerate(steps):
        x = STEPS[step](x.at(f"part{n % 2}.{n}" if nested else ""))
    graph = b.linear(b.flatten(b.conv(x.at("head"), 4, 1)), 2).graph("chain")
    assert said(graph.memory(batch=2)) == measured(graph)
    table = memory_table(graph, batch=2)
    assert (table["saved"].sum(), table["live"].max()) == (graph.memory(2).saved, graph.memory(2).peak)


# Many settings at once.


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(20, 40), min_size=1, max_size=2, unique=True),
    BLOCKS,
)
@settings(max_examples=25)
def test_a_grid_of_settings_equals_each_of_them(depths, widths, resolutions, block):
    make, options = block

    def arch(depth, width, resolution):
        stages = (cl.Stage(make, depth, 8, 1, options), cl.Stage(make, 2, 8 * width, 1, options))
        last = cl.Stage(make, depth, 32, 2, options)
        return cl.Architecture("grid", cl.Stage(b.conv_stem, 1, 8), (*stages, last), resolution=resolution, classes=5)

    d, w, r = np.meshgrid(depths, widths, resolutions, indexing="ij", sparse=True)
    grid = arch(d, w, r).memory(batch=3, optimizer="adam")
    for i, j, k in np.ndindex(len(depths), len(widths), len(resolutions)):
        one = arch(depths[i], widths[j], resolutions[k]).graph().memory(batch=3, optimizer="adam")
        for field in FIELDS:
            many = np.broadcast_to(getattr(grid, field), (len(depths), len(widths), len(resolutions)))
            assert many[i, j, k] == getattr(one, field), field


def test_a_sample_of_settings_equals_each_of_them():
    draw = np.random.default_rng(0)
    depth, width, resolution = draw.uniform(0.2, 1.6, 12), draw.uniform(0.3, 1.5, 12), draw.integers(32, 80, 12)
    base = cl.architecture("efficientnet_b0")
    sample = cl.scaled(base, depth=depth, width=width, resolution=resolution).memory(batch=2)
    for n in range(12):
        one = cl.scaled(base, depth=depth[n], width=width[n], resolution=int(resolution[n])).graph().memory(batch=2)
        assert [getattr(sample, field)[n] for field in FIELDS if field != "optimizer"] == [
            getattr(one, field) for field in FIELDS if field != "optimizer"
        ]
    assert "-" in str(sample) and "MB" in repr(sample)


# What is refused.


class Unheard(op.Op):
    """An operation without a rule."""


def two_inputs() -> Graph:
    x = b.conv(image(3, 8), 4)
    y = b.conv(x, 4)
    return b.conv(b.add(y.at("stage1.1", 3), x), 4).at("").graph("two")


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: cl.architecture("resnet18").memory(batch=0), "batch=0: batch must be a whole number, 1 or more"),
        (lambda: cl.architecture("resnet18").memory(dtype="int8"), "dtype='int8': choose one of float64, float32"),
        (lambda: cl.architecture("resnet18").memory(dtype=0), "dtype=0: dtype must be a whole number"),
        (lambda: cl.architecture("resnet18").memory(optimizer="lion"), "optimizer='lion': choose one of sgd"),
        (lambda: image().apply("odd", Unheard()).graph("odd").memory(), "odd1: what Unheard keeps in memory is not"),
        (lambda: two_inputs().memory(), "stage1.1.add1: its block stands for several, and takes 2 images"),
        (
            lambda: memory_table(cl.architecture("resnet34").graph(folded=True)),
            "resnet34: stage1.1.conv1 stands for several layers or settings (folded, or arrays), and a table",
        ),
    ],
    ids=["batch", "dtype", "bytes", "optimizer", "operation", "two inputs", "folded table"],
)
def test_bad_input_gets_a_sentence(ask, sentence):
    with pytest.raises(ValueError) as error:
        ask()
    assert str(error.value).startswith(sentence)


def test_layers_without_gradients_keep_nothing():
    x = b.max_pool(b.act(image(3, 8)), 2, 2)  # nothing learned so far
    graph = b.conv(x, 4).graph("late")
    assert said(graph.memory()) == measured(graph, batch=1)
    assert graph.memory().saved == 3 * 4 * 4 * 4  # the convolution's input alone
    only = Graph("empty", (Layer("input", op.Input(3, 8), (), 3, 8),))
    assert memory(only) == Memory(input=3 * 8 * 8 * 4)


# On a GPU.


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0"])
def test_a_gpu_allocates_as_much(name):
    """What a step holds between forward and backward: within 3 % (blocks of 512 bytes; masks of 1 byte). The peak of
    an evaluation: from there up to twice as much, for the workspace of convolutions."""
    graph = cl.architecture(name).graph()
    foretold, module = graph.memory(batch=64), graph.module().cuda()
    x = torch.zeros(64, 3, 224, 224, device="cuda")
    module.train()(x).sum().backward()  # loads kernels
    module.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    y = module(x)
    held = torch.cuda.memory_allocated() - before
    assert held == pytest.approx(foretold.saved - foretold.input, rel=0.03)
    del y
    module.eval()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with torch.no_grad():
        module(x)
    peak = torch.cuda.max_memory_allocated() - before
    assert 0.97 * foretold.peak <= peak <= 2 * foretold.peak


def test_the_meter_of_the_oracle_is_no_stopped_clock():
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(inplace=True), nn.ReLU(), nn.Flatten())
    assert oracle.peak(module, torch.zeros(1, 1, 4, 4)) == 2 * (2 * 16 * 4)
    assert oracle.saved(module, torch.zeros(1, 1, 4, 4)) == 16 * 4 + 2 * (2 * 16 * 4)
