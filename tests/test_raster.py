"""raster: a drawing as PNG looks as its SVG says: colours of its variables, letters, and nothing left out."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import cnnlab as cl
from cnnlab.show.raster import raster


def pixels(svg: str, width: int = 920) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(raster(svg, width))).convert("RGB"))


def with_fill(style: str, fill: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="c" viewBox="0 0 10 10"><style>.c {{ {style} }}'
        f' .c rect {{ fill: {fill}; }}</style><rect width="10" height="10"/></svg>'
    )


@pytest.mark.parametrize(
    ("style", "fill", "colour"),
    [
        ("--a: #d55e00;", "var(--a)", (0xD5, 0x5E, 0x00)),
        ("--a: var(--jp-ui-font-color1, currentColor);", "var(--a)", (0x22, 0x22, 0x22)),
        ("", "var(--unknown, #0072b2)", (0x00, 0x72, 0xB2)),
        ("--b: #009e73; --a: var(--b);", "var(--a, red)", (0x00, 0x9E, 0x73)),
        ("", "currentColor", (0x22, 0x22, 0x22)),
    ],
)
def test_variables_are_resolved(style, fill, colour):
    assert tuple(pixels(with_fill(style, fill), 10)[5, 5]) == colour


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "densenet121"])
def test_a_diagram_keeps_its_colours_and_letters(name):
    picture = pixels(cl.diagram(cl.architecture(name)).svg).astype(int)
    assert picture.shape[1] == 920 and 200 < picture.shape[0] < 1200
    colours = {tuple(colour) for colour in picture.reshape(-1, 3)}
    assert (255, 255, 255) in colours and (0x22, 0x22, 0x22) in colours
    orange = (picture[..., 0] - picture[..., 2] > 60).mean()
    assert 0.005 < orange < 0.5  # the slabs
    title = picture[: picture.shape[0] // 12]
    assert (title.sum(-1) < 200).mean() > 0.002  # letters: a font was found


def test_what_is_no_svg_is_refused():
    with pytest.raises(ValueError):
        raster("no drawing")
