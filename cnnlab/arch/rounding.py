"""Roundings of scaled depths and widths: those of Tan and Le's code, which the MobileNets share."""

from __future__ import annotations

from cnnlab.arch.whole import Real, Whole, at_least, ceil, floor


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
