"""Where a diagram's slabs and labels stand: sizes computed from the text, so that nothing collides or is cut off."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from cnnlab.show.columns import Column

WIDTH = 740.0  # units of the drawing; at 680 px, the least it is shown at, its text of 12 units is 11 px high
TEXT, HEAD = 12.0, 15.0  # font sizes
LINE = 15.0  # from one line of text to the next
TALL = 150.0  # height of the largest feature map
GAP, DOTS, AIR = 3.0, 20.0, 12.0  # between slabs, for those left out, between columns
THICKEST = 40.0
DRAWN = 6  # slabs of a column; of more, the first three and the last two
FLAT = (5.0, 34.0)  # thickness and height of what stands for a flat vector, which has no resolution
LETTERS = 17  # of a column's name


def text_width(text: str, size: float = TEXT, *, bold: bool = False) -> float:
    """The room a line of text takes, in units: an upper estimate for the usual sans-serif fonts."""
    return size * (1.08 if bold else 1.0) * sum(map(_letter, text))


def _letter(c: str) -> float:
    if unicodedata.east_asian_width(c) in "WF":
        return 1.1
    if c in "iljtfrI.,:;|!'()[] ":
        return 0.42
    return 0.9 if c in "mwMW@%×–…" else 0.78 if c.isupper() else 0.64


def shortened(text: str, letters: int = LETTERS) -> str:
    """A text of at most so many letters; of a longer one the middle is left out.

    >>> shortened("a_very_long_name_of_a_stage", 12)
    'a_very…stage'
    """
    half = (letters - 1) // 2
    return text if len(text) <= letters else f"{text[: letters - 1 - half]}…{text[-half:]}"


@dataclass(frozen=True)
class Box:
    """One slab on the drawing: its corner and extent, and the column (and slab of it) that it stands for."""

    x: float
    y: float
    width: float
    height: float
    slab: int


@dataclass(frozen=True)
class Item:
    """One column and its labels, before it has a place."""

    column: Column
    labels: tuple[str, ...]
    shown: tuple[int | None, ...]  # which slab is drawn at each place, None for the dots
    image: bool = False  # the network's input, which is no stage of it

    def label_width(self) -> float:
        return max(text_width(text, bold=i == 0) for i, text in enumerate(self.labels))

    def thickness(self, slab: int, scale: float) -> float:
        """Of one of its slabs: channels to scale, with a least one can see."""
        image = self.column.slabs[slab]
        return FLAT[0] if image.size is None else max(1.5, scale * image.channels)

    def drawn_width(self, scale: float) -> float:
        return sum(DOTS if i is None else self.thickness(i, scale) + GAP for i in self.shown) - GAP

    def width(self, scale: float) -> float:
        return max(self.label_width(), self.drawn_width(scale)) + AIR


def shown(column: Column) -> tuple[int | None, ...]:
    """Which of its slabs are drawn, one for each block: all, or of many the first three and the last two.

    >>> from cnnlab.arch.cost import Cost
    >>> from cnnlab.show.columns import Slab
    >>> shown(Column("stage1", (Slab(64, 56, 1, "", Cost()), Slab(64, 56, 9, "", Cost()))))
    (0, 1, 1, None, 1, 1)
    """
    few = [i for i, slab in enumerate(column.slabs) for _ in range(min(slab.times, DRAWN + 1))]
    if column.depth <= DRAWN:
        return tuple(few)
    return (*few[:3], None, *few[-2:])


def rows(items: Sequence[Item]) -> list[list[Item]]:
    """The items in as few rows as have room for them, the widest row as narrow as can be."""
    scale = 12.0 / widest(items)
    widths = [item.width(scale) for item in items]
    for number in range(1, len(items) + 1):
        cuts = min(
            combinations(range(1, len(items)), number - 1) if number < 4 else [_even(len(items), number)],
            key=lambda cuts: max(sum(widths[a:b]) for a, b in _pieces(cuts, len(items))),
        )
        pieces = _pieces(cuts, len(items))
        if max(sum(widths[a:b]) for a, b in pieces) <= WIDTH:
            break
    return [list(items[a:b]) for a, b in pieces]


def _pieces(cuts: Sequence[int], length: int) -> list[tuple[int, int]]:
    return list(zip((0, *cuts), (*cuts, length), strict=True))


def _even(length: int, number: int) -> tuple[int, ...]:
    return tuple(round(i * length / number) for i in range(1, number))


def widest(items: Sequence[Item]) -> int:
    """The most channels of an image that is drawn."""
    return max((slab.channels for item in items for slab in item.column.slabs if slab.size is not None), default=1)


def scale_of(lines: Sequence[Sequence[Item]]) -> float:
    """Thickness for each channel: the most with which every row fits, found by halving."""
    items = [item for line in lines for item in line]
    return _largest(lambda scale: all(sum(i.width(scale) for i in line) <= WIDTH for line in lines), items)


def _largest(fits: Callable[[float], bool], items: Sequence[Item]) -> float:
    low, high = 0.0, THICKEST / widest(items)
    if fits(high):
        return high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def places(line: Sequence[Item], scale: float) -> list[tuple[float, float]]:
    """(left end, width) of each column of a row; what room is left is shared out among them."""
    widths = [item.width(scale) for item in line]
    spare = max(0.0, WIDTH - sum(widths)) / len(line)
    found, x = [], 0.0
    for width in widths:
        found.append((x, width + spare))
        x += width + spare
    return found


def boxes(item: Item, left: float, width: float, axis: float, scale: tuple[float, float]) -> list[Box | float]:
    """The slabs of one column, centred in it, one after the other on the axis; a number is where the dots stand.

    scale: units for each channel of thickness and for each pixel of height.
    """
    x = left + (width - item.drawn_width(scale[0])) / 2
    found: list[Box | float] = []
    for i in item.shown:
        if i is None:
            found.append(x + (DOTS - GAP) / 2)
            x += DOTS
            continue
        size = item.column.slabs[i].size
        thick = item.thickness(i, scale[0])
        tall = FLAT[1] if size is None else max(1.0, size * scale[1])
        found.append(Box(x, axis - tall / 2, thick, tall, i))
        x += thick + GAP
    return found


def wrapped(parts: Sequence[str], width: float = WIDTH, size: float = TEXT, between: str = " · ") -> list[str]:
    """Phrases joined to lines that have room in this width."""
    lines: list[str] = []
    for part in parts:
        if lines and text_width(lines[-1] + between + part, size) <= width:
            lines[-1] += between + part
        else:
            lines.append(part)
    return lines


def height_scale(items: Sequence[Item]) -> float:
    """Units for each pixel of resolution: the largest feature map is `TALL` high."""
    sizes = [slab.size for item in items for slab in item.column.slabs if slab.size is not None]
    return TALL / max(sizes, default=math.inf)
