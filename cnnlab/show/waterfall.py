"""Two pictures of budgets: what changes from network to network as a waterfall, and the lines of equal cost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.axes import Axes

from cnnlab.arch.diff import KINDS, diff
from cnnlab.arch.whole import short
from cnnlab.show.points import COLOURS
from cnnlab.show.timeaxes import Picture
from cnnlab.show.tradeoff import INK, MARKERS, plain

if TYPE_CHECKING:
    import pandas as pd

LESS, MORE, TOTAL = COLOURS["sky"], COLOURS["vermilion"], COLOURS["ink"]  # apart in grey as well
WORDS = {
    "macs": "multiply-adds for one image",
    "params": "parameters",
    "activations": "activations",
    "saved": "bytes that training keeps for one image",
}
KNOBS = {"depth": "depth (times the blocks)", "width": "width (times the channels)", "resolution": "resolution (px)"}
STYLES = ("-", "--", "-.", ":")


class Bar(NamedTuple):
    """A bar from one amount to another: the whole of a network, or what a stage adds or takes away."""

    label: str
    start: int
    end: int
    whole: bool


def waterfall(a: Any, b: Any, *more: Any, kind: str = "macs", by: str | None = None) -> Picture:
    """How the cost of one network becomes that of the next, stage by stage: `cnnlab.arch.diff.diff` as a picture.

    a, b, more, by: as for `diff`. kind: "macs", "params", "activations" or "saved". Bars from the top: the whole of
    the first network, what each stage adds or takes away, the whole of the next; stages that change nothing have none.
    Raises ValueError for another kind, and what `diff` raises.

    >>> import cnnlab as cl
    >>> waterfall(cl.architecture("resnet50"), cl.architecture("efficientnet_b0"))  # doctest: +ELLIPSIS
    <Picture size ...>
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: choose one of {', '.join(KINDS)}")
    bars = _bars(diff(a, b, *more, by=by), [network.name for network in (a, b, *more)], kind)
    left, wide, tall = 0.25 + 0.075 * max(len(bar.label) for bar in bars), 5.6, 0.27 * len(bars)
    across, high = left + wide, tall + 1.0
    figure = Picture(figsize=(across, high), dpi=100, facecolor="white")
    axes = figure.add_axes((left / across, 0.55 / high, (wide - 0.3) / across, tall / high))
    unit = "B" if kind == "saved" else ""
    _draw(axes, bars, unit)
    axes.set_xlabel(WORDS[kind], size=9, color=INK)
    for x, colour, word in ((0.25, TOTAL, "whole network"), (1.6, LESS, "less"), (2.2, MORE, "more")):
        figure.text(x / across, 1 - 0.26 / high, "■", color=colour, size=10)
        figure.text((x + 0.16) / across, 1 - 0.26 / high, word, color=INK, size=8.5)
    return figure


def _bars(table: pd.DataFrame, names: Sequence[str], kind: str) -> list[Bar]:
    """The bars from the first network's whole to the last one's."""
    rows = len(table) // (len(names) - 1)  # of each step
    now = int(table[f"{kind}_before"][:rows].sum())
    bars = [Bar(names[0], 0, now, True)]
    for i, (stage, change) in enumerate(zip(table["stage"], table[f"{kind}_change"], strict=True)):
        if change:
            label = f"at {stage} size" if stage.startswith("1/") else stage
            bars.append(Bar(label, now, now + int(change), False))
        now += int(change)
        if (i + 1) % rows == 0:
            bars.append(Bar(names[(i + 1) // rows], 0, now, True))
    return bars


def _draw(axes: Axes, bars: Sequence[Bar], unit: str) -> None:
    most = max(max(bar.start, bar.end) for bar in bars) or 1
    for i, (_, start, end, whole) in enumerate(bars):
        colour = TOTAL if whole else LESS if end < start else MORE
        axes.barh(i, abs(end - start), 0.66, left=min(start, end), color=colour)
        sign = "" if whole else "−" if end < start else "+"
        told = f"{sign}{_amount(abs(end - start), unit)}"
        weight = "bold" if whole else "normal"
        axes.text(max(start, end) + 0.012 * most, i, told, va="center", size=8, color=INK, weight=weight)
        if i + 1 < len(bars):
            axes.plot([end, end], [i + 0.33, i + 0.67], color="#999999", lw=0.8)
    axes.set(xlim=(0, 1.12 * most), ylim=(len(bars) - 0.4, -0.6))
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars], size=8.5)
    for label, bar in zip(axes.get_yticklabels(), bars, strict=True):
        label.set(weight="bold" if bar.whole else "normal", color=INK)
    plain(axes, grid="x")
    axes.tick_params(axis="y", length=0)
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= 1.12 * most]
    axes.set_xticks(ticks, [re.sub(r"\.0+(?=\D|$)", "", _amount(tick, unit)) for tick in ticks])


def _amount(number: float, unit: str) -> str:
    told = short(number)
    return f"{told}{unit}" if " " in told else f"{told} {unit}".strip()


def isocost_lines(line: pd.DataFrame, *, x: str = "depth", y: str = "width", kind: str = "macs") -> Picture:
    """The settings of equal cost that `isocost` gives: one knob over another, a line for each value of the third.

    x, y: two of "depth", "width", "resolution". kind: what of their cost the title tells. Raises ValueError for
    others and TypeError for what is no DataFrame of `isocost`.

    >>> from cnnlab.arch.solve import isocost
    >>> isocost_lines(isocost("resnet", macs=4e9, depth=[1, 2], resolution=[160, 224]))  # doctest: +ELLIPSIS
    <Picture size ...>
    """
    if not {x, y} <= KNOBS.keys() or x == y:
        raise ValueError(f"x={x!r}, y={y!r}: choose two of {', '.join(KNOBS)}")
    if kind not in KINDS[:3]:
        raise ValueError(f"kind={kind!r}: choose one of {', '.join(KINDS[:3])}")
    if not {*KNOBS, kind} <= set(getattr(line, "columns", ())):
        raise TypeError(f"line must be what isocost gives, with the columns {', '.join(KNOBS)} and {kind}")
    third = next(knob for knob in KNOBS if knob not in (x, y))
    figure = Picture(figsize=(7.2, 4.6), dpi=100, facecolor="white")
    axes = figure.add_axes((0.09, 0.12, 0.745, 0.76))
    ends = []
    for k, (value, rows) in enumerate(line.groupby(third)):
        rows, colour = rows.sort_values(x), list(COLOURS.values())[k % len(COLOURS)]
        marker = list(MARKERS.values())[k % len(MARKERS)]
        axes.plot(rows[x], rows[y], STYLES[k % len(STYLES)], marker=marker, color=colour, lw=1.4, ms=4.5, mew=0)
        ends.append((float(rows[y].iloc[-1]), float(rows[x].iloc[-1]), f"{value:g}", colour))
    axes.set_xlabel(KNOBS[x], size=9, color=INK)
    axes.set_ylabel(KNOBS[y], size=9, color=INK)
    plain(axes, grid="both", hide=("top", "right"))
    least, most = short(line[kind].min()), short(line[kind].max())
    axes.set_title(f"{WORDS[kind]}: {least if least == most else f'{least} to {most}'} on every line",
                   loc="left", size=9.5, weight="bold", color=INK)  # fmt: skip
    _names(axes, ends, third)
    return figure


def _names(axes: Axes, ends: list[tuple[float, float, str, str]], third: str) -> None:
    """Each line's value beside the axes at the height of its end, moved up where two would touch."""
    low, high = axes.get_ylim()
    step, at = 0.045, -1.0
    axes.text(1.02, 1.02, third, transform=axes.transAxes, size=8.5, color=INK, style="italic")
    for y, _, name, colour in sorted(ends):
        at = max((y - low) / (high - low), at + step)
        axes.plot([1.01, 1.03], [at, at], transform=axes.transAxes, color=colour, lw=2, clip_on=False)
        axes.text(1.04, at, f"{name} px" if third == "resolution" else f"× {name}", transform=axes.transAxes,
                  size=8.5, va="center", color=INK)  # fmt: skip
