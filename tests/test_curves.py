"""plot_scaling: its lines are those of `curve`, a panel for each knob that was varied, and no text over another."""

from __future__ import annotations

import numpy as np
import pytest

import cnnlab as cl
from cnnlab.run.findings import curve
from cnnlab.show.curves import LOOKS

PANELS = {"glyphs": ("depth", "width", "resolution"), "clothing64": ("resolution",)}


@pytest.mark.parametrize("data", PANELS)
def test_the_lines_are_the_curves(data: str) -> None:
    figure = cl.plot_scaling(data)
    families = [family for family in LOOKS if family in set(cl.measured(data)["family"])]
    assert len(figure.axes) == len(PANELS[data])
    for axes, knob in zip(figure.axes, PANELS[data], strict=True):
        drawn = {bars.get_label(): bars.lines[0] for bars in axes.containers}
        assert list(drawn) == families
        for family, line in drawn.items():
            expected = curve(knob, family, data)
            assert np.allclose(line.get_xdata(), expected[knob]) and np.allclose(line.get_ydata(), expected["accuracy"])
        assert len(
            {line.get_color() for line in drawn.values()} | {line.get_marker() for line in drawn.values()}
        ) == 2 * len(drawn)


@pytest.mark.parametrize("data", PANELS)
def test_no_text_lies_over_another(data: str) -> None:
    figure = cl.plot_scaling(data)
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in (axes.xaxis.label, *axes.get_xticklabels())]
    texts += [
        *figure.texts,
        *(text for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()),
    ]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert len(boxes) > 5
    assert not [1 for i, one in enumerate(boxes) for other in boxes[:i] if one.overlaps(other)]


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="no swin network was measured on glyphs"):
        cl.plot_scaling("glyphs", ["swin"])
