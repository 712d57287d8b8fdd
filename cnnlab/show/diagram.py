"""A network drawn to scale as SVG, in the manner of Figure 2 of the EfficientNet paper (Tan and Le 2019)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.cost import Cost
from cnnlab.arch.graph import Graph
from cnnlab.arch.whole import short
from cnnlab.show.columns import Column, Slab, columns
from cnnlab.show.layout import (
    LINE,
    WIDTH,
    Box,
    Item,
    boxes,
    height_scale,
    places,
    rows,
    scale_of,
    shortened,
    shown,
    wrapped,
)

CSS = Path(__file__).parent / "diagram.css"
ARC = 7.0  # height of a shortcut's arc
BAR = 48.0  # length of the longest bar of cost shares
PALEST = 0.2  # opacity of what costs nothing


@dataclass(frozen=True)
class Diagram:
    """A network drawn to scale. Notebooks show it; `svg` is its text, `save` writes it to a file."""

    name: str
    svg: str = field(repr=False)

    def save(self, path: str | Path) -> Path:
        """Write the drawing to an .svg file, and return its path."""
        path = Path(path)
        path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{self.svg}\n', encoding="utf-8")
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        # On a page narrower than legible text allows the drawing scrolls; it is never cut off.
        return f'<div style="overflow-x:auto">{self.svg}</div>'


def diagram(network: Graph | Architecture) -> Diagram:
    """The network drawn: a slab for each block, as high as the resolution and as thick as the width of what leaves it.

    Under each stage stand its name, resolution (px), width (channels), depth, and its share of the multiply-adds, which
    the depth of its colour repeats. An arc over a block is its shortcut, dashed where that is a projection. Of many
    blocks five are drawn. A map of less than one unit's height, and a width of less than one and a half, are drawn
    with that least size; a flat vector has no resolution, and is a rounded bar of one size.

    network: a Graph, traced or not, or anything with a method graph(), such as an Architecture. Stages are those of
    `cnnlab.arch.table.stages`, folded by `cnnlab.show.columns`. The same network gives the same bytes.
    Raises ValueError for a network that holds arrays of settings, TypeError for what is no network.

    >>> import cnnlab as cl
    >>> diagram(cl.architecture("resnet50"))
    Diagram(name='resnet50')
    """
    graph = _graph(network)
    found = columns(graph)
    start = graph.input
    image = Column("image", (Slab(int(start.channels), _int(start.size), 1, "", Cost()),))
    names = _names(found)
    items = [Item(image, ("image", f"{image.slabs[0].size:,} px", f"{image.slabs[0].channels:,} channels"), (0,), True)]
    items += [Item(c, _labels(c, name), shown(c)) for c, name in zip(found, names, strict=True)]
    return Diagram(graph.name, _svg(graph, items))


def _graph(network: object) -> Graph:
    if isinstance(network, Graph):
        return network
    if isinstance(network, Architecture):
        return network.graph(folded=True)
    drawn = getattr(network, "graph", None)
    made = drawn() if callable(drawn) else None
    if not isinstance(made, Graph):
        raise TypeError(
            f"diagram draws a Graph or an Architecture, not a {type(network).__name__}; "
            "of a torch module draw diagram(cnnlab.trace(module))"
        )
    return made


def _int(size: object) -> int | None:
    return None if size is None else int(size)  # type: ignore[call-overload]


def _names(found: Sequence[Column]) -> list[str]:
    """The columns' names without a container that all dotted ones share, if what remains is a name."""
    tops = {column.name.partition(".")[0] for column in found if "." in column.name}
    rest = [column.name.partition(".")[2] or column.name for column in found]
    bare = len(tops) == 1 and len(found) > 2 and not any(name[0].isdigit() for name in rest if name)
    return [shortened(name) for name in (rest if bare else [column.name for column in found])]


def _labels(column: Column, name: str) -> tuple[str, ...]:
    image, flat = column.map, column.flat
    lines = [name]
    if image is not None:
        lines += [f"{image.size:,} px", f"{image.channels:,} wide"]
    if flat is not None:
        lines += [f"{flat.channels:,} outputs"]
    if column.depth > 1 and (image is None or flat is None):
        lines += [f"× {column.depth:,}"]
    return tuple(lines)


def _svg(graph: Graph, items: Sequence[Item]) -> str:
    cost, most = graph.cost(), max(item.column.macs for item in items)
    numbers = {"multiply-adds": cost.macs, "parameters": cost.params, "activations": cost.activations}
    facts = [f"{graph.input.size:,} px", *(f"{short(int(number))} {name}" for name, number in numbers.items())]
    title = shortened(graph.name, 60)
    parts = [_text(0, 14, title, "lead name big"), _text(0, 32, " · ".join(facts), "lead soft")]
    lines = rows(items)
    scale = (scale_of(lines), height_scale(items))
    y = 40.0
    for i, line in enumerate(lines):
        drawn, y = _row(line, y, scale, (int(cost.macs), most), first=i == 0, last=i == len(lines) - 1)
        parts += drawn
    for phrases in wrapped(_legend(items)):
        parts.append(_text(0, y, phrases, "lead soft"))
        y += LINE
    label = f"{shortened(graph.name, 80)}: {', '.join(facts)}"
    return framed(parts, y, label, _described(items, int(cost.macs)), CSS)


def framed(parts: Sequence[str], height: float, label: str, about: str, css: Path) -> str:
    """These parts as an SVG of `WIDTH`, in the style of a file whose class is "cnnlab-" and its name.

    label, about: in a few words and in many, for who cannot see it.
    """
    label = escape(clean(label))
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cnnlab-{css.stem}" viewBox="0 0 {px(WIDTH)} {px(height)}" '
        f'width="100%" role="img" aria-label="{label}">'
    )
    told = f"<title>{label}</title><desc>{escape(clean(about))}</desc>"
    style = f"<style>{css.read_text(encoding='utf-8')}</style>"
    return "\n".join([opening, told, style, *parts, "</svg>"])


def _row(
    line: Sequence[Item],
    top: float,
    scale: tuple[float, float],
    macs: tuple[int, int],
    *,
    first: bool,
    last: bool,
) -> tuple[list[str], float]:
    """The SVG of one row, and where it ends. macs: of the network, and of the costliest column."""
    spots = places(line, scale[0])
    flat = [boxes(item, *spot, 0.0, scale) for item, spot in zip(line, spots, strict=True)]
    tall = max(box.height for each in flat for box in each if isinstance(box, Box))
    axis = top + ARC + 5 + tall / 2
    foot = axis + tall / 2 + 20
    bars = foot + LINE * max(len(item.labels) for item in line) - 8
    parts, begun = [], 0.0 if not first else None
    for item, spot in zip(line, spots, strict=True):
        drawn = boxes(item, *spot, axis, scale)
        left, right = drawn[0], drawn[-1]
        assert isinstance(left, Box) and isinstance(right, Box)  # dots stand between slabs
        if begun is not None:
            parts.append(_axis(begun, left.x - 4, axis))
        begun = right.x + right.width + 4
        parts.append(_column(item, drawn, spot, (axis, foot, bars), macs))
    if not last and begun is not None:
        parts.append(_axis(begun, WIDTH, axis))
    return parts, bars + (44 if not all(item.image for item in line) else 20)


def _column(
    item: Item,
    drawn: Sequence[Box | float],
    spot: tuple[float, float],
    heights: tuple[float, float, float],
    macs: tuple[int, int],
) -> str:
    """One column: its slabs, arcs, labels and cost. heights: of the axis, the first label and the bar."""
    column, (axis, foot, bars), middle = item.column, heights, spot[0] + spot[1] / 2
    part = column.macs / macs[1] if macs[1] else 0.0
    shape = column.map or column.slabs[-1]
    parts = [
        f'<g class="{"input" if item.image else "stage"}" data-stage="{escape(clean(shortened(column.name, 80)))}" '
        f'data-size="{shape.size or ""}" data-channels="{shape.channels}" data-depth="{column.depth}" '
        f'data-macs="{column.macs}" data-params="{column.cost.params}">'
        f"<title>{escape(clean(_sentence(column, macs[0])))}</title>"
    ]
    for box in drawn:
        if not isinstance(box, Box):
            parts += [f'<circle class="dot" cx="{px(box + d)}" cy="{px(axis)}" r="1.2"/>' for d in (-5, 0, 5)]
            continue
        parts.append(_slab(box, column.slabs[box.slab], PALEST + (1 - PALEST) * part, image=item.image))
    parts += [_text(middle, foot + LINE * i, label, "" if i else "name") for i, label in enumerate(item.labels)]
    if not item.image:
        x = middle - BAR / 2
        parts.append(f'<rect class="track" x="{px(x)}" y="{px(bars)}" width="{px(BAR)}" height="5"/>')
        parts.append(f'<rect class="share" x="{px(x)}" y="{px(bars)}" width="{px(BAR * part)}" height="5"/>')
        parts.append(_text(middle, bars + 18, _share(column, macs[0]), ""))
    return "".join([*parts, "</g>"])


def _slab(box: Box, slab: Slab, depth: float, *, image: bool) -> str:
    x, y, wide, tall = map(px, (box.x, box.y, box.width, box.height))
    style = "slab image" if image else f'slab{" flat" if slab.size is None else ""}" fill-opacity="{px(depth)}'
    rounded = ' rx="2.5"' if slab.size is None else ""
    rect = (
        f'<rect x="{x}" y="{y}" width="{wide}" height="{tall}"{rounded} class="{style}" '
        f'data-size="{slab.size or ""}" data-channels="{slab.channels}"/>'
    )
    if not slab.shortcut:
        return rect
    left, right, peak = box.x - 1, box.x + box.width + 1, box.y - 2 - 4 * ARC / 3
    curve = f"M{px(left)} {px(box.y - 2)}C{px(left)} {px(peak)} {px(right)} {px(peak)} {px(right)} {px(box.y - 2)}"
    return f'{rect}<path class="arc {slab.shortcut}" d="{curve}"/>'


def _axis(left: float, right: float, y: float) -> str:
    return f'<path class="axis" d="M{px(left)} {px(y)}H{px(right)}m-4 -3l4 3l-4 3"/>' if right - left > 6 else ""


def _legend(items: Sequence[Item]) -> list[str]:
    kinds = {slab.shortcut for item in items for slab in item.column.slabs}
    arcs = {"identity": "arc: shortcut", "projection": "dashed arc: shortcut with a projection"}
    return [
        "height: resolution",
        "thickness: width (channels)",
        "a slab: a block",
        "the deeper its colour, the larger its share of the multiply-adds",
        *(words for kind, words in arcs.items() if kind in kinds),
        *(["rounded: a flat vector, not to scale"] if any(item.column.flat for item in items) else []),
    ]


def _described(items: Sequence[Item], macs: int) -> str:
    return "From left to right: " + "; ".join(_sentence(item.column, macs) for item in items) + "."


def _sentence(column: Column, macs: int) -> str:
    image, flat = column.map, column.flat
    words = [f"{image.size:,} px", f"{image.channels:,} channels"] if image else []
    words += [f"{flat.channels:,} outputs"] if flat else []
    words += [f"{column.depth:,} blocks"] if column.depth > 1 and not (image and flat) else []
    if column.macs or column.cost.params:
        words += [f"{column.macs:,} multiply-adds ({_share(column, macs)})", f"{column.cost.params:,} parameters"]
    return f"{shortened(column.name, 80)}: {', '.join(words)}"


def _share(column: Column, macs: int) -> str:
    return percent(column.macs / macs if macs else 0.0)


def percent(share: float) -> str:
    """A share of 1 as a percentage.

    >>> percent(0.3581), percent(0.0003), percent(0)
    ('35.8 %', '< 0.1 %', '0 %')
    """
    if share <= 0:
        return "0 %"
    return f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"


def _text(x: float, y: float, text: str, style: str) -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{px(x)}" y="{px(y)}"{kind}>{escape(clean(text))}</text>'


def clean(text: str) -> str:
    """A text without the characters that XML has no place for."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def px(number: float) -> str:
    """A coordinate, to a hundredth.

    >>> px(12.0), px(0.3333)
    ('12', '0.33')
    """
    return f"{number:.2f}".rstrip("0").rstrip(".")
