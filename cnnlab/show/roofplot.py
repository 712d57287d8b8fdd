"""Time as a picture: a network's layers under a machine's roof, and networks' latency against their multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnnlab.run.roofline import Bound, Roofline
from cnnlab.run.timing import Latency, seconds_text
from cnnlab.show.points import COLOURS
from cnnlab.show.timeaxes import DPI, QUIET, SIZE, Box, Picture, dress, extent, names, rounded
from cnnlab.show.tradeoff import INK, log_ticks

KINDS = {  # kind -> colour and marker; the colours differ in brightness too, for a grey print
    "spatial": (COLOURS["blue"], "s"),
    "pointwise": (COLOURS["sky"], "o"),
    "depthwise": (COLOURS["vermilion"], "v"),
    "linear": (COLOURS["ink"], "D"),
}
SERIES = [
    (COLOURS[c], m) for c, m in (("blue", "o"), ("vermilion", "s"), ("green", "^"), ("purple", "D"), ("ink", "v"))
]


def plot_roofline(line: Roofline) -> Picture:
    """Operations per second against operations per byte, a dot for each group of layers, under the machine's roof.

    A dot's area is its share of the time; it stands at the measured speed, or on the roof if nothing was measured.
    Groups without multiply-adds (pool, add, multiply) have no place on these axes; the legend says what they take.
    Raises ValueError for a network without multiply-adds.
    """
    drawn = [each for each in line.layers if each.flops]
    if not drawn:
        raise ValueError(f"{line.name} has no multiply-adds, and so no place under a roof")
    figure = Picture(figsize=SIZE, dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.085, 0.11, 0.63, 0.72))
    x, y = [each.intensity for each in drawn], [each.flops / _time(each) for each in drawn]
    low, high = min(*x, line.speeds.ridge) / 1.8, max(*x, line.speeds.ridge) * 2.2
    foot = min(*y, line.speeds.bandwidth * low) / 1.5
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(foot, line.speeds.peak * 2.2))
    dress(axes, "operations per byte (log)", "operations per second (log)")
    kept = _roof(axes, line)
    total = sum(map(_time, line.layers))
    shares = [_time(each) / total for each in drawn]
    order = sorted(range(len(drawn)), key=lambda i: -shares[i])
    for i in order:  # the large ones first, so that none is hidden
        colour, marker = KINDS[drawn[i].kind]
        axes.scatter(x[i], y[i], s=_dot(shares[i]), c=colour, marker=marker, alpha=0.8, lw=0.6, ec="white", zorder=3)
    first = [next(i for i in order if drawn[i].kind == kind) for kind in dict.fromkeys(drawn[i].kind for i in order)]
    weighty = dict.fromkeys([*first, *order])  # one of each kind, then the rest
    names(axes, [(x[i], y[i], drawn[i].name, math.sqrt(_dot(shares[i]))) for i in weighty], kept)
    _titles(figure, line)
    _shares(figure, line, total)
    return figure


def plot_latency(latencies: Iterable[Latency]) -> Picture:
    """Time per image against multiply-adds, with quartiles; along a grey diagonal the time is what multiply-adds say.

    Each batch size is a series of its own, and only the batch and the network may differ between the latencies.
    Raises ValueError for any other difference, or a latency whose multiply-adds are not known.
    """
    latencies = list(latencies)
    if not latencies:
        raise ValueError("latencies is empty; measure a network with latency(...) first")
    for each in latencies:
        latencies[0].ratio(replace(each, batch=latencies[0].batch))  # refuses what must not stand on one axis
        if each.macs is None:
            raise ValueError(f"{each.name}: its multiply-adds are not known; time its Graph or Architecture instead")
    figure = Picture(figsize=SIZE, dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.085, 0.11, 0.80, 0.72))
    x = np.array([each.macs for each in latencies], float)
    y = np.array([[each.lower, each.median, each.upper] for each in latencies]).T / [each.batch for each in latencies]
    axes.set(xscale="log", yscale="log", xlim=(x.min() / 1.6, x.max() * 1.6), ylim=(y.min() / 1.6, y.max() * 1.6))
    dress(axes, "multiply-adds for one image (log)", "time for one image (log)", seconds=True)
    kept = _diagonals(axes)
    batches = sorted({each.batch for each in latencies})
    if len(batches) > len(SERIES):
        raise ValueError(f"{len(batches)} batch sizes are too many to tell apart; draw at most {len(SERIES)}")
    for batch, (colour, marker) in zip(batches, SERIES, strict=False):
        own = [i for i, each in enumerate(latencies) if each.batch == batch]
        bars = [y[1, own] - y[0, own], y[2, own] - y[1, own]]
        axes.errorbar(x[own], y[1, own], bars, fmt=marker, color=colour, ms=6.5, mec="white", mew=0.6,
                      elinewidth=1.4, capsize=3, zorder=3)  # fmt: skip
    kept += [_span(axes, x[i], y[0, i], y[2, i]) for i in range(len(latencies))]
    largest = {each.name: i for i, each in sorted(enumerate(latencies), key=lambda pair: pair[1].batch)}
    once = sorted(largest.values(), key=lambda i: -x[i])  # one name for all batches of a network
    names(
        axes,
        [(x[i], y[1, i], latencies[i].name, 6.5) for i in once],
        kept,
        most=len(once),
        dots=list(zip(x, y[1], strict=True)),
    )
    _conditions(figure, latencies[0], batches)
    return figure


def _time(each: Bound) -> float:
    """Seconds: measured, or else the bound."""
    return each.seconds if each.measured is None else each.measured


def _dot(share: float) -> float:
    """The area of a dot, in square points: in proportion to the share, but never too small to see."""
    return 14 + 2600 * share


def _roof(axes: Axes, line: Roofline) -> list[Box]:
    """The roof, its two parts named by their measured speeds, and the ridge; where these names stand."""
    speeds, (low, high) = line.speeds, axes.get_xlim()
    axes.plot(
        [low, speeds.ridge, high], [speeds.bandwidth * low, speeds.peak, speeds.peak], color=INK, lw=1.6, zorder=2
    )
    axes.plot([speeds.ridge] * 2, [axes.get_ylim()[0], speeds.peak], ":", color=QUIET, lw=1.1, zorder=1)
    style: dict[str, Any] = dict(size=8.5, color=INK)
    middle = math.sqrt(low * speeds.ridge)
    angle = _angle(axes, low, speeds.bandwidth)
    texts = [
        axes.text(high, speeds.peak * 1.1, f"peak {speeds.peak / 1e9:,.4g} GFLOP/s", ha="right", va="bottom", **style),
        axes.annotate(f"bandwidth {speeds.bandwidth / 1e9:,.3g} GB/s", (middle, speeds.bandwidth * middle), (0, 5),
                      textcoords="offset points", rotation=angle, rotation_mode="anchor", ha="center", va="bottom",
                      **style),
        axes.annotate(f"ridge {speeds.ridge:.3g}", (speeds.ridge, 0), (3, 4), xycoords=axes.get_xaxis_transform(),
                      textcoords="offset points", size=8, color=QUIET),
    ]  # fmt: skip
    edges = np.concatenate([np.geomspace(low, speeds.ridge, 60), np.geomspace(speeds.ridge, high, 40)])
    along = axes.transData.transform(np.stack([edges, np.minimum(speeds.bandwidth * edges, speeds.peak)], 1))
    up = axes.transData.transform([(speeds.ridge, axes.get_ylim()[0]), (speeds.ridge, speeds.peak)])
    kept = [(x - 4.0, y - 4.0, x + 4.0, y + 4.0) for x, y in along] + [(up[0, 0], up[0, 1], up[1, 0], up[1, 1])]
    return kept + [extent(axes, text) for text in texts]


def _angle(axes: Axes, x: float, slope: float) -> float:
    """Degrees at which a line of this slope (y = slope * x) rises on the paper."""
    (x0, y0), (x1, y1) = axes.transData.transform([(x, slope * x), (10 * x, slope * 10 * x)])
    return math.degrees(math.atan2(y1 - y0, x1 - x0))


def _diagonals(axes: Axes) -> list[Box]:
    """Lines of equal multiply-adds per second, each named at the edge where it ends; where these names stand."""
    (left, right), (foot, top) = axes.get_xlim(), axes.get_ylim()
    texts = []
    for rate in log_ticks(left / top, right / foot):
        y0, y1 = left / rate, right / rate
        if y1 < foot * 1.05 or y0 > top / 1.05:
            continue
        axes.plot([left, right], [y0, y1], color="#c9c9c9", lw=0.8, zorder=1)
        name = f"{rounded(rate)}/s"
        if y1 <= top:
            texts.append(axes.text(right * 1.03, y1, name, size=8, color=QUIET, va="center"))
        else:
            texts.append(axes.text(top * rate, top * 1.03, name, size=8, color=QUIET, ha="center", va="bottom"))
    return [extent(axes, text) for text in texts]


def _span(axes: Axes, x: float, low: float, high: float) -> Box:
    """Where an error bar stands, in pixels."""
    (left, bottom), (_, top) = axes.transData.transform([(x, low), (x, high)])
    return left - 4, bottom, left + 4, top


def _titles(figure: Figure, line: Roofline) -> None:
    """What was drawn, and on which machine."""
    seen = "on the roof: time bounds, nothing measured" if line.measured is None else "dots: as measured"
    times = f"at least {seconds_text(line.seconds)}"
    times += "" if line.measured is None else f", measured {seconds_text(line.measured)}"
    images = f"batch {line.batch}, {line.resolution} px"
    figure.text(0.012, 0.953, f"{line.name}, {images}: {times}", size=11, weight="bold", color=INK)
    speeds = line.speeds
    text = f"{speeds.machine.name}, {_threads(speeds.threads, speeds.machine.kind)}{speeds.dtype}; {seen}"
    figure.text(0.012, 0.915, text, size=8.5, color=QUIET)


def _shares(figure: Figure, line: Roofline, total: float) -> None:
    """The legend: each kind with its share of the multiply-adds and of the time."""
    figure.text(0.745, 0.80, "share of", size=8.5, color=QUIET)
    figure.text(0.915, 0.80, "MACs", size=8.5, color=QUIET, ha="right")
    figure.text(0.985, 0.80, "time", size=8.5, color=QUIET, ha="right")
    y = 0.755
    for kind in (*KINDS, "other"):
        own = [each for each in line.layers if each.kind == kind]
        if not own:
            continue
        if kind in KINDS:
            colour, marker = KINDS[kind]
            figure.add_artist(Line2D([0.753], [y + 0.011], ls="", marker=marker, color=colour, ms=7, mec="white"))
        figure.text(0.770, y, kind, size=9, color=INK)
        figure.text(0.915, y, f"{sum(each.flops for each in own) / line.flops:.0%}", size=9, color=INK, ha="right")
        figure.text(0.985, y, f"{sum(map(_time, own)) / total:.0%}", size=9, color=INK, ha="right")
        y -= 0.05
    note = "a dot is a layer with its norm and\nactivation; its area, the share of time"
    if any(each.kind == "other" for each in line.layers):
        note += "\nother: pool, add, multiply, ...\nno multiply-adds, so not drawn"
    figure.text(0.745, y - 0.005, note, size=8, color=QUIET, va="top", linespacing=1.4)


def _conditions(figure: Figure, first: Latency, batches: Sequence[int]) -> None:
    """The title, the conditions, and a key to the batch sizes where there are several."""
    figure.text(0.012, 0.953, "Time against multiply-adds: median and quartiles", size=11, weight="bold", color=INK)
    text = f"{first.device}, {_threads(first.threads, '')}{first.dtype}, {first.layout}, {first.mode}"
    text += f", batch {batches[0]}" if len(batches) == 1 else ""
    figure.text(0.012, 0.915, f"{text}; grey: equal multiply-adds per second", size=8.5, color=QUIET)
    if len(batches) > 1:
        handles = [
            Line2D([], [], ls="", marker=marker, color=colour, ms=6.5, mec="white", label=f"batch {batch}")
            for batch, (colour, marker) in zip(batches, SERIES, strict=False)
        ]
        figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.995, 0.995), ncols=len(handles),
                      frameon=False, fontsize=8.5, handletextpad=0.2, columnspacing=1.2)  # fmt: skip


def _threads(threads: int, kind: str) -> str:
    return "" if kind == "cuda" else f"{threads} thread{'' if threads == 1 else 's'}, "
