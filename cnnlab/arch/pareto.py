"""`pareto`: the rows that no other row beats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def pareto(frame: pd.DataFrame, cost: str = "macs", accuracy: str = "accuracy") -> pd.DataFrame:
    """The rows of a DataFrame that are on the Pareto front: no other row costs less or as little, and is as accurate or
    more, and differs. Sorted by cost, with the index they had.

    cost, accuracy: names of columns of numbers; less cost and more accuracy are better. Rows that tie in both are all
    kept. A row whose cost or accuracy is NaN is unknown: it is not on the front, and beats nothing.

    Raises TypeError for what is no DataFrame or a column without numbers, ValueError for a column that it has not.

    >>> import pandas as pd
    >>> pareto(pd.DataFrame({"macs": [1, 2, 2, 3], "accuracy": [70, 71, 75, 74]}))
       macs  accuracy
    0     1        70
    2     2        75
    """
    costs, scores = _numbers(frame, "cost", cost), _numbers(frame, "accuracy", accuracy).astype(np.float64)
    known = np.flatnonzero(~(np.isnan(costs) | np.isnan(scores)))
    order = known[np.lexsort((-scores[known], costs[known]))]
    costs, scores = costs[order], scores[order]
    # Of equal costs the best comes first: it must beat all that is cheaper, and only its ties stay beside it.
    first = np.ones(order.size, np.bool_)
    first[1:] = costs[1:] != costs[:-1]
    best = scores[first]
    beaten = np.zeros(best.size, np.bool_)
    beaten[1:] = best[1:] <= np.maximum.accumulate(best)[:-1]
    group = np.cumsum(first) - 1
    front: pd.DataFrame = frame.iloc[order[(scores == best[group]) & ~beaten[group]]]
    return front


def _numbers(frame: pd.DataFrame, field: str, column: str) -> NDArray[Any]:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"frame must be a pandas DataFrame, not a {type(frame).__name__}")
    if column not in frame:
        raise ValueError(f"{field}={column!r} is no column of the frame; it has {', '.join(map(str, frame.columns))}")
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise TypeError(f"{field}={column!r}: the column holds {values.dtype}, and must hold numbers")
    # Whole numbers stay whole: a cost above 2^53 is no float.
    plain = isinstance(values.dtype, np.dtype)
    return values.to_numpy() if plain else values.to_numpy(dtype=np.float64, na_value=np.nan)
