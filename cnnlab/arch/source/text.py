"""Lines of Python: wrapping as the formatter would, and lists of like things as comprehensions."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from cnnlab.arch.source.layers import Made
from cnnlab.arch.source.numbers import Key, code

WIDTH = 120

SHORT = 60
"""Characters of what may stand in a comprehension."""


def reference(attribute: str) -> str:
    """How a class calls its submodule of this name, which may be a path."""
    plain = all(part.isidentifier() and not keyword.iskeyword(part) for part in attribute.split("."))
    return f"self.{attribute}" if plain else f'self.get_submodule("{attribute}")'


def arguments(made: Made, path: Key, texts: Mapping[Key, str]) -> Iterator[str]:
    """What stands between the brackets of a call."""
    for slot in made.slots:
        text = texts[(*path, slot.name)]
        if slot.default is None:
            yield text
        elif text != code(slot.default):
            yield f"{slot.name}={text}"


def folded(texts: list[str]) -> Iterator[str]:
    """The texts; three or more equal ones in a row, or four whose one number grows evenly, as a comprehension."""
    n = 0
    while n < len(texts):
        m = n
        while m < len(texts) and texts[m] == texts[n]:
            m += 1
        growing, pattern = _growing(texts[n:])
        if m - n >= 3 and texts[n] != "nn.Identity()" and len(texts[n]) <= SHORT:
            yield f"*[{texts[n]} for _ in range({m - n})]"
        elif growing >= 4 and len(pattern) <= SHORT:
            yield f"*[{pattern} for i in range({growing})]"
            m = n + growing
        else:
            yield from texts[n:m]
        n = m


def _growing(texts: list[str]) -> tuple[int, str]:
    """How many of the texts, from the first, differ only in one number that grows evenly, and their pattern in i."""
    pieces = [re.split(r"(?<![\w.])(\d+)(?![\w.])", text) for text in texts[:2]]
    if len(pieces) < 2 or len(pieces[0]) != len(pieces[1]):
        return 0, ""
    places = [k for k, (a, b) in enumerate(zip(*pieces, strict=True)) if a != b]
    if len(places) != 1 or places[0] % 2 == 0:
        return 0, ""
    at, (first, second) = places[0], (piece[places[0]] for piece in pieces)
    more, count = int(second) - int(first), 0
    head, tail = "".join(pieces[0][:at]), "".join(pieces[0][at + 1 :])
    while more > 0 and count < len(texts) and texts[count] == f"{head}{int(first) + more * count}{tail}":
        count += 1
    return count, f"{head}{first} + {more} * i{tail}"


def wrap(line: str, indent: int) -> list[str]:
    """A line of code as lines that fit: what stands in its last brackets gets a line for each item."""
    start, items, end = _brackets(line)
    if indent + len(line) <= WIDTH or not items:
        return [" " * indent + line]
    inner = [wrapped for text in items for wrapped in wrap(f"{text},", indent + 4)]
    return [" " * indent + line[: start + 1], *inner, " " * indent + line[end:]]


def _brackets(line: str) -> tuple[int, list[str], int]:
    """Where the last brackets of a line that stand in no others open, what they hold, and where they close."""
    start, end, depth = 0, 0, 0
    commas: list[int] = []
    for at, character in enumerate(line):
        if character in "([":
            if depth == 0:
                start, end, commas = at, at, [at]
            depth += 1
        elif character in ")]":
            depth -= 1
            end = at if depth == 0 else end
        elif character == "," and depth == 1:
            commas.append(at)
    commas.append(end)
    if len(commas) == 2 and not re.match(r"\w", line[start - 1 : start]):
        return start, [], end  # a comma would make a tuple of it
    items = [line[a + 1 : b].strip() for a, b in pairwise(commas)]
    return start, [item for item in items if item], end
