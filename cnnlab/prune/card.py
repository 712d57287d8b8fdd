"""The tables of data/pruned's card: what it holds and says, as Markdown. `python -m cnnlab.prune card` prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnlab.prune.comparison import SCRATCH
from cnnlab.prune.evidence import BASELINES, compared, pruned
from cnnlab.run.card import markdown

if TYPE_CHECKING:
    import pandas as pd


def card() -> str:
    """The card's tables, computed from data/pruned."""
    parts = [("What was measured", _counts())]
    for data, family in _kinds():
        parts.append((f"{data}, {family}: test accuracy at each budget of multiply-adds", _arms(family, data)))
    parts += [("Three numbers: validation accuracy on the way (%)", _way()), ("How often is it certain?", _certain())]
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts) + "\n"


def _kinds() -> list[tuple[str, str]]:
    found = pruned()[["data", "family"]].drop_duplicates().sort_values(["data", "family"])
    return list(zip(found["data"], found["family"], strict=True))


def _counts() -> str:
    rows = []
    for data, family in [*_kinds(), ("all", "")]:
        frame = pruned()
        part = frame if data == "all" else frame[(frame["data"] == data) & (frame["family"] == family)]
        rows.append(
            (data, family, part["importance"].nunique(), part["seed"].nunique(), len(part))
            + (f"{part['macs'].min() / 1e6:.2f} to {part['macs'].max() / 1e6:.2f}", _from_to(part["accuracy"]))
            + (f"{part['seconds'].sum() / 3600:.2f}",)
        )
    heads = ("data", "family", "arms", "seeds", "networks", "M MACs", "accuracy (%)", "hours of one thread")
    return markdown(heads, rows)


def _from_to(values: pd.Series[float]) -> str:
    return f"{values.min():.1f} to {values.max():.1f}"


def _arms(family: str, data: str) -> str:
    rows = []
    for row in compared(family, data).to_dict("records"):
        gains = [_gain(row, f"over_{baseline}") for baseline in BASELINES]
        accuracy = f"{row['accuracy']:.1f} ({row['low']:.1f} to {row['high']:.1f})"
        rows.append((f"{row['budget']:g}", row["importance"], f"{row['macs'] / 1e6:.2f}", accuracy, *gains))
    over = (f"over {baseline} (points, 95 %)" for baseline in BASELINES)
    return markdown(("budget", "arm", "M MACs", "accuracy (95 %)", *over), rows)


def _gain(row: Mapping[Any, Any], name: str) -> str:
    """A difference with its interval; none is NaN."""
    gain, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(gain):
        return ""
    return f"{gain:+.1f} ({low:+.1f} to {high:+.1f})"


def _way() -> str:
    frame = pruned()
    frame = frame[~frame["importance"].isin(SCRATCH)]
    names = ["whole_validation", "before", "recalibrated", "validation_accuracy"]
    means = frame.groupby(["data", "budget", "importance"])[names].mean().reset_index()
    means = means.sort_values(["data", "budget", "validation_accuracy"], ascending=[True, False, False])
    rows = [
        (row["data"], f"{row['budget']:g}", row["importance"], *(f"{row[name]:.1f}" for name in names))
        for row in means.to_dict("records")
    ]
    return markdown(("data", "budget", "criterion", "whole network", "before", "recalibrated", "fine-tuned"), rows)


def _certain() -> str:
    rows = []
    for baseline in BASELINES:
        for budget in sorted(set(pruned()["budget"]) - {1.0}, reverse=True):
            better, worse, open_ = 0, 0, 0
            for data, family in _kinds():
                frame = compared(family, data)
                frame = frame[(frame["budget"] == budget) & ~frame["importance"].isin([*SCRATCH, *BASELINES])]
                up, down = frame[f"over_{baseline}_low"] > 0, frame[f"over_{baseline}_high"] < 0
                better, worse, open_ = better + int(up.sum()), worse + int(down.sum()), open_ + int((~up & ~down).sum())
            rows.append((baseline, f"{budget:g}", better, worse, open_))
    heads = ("against", "budget", "criteria certainly better", "certainly worse", "open")
    return markdown(heads, rows)
