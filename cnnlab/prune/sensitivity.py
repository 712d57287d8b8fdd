"""Sensitivity: what each width group alone costs in accuracy, as more and more of it is switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn
from tqdm.auto import tqdm

from cnnlab.arch.whole import check_real, named
from cnnlab.arch.widths import widths
from cnnlab.prune.criteria import DELAY, Criterion, criterion_of
from cnnlab.prune.examples import examples
from cnnlab.prune.gates import rankable, without
from cnnlab.run.trace import trace

if TYPE_CHECKING:
    import pandas as pd

RATIOS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)


def sensitivity(
    model: nn.Module,
    data: Any,
    importance: str | Criterion = "l1",
    ratios: Sequence[float] = RATIOS,
    *,
    resolution: int = 224,
    count: int = 512,
    progress: bool = True,
) -> pd.DataFrame:
    """Switch off a share of one group's units, the least important first, and measure; nothing is cut or trained.

    data, count: as `cnnlab.prune.examples` takes them.  A group whose curve stays flat can lose much; but no curve says
    what fine-tuning brings back, and groups are not independent.

    Columns: group, units, ratio (asked for), removed (units), macs (of the network without them), loss (nats), accuracy
    (percent, of these examples). Raises ValueError, as a sentence, for a ratio outside 0 to below 1.
    """
    import pandas as pd

    for ratio in ratios:
        named("sensitivity", check_real, "ratio", ratio, least=0, below=1)
    criterion = criterion_of("sensitivity", importance)
    graph, seen = trace(model, resolution), examples(data, count)
    found, scores, rows = widths(graph), criterion(model, graph, seen), []
    groups = [group for group in rankable(found) if group.name in scores]
    with (
        without(model, graph, seen) as measure,
        tqdm(total=len(groups) * len(ratios), disable=not progress, unit="point", leave=False, delay=DELAY) as bar,
    ):
        for group in groups:
            order = np.argsort(scores[group.name], kind="stable")
            for ratio in ratios:
                gone = order[: int(ratio * len(group) + 1e-9)]
                kept = np.ones(found.count, bool)
                kept[group.units[gone]] = False
                loss, accuracy = measure({group.name: gone.tolist()})
                row = {"group": group.name, "units": len(group), "ratio": float(ratio), "removed": len(gone)}
                rows.append(row | {"macs": found.narrowed(kept).cost().macs, "loss": loss, "accuracy": accuracy})
                bar.update()
    return pd.DataFrame(rows)
