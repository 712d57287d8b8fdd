"""Pruning as pictures: on the plot of depth, width and resolution; criterion by criterion; and group by group."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cnnlab.prune.evidence import compared
from cnnlab.run.measured import SETTING, measured
from cnnlab.show.points import COLOURS
from cnnlab.show.timeaxes import DPI, Picture
from cnnlab.show.tradeoff import INK, plain

SIZE = (9.6, 4.6)  # inches
LOOKS = {
    "thin": (COLOURS["ink"], "s", "thin, from scratch"),
    "random": (COLOURS["purple"], "v", "random channels"),
    "best": (COLOURS["vermilion"], "o", "best criterion"),
}
BUDGETS = {0.7: (COLOURS["sky"], "o"), 0.5: (COLOURS["blue"], "D"), 0.3: (COLOURS["vermilion"], "s")}
WORDS = {
    "l1": "L1", "l2": "L2", "bn_scale": "BN scale", "fpgm": "FPGM", "taylor": "Taylor", "fisher": "Fisher",
    "leave_one_out": "leave one out", "squared_error": "squared error", "random": "random",
}  # fmt: skip
ABOVE = 6.0  # points below the lowest pruned network where the picture ends
WIDE = 3.0  # times the median interval: one that is wider does not widen the picture


def plot_pruning(family: str = "resnet", data: str = "glyphs") -> Picture:
    """Pruned networks on the plot of depth, width and resolution, and each criterion against the thin baseline.

    Left: test accuracy against multiply-adds: the scaled networks of `cl.measured`, the whole network, thin ones from
    scratch, random channels, and at each budget the criterion with the highest mean (chosen on these very test images,
    so it flatters). Right: points above or below the thin network of equal multiply-adds, with 95 % intervals.
    Raises ValueError, as a sentence, for what was not measured.
    """
    found = compared(family, data)
    figure = Picture(figsize=SIZE, dpi=DPI, facecolor="white")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.12, top=0.79, wspace=0.34)
    _tradeoff(left, found, family, data)
    _against_thin(right, found)
    figure.text(
        0.012, 0.955, f"test accuracy on {data} (%), {family}: pruned beside scaled networks", size=9.5, color=INK
    )
    return figure


def _tradeoff(axes: Axes, found: pd.DataFrame, family: str, data: str) -> None:
    scaled = measured(data)
    scaled = scaled[scaled["family"] == family]
    epochs = int(scaled["epochs"].max())
    points = scaled.groupby(SETTING).agg(macs=("macs", "first"), accuracy=("accuracy", "mean"))
    axes.scatter(
        points["macs"], points["accuracy"], s=9, color=COLOURS["grey"], alpha=0.6, lw=0,
        label=f"depth × width × resolution ({epochs} epochs)",
    )  # fmt: skip
    criteria = found[~found["importance"].isin(["thin", "whole", "random"])]
    best = criteria.loc[criteria.groupby("budget")["accuracy"].idxmax()]
    for what, (colour, marker, words) in LOOKS.items():
        part = best if what == "best" else found[found["importance"] == what]
        part = part.sort_values("macs")
        axes.errorbar(
            part["macs"], part["accuracy"], part["high"] - part["accuracy"], color=colour, marker=marker, ms=6, lw=1.5,
            capsize=2.5, mec="white", mew=0.6, label=words,
        )  # fmt: skip
    whole = found[found["importance"] == "whole"]
    axes.errorbar(
        whole["macs"], whole["accuracy"], whole["high"] - whole["accuracy"], color=COLOURS["green"], marker="*", ms=11,
        lw=0, elinewidth=1.5, capsize=2.5, mec="white", mew=0.6, label="whole network",
    )  # fmt: skip
    axes.set_xscale("log")
    drawn = pd.concat([found[found["importance"].isin(["thin", "whole", "random"])], best])
    low, high = float(drawn["low"].min()) - ABOVE, min(float(drawn["high"].max()), 100.0)
    axes.set_ylim(low, high + 0.08 * (high - low))
    axes.set_xlim(float(found["macs"].min()) / 2.2, float(found["macs"].max()) * 1.25)
    ticks = _ticks(*axes.get_xlim())
    axes.set_xticks(ticks, [f"{tick / 1e6:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("multiply-adds of one image (M)", size=9, color=INK)
    plain(axes, grid="both")
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.03, 1.0), ncols=2, frameon=False, fontsize=8.5, handletextpad=0.4,
        columnspacing=1.2,
    )  # fmt: skip


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... within these ends."""
    found = [digit * 10.0**power for power in range(4, 10) for digit in (1, 2, 5)]
    return [tick for tick in found if low <= tick <= high]


def _against_thin(axes: Axes, found: pd.DataFrame) -> None:
    found = found[found["importance"].isin(WORDS)]
    order = found.groupby("importance")["over_thin"].mean().sort_values(kind="stable").index.tolist()
    budgets = sorted(set(found["budget"]) & set(BUDGETS), reverse=True)
    low, high = _limits(found)
    for place, budget in enumerate(budgets):
        colour, marker = BUDGETS[budget]
        part = found[found["budget"] == budget].set_index("importance").reindex(order)
        gain, heights = part["over_thin"], np.arange(len(order)) + 0.22 * (1 - 2 * place / max(1, len(budgets) - 1))
        inside = gain.where(gain >= low)
        axes.errorbar(
            inside, heights, xerr=part["over_thin_high"] - inside, color=colour, marker=marker, ms=5.5, lw=0,
            elinewidth=1.3, capsize=2, mec="white", mew=0.5, label=f"{100 * budget:g} % of the MACs",
        )  # fmt: skip
        for height, value in zip(heights, gain, strict=True):
            if value < low:  # where training broke down: a number at the edge
                told = f" ◂ {value:+.0f}".replace("-", "\N{MINUS SIGN}")
                axes.text(low, height, told, color=colour, size=9, va="center")
    axes.axvline(0, color=INK, lw=1)
    axes.set_yticks(range(len(order)), [WORDS[name] for name in order], size=9)
    axes.set(xlim=(low, high), ylim=(-0.6, len(order) - 0.4))
    axes.set_xlabel("points above a thin network of equal cost", size=9, color=INK)
    plain(axes, grid="both")
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.02, 1.0), ncols=len(budgets), frameon=False, fontsize=8.5,
        handletextpad=0.2, columnspacing=0.9,
    )  # fmt: skip


def _limits(found: pd.DataFrame) -> tuple[float, float]:
    """Room for all that is alike: an interval far wider than the others does not widen the picture."""
    half = found["over_thin_high"] - found["over_thin"]
    alike = found[half <= WIDE * half.median()]
    low, high = float(alike["over_thin_low"].min()), float(alike["over_thin_high"].max())
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def plot_sensitivity(table: pd.DataFrame, groups: int = 12) -> Picture:
    """What `cl.prune.sensitivity` found: the accuracy as more of each group is switched off, a line for each group.

    The groups whose accuracy falls furthest are drawn, at most so many, named in the order in which their lines end;
    the others pale and unnamed.
    """
    figure = Picture(figsize=(7.4, 4.2), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.085, 0.13, 0.6, 0.77))
    ends = table.loc[table.groupby("group")["ratio"].idxmax()].set_index("group")["accuracy"]
    lowest = table.groupby("group")["accuracy"].min().sort_values(kind="stable").index[:groups]
    named = [name for name in ends.sort_values(ascending=False, kind="stable").index if name in set(lowest)]
    looks = [(list(COLOURS.values())[i % 7], "os^Dv"[i % 5]) for i in range(35)]  # no two alike
    for name, line in table.groupby("group", sort=False):
        if name not in set(lowest):
            axes.plot(100 * line["ratio"], line["accuracy"], color=COLOURS["grey"], lw=0.8, alpha=0.5)
    for (colour, marker), name in zip(looks, named, strict=False):
        line = table[table["group"] == name]
        axes.plot(
            100 * line["ratio"], line["accuracy"], color=colour, marker=marker, ms=4.5, lw=1.4, mec="white", mew=0.4,
            label=name,
        )  # fmt: skip
    axes.set_xlabel("units of the group that are switched off (%)", size=9, color=INK)
    plain(axes, grid="both")
    axes.set_title("accuracy of these examples (%)", loc="left", size=9.5, color=INK)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8.5, handletextpad=0.4)
    return figure
