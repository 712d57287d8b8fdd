"""Renders the data set `glyphs`: letters and digits in matplotlib's fonts, warped, cluttered, noisy.

Numpy and Pillow only: nothing is downloaded, and the same settings give the same bytes on the same machine,
however many threads draw. (Another version of Pillow or FreeType may draw a pixel differently.)

A picture is composed from back to front: a dark ground with a soft texture, lighter pieces of other glyphs near
the edges, the glyph itself (always lighter than the ground: with both polarities a small network sits on a plateau
for an epoch or two and seeds become a lottery), dark bars across it, noise. How much of each is chosen so that small
networks learn in three epochs of 8,000 pictures (narrow and deep plain ones not with every seed: data/measured), while
wide ones at high resolution still make mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

VERSION = 2  # raise it with every change to the pictures: it is part of the name of the cache file
CLASSES = tuple("ABCDEFGHJKLMNPQRSTUVWXYZ23456789abdefhmnrt")  # no O, I, 0, 1; no lowercase twin of a capital
FONTS = (
    *(f"DejaVuSans{style}.ttf" for style in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSansMono{style}.ttf" for style in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSerif{style}.ttf" for style in ("", "-Bold", "-BoldItalic", "-Italic")),
    *(f"STIXGeneral{style}.ttf" for style in ("", "Bol", "BolIta", "Italic")),
    *(f"cm{style}10.ttf" for style in ("b", "r", "ss", "ti", "tt")),
)  # the fonts that have every letter; cmmi10, cmsy10, cmex10, STIXSiz*, STIXNonUni*, *Display and LastResort have not

Floats = NDArray[np.floating]  # float32 where it is large
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Settings:
    """What is drawn. Lengths are shares of the picture's side, angles radians, brightness in [0, 1]; pairs are ranges.

    >>> Settings().count
    16000
    """

    count: int = 16_000
    size: int = 64
    seed: int = 0
    height: tuple[float, float] = (0.4, 0.65)  # of a capital H
    aspect: tuple[float, float] = (0.8, 1.25)
    rotation: float = 0.25
    shear: float = 0.2
    shift: float = 0.1
    warp: float = 0.035
    outlined: float = 0.2  # share of the glyphs of which only the outline is drawn
    distractors: int = 1
    distractor_opacity: float = 0.7
    distractor_height: tuple[float, float] = (0.15, 0.3)
    bars: int = 1
    bar_width: tuple[float, float] = (0.02, 0.05)
    contrast: tuple[float, float] = (0.35, 0.65)
    noise: tuple[float, float] = (0.01, 0.05)
    texture: float = 0.08


@dataclass(frozen=True)
class Stencils:
    """The glyphs as ink masks: `ink` (styles, classes, fonts, side, side) in [0, 1]; a capital H has `capital` px."""

    ink: Floats
    capital: float


CANVAS, CAPITAL = 96, 48  # px: side of a stencil, and the height of a capital H in it
CHUNK = 64  # pictures that share one random stream; small enough that the work stays in the processor's cache


def stencils(classes: tuple[str, ...] = CLASSES, fonts: tuple[str, ...] = FONTS) -> Stencils:
    """Rasterise every class in every font, filled and outlined, the ink centred.

    >>> stencils(("A", "b"), ("cmr10.ttf",)).ink.shape
    (2, 2, 1, 96, 96)
    """
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    filled = [[_stencil(folder / font, letter) for font in fonts] for letter in classes]
    outlined = [[_outline(mask) for mask in row] for row in filled]
    ink = np.array([[[np.asarray(mask) for mask in row] for row in style] for style in (filled, outlined)])
    return Stencils(ink=ink.astype(np.float32) / np.float32(255), capital=CAPITAL)


def _stencil(path: Path, letter: str) -> Image.Image:
    if not path.exists():
        raise FileNotFoundError(f"glyphs: the font {path.name} is not in {path.parent}; reinstall matplotlib.")
    probe = ImageFont.truetype(path, 100).getbbox("H")
    font = ImageFont.truetype(path, round(100 * CAPITAL / (probe[3] - probe[1])))
    drawn = Image.new("L", (2 * CANVAS, 2 * CANVAS))
    ImageDraw.Draw(drawn).text((CANVAS / 2, CANVAS / 2), letter, fill=255, font=font)
    drawn = drawn.crop(drawn.getbbox())  # the ink alone: Pillow's own box of a text has the spacing in it
    mask = Image.new("L", (CANVAS, CANVAS))
    mask.paste(drawn, ((CANVAS - drawn.width) // 2, (CANVAS - drawn.height) // 2))
    return mask


def _outline(mask: Image.Image) -> Image.Image:
    """A line of about 3 px along the edge of the ink."""
    return ImageChops.subtract(mask.filter(ImageFilter.MaxFilter(3)), mask.filter(ImageFilter.MinFilter(3)))


def labels(count: int, classes: int = len(CLASSES)) -> NDArray[np.int64]:
    """The class of each picture: 0, 1, ..., classes - 1, 0, 1, ... so that every class is equally frequent.

    >>> labels(5, classes=3).tolist()
    [0, 1, 2, 0, 1]
    """
    return np.arange(count, dtype=np.int64) % classes


def render(settings: Settings, *, workers: int = 2) -> Iterator[Bytes]:
    """Draw the pictures, chunk after chunk, each uint8 (n, 3, size, size); the chunks do not depend on `workers`.

    >>> [chunk.shape for chunk in render(Settings(count=70, size=16))]
    [(64, 3, 16, 16), (6, 3, 16, 16)]
    """
    ink = stencils()
    pool = ThreadPoolExecutor(workers)
    try:  # threads suffice: numpy lets go of the interpreter lock, and a script needs no `if __name__ == "__main__"`
        yield from pool.map(lambda start: _chunk(settings, ink, start), range(0, settings.count, CHUNK))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _chunk(settings: Settings, source: Stencils, start: int) -> Bytes:
    """Pictures start .. start + 63 (all drawn, so that a smaller count is a prefix of a larger one)."""
    rng = np.random.default_rng([settings.seed, start])
    own = (start + np.arange(CHUNK)) % len(CLASSES)
    picture, ink_colour, ground = _ground(settings, rng)
    for _ in range(settings.distractors):
        other = rng.integers(len(CLASSES), size=CHUNK)
        angle = _uniform(rng, (0.0, 2 * np.pi))
        radius = _uniform(rng, (0.34, 0.5))
        centre = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        alpha = _glyphs(
            settings, source, rng, classes=other, centre=centre, height=settings.distractor_height, samples=1
        )
        picture = _over(picture, settings.distractor_opacity * alpha, ink_colour)
    centre = np.stack([_uniform(rng, (-settings.shift, settings.shift)) for _ in "xy"], axis=1)
    alpha = _glyphs(settings, source, rng, classes=own, centre=centre, height=settings.height, samples=2)
    picture = _over(picture, alpha, ink_colour)
    for _ in range(settings.bars):
        picture = _over(picture, _bar(settings, rng, centre), ground)
    noise = rng.standard_normal(picture.shape, dtype=np.float32)
    picture += noise * _uniform(rng, settings.noise)[:, None, None, None]
    bytes_ = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    return bytes_[: settings.count - start]


def _uniform(rng: np.random.Generator, limits: tuple[float, float], *shape: int) -> Floats:
    low, high = limits
    return (low + (high - low) * rng.random((CHUNK, *shape))).astype(np.float32)


def _over(picture: Floats, alpha: Floats, colour: Floats) -> Floats:
    """Paint a colour (n, 3) over pictures (n, 3, h, w) with opacity alpha (n, h, w)."""
    return picture + alpha[:, None] * (colour[:, :, None, None] - picture)


def _ground(settings: Settings, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """A dark textured ground (n, 3, h, w), and the colours (n, 3) of the ink and of the ground; the ink is lighter."""
    ground = _uniform(rng, (0.08, 0.42), 3)
    tint = _uniform(rng, (0.6, 1.0), 3)
    ink = ground + tint * _uniform(rng, settings.contrast)[:, None]
    texture = _smooth(rng, settings.size, 3) * settings.texture
    return ground[:, :, None, None] + texture, ink, ground


def _smooth(rng: np.random.Generator, size: int, channels: int, *, knots: int = 6) -> Floats:
    """Smooth random fields (n, channels, size, size) of unit spread: a coarse random grid, linearly interpolated."""
    place = np.linspace(0, knots - 1, size)
    weight = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(knots))).astype(np.float32)
    grid = rng.standard_normal((CHUNK, channels, knots, knots), dtype=np.float32)
    return np.einsum("yk,nckl->ncyl", weight, np.einsum("nckl,xl->nckx", grid, weight))


def _bar(settings: Settings, rng: np.random.Generator, centre: Floats) -> Floats:
    """The opacity (n, h, w) of a straight bar that passes near the glyph's centre at a random angle."""
    angle = _uniform(rng, (0.0, np.pi))[:, None, None]
    place = (np.arange(settings.size, dtype=np.float32) + 0.5) / settings.size - 0.5
    middle = centre + _uniform(rng, (-0.2, 0.2), 2)
    across = np.cos(angle) * (place - middle[:, :1, None]) + np.sin(angle) * (place[:, None] - middle[:, 1:, None])
    half = _uniform(rng, settings.bar_width)[:, None, None] / 2
    return np.clip((half - np.abs(across)) * settings.size + 0.5, 0, 1).astype(np.float32)


def _glyphs(
    settings: Settings,
    source: Stencils,
    rng: np.random.Generator,
    *,
    classes: NDArray[np.int64],
    centre: Floats,
    height: tuple[float, float],
    samples: int,
) -> Floats:
    """The opacity (n, h, w) of one glyph per picture, turned, sheared, stretched and warped about `centre` (n, 2)."""
    _, letters, fonts, side, _ = source.ink.shape
    style = (rng.random(CHUNK) < settings.outlined).astype(np.int64)
    which = (style * letters + classes) * fonts + rng.integers(fonts, size=CHUNK)
    turn = _uniform(rng, (-settings.rotation, settings.rotation))
    slant = _uniform(rng, (-settings.shear, settings.shear))
    stretch = np.sqrt(np.exp(_uniform(rng, (np.log(settings.aspect[0]), np.log(settings.aspect[1])))))
    scale = source.capital / _uniform(rng, height)  # px of the stencil per side of the picture
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, sin], [-sin, cos]])  # picture -> stencil: turn back, then shear, then stretch
    matrix = np.array([matrix[0] + slant * matrix[1], matrix[1]])
    matrix = matrix * np.array([scale / stretch, scale * stretch])[:, None]
    warp = _smooth(rng, settings.size, 2) * settings.warp / 2
    step = np.arange(settings.size, dtype=np.float32)
    total = np.zeros((CHUNK, settings.size, settings.size), np.float32)
    flat = source.ink.reshape(-1)
    for i in range(samples):  # several samples per pixel: the stencil is finer than the picture
        for j in range(samples):
            x = (step + (i + 0.5) / samples) / settings.size - 0.5 - centre[:, :1, None] + warp[:, 0]
            y = ((step + (j + 0.5) / samples) / settings.size - 0.5)[:, None] - centre[:, 1:, None] + warp[:, 1]
            u = matrix[0, 0][:, None, None] * x + matrix[0, 1][:, None, None] * y + (side - 1) / 2
            v = matrix[1, 0][:, None, None] * x + matrix[1, 1][:, None, None] * y + (side - 1) / 2
            total += _bilinear(flat, which, side, u=u, v=v)
    return total / np.float32(samples**2)


def _bilinear(flat: Floats, which: NDArray[np.int64], side: int, *, u: Floats, v: Floats) -> Floats:
    """Read stencils at columns u and rows v (n, h, w), between pixels linearly; the border of a stencil is blank."""
    u, v = np.clip(u, 0, side - 1.001).astype(np.float32), np.clip(v, 0, side - 1.001).astype(np.float32)
    column, row = u.astype(np.int32), v.astype(np.int32)
    u -= column
    v -= row
    index = which[:, None, None] * side * side + row * side + column
    top = flat.take(index) * (1 - u) + flat.take(index + 1) * u
    bottom = flat.take(index + side) * (1 - u) + flat.take(index + side + 1) * u
    return top * (1 - v) + bottom * v
