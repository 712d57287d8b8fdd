"""A folded graph, or one of arrays, as the networks that it stands for, grouped by which layers they have.

What a layer costs adds up, whatever stands beside it; how long an image lives depends on who reads it. So here a
block that stands for several is written twice (all but its last occurrence, each read by the next one; and the last,
read by what follows), and layers that some settings lack (count 0) are taken out, setting by setting. What reads a
layer that is not there reads that layer's first input: the way through a block, or round it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.whole import Whole, is_array, some

if TYPE_CHECKING:
    from cnnlab.arch.graph import Layer

Axes: TypeAlias = list[NDArray[np.int64] | None]
Compute: TypeAlias = Callable[[Sequence["Layer"]], tuple[Whole, ...]]


def for_each(layers: Sequence[Layer], compute: Compute) -> tuple[Whole, ...]:
    """`compute` for every setting, on layers that all exist there; its results put together again.

    compute(layers) gives numbers, or arrays that broadcast with those in the layers.
    """
    variants = list(_variants(written_twice(layers)))
    if len(variants) == 1 and variants[0].where is None:
        return compute(variants[0].layers)
    numbers = [n for layer in layers for n in (layer.channels, layer.size, layer.count)]
    shape = np.broadcast_shapes(*{n.shape for n in numbers if isinstance(n, np.ndarray)})
    results: list[NDArray[np.int64]] = []
    for layers_there, where, axes in variants:
        assert where is not None
        place = np.ix_(*_all_axes(axes, shape))
        for k, found in enumerate(compute(layers_there)):
            if k == len(results):
                results.append(np.zeros(shape, np.int64))
            results[k][place] = np.where(_within(where, axes), found, results[k][place])
    return tuple(result if shape else int(result) for result in results)


def written_twice(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with every block that occurs more than once written as all its occurrences but the last, and the last.

    Raises ValueError, with a layer's name, for a repeated block that takes or gives more than one image.
    """
    if not any(some(layer.count > 1) for layer in layers):
        return list(layers)
    new: list[Layer] = []
    place: dict[int, int] = {}  # where each layer now stands: its last occurrence, where there are several

    def copy(i: int, **changes: Any) -> None:
        new.append(layers[i]._replace(inputs=tuple(place[j] for j in layers[i].inputs), **changes))
        place[i] = len(new) - 1

    for members in _runs(layers):
        repeated = any(some(layers[i].count > 1) for i in members)
        if repeated:
            entry, end = _ends(layers, members)
            for i in members:
                copy(i, count=layers[i].count - (layers[i].count > 0))
            place[entry], before = place[end], place[entry]
        names = _last([layers[i].name for i in members]) if repeated else [layers[i].name for i in members]
        for i, name in zip(members, names, strict=True):
            copy(i, name=name, count=1 * (layers[i].count > 0) if repeated else layers[i].count)
        if repeated:
            place[entry] = before
    return new


def _runs(layers: Sequence[Layer]) -> Iterator[list[int]]:
    """Positions of consecutive layers that begin with the same part of their path and, where they exist, have the same
    count."""
    run: list[int] = []
    for i, layer in enumerate(layers):
        last = layers[run[-1]] if run else layer
        if run and (last.name.partition(".")[0] != layer.name.partition(".")[0] or not _together(last, layer)):
            yield run
            run = []
        run.append(i)
    yield run


def _together(a: Layer, b: Layer) -> bool:
    return a.count is b.count or not some((a.count != b.count) & (a.count != 0) & (b.count != 0))


def _ends(layers: Sequence[Layer], members: list[int]) -> tuple[int, int]:
    """The one layer that a repeated block takes its image from, and the one of its own that gives it to others."""
    inside = range(members[0], members[-1] + 1)
    entries = {j for i in members for j in layers[i].inputs if j not in inside}
    ends = {j for i in range(inside.stop, len(layers)) for j in layers[i].inputs if j in inside} or {members[-1]}
    if len(entries) != 1 or len(ends) != 1:
        raise ValueError(
            f"{layers[members[0]].name}: its block stands for several, and takes {len(entries)} images and gives "
            f"{len(ends)}; memory knows repeated blocks of one image each, so write this network out (unfolded)"
        )
    return entries.pop(), ends.pop()


def _last(names: list[str]) -> list[str]:
    """The names of a block's last occurrence: in a container of its own beside the block, not in the same one."""
    paths = [name.split(".") for name in names]
    common = 0
    while all(len(path) > common + 1 and path[: common + 1] == paths[0][: common + 1] for path in paths):
        common += 1
    level = min(common, 2) - 1  # "stage1.1": a stage, and a block in it
    if level < 0:
        return names
    return [".".join([*path[:level], f"{path[level]} (last)", *path[level + 1 :]]) for path in paths]


class _Variant(NamedTuple):
    """Layers that all exist, and where: a mask over the settings, and for each of its axes the entries it needs
    (None: whatever there is)."""

    layers: list[Layer]
    where: NDArray[np.bool_] | None
    axes: Axes


def _variants(layers: list[Layer]) -> Iterator[_Variant]:
    if not any(some(layer.count == 0) for layer in layers):
        yield _Variant(layers, None, [])
        return
    # Many layers share one count: look at each array once.
    absent = {id(layer.count): np.asarray(layer.count == 0) for layer in layers}
    masks: list[NDArray[np.bool_]] = []
    which = {}
    for key, mask in absent.items():
        if not mask.any():
            continue
        same = [n for n, other in enumerate(masks) if other.shape == mask.shape and (other == mask).all()]
        masks += [] if same else [mask]
        which[key] = same[0] if same else len(masks) - 1
    settings = np.broadcast_arrays(*masks)
    pattern = np.stack([mask.ravel() for mask in settings], axis=1)
    kinds, inverse = np.unique(np.packbits(pattern, axis=1), axis=0, return_inverse=True)
    for n, kind in enumerate(kinds):
        lacks = np.unpackbits(kind, count=len(masks)).astype(bool)
        where = (inverse.reshape(-1) == n).reshape(settings[0].shape)
        axes = [_needed(where, axis) for axis in range(where.ndim)]
        there = [id(layer.count) not in which or not lacks[which[id(layer.count)]] for layer in layers]
        yield _Variant(_selected(_without(layers, there), axes), where, axes)


def _needed(where: NDArray[np.bool_], axis: int) -> NDArray[np.int64] | None:
    if where.shape[axis] == 1:
        return None
    return np.flatnonzero(where.any(axis=tuple(other for other in range(where.ndim) if other != axis)))


def _without(layers: list[Layer], there: list[bool]) -> list[Layer]:
    """The layers that are there; what reads another reads that one's first input."""
    new: list[Layer] = []
    place: list[int] = []
    for layer, exists in zip(layers, there, strict=True):
        inputs = tuple(place[j] for j in layer.inputs)
        if not exists:
            place.append(inputs[0])
            continue
        new.append(layer._replace(inputs=inputs))
        place.append(len(new) - 1)
    return new


def _selected(layers: list[Layer], axes: Axes) -> list[Layer]:
    """The layers with only those entries of their arrays that some of these settings need."""
    known: dict[int, Any] = {}

    def of(value: Any) -> Any:
        if not is_array(value):
            return value
        if id(value) not in known:
            known[id(value)] = _within(value, axes)
        return known[id(value)]

    return [x._replace(channels=of(x.channels), size=of(x.size), count=of(x.count)) for x in layers]


def _within(value: Any, axes: Axes) -> Any:
    """The entries of an array at these places of each axis; axes count from the last, as in broadcasting."""
    for back, entries in enumerate(reversed(axes), 1):
        if entries is not None and back <= value.ndim and value.shape[-back] > 1:
            value = value.take(entries, axis=-back)
    return value


def _all_axes(axes: Axes, shape: tuple[int, ...]) -> list[NDArray[np.int64]]:
    """Entries along every axis of the whole shape: all of those that `axes` does not speak of."""
    every = [np.arange(length) for length in shape]
    for back, entries in enumerate(reversed(axes), 1):
        if entries is not None:
            every[-back] = entries
    return every
