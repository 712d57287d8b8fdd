"""A graph folded for the eye: its stages as columns of slabs, one slab for each block."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from cnnlab.arch.cost import Cost, layer_cost
from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import Add, Concat, Conv, Linear
from cnnlab.arch.table import blocks, stages
from cnnlab.arch.whole import is_array

MANY = 16  # columns; with more of them, neighbours of one size are drawn as one


class Slab(NamedTuple):
    """One block: the image that leaves it, how often it occurs in a row, its shortcut, and the cost of all occurrences.

    size: height = width in pixels, None for a flat vector. shortcut: "identity", "projection", or "" for none.
    """

    channels: int
    size: int | None
    times: int
    shortcut: str
    cost: Cost


class Column(NamedTuple):
    """What is drawn of one stage, or of a run of like ones: its blocks in the order they run."""

    name: str
    slabs: tuple[Slab, ...]

    @property
    def cost(self) -> Cost:
        """Of all its blocks together."""
        return sum((slab.cost for slab in self.slabs), Cost())

    @property
    def macs(self) -> int:
        """Multiply-adds of all its blocks together."""
        return int(self.cost.macs)

    @property
    def depth(self) -> int:
        """Blocks, each as often as it occurs."""
        return sum(slab.times for slab in self.slabs)

    @property
    def map(self) -> Slab | None:
        """The last of its slabs that is an image and no flat vector."""
        return next((slab for slab in self.slabs[::-1] if slab.size is not None), None)

    @property
    def flat(self) -> Slab | None:
        """The last of its slabs, if that is a flat vector."""
        return self.slabs[-1] if self.slabs[-1].size is None else None


def columns(graph: Graph) -> tuple[Column, ...]:
    """The stages of a graph, unfolded or folded, as columns. Their costs add up to `graph.cost()`.

    A stage is one column and each of its blocks a slab. A stage without blocks that shrinks its image (VGG's
    "features") becomes a column for each size, with a slab for each convolution; parallel branches (GoogLeNet) are one
    slab; neighbouring stages of one block and one shape (MobileNet's "features.2" and "features.3") are one column;
    what multiplies nothing (a pool between stages) belongs to its neighbour.

    Raises ValueError for a graph with arrays of settings: it is many networks, and has no one picture.

    >>> import cnnlab as cl
    >>> [(c.name, c.depth, c.map.size) for c in columns(cl.architecture("resnet50").graph(folded=True))[:3]]
    [('stem', 1, 56), ('stage1', 3, 56), ('stage2', 4, 28)]
    """
    if holds_arrays(graph):
        raise ValueError(
            f"{graph.name} holds arrays of settings, so it is many networks and has no one picture; "
            "draw one of them: give depth, width and resolution as numbers"
        )
    found = [column for name, members in _stages(graph) for column in _of_stage(graph, name, members)]
    found = _fold(_settle(found), same_channels=True)
    return tuple(found if len(found) <= MANY else _fold(found, same_channels=False))


def holds_arrays(graph: Graph) -> bool:
    """Whether a graph is many networks at once: arrays of settings in place of numbers."""
    return any(is_array(n) for layer in graph.layers for n in (layer.channels, layer.size, layer.count))


def _stages(graph: Graph) -> list[tuple[str, list[int]]]:
    """(name, positions of its layers) of each stage, in the order they begin."""
    found: dict[str, list[int]] = {}
    for i, place in list(enumerate(stages(graph)))[1:]:
        found.setdefault(place, []).append(i)
    return list(found.items())


def _pixels(layer: Layer) -> int | None:
    return None if layer.size is None else int(layer.size)


def _works(layer: Layer) -> bool:
    return isinstance(layer.op, (Conv, Linear))


def _of_stage(graph: Graph, name: str, members: list[int]) -> list[Column]:
    """The columns of one stage: a single one, except for a stage without blocks that shrinks its image."""
    places = blocks(graph)
    parts: dict[str, list[int]] = {}
    for i in members:
        parts.setdefault(places[i] if places[i].startswith(f"{name}.") else name, []).append(i)
    if list(parts) == [name]:
        sizes = {graph.layers[i].size for i in members if _works(graph.layers[i])}
        if len(sizes) > 1 or sizes == {None}:
            return _by_size(graph, name, members)
    chain = list(parts.values()) if _in_a_row(graph, members, parts.get(name, []), list(parts.values())) else [members]
    joined: list[list[int]] = []
    for part in chain:  # a part that multiplies nothing, such as a sum or a concat, belongs to the block before it
        if joined and not any(_works(graph.layers[i]) for i in part):
            joined[-1].extend(part)
        else:
            joined.append(list(part))
    alone = () if name in ("stem", "head") else members
    behind = {i for i in alone if not graph.layers[i].name.startswith(f"{name}.")}
    return [Column(name, tuple(_slab(graph, part, behind) for part in joined))]


def _in_a_row(graph: Graph, members: Sequence[int], own: Iterable[int], parts: Sequence[Sequence[int]]) -> bool:
    """Whether the parts of a stage follow one another: none is a branch that begins where the stage begins, and the
    stage has no convolutions beside them, which would make them its details."""
    if any(_works(graph.layers[i]) for i in own):
        return False
    inside = set(members)
    for part in parts[1:]:
        fed = {j for i in part for j in graph.layers[i].inputs} - set(part)
        if not fed & inside:
            return False
    return True


def _by_size(graph: Graph, name: str, members: Sequence[int]) -> list[Column]:
    """A slab for each convolution and linear layer, a column for each size; flat vectors stay where they are."""
    parts: list[list[int]] = [[]]
    for i in members:
        if _works(graph.layers[i]) and any(_works(graph.layers[j]) for j in parts[-1]):
            parts.append([])
        parts[-1].append(i)
    found: list[tuple[list[Slab], list[str]]] = []
    for part in parts:
        layer = next(graph.layers[i] for i in part if _works(graph.layers[i]))
        slab = _slab(graph, part)._replace(channels=int(layer.channels), size=_pixels(layer))
        if not found or slab.size not in (found[-1][0][-1].size, None):
            found.append(([], []))
        found[-1][0].append(slab)
        found[-1][1].append(layer.name)
    if len(found) == 1:
        return [Column(name, tuple(found[0][0]))]
    return [Column(_span(names[0], names[-1]), tuple(slabs)) for slabs, names in found]


def _slab(graph: Graph, part: Sequence[int], behind: Collection[int] = ()) -> Slab:
    """A block as a slab. behind: those of its layers that stand behind it, and do not change what it is drawn as.

    What leaves it is its last image; where that is only the next part of a growing concat, as in DenseNet, all of the
    concat; and where all pixels are pooled at last, the image that was computed before.
    """
    layers = [graph.layers[i] for i in part]
    end = next((i for i in part[::-1] if i not in behind), part[-1])
    shown = last = graph.layers[end]
    if shown.size is None or shown.size == 1:
        shown = next((x for x in layers[::-1] if _works(x) and x.size is not None and x.size > 1), shown)
    taker = next((x for i, x in enumerate(graph.layers) if end in x.inputs and i not in part), last)
    channels = taker.channels if isinstance(taker.op, Concat) and shown is last else shown.channels
    cost = sum((layer_cost(layer, graph.layers) for layer in layers), Cost())
    times = max(int(x.count) for x in layers) or 1
    return Slab(int(channels), _pixels(shown), times, _shortcut(graph, part), cost)


def _shortcut(graph: Graph, part: Sequence[int]) -> str:
    """Whether a sum in this block takes an image from before it: as it is, or by way of a convolution."""
    steps: dict[int, int] = {}  # the fewest convolutions between what enters the block and this layer
    found = ""
    for i in part:
        layer = graph.layers[i]
        ways = [steps.get(j, 0) for j in layer.inputs]
        if isinstance(layer.op, Add) and max(ways) > 0:
            found = "identity" if min(ways) == 0 else "projection"
        steps[i] = min(ways, default=0) + _works(layer)
    return found


def _settle(found: Sequence[Column]) -> list[Column]:
    """Columns that multiply nothing given to the one before them, or at the beginning to the one behind."""
    settled: list[Column] = []
    for column in found:
        if not settled or (settled[-1].macs and column.macs):
            settled.append(column)
        elif column.macs or not settled[-1].macs:
            idle = settled.pop()
            first = column.slabs[0]._replace(cost=idle.cost + column.slabs[0].cost)
            settled.append(Column(column.name, (first, *column.slabs[1:])))
        else:
            last = settled[-1].slabs[-1]._replace(cost=settled[-1].slabs[-1].cost + column.cost)
            settled[-1] = Column(settled[-1].name, (*settled[-1].slabs[:-1], last))
    return settled


def _fold(found: Sequence[Column], *, same_channels: bool) -> list[Column]:
    """Neighbouring columns of one block, one size and a like name as one column."""

    def alike(column: Column) -> tuple[object, ...]:
        slab = column.slabs[-1]
        if len(column.slabs) > 1 or slab.size is None:
            return (column.name,)
        return re.sub(r"\d+[a-z]?$", "", column.name), slab.size, slab.channels if same_channels else None

    folded = []
    runs: list[list[Column]] = []
    for column in found:
        if runs and alike(runs[-1][-1]) == alike(column):
            runs[-1].append(column)
        else:
            runs.append([column])
    for run in runs:
        slabs = tuple(slab for column in run for slab in column.slabs)
        folded.append(Column(run[0].name if len(run) == 1 else _span(run[0].name, run[-1].name), slabs))
    return folded


def _span(first: str, last: str) -> str:
    """Two names as one: "features.2" and "features.3" as "features.2–3"."""
    if first == last:
        return first
    alike = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return f"{first}–{last[len(first[:alike].rstrip('0123456789')) :]}"
