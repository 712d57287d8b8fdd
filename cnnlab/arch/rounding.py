"""Roundings of scaled depths and widths: those of Tan and Le's code, which the MobileNets share."""

from __future__ import annotations

import numpy as np

from cnnlab.arch.whole import Real, Whole, at_least, ceil, floor, is_array


def round_depth(repeats: Whole, times: Real) -> Whole:
    """ceil(times * repeats): round_repeats of Tan and Le's code."""
    return ceil(times * repeats)


def round_width(channels: Whole, times: Real, divisor: int = 8) -> Whole:
    """The nearest multiple of `divisor`, at least one, and at least 90 % of times * channels: their round_filters.

    >>> round_width(32, 1.2), round_width(16, 0.1)
    (40, 8)
    """
    exact = times * channels
    near = at_least(floor(exact + divisor / 2) // divisor * divisor, divisor)
    return near + divisor * (near < 0.9 * exact)


def scaled_width(channels: Whole, times: Real, divisor: int) -> Whole:
    """`round_width`, but once a width is that width, also where it is no multiple of `divisor`.

    >>> scaled_width(43, 1.0, 8), scaled_width(43, 1.1, 8)
    (43, 48)
    """
    if is_array(times) or is_array(channels):
        return np.where(np.equal(times, 1), channels, round_width(channels, times, divisor))
    return channels if times == 1 else round_width(channels, times, divisor)
