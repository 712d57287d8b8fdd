"""What the comparison measured: the tables of data/pruned, one row for each network, and what they say."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.run.measured import PREFIX
from cnnlab.run.tables import find

if TYPE_CHECKING:
    import os

    import pandas as pd

ORDER = ["data", "family", "importance", "budget", "seed"]
DIGITS = 5
RECIPE = ("batch", "weight_decay", "augment", "normalize")


def write(frame: pd.DataFrame, folder: str | os.PathLike[str]) -> list[Path]:
    """Write the rows of a store of `Arm`s as CSV, a file for each data set; the paths."""
    import pandas as pd

    table = pd.DataFrame([_flat(row) for row in frame.to_dict("records")]).sort_values(ORDER, ignore_index=True)
    parts = {Path(folder) / f"{data}.csv": part for data, part in table.groupby("data")}
    for path, part in parts.items():
        part.to_csv(path, index=False)
    return list(parts)


def _flat(row: dict[Any, Any]) -> dict[str, Any]:
    settings, way, versions = row["settings"], row["history"], row["versions"]
    whole, tuned = settings["whole"]["recipe"], settings["recipe"]
    found = {
        "data": row["data"],
        "family": row["base"].removeprefix(PREFIX),
        "importance": settings["importance"],
        "budget": settings["budget"],
        **{name: row[name] for name in ("seed", "depth", "width", "resolution", "macs", "params", "activations")},
        **{name: way.get(name) for name in ("whole_macs", "whole_accuracy", "whole_validation")},
        **{name: way.get(name) for name in ("before", "recalibrated")},
        **{name: row[name] for name in ("validation_accuracy", "accuracy", "train_loss", "epochs", "stopped")},
        **{f"whole_{name}": whole[name] for name in ("epochs", "lr")},
        **{f"tuned_{name}": tuned[name] for name in ("epochs", "lr")},
        **{name: tuned[name] for name in RECIPE},
        "limit": settings["whole"]["limit"],
        "fingerprint": settings["whole"]["data"],
        **{name: row[name] for name in ("seconds", "device", "threads", "finished", "key")},
        **{name: versions[name] for name in ("cnnlab", "commit", "python", "torch", "numpy")},
    }
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in found.items()}


@lru_cache(maxsize=1)
def _tables() -> dict[str, pd.DataFrame]:
    import pandas as pd

    paths = sorted(find("pruned").glob("*.csv"))
    if not paths:
        raise FileNotFoundError("data/pruned holds no table")
    return {path.stem: pd.read_csv(path) for path in paths}
