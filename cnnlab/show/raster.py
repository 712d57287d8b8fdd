"""An SVG drawing as a PNG, for places that show no SVG: notebooks that are not trusted yet, GitHub, slides."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import matplotlib
import resvg_py

INK = "#222222"
WIDTH = 920  # px
_USE = re.compile(r"var\((--[\w-]+)(?:,\s*((?:[^()]|\([^()]*\))*))?\)")


def raster(svg: str, width: int = WIDTH) -> bytes:
    """The drawing on white, so many px wide, with the fonts that matplotlib brings. CSS variables are put in their
    places first, as the renderer knows none.

    >>> raster('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="2"/>')[:4]
    b'\\x89PNG'
    """
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=_resolved(svg).replace("currentColor", INK),
            width=width,
            background="white",
            skip_system_fonts=True,
            font_files=_fonts(),
            font_family="DejaVu Sans",
            sans_serif_family="DejaVu Sans",
        )
    )


def _resolved(svg: str) -> str:
    """With every var(--name, otherwise) replaced by what --name is set to, or else by `otherwise`.

    >>> _resolved("--a: var(--b, red); fill: var(--a)")
    '--a: red; fill: red'
    """
    values: dict[str, str] = dict(re.findall(r"(--[\w-]+):\s*([^;]+);", svg))
    for _ in range(3):  # a variable may be set to another
        svg = _USE.sub(lambda found: values.get(found[1], found[2] or "inherit"), svg)
    return svg


@cache
def _fonts() -> list[str]:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [str(path) for path in sorted(folder.glob("DejaVuSans*.ttf"))]
