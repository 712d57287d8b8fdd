"""Tables: what every layer of a network costs over all widths and resolutions, as sums of products.

Channels depend on the width alone and pixels on the resolution alone, so the cost of a layer is a number for each width
times a number for each resolution: 46 + 155 numbers stand for 46 * 155. `terms` finds the two, and checks the product
to the last unit; what is no such product (there is none in the papers' networks) becomes a sum of more terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.conventions import entries
from cnnlab.arch.cost import layer_cost
from cnnlab.arch.graph import Graph
from cnnlab.arch.layers import Conv, Pool
from cnnlab.arch.roles import roles
from cnnlab.arch.scaling import scaled
from cnnlab.arch.table import blocks, describe, stages

KINDS = ("macs", "params", "activations")
"""The costs that every layer is told with."""

CONVENTIONS = ("fvcore", "torchinfo", "ptflops", "thop")
"""Other tools' ways to count the multiply-adds, told block by block (see `cnnlab.arch.conventions`)."""

EXACT = 2**53
"""The largest whole number that a browser holds exactly."""

Numbers = NDArray[np.int64]


class Term(NamedTuple):
    """One product: a number for each width times a number for each resolution."""

    by_width: Numbers
    by_size: Numbers


class LayerTable(NamedTuple):
    """One layer of a block, over all widths and resolutions: what it is, what it puts out, at which widths it is there
    (1, else 0), and its cost by kind."""

    name: str
    operation: str
    role: str
    channels: Numbers
    size: Numbers
    there: Numbers
    costs: dict[str, list[Term]]


class BlockTable(NamedTuple):
    """A block: its layers, and how far one of its pixels sees: `reach` px of the block's input beyond the middle one,
    which are `stride` of them further apart than its output's."""

    name: str
    layers: list[LayerTable]
    reach: int
    stride: int


def terms(table: Any, shape: tuple[int, int]) -> list[Term]:
    """A table over (width, resolution), or what broadcasts to one, as a sum of products; none for zeros.

    Raises ValueError for numbers that a browser does not hold exactly.

    >>> one, = terms(np.array([[2], [3]]) * np.array([[5, 7]]), (2, 2))
    >>> one.by_width.tolist(), one.by_size.tolist()
    ([2, 3], [5, 7])
    """
    table = np.asarray(table, dtype=np.int64)
    if table.max(initial=0) > EXACT:
        raise ValueError(f"a cost of {table.max():,} is too large for the Explorer (at most 2^53)")
    if not table.any():
        return []
    if table.ndim < 2 or table.shape[1] == 1:
        return [
            Term(np.broadcast_to(table.reshape(-1) if table.ndim else table, shape[0]), np.ones(shape[1], np.int64))
        ]
    row = table[np.argmax(table.any(axis=1))]
    by_size = row // np.gcd.reduce(row)
    at = int(np.argmax(by_size > 0))
    by_width = table[:, at] // by_size[at]
    if np.array_equal(by_width[:, None] * by_size, table):
        return [Term(np.broadcast_to(by_width, shape[0]), np.broadcast_to(by_size, shape[1]))]
    table = np.broadcast_to(table, shape)
    columns, place = np.unique(table, axis=1, return_inverse=True)
    return [Term(columns[:, k], (place == k).astype(np.int64)) for k in range(columns.shape[1])]


def summed(parts: Iterable[Sequence[Term]]) -> list[Term]:
    """The sum of several tables: one term for each distinct `by_size`."""
    found: dict[bytes, Term] = {}
    for term in (term for part in parts for term in part):
        key = np.ascontiguousarray(term.by_size).tobytes()
        before = found.get(key)
        found[key] = term if before is None else Term(before.by_width + term.by_width, term.by_size)
    return list(found.values())


def block_tables(
    base: Architecture, widths: Sequence[float], resolutions: Sequence[int]
) -> tuple[tuple[float, ...], dict[str, BlockTable]]:
    """The widths that the network accepts, and its blocks over those and the resolutions.

    The blocks are "stem", "stage1.0", "stage1.1" (which stands for all that follow it), ... and "head". Raises
    ValueError for a stage whose second block changes the shape of its image.
    """
    widths, found = each_graph(base, widths, resolutions, _layer_tables)
    names = dict.fromkeys(name for tables in found for name in tables)
    return widths, _checked(base.name, {name: _joined([tables.get(name) for tables in found]) for name in names})


def each_graph(
    base: Architecture,
    widths: Sequence[float],
    resolutions: Sequence[int],
    read: Any,
    *,
    depth: int = 2,
    training: bool = False,
) -> tuple[tuple[float, ...], list[Any]]:
    """`read` of the folded graph over all widths and resolutions; or, where a block asks what no array can answer
    (`if x.channels == width:`), of one graph for each width that the network accepts. The widths, and what was read.

    depth: of every stage. training: as for `Architecture.graph`.
    """
    pixels = np.array([resolutions])
    try:
        graph = _deep(base, np.array(widths)[:, None], pixels, depth, training)
    except (TypeError, ValueError):
        pass
    else:
        return tuple(widths), [read(graph, (len(widths), pixels.size))]
    found = {}
    for width in widths:
        try:
            graph = _deep(base, width, pixels, depth, training)
        except (TypeError, ValueError):
            if width == 1:
                raise
        else:
            found[width] = read(graph, (1, pixels.size))
    return tuple(found), list(found.values())


def _deep(base: Architecture, width: Any, resolution: Any, depth: int, training: bool) -> Graph:
    """Every stage with its first block and `depth` - 1 times its second."""
    arch = scaled(base, width=width, resolution=resolution)
    return replace(arch, stages=tuple(replace(s, depth=depth) for s in arch.stages)).graph(
        folded=True, training=training
    )


def _layer_tables(graph: Graph, shape: tuple[int, int]) -> dict[str, BlockTable]:
    places, parts = blocks(graph), roles(graph, stages(graph))
    found: dict[str, list[LayerTable]] = {}
    members: dict[str, list[int]] = {}
    for i, layer in enumerate(graph.layers):
        if not layer.inputs:
            continue
        cost = layer_cost(layer, graph.layers)
        place = places[i]
        table = LayerTable(
            name=layer.name.removeprefix(f"{place}."),
            operation="depthwise " + describe(layer.op).partition(" groups")[0]
            if parts[i] == "depthwise" and isinstance(layer.op, Conv)
            else describe(layer.op),
            role=parts[i],
            channels=np.broadcast_to(np.asarray(layer.channels), shape)[:, 0],
            size=np.broadcast_to(np.asarray(0 if layer.size is None else layer.size), shape)[0],
            there=np.broadcast_to(np.asarray(layer.count) > 0, shape)[:, 0].astype(np.int64),
            costs={kind: found_terms for kind in KINDS if (found_terms := terms(getattr(cost, kind), shape))},
        )
        found.setdefault(place, []).append(table)
        members.setdefault(place, []).append(i)
    return {name: BlockTable(name, found[name], *_reach(graph, members[name])) for name in found}


def _reach(graph: Graph, members: Sequence[int]) -> tuple[int, int]:
    """How many px of a block's input, beyond one, a pixel of its output sees, along the way that sees most; and the
    block's stride. Global pooling, which sees all, is left out."""
    inside: dict[int, tuple[int, int]] = {}
    for i in members:
        layer = graph.layers[i]
        ways = [inside.get(j, (0, 1)) for j in layer.inputs]
        reach, stride = max(ways)
        if isinstance(layer.op, (Conv, Pool)):
            kernel = layer.op.kernel if isinstance(layer.op.kernel, int) else max(layer.op.kernel)
            dilation = getattr(layer.op, "dilation", 1)
            reach, stride = reach + dilation * (kernel - 1) * stride, stride * layer.op.stride
        inside[i] = (reach, stride)
    return inside[members[-1]]


def _joined(parts: Sequence[BlockTable | None]) -> BlockTable:
    """One block told for one width after the other, as one table; a layer that some widths lack costs nothing there,
    and puts out what the block does."""
    known = [part for part in parts if part is not None]
    if len(parts) == 1:
        return known[0]
    names: list[str] = []  # each layer after those that come before it at any width
    for part in known:
        at = 0
        for layer in part.layers:
            if layer.name in names:
                at = names.index(layer.name) + 1
            else:
                names.insert(at, layer.name)
                at += 1
    ends = [part and part.layers[-1] for part in parts]
    columns = [{layer.name: layer for layer in part.layers} if part else {} for part in parts]
    return known[0]._replace(layers=[_joined_layer([column.get(name) for column in columns], ends) for name in names])


def _joined_layer(parts: Sequence[LayerTable | None], ends: Sequence[LayerTable | None]) -> LayerTable:
    first = next(part for part in parts if part is not None)
    channels = np.array([(part or end or first).channels[0] for part, end in zip(parts, ends, strict=True)])
    costs = {}
    for kind in KINDS:
        rows = [_dense(part.costs.get(kind, []), first.size.size) if part else 0 for part in parts]
        costs[kind] = terms(np.stack(np.broadcast_arrays(*rows)), (len(parts), first.size.size))
    there = np.array([0 if part is None else part.there[0] for part in parts])
    return first._replace(channels=channels, there=there, costs={kind: found for kind, found in costs.items() if found})


def _dense(parts: Sequence[Term], size: int) -> Numbers:
    row = np.zeros(size, np.int64)
    for term in parts:
        row = row + term.by_width[0] * term.by_size
    return row


def _checked(network: str, found: dict[str, BlockTable]) -> dict[str, BlockTable]:
    for name, block in found.items():
        before = found.get(f"{name[:-1]}0") if name.endswith(".1") else None
        a, b = (each and each.layers[-1] for each in (before, block))
        if a and b and not (np.array_equal(a.channels, b.channels) and np.array_equal(a.size, b.size)):
            raise ValueError(
                f"{network}: the second block of {name[:-2]} changes the shape of its image, so a third would cost "
                "something else; the Explorer needs stages whose blocks, after the first, keep width and size"
            )
    return found


def convention_tables(
    base: Architecture, widths: Sequence[float], resolutions: Sequence[int], convention: str
) -> dict[str, list[Term]]:
    """What a tool charges for each block (see `block_tables`) over these widths, all accepted, and resolutions."""

    def read(graph: Graph, shape: tuple[int, int]) -> dict[str, list[Term]]:
        places = dict(zip((layer.name for layer in graph.layers), blocks(graph), strict=True))
        charged: dict[str, list[list[Term]]] = {}
        for entry in entries(graph, convention):
            charge = terms(entry.layer.count * entry.charge, shape)
            charged.setdefault(places[entry.layer.name], []).append(charge)
        return {name: summed(parts) for name, parts in charged.items()}

    widths, found = each_graph(base, widths, resolutions, read)
    if len(found) == 1:
        return found[0]
    names = dict.fromkeys(name for tables in found for name in tables)
    shape = (len(widths), len(resolutions))
    return {n: terms(np.stack([_dense(t.get(n, []), shape[1]) for t in found]), shape) for n in names}
