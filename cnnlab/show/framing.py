"""How a still picture of accuracy against cost is framed: its axes, the Pareto fronts, and whom to label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnlab.arch.pareto import pareto

MOST_LABELS = 24


def framed(
    points: Sequence[Mapping[str, Any]],
    shown: Sequence[int],
    anchors: Sequence[Mapping[str, Any]],
    *,
    kinds: Iterable[str],
    first: Sequence[int],
    series: Sequence[str],
) -> dict[str, Any]:
    """How the shown points, told by their places in `points`, stand in a picture (`cnnlab.show.points.evidence`).

    domain: kind -> the ends of its axis; range: the ends of the accuracy axis; front: kind -> the Pareto front, from
    the cheapest to the best; order: kind -> whom to label first. first: whom to label before all others; series: whose
    best and cheapest are worth a label.
    """
    fronts = {kind: front(points, kind, shown) for kind in kinds}
    costs = [*(points[i]["costs"] for i in shown), *anchors]
    return {
        "domain": {kind: _domain([cost.get(kind) for cost in costs]) for kind in fronts},
        "range": _range([points[i] for i in shown], anchors),
        "front": fronts,
        "order": {
            kind: _order(points, kind, known(points, kind, shown), first, series, fronts[kind]) for kind in fronts
        },
    }


def known(points: Sequence[Mapping[str, Any]], kind: str, among: Iterable[int]) -> list[int]:
    """Those of these points whose cost of this kind is known."""
    return [i for i in among if points[i]["costs"].get(kind) is not None]


def front(points: Sequence[Mapping[str, Any]], kind: str, among: Iterable[int]) -> list[int]:
    """Which of these points none of them beats in both cost and accuracy, from the cheapest to the best."""
    import pandas as pd

    places = known(points, kind, among)
    columns = {
        "cost": [points[i]["costs"][kind] for i in places],
        "accuracy": [points[i]["accuracy"] for i in places],
    }
    return pareto(pd.DataFrame(columns, places, dtype=float), "cost").index.to_list()


def _domain(costs: Iterable[Any]) -> list[float]:
    """The ends of a logarithmic axis that all of these costs fit on, with some air."""
    positive = [cost for cost in costs if cost]
    least, most = (min(positive), max(positive)) if positive else (1e6, 1e9)
    air = max(1.25, 30 / (most / least)) if most / least < 30 else 1.25
    return [least / air, most * air]


def _range(points: Sequence[Mapping[str, Any]], anchors: Sequence[Mapping[str, Any]]) -> list[float]:
    """The ends of the accuracy axis; of many points the worst few are left to stand at its foot."""
    rows = [*points, *(anchor for anchor in anchors if {"accuracy", "low", "high"} & set(anchor))]
    if not rows:
        return [0.0, 100.0]
    values = [p["accuracy"] for p in points]
    foot = float(np.percentile(values, 5)) if len(values) >= 40 else -math.inf
    kept = [row for row in rows if row.get("accuracy") is None or row["accuracy"] >= foot]
    least, most = (
        end(row[field] for row in some for field in ("accuracy", "low", "high") if row.get(field) is not None)
        for end, some in ((min, kept), (max, rows))
    )
    air = max(1.0, 0.05 * (most - least), (10 - most + least) / 2)  # at least ten points of accuracy on the axis
    return [max(0.0, math.floor(least - air)), min(100.5, most + 1.2 * air)]


def _order(
    points: Sequence[Mapping[str, Any]],
    kind: str,
    among: Sequence[int],
    first: Sequence[int],
    series: Sequence[str],
    best: Sequence[int],
) -> list[int]:
    """First these, then the best and the cheapest of the first series, then the front."""
    own = [i for i in first if i in among]
    ends = []
    for name in series:
        if members := [i for i in among if points[i]["series"] == name]:
            ends.append(max(members, key=lambda i: points[i]["accuracy"]))
            ends.append(min(members, key=lambda i: points[i]["costs"][kind]))
    return list(dict.fromkeys([*own, *ends[:6], *best, *ends[6:]]))[: MOST_LABELS + len(own)]
