"""Scaling curves as a picture: accuracy along depth, width and resolution, a line for each family."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from cnnlab.run.findings import curve
from cnnlab.run.measured import KNOBS, measured
from cnnlab.show.points import COLOURS
from cnnlab.show.timeaxes import DPI, Picture
from cnnlab.show.tradeoff import INK, plain

SIZE = (8.8, 3.6)
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

    families: of "plain", "resnet" and "mbconv"; all that were measured on these data if None. Raises ValueError, as a
    sentence, for what was not measured.
    """
    families = families or [family for family in LOOKS if family in set(measured(data)["family"])]
    figure = Picture(figsize=SIZE, dpi=DPI, facecolor="white")
    panels = figure.subplots(1, 3, sharey=True)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.15, top=0.8, wspace=0.09)
    for axes, knob in zip(panels, KNOBS, strict=True):
        for family in families:
            _line(axes, knob, family, data)
        axes.set_xscale("log")
        values = sorted({value for family in families for value in curve(knob, family, data)[knob]})
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.set_xlabel(TITLES[knob], size=9, color=INK)
        plain(axes, grid="both")
    figure.text(0.012, 0.91, f"test accuracy on {data} (%), mean and 95 % interval", size=9, color=INK)
    panels[-1].legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.01), ncols=len(families), frameon=False, fontsize=9, handletextpad=0.4
    )
    return figure


def _line(axes: Axes, knob: str, family: str, data: str) -> None:
    colour, marker = LOOKS[family]
    found = curve(knob, family, data)
    margin = found["high"] - found["accuracy"]
    axes.errorbar(
        found[knob], found["accuracy"], margin, label=family, color=colour, marker=marker, ms=6, lw=1.6, capsize=2.5,
        mec="white", mew=0.6,
    )  # fmt: skip
