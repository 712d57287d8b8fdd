"""What `trace` knows: the layer of each torch module, and of each function and method with the signature of torch's."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import StochasticDepth

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Image
from cnnlab.run.module import ACTIVATIONS, DropPath

Write = Callable[..., Image]
"""write(op, x, *others): append a layer and return its image."""

Pair = int | tuple[int, ...]


def layer_of(part: nn.Module) -> op.Op:
    """The layer that a torch module is. Raises ValueError, as the rest of a sentence, for one that has none."""
    for kind, module in ACTIVATIONS.items():
        if type(part) is module:
            return op.Act(kind)
    match part:
        case nn.Conv2d():
            return _conv(part)
        case nn.BatchNorm2d() if part.affine and part.track_running_stats and part.momentum is not None:
            return op.BatchNorm(part.eps, part.momentum)
        case nn.MaxPool2d() if not part.ceil_mode and part.dilation == 1 and not part.return_indices:
            return op.MaxPool(_one("kernel_size", part.kernel_size), *_stride_padding(part))
        case nn.AvgPool2d() if not part.ceil_mode and part.divisor_override is None and _counts(part):
            return op.AvgPool(_one("kernel_size", part.kernel_size), *_stride_padding(part))
        case nn.AdaptiveAvgPool2d():
            return op.AdaptivePool(_one("output_size", part.output_size))
        case nn.Flatten() if part.start_dim == 1 and part.end_dim == -1:
            return op.Flatten()
        case nn.Linear():
            return op.Linear(part.out_features, part.bias is not None)
        case nn.Dropout():
            return op.Dropout(part.p)
        case StochasticDepth() if part.mode == "row":
            return op.DropPath(part.p)
        case DropPath():
            return op.DropPath(part.rate)
    raise ValueError(f"is {part}, which trace does not know; see cnnlab.arch.layers for what it knows")


def _conv(part: nn.Conv2d) -> op.Conv:
    if part.padding_mode != "zeros":
        raise ValueError(f"pads with {part.padding_mode!r}; only zeros are known")
    kernel, stride, dilation = (_one(n, getattr(part, n)) for n in ("kernel_size", "stride", "dilation"))
    if part.padding == "same" and dilation * (kernel - 1) % 2:
        raise ValueError(f"pads unevenly (padding='same' with kernel {kernel}); use an odd kernel")
    padding = {"same": dilation * (kernel - 1) // 2, "valid": 0}.get(str(part.padding))
    padding = _one("padding", part.padding) if padding is None else padding
    return op.Conv(part.out_channels, kernel, stride, padding, part.groups, dilation, part.bias is not None)


def _stride_padding(part: Any) -> tuple[int, int]:
    return _one("stride", part.stride), _one("padding", part.padding)


def _counts(part: nn.AvgPool2d) -> bool:
    return part.count_include_pad or part.padding in (0, (0, 0))


def _one(what: str, value: Any) -> int:
    """A setting that torch holds for height and width, where both must agree."""
    values = set(value) if isinstance(value, tuple) else {value}
    if len(values) != 1 or not isinstance(number := values.pop(), int):
        raise ValueError(f"has {what}={value}; height and width must be the same whole number")
    return number


# Functions and methods. Each takes `write` and then what torch's takes.


def _act(kind: str) -> Callable[..., Image]:
    def rule(write: Write, x: Image, inplace: bool = False) -> Image:
        return write(op.Act(kind), x)

    return rule


def _add(write: Write, x: Image, other: Image, *, alpha: int = 1) -> Image:
    if alpha != 1:
        raise ValueError(f"adds with alpha={alpha}; only 1 is known")
    return write(op.Add(), x, other)


def _multiply(write: Write, x: Image, other: Image) -> Image:
    gate_first = isinstance(other, Image) and isinstance(x, Image) and x.size == 1 and other.size != 1
    return write(op.Multiply(), *((other, x) if gate_first else (x, other)))


def _concat(write: Write, images: list[Image], dim: int = 0) -> Image:
    if dim != 1:
        raise ValueError(f"stacks along dimension {dim}; only the channels (1) are known")
    return write(op.Concat(), *images)


def _flatten(write: Write, x: Image, start_dim: int = 0, end_dim: int = -1) -> Image:
    if (start_dim, end_dim) != (1, -1):
        raise ValueError(f"flattens dimensions {start_dim} to {end_dim}; only 1 to -1 is known")
    return write(op.Flatten(), x)


def _view(write: Write, x: Image, *shape: Any) -> Image:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    rest = x.channels if x.size is None else x.channels * x.size * x.size
    if len(sizes) != 2 or sizes not in ((BATCH, -1), (BATCH, rest), (-1, rest)):
        raise ValueError(f"reshapes to {sizes}; only (batch, -1), a flattening, is known")
    return write(op.Flatten(), x)


def _mean(write: Write, x: Image, dim: Any = None, keepdim: bool = False) -> Image:
    if not isinstance(dim, (tuple, list)) or sorted(d % 4 for d in dim) != [2, 3]:
        raise ValueError(f"takes the mean over dimensions {dim}; only height and width, (2, 3), are known")
    y = write(op.AdaptivePool(1), x)
    return y if keepdim else write(op.Flatten(), y)


def _adaptive_pool(write: Write, x: Image, output_size: Pair) -> Image:
    return write(op.AdaptivePool(_one("output_size", output_size)), x)


def _max_pool(
    write: Write,
    x: Image,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Image:
    return write(layer_of(nn.MaxPool2d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)), x)


def _avg_pool(write: Write, x: Image, kernel_size: Any, *args: Any, **kwargs: Any) -> Image:
    return write(layer_of(nn.AvgPool2d(kernel_size, *args, **kwargs)), x)


def _dropout(write: Write, x: Image, p: float = 0.5, training: bool = True, inplace: bool = False) -> Image:
    # torch.fx has followed the module in evaluation, so training=self.training arrives here as False.
    return write(op.Dropout(p), x)


def _pad(write: Write, x: Image, pad: tuple[int, ...], mode: str = "constant", value: float | None = None) -> Image:
    if mode != "constant" or value not in (None, 0) or len(pad) != 6 or any(pad[:5]):
        raise ValueError(f"pads by {pad} ({mode}); only zeros after the last channel, (0, 0, 0, 0, 0, n), are known")
    return write(op.PadChannels(x.channels + pad[5]), x)


def _getitem(write: Write, x: Any, index: Any) -> Any:
    if not isinstance(x, Image):
        return x[index]
    everything = slice(None, None, None)
    if isinstance(index, tuple) and index[:2] == (everything,) * 2 and len(index) == 4 and index[2] == index[3]:
        match index[3]:
            case slice(start=None, stop=None, step=int(step)):
                return write(op.AvgPool(1, step), x)
    raise ValueError(f"takes the part {index} of an image; only every n-th pixel, [:, :, ::n, ::n], is known")


def _getattr(write: Write, x: Image, name: str) -> Any:
    if name != "shape":
        raise ValueError(f"reads .{name} of an image; only .shape is known")
    return _size(write, x)


def _size(write: Write, x: Image, dim: int | None = None) -> Any:
    sizes = (BATCH, x.channels) if x.size is None else (BATCH, x.channels, x.size, x.size)
    return sizes if dim is None else sizes[dim]


def _same(write: Write, x: Image, *_: Any, **__: Any) -> Image:
    return x


BATCH = "batch"
"""Stands for the number of images where a module asks for it."""

FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    **{getattr(F, kind): _act(kind) for kind in ACTIVATIONS},
    **{getattr(torch, kind): _act(kind) for kind in ("relu", "sigmoid", "tanh", "relu_")},
    **{kind: _act(kind.rstrip("_")) for kind in ("relu", "relu_", "sigmoid", "sigmoid_", "tanh")},
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add", "add_"), _add),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, "mul", "mul_"), _multiply),
    **dict.fromkeys((torch.cat, torch.concat), _concat),
    **dict.fromkeys((torch.flatten, "flatten"), _flatten),
    **dict.fromkeys(("view", "reshape", torch.reshape), _view),
    **dict.fromkeys((torch.mean, "mean"), _mean),
    F.adaptive_avg_pool2d: _adaptive_pool,
    F.max_pool2d: _max_pool,
    torch.max_pool2d: _max_pool,
    F.avg_pool2d: _avg_pool,
    F.dropout: _dropout,
    F.pad: _pad,
    operator.getitem: _getitem,
    getattr: _getattr,
    "size": _size,
    "contiguous": _same,
}
"""What torch.fx sees called (a function, or a method's name) -> what `trace` writes for it."""
