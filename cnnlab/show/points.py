"""Points of accuracy against cost: from the published table, from a frame of one's own, or added one by one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnlab.show.tables import KINDS

Point = dict[str, Any]
"""JSON-able: name, label, series, family, kind, pale, accuracy, macs, params, activations (or None), note."""

# Okabe and Ito's colours, and three more that stay apart for the colour-blind; every series has its own shape as well.
COLOURS = {
    "vermilion": "#d55e00",
    "purple": "#cc79a7",
    "blue": "#0072b2",
    "sky": "#56b4e9",
    "green": "#009e73",
    "olive": "#999933",
    "orange": "#e69f00",
    "grey": "#888888",
    "ink": "#444444",
}
SHAPES = ("circle", "diamond", "square", "up", "down", "pentagon", "star", "cross", "left", "plus")
KNOWN = {
    "EfficientNet": ("vermilion", "circle"),
    "EfficientNetV2": ("purple", "diamond"),
    "ResNet": ("blue", "square"),
    "ResNeXt": ("sky", "up"),
    "Wide ResNet": ("green", "down"),
    "RegNetX": ("olive", "left"),
    "RegNetY": ("olive", "pentagon"),
    "ConvNeXt": ("orange", "star"),
    "MobileNet": ("grey", "cross"),
    "other CNNs": ("ink", "plus"),
}
YOURS = "yours"
# First weights that were nevertheless trained, or ported, with a recipe of the later kind.
LATER_RECIPE = re.compile(r"new-recipe|efficientnet|convnext|vision/pull/(5906|5935|6019)")
NEEDED = ("accuracy", "macs", "params")


def published_points() -> list[Point]:
    """torchvision's rows of `cnnlab.published()`, without transformers and what was trained on more than ImageNet.

    The rows of papers stay away: tests of several crops, and other networks under the same names, do not compare.
    """
    from cnnlab.run.evidence import published  # late: it loads torch

    frame = published()
    frame = frame[frame["source"].str.startswith("torchvision")]
    frame = frame[(frame["family"] != "transformer") & ~frame["weights"].str.contains("SWAG")]
    return [_published(row) for row in frame.to_dict("records") if not math.isnan(row["accuracy"])]


def _published(row: Mapping[Any, Any]) -> Point:
    first = row["weights"].endswith("V1") and not LATER_RECIPE.search(str(row["recipe"]))
    return {
        "name": row["name"],
        "label": re.sub(r"^efficientnet_", "", row["name"]).replace("_", " "),
        "series": row["family"] if row["family"] in KNOWN else "other CNNs",
        "family": row["family"],
        "kind": "published",
        "pale": first,
        "accuracy": float(row["accuracy"]),
        **_costs(row),
        "note": f"{row['weights']}{', first recipe' if first else ''}, {row['resolution']} px",
    }


def given_points(frame: Any, kind: str = "measured") -> list[Point]:
    """The points of a DataFrame (or of dicts) with the columns accuracy, macs and params.

    Optional columns: name, family, activations; a row without a name is called by its family, depth, width and
    resolution. Raises ValueError, as a sentence, for a missing column or a number that is none.
    """
    rows: Iterable[Mapping[Any, Any]] = frame.to_dict("records") if hasattr(frame, "to_dict") else list(frame)
    points = []
    for place, row in enumerate(rows):
        missing = [column for column in NEEDED if column not in row]
        if missing:
            raise ValueError(f"points has no column {missing[0]!r}; it needs {', '.join(NEEDED)}")
        family = str(row.get("family", YOURS if kind == YOURS else "points"))
        name = str(row.get("name", _named(row, family)))
        accuracy = _accuracy(f"points row {place} ({name})", row["accuracy"])
        note = ", ".join(f"{k} {row[k]}" for k in ("data", "epochs", "seed") if k in row)
        points.append(
            {
                "name": name,
                "label": name.replace("_", " "),
                "series": YOURS if kind == YOURS else family,
                "family": family,
                "kind": kind,
                "pale": False,
                "accuracy": accuracy,
                **_costs(row),
                "note": note,
            }
        )
    return points


def _named(row: Mapping[Any, Any], family: str) -> str:
    knobs = [f"{k[0]}={row[k]:g}" for k in ("depth", "width", "resolution") if k in row]
    return " ".join([family, *knobs])


def _accuracy(where: str, value: Any) -> float:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)) or not 0 <= value <= 100:
        raise ValueError(f"{where}: accuracy={value!r}; it must be a number from 0 to 100")
    return float(value)


def _costs(row: Mapping[Any, Any]) -> dict[str, int | None]:
    """Costs as ints; activations may be unknown."""
    found: dict[str, int | None] = {}
    for kind in KINDS:
        value = row.get(kind)
        known = isinstance(value, (int, float, np.number)) and not math.isnan(value)
        if not known and kind in NEEDED:
            raise ValueError(f"points row {row.get('name', '')}: {kind}={value!r}; it must be a whole number")
        found[kind] = int(value) if known else None  # type: ignore[arg-type]
    return found


def evidence(points: Sequence[Point], axis: str, anchors: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """All that a picture needs besides the points: colours and shapes, axes, Pareto fronts, whom to label first.

    anchors: costs that the axes must reach besides the points', such as those of the networks on the sliders.
    """
    names = list(dict.fromkeys(p["series"] for p in points))
    names.sort(key=lambda name: list(KNOWN).index(name) if name in KNOWN else len(KNOWN))  # stable
    series = [{"name": name, **_style(name, i)} for i, name in enumerate(names)]
    return {
        "axis": axis,
        "series": series,
        "points": [{**p, "series": names.index(p["series"])} for p in points],
        "domain": {kind: _costs_domain(points, anchors, kind) for kind in KINDS},
        "range": _accuracy_range([p["accuracy"] for p in points]),
        "front": {kind: front(points, kind) for kind in KINDS},
        "order": _order(points, names),
    }


def _style(name: str, place: int) -> dict[str, str]:
    if name in KNOWN or name == YOURS:
        colour, shape = KNOWN.get(name, ("vermilion", "star"))
    else:
        colour, shape = list(COLOURS)[place % len(COLOURS)], SHAPES[place % len(SHAPES)]
    return {"colour": colour, "shape": shape}


def front(points: Sequence[Point], kind: str) -> list[int]:
    """The points that none beats in both cost and accuracy, from the cheapest to the best."""
    known = [i for i, p in enumerate(points) if p[kind] is not None]
    known.sort(key=lambda i: (points[i][kind], -points[i]["accuracy"]))
    best, found = -1.0, []
    for i in known:
        if points[i]["accuracy"] > best:
            best = points[i]["accuracy"]
            found.append(i)
    return found


def _costs_domain(points: Sequence[Point], anchors: Sequence[Mapping[str, int]], kind: str) -> list[float]:
    """The ends of a logarithmic axis that all of these costs fit on, with some air."""
    costs = [c for c in (row[kind] for row in [*points, *anchors]) if c]
    least, most = (min(costs), max(costs)) if costs else (1e6, 1e9)
    air = max(1.25, 30 / (most / least)) if most / least < 30 else 1.25
    return [least / air, most * air]


def _accuracy_range(values: Sequence[float]) -> list[float]:
    """The ends of the accuracy axis; of many points the worst few are left to stand at its foot."""
    if not values:
        return [0.0, 100.0]
    least = float(np.percentile(values, 5)) if len(values) >= 40 else min(values)
    spread = max(values) - least
    air = max(1.0, 0.05 * spread, (10 - spread) / 2)  # at least ten points of accuracy on the axis
    return [max(0.0, math.floor(least - air)), min(100.5, max(values) + 1.2 * air)]


def _order(points: Sequence[Point], names: Sequence[str]) -> list[int]:
    """Whom to label first: one's own points, then the best and the cheapest of the first families, then the front."""
    yours = [i for i, p in enumerate(points) if p["kind"] == YOURS]
    ends = []
    for name in names:
        members = [i for i, p in enumerate(points) if p["series"] == name]
        if name not in (YOURS, "other CNNs"):
            ends.append(max(members, key=lambda i: points[i]["accuracy"]))
            ends.append(min(members, key=lambda i: points[i]["macs"]))
    first, rest = ends[:6], ends[6:]
    return list(dict.fromkeys([*yours, *first, *front(points, "macs"), *rest]))[: 24 + len(yours)]
