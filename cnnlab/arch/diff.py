"""`diff`: what changes from one network to the next, stage by stage, to the last unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnlab.arch.graph import Graph
from cnnlab.arch.memory import memory_table
from cnnlab.arch.table import stages

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("macs", "params", "activations", "saved")
WAYS = ("order", "size")


class Part(NamedTuple):
    """One stage of a network: its name, how many times smaller than the input its images are, what it costs."""

    name: str
    smaller: str
    cost: dict[str, int]


def diff(a: Any, b: Any, *more: Any, by: str | None = None) -> pd.DataFrame:
    """What each stage costs in one network, in the next, and the change: a table that adds up to both networks' totals.

    a, b, more: Architectures, Networks or Graphs (a traced network, too); with more than two, every step from one to
    the next, such as ResNet-50 -> squeeze-excite -> depthwise -> EfficientNet-B0.
    by: which stages stand beside each other. "order": the first with the first, the second with the second; the default
    where all networks have the same number of stages. "size": those whose images are the same number of times smaller
    than the input ("1/4", to the nearest power of two), several stages of one network together; stem and head for
    themselves; the default elsewhere.

    Columns: step ("a -> b"), stage, and for macs, params, activations and saved the columns `.._before`, `.._after`
    and `.._change`. saved: bytes that training on one image keeps for the backward pass (float32; see
    `cnnlab.arch.memory`). A stage that a network has not costs 0.

    Raises TypeError for what is no network, ValueError for another `by`, for by="order" with different numbers of
    stages, and for a network that holds arrays or is folded.

    >>> import cnnlab as cl
    >>> table = diff(cl.architecture("resnet18"), cl.architecture("resnet34"))
    >>> table[["stage", "macs_before", "macs_after", "macs_change"]]
        stage  macs_before  macs_after  macs_change
    0    stem    118013952   118013952            0
    1  stage1    462422016   693633024    231211008
    2  stage2    411041792   873463808    462422016
    3  stage3    411041792  1335885824    924844032
    4  stage4    411041792   642252800    231211008
    5    head       512000      512000            0
    """
    import pandas as pd

    graphs = [_graph(network) for network in (a, b, *more)]
    parts = [_parts(graph) for graph in graphs]
    labels = _labels(graphs, parts, by)
    costs = [_summed(own, label) for own, label in zip(parts, labels, strict=True)]
    rows = []
    for (one, before), (other, after) in pairwise(zip(graphs, costs, strict=True)):
        for stage in _ordered(labels):
            row: dict[str, Any] = {"step": f"{one.name} -> {other.name}", "stage": stage}
            for kind in KINDS:
                x, y = (cost.get(stage, {}).get(kind, 0) for cost in (before, after))
                row |= {f"{kind}_before": x, f"{kind}_after": y, f"{kind}_change": y - x}
            rows.append(row)
    return pd.DataFrame(rows)


def _graph(network: Any) -> Graph:
    graph = network if isinstance(network, Graph) else network.graph() if hasattr(network, "graph") else None
    if not isinstance(graph, Graph):
        raise TypeError(
            f"diff compares Architectures, Networks and Graphs, and {type(network).__name__} is none of them; "
            "of a torch module give cnnlab.trace(module)"
        )
    return graph


def _parts(graph: Graph) -> list[Part]:
    """The stages of a graph in the order they run, with the cost of each."""
    places = stages(graph)
    saved: dict[str, int] = {}
    # What is kept of the input itself belongs to the layer that takes it.
    for place, kept in zip([places[1], *places[1:]], memory_table(graph)["saved"], strict=True):
        saved[place] = saved.get(place, 0) + int(kept)
    table = graph.table("stage")
    columns = table[["macs", "params", "activations"]].itertuples(index=False, name=None)
    return [
        Part(
            name,
            _smaller(name, int(graph.input.size or 1), size),
            dict(zip(KINDS, [*map(int, cost), saved[name]], strict=True)),
        )
        for name, size, cost in zip(table["stage"], table["size"], columns, strict=True)
    ]


def _smaller(name: str, pixels: int, size: int) -> str:
    if name == "stem":
        return "stem"
    if name == "head" or size <= 1:
        return "head"
    return f"1/{2 ** max(0, round(math.log2(pixels / size)))}"


def _labels(graphs: Sequence[Graph], parts: Sequence[list[Part]], by: str | None) -> list[list[str]]:
    """For each network the row that each of its stages belongs to."""
    if by is not None and by not in WAYS:
        raise ValueError(f"by={by!r}: choose one of {', '.join(WAYS)}, or None")
    counts = [len(own) for own in parts]
    if by == "order" and len(set(counts)) > 1:
        told = ", ".join(f"{graph.name} has {n}" for graph, n in zip(graphs, counts, strict=True))
        raise ValueError(f"by='order' needs networks of as many stages each, and {told}; use by='size'")
    if by == "size" or (by is None and len(set(counts)) > 1):
        return [[part.smaller for part in own] for own in parts]
    names = [" / ".join(dict.fromkeys(part.name for part in same)) for same in zip(*parts, strict=True)]
    return [names] * len(parts)


def _ordered(labels: list[list[str]]) -> list[str]:
    """Every row once: as they stand in the first network, or by size from the largest images to the smallest."""
    rows = list(dict.fromkeys(label for own in labels for label in own))
    if not any(row.startswith("1/") for row in rows):
        return rows
    places = {"stem": 0.0, "head": math.inf}
    return sorted(rows, key=lambda row: places[row] if row in places else int(row[2:]))


def _summed(parts: list[Part], labels: list[str]) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for part, label in zip(parts, labels, strict=True):
        row = rows.setdefault(label, dict.fromkeys(KINDS, 0))
        for kind, number in part.cost.items():
            row[kind] += number
    return rows
