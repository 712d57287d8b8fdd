"""Budgets: what may be asked of a pruned network, and the fewest steps that meet it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from cnnlab.arch.graph import Graph
from cnnlab.arch.whole import check_real, named

BUDGETS: Mapping[str, Callable[[Graph], int]] = {
    "macs": lambda graph: int(graph.cost().macs),
    "params": lambda graph: int(graph.cost().params),
    "activations": lambda graph: int(graph.cost().activations),
    "peak": lambda graph: int(graph.memory().peak),
    "saved": lambda graph: int(graph.memory().saved),
}
"""What a budget may be in: as `Graph.cost` and, bytes of one float32 image, as `Graph.memory` count it."""


def limits(graph: Graph, budget: Any) -> dict[str, int]:
    """What is budgeted -> the most that it may be, in units of its own."""
    given = budget if isinstance(budget, Mapping) else {"macs": budget}
    if not given or not set(given) <= set(BUDGETS):
        raise ValueError(f"plan: budget={budget!r}: a budget is in {', '.join(BUDGETS)}")
    found = {}
    for what, value in given.items():
        value, now = float(named("plan", check_real, f"budget of {what}", value, above=0)), BUDGETS[what](graph)
        most = math.floor(now * value) if value <= 1 else math.floor(value)
        if most > now:
            raise ValueError(
                f"plan: the budget of {most:,} {what} is above the present {now:,}; pruning only removes (a budget up "
                "to 1 is a share of the present)"
            )
        found[what] = most
    return found


def fewest(steps: int, graph_after: Callable[[int], Graph], budgets: Mapping[str, int]) -> int:
    """The fewest steps of so many that meet every budget; graph_after(n): the network after n of them.

    Each step removes something, so none costs more. Raises ValueError, as a sentence, if all steps are not enough.
    """

    def excess(steps: int) -> float:
        """By what share the budget that is missed most is missed; 0 or less if all are met."""
        graph = graph_after(steps)
        return max((BUDGETS[what](graph) - most) / max(most, 1) for what, most in budgets.items())

    low, high = 0, steps
    above, below = excess(low), excess(high)
    if below > 0:
        graph = graph_after(high)
        least = ", ".join(f"{what}={BUDGETS[what](graph):,}" for what in budgets)
        asked = ", ".join(f"{what}={n:,}" for what, n in budgets.items())
        raise ValueError(
            f"plan: {graph.name} cannot be pruned to {asked}: the least reachable is {least} (groups that are "
            "locked or skipped, and `least` and `round_to`, keep the rest)"
        )
    if above <= 0:
        return low
    tries = 0
    while high - low > 1:  # the answer lies above low, and is high or less
        tries += 1
        share = 0.5 if tries % 3 == 0 else above / (above - below)  # a straight line, or now and then the middle
        middle = min(max(low + round(share * (high - low)), low + 1), high - 1)
        now = excess(middle)
        if now > 0:
            low, above = middle, now
        else:
            high, below = middle, now
    return high
