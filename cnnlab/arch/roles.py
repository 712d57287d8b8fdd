"""What each layer of a graph is there for: its role, read off the structure and no names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnlab.arch.layers import AdaptivePool, Add, Conv, Linear, Multiply, area
from cnnlab.arch.whole import some

if TYPE_CHECKING:
    from cnnlab.arch.graph import Graph, Layer

ROLES = ("stem", "spatial", "depthwise", "pointwise", "squeeze-excite", "shortcut", "head")


def roles(graph: Graph, stages: list[str]) -> list[str]:
    """For each layer one of `ROLES`; stages: those of the layers, see `cnnlab.arch.table.stages`.

    "squeeze-excite" is what computes a gate from one pixel; "shortcut" the shorter of two ways to an addition, where it
    has layers of its own; "depthwise" a convolution with a group for each channel; "pointwise" any other with a kernel
    of one pixel; "spatial" the rest. Norms and activations have the role of the layer whose output they take.
    """
    given = dict.fromkeys(_gates(graph), "squeeze-excite") | dict.fromkeys(_shortcuts(graph), "shortcut")
    found: list[str] = []
    for i, (layer, stage) in enumerate(zip(graph.layers, stages, strict=True)):
        if stage in ("stem", "head"):
            found.append(stage)
        elif i in given:
            found.append(given[i])
        elif isinstance(layer.op, (Conv, Linear)):
            found.append(_kind(layer.op, graph.layers[layer.inputs[0]]))
        else:
            before = found[layer.inputs[0]] if layer.inputs else "stem"
            found.append("spatial" if before == "stem" else before)
    return found


def _kind(op: Conv | Linear, x: Layer) -> str:
    if isinstance(op, Conv) and some(op.groups != 1) and not some(op.groups != x.channels):
        return "depthwise"
    return "pointwise" if isinstance(op, Linear) or area(op.kernel) == 1 else "spatial"


def _gates(graph: Graph) -> set[int]:
    """The layers on the ways from a gate back to the pooling that it begins with."""
    found: set[int] = set()
    for layer in graph.layers:
        if not isinstance(layer.op, Multiply):
            continue
        way, i = [], layer.inputs[1]
        while graph.layers[i].size is None or not some(graph.layers[i].size != 1):
            way.append(i)
            if isinstance(graph.layers[i].op, AdaptivePool):
                found |= set(way)
                break
            i = graph.layers[i].inputs[0]
    return found


def _shortcuts(graph: Graph) -> set[int]:
    """The layers of the way with fewer convolutions, where two ways part and meet again in an addition."""
    found: set[int] = set()
    for layer in graph.layers:
        if not isinstance(layer.op, Add) or len(layer.inputs) != 2:
            continue
        a, b = layer.inputs
        ways: tuple[list[int], list[int]] = ([], [])
        while a != b:  # the later of the two, one layer back
            if a > b:
                ways[0].append(a)
                a = graph.layers[a].inputs[0]
            else:
                ways[1].append(b)
                b = graph.layers[b].inputs[0]
        convolutions = [sum(isinstance(graph.layers[i].op, Conv) for i in way) for way in ways]
        if convolutions[0] != convolutions[1]:
            found |= set(ways[0] if convolutions[0] < convolutions[1] else ways[1])
    return found
