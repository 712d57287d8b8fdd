"""Each layer as the text of the torch call that makes it, with its numbers as slots to be filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Layer

ACTIVATIONS: Mapping[str, str] = {
    **{"relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "elu": "ELU", "selu": "SELU", "silu": "SiLU"},
    **{"gelu": "GELU", "mish": "Mish", "sigmoid": "Sigmoid", "tanh": "Tanh"},
    **{"hardswish": "Hardswish", "hardsigmoid": "Hardsigmoid"},
}


class Slot(NamedTuple):
    """A number in a call. name: the argument's; role: what kind of number ("channels", "stride", ...); default: the
    value that need not be written, or None if it stands without its name."""

    name: str
    role: str
    value: Any
    default: Any = None


@dataclass(frozen=True)
class Made:
    """How a layer is made in `__init__`: callee(slots). An empty callee: it is written in `forward` alone.

    module: whether the call alone does the layer, so that it can stand in an nn.Sequential.
    """

    callee: str
    slots: tuple[Slot, ...] = ()
    module: bool = True


class Literal(str):
    """A value that is code, such as nn.ReLU."""


def made(layer: Layer, inputs: Sequence[Layer], *, inplace: bool, parts: int = 1) -> Made:
    """The call that makes this layer. Raises ValueError for an op that has none."""
    x = inputs[0]
    channels = int(x.channels)
    first = Slot("channels", "channels", channels)
    match layer.op:
        case op.Conv() as c:
            return Made("nn.Conv2d", (first, *_conv(c)))
        case op.Linear() as n:
            width = Slot("width", "channels", int(n.width))
            return Made(
                "nn.Linear" if x.size is None else "PixelLinear", (first, width, Slot("bias", "bias", n.bias, True))
            )
        case op.BatchNorm() as n:
            constants = (Slot("eps", "eps", n.eps, 1e-5), Slot("momentum", "momentum", n.momentum, 0.1))
            return Made("nn.BatchNorm1d" if x.size is None else "nn.BatchNorm2d", (first, *constants))
        case op.LayerNorm() as n:
            callee = "nn.LayerNorm" if x.size is None else "ChannelNorm"
            return Made(callee, (first, Slot("eps", "eps", n.eps, 1e-5)))
        case op.LayerScale() as n:
            return Made("LayerScale", (first, Slot("initial", "initial", n.initial)), module=False)
        case op.Act() as a:
            return Made("inplace" if inplace else "act", (Slot("act", "act", Literal(f"nn.{ACTIVATIONS[a.kind]}")),))
        case op.MaxPool() | op.AvgPool() as p:
            kind = "Max" if isinstance(p, op.MaxPool) else "Avg"
            sides = (Slot("kernel", "kernel", p.kernel), Slot("stride", "stride", p.stride))
            rest = (Slot("padding", "padding", p.padding, 0), Slot("ceil_mode", "ceil", p.ceil, False))
            return Made(f"nn.{kind}Pool2d", (*sides, *rest))
        case op.AdaptivePool() as p:
            return Made("nn.AdaptiveAvgPool2d", (Slot("size", "size", p.size),))
        case op.Shuffle() as s:
            return Made("nn.ChannelShuffle", (Slot("groups", "groups", s.groups),))
        case op.Dropout() as d:
            return Made("nn.Dropout", (Slot("rate", "rate", _rate(d.rate)),))
        case op.DropPath() as d:
            return Made("DropPath", (Slot("rate", "rate", _rate(d.rate)),))
        case op.PadChannels():
            return Made("ZeroChannels", (Slot("more", "channels", int(layer.channels - x.channels)),))
        case op.Pad(before, after):
            return Made("nn.ZeroPad2d", (Slot("sides", "sides", (before, after, before, after)),))
        case op.Flatten():
            return Made("", ())
        case op.Unflatten() | op.Add() | op.Multiply() | op.Concat() | op.Slice() | op.Affine():
            return Made("", (), module=False)
        case _:
            raise ValueError(f"{layer.name}: no PyTorch source is known for {layer.op}")


def _conv(c: op.Conv) -> tuple[Slot, ...]:
    return (
        Slot("width", "channels", int(c.width)),
        Slot("kernel", "kernel", c.kernel),
        Slot("stride", "stride", c.stride, 1),
        Slot("padding", "padding", c.padding, 0),
        Slot("dilation", "dilation", c.dilation, 1),
        Slot("groups", "groups", int(c.groups), 1),
        Slot("bias", "bias", c.bias, True),
    )


def _rate(rate: float) -> float:
    """A rate to twelve digits: 0.2 * 3 / 16 is 0.0375, whatever the last bit says."""
    return float(f"{rate:.12g}")


def operation(layer: Layer) -> tuple[Any, ...]:
    """The numbers of a layer that stand in `forward`: two layers that differ in them need different code."""
    match layer.op:
        case op.Slice(start, stop):
            return start, stop
        case op.Affine(scale, shift):
            return scale, shift
    return ()


def applied(layer: Layer, name: str, images: Sequence[str], parts: int) -> tuple[str, bool]:
    """The expression that does a layer, and whether it needs brackets before anything else is done to it.

    name: how `forward` calls the layer's submodule. images: the expressions of what it takes, in brackets where needed.
    """
    x = images[0]
    match layer.op:
        case op.Add():
            return " + ".join(images), True
        case op.Multiply():
            return " * ".join(images), True
        case op.Concat():
            return f"torch.cat({x[1:] if x.startswith('*') else _tuple(images)}, 1)", False
        case op.Flatten():
            return f"torch.flatten({x}, 1)", False
        case op.Unflatten():
            return f"{x}[:, :, None, None]", False
        case op.Slice(start, stop):
            return (
                f"{x}[:, {start}:{stop}]" if start else f"{x}[:, :{stop}]"
            ) if parts == 1 else f"{x}.chunk({parts}, 1)", False
        case op.Affine(scale, shift):
            y = f"{x} * {scale!r}" if scale != 1 else x
            sign, size = ("-", -shift) if shift < 0 else ("+", shift)
            return (f"{y} {sign} {size!r}" if shift != 0 or scale == 1 else y), True
        case op.LayerScale():
            return f"{name} * {x}", True
    return f"{name}({x})", False


def _tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' * (len(items) == 1)})"


HELPERS: Mapping[str, str] = {
    "DropPath": '''class DropPath(nn.Module):
    """Stochastic depth: while training, zeroes the whole branch of an image at this rate."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        keep = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(1 - self.rate)
        return x * keep / (1 - self.rate)
''',
    "ChannelNorm": '''class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel: (N, C, H, W) -> the same shape."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
''',
    "PixelLinear": '''class PixelLinear(nn.Linear):
    """A linear layer on the channels of each pixel: (N, C, H, W) -> (N, width, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
''',
}
"""Classes that torch does not have, written into the file where it needs them."""
