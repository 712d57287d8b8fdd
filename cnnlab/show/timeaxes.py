"""What the pictures of time share: axes in the house look, names that keep clear of each other, a figure that shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from cnnlab.show.plots import png
from cnnlab.show.tradeoff import INK, log_ticks, plain

SIZE, DPI = (8.8, 5.2), 100
QUIET, LABELS = "#666666", 6

Box = tuple[float, float, float, float]
"""left, bottom, right, top in pixels of the figure"""


class Picture(Figure):
    """A figure that shows itself as a PNG wherever a notebook asks it to."""

    def _repr_png_(self) -> bytes:
        return png(self)


def dress(axes: Axes, across: str, up: str, *, seconds: bool = False) -> None:
    """The house look, with round numbers."""
    axes.set_xlabel(across, size=9, color=INK)
    axes.figure.text(0.012, axes.get_position().y1 + 0.045, up, size=9, color=INK)
    ticks = log_ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [rounded(t) for t in ticks])
    ticks = log_ticks(*axes.get_ylim())
    text = [_round_seconds(t) if seconds else rounded(t) for t in ticks]
    axes.set_yticks(ticks, text)
    plain(axes, grid="both")


def rounded(n: float) -> str:
    """A round number with k, M, G or T."""
    size, unit = next(((s, u) for s, u in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")) if n >= 0.999 * s), (1, ""))
    return f"{n / size:g} {unit}".strip()


def _round_seconds(seconds: float) -> str:
    size, unit = next(((s, u) for s, u in ((1, "s"), (1e-3, "ms")) if seconds >= 0.999 * s), (1e-6, "us"))
    return f"{seconds / size:g} {unit}"


def names(
    axes: Axes,
    points: Sequence[tuple[float, float, str, float]],
    taken: Sequence[Box],
    *,
    most: int = LABELS,
    dots: Sequence[tuple[float, float]] = (),
) -> None:
    """Names beside so many of the points, where there is room: on no other name, no dot, and not over the edge.

    points: x, y, name, and the dot's diameter in points, in the order of weight; taken: boxes to keep clear of, in
    pixels; dots: further ones to keep clear of. A dot half hidden by a weightier one gets no name, which would seem to
    mean the other.
    """
    scale = axes.figure.dpi / 72
    places = [(*axes.transData.transform((x, y)), 0.5 * scale * size) for x, y, _, size in points]
    full = [*taken, *((x - r, y - r, x + r, y + r) for x, y, r in places)]
    full += [(x - 5, y - 5, x + 5, y + 5) for x, y in axes.transData.transform(np.reshape(dots, (-1, 2)))]
    left = most
    for i, ((x, y, r), (*_, name, _)) in enumerate(zip(places, points, strict=True)):
        hidden = any(math.hypot(x - x1, y - y1) < 0.8 * (r + r1) for x1, y1, r1 in places[:i])
        found = None if hidden or not left else _beside(axes, name, (x, y), r + 3 * scale, full)
        if found is not None:
            full.append(found)
            left -= 1


def _beside(axes: Axes, name: str, at: tuple[float, float], gap: float, full: Sequence[Box]) -> Box | None:
    """Write the name to the right, left, top or bottom of a place, wherever there is room; where it stands then."""
    edge = axes.bbox.extents
    sides = ((1, 0, "left", "center"), (-1, 0, "right", "center"), (0, 1, "center", "bottom"), (0, -1, "center", "top"))
    halo = [withStroke(linewidth=2.5, foreground="white")]
    for dx, dy, ha, va in sides:
        x, y = at[0] + gap * dx, at[1] + gap * dy
        text = axes.text(x, y, name, transform=None, size=8, color=INK, ha=ha, va=va, zorder=4, path_effects=halo)
        box = extent(axes, text)
        inside = edge[0] < box[0] and box[2] < edge[2] and edge[1] < box[1] and box[3] < edge[3]
        if inside and not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in full):
            return box
        text.remove()
    return None


def extent(axes: Axes, text: Text) -> Box:
    """Where a text stands, in pixels."""
    renderer = FigureCanvasAgg(axes.get_figure(root=True)).get_renderer()
    left, bottom, right, top = text.get_window_extent(renderer).extents
    return float(left), float(bottom), float(right), float(top)
