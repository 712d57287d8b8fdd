"""The state of an Explorer as a short string: "resnet,d=2,w=1.25,r=160"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

LETTERS = {"d": "depth", "w": "width", "r": "resolution"}


def write(key: str, depth: float, width: float, resolution: int) -> str:
    """The state string of these settings.

    >>> write("efficientnet", 1.4, 1.2, 300)
    'efficientnet,d=1.4,w=1.2,r=300'
    """
    return f"{key},d={depth:g},w={width:g},r={resolution}"


def read(state: str) -> tuple[str, dict[str, Any]]:
    """The family and the settings of a state string.

    Raises ValueError, as a sentence, for a string that is none; it names the field and its value.

    >>> read("resnet,d=2,r=160")
    ('resnet', {'depth': 2.0, 'resolution': 160})
    """
    if not isinstance(state, str):
        raise TypeError(f"state={state!r}: it must be a string like 'resnet,d=2,w=1.25,r=160'")
    family, *parts = (part.strip() for part in state.split(","))
    settings: dict[str, Any] = {}
    for part in parts:
        letter, _, text = part.partition("=")
        if letter not in LETTERS:
            raise ValueError(f"state {state!r}: {part!r} is no setting; after the family come d=, w= and r=")
        if LETTERS[letter] in settings:
            raise ValueError(f"state {state!r}: {letter}= stands twice; give each setting once")
        settings[LETTERS[letter]] = _number(state, letter, text)
    return family, settings


def _number(state: str, letter: str, text: str) -> float:
    whole = letter == "r"
    kind, form = ("a whole number of px", r"\d{1,6}") if whole else ("a decimal number", r"\d{1,6}(\.\d{0,9})?")
    example = "160" if whole else "1.2"
    if not re.fullmatch(form, text):
        raise ValueError(f"state {state!r}: {letter}={text!r}: the {LETTERS[letter]} must be {kind}, such as {example}")
    return int(text) if whole else float(text)


def key(name: str) -> str:
    """An architecture's name as the first part of a state: without commas and blanks."""
    return re.sub(r"[\s,]+", "_", name.strip()) or "yours"


def choices(options: Iterable[str]) -> str:
    """The options as words: "a, b or c"."""
    *most, last = options
    return f"{', '.join(most)} or {last}" if most else last
