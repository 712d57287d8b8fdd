"""Whole numbers and whole-number arrays: the checks and roundings that work on both alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Whole: TypeAlias = int | NDArray[np.int64]
"""A count of something, or an array with one count per setting (of any shape; arrays broadcast)."""

Truth: TypeAlias = bool | NDArray[np.bool_]
"""A condition, or an array that says for each setting whether it holds."""

Real: TypeAlias = float | NDArray[np.floating[Any]]
"""A number, or an array with one number per setting."""

Checked = TypeVar("Checked")


def is_array(value: object) -> bool:
    """Whether `value` holds one entry per setting, and so has no single Python value."""
    return isinstance(value, np.ndarray) and value.ndim > 0


def some(condition: Truth) -> bool:
    """Whether the condition holds in at least one setting."""
    return condition if condition.__class__ is bool else bool(np.any(condition))


def floor(value: Real) -> Whole:
    """Round down to whole numbers."""
    return np.floor(value).astype(np.int64) if is_array(value) else math.floor(value)


def ceil(value: Real) -> Whole:
    """Round up to whole numbers."""
    return np.ceil(value).astype(np.int64) if is_array(value) else math.ceil(value)


def at_least(value: Whole, least: Whole) -> Whole:
    """The larger of the two, setting by setting."""
    return np.maximum(value, least) if is_array(value) or is_array(least) else max(value, least)


def text(number: Any, marks: str = "") -> str:
    """A number, or the range of an array of them; marks="," separates thousands.

    >>> text(1234567, ","), text(np.array([8, 16, 40]))
    ('1,234,567', '8-40')
    """
    return f"{number.min():{marks}}-{number.max():{marks}}" if is_array(number) else f"{number:{marks}}"


def short(n: float) -> str:
    """A number with three digits and k, M or G (decimal).

    >>> short(1_827_141_392), short(48), short(404_000_000)
    ('1.83 G', '48', '404 M')
    """
    size, unit = next(((s, u) for s, u in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if n >= s), (1, ""))
    x = n / size
    return f"{x:.{0 if x >= 100 or size == 1 else 1 if x >= 10 else 2}f} {unit}".strip()


def check_whole(field: str, value: Any, *, least: int = 1, most: int | None = None) -> Whole:
    """Return `value` as an int or an int64 array, or say which field wants which whole numbers.

    Raises TypeError for what is no number, ValueError for one that is not whole or out of range; the sentence names
    the field, the value and the allowed range.
    """
    if value.__class__ is int and value >= least and (most is None or value <= most):
        return value  # the common case first: the cost of a network is some hundred such checks
    rule = f"{field} must be a whole number" + (f", {least} or more" if most is None else f" from {least} to {most}")
    array = _numbers(field, value, rule)
    wrong = ~(np.isfinite(array) & (array == np.trunc(array)) & (array >= least))
    if most is not None:
        wrong = wrong | (array > most)
    if wrong.any():
        raise ValueError(f"{field}={array[wrong].flat[0]}: {rule}")
    return array.astype(np.int64) if array.ndim else int(array)


def check_int(field: str, value: Any, *, least: int = 1, most: int | None = None) -> int:
    """As `check_whole`, for what must be one number and no array."""
    whole = check_whole(field, value, least=least, most=most)
    if isinstance(whole, np.ndarray):
        raise TypeError(f"{field}={value!r}: {field} must be one whole number, not an array")
    return whole


def check_real(
    field: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> Real:
    """Return `value` as a float or a float array within these bounds, or raise with a sentence, as `check_whole`.

    NaN and the infinities are never within.
    """
    bounds = [("above", above, np.greater), ("at least", least, np.greater_equal)]
    bounds += [("below", below, np.less), ("at most", most, np.less_equal)]
    given = [(words, bound, holds) for words, bound, holds in bounds if bound is not None]
    rule = f"{field} must be a number " + " and ".join(f"{words} {bound:g}" for words, bound, _ in given)
    array = _numbers(field, value, rule)
    wrong = ~np.isfinite(array)
    for _, bound, holds in given:
        wrong = wrong | ~holds(array, bound)
    if wrong.any():
        raise ValueError(f"{field}={array[wrong].flat[0]}: {rule}")
    return array.astype(np.float64) if array.ndim else float(array)


def named(owner: str, check: Callable[..., Checked], field: str, value: Any, **limits: float) -> Checked:
    """A check whose sentence begins with the name of what the field belongs to.

    >>> named("Recipe", check_int, "epochs", 0)
    Traceback (most recent call last):
    ValueError: Recipe: epochs=0: epochs must be a whole number, 1 or more
    """
    try:
        return check(field, value, **limits)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{owner}: {error}") from None


def _numbers(field: str, value: Any, rule: str) -> NDArray[Any]:
    """The value as an array of any number of dimensions; TypeError with the rule for what holds no numbers."""
    if not isinstance(value, (int, float, np.number, np.ndarray)) or isinstance(value, bool):
        raise TypeError(f"{field}={value!r}: {rule}, not a {type(value).__name__}")
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size == 0:
        raise TypeError(f"{field}={value!r}: {rule}")
    return array
