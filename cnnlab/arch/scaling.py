"""Scaling rules: functions from an architecture to a larger or smaller one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np

from cnnlab.arch.architecture import MOST_PIXELS, Architecture, Stage
from cnnlab.arch.network import Network
from cnnlab.arch.rounding import round_depth, round_width
from cnnlab.arch.whole import Real, Whole, check_real, check_whole, is_array, text

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
"""The coefficients that Tan and Le 2019 found for EfficientNet by a small grid search (section 3.3)."""

MOST_TIMES = 50
"""The largest multiplier: beyond it the cost of a large network no longer fits 64 bits."""


Scalable = TypeVar("Scalable", bound=Architecture | Network)
"""What comes back is of the kind that went in."""


def scaled(arch: Scalable, *, depth: Any = 1.0, width: Any = 1.0, resolution: Any = None) -> Scalable:
    """The architecture with `depth` times the blocks of each stage, `width` times the channels, at `resolution` px.

    Blocks are rounded up, channels to the nearest multiple of the architecture's divisor but not below 90 %: the rule
    of Tan and Le 2019 (round_repeats and round_filters of their code). Stem and head widths are scaled too, where the
    rows do not say otherwise (`Stage.fixed`). Each knob may be an array; arrays broadcast.
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

    def widths(n: Whole) -> Whole:
        return round_width(n, w, arch.divisor)

    def thin(s: Stage) -> Stage:
        return replace(s, width=s.width if "width" in s.fixed else widths(s.width))

    def stage(s: Stage) -> Stage:
        return thin(s if "depth" in s.fixed else replace(s, depth=round_depth(s.depth, d)))

    head = arch.head if arch.head.width is None else replace(arch.head, width=widths(arch.head.width))
    return replace(
        arch,
        name=_scaled_name(arch, d, w, size),
        stem=thin(arch.stem),
        stages=tuple(stage(s) for s in arch.stages),
        head=head,
        resolution=size,
    )


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
