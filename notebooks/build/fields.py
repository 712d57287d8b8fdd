"""Numbers in prose: `{expression:format}` in a markdown cell is computed by the kernel, after the cells before it."""

from __future__ import annotations

import re
from string import Formatter


def has_fields(text: str) -> bool:
    """Whether something in this text is to be computed.

    >>> has_fields("It costs {cost.macs:,}."), has_fields("a set: {{1, 2}}")
    (True, False)
    """
    return any(name is not None for _, name, _, _ in Formatter().parse(text))


def as_code(text: str) -> str:
    """Python that prints the text with its fields filled in.

    >>> exec(as_code("{1 + 1:.1f} is two"))
    2.0 is two
    """
    parts = []
    for literal, name, spec, _ in Formatter().parse(text):
        parts.append(repr(literal))
        if name is not None:
            parts.append(f"format({name}, {spec!r})")
    return f"print({', '.join(parts)}, sep='', end='')"


def pattern(text: str) -> re.Pattern[str]:
    """What the filled-in text must match, whatever the values.

    >>> bool(pattern("It costs {cost:,} units.").fullmatch("It costs 1,234 units."))
    True
    """
    parts = [re.escape(literal) + ("" if name is None else ".+?") for literal, name, _, _ in Formatter().parse(text)]
    return re.compile("".join(parts), re.DOTALL)


def plain(text: str) -> str:
    """The text without what is computed, with its doubled braces single."""
    return "".join(literal for literal, _, _, _ in Formatter().parse(text))
