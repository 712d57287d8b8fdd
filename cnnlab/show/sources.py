"""Sources of accuracy: the published table and the measured ones, as points."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnlab.run.kept import kept
from cnnlab.show import state as states
from cnnlab.show.costing import outputs, place
from cnnlab.show.points import COUNTED, KNOWN, OTHERS, Point

if TYPE_CHECKING:
    import pandas as pd


class Source(NamedTuple):
    """What a menu calls it, and the title of its accuracy axis."""

    label: str
    axis: str


SOURCES: Mapping[str, Source] = {
    "imagenet": Source("ImageNet, published", "ImageNet top-1, %"),
    "glyphs": Source("glyphs, measured here", "glyphs test accuracy, %"),
    "fashion_mnist": Source("FashionMNIST, measured here", "FashionMNIST test accuracy, %"),
    "cifar10": Source("CIFAR-10, measured here", "CIFAR-10 test accuracy, %"),
    "clothing64": Source("photographs of clothing, measured here", "clothing test accuracy, %"),
    "own": Source("your own points", "accuracy, %"),
}
"""key -> a source of accuracy; "own" holds only what its user gives."""

LATER_RECIPE = re.compile(r"new-recipe|efficientnet|convnext|vision/pull/(5906|5935|6019)")
"""Addresses of recipes of the later kind, by which some first weights (V1) were nevertheless trained, or ported."""

DIGITS = 3  # of a percentage: one of 2,000 test images is 0.05
FIRST, LATER = "torchvision, first recipe", "torchvision, later recipe"
BASELINES = {"thin": "narrowed by one factor, trained from scratch", "whole": "nothing removed, trained as long"}


@cache
def points_of(key: str) -> list[Point]:
    """The points of a source; see `Point`. The list is shared: copy it before you change it.

    "imagenet": every convolutional network of `cl.published()` whose accuracy, multiply-adds and parameters are known
    and that was trained on ImageNet alone. The measured sources: the mean of the seeds of each setting of
    `cl.measured()`, with its 95 % interval from the spread between seeds, pooled over the settings of a family (three
    seeds of one setting say too little about it); and the pruned networks of `cl.prune.pruned()`, with the intervals
    of `cl.prune.compared`.

    A place is a network of as many classes as its base has. Where a point's `classes` are others, its cost is not that
    of the place, but of `scaled(replace(base, classes=classes), ...)`: the glyphs have 42 classes, their bases 10.

    Raises ValueError for what is no source.
    """
    if key not in SOURCES:
        raise ValueError(f"data={key!r}: it must be {states.choices(SOURCES)}")
    if key == "own":
        return []
    return kept(f"points {key}", lambda: _published() if key == "imagenet" else [*_measured(key), *_pruned(key)])


def _published() -> list[Point]:
    return [*map(_published_point, _published_rows())]


@cache
def groups_of(key: str) -> list[dict[str, Any]]:
    """The groups of a source's points, as a legend lists them: name, shown (by default), note, count.

    Of the published accuracies only torchvision's are shown: those of papers are of several crops, or of other networks
    under the same names, and do not compare.
    """
    return kept(f"groups {key}", lambda: _groups(key))


def _groups(key: str) -> list[dict[str, Any]]:
    parts: dict[str, list[int]] = {}
    for i, p in enumerate(points_of(key)):
        parts.setdefault(p["group"], []).append(i)
    found = []
    for name, members in parts.items():
        point = points_of(key)[members[0]]
        shown = name in (FIRST, LATER) or point["kind"] == "measured"
        note = _protocols(members) if key == "imagenet" else _extent(key, [points_of(key)[i] for i in members])
        found.append({"name": name, "shown": shown, "note": note, "count": len(members)})
    return sorted(found, key=lambda group: (not group["shown"], group["name"]))


def _protocols(members: Sequence[int]) -> str:
    """What was averaged at test."""
    rows = _published_rows()
    return "; ".join(dict.fromkeys(rows[i]["protocol"] for i in members))


def _extent(data: str, points: Sequence[Point]) -> str:
    """How long these networks were trained, how many seeds each, and how many are left out as training broke down."""
    from cnnlab.prune.evidence import pruned
    from cnnlab.run.measured import PREFIX, measured

    of, seeds = {p["family"].removeprefix(PREFIX) for p in points}, [p["seeds"] for p in points]
    frame = measured(data) if points[0]["kind"] == "measured" else pruned(data)
    frame = frame[frame["family"].isin(of)]
    epochs, broken = frame["epochs"].dropna(), int(frame["accuracy"].isna().sum())
    words = f"trained for {_span(epochs)} epochs, each the mean of {_span(seeds)} seeds"
    return words + (f"; {broken} networks whose training broke down are left out" if broken else "")


def _span(numbers: Iterable[float]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


@cache
def _published_rows() -> list[Mapping[Any, Any]]:
    """torchvision's rows and those of papers, each with the base, depth and width that make its network."""
    from cnnlab.run import tables  # late, as all of run/: it loads torch
    from cnnlab.run.evidence import published
    from cnnlab.run.papers import papers

    bases = tables.read("published.csv")["base"].fillna("")
    frame = published()
    ours = frame[frame["source"].str.startswith("torchvision") & ~frame["weights"].str.contains("SWAG")]
    rows: list[Mapping[Any, Any]] = [{**row, "base": row["name"], "depth": 1, "width": 1} for row in _rows(ours)]
    rows += [{**row, "base": base} for row, base in zip(papers(), bases, strict=True)]
    kept = (row for row in rows if row["data"] == "imagenet" and row["family"] != "transformer")
    known = [row for row in kept if not any(_unknown(row[field]) for field in ("accuracy", "macs", "params"))]
    return sorted(known, key=lambda row: row["macs"])


def _published_point(row: Mapping[Any, Any]) -> Point:
    own = bool(row["weights"])
    first = own and row["weights"].endswith("V1") and not LATER_RECIPE.search(str(row["recipe"]))
    paper = re.match(r".*? \d{4}", row["source"])
    px = None if _unknown(row["resolution"]) else int(row["resolution"])
    network = [row["base"], float(row["depth"]), float(row["width"]), px] if row["cost"] == "computed" else None
    weights = [row["weights"], "first recipe" if first else "later recipe"] if own else []
    note = [*weights, row["protocol"], f"{px} px", row["source"], row["note"]]
    return {
        "name": row["model"],
        "label": re.sub(r"^efficientnet_", "", row["model"]).replace("_", " "),
        "series": row["family"] if row["family"] in KNOWN else OTHERS,
        "family": row["family"],
        "group": (FIRST if first else LATER) if own else paper.group() if paper else row["source"],
        "kind": "published",
        "pale": first,
        "accuracy": float(row["accuracy"]),
        **dict.fromkeys(("low", "high", "seeds")),
        "classes": 1000,
        "costs": {kind: None if _unknown(row[kind]) else int(row[kind]) for kind in COUNTED},
        "network": network,
        "place": network and place(*network),
        "note": ", ".join(part for part in note if part),
    }


def _measured(data: str) -> list[Point]:
    from cnnlab.run.measured import KNOBS, QUANTILE, measured, seed_noise

    found = []
    for (base, epochs), part in measured(data).groupby(["base", "epochs"]):
        known = part[part["accuracy"].notna()]
        classes = outputs(str(base), _rows(known)[0])
        cells = known.groupby(list(KNOBS))
        margins = QUANTILE * seed_noise(known) / cells.size() ** 0.5
        means = cells.agg({**dict.fromkeys(COUNTED, "first"), "accuracy": "mean"})
        table = means.assign(seeds=cells.size(), margin=margins).reset_index()
        for row in _rows(table):
            depth, width, px = float(row["depth"]), float(row["width"]), int(row["resolution"])
            network = [str(base), depth, width, px]
            setting = f"d={depth:g} w={width:g} {px} px"
            more = {"classes": classes, "network": network, "place": place(str(base), depth, width, px)}
            note = f"mean of {row['seeds']} seeds, {epochs} epochs, {px} px, cl.measured({data!r})"
            found.append(_cell(row, (str(base), "measured", f"{base}, trained here"), setting, note) | more)
    return found


def _pruned(data: str) -> list[Point]:
    """One point for each family, criterion and budget. Their channels are no multiples of a base's: no place."""
    from cnnlab.prune.evidence import compared, pruned
    from cnnlab.run.measured import PREFIX

    found, frame = [], pruned()
    for family, part in frame[frame["data"] == data].groupby("family"):
        cells = ["budget", "importance"]
        costs = part[part["accuracy"].notna()].groupby(cells)[list(COUNTED)].mean().round()
        table = compared(str(family), data).drop(columns="macs").merge(costs.reset_index(), on=cells)
        table = table.assign(margin=table["high"] - table["accuracy"], seeds=table["networks"])
        epochs, px = part["tuned_epochs"].iloc[0], part["resolution"].iloc[0]
        for row in _rows(table):
            criterion = row["importance"].replace("_", " ")
            baseline = BASELINES.get(row["importance"])
            group, series = (
                ("beside the pruned", "thin or whole") if baseline else ("pruned, then fine-tuned", "pruned")
            )
            what = baseline or f"cut by {criterion}, then trained for {epochs} epochs"
            note = f"{what}, {row['budget']:.0%} of the multiply-adds, mean of {row['seeds']} seeds, {px} px"
            names = (f"{PREFIX}{family}, {series}", "pruned", group)
            found.append(_cell(row, names, f"{criterion} {row['budget']:g}", f"{note}, cl.prune.pruned({data!r})"))
    return found


def _cell(row: Mapping[Any, Any], names: tuple[str, str, str], label: str, note: str) -> Point:
    """The point of several networks. names: series (which begins with the family), kind and group."""
    series, kind, group = names
    family, accuracy = series.partition(",")[0], float(row["accuracy"])
    margin = None if _unknown(row["margin"]) else float(row["margin"])
    return {
        "name": f"{family} {label}",
        "label": label,
        "series": series,
        "family": family,
        "group": group,
        "kind": kind,
        "pale": False,
        "accuracy": round(accuracy, DIGITS),
        "low": None if margin is None else max(0.0, round(accuracy - margin, DIGITS)),  # no percentage is below 0
        "high": None if margin is None else min(100.0, round(accuracy + margin, DIGITS)),
        "seeds": int(row["seeds"]),
        "classes": None,
        "costs": {kind: int(row[kind]) for kind in COUNTED},
        "network": None,
        "place": None,
        "note": note,
    }


def _rows(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


def _unknown(value: Any) -> bool:
    import pandas as pd

    return value is None or bool(pd.isna(value))
