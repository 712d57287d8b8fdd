"""What the Explorer's settings may be: each is checked here, whether Python sets it or a page sends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import traitlets

from cnnlab.arch.scaling import ALPHA, BETA, GAMMA
from cnnlab.show import state as states
from cnnlab.show.lattice import ALL_KINDS, Lattice
from cnnlab.show.sources import SOURCES, points_of

AXES = (*ALL_KINDS, "latency")
"""What the x axis can be."""

USUAL: Mapping[str, float] = dict(zip(states.COEFFICIENTS, (ALPHA, BETA, GAMMA), strict=True))
SMALL = "small_"
"""What the keys of the measured families begin with."""


class SettingError(ValueError, traitlets.TraitError):
    """A setting that there is not. traitlets takes back what it has set when it meets a TraitError."""


class SettingTypeError(TypeError, traitlets.TraitError):
    """A setting of another type than it must have."""


def on_slider(chosen: Lattice, knob: str, value: Any) -> Any:
    """The slider's own number for this value."""
    try:
        return chosen.header[knob][chosen.index(knob, _number(knob, value))]
    except ValueError as error:
        raise SettingError(str(error)) from None


def checked_budgets(budget: float | Mapping[str, float] | None) -> dict[str, float]:
    """Kind of cost -> the most that it may be; of one number, multiply-adds."""
    if budget is None:
        return {}
    budgets = budget if isinstance(budget, Mapping) else {"macs": budget}
    found = {}
    for kind, most in budgets.items():
        where = f"budget[{kind!r}]" if isinstance(budget, Mapping) else "budget"
        if kind not in AXES:
            raise SettingError(f"{where}: {kind!r} is no kind of cost; it must be {states.choices(AXES)}")
        if isinstance(most, (bool, str)) or not isinstance(most, (int, float, np.number)) or not 0 < most < 2**53:
            raise SettingError(f"{where}={most!r}: it must be a number above 0 and below 2^53")
        found[kind] = float(most)
    return found


def checked_coefficients(given: Mapping[str, Any] | Sequence[Any]) -> list[float]:
    """alpha, beta and gamma, each from 1 to 2, by name or all in this order; the usual ones where none are given."""
    if isinstance(given, Sequence) and len(given) == len(USUAL) and not isinstance(given, str):
        given = dict(zip(USUAL, given, strict=True))
    if not isinstance(given, Mapping):
        raise SettingTypeError(
            f"coefficients={given!r}: it must be names with numbers, such as {{'alpha': 1.2}}, or all three numbers"
        )
    found = []
    for name in {**USUAL, **given}:
        if name not in USUAL:
            raise SettingError(f"coefficients has {name!r}; it may have {states.choices(USUAL)}")
        value = _number(name, given.get(name, USUAL[name]))
        if not 1 <= value <= 2:
            raise SettingError(f"{name}={value:g}: it must be a number from 1 to 2")
        found.append(value)
    return found


def numbered(edits: Mapping[Any, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Edits with stages as numbers, and without stages in which nothing is edited."""
    if not isinstance(edits, Mapping):
        raise SettingTypeError(
            f"edits={edits!r}: it must be stages' numbers with fields, such as {{3: {{'kernel': 5}}}}"
        )
    found = {}
    for stage, changes in edits.items():
        if not str(stage).isdecimal() or not isinstance(changes, Mapping):
            raise SettingError(
                f"edits[{stage!r}]: it must be a stage's number with fields, such as {{3: {{'kernel': 5}}}}"
            )
        for field, value in changes.items():
            if not isinstance(value, (str, int, float, np.number)):
                raise SettingError(f"edits[{stage!r}]: {field}={value!r}: it must be a number or the name of a block")
        if changes:
            found[int(stage)] = dict(changes)
    return dict(sorted(found.items()))


def lettered(edits: Mapping[int, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Edits as JSON has them."""
    return {str(stage): dict(changes) for stage, changes in edits.items()}


def source_of(data: str | None, points: Any, key: str) -> str:
    """Which source an Explorer shows at first: the one asked for, a user's own points, or the one that knows most of
    its family."""
    if data is not None and data not in SOURCES:
        raise ValueError(f"data={data!r}: it must be {states.choices(SOURCES)}")
    return data or ("own" if points is not None else "glyphs" if key.startswith(SMALL) else "imagenet")


@cache
def classes_of(key: str, data: str) -> int | None:
    """As many outputs as the networks of this family had that were measured on the data; None where none were."""
    if not key.startswith(SMALL) or data in ("imagenet", "own"):
        return None
    measured = (p for p in points_of(data) if p["kind"] == "measured" and p["network"][0] == key)
    return next((p["classes"] for p in measured), None)


def _number(name: str, value: Any) -> float:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)):
        raise SettingTypeError(f"{name}={value!r}: it must be a number, not a {type(value).__name__}")
    return float(value)
