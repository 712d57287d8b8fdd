"""Accuracies that this project has measured: the tables of data/measured, one row for each trained network."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from cnnlab.run.tables import find

if TYPE_CHECKING:
    import pandas as pd

KNOBS = ("depth", "width", "resolution")
SETTING = ["data", "family", *KNOBS]
"""What the seeds of one setting have in common."""

PREFIX = "small_"
"""What a family's base has before its name in `cl.names()`."""

QUANTILE = 1.96  # of the normal distribution, for 95 %


def measured(data: str | None = None) -> pd.DataFrame:
    """One row for each network that was trained for data/measured (its README.md is the data card).

    data: the rows of one data set ("glyphs", "fashion_mnist", "cifar10", "clothing64"); all of them if None.

    Columns: data; family ("plain", "resnet", "mbconv": `cl.architecture("small_" + family)` scaled by depth and width);
    depth, width (multipliers), resolution (px), seed; macs, params, activations; accuracy, of the test set after the
    last epoch, percent, NaN where training broke down (`stopped` says why); validation_accuracy, train_accuracy
    (percent), train_loss (nats); epochs; seconds, of one process of `threads` threads; device; and the recipe, the
    versions and the curves, as `cnnlab.run.flat` describes them.

    Raises ValueError, with the names, for data that were not measured.

    >>> frame = measured("glyphs")
    >>> bool(frame["accuracy"].between(0, 100).all())
    True
    """
    tables = _tables()
    if data is not None and data not in tables:
        raise ValueError(f"measured: data={data!r}: there are measurements of {', '.join(tables)}")
    import pandas as pd

    return pd.concat([tables[name] for name in ([data] if data else tables)], ignore_index=True)


@lru_cache(maxsize=1)
def _tables() -> dict[str, pd.DataFrame]:
    import pandas as pd

    paths = sorted(find("measured").glob("*.csv"))
    if not paths:
        raise FileNotFoundError("data/measured holds no table")
    return {path.stem: _with_family(pd.read_csv(path)) for path in paths}


def _with_family(frame: pd.DataFrame) -> pd.DataFrame:
    frame.insert(1, "family", frame["base"].str.removeprefix(PREFIX))
    return frame


def seed_noise(frame: pd.DataFrame) -> float:
    """The standard deviation of the accuracy between seeds of one setting, points, pooled over all settings of a frame
    of `measured`; NaN if no setting has two seeds.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"data": "x", "family": "y", "depth": [1, 1, 2, 2], "width": 1, "resolution": 32,
    ...                      "accuracy": [70.0, 72.0, 80.0, 80.0]})
    >>> seed_noise(rows)
    1.0
    """
    groups = frame.groupby(SETTING)["accuracy"]
    spare = int((groups.count() - 1).clip(lower=0).sum())
    squares = float((groups.var() * (groups.count() - 1)).sum())
    return math.sqrt(squares / spare) if spare else math.nan


def full_grid(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows whose every knob has a value that was measured with most of the values of another knob.

    What was measured beside the grid, such as one network of an odd width, is left out.
    """
    for knob in KNOBS:
        others = [other for other in KNOBS if other != knob]
        partners = frame.groupby(knob)[others].nunique().max(axis=1)
        frame = frame[frame[knob].isin(partners.index[partners >= partners.max() / 2])]
    return frame
