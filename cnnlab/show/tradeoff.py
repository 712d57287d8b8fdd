"""Accuracy against cost on a matplotlib axis: points, names, Pareto front, budget and "you are here"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnnlab.arch.cost import Cost
from cnnlab.arch.whole import short
from cnnlab.show.points import COLOURS, YOURS

TITLES = {"macs": "multiply-adds for one image (log)", "params": "parameters (log)", "activations": "activations (log)"}
MARKERS = dict(circle="o", diamond="D", square="s", up="^", down="v", pentagon="p", star="*", cross="X", left="<",
               plus="P")  # fmt: skip
ACCENT, INK = COLOURS["vermilion"], "#222222"


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between the two; over many decades fewer.

    >>> log_ticks(3e7, 3e8)
    [50000000.0, 100000000.0, 200000000.0]
    """
    steps = (1, 2, 5) if high < 100 * low else (1, 5) if high < 1e4 * low else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    return [t for p in powers for t in (m * 10.0**p for m in steps) if low <= t <= high]


def plain(axes: Axes, *, grid: Literal["both", "x", "y"], hide: Sequence[str] = ("top", "right", "left")) -> None:
    """The house look: a light grid behind the data, small ticks, and no frame on these sides."""
    axes.grid(axis=grid, color="#dddddd", linewidth=0.7)
    axes.tick_params(labelsize=8.5, length=3)
    axes.minorticks_off()
    axes.set_axisbelow(True)
    for side in hide:
        axes.spines[side].set_visible(False)


def matches(evidence: Mapping[str, Any], cost: Cost) -> list[dict[str, Any]]:
    """The points that are this very network, as far as multiply-adds and parameters tell; the best first."""
    found = [p for p in evidence["points"] if p["macs"] == cost.macs and p["params"] == cost.params]
    return sorted(found, key=lambda p: -p["accuracy"])


def tradeoff(axes: Axes, evidence: Mapping[str, Any], cost: Cost, against: str, budget: float | None) -> None:
    low, high = evidence["domain"][against]
    foot, top = evidence["range"]
    axes.set(xscale="log", xlim=(low, high), ylim=(foot, top))
    axes.set_xlabel(TITLES[against], size=9, color=INK)
    axes.text(-0.06, 1.075, evidence["axis"], transform=axes.transAxes, size=9, color=INK)
    ticks = log_ticks(low, high)
    axes.set_xticks(ticks, [short(t).replace(".00", "").replace(".0", "") for t in ticks])
    plain(axes, grid="y")
    if budget and against == "macs" and budget < high:
        axes.axvspan(max(budget, low), high, color="#000000", alpha=0.06, linewidth=0)
        axes.text(1, 1.075, f"shaded: over the budget, {short(budget)}", transform=axes.transAxes, size=8, ha="right")
    points = [p for p in evidence["points"] if p[against] is not None]
    front = [evidence["points"][i] for i in evidence["front"][against]]
    axes.plot([p[against] for p in front], [max(p["accuracy"], foot) for p in front], "--", color="#777777", lw=0.9)
    for p in points:
        style = evidence["series"][p["series"]]
        below, colour = p["accuracy"] < foot, COLOURS[style["colour"]]
        axes.plot(
            p[against],
            max(p["accuracy"], foot),
            MARKERS[style["shape"]],
            markersize=9 if p["kind"] == YOURS else 5.5,
            alpha=0.42 if p["pale"] else 1,
            markerfacecolor="none" if below else colour,
            markeredgecolor=INK if p["kind"] == YOURS else colour,
            markeredgewidth=0.8 if below or p["kind"] == YOURS else 0,
            clip_on=False,
        )
    here = min(max(getattr(cost, against), low), high)
    axes.axvline(here, color=ACCENT, alpha=0.65, linewidth=1.8)
    axes.text(here, 1.012, "you are here", transform=axes.get_xaxis_transform(), size=9, weight="bold",
              color="#b84a00", ha="left" if here < low * 2 else "right" if here > high / 2 else "center")  # fmt: skip
    for p in matches(evidence, cost):
        if p[against] is not None:
            axes.plot(p[against], max(p["accuracy"], foot), "o", ms=13, mfc="none", mec=ACCENT, mew=1.8, clip_on=False)
    _labels(axes, evidence, points, against)


def _labels(axes: Axes, evidence: Mapping[str, Any], points: list[dict[str, Any]], against: str) -> None:
    """Names beside markers where there is room: on no other name, no marker, and not over the edge."""
    scale = 72 / axes.figure.dpi
    foot = axes.get_ylim()[0]

    def at(p: Mapping[str, Any]) -> tuple[float, float]:
        x, y = axes.transData.transform((p[against], max(p["accuracy"], foot)))
        return x * scale, y * scale

    left, bottom, right, top = (float(edge) * scale for edge in axes.bbox.extents)
    taken = [(x - 3.5, y - 3.5, x + 3.5, y + 3.5) for x, y in map(at, points)]
    for p in (evidence["points"][i] for i in evidence["order"] if evidence["points"][i][against] is not None):
        (x, y), length = at(p), 4.55 * len(p["label"])
        for start, base in ((x + 5, y + 3), (x + 5, y - 10), (x - length - 5, y + 3), (x - length - 5, y - 10)):
            area = (start, base - 1, start + length, base + 7)
            inside = left < area[0] and area[2] < right and bottom < area[1] and area[3] < top
            if inside and not any(
                area[0] < b[2] and b[0] < area[2] and area[1] < b[3] and b[1] < area[3] for b in taken
            ):
                taken.append(area)
                axes.annotate(p["label"], (start, base), xycoords="figure points", size=7.5, color=INK,
                              weight="bold" if p["kind"] == YOURS else "normal")  # fmt: skip
                break


def legend(figure: Figure, evidence: Mapping[str, Any]) -> None:
    handles = [
        Line2D([], [], ls="", marker=MARKERS[s["shape"]], color=COLOURS[s["colour"]], ms=6, mew=0, label=s["name"])
        for s in evidence["series"]
    ]
    if handles:
        handles.append(Line2D([], [], ls="--", lw=0.9, color="#777777", label="Pareto front"))
        options: dict[str, Any] = dict(frameon=False, fontsize=8.5, handlelength=1.6, borderpad=0, labelspacing=0.45)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.622, 0.935), **options)
    if any(p["pale"] for p in evidence["points"]):
        figure.text(0.625, 0.535, "pale: first recipe (V1)\nsolid: later recipe", size=8, color="#666666")
    if any(p["accuracy"] < evidence["range"][0] for p in evidence["points"]):
        figure.text(0.625, 0.505, f"hollow: below {evidence['range'][0]:g} %", size=8, color="#666666")
