"""What is read in the lessons' text: words, numbers that were typed, and links. Shared by the tests of the suite."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.notebook_guard import outside_fences

# A decimal, thousands with their commas, a percentage: what is measured or computed looks like this
TYPED = re.compile(r"(?<![\w.:/-])(?:\d+\.\d+|\d{1,3}(?:,\d{3})+|\d+(?= ?%))(?![\w-])")
LATIN = re.compile(r"[a-zA-Z\u00c0-\u024f']+")
CITED = re.compile(r"\b(?:19|20)\d\d\b")
CALLED = re.compile(r"95 %")  # the name of an interval


def prose(markdown: str) -> str:
    """Markdown without code, addresses and HTML tags."""
    text = outside_fences(markdown)
    text = re.sub(r"`[^`]*`", " ", text)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    return re.sub(r"<[^>]+>|https?://\S+|arXiv:\S+", " ", text)


def words(markdown: str) -> set[str]:
    """The words to be spelled: letters only; names in capitals and Chinese left out.

    >>> sorted(words("A *width* of `c` in ResNet-50: isn't B0's."))
    ['A', 'in', "isn't", 'of', 'width']
    """
    found = re.findall(r"[^\W_]+(?:['’][^\W_]+)?", prose(markdown).replace("’", "'"))
    return {word for word in found if LATIN.fullmatch(word) and not any(letter.isupper() for letter in word[1:])}


def typed_numbers(markdown: str, code: str = "") -> Iterator[str]:
    """Numbers in a paragraph's prose that neither a paper says (a paragraph with a year cites one) nor a cell sets.

    >>> list(typed_numbers("It gains 7.3 points, at `1.5`, with 2,000 images.", code="limit=2000"))
    ['7.3']
    """
    set_by_code = {literal.replace("_", "") for literal in re.findall(r"(?<![\w.])\d[\d_]*(?:\.\d+)?", code)}
    for paragraph in re.split(r"\n\s*\n|\n(?=[*|] )", outside_fences(markdown)):
        if not CITED.search(paragraph):
            found = TYPED.findall(CALLED.sub("", prose(paragraph)))
            yield from (number for number in found if number.replace(",", "") not in set_by_code)


def links(markdown: str) -> list[str]:
    """Where the links and pictures of a text lead; a badge, a picture in a link, leads to two places.

    >>> links("[![a](b.svg)](https://c.org/d) and [e](f.md#g)")
    ['b.svg', 'https://c.org/d', 'f.md#g']
    """
    return re.findall(r"\]\(([^)\s]+)\)", outside_fences(markdown))
