"""Scaling curves as a picture: accuracy along depth, width and resolution, a line for each family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from cnnlab.run.findings import curve
from cnnlab.run.measured import KNOBS, measured
from cnnlab.show.points import COLOURS
from cnnlab.show.timeaxes import DPI, Picture
from cnnlab.show.tradeoff import INK, plain

if TYPE_CHECKING:
    import pandas as pd

SIZE = (8.8, 3.6)  # inches, of three panels
LOOKS = {
    "plain": (COLOURS["ink"], "s"),
    "resnet": (COLOURS["blue"], "o"),
    "mbconv": (COLOURS["vermilion"], "^"),
}
TITLES = {
    "depth": "depth (times 1 and 2 blocks)",
    "width": "width (times 8 and 32 channels)",
    "resolution": "resolution (px)",
}


def plot_scaling(data: str = "glyphs", families: Sequence[str] | None = None) -> Picture:
    """Accuracy along each knob, the other two at their middle, with 95 % intervals: `cnnlab.run.findings.curve`.

    A panel for each knob of which several values were measured. families: of "plain", "resnet" and "mbconv"; all that
    were measured on these data if None. Raises ValueError, as a sentence, for what was not measured.
    """
    families = families or [family for family in LOOKS if family in set(measured(data)["family"])]
    curves = {knob: {family: curve(knob, family, data) for family in families} for knob in KNOBS}
    curves = {knob: found for knob, found in curves.items() if len(_values(knob, found)) > 1}
    figure = Picture(figsize=(SIZE[0] * (1 + len(curves)) / 4, SIZE[1]), dpi=DPI, facecolor="white")
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(left=0.62 / figure.get_figwidth(), right=0.985, bottom=0.15, top=0.76, wspace=0.09)
    for axes, (knob, found) in zip(panels, curves.items(), strict=True):
        for family, line in found.items():
            _line(axes, line[knob], line, family)
        axes.set_xscale("log")
        axes.set_xticks(_values(knob, found), [f"{value:g}" for value in _values(knob, found)])
        axes.set_xlabel(TITLES[knob], size=9, color=INK)
        plain(axes, grid="both")
    figure.text(0.012, 0.93, f"test accuracy on {data} (%), mean and 95 % interval", size=9, color=INK)
    panels[-1].legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.01), ncols=len(families), frameon=False, fontsize=9, handletextpad=0.4
    )
    return figure


def _values(knob: str, found: Mapping[str, pd.DataFrame]) -> list[float]:
    """All values of a knob that were measured, ascending."""
    return sorted({value for line in found.values() for value in line[knob]})


def _line(axes: Axes, values: pd.Series[float], line: pd.DataFrame, family: str) -> None:
    colour, marker = LOOKS[family]
    axes.errorbar(
        values, line["accuracy"], line["high"] - line["accuracy"], label=family, color=colour, marker=marker, ms=6,
        lw=1.6, capsize=2.5, mec="white", mew=0.6,
    )  # fmt: skip
