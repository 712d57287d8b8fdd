"""What an exercise is, and what is said to an answer: what was expected, what came, and the likely mistake."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, TypeAlias

from cnnlab.arch.graph import Graph

Wrong: TypeAlias = Callable[[], float | str]
"""The answer that a mistake leads to."""


@dataclass(frozen=True)
class Exercise:
    """A question with one answer, a number or a word, that cnnlab computes.

    asks: what is expected, as it follows "Expected: ". unit: of the number. close: relative tolerance of a number.
    mistakes: a sentence for each likely mistake, keyed by the answer that it leads to.
    """

    asks: str
    answer: Callable[[], float | str]
    unit: str = ""
    close: float = 1e-9
    mistakes: Mapping[Wrong, str] = field(default_factory=dict)

    def verdict(self, answer: Any) -> str:
        """What to say to this answer; it starts with "right" or "not yet"."""
        right = self.answer()
        if not _is_kind(answer, right):
            kind = "a word in quotes" if isinstance(right, str) else f"a number{f', in {self.unit}' * bool(self.unit)}"
            return f"not yet. Expected: {self.asks}, as {kind}. Came: {answer!r}."
        came = f"{_told(answer)} {self.unit}".strip()
        if self._same(answer, right):
            return f"right: {came}."
        for wrong, sentence in self.mistakes.items():
            if self._same(answer, wrong()):
                return f"not yet. Expected: {self.asks}. Came: {came}. Likely: {sentence}."
        way = "" if isinstance(right, str) else f", which is too {'large' if answer > right else 'small'}"
        return f"not yet. Expected: {self.asks}. Came: {came}{way}."

    def _same(self, answer: Any, other: float | str) -> bool:
        if isinstance(other, str):
            return bool(answer.strip().casefold() == other.casefold())
        return math.isclose(answer, other, rel_tol=self.close)


@dataclass(frozen=True)
class Task:
    """A task with many right answers: build something that holds to a rule.

    asks: as of `Exercise`. judge: raises ValueError, TypeError or AttributeError for what is not such a thing; else
    whether it is right, and a sentence about what came, without its full stop.
    """

    asks: str
    judge: Callable[[Any], tuple[bool, str]]

    def verdict(self, answer: Any) -> str:
        """What to say to this answer; it starts with "right" or "not yet"."""
        try:
            right, came = self.judge(answer)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return f"not yet. Expected: {self.asks}. Came: {_short(answer)}, which cannot be judged ({error})."
        return f"right: {came}." if right else f"not yet. Expected: {self.asks}. Came: {came}."


def number_of(graph: Graph, kind: type) -> int:
    """How many layers of a network are of this kind, such as `cnnlab.arch.layers.Conv`."""
    return sum(isinstance(layer.op, kind) for layer in graph.layers)


def _is_kind(answer: Any, right: float | str) -> bool:
    if isinstance(right, str):
        return isinstance(answer, str)
    return isinstance(answer, Real) and not isinstance(answer, bool) and math.isfinite(answer)


def _told(answer: Any) -> str:
    if isinstance(answer, str):
        return repr(answer)
    return f"{int(answer):,}" if float(answer).is_integer() else f"{float(answer):,.4g}"


def _short(answer: Any) -> str:
    text = repr(answer)
    return text if len(text) <= 60 else f"{text[:57]}..."
