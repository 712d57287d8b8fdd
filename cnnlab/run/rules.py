"""What `trace` knows: the layer that each torch function writes. Each rule has the signature of its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Image
from cnnlab.run.orders import ORDERS
from cnnlab.run.values import Pair, Value, Write, image_of, is_gate, methods, one, say, sides, two_sides

# Layers with parameters.


def _conv(
    write: Write,
    input: Value,
    weight: Tensor,
    bias: Any = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Value:
    x = image_of(input)
    out, share, *window = weight.shape
    _check_channels(share * groups, x)
    kernel, steps, spread = two_sides("kernel_size", tuple(window)), one("stride", stride), one("dilation", dilation)
    if padding == "same":
        uneven = [k for k in window if spread * (k - 1) % 2]
        if uneven:
            raise ValueError(f"pads unevenly (padding='same' with kernel {uneven[0]}); use an odd kernel")
        padding = tuple(spread * (k - 1) // 2 for k in window)
    around = 0 if padding == "valid" else two_sides("padding", padding)
    layer = op.Conv(out, kernel, steps, around, groups, spread, bias is not None)
    return input._replace(image=write(layer, x, weight=weight, bias=bias))


def _linear(write: Write, input: Value, weight: Tensor, bias: Any = None) -> Value:
    out, channels = weight.shape
    if input.order not in ("flat", "last"):
        raise ValueError(f"needs a flat vector, and gets {say(input)}; put flatten before it")
    _check_channels(channels, input.image)
    layer = op.Linear(out, bias is not None, input.order == "last")
    return input._replace(image=write(layer, input.image, weight=weight, bias=bias))


def _batch_norm(
    write: Write,
    input: Value,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    if weight is None or bias is None or running_mean is None or training or not momentum:
        raise ValueError(
            "is a batch norm without scale and shift (affine=False), without running statistics "
            "(track_running_stats=False) or with momentum=None; only the usual one is known"
        )
    if input.order not in ("image", "flat"):
        raise ValueError(f"normalises {say(input)}; only images and flat vectors are known")
    _check_channels(weight.numel(), input.image)
    return input._replace(image=write(op.BatchNorm(eps, momentum), input.image, weight=weight, bias=bias))


def _layer_norm(
    write: Write, input: Value, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Value:
    if input.order not in ("last", "flat") or len(normalized_shape) != 1 or weight is None or bias is None:
        raise ValueError(
            f"normalises {say(input)} over its last {len(normalized_shape)} dimensions; "
            "only the channels of each pixel, with a scale and a shift, are known"
        )
    _check_channels(weight.numel(), input.image)
    return input._replace(image=write(op.LayerNorm(eps), input.image, weight=weight, bias=bias))


def _check_channels(wants: int, x: Image) -> None:
    if wants != x.channels:
        raise ValueError(f"takes {wants} channels and gets {x.channels}; check trace's resolution and channels")


# One number after the other.


def _act(kind: str, **expected: float | str) -> Callable[..., Value]:
    """The rule of an activation; expected: the values of its further arguments that are known."""

    def rule(write: Write, input: Value, *settings: Any, inplace: bool = False, **named: Any) -> Value:
        given = {**dict(zip(expected, settings, strict=False)), **named}
        for name, value in given.items():
            if value != expected.get(name):
                raise ValueError(f"has {name}={value}; only torch's default, {expected.get(name)}, is known")
        return input._replace(image=write(op.Act(kind), input.image))

    return rule


def _hardtanh(write: Write, input: Value, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Value:
    if (min_val, max_val) != (0, 6):
        raise ValueError(f"cuts off at {min_val} and {max_val}; only 0 and 6 (relu6) are known")
    return input._replace(image=write(op.Act("relu6"), input.image))


def _affine(write: Write, x: Value, scale: float, shift: float) -> Value:
    return x._replace(image=write(op.Affine(float(scale), float(shift)), x.image))


def _add(write: Write, x: Any, other: Any, *, alpha: float = 1) -> Value:
    x, other = (other, x) if isinstance(x, (int, float)) else (x, other)
    if isinstance(other, (int, float)):
        return _affine(write, x, 1.0, alpha * other)
    if alpha != 1:
        raise ValueError(f"adds with alpha={alpha}; only 1 is known")
    return _both(write, op.Add(), x, other)


def _subtract(write: Write, x: Any, other: Any, *, alpha: float = 1) -> Value:
    if not isinstance(other, (int, float)):
        raise ValueError(f"subtracts {say(other)}; only numbers are known")
    return _affine(write, x, 1.0, -alpha * other)


def _subtract_from(write: Write, x: Any, other: Any) -> Value:
    if not isinstance(other, (int, float)):
        raise ValueError(f"subtracts from {say(other)}; only numbers are known")
    return _affine(write, x, -1.0, other)


def _divide(write: Write, x: Any, other: Any, *, rounding_mode: str | None = None) -> Value:
    if not isinstance(other, (int, float)) or other == 0 or rounding_mode is not None:
        raise ValueError(f"divides by {say(other)}; only numbers are known")
    return _affine(write, x, 1 / other, 0.0)


def _negate(write: Write, x: Value) -> Value:
    return _affine(write, x, -1.0, 0.0)


def _multiply(write: Write, x: Any, other: Any) -> Value:
    x, other = (x, other) if isinstance(x, Value) else (other, x)
    if isinstance(other, (int, float)):
        return _affine(write, x, other, 0.0)
    if isinstance(other, Tensor):
        return _layer_scale(write, x, other)
    x, other = (other, x) if is_gate(x) and not is_gate(other) else (x, other)
    other = Value(other.image) if other.order == "expanded" and other.number == x.image.size else other
    return _both(write, op.Multiply(), x, other)


def _layer_scale(write: Write, x: Value, factor: Tensor) -> Value:
    channels = int(x.image.channels)
    place = {"image": (channels, 1, 1), "last": (channels,), "flat": (channels,)}.get(x.order)
    shape = tuple(factor.shape)
    if shape != place and shape != (1, *(place or ())):
        raise ValueError(f"multiplies {say(x)} with a tensor of {shape}; only one factor for each channel is known")
    return x._replace(image=write(op.LayerScale(), x.image, weight=factor))


def _both(write: Write, layer: op.Op, x: Any, other: Any) -> Value:
    if not isinstance(x, Value) or not isinstance(other, Value) or x[1:] != other[1:]:
        raise ValueError(f"joins {say(x)} and {say(other)}; only images in the same order of dimensions are known")
    return x._replace(image=write(layer, x.image, other.image))


def _dropout(write: Write, input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    # The module is followed in evaluation, so training=self.training arrives here as False.
    return input._replace(image=write(op.Dropout(p), input.image))


def _same(write: Write, x: Value, *_: Any, **__: Any) -> Value:
    return x


# Pooling and padding.


def _max_pool(
    write: Write,
    input: Value,
    kernel_size: Pair,
    stride: Any = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Value:
    if one("dilation", dilation) != 1 or return_indices:
        raise ValueError(f"pools with dilation={dilation}, return_indices={return_indices}; only 1 and False are known")
    return _pool(write, op.MaxPool, input, (kernel_size, stride, padding), ceil_mode)


def _avg_pool(
    write: Write,
    input: Value,
    kernel_size: Pair,
    stride: Any = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    if divisor_override is not None or not (count_include_pad or one("padding", padding) == 0):
        raise ValueError(
            f"pools with count_include_pad={count_include_pad}, divisor_override={divisor_override}; "
            "only the mean over the whole window is known"
        )
    return _pool(write, op.AvgPool, input, (kernel_size, stride, padding), ceil_mode)


def _pool(write: Write, kind: type[op.Pool], x: Value, settings: tuple[Any, Any, Any], ceil: bool) -> Value:
    kernel_size, stride, padding = settings
    kernel = one("kernel_size", kernel_size)
    stride = kernel if stride in (None, []) else one("stride", stride)
    return x._replace(image=write(kind(kernel, stride, one("padding", padding), ceil), image_of(x)))


def _adaptive_pool(write: Write, input: Value, output_size: Any) -> Value:
    return input._replace(image=write(op.AdaptivePool(one("output_size", output_size)), image_of(input)))


def _mean(write: Write, input: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    dims = sorted(d % len(sides(input)) for d in (dim if isinstance(dim, (tuple, list)) else [dim] if dim else []))
    over = {"image": [2, 3], "last": [1, 2], "pixels": [2]}.get(input.order)
    if dims != over or (keepdim and input.order != "image"):
        raise ValueError(f"takes the mean over dimensions {dim}; only height and width, (2, 3), are known")
    y = write(op.AdaptivePool(1), input.image)
    return Value(y) if keepdim else Value(write(op.Flatten(), y), "flat")


def _pad(write: Write, input: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Value:
    pad = [*pad, *[0] * (6 - len(pad))]
    x = image_of(input)
    if mode != "constant" or value not in (None, 0) or len(pad) > 6:
        raise ValueError(f"pads with {mode!r} and {value}; only zeros are known")
    left, right, top, bottom, front, back = pad
    if (left, right) == (top, bottom) and front == back == 0 and min(pad) >= 0:
        return Value(write(op.Pad(left, right), x)) if left or right else input
    if (left, right, top, bottom) == (0, 0, 0, 0) and min(front, back) >= 0:
        return Value(_pad_channels(write, x, front, back))
    raise ValueError(f"pads by {tuple(pad)}; only the same at both sides' ends, or channels, are known")


def _pad_channels(write: Write, x: Image, front: int, back: int) -> Image:
    """Zeros before the first channel, as many CIFAR ResNets have them, are added after the last and brought there."""
    start, end = int(x.channels), int(x.channels) + front
    y = write(op.PadChannels(end + back), x)
    if not front:
        return y
    parts = [op.Slice(start, end), op.Slice(0, start), *([op.Slice(end, end + back)] if back else [])]
    return write(op.Concat(), *[write(part, y) for part in parts])


FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    F.conv2d: _conv,
    F.linear: _linear,
    F.batch_norm: _batch_norm,
    F.layer_norm: _layer_norm,
    **dict.fromkeys((F.relu, torch.relu, torch.relu_, *methods("relu", "relu_")), _act("relu")),
    **dict.fromkeys((F.sigmoid, torch.sigmoid, torch.sigmoid_, *methods("sigmoid", "sigmoid_")), _act("sigmoid")),
    **dict.fromkeys((F.tanh, torch.tanh, torch.tanh_, *methods("tanh", "tanh_")), _act("tanh")),
    **dict.fromkeys((F.selu, torch.selu, torch.selu_), _act("selu")),
    **{F.relu6: _act("relu6"), F.hardtanh: _hardtanh, F.silu: _act("silu"), F.mish: _act("mish")},
    **{F.hardswish: _act("hardswish"), F.hardsigmoid: _act("hardsigmoid")},
    F.gelu: _act("gelu", approximate="none"),
    **dict.fromkeys((F.leaky_relu, F.leaky_relu_), _act("leaky_relu", negative_slope=0.01)),
    F.elu: _act("elu", alpha=1.0),
    **dict.fromkeys((torch.add, *methods("add", "add_", "__radd__")), _add),
    **dict.fromkeys((torch.sub, *methods("sub", "sub_")), _subtract),
    **dict.fromkeys((torch.rsub, *methods("__rsub__")), _subtract_from),
    **dict.fromkeys((torch.mul, *methods("mul", "mul_", "__rmul__")), _multiply),
    **dict.fromkeys((torch.div, *methods("div", "div_")), _divide),
    **dict.fromkeys((torch.neg, *methods("neg")), _negate),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), _max_pool),
    F.avg_pool2d: _avg_pool,
    F.adaptive_avg_pool2d: _adaptive_pool,
    **dict.fromkeys((torch.mean, *methods("mean")), _mean),
    F.pad: _pad,
    F.dropout: _dropout,
    **dict.fromkeys(methods("contiguous", "clone", "detach", "to", "float"), _same),
    torch.clone: _same,
    **ORDERS,
}
"""What is called on a stand-in -> what `trace` writes for it."""
