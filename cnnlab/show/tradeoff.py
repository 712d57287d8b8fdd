"""Accuracy against cost on a matplotlib axis: points, names, Pareto front, budget and "you are here"."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnnlab.arch.bases import FAMILIES
from cnnlab.arch.cost import Cost
from cnnlab.arch.whole import short
from cnnlab.arch.zoo import names
from cnnlab.show import state as states
from cnnlab.show.framing import known
from cnnlab.show.points import COLOURS, YOURS

TITLES = {
    "macs": "multiply-adds for one image (log)",
    **{
        tool: f"operations for one image, as {tool} counts (log)" for tool in ("fvcore", "torchinfo", "ptflops", "thop")
    },
    "params": "parameters (log)",
    "activations": "activations (log)",
    "inference": "bytes in memory to evaluate one image (log)",
    "training": "bytes in memory to train with 32 images (log)",
    "latency": "seconds for one image, measured (log)",
}
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


def matches(evidence: Mapping[str, Any], cost: Cost, place: str | None = None) -> list[dict[str, Any]]:
    """The shown points that are this very network, the best first: those of its place on the sliders (for whatever
    classes they were trained), and, as far as multiply-adds and parameters tell, those of its cost."""
    found = []
    for p in (evidence["points"][i] for i in evidence["shown"]):
        alike = p["costs"]["macs"] == cost.macs and p["costs"]["params"] == cost.params
        if (place is not None and p["place"] == place) or (alike and _may_stand(p, place)):
            found.append(p)
    return sorted(found, key=lambda p: -p["accuracy"])


def _may_stand(p: Mapping[str, Any], place: str | None) -> bool:
    """Whether a point of equal cost can be the network of this place: a residual network whose shortcuts are free costs
    as much as a plain one, so what is known to be of another base is not it."""
    bases = {p["network"] and p["network"][0], p["place"] and p["place"].partition(",")[0]} - {None}
    if place is None or not bases:
        return True
    view = states.read(place)
    if view.family not in FAMILIES and view.family not in names():
        return True  # a network of one's own
    own = {view.family, *FAMILIES.get(view.family, ())[1:]}
    return not view.edits and bool(bases & own)


def tradeoff(
    axes: Axes,
    evidence: Mapping[str, Any],
    cost: Cost,
    against: str,
    budget: float | None,
    *,
    here: float | None = None,
    place: str | None = None,
    predicted: tuple[float, float, float] | None = None,
) -> None:
    """The plot of what `cnnlab.show.points.evidence` gives. budget: the most that the cost `against` may be. cost: of
    the network at the sliders; here: its cost `against`, if that is not in `cost` (None: not known); place: its state.
    predicted: its accuracy, and the ends of the interval, percent."""
    low, high = evidence["domain"].get(against, (1e6, 1e9) if here is None else (here / 30, here * 30))
    foot = evidence["range"][0]
    axes.set(xscale="log", xlim=(low, high), ylim=evidence["range"])
    axes.set_xlabel(TITLES[against], size=9, color=INK)
    axes.text(-0.06, 1.075, evidence["axis"], transform=axes.transAxes, size=9, color=INK)
    ticks = log_ticks(low, high)
    axes.set_xticks(ticks, [_tick(t, against) for t in ticks])
    plain(axes, grid="y")
    if budget and budget < high:
        axes.axvspan(max(budget, low), high, color="#000000", alpha=0.06, linewidth=0)
        told = f"shaded: over the budget, {_tick(budget, against)}"
        axes.text(1, 1.075, told, transform=axes.transAxes, size=8, ha="right")
    front = [_at(evidence["points"][i], against, foot) for i in evidence["front"].get(against, ())]
    axes.plot([x for x, _ in front], [y for _, y in front], "--", color="#777777", lw=0.9)
    styles = {series["name"]: series for series in evidence["series"]}
    points = [evidence["points"][i] for i in known(evidence["points"], against, evidence["shown"])]
    for draw in (_bar, _marker):
        for p in points:
            draw(axes, p, styles[p["series"]], against)
    value = getattr(cost, against, None) if here is None else here
    if value is not None:
        _here(axes, min(max(value, low), high), predicted)
    for p in matches(evidence, cost, place):
        if p["costs"].get(against) is not None:
            axes.plot(*_at(p, against, foot), "o", ms=13, mfc="none", mec=ACCENT, mew=1.8, clip_on=False)
    _labels(axes, evidence, points, against)


def _tick(value: float, against: str) -> str:
    if against == "latency":
        return f"{value * 1e3:g} ms"
    return short(value).replace(".00", "").replace(".0", "") + ("B" if against in ("inference", "training") else "")


def _at(p: Mapping[str, Any], against: str, foot: float) -> tuple[float, float]:
    """Where a point stands; those below the foot of the axis stand on it."""
    return p["costs"][against], max(p["accuracy"], foot)


def _bar(axes: Axes, p: Mapping[str, Any], style: Mapping[str, str], against: str) -> None:
    """The interval as a thin bar; what lies below the foot of the axis ends there."""
    foot, top = axes.get_ylim()
    if p["low"] is not None and p["high"] is not None:
        ends = [min(max(p[end], foot), top) for end in ("low", "high")]
        colour = COLOURS[style["colour"]]
        axes.plot([p["costs"][against]] * 2, ends, "-", color=colour, lw=0.7, alpha=0.45, clip_on=False)


def _marker(axes: Axes, p: Mapping[str, Any], style: Mapping[str, str], against: str) -> None:
    foot = axes.get_ylim()[0]
    below, colour, own = p["accuracy"] < foot, COLOURS[style["colour"]], p["kind"] == YOURS
    axes.plot(
        *_at(p, against, foot),
        MARKERS[style["shape"]],
        markersize=9 if own else 5.5,
        alpha=0.42 if p["pale"] else 1,
        markerfacecolor="none" if below else colour,
        markeredgecolor=INK if own else colour,
        markeredgewidth=0.8 if below or own else 0,
        clip_on=False,
    )


def _here(axes: Axes, at: float, predicted: tuple[float, float, float] | None) -> None:
    """Where the sliders stand, and the band that one more measurement there would lie in."""
    low, high = axes.get_xlim()
    axes.axvline(at, color=ACCENT, alpha=0.65, linewidth=1.8)
    text = "you are here"
    if predicted is not None:
        foot, top = axes.get_ylim()
        middle, *ends = (min(max(value, foot), top) for value in predicted)
        axes.plot([at, at], ends, "-", color=ACCENT, lw=7, alpha=0.3, solid_capstyle="butt", clip_on=False)
        axes.plot(at, middle, "_", color=ACCENT, ms=13, mew=2, clip_on=False)
        text += f": {predicted[0]:.1f} % predicted ({predicted[1]:.1f} to {predicted[2]:.1f})"
    side = "left" if at < low * (high / low) ** 0.25 else "right" if at > low * (high / low) ** 0.75 else "center"
    axes.text(at, 1.012, text, transform=axes.get_xaxis_transform(), size=9, weight="bold", color="#b84a00", ha=side)


def _labels(axes: Axes, evidence: Mapping[str, Any], points: Sequence[Mapping[str, Any]], against: str) -> None:
    """Names beside markers where there is room: on no other name, no marker, and not over the edge."""
    scale = 72 / axes.figure.dpi
    foot = axes.get_ylim()[0]

    def at(p: Mapping[str, Any]) -> tuple[float, float]:
        x, y = axes.transData.transform(_at(p, against, foot))
        return x * scale, y * scale

    left, bottom, right, top = (float(edge) * scale for edge in axes.bbox.extents)
    taken = [(x - 3.5, y - 3.5, x + 3.5, y + 3.5) for x, y in map(at, points)]
    for p in (evidence["points"][i] for i in evidence["order"].get(against, ())):
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


def legend(figure: Figure, evidence: Mapping[str, Any], against: str = "macs") -> None:
    """What the colours and shapes of the series mean that stand on this axis, and below it what else is drawn."""
    points = [evidence["points"][i] for i in known(evidence["points"], against, evidence["shown"])]
    drawn = {p["series"] for p in points}
    handles = [
        Line2D([], [], ls="", marker=MARKERS[s["shape"]], color=COLOURS[s["colour"]], ms=6, mew=0, label=s["name"])
        for s in evidence["series"]
        if s["name"] in drawn
    ]
    if handles:
        handles.append(Line2D([], [], ls="--", lw=0.9, color="#777777", label="Pareto front"))
        options: dict[str, Any] = dict(frameon=False, fontsize=8.5, handlelength=1.6, borderpad=0, labelspacing=0.45)
        figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.622, 0.935), **options)
    notes = []
    if any(p["pale"] for p in points):
        notes.append("pale: first recipe (V1)\nsolid: later recipe")
    if any(p["low"] is not None for p in points):
        notes.append("thin bars: 95 % intervals")
    if any(p["accuracy"] < evidence["range"][0] for p in points):
        notes.append(f"hollow: below {evidence['range'][0]:g} %")
    figure.text(0.625, 0.505, "\n".join(notes), size=8, color="#666666", va="bottom", linespacing=1.5)
