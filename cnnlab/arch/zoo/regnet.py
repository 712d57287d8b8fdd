"""RegNet: a design space of which a rule with four numbers makes each network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

import numpy as np

from cnnlab.arch.architecture import Architecture, Stage
from cnnlab.arch.blocks import conv_stem, regnet_bottleneck
from cnnlab.arch.rounding import round_width
from cnnlab.arch.whole import check_int, check_real, named

STEP = 8
ROUNDINGS = ("pycls", "torchvision")


def quantised(d: int, w0: int, wa: float, wm: float) -> tuple[tuple[int, int], ...]:
    """The (width, depth) of each stage by the quantised-linear rule (Radosavovic et al. 2020, equations 2 to 4).

    Block j of d has the linear width u = w0 + wa * j, and gets the nearest w0 * wm^k (k whole, on the scale of
    logarithms), rounded to a multiple of 8. Blocks of one width are a stage.

    >>> quantised(22, 24, 24.48, 2.54)
    ((24, 1), (64, 2), (152, 7), (392, 12))
    """
    check_int("d", d)
    check_int("w0", w0)
    check_real("wa", wa, least=0)
    check_real("wm", wm, above=1)
    if w0 % STEP:
        raise ValueError(f"w0={w0}: the first width must be a multiple of {STEP}; take {round_width(w0, 1)}")
    powers = np.round(np.log((w0 + wa * np.arange(d)) / w0) / np.log(wm))
    widths = (np.round(w0 * wm**powers / STEP) * STEP).astype(int).tolist()
    return tuple((width, len(list(run))) for width, run in groupby(widths))


def regnet(
    name: str,
    *,
    d: int,
    w0: int,
    wa: float,
    wm: float,
    group_width: int,
    se: float = 0.0,
    rounding: str = "pycls",
) -> Architecture:
    """The RegNet of these numbers (Radosavovic et al. 2020): X, or with se=0.25 Y.

    d: blocks. w0, wa, wm: first width, slope and ratio of the quantised-linear rule (see `quantised`).
    group_width: channels of each group of the 3x3, or the whole width where that is less. Widths become its multiples.
    rounding: "pycls" (the authors': to the nearest multiple) or "torchvision" (as `round_width`), which differ for
    RegNetX-400MF and -4.0GF and RegNetY-800MF, -4.0GF and -8.0GF.

    Raises TypeError or ValueError, as a sentence, for numbers that the rule does not take.

    >>> regnet("mine", d=13, w0=24, wa=36.44, wm=2.49, group_width=8).cost()
    Cost(macs=199,039,872, params=2,684,792, activations=2,164,056)
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"{name}: rounding={rounding!r}: choose one of {', '.join(ROUNDINGS)}")
    named(name, check_int, "group_width", group_width)
    try:
        rows = quantised(d, w0, wa, wm)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None
    stages = []
    for width, depth in rows:
        group = min(group_width, width)
        fitted = round(width / group) * group if rounding == "pycls" else round_width(width, 1, group)
        options = {"group_width": group, **({"se": se} if se else {})}
        stages.append(Stage(regnet_bottleneck, depth, fitted, 2, options))
    # All published RegNets, from 200 MF to 32 GF, have this stem.
    return Architecture(name, Stage(conv_stem, 1, 32, 2, fixed=("width",)), tuple(stages))


NUMBERS: Mapping[str, tuple[int, int, float, float, int]] = {
    "regnet_x_400mf": (22, 24, 24.48, 2.54, 16),
    "regnet_x_800mf": (16, 56, 35.73, 2.28, 16),
    "regnet_x_1_6gf": (18, 80, 34.01, 2.25, 24),
    "regnet_x_3_2gf": (25, 88, 26.31, 2.25, 48),
    "regnet_x_8gf": (23, 80, 49.56, 2.88, 120),
    "regnet_x_16gf": (22, 216, 55.59, 2.1, 128),
    "regnet_x_32gf": (23, 320, 69.86, 2.0, 168),
    "regnet_y_400mf": (16, 48, 27.89, 2.09, 8),
    "regnet_y_800mf": (14, 56, 38.84, 2.4, 16),
    "regnet_y_1_6gf": (27, 48, 20.71, 2.65, 24),
    "regnet_y_3_2gf": (21, 80, 42.63, 2.66, 24),
    "regnet_y_8gf": (17, 192, 76.82, 2.19, 56),
    "regnet_y_16gf": (18, 200, 106.23, 2.48, 112),
    "regnet_y_32gf": (20, 232, 115.89, 2.53, 232),
    "regnet_y_128gf": (27, 456, 160.83, 2.52, 264),
    # Those of the paper that torchvision lacks, under timm's names (in units of 100 MF).
    "regnetx_002": (13, 24, 36.44, 2.49, 8),
    "regnetx_006": (16, 48, 36.97, 2.24, 24),
    "regnetx_040": (23, 96, 38.65, 2.43, 40),
    "regnetx_064": (17, 184, 60.83, 2.07, 56),
    "regnetx_120": (19, 168, 73.36, 2.37, 112),
    "regnety_002": (13, 24, 36.44, 2.49, 8),
    "regnety_006": (15, 48, 32.54, 2.32, 16),
    "regnety_040": (22, 96, 31.41, 2.24, 64),
    "regnety_064": (25, 112, 33.22, 2.27, 72),
    "regnety_120": (19, 168, 73.36, 2.37, 112),
}
"""name -> d, w0, wa, wm, group width: pycls' configs/dds_baselines, and for 128 GF torchvision's regnet.py."""


def _named(name: str) -> Architecture:
    d, w0, wa, wm, group_width = NUMBERS[name]
    se = 0.25 if name.startswith(("regnet_y", "regnety")) else 0.0
    rounding = "torchvision" if name.startswith("regnet_") else "pycls"
    return regnet(name, d=d, w0=w0, wa=wa, wm=wm, group_width=group_width, se=se, rounding=rounding)


REGNETS: Mapping[str, Callable[[str], Architecture]] = dict.fromkeys(NUMBERS, _named)
"""name -> a function that makes the architecture of that name."""
