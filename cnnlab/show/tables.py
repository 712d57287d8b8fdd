"""Tables: the cost of every block of a network over all widths and resolutions, packed as whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.cost import Cost, layer_cost
from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import Conv
from cnnlab.arch.scaling import scaled

KINDS = ("macs", "params", "activations")

Table = NDArray[np.int64]
"""One number for each (width, resolution)."""


class Block(NamedTuple):
    """Cost of one block over (width, resolution); channels over width and size over resolution of what it puts out."""

    macs: Table
    params: Table
    activations: Table
    channels: Table
    size: Table


def tables(
    base: Architecture, widths: Sequence[float], resolutions: Sequence[int]
) -> tuple[tuple[float, ...], dict[str, Block]]:
    """The widths that the network accepts, and every block's tables over those widths and the resolutions.

    The blocks are "stem", "stage1.0", "stage1.1" (which stands for all that follow it), ... and "head".
    """
    pixels = np.array([resolutions])
    try:
        graph = _two_deep(base, np.array(widths)[:, None], pixels)
    except (TypeError, ValueError):
        pass  # a block that asks `if x.channels == width:` cannot be asked about many widths at once
    else:
        return tuple(widths), _blocks(graph, (len(widths), pixels.size))
    found = {}
    for width in widths:
        try:
            graph = _two_deep(base, width, pixels)
        except (TypeError, ValueError):
            if width == 1:
                raise
        else:
            found[width] = _blocks(graph, (1, pixels.size))
    return tuple(found), {name: _stacked([blocks[name] for blocks in found.values()]) for name in found[1.0]}


def _stacked(blocks: Sequence[Block]) -> Block:
    """One block's tables for one width each, as its tables for all of them."""
    columns = [np.concatenate([getattr(block, field) for block in blocks]) for field in (*KINDS, "channels")]
    return Block(columns[0], columns[1], columns[2], columns[3], blocks[0].size)


def _two_deep(base: Architecture, width: Any, resolution: Any) -> Graph:
    arch = scaled(base, width=width, resolution=resolution)
    return replace(arch, stages=tuple(replace(s, depth=2) for s in arch.stages)).graph(folded=True)


def _blocks(graph: Graph, shape: tuple[int, int]) -> dict[str, Block]:
    members: dict[str, list[Layer]] = {}
    for layer in graph.layers[1:]:
        path = layer.name.split(".")[:-1]
        members.setdefault(".".join(path[: 2 if path[0].startswith("stage") else 1]), []).append(layer)
    blocks = {}
    for name, layers in members.items():
        cost = sum((layer_cost(layer, graph.layers) for layer in layers), Cost())
        shown = layers[-1] if name != "head" else next((x for x in layers[::-1] if _is_map(x)), layers[-1])
        blocks[name] = Block(
            macs=np.broadcast_to(cost.macs, shape),
            params=np.broadcast_to(cost.params, shape),
            activations=np.broadcast_to(cost.activations, shape),
            channels=np.broadcast_to(shown.channels, shape)[:, 0],
            size=np.broadcast_to(1 if shown.size is None else shown.size, shape)[0],
        )
    for name, block in blocks.items():
        before = blocks.get(f"{name[:-1]}0") if name.endswith(".1") else None
        if before and not (np.array_equal(before.channels, block.channels) and np.array_equal(before.size, block.size)):
            raise ValueError(
                f"{graph.name}: the second block of {name[:-2]} changes the shape of its image, so a third would cost "
                "something else; the Explorer needs stages whose blocks, after the first, keep width and size"
            )
    return blocks


def _is_map(layer: Layer) -> bool:
    """Whether a layer of the head puts out a feature map: what of a head can be drawn to scale."""
    return isinstance(layer.op, Conv) and layer.size is not None and bool(np.max(layer.size) > 1)


class Pool:
    """Numbers laid end to end, equal runs of them only once; `put` says where they begin."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self._length = 0

    def put(self, values: Any) -> int:
        """Where these numbers, each below 2^32, begin."""
        run = np.ascontiguousarray(values, dtype=np.uint32).tobytes()
        if run not in self._places:
            self._places[run] = self._length
            self._length += len(run) // 4
        return self._places[run]

    def block(self, block: Block) -> dict[str, dict[str, int]]:
        return {kind: self.table(getattr(block, kind)) for kind in KINDS}

    def table(self, table: Table) -> dict[str, int]:
        """A table without its equal rows and equal columns, and which of them each width and resolution has.

        Its numbers are low + 2^32 high, which a browser's numbers hold exactly up to 2^53.
        """
        if table.max() > 2**53:
            raise ValueError(f"a cost of {table.max():,} is too large for the Explorer (at most 2^53)")
        table, rows = np.unique(table, axis=0, return_inverse=True)
        table, columns = np.unique(table, axis=1, return_inverse=True)
        places = {"rows": self.put(rows), "columns": self.put(columns), "n": table.shape[1]}
        places["low"] = self.put(table & 0xFFFFFFFF)
        if table.max() >= 2**32:
            places["high"] = self.put(table >> 32)
        return places

    def numbers(self) -> NDArray[np.uint32]:
        return np.frombuffer(b"".join(self._places), dtype=np.uint32)
