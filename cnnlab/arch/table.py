"""Tables: the cost of a graph by layer, block or stage, and an architecture as its paper prints it."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cnnlab.arch.cost import layer_cost
from cnnlab.arch.layers import (
    Act,
    AdaptivePool,
    Affine,
    AvgPool,
    Conv,
    Dropout,
    DropPath,
    Input,
    Linear,
    MaxPool,
    Op,
    Pad,
    Shuffle,
    Slice,
)
from cnnlab.arch.roles import ROLES, roles
from cnnlab.arch.whole import is_array, text
from cnnlab.arch.wording import in_words, window

if TYPE_CHECKING:
    import pandas as pd

    from cnnlab.arch.architecture import Architecture, Head, Stage
    from cnnlab.arch.graph import Graph
    from cnnlab.arch.network import Network

LEVELS = ("layer", "block", "stage", "role")
WORDS = ("stage", "block", "layers")  # the columns of `paper_frame` that are no numbers


def table(graph: Graph, by: str = "layer") -> pd.DataFrame:
    """The cost of one image through each layer, block or stage, in the order they run; or by role.

    Columns: the level's name; for layers what each does and its count; channels and size (px) of its output, but for
    roles (see `cnnlab.arch.roles`); macs, params and activations of all its occurrences together; share of the macs
    (0 to 1). The sums of macs, params and activations are those of `graph.cost()`. Raises ValueError for another level.

    >>> import cnnlab as cl
    >>> cl.architecture("resnet18").graph().table(by="stage")[["stage", "size", "macs"]].tail(2)
        stage  size       macs
    4  stage4     7  411041792
    5    head     0     512000
    """
    import pandas as pd

    if by not in LEVELS:
        raise ValueError(f"by={by!r}: choose one of {', '.join(LEVELS)}")
    places = _levels(graph, by)
    rows: dict[str, dict[str, Any]] = {}
    for layer, place in zip(graph.layers, places, strict=True):
        if isinstance(layer.op, Input):
            continue
        cost = layer_cost(layer, graph.layers)
        row = rows.setdefault(place, {by: place, "macs": 0, "params": 0, "activations": 0})
        if by == "layer":
            row |= {"operation": describe(layer.op), "count": layer.count}
        # A flat vector has no size; 0 keeps the column whole numbers.
        row |= {"channels": layer.channels, "size": 0 if layer.size is None else layer.size}
        row |= {what: row[what] + number for what, number in vars(cost).items()}  # not +=: arrays may broadcast
    order = [
        by,
        *(["operation", "count"] if by == "layer" else []),
        *(["channels", "size"] if by != "role" else []),
        *("macs", "params", "activations"),
    ]
    present = [role for role in ROLES if role in rows] if by == "role" else list(rows)
    frame = pd.DataFrame([rows[place] for place in present], columns=order)
    return frame.assign(share=frame["macs"] / frame["macs"].sum())


def _levels(graph: Graph, by: str) -> list[str]:
    match by:
        case "layer":
            return [layer.name for layer in graph.layers]
        case "block":
            return blocks(graph)
        case "stage":
            return stages(graph)
    return roles(graph, stages(graph))


def stages(graph: Graph) -> list[str]:
    """For each layer the stage it belongs to: the first part of its path, where cnnlab drew the graph.

    In a traced network: below the one container that holds nearly everything (torchvision's "features"), if there is
    one; what stands alone before the first stage is the "stem", after the last the "head", and between two stages a
    part of the one before it.
    """
    return _places(graph, 1)


def blocks(graph: Graph) -> list[str]:
    """For each layer the block it belongs to: one part of the path more than its stage, if there is one."""
    return _places(graph, 2)


def _places(graph: Graph, depth: int) -> list[str]:
    paths = [layer.name.split(".")[:-1] for layer in graph.layers]
    tops = Counter(path[0] for path in paths if path)
    most = max(tops.values(), default=0)
    # Nine in ten layers, with parts of their own: only a container holds that much (or the one stage of our own graph).
    skip = most > 0.9 * len(paths) and any(len(path) > 1 for path in paths) and "stage1" not in tops
    inside = [len(path) > skip for path in paths]
    last = max((i for i, is_inside in enumerate(inside) if is_inside), default=-1)
    places: list[str] = []
    for i, path in enumerate(paths):
        alone = "head" if i > last else places[-1] if any(inside[:i]) else "stem"
        places.append(".".join(path[: skip + depth]) if inside[i] else alone)
    return places


def describe(op: Op) -> str:
    """What a layer does, in a few words: "conv 3x3 /2", "conv 1x1", "batch norm", "silu"."""
    match op:
        case Conv():
            words = [f"conv {window(op.kernel)}"]
            words += [f"/{op.stride}"] if op.stride > 1 else []
            words += [] if not is_array(op.groups) and op.groups == 1 else [f"groups {text(op.groups)}"]
            words += [f"dilation {op.dilation}"] if op.dilation > 1 else []
            return " ".join(words)
        case MaxPool() | AvgPool():
            return f"{'max' if isinstance(op, MaxPool) else 'average'} pool {op.kernel}x{op.kernel} /{op.stride}"
        case AdaptivePool():
            return "global pool" if op.size == 1 else f"pool to {op.size}x{op.size}"
        case Act():
            return op.kind
        case Dropout() | DropPath():
            return f"{'dropout' if isinstance(op, Dropout) else 'stochastic depth'} {op.rate:g}"
        case Linear():
            return "linear, each pixel" if op.each_pixel else "linear"
        case Shuffle():
            return f"shuffle of {op.groups} groups"
        case Pad():
            return f"zeros, {op.before} before and {op.after} after"
        case Affine():
            return f"times {op.scale:g} plus {op.shift:g}"
        case Slice():
            return f"channels {op.start} to {op.stop}"
        case _:  # "BatchNorm" -> "batch norm"
            return "".join(f" {c.lower()}" if c.isupper() else c for c in type(op).__name__).strip()


def paper_frame(arch: Architecture | Network) -> pd.DataFrame:
    """The rows of the paper's table: each stage with the input it sees, its block, its width and its depth.

    Of a network without rows: each run of like blocks.
    """
    import pandas as pd

    from cnnlab.arch.architecture import Architecture

    return pd.DataFrame(_rows(arch) if isinstance(arch, Architecture) else _runs(arch.graph(folded=True)))


def _rows(arch: Architecture) -> list[dict[str, Any]]:
    graph = arch.graph(folded=True)
    places = blocks(graph)
    by_stage: dict[str, list[int]] = {}
    for i, stage in list(enumerate(stages(graph)))[1:]:
        by_stage.setdefault(stage, []).append(i)
    depths = [1, *(stage.depth for stage in arch.stages), 1]
    rows = []
    parts: list[Stage | Head] = [arch.stem, *arch.stages, arch.head]
    for (name, members), depth, part in zip(by_stage.items(), depths, parts, strict=True):
        options = " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in part.options.items())
        words = {
            "stage": name,
            "block": f"{getattr(part.block, '__name__', part.block)} {options}".strip(),
            "layers": in_words(graph.layers, [i for i in members if places[i] == places[members[-1]]]),
        }
        rows.append({**words, **_ends(graph, members), "depth": text(depth), "stride": part.stride})
    return rows


def _runs(graph: Graph) -> list[dict[str, Any]]:
    """A row for each run of blocks of one stage that are told in the same words."""
    places = blocks(graph)
    told: list[tuple[str, list[str], list[int], dict[str, Any]]] = []  # stage, its blocks, first block's layers, row
    for block, run in groupby(range(1, len(places)), places.__getitem__):
        members, (stage, _, part) = list(run), block.partition(".")
        words = in_words(graph.layers, members)
        if told and told[-1][0] == stage and told[-1][3]["layers"] == words:
            told[-1][1].append(part)
            told[-1][3].update(_ends(graph, [told[-1][2][0], members[-1]]))
        else:
            told.append((stage, [part], members, {"layers": words, **_ends(graph, members)}))
    runs = Counter(stage for stage, *_ in told)
    names = [stage if runs[stage] == 1 else f"{stage}.{_span(parts)}" for stage, parts, *_ in told]
    return [{"stage": n, **row, "depth": len(parts)} for n, (_, parts, _, row) in zip(names, told, strict=True)]


def _span(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{parts[0]} to {parts[-1]}"


def _ends(graph: Graph, members: list[int]) -> dict[str, str]:
    before, last = graph.layers[members[0] - 1], graph.layers[members[-1]]
    return {"input": f"{text(before.size)}x{text(before.size)}", "channels": text(last.channels)}


def paper_table(arch: Architecture | Network) -> str:
    """`paper_frame` as text, under the network's name and over its cost: words to the left, numbers to the right."""
    frame, cost = paper_frame(arch).astype(str), arch.cost()
    columns = [[name, *frame[name]] for name in frame]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(
            f"{cell:{'<' if name in WORDS else '>'}{width}}"
            for name, cell, width in zip(frame, line, widths, strict=True)
        )
        for line in zip(*columns, strict=True)
    ]
    head = f"{arch.name}: {text(arch.resolution)} px, {text(arch.classes)} classes"
    foot = f"{text(cost.macs, ',')} multiply-adds, {text(cost.params, ',')} parameters"
    return "\n".join([head, *lines, foot])
