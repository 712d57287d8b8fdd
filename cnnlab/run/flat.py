"""The rows of a store as CSV files of plain cells, and back: what is shipped, and what a sweep can start from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.run.recipe import Epoch, Recipe
from cnnlab.run.store import COLUMNS, Store
from cnnlab.run.trial import digest

if TYPE_CHECKING:
    import pandas as pd

RECIPE = tuple(field.name for field in fields(Recipe) if field.name not in ("epochs", "seed"))
VERSIONS = ("cnnlab", "commit", "python", "torch", "numpy")
CURVES = {"train_loss": "losses", "train_accuracy": "train_curve", "validation_accuracy": "curve", "seconds": "times"}
"""field of an epoch -> the column that holds it for all epochs, with blanks between."""
ORDER = ("data", "base", "depth", "width", "resolution", "seed", "key")
DIGITS = 5  # after the point: an accuracy is a multiple of 0.01, a loss has noise far above 0.00001


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of `Store.frame` with one plain value a cell: recipe, versions and curves in columns of their own.

    `planned` is the number of epochs of the recipe (`epochs` were trained), `fingerprint` that of the data. Numbers are
    rounded to 5 digits after the point. Rows are in the order of data, base, depth, width, resolution and seed, so that
    the same rows make the same file.
    """
    import pandas as pd

    found = pd.DataFrame([_flat(row) for row in frame.to_dict("records")])
    return found.sort_values(list(ORDER), ignore_index=True) if len(found) else found


def write(frame: pd.DataFrame, place: str | os.PathLike[str]) -> list[Path]:
    """Write `table(frame)` as CSV: into one file, or, if `place` is a folder, a file for each data set. The paths."""
    whole, path = table(frame), Path(place)
    parts = {path / f"{data}.csv": part for data, part in whole.groupby("data")} if path.is_dir() else {path: whole}
    for file, part in parts.items():
        part.to_csv(file, index=False)
    return list(parts)


def read(paths: Iterable[str | os.PathLike[str]]) -> list[dict[str, Any]]:
    """The rows of a store that such CSV files hold, each key once.

    Raises ValueError, as a sentence that names the file, if one of them is no such file; OSError if it cannot be read.
    """
    import pandas as pd

    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        try:
            found |= {row["key"]: row for row in rows(pd.read_csv(path))}
        except ValueError as error:  # pandas' errors of parsing are ValueErrors too, some of several lines
            raise ValueError(f"{os.fspath(path)}: {' '.join(str(error).split())}") from error
    return list(found.values())


def fill(store: Store, found: Iterable[Mapping[str, Any]]) -> int:
    """Add the rows that the store does not hold yet; how many they were."""
    known = store.keys()
    new = [row for row in found if row["key"] not in known]
    for row in new:
        store.add(row)
    return len(new)


def _flat(row: Mapping[Any, Any]) -> dict[str, Any]:
    settings, history, versions = row["settings"], row["history"], row["versions"]
    plain = {name: _rounded(row[name]) for name in COLUMNS if name not in ("settings", "history", "versions")}
    return {
        **plain,
        "planned": settings["recipe"]["epochs"],
        **{name: settings["recipe"][name] for name in RECIPE},
        "limit": settings["limit"],
        "fingerprint": settings["data"],
        "training": settings["training"],
        "graph": settings["graph"],
        **{name: versions[name] for name in VERSIONS},
        **{column: " ".join(f"{_rounded(e[name]):g}" for e in history) for name, column in CURVES.items()},
    }


def _rounded(value: Any) -> Any:
    return round(value, DIGITS) if isinstance(value, float) else value


def rows(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of a store that such a table holds.

    Raises ValueError, as a sentence, for a row whose key is not that of its settings, and for columns that lack.
    """
    for record in frame.to_dict("records"):
        row = {
            name: None if isinstance(value, float) and math.isnan(value) else value for name, value in record.items()
        }
        try:
            yield _row(row)
        except (KeyError, TypeError) as error:
            raise ValueError(f"the table is none of finished trials: {error} is wrong or missing") from error


def recipe_of(row: Mapping[Any, Any]) -> Recipe:
    """How the network of a row was trained."""
    kinds = {name: type(value) for name, value in vars(Recipe()).items()}
    values = {name: kinds[name](row[name]) for name in RECIPE}
    return Recipe(**values, epochs=int(row["planned"]), seed=int(row["seed"]))


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    limit = None if row["limit"] is None else int(row["limit"])
    settings = {
        "base": row["base"],
        "graph": row["graph"],
        **{knob: float(row[knob]) for knob in ("depth", "width")},
        "resolution": row["resolution"],
        "data": row["fingerprint"],
        "limit": limit,
        "recipe": asdict(recipe_of(row)),
        "training": row["training"],
    }
    text = json.dumps(settings, sort_keys=True)
    if (key := digest(text)) != row["key"]:
        raise ValueError(f"row {row['key']} has been changed: its settings have the key {key}")
    curves = {name: [float(n) for n in str(row[column] or "").split()] for name, column in CURVES.items()}
    history = [
        {"epoch": i + 1} | {name: curve[i] for name, curve in curves.items()} for i in range(len(curves["seconds"]))
    ]
    assert all(set(epoch) == {field.name for field in fields(Epoch)} for epoch in history)
    packed = {"settings": text, "history": history, "versions": {name: row[name] for name in VERSIONS}}
    return {name: row[name] for name in COLUMNS if name not in packed} | {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=name == "versions")
        for name, value in packed.items()
    }
