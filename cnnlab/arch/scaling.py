"""Scaling rules: functions from an architecture to a larger or smaller one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from cnnlab.arch.architecture import MOST_PIXELS, Architecture, Stage
from cnnlab.arch.network import Network
from cnnlab.arch.rounding import round_depth, scaled_width
from cnnlab.arch.whole import Real, Whole, at_least, check_real, check_whole, floor, is_array, text

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
"""The coefficients that Tan and Le 2019 found for EfficientNet by a small grid search (section 3.3)."""

MOST_TIMES = 50
"""The largest multiplier: beyond it the cost of a large network no longer fits 64 bits."""

Rule: TypeAlias = Callable[[Whole], Whole]
"""From a depth or width to the scaled one."""

Scalable = TypeVar("Scalable", bound=Architecture | Network)
"""What comes back is of the kind that went in."""


def scaled(arch: Scalable, *, depth: Any = 1.0, width: Any = 1.0, resolution: Any = None) -> Scalable:
    """The architecture with `depth` times the blocks of each stage, `width` times the channels, at `resolution` px.

    Blocks are rounded up, channels to the nearest multiple of the architecture's divisor but not below 90 %: the rule
    of Tan and Le 2019 (round_repeats and round_filters of their code); at width 1 channels stay as they are. Stem and
    head widths are scaled too, where the rows do not say otherwise (`Stage.fixed`). Each knob may be an array; arrays
    broadcast.
    A `Network`, a function without rows, can change its resolution only.

    Raises TypeError or ValueError, as a sentence, for a multiplier that is not a number in (0, 50], for a width that
    leaves a layer without channels, for a resolution below the network's total stride, and for the depth or width of a
    `Network`.

    >>> import cnnlab as cl
    >>> b0 = cl.architecture("efficientnet_b0")
    >>> cl.scaled(b0, depth=1.4, width=1.2, resolution=300).cost() == cl.architecture("efficientnet_b3").cost()
    True
    """
    d, w = (check_real(n, v, above=0, most=MOST_TIMES) for n, v in (("depth", depth), ("width", width)))
    size = arch.resolution if resolution is None else check_whole("resolution", resolution, most=MOST_PIXELS)
    found = _resized(arch, d, w, size) if isinstance(arch, Network) else _multiplied(arch, d, w, size)
    return cast(Scalable, found)


def _resized(network: Network, depth: Real, width: Real, size: Whole) -> Network:
    for knob, times in (("depth", depth), ("width", width)):
        if is_array(times) or times != 1:
            raise ValueError(
                f"{knob}={text(times)}: {network.name} is a function, not rows of like blocks, so its {knob} cannot be "
                "multiplied; change its resolution, or take an architecture of rows"
            )
    return replace(network, name=_scaled_name(network, 1, 1, size), resolution=size)


def _multiplied(arch: Architecture, d: Real, w: Real, size: Whole) -> Architecture:
    thinnest = min((int(np.min(s.width)) for s in (arch.stem, *arch.stages) if "width" not in s.fixed), default=1)
    if np.min(w) * thinnest < 0.5:
        raise ValueError(
            f"width={np.min(w):g}: it leaves {arch.name} a layer of {np.min(w) * thinnest:.2g} channels, "
            f"which rounds to none; width must be from {0.5 / thinnest:g} to {MOST_TIMES}"
        )

    found = _rows(arch, lambda n: round_depth(n, d), lambda n: scaled_width(n, w, arch.divisor))
    return replace(found, name=_scaled_name(arch, d, w, size), resolution=size)


def _rows(arch: Architecture, depths: Rule, widths: Rule) -> Architecture:
    """The architecture with these rules applied to its depths and widths, where its rows do not fix them."""

    def thin(s: Stage) -> Stage:
        return replace(s, width=s.width if "width" in s.fixed else widths(s.width))

    def stage(s: Stage) -> Stage:
        return thin(s if "depth" in s.fixed else replace(s, depth=depths(s.depth)))

    head = arch.head if arch.head.width is None else replace(arch.head, width=widths(arch.head.width))
    return replace(arch, stem=thin(arch.stem), stages=tuple(stage(s) for s in arch.stages), head=head)


def compound(arch: Scalable, phi: Any, alpha: float = ALPHA, beta: float = BETA, gamma: float = GAMMA) -> Scalable:
    """Compound scaling (Tan and Le 2019, equation 3): depth alpha^phi, width beta^phi, resolution gamma^phi times.

    With alpha beta^2 gamma^2 near 2, cost grows about as 2^phi, and faster where depths are rounded up.
    phi: a number above -10 and at most 20, or an array of them.

    >>> import cnnlab as cl
    >>> b0 = cl.architecture("efficientnet_b0")
    >>> print(f"{cl.compound(b0, phi=1).cost().macs / b0.cost().macs:.2f}")
    2.57
    """
    depth, width, size = multipliers(phi, alpha, beta, gamma)
    return scaled(arch, depth=depth, width=width, resolution=np.round(arch.resolution * size))


def fast(arch: Architecture, times: Any, alpha: float = 0.8) -> Architecture:
    """Fast scaling (Dollar, Singh and Girshick 2021): about `times` the multiply-adds, most of them from more width.

    alpha is the share of width: width times^(alpha / 2), depth times^((1 - alpha) / 2), resolution
    times^((1 - alpha) / 4), so that depth width^2 resolution^2 is `times`. The activations, which set the time on a
    GPU, then grow as times^(1 - alpha / 2), rather than as `times`. alpha 0.8 is the paper's dWr, 1/3 uniform
    compound scaling, 1 width alone. As in their code (pycls), depths are rounded to the nearest whole number, widths to
    that of the divisor, pixels to that of 4; options of blocks, such as the number of groups, stay as they are.

    times: a number above 0 and at most 2500, or an array of them. Raises TypeError or ValueError, as a sentence, for
    others, for an alpha outside 0 to 1, for a resolution that `scaled` refuses, and for a `Network`.

    >>> import cnnlab as cl
    >>> b0 = cl.architecture("efficientnet_b0")
    >>> large = fast(b0, 4)
    >>> large.name, large.resolution, [s.width for s in large.stages]
    ('efficientnet_b0 fast=4', 240, [24, 40, 72, 136, 192, 336, 560])
    """
    if not isinstance(arch, Architecture):
        raise TypeError(f"{getattr(arch, 'name', repr(arch))}: it must be an Architecture, whose rows can be scaled")
    times = check_real("times", times, above=0, most=MOST_TIMES**2)
    share = check_real("alpha", alpha, least=0, most=1)
    d, w, r = (np.round(times**power, 9) for power in ((1 - share) / 2, share / 2, (1 - share) / 4))
    size = check_whole("resolution", _nearest(arch.resolution * r, 4), most=MOST_PIXELS)
    found = _rows(arch, lambda n: _nearest(n * d, 1), lambda n: _nearest(n * w, arch.divisor))
    name = arch.name if is_array(times) else f"{arch.name} fast={times:g}"
    return replace(found, name=name, resolution=size)


def _nearest(exact: Real, step: int) -> Whole:
    """The nearest multiple of the step, at least one; halves to the even one."""
    return at_least(floor(np.round(exact / step)), 1) * step


def multipliers(phi: Any, alpha: float = ALPHA, beta: float = BETA, gamma: float = GAMMA) -> tuple[Real, Real, Real]:
    """What compound scaling multiplies depth, width and resolution by: (alpha^phi, beta^phi, gamma^phi).

    Rounded to nine digits, so that the last bit of a power, which differs between processors and between numbers and
    arrays of them, decides no ceil().

    >>> [float(times) for times in multipliers(2)]
    [1.44, 1.21, 1.3225]
    """
    phi = check_real("phi", phi, above=-10, most=20)
    bases = (("alpha", alpha), ("beta", beta), ("gamma", gamma))
    depth, width, size = (np.round(check_real(name, base, above=0, most=10) ** phi, 9) for name, base in bases)
    return depth, width, size


def _scaled_name(arch: Architecture | Network, depth: Real, width: Real, resolution: Whole) -> str:
    if is_array(depth) or is_array(width) or is_array(resolution):
        return arch.name
    words = [f"d={depth:g}"] if depth != 1 else []
    words += [f"w={width:g}"] if width != 1 else []
    words += [f"r={resolution}"] if resolution != arch.resolution else []
    return " ".join([arch.name, *words])
