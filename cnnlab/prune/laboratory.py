"""The criterion laboratory: do criteria agree with one another, and with trying? And what if weights are rescaled?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from cnnlab.arch.graph import Graph
from cnnlab.arch.layers import BatchNorm, Conv
from cnnlab.arch.whole import check_int, named
from cnnlab.prune.criteria import CRITERIA
from cnnlab.prune.cutting import names
from cnnlab.prune.examples import examples
from cnnlab.prune.plans import Plan
from cnnlab.run.standin import copied, stand_in
from cnnlab.run.trace import trace

if TYPE_CHECKING:
    import pandas as pd

MOST = 8.0  # by which a filter is multiplied or divided at most


def scores(
    model: nn.Module,
    data: Any,
    criteria: Sequence[str] = tuple(CRITERIA),
    *,
    resolution: int = 224,
    count: int = 512,
) -> pd.DataFrame:
    """What each criterion says of each unit: a row for each unit (index: group, unit), a column for each criterion.

    data, count: as `cnnlab.prune.examples` takes them. "leave_one_out" and "squared_error" run all of those examples
    once for each unit. A unit that a criterion cannot rank has NaN there.
    """
    import pandas as pd

    if odd := [name for name in criteria if name not in CRITERIA]:
        raise ValueError(f"scores: criteria has {odd[0]!r}; choose from {', '.join(CRITERIA)}")
    graph, seen = trace(model, resolution), examples(data, count)
    columns = {}
    for name in criteria:
        found = CRITERIA[name](model, graph, seen)
        columns[name] = pd.Series(
            {(group, unit): score for group, values in found.items() for unit, score in enumerate(values)}, dtype=float
        )
    return pd.DataFrame(columns).rename_axis(["group", "unit"])


def rank_correlations(table: pd.DataFrame, *, within: bool = False) -> pd.DataFrame:
    """Spearman's rank correlation of every two columns of what `scores` gives, from -1 to 1.

    Over the units of all groups together, which is what a global plan ranks; within=True: the mean over the groups of
    the correlation inside each, which is what a local plan ranks.

    >>> import pandas as pd
    >>> index = pd.MultiIndex.from_product([["a", "b"], range(3)], names=["group", "unit"])
    >>> table = pd.DataFrame({"x": [1, 2, 3, 7, 8, 9], "y": [3, 2, 1, 6, 5, 4]}, index)
    >>> float(rank_correlations(table, within=True).loc["x", "y"])
    -1.0
    """
    import pandas as pd

    if not within:
        return table.corr(method="spearman")
    parts = [part.corr(method="spearman") for _, part in table.groupby(level="group") if len(part) > 2]
    stacked = np.ma.masked_invalid([part.to_numpy() for part in parts])
    return pd.DataFrame(stacked.mean(axis=0).filled(np.nan), table.columns, table.columns)


def overlaps(plans: Mapping[str, Plan]) -> pd.DataFrame:
    """The share of what either of two plans removes that both remove, 0 to 1, for every two of these plans of one
    network; 1 if neither removes anything."""
    import pandas as pd

    gone = {name: ~plan.mask for name, plan in plans.items()}
    rows = [
        [float((a & b).sum() / union) if (union := (a | b).sum()) else 1.0 for b in gone.values()]
        for a in gone.values()
    ]
    return pd.DataFrame(rows, index=list(plans), columns=list(plans))


@torch.no_grad()
def rescaled(model: nn.Module, *, resolution: int = 224, seed: int = 0) -> nn.Module:
    """A copy that computes the same, with every filter before a batch norm multiplied by a factor of its own.

    The factors are drawn from 1/8 to 8, evenly in the logarithm; the norm's statistics follow, and its scale makes up
    for eps. A criterion that ranks the two models differently ranks how weights are written, not what they do.
    """
    graph = trace(model, resolution)
    copy = stand_in(model, copied)
    state, called = copy.state_dict(), names(graph, copy)
    draw = torch.Generator().manual_seed(named("rescaled", check_int, "seed", seed, least=0))
    for conv, norm in _before_norms(graph):
        own = {
            part: state[called[f"{graph.layers[norm].name}.{part}"]]
            for part in ("weight", "running_mean", "running_var")
        }
        weight, name = state[called[f"{graph.layers[conv].name}.weight"]], graph.layers[conv].name
        factor = (MOST ** (2 * torch.rand(len(weight), generator=draw) - 1)).to(weight)
        eps = graph.layers[norm].op.eps  # type: ignore[attr-defined]  # it is a batch norm
        before = own["running_var"].add(eps).sqrt()
        weight.mul_(factor.reshape(-1, 1, 1, 1))
        if (bias := called.get(f"{name}.bias")) is not None:
            state[bias].mul_(factor)
        own["running_mean"].mul_(factor)
        own["running_var"].mul_(factor.square())
        own["weight"].mul_(own["running_var"].add(eps).sqrt() / (before * factor))
    return copy


def _before_norms(graph: Graph) -> list[tuple[int, int]]:
    """Convolutions that a batch norm alone reads, and those norms."""
    readers: dict[int, list[int]] = {}
    for i, layer in enumerate(graph.layers):
        for j in layer.inputs:
            readers.setdefault(j, []).append(i)
    return [
        (i, own[0])
        for i, own in readers.items()
        if isinstance(graph.layers[i].op, Conv) and len(own) == 1 and isinstance(graph.layers[own[0]].op, BatchNorm)
    ]
