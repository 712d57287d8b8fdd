"""Tables: the cost of a graph by layer, block or stage, and an architecture as its paper prints it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from cnnlab.arch.cost import layer_cost
from cnnlab.arch.layers import (
    Act,
    AdaptivePool,
    AvgPool,
    Conv,
    Dropout,
    DropPath,
    Input,
    Linear,
    MaxPool,
    Op,
    Sides,
    Slice,
)
from cnnlab.arch.whole import is_array, text

if TYPE_CHECKING:
    import pandas as pd

    from cnnlab.arch.architecture import Architecture, Head, Stage
    from cnnlab.arch.graph import Graph, Layer

LEVELS = ("layer", "block", "stage")
WORDS = 3  # the columns of `paper_frame` before those of numbers


def table(graph: Graph, by: str = "layer") -> pd.DataFrame:
    """The cost of one image through each layer, block or stage, in the order they run.

    Columns: the level's name; for layers what each does and its count; channels and size (px) of its output; macs,
    params and activations of all its occurrences together; share of the macs (0 to 1). The sums of macs, params and
    activations are those of `graph.cost()`. Raises ValueError for another level.

    >>> import cnnlab as cl
    >>> cl.architecture("resnet18").graph().table(by="stage")[["stage", "size", "macs"]].tail(2)
        stage  size       macs
    4  stage4     7  411041792
    5    head     0     512000
    """
    import pandas as pd

    if by not in LEVELS:
        raise ValueError(f"by={by!r}: choose one of {', '.join(LEVELS)}")
    places = {"layer": [layer.name for layer in graph.layers], "block": blocks(graph), "stage": stages(graph)}[by]
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
        "channels",
        "size",
        "macs",
        "params",
        "activations",
    ]
    frame = pd.DataFrame(list(rows.values()), columns=order)
    return frame.assign(share=frame["macs"] / frame["macs"].sum())


def stages(graph: Graph) -> list[str]:
    """For each layer the stage it belongs to: the first part of its path, where cnnlab drew the graph.

    In a traced network: below the one container that holds nearly everything (torchvision's "features"), if there is
    one; what stands alone before the first stage is the "stem", what stands alone behind it the "head".
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
    places, begun = [], False
    for path in paths:
        inside = len(path) > skip
        begun = begun or inside
        places.append(".".join(path[: skip + depth]) if inside else "head" if begun else "stem")
    return places


def window(sides: Sides) -> str:
    """A kernel's height and width, "3x3"."""
    return f"{sides}x{sides}" if isinstance(sides, int) else "{}x{}".format(*sides)


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
            return "linear"
        case Slice():
            return f"channels {op.start} to {op.stop}"
        case _:  # "BatchNorm" -> "batch norm"
            return "".join(f" {c.lower()}" if c.isupper() else c for c in type(op).__name__).strip()


def paper_frame(arch: Architecture) -> pd.DataFrame:
    """The rows of the paper's table: each stage with the input it sees, its block, its width and its depth."""
    import pandas as pd

    graph = arch.graph(folded=True)
    places = blocks(graph)
    by_stage: dict[str, list[int]] = {}
    for i, stage in list(enumerate(stages(graph)))[1:]:
        by_stage.setdefault(stage, []).append(i)
    depths = [1, *(stage.depth for stage in arch.stages), 1]
    rows = []
    parts: list[Stage | Head] = [arch.stem, *arch.stages, arch.head]
    for (name, members), depth, part in zip(by_stage.items(), depths, parts, strict=True):
        before, last = graph.layers[members[0] - 1], graph.layers[members[-1]]
        options = " ".join(f"{k}={v}" for k, v in part.options.items())
        rows.append(
            {
                "stage": name,
                "block": f"{getattr(part.block, '__name__', part.block)} {options}".strip(),
                "layers": _recipe(graph, [i for i in members if places[i] == places[members[-1]]]),
                "input": f"{text(before.size)}x{text(before.size)}",
                "channels": text(last.channels),
                "depth": text(depth),
                "stride": getattr(part, "stride", 1),
            }
        )
    return pd.DataFrame(rows)


def paper_table(arch: Architecture) -> str:
    """`paper_frame` as text, under the network's name and over its cost: words to the left, numbers to the right."""
    frame, cost = paper_frame(arch).astype(str), arch.cost()
    columns = [[name, *frame[name]] for name in frame]
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(
            f"{cell:{'<' if k < WORDS else '>'}{width}}"
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in zip(*columns, strict=True)
    ]
    head = f"{arch.name}: {text(arch.resolution)} px, {text(arch.classes)} classes"
    foot = f"{text(cost.macs, ',')} multiply-adds, {text(cost.params, ',')} parameters"
    return "\n".join([head, *lines, foot])


def _recipe(graph: Graph, members: list[int]) -> str:
    """The way through a block as its paper writes it: "1x1 64, 3x3 64, 1x1 256"; "dw" is depthwise, "se 8" a
    squeeze-excite by way of 8 channels."""
    words = []
    for layer in (graph.layers[i] for i in members):
        parts = layer.name.split(".")
        match layer.op:
            case Conv() as op if "shortcut" not in parts:
                words.append(_conv_word(op, graph.layers[layer.inputs[0]], "se" in parts))
            case MaxPool() as op:
                words.append(f"max {op.kernel}x{op.kernel}")
            case Linear() as op:
                words.append(f"linear {text(op.width)}")
    return ", ".join(word for word in words if word)


def _conv_word(op: Conv, before: Layer, gate: bool) -> str:
    if gate:
        return f"se {text(op.width)}" if isinstance(before.op, AdaptivePool) else ""
    word = f"{window(op.kernel)} {text(op.width)}"
    if not is_array(op.groups) and op.groups == 1:
        return word
    depthwise = text(op.groups) == text(before.channels)
    return f"dw {word}" if depthwise else f"{word} in {text(op.groups)} groups"
