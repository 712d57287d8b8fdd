"""What stands behind the tensors that `trace` follows a module with, and how the rules speak of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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


def image_of(x: Any) -> Image:
    """The image of an argument that must be (N, C, H, W)."""
    if not isinstance(x, Value) or x.order != "image":
        raise ValueError(f"takes {say(x)} where an image (batch, channels, height, width) is known")
    return x.image


def say(x: Any) -> str:
    """An argument in words."""
    if isinstance(x, Value):
        return f"a tensor of shape {sides(x)}"
    return f"a tensor of shape {tuple(x.shape)} that comes from no layer" if isinstance(x, Tensor) else repr(x)


def one(what: str, value: Any) -> int:
    """A setting that torch holds for height and width, where both must agree."""
    values = set(value) if isinstance(value, Sequence) else {value}
    if len(values) != 1 or not isinstance(number := values.pop(), int):
        raise ValueError(f"has {what}={value}; height and width must be the same whole number")
    return number


def two_sides(what: str, value: Any) -> op.Sides:
    """A setting that may differ in height and width."""
    if isinstance(value, Sequence) and len(value) == 2 and value[0] != value[1]:
        return (one(what, value[0]), one(what, value[1]))
    return one(what, value)


def is_gate(x: Value) -> bool:
    """Whether a value is one pixel, or one pixel expanded, which a product spreads over an image."""
    return x.order == "expanded" or (x.order == "image" and x.image.size == 1)


def methods(*names: str) -> list[Any]:
    """Methods of a tensor by their names, as `trace` sees them called."""
    return [getattr(Tensor, name) for name in names]
