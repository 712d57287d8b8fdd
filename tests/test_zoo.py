"""The zoo against torchvision and timm: parameters, multiply-adds, activations, constants; and against the papers."""

from __future__ import annotations

import pytest
from torch import nn
from torchvision import models
from torchvision.ops import StochasticDepth

import cnnlab as cl
from cnnlab.arch.layers import BatchNorm, Dropout, DropPath
from tests import oracles
from tests.references import TORCHVISION, counted, reference

SHARED = [name for name in cl.names() if name in TORCHVISION]
ALONE = [name for name in cl.names() if name.startswith(("plain", "cifar", "small"))]
ODD = [  # one of each family, at a size that is no multiple of the stride: the staircase, not the square law
    *[
        "resnet18",
        "resnet50d",
        "resnetrs50",
        "seresnet50",
        "efficientnet_b0",
        "efficientnet_v2_s",
        "efficientnet_lite0",
    ],
    *["mobilenet_v1", "mobilenet_v3_small", "mnasnet0_5", "regnet_y_400mf", "convnext_tiny", "vgg11", "alexnet"],
    *["squeezenet1_0", "squeezenet1_1", "densenet121", "googlenet", "inception_v3"],
]


def test_every_cnn_of_torchvision_is_here_but_the_shuffled_ones():
    missing = TORCHVISION - set(cl.names())
    assert {name.partition("_")[0].rstrip("0123456789") for name in missing} == {"shufflenet", "vit", "swin", "maxvit"}


@pytest.mark.parametrize("name", [name for name in cl.names() if name not in ALONE])
def test_costs_and_constants_equal_those_of_the_reference(name):
    arch, theirs = cl.architecture(name), reference(name)
    graph, expected = arch.graph(), counted(theirs, arch.resolution)
    assert arch.cost() == graph.cost() == expected
    norms = {(m.eps, m.momentum) for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)}
    assert {(layer.op.eps, layer.op.momentum) for layer in graph.layers if isinstance(layer.op, BatchNorm)} == norms
    if name in TORCHVISION:  # timm leaves rates to its training script
        assert rates(graph, Dropout) == [m.p for m in theirs.modules() if isinstance(m, nn.Dropout)]
        assert rates(graph, DropPath) == pytest.approx(stochastic_depths(theirs))


def rates(graph: cl.Graph, kind: type) -> list[float]:
    return [layer.op.rate for layer in graph.layers if isinstance(layer.op, kind)]


def stochastic_depths(module: nn.Module) -> list[float]:
    """The rates, above 0, of the blocks that add their input."""
    blocks = [m for m in module.modules() if any(isinstance(child, StochasticDepth) for child in m.children())]
    return [m.stochastic_depth.p for m in blocks if getattr(m, "use_res_connect", True) and m.stochastic_depth.p]


@pytest.mark.parametrize("name", ODD)
def test_costs_at_an_odd_resolution(name):
    odd = cl.architecture(name).resolution + 1
    assert cl.architecture(name, resolution=odd).cost() == counted(reference(name), odd)


@pytest.mark.parametrize("name", SHARED)
def test_costs_equal_torchvisions_own_metadata(name):
    # Of Inception v3 it counts the head that only training uses.
    extra = oracles.numel(models.inception.InceptionAux(768, 1000)) if name == "inception_v3" else 0
    for weights in models.get_model_weights(name):
        arch = cl.architecture(name, resolution=weights.transforms().crop_size[0])
        assert round(arch.cost().macs / 1e9, 3) == weights.meta["_ops"]
        assert arch.cost().params + extra == weights.meta["num_params"]


# He et al. 2015, Table 6: parameters of the CIFAR-10 networks (option A), in millions.
@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_cifar_resnets_have_the_papers_parameters_and_depth(depth, millions):
    arch = cl.architecture(f"cifar_resnet{depth}")
    assert float(f"{arch.cost().params / 1e6:.2g}") == millions
    weighted = [n for n, p in arch.graph().module().named_parameters() if p.dim() > 1]
    assert len(weighted) == depth


@pytest.mark.parametrize(
    ("a", "b"), [("plain18", "resnet18"), ("plain34", "resnet34"), ("cifar_resnet20", "cifar_resnet20_b")]
)
def test_the_plain_and_option_a_twins_differ_by_the_projections_alone(a, b):
    without, graph = cl.architecture(a).graph(), cl.architecture(b).graph()
    projections = graph.table().query("layer.str.contains('shortcut')")
    assert len(projections) > 0
    assert without.cost().params == graph.cost().params - projections["params"].sum()
    assert without.cost().macs == graph.cost().macs - projections["macs"].sum()


@pytest.mark.parametrize("name", ALONE)
def test_networks_that_no_library_has_cost_what_torch_counts(name):
    arch = cl.architecture(name)
    module = arch.graph().module()
    assert arch.cost().params == oracles.numel(module)
    assert arch.cost().activations == oracles.activations(module, arch.resolution)
    assert arch.cost().macs == oracles.macs(module, arch.resolution)


def test_efficientnet_b0_prints_as_table_1_of_its_paper():
    # Tan and Le 2019, Table 1: resolution, channels and layers of each stage; the head's 1280 is in its block.
    table = [
        *[(224, 32, 1), (112, 16, 1), (112, 24, 2), (56, 40, 2), (28, 80, 3)],
        *[(14, 112, 3), (14, 192, 4), (7, 320, 1), (7, 1000, 1)],
    ]
    lines = str(cl.architecture("efficientnet_b0")).splitlines()[2:-1]
    assert len(lines) == len(table)
    for line, (resolution, channels, layers) in zip(lines, table, strict=True):
        assert line.split()[-4:-1] == [f"{resolution}x{resolution}", str(channels), str(layers)]
    assert "1x1 1280" in lines[-1]
    assert "dw 5x5 240" in lines[3]
