"""What `trace` knows: the layer that each torch function writes. Each rule has the signature of its function."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Image

BATCH = 2
"""Images in the batch that a module is followed with: more than one, so that nothing mistakes a side of 1 for it."""


class Refused(ValueError):
    """What trace cannot represent, with the path of the layer."""


class Value(NamedTuple):
    """What a tensor stands for: an image, and the order in which the tensor holds its numbers.

    order: "image" (N, C, H, W), "flat" (N, C), "last" (N, H, W, C), "plane" (N, H, W), "pixels" (N, C, H W),
    "line" (N, C, 1), "grouped" (N, G, C/G, H, W), "swapped" (N, C/G, G, H, W), "expanded" (N, C, G, G) of one pixel;
    number: G.
    """

    image: Image
    order: str = "image"
    number: int = 1


def sides(value: Value) -> tuple[int, ...]:
    """The shape of the tensor that holds this value."""
    channels, size, number = int(value.image.channels), int(value.image.size or 1), value.number
    inside = {
        "image": (channels, size, size),
        "flat": (channels,),
        "last": (size, size, channels),
        "plane": (size, size),
        "pixels": (channels, size * size),
        "line": (channels, 1),
        "grouped": (number, channels // number, size, size),
        "swapped": (channels // number, number, size, size),
        "expanded": (channels, number, number),
    }
    return (BATCH, *inside[value.order])


Write = Callable[..., Image]
"""write(op, *images, weight=, bias=): append a layer and return its image."""

Pair = int | Sequence[int]


def _image(x: Any) -> Image:
    """The image of an argument that must be (N, C, H, W)."""
    if not isinstance(x, Value) or x.order != "image":
        raise ValueError(f"takes {_say(x)} where an image (batch, channels, height, width) is known")
    return x.image


def _say(x: Any) -> str:
    if isinstance(x, Value):
        return f"a tensor of shape {sides(x)}"
    return f"a tensor of shape {tuple(x.shape)} that comes from no layer" if isinstance(x, Tensor) else repr(x)


def _one(what: str, value: Any) -> int:
    """A setting that torch holds for height and width, where both must agree."""
    values = set(value) if isinstance(value, Sequence) else {value}
    if len(values) != 1 or not isinstance(number := values.pop(), int):
        raise ValueError(f"has {what}={value}; height and width must be the same whole number")
    return number


def _sides(what: str, value: Any) -> op.Sides:
    """A setting that may differ in height and width."""
    if isinstance(value, Sequence) and len(value) == 2 and value[0] != value[1]:
        return (_one(what, value[0]), _one(what, value[1]))
    return _one(what, value)


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
    x = _image(input)
    out, share, *window = weight.shape
    _check_channels(share * groups, x)
    kernel, steps, spread = _sides("kernel_size", tuple(window)), _one("stride", stride), _one("dilation", dilation)
    if padding == "same":
        uneven = [k for k in window if spread * (k - 1) % 2]
        if uneven:
            raise ValueError(f"pads unevenly (padding='same' with kernel {uneven[0]}); use an odd kernel")
        padding = tuple(spread * (k - 1) // 2 for k in window)
    around = 0 if padding == "valid" else _sides("padding", padding)
    layer = op.Conv(out, kernel, steps, around, groups, spread, bias is not None)
    return input._replace(image=write(layer, x, weight=weight, bias=bias))


def _linear(write: Write, input: Value, weight: Tensor, bias: Any = None) -> Value:
    out, channels = weight.shape
    if input.order not in ("flat", "last"):
        raise ValueError(f"needs a flat vector, and gets {_say(input)}; put flatten before it")
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
        raise ValueError(f"normalises {_say(input)}; only images and flat vectors are known")
    _check_channels(weight.numel(), input.image)
    return input._replace(image=write(op.BatchNorm(eps, momentum), input.image, weight=weight, bias=bias))


def _layer_norm(
    write: Write, input: Value, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Value:
    if input.order not in ("last", "flat") or len(normalized_shape) != 1 or weight is None or bias is None:
        raise ValueError(
            f"normalises {_say(input)} over its last {len(normalized_shape)} dimensions; "
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
        raise ValueError(f"subtracts {_say(other)}; only numbers are known")
    return _affine(write, x, 1.0, -alpha * other)


def _subtract_from(write: Write, x: Any, other: Any) -> Value:
    if not isinstance(other, (int, float)):
        raise ValueError(f"subtracts from {_say(other)}; only numbers are known")
    return _affine(write, x, -1.0, other)


def _divide(write: Write, x: Any, other: Any, *, rounding_mode: str | None = None) -> Value:
    if not isinstance(other, (int, float)) or other == 0 or rounding_mode is not None:
        raise ValueError(f"divides by {_say(other)}; only numbers are known")
    return _affine(write, x, 1 / other, 0.0)


def _negate(write: Write, x: Value) -> Value:
    return _affine(write, x, -1.0, 0.0)


def _multiply(write: Write, x: Any, other: Any) -> Value:
    x, other = (x, other) if isinstance(x, Value) else (other, x)
    if isinstance(other, (int, float)):
        return _affine(write, x, other, 0.0)
    if isinstance(other, Tensor):
        return _layer_scale(write, x, other)
    x, other = (other, x) if _is_gate(x) and not _is_gate(other) else (x, other)
    other = Value(other.image) if other.order == "expanded" and other.number == x.image.size else other
    return _both(write, op.Multiply(), x, other)


def _is_gate(x: Value) -> bool:
    return x.order == "expanded" or (x.order == "image" and x.image.size == 1)


def _layer_scale(write: Write, x: Value, factor: Tensor) -> Value:
    channels = int(x.image.channels)
    place = {"image": (channels, 1, 1), "last": (channels,), "flat": (channels,)}.get(x.order)
    shape = tuple(factor.shape)
    if shape != place and shape != (1, *(place or ())):
        raise ValueError(f"multiplies {_say(x)} with a tensor of {shape}; only one factor for each channel is known")
    return x._replace(image=write(op.LayerScale(), x.image, weight=factor))


def _both(write: Write, layer: op.Op, x: Any, other: Any) -> Value:
    if not isinstance(x, Value) or not isinstance(other, Value) or x[1:] != other[1:]:
        raise ValueError(f"joins {_say(x)} and {_say(other)}; only images in the same order of dimensions are known")
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
    if _one("dilation", dilation) != 1 or return_indices:
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
    if divisor_override is not None or not (count_include_pad or _one("padding", padding) == 0):
        raise ValueError(
            f"pools with count_include_pad={count_include_pad}, divisor_override={divisor_override}; "
            "only the mean over the whole window is known"
        )
    return _pool(write, op.AvgPool, input, (kernel_size, stride, padding), ceil_mode)


def _pool(write: Write, kind: type[op.Pool], x: Value, settings: tuple[Any, Any, Any], ceil: bool) -> Value:
    kernel_size, stride, padding = settings
    kernel = _one("kernel_size", kernel_size)
    stride = kernel if stride in (None, []) else _one("stride", stride)
    return x._replace(image=write(kind(kernel, stride, _one("padding", padding), ceil), _image(x)))


def _adaptive_pool(write: Write, input: Value, output_size: Any) -> Value:
    return input._replace(image=write(op.AdaptivePool(_one("output_size", output_size)), _image(input)))


def _mean(write: Write, input: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    dims = sorted(d % len(sides(input)) for d in (dim if isinstance(dim, (tuple, list)) else [dim] if dim else []))
    over = {"image": [2, 3], "last": [1, 2], "pixels": [2]}.get(input.order)
    if dims != over or (keepdim and input.order != "image"):
        raise ValueError(f"takes the mean over dimensions {dim}; only height and width, (2, 3), are known")
    y = write(op.AdaptivePool(1), input.image)
    return Value(y) if keepdim else Value(write(op.Flatten(), y), "flat")


def _pad(write: Write, input: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Value:
    pad = [*pad, *[0] * (6 - len(pad))]
    x = _image(input)
    if mode != "constant" or value not in (None, 0) or len(pad) > 6:
        raise ValueError(f"pads with {mode!r} and {value}; only zeros are known")
    left, right, top, bottom, front, back = pad
    if (left, right) == (top, bottom) and front == back == 0 and min(pad) >= 0:
        return Value(write(op.Pad(left, right), x)) if left or right else input
    if (left, right, top, bottom, front) == (0, 0, 0, 0, 0) and back > 0:
        return Value(write(op.PadChannels(x.channels + back), x))
    raise ValueError(f"pads by {tuple(pad)}; only the same at both sides' ends, or channels at the end, are known")


# Channels, and the order of dimensions.


def _concat(write: Write, tensors: list[Value], dim: int = 0) -> Value:
    if dim not in (1, -3) or any(_image(x).size is None for x in tensors):
        raise ValueError(f"stacks along dimension {dim}; only the channels (1) of images are known")
    return Value(write(op.Concat(), *[_image(x) for x in tensors]))


def _chunk(write: Write, input: Value, chunks: int, dim: int = 0) -> list[Value]:
    return _split(write, input, -(-int(_image(input).channels) // chunks), dim)


def _split(write: Write, tensor: Value, split_size_or_sections: Any, dim: int = 0) -> list[Value]:
    if dim not in (1, -3):
        raise ValueError(f"splits dimension {dim}; only the channels (1) are known")
    x, parts = _image(tensor), split_size_or_sections
    channels = int(x.channels)
    starts = range(0, channels, parts) if isinstance(parts, int) else [sum(parts[:i]) for i in range(len(parts))]
    return [Value(write(op.Slice(a, b), x)) for a, b in zip(starts, [*list(starts)[1:], channels], strict=True)]


def _reshape(write: Write, input: Value, *shape: Any) -> Value:
    target = list(shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)
    if -1 in target:
        rest = math.prod(n for n in target if n != -1)
        target[target.index(-1)] = math.prod(sides(input)) // rest
    return _hold(write, input, tuple(target), f"reshapes to {tuple(shape)}")


def _hold(write: Write, x: Value, target: tuple[int, ...], what: str) -> Value:
    """The same numbers in a tensor of the target's shape."""
    if target == sides(x):
        return x
    channels, size = int(x.image.channels), int(x.image.size or 1)
    point = x.order in ("image", "last", "line", "pixels") and size == 1
    if target == (BATCH, channels * size * size) and (x.order in ("image", "pixels", "line") or point):
        return Value(write(op.Flatten(), x.image), "flat")
    if target == (BATCH, channels, size, size):
        if x.order == "flat":
            return Value(write(op.Unflatten(), x.image))
        if x.order == "swapped":
            return Value(write(op.Shuffle(x.number), x.image))
        if x.order == "plane" or point:
            return Value(x.image)
    if x.order == "image" and target == (BATCH, channels, size * size):
        return Value(x.image, "pixels")
    if x.order == "image" and len(target) == 5 and target == sides(Value(x.image, "grouped", target[1])):
        return Value(x.image, "grouped", target[1])
    if point and target == (BATCH, channels, 1):
        return Value(x.image, "line")
    raise ValueError(f"{what} what has shape {sides(x)}; only (batch, -1), a flattening, and a few like it are known")


def _flatten(write: Write, input: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    shape = sides(input)
    first, last = start_dim % len(shape), end_dim % len(shape)
    target = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    return _hold(write, input, target, f"flattens dimensions {start_dim} to {end_dim} of")


def _squeeze(write: Write, input: Value, dim: Any = None) -> Value:
    shape = sides(input)
    dims = range(1, len(shape)) if dim is None else [d % len(shape) for d in (dim if isinstance(dim, tuple) else [dim])]
    target = tuple(n for d, n in enumerate(shape) if n != 1 or d not in dims)
    return _hold(write, input, target, f"squeezes dimensions {dim} of")


def _unsqueeze(write: Write, input: Value, dim: int) -> Value:
    shape = list(sides(input))
    shape.insert(dim % (len(shape) + 1), 1)
    if input.order == "flat" and shape[2:] == [1]:
        return Value(_hold(write, input, (*shape, 1), "unsqueezes").image, "line")
    return _hold(write, input, tuple(shape), f"unsqueezes dimension {dim} of")


def _permute(write: Write, input: Value, *dims: Any) -> Value:
    order = tuple(dims[0] if len(dims) == 1 else dims)
    order = tuple(d % len(order) for d in order)
    if order == tuple(range(len(order))):
        return input
    match input.order, order:
        case "image", (0, 2, 3, 1):
            return Value(input.image, "last")
        case "last", (0, 3, 1, 2):
            return Value(input.image)
        case "grouped", (0, 2, 1, 3, 4):
            return Value(input.image, "swapped", input.number)
    raise ValueError(f"orders the dimensions of {_say(input)} as {order}; only channels last, and back, are known")


def _transpose(write: Write, input: Value, dim0: int, dim1: int) -> Value:
    dims = list(range(len(sides(input))))
    dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
    return _permute(write, input, *dims)


def _expand(write: Write, input: Value, *shape: Any) -> Value:
    target = tuple(shape[0] if len(shape) == 1 else shape)
    target = tuple(old if new == -1 else new for new, old in zip(target, sides(input), strict=True))
    if target == sides(input):
        return input
    if not _is_gate(input) or target[:2] != sides(input)[:2]:
        raise ValueError(f"expands {_say(input)} to {target}; only one pixel to an image is known")
    return input._replace(order="expanded", number=_one("size", target[2:]))


def _expand_as(write: Write, input: Value, other: Value) -> Value:
    return _expand(write, input, sides(other))


def _shuffle(write: Write, input: Value, groups: int) -> Value:
    return Value(write(op.Shuffle(groups), _image(input)))


def _getitem(write: Write, input: Value, index: Any) -> Value:
    given = list(index) if isinstance(index, tuple) else [index]
    whole = slice(None)
    if Ellipsis in given:
        at = given.index(Ellipsis)
        given[at : at + 1] = [whole] * (len(sides(input)) - len(given) + 1)
    parts = [*given, *[whole] * (len(sides(input)) - len(given))]
    match input.order, parts:
        case "image", [
            a,
            b,
            slice(start=None, stop=None, step=int(down)),
            slice(start=None, stop=None, step=int(across)),
        ]:
            if a == b == whole and down == across:
                return Value(write(op.AvgPool(1, down), input.image))
        case "image", [a, slice(start=start, stop=stop, step=None), c, d] if a == c == d == whole:
            first, last, _ = slice(start, stop).indices(int(input.image.channels))
            return Value(write(op.Slice(first, last), input.image))
        case "image", [a, int(channel), c, d] if a == c == d == whole:
            channel %= int(input.image.channels)
            return Value(write(op.Slice(channel, channel + 1), input.image), "plane")
        case "image", [a, b, 0, 0] if a == b == whole and input.image.size == 1:
            return Value(write(op.Flatten(), input.image), "flat")
        case "flat", [a, b, None, None] if a == b == whole:
            return Value(write(op.Unflatten(), input.image))
    raise ValueError(
        f"takes the part {index} of {_say(input)}; only channels, [:, a:b], and every n-th pixel, [:, :, ::n, ::n], "
        "are known"
    )


def _methods(*names: str) -> list[Any]:
    return [getattr(Tensor, name) for name in names]


FUNCTIONS: Mapping[Any, Callable[..., Any]] = {
    F.conv2d: _conv,
    F.linear: _linear,
    F.batch_norm: _batch_norm,
    F.layer_norm: _layer_norm,
    **dict.fromkeys((F.relu, torch.relu, torch.relu_, *_methods("relu", "relu_")), _act("relu")),
    **dict.fromkeys((F.sigmoid, torch.sigmoid, torch.sigmoid_, *_methods("sigmoid", "sigmoid_")), _act("sigmoid")),
    **dict.fromkeys((F.tanh, torch.tanh, torch.tanh_, *_methods("tanh", "tanh_")), _act("tanh")),
    **dict.fromkeys((F.selu, torch.selu, torch.selu_), _act("selu")),
    **{F.relu6: _act("relu6"), F.hardtanh: _hardtanh, F.silu: _act("silu"), F.mish: _act("mish")},
    **{F.hardswish: _act("hardswish"), F.hardsigmoid: _act("hardsigmoid")},
    F.gelu: _act("gelu", approximate="none"),
    **dict.fromkeys((F.leaky_relu, F.leaky_relu_), _act("leaky_relu", negative_slope=0.01)),
    F.elu: _act("elu", alpha=1.0),
    **dict.fromkeys((torch.add, *_methods("add", "add_", "__radd__")), _add),
    **dict.fromkeys((torch.sub, *_methods("sub", "sub_")), _subtract),
    **dict.fromkeys((torch.rsub, *_methods("__rsub__")), _subtract_from),
    **dict.fromkeys((torch.mul, *_methods("mul", "mul_", "__rmul__")), _multiply),
    **dict.fromkeys((torch.div, *_methods("div", "div_")), _divide),
    **dict.fromkeys((torch.neg, *_methods("neg")), _negate),
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), _max_pool),
    F.avg_pool2d: _avg_pool,
    F.adaptive_avg_pool2d: _adaptive_pool,
    **dict.fromkeys((torch.mean, *_methods("mean")), _mean),
    F.pad: _pad,
    F.dropout: _dropout,
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), _concat),
    **dict.fromkeys((torch.chunk, *_methods("chunk")), _chunk),
    **dict.fromkeys((torch.split, *_methods("split")), _split),
    **dict.fromkeys((torch.reshape, *_methods("reshape", "view")), _reshape),
    **dict.fromkeys((torch.flatten, *_methods("flatten")), _flatten),
    **dict.fromkeys((torch.squeeze, *_methods("squeeze")), _squeeze),
    **dict.fromkeys((torch.unsqueeze, *_methods("unsqueeze")), _unsqueeze),
    **dict.fromkeys((torch.permute, *_methods("permute")), _permute),
    **dict.fromkeys((torch.transpose, *_methods("transpose")), _transpose),
    Tensor.expand: _expand,
    Tensor.expand_as: _expand_as,
    torch.channel_shuffle: _shuffle,
    Tensor.__getitem__: _getitem,
    **dict.fromkeys(_methods("contiguous", "clone", "detach", "to", "float"), _same),
    torch.clone: _same,
}
"""What is called on a stand-in -> what `trace` writes for it."""
