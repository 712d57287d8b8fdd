"""`costs`: an architecture at very many settings, without walking it for each.

Depths, widths and pixels are whole numbers, so a million settings are few different (depth, width) pairs and few
different resolutions. And each layer's cost is one number for each pixel times the pixels it puts out: the first varies
with depth and width only, the second with the resolution only. So the network is walked over pairs on one axis and
resolutions on the other, without their product ever being written out, and each setting is a few look-ups and sums.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.cost import Cost, layer_cost
from cnnlab.arch.layers import square
from cnnlab.arch.memory import Memory
from cnnlab.arch.scaling import scaled
from cnnlab.arch.stairs import stairs
from cnnlab.arch.whole import Whole, is_array

CHUNK = 65_536
"""Settings whose memory is computed together: a few hundred arrays of that length are held at a time."""


class Part(NamedTuple):
    """The layers that put out images of one size: its pixels, and what those layers cost if they put out one pixel."""

    pixels: Whole
    pixel: Cost


def costs(arch: Architecture, depth: Any, width: Any, resolution: Any) -> Cost:
    """The cost at arrays of multipliers and resolutions that broadcast: exactly that of each setting on its own.

    The same as `scaled(arch, depth=..., width=..., resolution=...).cost()`, but several times faster for many settings,
    and also for blocks that ask about one width (`if x.channels == width`) and cannot be asked about many.

    >>> import cnnlab as cl
    >>> costs(cl.architecture("efficientnet_b0"), np.array([1.0, 1.1]), np.array([1.0]), np.array([224, 240])).macs
    array([385814752, 686802832])
    """
    deep, depths = stairs(arch, "depth", depth)
    wide, widths = stairs(arch, "width", width)
    pixels, size = np.unique(resolution, return_inverse=True)
    pairs, pair = np.unique(deep * widths.size + wide, return_inverse=True)
    d, w, r = depths[pairs // widths.size, None], widths[pairs % widths.size, None], pixels[None, :]
    try:
        # A corner first: a network whose parts do not come apart would write out the whole product of the axes.
        separate = all(_separate(part) for part in _parts(arch, d[-2:], w[-2:], r[:, -2:]))
        parts = _parts(arch, d, w, r) if separate else None
    except (TypeError, ValueError):
        parts = None
    if parts is None:
        return _width_by_width(arch, depth, wide, widths, resolution)
    return _summed(parts, pair, size)


def memories(arch: Architecture, depth: Any, width: Any, resolution: Any, batch: int) -> Memory:
    """`Architecture.memory` with this batch, at arrays of one dimension: a chunk of settings at a time.

    Memory does not come apart as the cost does: a peak is no sum.
    """
    found = Memory(*(np.empty(len(depth), np.int64) for _ in fields(Memory)))
    waiting = [slice(i, i + CHUNK) for i in range(0, len(depth), CHUNK)]
    while waiting:
        there = waiting.pop()
        one = len(depth[there]) == 1
        knobs = {"depth": depth[there], "width": width[there], "resolution": resolution[there]}
        try:
            memory = scaled(arch, **{k: v.item() if one else v for k, v in knobs.items()}).memory(batch)
        except (TypeError, ValueError):
            if one:
                raise
            # Blocks that cannot be asked about many widths at once: one by one.
            waiting += [slice(i, i + 1) for i in range(*there.indices(len(depth)))]
        else:
            for what, values in vars(found).items():
                values[there] = getattr(memory, what)
    return found


def _parts(arch: Architecture, depth: Any, width: Any, resolution: Any) -> list[Part]:
    layers = scaled(arch, depth=depth, width=width, resolution=resolution).graph(folded=True).layers
    parts: dict[Any, Part] = {}
    for layer in layers[1:]:
        key = layer.size.tobytes() if isinstance(layer.size, np.ndarray) else layer.size
        pixel = layer_cost(layer._replace(size=None), layers)
        found = parts.get(key)
        parts[key] = Part(square(layer), pixel) if found is None else found._replace(pixel=found.pixel + pixel)
    return list(parts.values())


def _separate(part: Part) -> bool:
    """Whether the pixels vary along the axis of resolutions only, and the cost of one along that of pairs only."""
    return np.shape(part.pixels)[:1] in ((), (1,)) and all(
        np.shape(n)[1:] in ((), (1,)) for n in vars(part.pixel).values()
    )


def _summed(parts: list[Part], pair: NDArray[np.intp], size: NDArray[np.intp]) -> Cost:
    shape = np.broadcast_shapes(pair.shape, size.shape)
    macs, activations = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for pixels, pixel in parts:
        there = _at(pixels, size)
        macs += _at(pixel.macs, pair) * there
        activations += _at(pixel.activations, pair) * there
    params = _at(sum(part.pixel.params for part in parts), pair)
    return Cost(macs, np.broadcast_to(params, shape), activations)


def _at(values: Whole, places: NDArray[np.intp]) -> Whole:
    """The values, which lie along one axis, at these places; one number stands for all."""
    return np.ravel(values)[places] if is_array(values) else values


def _width_by_width(arch: Architecture, depth: Any, wide: Any, widths: Any, resolution: Any) -> Cost:
    """The cost, one walk for each width: what any network can be asked. Raises its refusal, with the width."""
    depth, wide, resolution = np.broadcast_arrays(depth, wide, resolution)
    found = Cost(*(np.empty(wide.shape, np.int64) for _ in range(3)))
    order = np.argsort(wide, axis=None, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(wide.flat[order])) + 1):
        width = float(widths[wide.flat[places[0]]])
        try:
            cost = scaled(arch, depth=depth.flat[places], width=width, resolution=resolution.flat[places]).cost()
        except (TypeError, ValueError) as error:
            raise type(error)(f"{arch.name} at width={width:g}: {error}") from None
        for what, values in vars(found).items():
            values.flat[places] = getattr(cost, what)
    return found
