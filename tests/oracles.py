"""Oracles: what torch itself says of a module. They share no code with cnnlab."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def numel(module: nn.Module) -> int:
    """Parameters, by asking each."""
    return sum(p.numel() for p in module.parameters())


def counted(module: nn.Module, resolution: int, channels: int = 3) -> tuple[int, int, int]:
    """Half the FLOPs that torch counts for one image, the parameters, and the numbers that convolutions and linear
    layers put out. The module moves to the meta device and to evaluation."""
    module, seen = module.eval().to("meta"), []
    parts = [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    handles = [part.register_forward_hook(lambda _m, _x, y: seen.append(y.numel())) for part in parts]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.empty(1, channels, resolution, resolution, device="meta"))
    for handle in handles:
        handle.remove()
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2, numel(module), sum(seen)


def macs(module: nn.Module, resolution: int, channels: int = 3) -> int:
    """Multiply-adds of one image, as torch counts them."""
    return counted(module, resolution, channels)[0]


def activations(module: nn.Module, resolution: int, channels: int = 3) -> int:
    """Numbers that convolutions and linear layers put out."""
    return counted(module, resolution, channels)[2]


@torch.no_grad()
def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in evaluation with norms and layer scales that are neither the identity nor next to it. In place."""
    draw = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm2d, nn.LayerNorm)):
            part.weight.uniform_(0.5, 1.5, generator=draw)
            part.bias.normal_(0, 0.1, generator=draw)
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1, generator=draw)
            part.running_var.uniform_(0.5, 1.5, generator=draw)
    for name, parameter in module.named_parameters():
        if name.endswith("layer_scale"):
            parameter.uniform_(0.2, 1, generator=draw)
    return module.eval()


@torch.no_grad()
def difference(a: nn.Module, b: nn.Module, resolution: int, channels: int = 3) -> float:
    """The largest difference of two modules' outputs in evaluation, relative to the largest output of the first."""
    x = torch.randn(2, channels, resolution, resolution, generator=torch.Generator().manual_seed(1))
    ya, yb = a.eval()(x), b.eval()(x)
    assert ya.shape == yb.shape
    assert ya.abs().max() > 0
    return float((ya - yb).abs().max() / ya.abs().max().clamp(min=1))
