"""Stairs: where a knob changes the network. Depths, widths and pixels are whole numbers, so between two edges of its
stairs a knob changes nothing; to look at one setting of each stair is to look at all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import MOST_PIXELS, Architecture
from cnnlab.arch.scaling import ALPHA, BETA, GAMMA, MOST_TIMES, compound, scaled

KNOBS = ("depth", "width", "resolution", "phi")

Settings: TypeAlias = NDArray[np.float64]
"""Values of a knob, in one dimension, ascending."""

DIGITS = 6
"""Significant digits of a setting: as many as the name of a scaled architecture tells."""


FEW = 100
"""So many values are looked at as they are: finding the stairs takes longer."""


def turned(arch: Architecture, knob: str, value: Any) -> Architecture:
    """The architecture with one of `KNOBS` at this value (or these), and the others as they are."""
    match knob:
        case "depth":
            return scaled(arch, depth=value)
        case "width":
            return scaled(arch, width=value)
        case "resolution":
            return scaled(arch, resolution=value)
        case "phi":
            return compound(arch, phi=value)
    raise ValueError(f"knob={knob!r}: choose one of {', '.join(KNOBS)}")


def limits(arch: Architecture, knob: str) -> tuple[float, float]:
    """The least and the largest value of a knob: what lies below changes nothing more, or is refused by `scaled`.

    >>> import cnnlab as cl
    >>> limits(cl.architecture("efficientnet_b0"), "width")
    (0.03125, 50.0)
    """
    deepest = max(int(s.depth) for s in arch.stages)
    thinnest = min((int(s.width) for s in (arch.stem, *arch.stages) if "width" not in s.fixed), default=1)
    match knob:
        case "depth":
            return 0.5 / deepest, float(MOST_TIMES)
        case "width":
            return 0.5 / thinnest, float(MOST_TIMES)
        case "resolution":
            return float(arch.stride), float(MOST_PIXELS)
        case "phi":
            own = int(arch.resolution)
            least = max(-9.999, _log(0.5 / thinnest, BETA), _log(arch.stride / own, GAMMA))
            most = min(20, _log(MOST_TIMES, ALPHA), _log(MOST_TIMES, BETA), _log(MOST_PIXELS / own, GAMMA))
            return math.ceil(least * 1e4) / 1e4, math.floor(most * 1e4) / 1e4  # inwards, where both roundings agree
    raise ValueError(f"knob={knob!r}: choose one of {', '.join(KNOBS)}")


def settings(arch: Architecture, knob: str) -> Settings:
    """One value of the knob for each different network that it makes, ascending: of each stair the roundest number.

    Values have at most six significant digits, so that a name tells them whole; a stair too narrow for one is left out.

    >>> import cnnlab as cl
    >>> settings(cl.architecture("cifar_resnet20"), "depth")[:5].tolist()
    [0.2, 0.4, 1.0, 1.1, 1.4]
    """
    least, most = limits(arch, knob)
    if knob == "resolution":
        return np.arange(least, most + 1)
    inner = _edges(arch, knob, least, most)
    starts = np.concatenate([[least], inner])
    return _roundest(starts, np.concatenate([inner, [np.nextafter(most, np.inf)]]))


def stairs(arch: Architecture, knob: str, values: Any) -> tuple[NDArray[np.intp], Settings]:
    """For each value of the depth or the width the stair that it stands on, and one value for each stair.

    Exact to the last bit: two values on one stair make the same network. Of few values each is a stair of its own.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.size <= FEW:
        firsts, place = np.unique(values, return_inverse=True)
        return place, firsts
    least, most = float(values.min()), float(values.max())
    inner = _edges(arch, knob, least, most)
    return np.searchsorted(inner, values, side="right"), np.concatenate([[least], inner])


def _edges(arch: Architecture, knob: str, least: float, most: float) -> Settings:
    """Where the knob changes the network."""

    def rule(value: Settings) -> NDArray[np.int64]:
        return _shape(turned(arch, knob, value), value.size)

    # At 1 a network is itself, also where its widths are no multiples of the divisor: a stair between two others.
    middle = {"width": 1.0, "phi": 0.0}.get(knob, least)
    ends = [least, *([middle] if least < middle < most else []), most]
    return np.unique(np.concatenate([edges(rule, low, high) for low, high in pairwise(ends)]))


def edges(rule: Callable[[Settings], NDArray[np.int64]], least: float, most: float) -> Settings:
    """Every float above `least`, and up to `most`, at which a non-decreasing rule changes, ascending.

    rule: n floats -> (k, n) whole numbers. Found by halving the stretches at whose ends it differs, until their ends
    are neighbouring floats: no formula of the rule is needed, and none can disagree with it in the last bit.

    >>> edges(lambda t: np.ceil(3 * t).astype(int)[None], 0.1, 1.0).tolist()
    [0.3333333333333334, 0.6666666666666669]
    """
    low, high = np.array([least]), np.array([most])
    at_low, at_high = rule(low), rule(high)
    found = []
    while low.size:
        middle = low + (high - low) / 2
        ended = (middle <= low) | (middle >= high)
        differ = np.any(at_low != at_high, axis=0)
        found.append(high[ended & differ])
        going = ~ended & differ
        low, middle, high = low[going], middle[going], high[going]
        at_low, at_high = at_low[:, going], at_high[:, going]
        at_middle = rule(middle) if middle.size else at_low
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        at_low, at_high = np.hstack([at_low, at_middle]), np.hstack([at_middle, at_high])
    return np.sort(np.concatenate(found))


def _shape(arch: Architecture, n: int) -> NDArray[np.int64]:
    """All that scaling changes in an architecture of n settings: depths, widths and the resolution, as (k, n)."""
    widths = [arch.stem.width, *(s.width for s in arch.stages), 0 if arch.head.width is None else arch.head.width]
    numbers = [*(s.depth for s in arch.stages), *widths, arch.resolution]
    return np.stack([np.broadcast_to(np.asarray(number, dtype=np.int64), n) for number in numbers])


def _roundest(starts: Settings, ends: Settings) -> Settings:
    """For each stretch from a start up to, and without, an end its number of fewest decimals, where six digits do."""
    chosen = np.full(starts.shape, np.nan)
    for decimals in range(DIGITS + 1):
        scale = 10**decimals
        whole = np.ceil(starts * scale) + 0.0  # which makes 0 of -0
        number = whole / scale
        # The product may round past a whole number: compare the quotient itself, which is the float that is written.
        fits = (number >= starts) & (number < ends) & (np.abs(whole) < 10**DIGITS) & np.isnan(chosen)
        chosen[fits] = number[fits]
    found: Settings = chosen[~np.isnan(chosen)]
    return found


def _log(value: float, base: float) -> float:
    return math.log(value) / math.log(base)
