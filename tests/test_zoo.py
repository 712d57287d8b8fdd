"""The zoo against torchvision: logits, parameters, multiply-adds, activations; and against the papers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import BatchNorm2d
from torchvision import models

import cnnlab as cl
from tests import oracles

TORCHVISION = sorted(set(cl.names()) & set(models.list_models(module=models)))


def test_the_zoo_has_what_the_readme_lists():
    assert len(TORCHVISION) == 21
    assert {"plain18", "plain34", "cifar_resnet20", "cifar_resnet110_b"} <= set(cl.names())


@pytest.mark.parametrize("name", TORCHVISION)
def test_logits_equal_torchvisions(name):
    theirs = oracles.randomised(models.get_model(name))
    ours = cl.architecture(name).graph().module(weights=theirs.state_dict())
    assert oracles.difference(theirs, ours, resolution=64) <= 1e-5
    norms = [[(m.eps, m.momentum) for m in net.modules() if isinstance(m, BatchNorm2d)] for net in (theirs, ours)]
    assert norms[0] == norms[1]


@pytest.mark.parametrize("name", TORCHVISION)
def test_costs_equal_what_torch_counts(name):
    arch = cl.architecture(name)
    with torch.device("meta"):
        theirs = models.get_model(name)
    expected = cl.Cost(
        oracles.macs(theirs, arch.resolution),
        oracles.numel(theirs),
        oracles.activations(theirs, arch.resolution),
    )
    assert arch.cost() == expected
    assert arch.graph().cost() == expected
    odd = arch.resolution + 1  # no multiple of the stride: the staircase, not the square law
    assert cl.architecture(name, resolution=odd).cost().macs == oracles.macs(theirs, odd)


@pytest.mark.parametrize("name", TORCHVISION)
def test_costs_equal_torchvisions_own_metadata(name):
    for weights in models.get_model_weights(name):
        arch = cl.architecture(name, resolution=weights.transforms().crop_size[0])
        assert round(arch.cost().macs / 1e9, 3) == weights.meta["_ops"]
        assert arch.cost().params == weights.meta["num_params"]


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


@pytest.mark.parametrize("name", [n for n in cl.names() if n not in TORCHVISION])
def test_networks_that_torchvision_lacks_cost_what_torch_counts(name):
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
