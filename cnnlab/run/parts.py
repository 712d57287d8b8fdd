"""The torch module of each single layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Layer

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "mish": nn.Mish,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
}

BATCH_NORMS = (nn.BatchNorm2d, nn.BatchNorm1d)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training, an image's whole branch is zeroed at this rate, and the
    others are scaled by 1 / (1 - rate)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, ...) -> the same shape."""
        if not self.training:
            return x
        kept = torch.empty(x.shape[0], *[1] * (x.dim() - 1), dtype=x.dtype, device=x.device).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def submodule(layer: Layer, x: Layer, *, inplace: bool) -> nn.Module:
    """The torch module of one layer that takes the image x."""
    channels = int(x.channels)
    match layer.op:
        case op.Conv() as c:
            return nn.Conv2d(
                channels, int(c.width), c.kernel, c.stride, c.padding, c.dilation, int(c.groups), bias=c.bias
            )
        case op.BatchNorm() as n:
            return (nn.BatchNorm1d if x.size is None else nn.BatchNorm2d)(channels, n.eps, n.momentum)
        case op.LayerNorm() as n:
            return nn.LayerNorm(channels, n.eps)
        case op.Linear() as n:
            return nn.Linear(channels, int(n.width), n.bias)
        case op.Act() as a:
            kind = ACTIVATIONS[a.kind]
            return kind(inplace=True) if inplace else kind()
        case op.MaxPool() as p:
            return nn.MaxPool2d(p.kernel, p.stride, p.padding, ceil_mode=p.ceil)
        case op.AvgPool() as p:
            return nn.AvgPool2d(p.kernel, p.stride, p.padding, ceil_mode=p.ceil)
        case op.AdaptivePool() as p:
            return nn.AdaptiveAvgPool2d(p.size)
        case op.Shuffle() as c:
            return nn.ChannelShuffle(c.groups)
        case op.Dropout() as d:
            return nn.Dropout(d.rate)
        case op.DropPath() as d:
            return DropPath(d.rate)
        case _:
            raise ValueError(f"{layer.name}: no module is known for {layer.op}")
