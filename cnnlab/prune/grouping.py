"""The width groups of a network, told: what goes together, what one unit costs, what is locked and why."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from cnnlab.arch.cost import Cost, layer_cost
from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import Conv, Input, Linear
from cnnlab.arch.table import describe
from cnnlab.arch.widths import Group, Widths, resized, widths
from cnnlab.arch.zeros import mixes
from cnnlab.run.trace import trace

if TYPE_CHECKING:
    import pandas as pd

FEW = 3  # names that a sentence lists


def groups(network: Any, resolution: int = 224, channels: int = 3) -> pd.DataFrame:
    """The width groups of a network: one row for each, in the order in which their channels first appear.

    Columns: group, its name; units, which go or stay whole; channels, of one unit where it is made; made_by, the
    convolutions and linear layers that make the channels, whose rows go; also, the norms, scales and convolutions in
    groups (depthwise) that keep the width, whose numbers for a channel go; read_by, the layers whose columns go; macs
    and params, what removing one unit saves (exact, <NA> where none can go); locked, why none can go, else "".
    made_by, also and read_by are tuples of names.

    network: a Graph, anything with a method graph(), such as an Architecture, or a torch module, which is traced.
    resolution, channels: of the images that a module takes. Raises TypeError for what is no network, ValueError for
    what `cl.trace` and `cnnlab.arch.widths.widths` refuse.

    >>> import cnnlab as cl
    >>> groups(cl.architecture("vgg11"))[["group", "units", "read_by", "macs"]].head(3)
                group  units            read_by      macs
    0           input      3      (stem.conv1,)      <NA>
    1      stem.conv1     64  (stage1.0.conv1,)  15805440
    2  stage1.0.conv1    128  (stage2.0.conv1,)  14450688
    """
    import pandas as pd

    found = widths(graph_of(network, resolution, channels))
    rows = []
    for group in found.groups:
        made, saved = makers(found, group), saving(found, group)
        rows.append(
            {
                "group": group.name,
                "units": len(group),
                "channels": found.share(group, made[0]),
                "made_by": _names(found, made),
                "also": _names(found, keepers(found, group)),
                "read_by": _names(found, group.readers),
                "macs": None if saved is None else saved.macs,
                "params": None if saved is None else saved.params,
                "locked": why_not(group),
            }
        )
    return pd.DataFrame(rows).astype({"macs": "Int64", "params": "Int64"})


def graph_of(network: Any, resolution: int = 224, channels: int = 3) -> Graph:
    """The graph of a Graph, of anything with a method graph(), or of a torch module. Raises TypeError for others."""
    if isinstance(network, Graph):
        return network
    if isinstance(network, nn.Module):  # first: a module of torch.fx has a graph of its own, of another kind
        return trace(network, resolution, channels=channels)
    drawn = getattr(network, "graph", None)
    made = drawn() if callable(drawn) and not isinstance(network, type) else None
    if not isinstance(made, Graph):
        raise TypeError(
            f"network={type(network).__name__}: width groups are those of a Graph, an Architecture or a torch.nn.Module"
        )
    return made


def group_of(found: Widths, layer: str) -> Group:
    """The group that a name stands for: a group's own, or of those that leave the layer of that name the last.

    Raises ValueError, with near names, for one that the network has not.
    """
    if isinstance(layer, str) and layer in found.by_name:
        return found.by_name[layer]
    names = [each.name for each in found.graph.layers]
    if layer not in names:
        near = difflib.get_close_matches(str(layer), names, n=3) or names[1:4]
        raise ValueError(f"layer={layer!r}: {found.graph.name} has no such layer; is it {' or '.join(near)}?")
    return found.holding(layer)[-1]


def makers(found: Widths, group: Group) -> tuple[int, ...]:
    """Positions of the layers that make a group's channels: convolutions and linear layers, or the image itself.

    Channels that no such layer makes (padded on, as zeros) are made by the first that holds them.
    """
    layers = found.graph.layers
    return tuple(i for i in group.layers if mixes(layers[i].op) or isinstance(layers[i].op, Input)) or group.layers[:1]


def keepers(found: Widths, group: Group) -> tuple[int, ...]:
    """Positions of the layers that keep a group's width and have numbers for each of its channels."""
    return tuple(i for i in group.writers if not mixes(found.graph.layers[i].op))


def why_not(group: Group) -> str:
    """Why no unit of a group can go; "" if some can."""
    return group.locked or ("it has 1 unit, and at least 1 must stay" if len(group) == 1 else "")


def saving(found: Widths, group: Group) -> Cost | None:
    """What a network costs less with one unit less of a group; None if none can go.

    Only the layers that write or read the group's channels cost anything else, so no other is counted.
    """
    if why_not(group):
        return None
    layers = found.graph.layers
    narrow = list(layers)
    for i in group.layers:
        narrow[i] = _narrower(layers[i], found.share(group, i))
    touched = {*group.writers, *group.readers}
    before, after = (sum((layer_cost(each[i], each) for i in touched), Cost()) for each in (layers, narrow))
    return Cost(*(a - b for a, b in zip(vars(before).values(), vars(after).values(), strict=True)))


def in_words(found: Widths, group: Group) -> list[str]:
    """A group in sentences: its units and who makes them, who keeps and reads them, what one saves or why none can go.

    >>> import cnnlab as cl
    >>> found = widths(cl.architecture("mobilenet_v2").graph())
    >>> print(*in_words(found, found.by_name["stage2.0.conv1"]), sep="\\n")
    96 units of 1 channel each, made by stage2.0.conv1.
    2 batch norms and 1 depthwise convolution keep them. 1 layer reads them: stage2.0.conv3.
    One unit less saves 304,192 multiply-adds (0.10 %) and 53 parameters (< 0.01 %).
    """
    made, kept, read = (_names(found, part) for part in (makers(found, group), keepers(found, group), group.readers))
    each = found.share(group, makers(found, group)[0])
    units = f"{_counted(len(group), 'unit')} of {_counted(each, 'channel')}{' each' if len(group) > 1 else ''}"
    said = [f"{units}, made by {_listed(made)}{', which must lose the same ones' if len(made) > 1 else ''}."]
    flow = []
    if kept:
        kinds = Counter(_kind(found.graph, i) for i in keepers(found, group))
        told = [_counted(count, kind) for kind, count in kinds.items()]
        flow += [f"{_joined(told)} keep{'s' if len(kept) == 1 else ''} them."]
    if read:
        flow += [f"{_counted(len(read), 'layer')} read{'s' if len(read) == 1 else ''} them: {_listed(read)}."]
    said += [" ".join(flow)] if flow else []
    saved, total = saving(found, group), found.graph.cost()
    if saved is None:
        return [*said, f"Locked: no unit can go, because {why_not(group)}."]
    macs, params = (_percent(getattr(saved, what) / getattr(total, what)) for what in ("macs", "params"))
    return [
        *said,
        f"One unit less saves {saved.macs:,} multiply-adds ({macs}) and {saved.params:,} parameters ({params}).",
    ]


def _narrower(layer: Layer, by: int) -> Layer:
    """The layer with so many channels less."""
    width, op = int(layer.channels) - by, layer.op
    return layer._replace(op=resized(op, width) if isinstance(op, (Conv, Linear)) else op, channels=width)


def _names(found: Widths, positions: Iterable[int]) -> tuple[str, ...]:
    return tuple(found.graph.layers[i].name for i in positions)


def _kind(graph: Graph, position: int) -> str:
    op, before = graph.layers[position].op, graph.layers[graph.layers[position].inputs[0]]
    if isinstance(op, Conv):
        return "depthwise convolution" if op.groups == before.channels else "grouped convolution"
    return describe(op)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    """The first few of them."""
    return _joined(names if len(names) <= FEW else [*names[:FEW], f"{len(names) - FEW:,} more"])


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share >= 1e-4 else "< 0.01 %"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
