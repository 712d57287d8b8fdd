"""The state of an Explorer as a short string: "resnet,d=2,w=1.25,r=160", with edits "resnet,d=2,3.block=basic"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cnnlab.arch.edits import FIELDS, Edits

LETTERS = {"d": "depth", "w": "width", "r": "resolution", "a": "alpha", "b": "beta", "g": "gamma"}
COEFFICIENTS = ("alpha", "beta", "gamma")


class View(NamedTuple):
    """What a state string says: a family, the sliders that it names, the compound coefficients, the edited rows."""

    family: str
    settings: dict[str, Any]
    edits: dict[int, dict[str, Any]]

    @property
    def coefficients(self) -> dict[str, float]:
        """alpha, beta and gamma, as far as the string names them."""
        return {name: self.settings[name] for name in COEFFICIENTS if name in self.settings}

    @property
    def sliders(self) -> dict[str, Any]:
        """depth, width and resolution, as far as the string names them."""
        return {name: value for name, value in self.settings.items() if name not in COEFFICIENTS}


def write(key: str, depth: float, width: float, resolution: int, edits: Edits | None = None) -> str:
    """The state string of these settings.

    >>> write("efficientnet", 1.4, 1.2, 300, {3: {"kernel": 7}})
    'efficientnet,d=1.4,w=1.2,r=300,3.kernel=7'
    """
    return ",".join([key, f"d={depth:g}", f"w={width:g}", f"r={resolution}", *edit_words(edits or {})])


def edit_words(edits: Edits) -> list[str]:
    """Each edit as the part of a state: "3.kernel=7"; stages in order, and the fields of each as `edited` does them."""
    return [
        f"{number}.{field}={_text(edits[number][field])}"
        for number in sorted(edits)
        for field in FIELDS
        if field in edits[number]
    ]


def read(state: str) -> View:
    """What a state string says. Raises ValueError, a sentence with the field and its value, for one that is none.

    >>> read("resnet,d=2,r=160,3.block=basic")
    View(family='resnet', settings={'depth': 2.0, 'resolution': 160}, edits={3: {'block': 'basic'}})
    """
    if not isinstance(state, str):
        raise TypeError(f"state={state!r}: it must be a string like 'resnet,d=2,w=1.25,r=160'")
    family, *parts = (part.strip() for part in state.split(","))
    view = View(family, {}, {})
    for part in parts:
        name, _, text = part.partition("=")
        number, dot, field = name.partition(".")
        if dot:
            _read_edit(state, view, number, field, text)
            continue
        if name not in LETTERS:
            raise ValueError(f"state {state!r}: {part!r} is no setting; after the family come d=, w=, r= and edits")
        if LETTERS[name] in view.settings:
            raise ValueError(f"state {state!r}: {name}= stands twice; give each setting once")
        view.settings[LETTERS[name]] = _number(state, name, text, whole=name == "r", what=LETTERS[name])
    return view


def _read_edit(state: str, view: View, number: str, field: str, text: str) -> None:
    if not re.fullmatch(r"[1-9]\d?", number) or field not in FIELDS:
        raise ValueError(f"state {state!r}: {number}.{field} is no edit; it must be a stage's number and one of "
                         f"{choices(FIELDS)}, such as 3.kernel=5")  # fmt: skip
    fields = view.edits.setdefault(int(number), {})
    if field in fields:
        raise ValueError(f"state {state!r}: {number}.{field}= stands twice; give each edit once")
    name = f"{number}.{field}"
    fields[field] = text if field == "block" else _number(state, name, text, whole=_whole(field, text), what=field)


def _whole(field: str, text: str) -> bool:
    """Whether an edit's number is to be a whole one: blocks, channels and px are, shares and factors may be."""
    return field in ("depth", "width", "kernel") or text.isdecimal()


def _number(state: str, letter: str, text: str, *, whole: bool, what: str) -> float:
    kind, form = ("a whole number", r"\d{1,6}") if whole else ("a decimal number", r"\d{1,6}(\.\d{0,30})?")
    kind, example = ("a whole number of px", "160") if letter == "r" else (kind, "4" if whole else "1.2")
    if not re.fullmatch(form, text):
        raise ValueError(f"state {state!r}: {letter}={text!r}: the {what} must be {kind}, such as {example}")
    return int(text) if whole else float(text)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)


def key(name: str) -> str:
    """An architecture's name as the first part of a state: without commas and blanks."""
    return re.sub(r"[\s,]+", "_", name.strip()) or "yours"


def choices(options: Iterable[str]) -> str:
    """The options as words: "a, b or c"."""
    *most, last = options
    return f"{', '.join(most)} or {last}" if most else last


def coefficient_words(coefficients: Mapping[str, float], usual: Mapping[str, float]) -> list[str]:
    """The compound coefficients that are not the usual ones, as parts of a state: "a=1.25"."""
    return [f"{name[0]}={_text(value)}" for name, value in coefficients.items() if value != usual[name]]
