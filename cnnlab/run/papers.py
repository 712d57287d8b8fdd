"""The figures of papers: `data/published.csv`, with the networks that they belong to and what those cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from math import isnan
from typing import Any

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.cost import Cost
from cnnlab.arch.network import Network
from cnnlab.arch.scaling import scaled
from cnnlab.run import tables
from cnnlab.run.printed import printed

CLASSES: Mapping[str, int] = {"imagenet": 1000, "cifar10": 10, "cifar100": 100}
"""Data set -> its classes, and so the outputs of a network for it."""

WORDS = ("data", "name", "base", "model", "family", "protocol", "recipe", "source", "note")
"""Columns of words; "" where the file says nothing. All others are numbers; NaN where the paper states none."""


def network(row: Mapping[str, Any]) -> Architecture | Network | None:
    """The network of a row of `data/published.csv`: its base with depth and width multiplied, for its data's classes.

    At the row's resolution, or where that is NaN (images of several sizes) at the base's own. None where the row has
    no base: the paper does not say enough to build it. Raises ValueError, as a sentence, for a base or data unknown.

    >>> row = {"data": "cifar100", "base": "wrn28", "depth": 1, "width": 10, "resolution": 32}
    >>> network(row).cost().params
    36536884
    """
    if not row["base"]:
        return None
    if row["data"] not in CLASSES:
        raise ValueError(f"data {row['data']!r} of model {row.get('model', '')!r} must be one of {', '.join(CLASSES)}")
    base = replace(printed(row["base"]), classes=CLASSES[row["data"]])
    resolution = None if isnan(row["resolution"]) else int(row["resolution"])
    return scaled(base, depth=row["depth"], width=row["width"], resolution=resolution)


@cache  # the shipped file does not change
def papers() -> tuple[Mapping[str, Any], ...]:
    """A dict for each row of `data/published.csv`, with the columns of `cnnlab.published()`."""
    frame = tables.read("published.csv")
    frame[list(WORDS)] = frame[list(WORDS)].fillna("")
    return tuple(_row(row) for row in frame.to_dict("records"))


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    stated = {what: None if isnan(row[what]) else round(row[what]) for what in ("macs", "params")}
    built = network(row)
    kept = {column: value for column, value in row.items() if column not in ("base", *stated)}
    return {
        **kept,
        **(stated | {"activations": None} if built is None else _costs(built.cost(), isnan(row["resolution"]))),
        "weights": "",
        "cost": "stated" if built is None else "computed",
        "stated_macs": stated["macs"],
        "stated_params": stated["params"],
    }


def _costs(cost: Cost, several_sizes: bool) -> dict[str, int | None]:
    """Parameters are the same at every size; the rest is unknown where images of several sizes were evaluated."""
    known = {"macs": cost.macs, "params": cost.params, "activations": cost.activations}
    return {what: None if several_sizes and what != "params" else int(number) for what, number in known.items()}
