"""What the comparison of criteria measured: the tables of data/pruned, one row for each network, and what they say.

All intervals are 95 %. That of an accuracy is from the spread between seeds, pooled over criteria and budgets; that of
a difference from the spread of the differences at one seed, where both networks come of the same whole one, pooled
likewise. A cell whose seeds lie three times as far apart as those of the median cell, as where training breaks down for
some of them, is not pooled: its interval is from its own spread, by Student's t. None is corrected for how many are
looked at; where an interval leaves out 0, an order is called certain.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.stats import t

from cnnlab.run.measured import PREFIX, QUANTILE
from cnnlab.run.tables import find

if TYPE_CHECKING:
    import os

    import pandas as pd

ORDER = ["data", "family", "importance", "budget", "seed"]
DIGITS = 5
RECIPE = ("batch", "weight_decay", "augment", "normalize")
BASELINES = ("random", "thin")
UNLIKE = 3.0  # times the median spread between seeds


def pruned(data: str | None = None) -> pd.DataFrame:
    """One row for each network of the comparison (data/pruned/README.md is the data card).

    data: "glyphs" or "cifar10"; both if None.

    Columns: data; family ("resnet", "mbconv"); importance: the criterion, "thin" (narrowed by one factor, trained from
    scratch) or "whole" (nothing removed, trained as long); budget: the share of multiply-adds that may stay; seed;
    macs, params, activations; whole_macs, whole_accuracy, whole_validation: of the unpruned network; before,
    recalibrated, validation_accuracy: three numbers of the validation images, after the cut, after recalibration and
    after fine-tuning; accuracy: of the test images, after the last epoch. All accuracies in percent. Then the recipes,
    seconds, device and versions, as in `cl.measured`.

    Raises ValueError, with the names, for data that were not measured.

    >>> bool(pruned("glyphs")["accuracy"].between(0, 100).all())
    True
    """
    import pandas as pd

    tables = _tables()
    if data is not None and data not in tables:
        raise ValueError(f"pruned: data={data!r}: there are measurements of {', '.join(tables)}")
    return pd.concat([tables[name] for name in ([data] if data else tables)], ignore_index=True)


def compared(family: str, data: str = "glyphs") -> pd.DataFrame:
    """The criteria and baselines of one family on one data set: a row for each at each budget, the best first.

    Columns: budget, importance, networks (seeds), macs (mean), accuracy, low, high (percent), and for each baseline
    ("random", "thin") the points by which it is beaten, over_random, over_random_low, over_random_high, ...; NaN of a
    baseline beside itself and of "whole". Raises ValueError for what was not measured.
    """
    frame = pruned(data)
    frame = frame[(frame["family"] == family) & frame["accuracy"].notna()]
    if frame.empty:
        raise ValueError(f"compared: no pruned {family} network was measured on {data}")
    cells = frame.groupby(["budget", "importance"])
    found = cells.agg(networks=("accuracy", "size"), macs=("macs", "mean"), accuracy=("accuracy", "mean"))
    margin = _margins(cells["accuracy"])
    found = found.assign(low=found["accuracy"] - margin, high=found["accuracy"] + margin)
    for baseline in BASELINES:
        found = found.join(_over(frame, baseline))
    return found.reset_index().sort_values(["budget", "accuracy"], ascending=False, ignore_index=True)


def _over(frame: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """By how many points each beats a baseline at the same budget and seed."""
    same = ["budget", "seed"]
    beside = frame[frame["importance"] == baseline][[*same, "accuracy"]]
    pairs = frame[frame["importance"] != baseline].merge(beside, on=same, suffixes=("", "_beside"))
    pairs["gain"] = pairs["accuracy"] - pairs["accuracy_beside"]
    cells = pairs.groupby(["budget", "importance"])
    gain = cells["gain"].mean()
    margin = _margins(cells["gain"])
    name = f"over_{baseline}"
    return gain.to_frame(name).assign(**{f"{name}_low": gain - margin, f"{name}_high": gain + margin})


def _margins(cells: Any) -> pd.Series[float]:
    """Half the 95 % interval of each cell's mean, see above."""
    variance, count = cells.var(), cells.count()
    unlike = variance > UNLIKE**2 * variance.median()
    pooled = (variance * (count - 1))[~unlike].sum() / (count - 1)[~unlike].sum()
    usual, own = QUANTILE * (pooled / count).pow(0.5), t.ppf(0.975, count - 1) * (variance / count).pow(0.5)
    return usual.where(~unlike, own)


@lru_cache(maxsize=1)
def _tables() -> dict[str, pd.DataFrame]:
    import pandas as pd

    paths = sorted(find("pruned").glob("*.csv"))
    if not paths:
        raise FileNotFoundError("data/pruned holds no table")
    return {path.stem: pd.read_csv(path) for path in paths}


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
