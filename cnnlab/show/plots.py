"""Still pictures of what the Explorer shows, with matplotlib's Figure and never pyplot, so that any thread may draw."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from cnnlab.arch.cost import Cost
from cnnlab.arch.whole import short
from cnnlab.show.lattice import Lattice, Row
from cnnlab.show.points import COLOURS
from cnnlab.show.tradeoff import ACCENT, INK, legend, matches, tradeoff

SECOND, GREY = COLOURS["blue"], "#8a8a8a"
SIZE, DPI = (11.6, 6.5), 100


def explorer_png(
    lattice: Lattice,
    settings: Sequence[float],
    evidence: Mapping[str, Any],
    against: str,
    budget: float | None,
    *,
    place: str | None = None,
) -> bytes:
    """The Explorer's four views as a PNG of about 60 kB. settings: depth, width, resolution. place: their state."""
    return png(explorer_figure(lattice, settings, evidence, against, budget, place=place))


def png(figure: Figure) -> bytes:
    """The figure as a PNG with its 256 most frequent colours, which takes a third of the room of all of them.

    The flat colours of markers stay as they are; only the shades at the edges of letters move.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    codes = pixels[..., :3].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)
    codes, place, times = np.unique(codes, return_inverse=True, return_counts=True)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.uint8)
    kept = colours[np.argsort(-times, kind="stable")[:256]]
    nearest = np.abs(colours[:, None].astype(int) - kept).sum(-1).argmin(-1)
    picture = Image.fromarray(nearest[place].reshape(pixels.shape[:2]).astype(np.uint8), "P")
    picture.putpalette(kept.tobytes())
    file = io.BytesIO()
    picture.save(file, "png", optimize=True)
    return file.getvalue()


def explorer_figure(
    lattice: Lattice,
    settings: Sequence[float],
    evidence: Mapping[str, Any],
    against: str,
    budget: float | None,
    *,
    place: str | None = None,
) -> Figure:
    """Readouts, accuracy against cost, cost per stage and the network to scale, on one figure."""
    depth, width, resolution = settings
    rows = lattice.rows(depth, width, resolution)
    cost = sum((row.cost for row in rows), Cost())
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
    _readouts(figure, lattice, settings, rows, cost, matches(evidence, cost, place))
    here = lattice.total(against, depth, width, resolution) if against in lattice.header["kinds"] else None
    axes = figure.add_axes((0.228, 0.455, 0.385, 0.475))
    tradeoff(axes, evidence, cost, against, budget, here=here, place=place)
    legend(figure, evidence, against)
    _bars(figure.add_axes((0.80, 0.42, 0.185, 0.51)), rows, cost)
    _network(figure.add_axes((0.20, 0.0, 0.79, 0.345)), lattice, int(resolution), rows)
    return figure


def _readouts(
    figure: Figure,
    lattice: Lattice,
    settings: Sequence[float],
    rows: list[Row],
    cost: Cost,
    found: Sequence[Mapping[str, Any]],
) -> None:
    """found: the points that are this network."""
    depth, width, resolution = settings
    blocks = sum(row.blocks for row in rows[1:-1])
    lines: list[tuple[str, str] | str] = [
        "Explorer", (shorten(lattice.header["id"].replace(",", " "), 34, placeholder=" ..."), ""), "",
        ("depth", f"× {depth:g}"), f"{blocks} {lattice.header['block']} blocks".replace("  ", " "),
        ("width", f"× {width:g}"), f"stem {rows[0].channels:,}, last stage {rows[-2].channels:,}",
        ("resolution", f"{resolution:g} px"), f"{rows[-2].size} × {rows[-2].size} px at the end", "",
        "Cost of one image",
        ("multiply-adds", f"{cost.macs:,}"), ("parameters", f"{cost.params:,}"),
        ("activations", f"{cost.activations:,}"), ("weights (float32)", f"{4 * cost.params / 1e6:.1f} MB"), "",
        "Accuracy", *_accuracy_lines(found),
    ]  # fmt: skip
    y = 0.955
    for line in lines:
        heading = isinstance(line, str) and line in ("Explorer", "Cost of one image", "Accuracy")
        size = 12 if line == "Explorer" else 9 if heading or not isinstance(line, str) else 8
        name, value = (line, "") if isinstance(line, str) else line
        colour = "#666666" if isinstance(line, str) and not heading else INK
        figure.text(0.008, y, name, size=size, color=colour, weight="bold" if heading else "normal")
        figure.text(0.187, y, value, size=9, color=INK, ha="right")
        y -= 0.019 if line == "" else 0.036


def _accuracy_lines(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, str] | str]:
    if not found:
        return ["nothing measured at this setting"]
    lines: list[tuple[str, str] | str] = []
    for p in found[:2]:
        lines += [(p["kind"], f"{p['accuracy']:.5g} %"), p["label"], p["note"].partition(",")[0]]
    return [line for line in lines if line]


def _bars(axes: Axes, rows: list[Row], cost: Cost) -> None:
    most = max(float(part) for row in rows for part in (row.cost.macs / cost.macs, row.cost.params / cost.params))
    for i, row in enumerate(rows):
        for kind, colour, dy in (("macs", ACCENT, -0.19), ("params", SECOND, 0.19)):
            part = getattr(row.cost, kind)
            length = part / getattr(cost, kind) / most
            axes.barh(i + dy, max(length, 0.004), 0.36, color=colour)
            axes.text(length + 0.02, i + dy, short(part), va="center", size=8, color=INK)
    axes.set(xlim=(0, 1.3), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), [row.stage for row in rows], size=9)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set_frame_on(False)
    axes.set_title("Where the cost is", loc="left", size=9.5, weight="bold", x=-0.36, pad=18, color=INK)
    for x, colour, name in ((-0.36, ACCENT, "multiply-adds"), (0.28, SECOND, "parameters")):
        axes.text(x, 1.012, "■", color=colour, transform=axes.transAxes, size=8)
        axes.text(x + 0.07, 1.012, name, color=INK, transform=axes.transAxes, size=8)


def _network(axes: Axes, lattice: Lattice, resolution: int, rows: list[Row]) -> None:
    """Slabs: height by the feature map's square root, thickness by width, one for each block."""
    axes.set(xlim=(0, 1000), ylim=(0, 224))
    axes.set_axis_off()
    axes.text(0, 214, "The network, to scale", size=9.5, weight="bold", color=INK)
    axes.text(205, 214, "height grows with the feature map (square root), thickness with width, one slab a block",
              size=8, color="#666666")  # fmt: skip
    columns = [Row("image", 1, 0, resolution, Cost()), *rows]
    pitch = 1000 / len(columns)
    # Room for each block of a column, and how much of it stays free between two of them.
    room = [(pitch - 8) / row.blocks for row in columns]
    gaps = [min(3.0, 0.3 * each) for each in room]
    scale = 64 / lattice.header["widest"]
    fit = min(1.0, *((r - g) / (row.channels * scale) for row, r, g in zip(rows, room[1:], gaps[1:], strict=True)))
    for i, row in enumerate(columns):
        thick = 5.0 if row.stage == "image" else max(1.5, row.channels * scale * fit)
        step = thick + gaps[i]
        x, tall = pitch * (i + 0.5), (row.size / lattice.header["resolution"][-1]) ** 0.5 * 150
        colour = INK if row.stage == "image" else ACCENT if row.stage.startswith("stage") else GREY
        for j in range(row.blocks):
            left = x - (row.blocks * step - gaps[i]) / 2 + j * step
            axes.add_patch(Rectangle((left, 128 - tall / 2), thick, tall, color=colour, alpha=0.75, lw=0))
        classes = row.size == 1 and row.channels == lattice.header["classes"]
        stage = row.stage.startswith("stage")
        width = "" if row.stage == "image" else f"{row.channels:,} {'classes' if classes else 'wide'}"
        texts = [f"{row.size} px", width, *[f"× {row.blocks}"] * stage, row.stage]
        for k, text in enumerate(t for t in texts if t):
            axes.text(x, 39 - 11 * k, text, size=8, ha="center", color=INK, weight="bold" if k == 0 else "normal")
