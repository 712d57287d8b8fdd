"""What `trace` knows of channels and of the order of dimensions: the same numbers, cut, joined and held otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from cnnlab.arch import layers as op
from cnnlab.run.values import BATCH, Value, Write, image_of, is_gate, methods, one, say, sides


def _concat(write: Write, tensors: list[Value], dim: int = 0) -> Value:
    if dim not in (1, -3) or any(image_of(x).size is None for x in tensors):
        raise ValueError(f"stacks along dimension {dim}; only the channels (1) of images are known")
    return Value(write(op.Concat(), *[image_of(x) for x in tensors]))


def _chunk(write: Write, input: Value, chunks: int, dim: int = 0) -> list[Value]:
    return _split(write, input, -(-int(image_of(input).channels) // chunks), dim)


def _split(write: Write, tensor: Value, split_size_or_sections: Any, dim: int = 0) -> list[Value]:
    if dim not in (1, -3):
        raise ValueError(f"splits dimension {dim}; only the channels (1) are known")
    x, parts = image_of(tensor), split_size_or_sections
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
    raise ValueError(f"orders the dimensions of {say(input)} as {order}; only channels last, and back, are known")


def _transpose(write: Write, input: Value, dim0: int, dim1: int) -> Value:
    dims = list(range(len(sides(input))))
    dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
    return _permute(write, input, *dims)


def _expand(write: Write, input: Value, *shape: Any) -> Value:
    target = tuple(shape[0] if len(shape) == 1 else shape)
    target = tuple(old if new == -1 else new for new, old in zip(target, sides(input), strict=True))
    if target == sides(input):
        return input
    if not is_gate(input) or target[:2] != sides(input)[:2]:
        raise ValueError(f"expands {say(input)} to {target}; only one pixel to an image is known")
    return input._replace(order="expanded", number=one("size", target[2:]))


def _expand_as(write: Write, input: Value, other: Value) -> Value:
    return _expand(write, input, sides(other))


def _shuffle(write: Write, input: Value, groups: int) -> Value:
    return Value(write(op.Shuffle(groups), image_of(input)))


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
        f"takes the part {index} of {say(input)}; only channels, [:, a:b], and every n-th pixel, [:, :, ::n, ::n], "
        "are known"
    )


ORDERS: Mapping[Any, Callable[..., Any]] = {
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), _concat),
    **dict.fromkeys((torch.chunk, *methods("chunk")), _chunk),
    **dict.fromkeys((torch.split, *methods("split")), _split),
    **dict.fromkeys((torch.reshape, *methods("reshape", "view")), _reshape),
    **dict.fromkeys((torch.flatten, *methods("flatten")), _flatten),
    **dict.fromkeys((torch.squeeze, *methods("squeeze")), _squeeze),
    **dict.fromkeys((torch.unsqueeze, *methods("unsqueeze")), _unsqueeze),
    **dict.fromkeys((torch.permute, *methods("permute")), _permute),
    **dict.fromkeys((torch.transpose, *methods("transpose")), _transpose),
    Tensor.expand: _expand,
    Tensor.expand_as: _expand_as,
    torch.channel_shuffle: _shuffle,
    Tensor.__getitem__: _getitem,
}
"""What is called on a stand-in -> what `trace` writes for it; part of `cnnlab.run.rules.FUNCTIONS`."""
