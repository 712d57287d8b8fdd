"""Roles are read off the structure; here torchvision's own modules say which convolution is which."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.ops import SqueezeExcitation

import cnnlab as cl
from cnnlab.arch.roles import ROLES


def convolutions(module: nn.Module, resolution: int) -> dict[str, int]:
    """The multiply-adds of every convolution of a module, by its path, from the shapes that hooks see."""
    found = {}

    def hook(path):
        def seen(conv, _inputs, y):
            found[path] = y[0].numel() * conv.weight[0].numel()

        return seen

    for path, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(hook(path))
    with torch.no_grad():
        module.eval()(torch.empty(1, 3, resolution, resolution, device="meta"))
    return found


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_b0", "mobilenet_v3_small", "regnet_y_400mf"])
def test_the_costs_of_roles(name):
    module = models.get_model(name).to("meta")
    by_role = cl.trace(module, 96).table(by="role").set_index("role")["macs"]
    costs = convolutions(module, 96)
    parts = dict(module.named_modules())
    gates = tuple(path for path, part in parts.items() if isinstance(part, SqueezeExcitation))
    expected = dict.fromkeys(ROLES, 0)
    for path, macs in costs.items():
        conv = parts[path]
        if path.startswith(gates) and gates:
            expected["squeeze-excite"] += macs
        elif "downsample" in path or ".proj." in path:
            expected["shortcut"] += macs
        elif conv.groups == conv.in_channels:
            expected["depthwise"] += macs
        elif conv.kernel_size == (1, 1):
            expected["pointwise"] += macs
        elif path not in ("conv1", "stem.0"):
            expected["spatial"] += macs
    for role in ("depthwise", "pointwise", "squeeze-excite", "shortcut", "spatial"):
        assert by_role.get(role, 0) == expected[role], role


@pytest.mark.parametrize("folded", [False, True], ids=["unfolded", "folded"])
@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "cifar_resnet20", "efficientnet_v2_s"])
def test_roles_add_up(name, folded):
    graph = cl.architecture(name).graph(folded=folded)
    table = graph.table(by="role")
    assert list(table["role"]) == [role for role in ROLES if role in set(table["role"])]
    assert tuple(table[["macs", "params", "activations"]].sum()) == tuple(vars(graph.cost()).values())
    assert table["share"].sum() == pytest.approx(1)
