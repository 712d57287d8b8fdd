"""A width group drawn in its network: the layers whose rows go, whose columns go, and what the channels pass."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from cnnlab.arch.widths import Group, Widths, widths
from cnnlab.prune.grouping import FEW, graph_of, group_of, in_words, why_not
from cnnlab.show.diagram import Diagram, clean, framed, px
from cnnlab.show.grouprows import EDGE, GAP, LOCK, ROLES, SIGN, TALL, Chip, Row, Seen, rows
from cnnlab.show.layout import HEAD, LINE, WIDTH, shortened, text_width, wrapped

CSS = Path(__file__).parent / "groups.css"


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
    return framed(parts, y, f"{title}{' (locked)' if locked else ''}", " ".join([*said, *map(_described, drawn)]), CSS)


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
