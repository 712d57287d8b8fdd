"""Figures for lessons: axes in the house look, and a figure that is shown with its caption, which is its alt text."""

from __future__ import annotations

from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnlab.show.diagram import Diagram
from cnnlab.show.plots import png
from cnnlab.show.raster import raster
from cnnlab.show.still import still
from cnnlab.show.tradeoff import plain

WIDE, DPI, LETTERS = 9.2, 100, 11  # inches, dots an inch, points: readable from the last row


def panels(count: int = 1, *, height: float = 3.8, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure of so many axes side by side, in the house look; never pyplot's, so that any thread may draw on it.

    >>> figure, (left, right) = panels(2)
    """
    figure = Figure(figsize=(WIDE, height), dpi=DPI, facecolor="white", layout="constrained")
    found = list(figure.subplots(1, count, sharey=sharey, squeeze=False)[0])
    for axes in found:
        plain(axes, grid="both")
        axes.tick_params(labelsize=LETTERS - 1)
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
            text.set_size(LETTERS)
    return figure, found


def show(figure: Figure | Diagram, caption: str) -> None:
    """Display a figure, or a drawing of `cl.diagram`, and below it its caption: what a reader must see in it.

    The caption is the picture's alt text in an HTML export, and nbval compares it: numbers in it should be computed.
    """
    if not caption.strip():
        raise ValueError("show: a figure needs a caption that says what is to be seen; it is the alt text as well")
    picture = raster(figure.svg) if isinstance(figure, Diagram) else png(figure)
    data, about = still(picture, caption)
    display({**data, "text/plain": "(figure)"}, raw=True, metadata=about)
    display({"text/markdown": f"*{caption}*", "text/plain": caption}, raw=True)
