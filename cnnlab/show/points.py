"""Points of accuracy against cost: what a point is, the points of a user's own frame, and how series look."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnlab.show import state as states
from cnnlab.show.framing import framed

Point = dict[str, Any]
"""JSON-able. name; label, short, for the plot; series, whose colour and shape it has; family; group, which a legend
shows or hides; kind: "published", "measured", "pruned" or "yours"; pale: drawn so.  accuracy, and low and high, the
ends of its 95 % interval, percent, None where there is none; seeds: networks of which it is the mean, or None.
costs: kind of cost -> number, or None where it is not known.  classes: the network's outputs, None if not known.
network: [base, depth, width, px] of which `cnnlab.show.costing` computes other costs, or None.  place: the slider
setting that makes this network, such as "efficientnet,d=1.4,w=1.2,r=300", or None.  note: what else a tooltip says."""

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
OTHERS = "other CNNs"
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
    OTHERS: ("ink", "plus"),
    "small_mbconv": ("vermilion", "circle"),
    "small_resnet": ("blue", "square"),
    "small_plain": ("grey", "cross"),
    "small_mbconv, pruned": ("orange", "diamond"),
    "small_resnet, pruned": ("sky", "up"),
    "small_mbconv, thin or whole": ("purple", "star"),
    "small_resnet, thin or whole": ("green", "down"),
}
YOURS = "yours"
NEEDED = ("accuracy", "macs", "params")
COUNTED = ("macs", "params", "activations")
"""The costs that every point of a source comes with."""

KINDS = (*COUNTED, "fvcore", "torchinfo", "ptflops", "thop", "inference", "training", "latency")
"""The costs that a point can stand at. Multiply-adds as four other tools count them; bytes to evaluate one image, and
to train with 32 (float32, momentum); seconds for one image."""


def given_points(frame: Any, kind: str = "measured") -> list[Point]:
    """The points of a DataFrame (or of dicts) with the columns accuracy, macs and params.

    Optional columns: name, family; low, high (percent), seeds; place; any other of `KINDS`. A row without a name is
    called by its family, depth, width and resolution. Raises ValueError, as a sentence, for a missing column, a number
    that is none and a place that no slider could have.
    """
    rows: Iterable[Mapping[Any, Any]] = frame.to_dict("records") if hasattr(frame, "to_dict") else list(frame)
    return [_given(i, row, kind) for i, row in enumerate(rows)]


def _given(i: int, row: Mapping[Any, Any], kind: str) -> Point:
    missing = [column for column in NEEDED if column not in row]
    if missing:
        raise ValueError(f"points has no column {missing[0]!r}; it needs {', '.join(NEEDED)}")
    family = str(row.get("family", YOURS if kind == YOURS else "points"))
    name = str(row.get("name", _named(row, family)))
    where = f"points row {i} ({name})"
    accuracy = _percent(where, "accuracy", row["accuracy"])
    low, high = (_percent(where, end, row[end]) if _known(row.get(end)) else None for end in ("low", "high"))
    if (low is not None and low > accuracy) or (high is not None and high < accuracy):
        raise ValueError(f"{where}: accuracy={accuracy:g} lies outside its own interval, low={low}, high={high}")
    return {
        "name": name,
        "label": name.replace("_", " "),
        "series": YOURS if kind == YOURS else family,
        "family": family,
        "group": YOURS if kind == YOURS else family,
        "kind": kind,
        "pale": False,
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "seeds": int(row["seeds"]) if _known(row.get("seeds")) else None,
        "classes": None,
        "costs": _costs(where, row),
        "network": None,
        "place": _place(row["place"]) if _known(row.get("place")) else None,
        "note": ", ".join(f"{k} {row[k]}" for k in ("data", "epochs", "seed") if k in row),
    }


def _known(value: Any) -> bool:
    """Whether there is a value: pandas has NaN or NA where a column has none."""
    import pandas as pd

    return not (value is None or pd.isna(value))


def _named(row: Mapping[Any, Any], family: str) -> str:
    knobs = [f"{k[0]}={row[k]:g}" for k in ("depth", "width", "resolution") if k in row]
    return " ".join([family, *knobs])


def _percent(where: str, field: str, value: Any) -> float:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)) or not 0 <= value <= 100:
        raise ValueError(f"{where}: {field}={value!r}; it must be a number from 0 to 100")
    return float(value)


def _place(value: Any) -> str:
    states.read(value)
    return str(value)


def _costs(where: str, row: Mapping[Any, Any]) -> dict[str, float | None]:
    """Whole numbers, but for seconds; all but multiply-adds and parameters may be unknown."""
    found: dict[str, float | None] = {}
    for kind in (*COUNTED, *(k for k in KINDS if k in row and k not in COUNTED)):
        value: Any = row.get(kind)
        known = isinstance(value, (int, float, np.number)) and math.isfinite(value) and value > 0
        if not known and (kind in NEEDED or _known(value)):
            raise ValueError(f"{where}: {kind}={value!r}; it must be a number above 0")
        found[kind] = None if not known else float(value) if kind == "latency" else int(value)
    return found


def grouped(points: Sequence[Point]) -> list[dict[str, Any]]:
    """The groups of these points, all of them shown: name, shown, note, count."""
    names = [p["group"] for p in points]
    return [{"name": name, "shown": True, "note": "", "count": names.count(name)} for name in dict.fromkeys(names)]


def evidence(
    points: Sequence[Point],
    axis: str,
    anchors: Sequence[Mapping[str, Any]] = (),
    groups: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """All that a picture needs besides the points: the title of the accuracy axis, the series with their colours and
    shapes, the best known first, and the groups, and which of them are shown (default: all, see `grouped`).

    Of what is in shown groups, for a still picture (a browser finds it itself): `shown`, the places of these points in
    `points`, and `domain`, `range`, `front` and `order`, see `cnnlab.show.framing.framed`. anchors: what the axes must
    reach besides the points: costs by kind, and an accuracy under "accuracy", "low" or "high".
    """
    groups = [dict(group) for group in (grouped(points) if groups is None else groups)]
    visible = {group["name"] for group in groups if group["shown"]}
    shown = [i for i, p in enumerate(points) if p["group"] in visible]
    series = list(dict.fromkeys(p["series"] for p in points))
    series.sort(key=lambda name: list(KNOWN).index(name) if name in KNOWN else len(KNOWN))  # stable
    kinds = dict.fromkeys([*COUNTED, *(kind for p in points for kind in p["costs"])])
    first = [i for i in shown if points[i]["kind"] == YOURS]
    named = [name for name in series if name not in (YOURS, OTHERS)]
    return {
        "axis": axis,
        "groups": groups,
        "series": [{"name": name, **_style(name, i)} for i, name in enumerate(series)],
        "points": list(points),
        "shown": shown,
        **framed(points, shown, anchors, kinds=kinds, first=first, series=named),
    }


def _style(name: str, place: int) -> dict[str, str]:
    if name in KNOWN or name == YOURS:
        colour, shape = KNOWN.get(name, ("vermilion", "star"))
    else:
        colour, shape = list(COLOURS)[place % len(COLOURS)], SHAPES[place % len(SHAPES)]
    return {"colour": colour, "shape": shape}
