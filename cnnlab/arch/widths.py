"""Which channels must be kept or removed together: the width groups of a network, found by one rule.

A convolution or linear layer makes a width. Norm, activation, pooling and padding keep it; addition and multiplication
tie two into one; concatenation lines several up; and a convolution in groups ties the channels that each group takes to
those that it makes, so that a group is kept or removed whole (a depthwise convolution is one with a channel a group).

Followed channel by channel, the rule gives units: channels that can only go together. Units that live in the same
layers, as often in each, are alike; they form a group, which can be narrowed by any number of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.channels import Ints, alike, units
from cnnlab.arch.graph import Graph, Layer, check_written_out, image
from cnnlab.arch.layers import Conv, Linear, Op, PadChannels, Slice
from cnnlab.arch.storage import LEARNED
from cnnlab.arch.zeros import last_writers, locks, mixes

Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Group:
    """Units that live in the same layers, each kept or removed as a whole.

    name: the first layer that makes them.  units: their numbers, as in `Widths.labels`.
    layers: positions in the graph of the layers that hold channels of theirs.
    writers: those of them with numbers of their own for each channel.  readers: the convolutions and linear layers that
    mix their channels with others.  gates: the last writers before each reader: a channel that these put out as 0 is
    gone. locked: why none of them can be removed; "" if they can.
    """

    name: str
    units: Ints
    layers: tuple[int, ...]
    writers: tuple[int, ...]
    readers: tuple[int, ...]
    gates: tuple[int, ...]
    locked: str = ""

    def __len__(self) -> int:
        return len(self.units)

    def __repr__(self) -> str:
        return f"Group({self.name!r}: {len(self)} units{', locked' if self.locked else ''})"


@dataclass(frozen=True, eq=False)
class Widths:
    """The width groups of a graph. labels: for each layer the unit of each channel that leaves it.

    >>> import cnnlab as cl
    >>> found = widths(cl.architecture("cifar_resnet20").graph())
    >>> [str(group) for group in found.groups[:3]]
    ["Group('input': 3 units, locked)", "Group('stem.conv1': 16 units)", "Group('stage1.0.conv1': 16 units)"]
    """

    graph: Graph
    labels: tuple[Ints, ...]
    groups: tuple[Group, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Group]:
        return {group.name: group for group in self.groups}

    @property
    def free(self) -> list[Group]:
        """The groups that are not locked."""
        return [group for group in self.groups if not group.locked]

    @property
    def count(self) -> int:
        """Units of all groups together."""
        return sum(map(len, self.groups))

    def places(self, group: Group, layer: int) -> Ints:
        """Where the units lie among the channels that leave a layer: (units, channels of each)."""
        places = np.flatnonzero(np.isin(self.labels[layer], group.units))
        order = np.argsort(self.labels[layer][places], kind="stable")
        return places[order].reshape(len(group), -1)

    def share(self, group: Group, layer: int) -> int:
        """How many of the channels that leave a layer (by position) are those of one unit."""
        return int(np.count_nonzero(self.labels[layer] == group.units[0]))

    def holding(self, layer: str) -> tuple[Group, ...]:
        """The groups whose channels leave the layer of that name. Raises KeyError if the graph has none."""
        for i, one in enumerate(self.graph.layers):
            if one.name == layer:
                return tuple(group for group in self.groups if i in group.layers)
        raise KeyError(layer)

    def narrowed(self, kept: Bools) -> Graph:
        """The graph without the channels of the units that are not kept (bool, one for each unit)."""
        layers, memo = self.graph.layers, dict[int, Bools]()

        def stays(i: int) -> Bools:
            labels = self.labels[i]
            if id(labels) not in memo:
                memo[id(labels)] = kept[labels]
            return memo[id(labels)]

        start = self.graph.input
        images = [image(start.channels, start.size or 1)]
        for i, layer in enumerate(layers[1:], 1):
            op, inputs = _narrowed(layer, stays(i), stays(layer.inputs[0])), [images[j] for j in layer.inputs]
            images.append(inputs[0].write(layer.name, op, *inputs[1:], called=layer.called))
        return images[-1].graph(self.graph.name)


def _narrowed(layer: Layer, leaves: Bools, enters: Bools) -> Op:
    """The op with the channels that stay."""
    op = layer.op
    if isinstance(op, Slice):
        return Slice(*(int(np.count_nonzero(enters[:end])) for end in (op.start, op.stop)))
    if not isinstance(op, (Conv, Linear, PadChannels)):
        return op
    return resized(op, int(np.count_nonzero(leaves)))


def resized(op: Conv | Linear | PadChannels, width: int) -> Op:
    """The op to so many channels; the groups of a convolution keep their size, and become fewer."""
    if isinstance(op, Conv) and op.groups != 1:
        return replace(op, width=width, groups=width * op.groups // op.width)
    return replace(op, width=width)


def widths(graph: Graph) -> Widths:
    """The width groups of a graph, in the order in which their channels first appear.

    Raises ValueError, as a sentence, for a folded graph or one that holds arrays.
    """
    check_written_out(graph, "pruning")
    return _widths(graph)


@lru_cache(maxsize=8)
def _widths(graph: Graph) -> Widths:
    labels = units(graph.layers)
    return Widths(graph, labels, tuple(_groups(graph.layers, labels)))


def _groups(layers: Sequence[Layer], labels: Sequence[Ints]) -> Iterable[Group]:
    kind = alike(labels)
    kinds = int(kind.max()) + 1
    memo: dict[int, list[int]] = {}
    held: list[list[int]] = []  # for each layer the groups whose channels leave it
    for own in labels:
        if id(own) not in memo:
            memo[id(own)] = np.unique(kind[own]).tolist()
        held.append(memo[id(own)])
    where: list[list[int]] = [[] for _ in range(kinds)]
    read: list[list[int]] = [[] for _ in range(kinds)]
    locked = [""] * kinds
    for i, layer in enumerate(layers):
        for group in held[i]:
            where[group].append(i)
        if mixes(layer.op):
            for group in held[layer.inputs[0]]:
                read[group].append(i)
    for i, reason in locks(layers):
        for group in held[i]:
            locked[group] = locked[group] or reason
    last = last_writers(layers)
    taken: Counter[str] = Counter()
    for group in range(kinds):
        writers = tuple(i for i in where[group] if isinstance(layers[i].op, LEARNED))
        gates = {i for reader in read[group] for i in last[layers[reader].inputs[0]]} & set(writers)
        name = layers[(writers or where[group])[0]].name
        taken[name] += 1
        yield Group(
            name if taken[name] == 1 else f"{name} ({taken[name]})",
            np.flatnonzero(kind == group),
            tuple(where[group]),
            writers,
            tuple(read[group]),
            tuple(sorted(gates)),
            locked[group] or ("" if writers else "no layer has numbers of its own for these channels"),
        )
