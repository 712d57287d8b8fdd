"""What a picture of a width group shows: the blocks of its network as rows, and in them the layers that it touches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

from cnnlab.arch.graph import Layer
from cnnlab.arch.layers import Add, Concat, Conv, Dropout, DropPath, LayerNorm, Multiply
from cnnlab.arch.storage import LEARNED
from cnnlab.arch.table import blocks, describe
from cnnlab.arch.widths import Group, Widths
from cnnlab.arch.zeros import mixes
from cnnlab.prune.grouping import makers
from cnnlab.show.layout import WIDTH, shortened, text_width

EDGE = 16.0  # from the left edge to what stands beside the rail
TALL, GAP, SIGN, LOCK = 36.0, 6.0, 26.0, 16.0  # of a layer: height, room to the next, for its sign, for a padlock
LETTERS = 24  # of a layer's name within its block
ROLES = {
    "rows": "makes them: its rows go",
    "columns": "reads them: its columns go",
    "both": "does both",
    "numbers": "keeps the width: its numbers go",
    "add": "add: one width for all",
    "multiply": "multiply: one width for both",
    "concat": "concat: they lie beside others",
    "passes": "passes them on",
    "lock": "locks the group",
    "chosen": "the layer chosen",
}
"""What a layer is to the group, in the words of the legend."""


class Chip(NamedTuple):
    """A layer as it is drawn, or a run of layers that hold nothing of the group (its role is "others").

    name: within its block.  what: what it does, and where the group's channels lie if others lie beside them.
    """

    layer: str
    name: str
    what: str
    role: str
    locks: bool = False
    chosen: bool = False

    @property
    def width(self) -> float:
        if self.role == "others":
            return text_width(self.name) + 16
        return SIGN + max(text_width(self.name, bold=True), text_width(self.what)) + 6 + LOCK * self.locks


class Row(NamedTuple):
    """A block, a run of blocks that look alike, or (without chips) a run that the group does not touch."""

    first: str
    last: str
    blocks: int
    layers: int
    pixels: int
    chips: tuple[Chip, ...]

    @property
    def name(self) -> str:
        """The names of its first and last block, as long as there is room."""
        for letters in (48, 32, 20):
            name = " – ".join(shortened(each, letters) for each in dict.fromkeys([self.first, self.last]))
            if text_width(name, bold=True) + text_width(f"   {self.told}") <= WIDTH - EDGE:
                break
        return name

    @property
    def told(self) -> str:
        """What is said of it besides its name."""
        if self.chips:
            alike = [f"{self.blocks} blocks alike"] if self.blocks > 1 else []
            return " · ".join([*alike, *([f"{self.pixels} px"] if self.pixels > 1 else [])])
        count = f"{self.layers:,} layer{'s' if self.layers > 1 else ''}"
        return f"{self.blocks} blocks, {count}: not touched" if self.blocks > 1 else f"{count}: not touched"

    def looks(self) -> tuple[object, ...]:
        """What it has in common with a row that looks alike."""
        return (self.pixels if self.chips else 0, *(chip._replace(layer="") for chip in self.chips))


class Seen(NamedTuple):
    """A group in its network. chosen: the layer it was chosen by, or "".  unit: channels of one unit where it is made.

    roles: what each layer that the group touches is to it, position -> one of `ROLES`.
    """

    found: Widths
    group: Group
    chosen: str
    unit: int
    roles: Mapping[int, str]

    @classmethod
    def of(cls, found: Widths, group: Group, chosen: str = "") -> Seen:
        roles, kinds = {}, {Add: "add", Multiply: "multiply", Concat: "concat"}
        for i in group.layers:
            op = found.graph.layers[i].op
            roles[i] = "rows" if mixes(op) else "numbers" if isinstance(op, LEARNED) else kinds.get(type(op), "passes")
        for i in group.readers:
            roles[i] = "both" if i in roles else "columns"
        return cls(found, group, chosen, found.share(group, makers(found, group)[0]), roles)


def rows(seen: Seen) -> Iterator[Row]:
    """The network as rows: blocks in the order they run, neighbours that look alike as one."""
    places = blocks(seen.found.graph)
    own = [
        _row(seen, place, [i for i in run if i or 0 in seen.roles])
        for place, run in groupby(range(len(places)), places.__getitem__)
    ]
    for _, alike in groupby((row for row in own if row.layers), Row.looks):
        run = list(alike)
        yield run[0]._replace(last=run[-1].last, blocks=len(run), layers=sum(row.layers for row in run))


def _row(seen: Seen, place: str, run: Sequence[int]) -> Row:
    chips: list[Chip] = []
    for touched, part in groupby(run, seen.roles.__contains__):
        members = list(part)
        if touched:
            chips += [_layer(seen, place, i) for i in members]
        else:
            chips.append(Chip("", f"{len(members):,} other{'s' if len(members) > 1 else ''}", "", "others"))
    if all(chip.role == "others" for chip in chips):
        chips = []
    size = seen.found.graph.layers[run[-1]].size if run else None
    return Row(place, place, 1, len(run), int(size or 0), tuple(chips))


def _layer(seen: Seen, place: str, i: int) -> Chip:
    layer = seen.found.graph.layers[i]
    before = seen.found.graph.layers[layer.inputs[0]] if layer.inputs else layer
    what = ", ".join([_what(layer, before), *_places(seen, i)])
    inside = shortened(layer.name.removeprefix(f"{place}."), LETTERS)
    return Chip(layer.name, inside, what, seen.roles[i], _locks(seen, i), layer.name == seen.chosen)


def _what(layer: Layer, before: Layer) -> str:
    """What a layer does, in a few words; no rates, which differ between blocks that look alike."""
    op = layer.op
    if isinstance(op, Conv) and op.groups == before.channels > 1:
        return describe(replace(op, groups=1)).replace("conv", "depthwise", 1)
    return {Dropout: "dropout", DropPath: "stochastic depth"}.get(type(op)) or describe(op)


def _places(seen: Seen, i: int) -> Iterator[str]:
    """Where the group's channels lie in a layer, if others lie beside them; and how many a unit has there, if that is
    another number than where it is made."""
    role, found = seen.roles[i], seen.found
    leaving = [(i, "rows " if role in ("rows", "both") else "")] if role != "columns" else []
    entering = [(found.graph.layers[i].inputs[0], "columns ")] if role in ("columns", "both") else []
    for at, word in leaving + entering:
        held = np.flatnonzero(np.isin(found.labels[at], seen.group.units))
        if len(held) < len(found.labels[at]):
            run = held[-1] - held[0] + 1 == len(held)
            yield word + (f"{held[0]}–{held[-1]}" if run else f"{len(held):,} of {len(found.labels[at]):,}")
        if len(held) != seen.unit * len(seen.group):
            yield f"{len(held) // len(seen.group)} {word or 'channels '}a unit"


def _locks(seen: Seen, i: int) -> bool:
    """Whether this layer is a reason that the group is locked."""
    if not seen.group.locked or i not in seen.group.layers:
        return False
    layer, ends = seen.found.graph.layers[i], (0, len(seen.found.graph) - 1)
    return i in ends or isinstance(layer.op, LayerNorm) or seen.group.locked.startswith(f"{layer.name} ")
