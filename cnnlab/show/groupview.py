"""A width group drawn in its network: the layers whose rows go, whose columns go, and what the channels pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnnlab.arch.graph import Layer
from cnnlab.arch.layers import Add, Concat, Conv, Dropout, DropPath, LayerNorm, Multiply
from cnnlab.arch.storage import LEARNED
from cnnlab.arch.table import blocks, describe
from cnnlab.arch.widths import Group, Widths, widths
from cnnlab.arch.zeros import mixes
from cnnlab.prune.grouping import FEW, graph_of, group_of, in_words, makers, why_not
from cnnlab.show.diagram import Diagram, clean, px
from cnnlab.show.layout import HEAD, LINE, WIDTH, shortened, text_width, wrapped

CSS = Path(__file__).parent / "groupview.css"
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


def group_diagram(network: Any, layer: str | None = None, *, resolution: int = 224, channels: int = 3) -> Diagram:
    """A width group in its network: all that must go with a layer's channels, or why they are locked.

    Layers are drawn in the order they run, block by block. Marked are those that make the group's channels (their rows
    go), that keep them (norms, scales, depthwise convolutions: their numbers go), that read them (their columns go),
    and those that the channels only pass. Neighbouring blocks that look alike are drawn once; a run of blocks that the
    group does not touch is one line. Above it stands how many units there are and, exactly, what one unit less saves.

    network, resolution, channels: as for `cnnlab.prune.grouping.groups`.  layer: a layer or a group; of several groups
    that leave a layer the one named after it, or else the last; the others are named. Default: the first group that can
    be cut. The same network and layer give the same bytes. Raises ValueError for a name that the network has not, and
    what `groups` raises.

    >>> import cnnlab as cl
    >>> group_diagram(cl.architecture("resnet18"), "stage1.1.norm2")
    Diagram(name='resnet18: stem.conv1')
    """
    found = widths(graph_of(network, resolution, channels))
    seen = Seen.of(found, first_group(found) if layer is None else group_of(found, layer), layer or "")
    return Diagram(f"{found.graph.name}: {seen.group.name}", _svg(seen, list(rows(seen))))


def first_group(found: Widths) -> Group:
    """The first group that can be cut, or if none can the first of all."""
    return next((group for group in found.groups if not why_not(group)), found.groups[0])


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


def _sentences(seen: Seen) -> list[str]:
    """The group in words, and how it is related to what was chosen."""
    said = in_words(seen.found, seen.group)
    if seen.chosen in ("", seen.group.name):
        return said
    others = [each.name for each in seen.found.holding(seen.chosen) if each is not seen.group]
    if others:
        told = f"{', '.join(others[:FEW])}{' and more' if len(others) > FEW else ''}"
        said.append(f"Other channels of {seen.chosen} belong to the group{'s' if len(others) > 1 else ''} {told}.")
    return [f"It belongs to the group {seen.group.name}.", *said]


def _svg(seen: Seen, drawn: Sequence[Row]) -> str:
    chosen, locked = seen.chosen or seen.group.name, bool(why_not(seen.group))
    title = f"{shortened(seen.found.graph.name, 40)}: what goes with {shortened(chosen, 40)}"
    said, parts, y = _sentences(seen), [], 16.0
    for line in wrapped(title.split(" "), size=1.1 * HEAD, between=" "):
        parts.append(_text(0, y, line, "name big"))
        y += 19
    for words in said:
        for line in wrapped([shortened(word, 48) for word in words.split()], between=" "):
            parts.append(_text(0, y, line))
            y += LINE + 1
    legend, y = _legend(drawn, y, locked=locked)
    parts += legend
    for row in drawn:
        part, y = _drawn(row, y)
        parts.append(part)
    label = escape(clean(f"{title}{' (locked)' if locked else ''}"))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cnnlab-groups" viewBox="0 0 {px(WIDTH)} {px(y)}" '
        f'width="100%" role="img" aria-label="{label}">'
    )
    about = f"<title>{label}</title><desc>{escape(clean(' '.join([*said, *map(_described, drawn)])))}</desc>"
    style = f"<style>{CSS.read_text(encoding='utf-8')}</style>"
    return "\n".join([opening, about, style, *parts, "</svg>"])


def _described(row: Row) -> str:
    """A row in words, for who cannot see it."""
    marked = [f"{chip.name} ({chip.what}) {ROLES[chip.role]}" for chip in row.chips if chip.role in ROLES]
    return f"{row.name}, {row.told}{': ' if marked else ''}{'; '.join(marked)}."


def _legend(drawn: Sequence[Row], top: float, *, locked: bool) -> tuple[list[str], float]:
    """The signs that the picture has, with words; and where what follows begins."""
    chips = [chip for row in drawn for chip in row.chips]
    present = {chip.role for chip in chips} | {"lock" for c in chips if c.locks} | {"chosen" for c in chips if c.chosen}
    parts, x, y = [], 0.0, top + 4
    for role in (role for role in ROLES if role in present):
        words = ROLES[role].replace(" go", " would go") if locked else ROLES[role]
        room = 22 + text_width(words) + 12
        if x + room > WIDTH:
            x, y = 0.0, y + 22
        parts.append(f'<g class="key">{_sign(role, x, y)}{_text(x + 22, y + 12, words, "soft")}</g>')
        x += room
    return parts, y + 30


def _drawn(row: Row, top: float) -> tuple[str, float]:
    """A row's SVG, and where it ends."""
    head = f'<text x="{px(EDGE)}" y="{px(top + 11)}"><tspan class="name">{escape(clean(row.name))}</tspan>'
    head += f'<tspan class="soft">   {escape(row.told)}</tspan></text>' if row.told else "</text>"
    parts, x, y = [head], EDGE, top + 18
    for chip in row.chips:
        if x > EDGE and x + chip.width > WIDTH - 2:
            x, y = EDGE, y + TALL + GAP
        parts.append(_chip(chip, x, y))
        x += chip.width + GAP
    end = y + TALL if row.chips else top + 14
    rail = f'<path class="rail{" touched" if row.chips else ""}" d="M4 {px(top)}V{px(end)}"/>'
    opening = f'<g class="row" data-first="{escape(clean(row.first))}" data-blocks="{row.blocks}">'
    return "".join([opening, rail, *parts, "</g>"]), end + (12 if row.chips else 10)


def _chip(chip: Chip, x: float, y: float) -> str:
    style = f"chip {chip.role}{' chosen' if chip.chosen else ''}"
    box = f'<rect class="{style}" x="{px(x)}" y="{px(y)}" width="{px(chip.width)}" height="{px(TALL)}" rx="3"/>'
    if chip.role == "others":
        return f"<g>{box}{_text(x + 8, y + TALL / 2 + 4, chip.name, 'soft')}</g>"
    about = f"{shortened(chip.layer, 80)}, {chip.what}: {ROLES[chip.role]}"
    parts = [
        f'<g data-layer="{escape(clean(chip.layer))}" data-role="{chip.role}"><title>{escape(clean(about))}</title>'
    ]
    parts += [box, _sign(chip.role, x + 5, y + TALL / 2 - 8)]
    parts += [_text(x + SIGN, y + 15, chip.name, "name"), _text(x + SIGN, y + 29, chip.what)]
    parts += [_sign("lock", x + chip.width - LOCK - 2, y + TALL / 2 - 8)] if chip.locks else []
    return "".join([*parts, "</g>"])


def _sign(role: str, x: float, y: float) -> str:
    """The sign of a role in a square of 16: a matrix and what goes of it, a column of numbers, or an operation."""

    def box(kind: str, at: tuple[float, float], size: tuple[float, float]) -> str:
        place = f'x="{px(x + at[0])}" y="{px(y + at[1])}" width="{px(size[0])}" height="{px(size[1])}"'
        return f'<rect class="{kind}" {place}/>'

    def line(path: str) -> str:
        return f'<path class="line" d="M{px(x)} {px(y)}{path}"/>'

    matrix = box("line", (1, 1), (14, 14))
    row, column = box("cut rows", (1, 6), (14, 4)), box("cut columns", (6, 1), (4, 14))
    ring = f'<circle class="line" cx="{px(x + 8)}" cy="{px(y + 8)}" r="6.5"/>'
    lock = f"M{px(x + 2)} {px(y + 8)}h12v7h-12z"
    signs = {
        "rows": matrix + row,
        "columns": matrix + column,
        "both": matrix + column + row,
        "numbers": box("line", (5, 1), (6, 14)) + box("cut numbers", (5, 6), (6, 4)),
        "add": ring + line("m8 4v8m-4 -4h8"),
        "multiply": ring + line("m5 5l6 6m0 -6l-6 6"),
        "concat": box("line", (3, 1), (10, 6)) + box("cut beside", (3, 9), (10, 6)),
        "passes": line("m1 8h13m-4 -4l4 4l-4 4"),
        "lock": f'<path class="lock" d="{lock}"/>' + line("m4.5 8v-2.5a3.5 3.5 0 0 1 7 0v2.5"),
        "chosen": f'<rect class="chip chosen" x="{px(x + 1)}" y="{px(y + 2)}" width="14" height="12" rx="2"/>',
    }
    return signs[role]


def _text(x: float, y: float, text: str, style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{px(x)}" y="{px(y)}"{kind}>{escape(clean(text))}</text>'
