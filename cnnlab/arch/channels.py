"""Following channels through a network: which can only go together, and which of those are alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.graph import Layer
from cnnlab.arch.layers import Add, Concat, Conv, Flatten, Input, Linear, Multiply, PadChannels, Shuffle, Slice, square

Ints: TypeAlias = NDArray[np.int64]


def units(layers: Sequence[Layer]) -> tuple[Ints, ...]:
    """For each layer the number of the unit of each channel that leaves it; units are numbered as they appear.

    Layers that keep a width share one array.
    """
    ids, ties, count = _followed(layers)
    _, roots = np.unique(_tied(count, ties), return_inverse=True)
    found: dict[int, Ints] = {}
    return tuple(found.setdefault(id(own), roots[own]) for own in ids)


def _followed(layers: Sequence[Layer]) -> tuple[list[Ints], list[tuple[Ints, Ints]], int]:
    """For each layer a number for each channel that leaves it, the numbers that are tied, and how many there are."""
    ids: list[Ints] = []
    ties: list[tuple[Ints, Ints]] = []
    count = 0

    def new(channels: int) -> Ints:
        nonlocal count
        count += channels
        return np.arange(count - channels, count)

    def tie(columns: Ints) -> None:
        """Make each column one."""
        ties.append((np.broadcast_to(columns[:1], columns.shape).ravel(), columns.ravel()))

    for layer in layers:
        inputs = [ids[i] for i in layer.inputs]
        match layer.op:
            case Input() | Conv(groups=1) | Linear():
                own = new(int(layer.channels))
            case Conv(groups=groups):
                own = new(int(layer.channels))
                tie(np.concatenate([inputs[0].reshape(groups, -1), own.reshape(groups, -1)], axis=1).T)
            case Add() | Multiply():
                own = inputs[0]
                tie(np.stack(inputs))
            case Concat():
                own = np.concatenate(inputs)
            case PadChannels():
                own = np.concatenate([inputs[0], new(int(layer.channels) - len(inputs[0]))])
            case Slice(start, stop):
                own = inputs[0][start:stop]
            case Shuffle(groups):
                own = inputs[0].reshape(groups, -1).T.ravel()
                tie(inputs[0].reshape(groups, -1))
            case Flatten():
                pixels = int(square(layers[layer.inputs[0]]))
                own = inputs[0] if pixels == 1 else np.repeat(inputs[0], pixels)
            case _:
                own = inputs[0]
        ids.append(own)
    return ids, ties, count


def _tied(count: int, ties: Iterable[tuple[Ints, Ints]]) -> Ints:
    """For each number the smallest of those that it is tied to, directly or by way of others."""
    smallest = np.arange(count)
    pairs = list(ties)
    if not pairs:
        return smallest
    a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
    while True:
        least = np.minimum(smallest[a], smallest[b])
        if not (np.any(least < smallest[a]) or np.any(least < smallest[b])):
            return smallest
        for side in (a, b):
            np.minimum.at(smallest, smallest[side], least)
            np.minimum.at(smallest, side, least)
        while np.any(smallest[smallest] < smallest):
            smallest = smallest[smallest]


def alike(labels: Sequence[Ints]) -> Ints:
    """For each unit the number of its group: that of the units which every layer holds as often as this one."""
    count = max(int(own.max()) for own in labels) + 1
    kind, kinds = np.zeros(count, np.int64), 1
    for own in {id(own): own for own in labels}.values():
        units, times = np.unique(own, return_counts=True)
        _, finer = np.unique(kind[units] * (int(times.max()) + 1) + times, return_inverse=True)
        kind[units] = kinds + finer
        kinds += int(finer.max()) + 1
    _, first, kind = np.unique(kind, return_index=True, return_inverse=True)
    order = np.empty(len(first), np.int64)
    order[np.argsort(first)] = np.arange(len(first))  # in the order of their first unit
    return order[kind]
