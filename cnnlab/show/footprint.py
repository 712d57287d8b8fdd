"""What a network needs in memory at every slider position, from pieces that a browser can put together.

While a block runs, what is alive is its own affair, so the peak of a network is the largest of its blocks' peaks; what
training keeps adds up. A stage of one block is a piece of its own; of more, its first, those between and its last. A
piece's peak is the largest of a few sums of products (see `cnnlab.show.tables`), one for each layer that can be it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import BatchNorm
from cnnlab.arch.lifetime import live_by_layer, saved_by_layer
from cnnlab.arch.memory import COUNTER
from cnnlab.arch.variants import for_each, written_twice
from cnnlab.show.tables import Numbers, Term, each_graph, terms

INFERENCE_BATCH, TRAINING_BATCH = 1, 32
"""Images at a time, for the two kinds of memory that the Explorer tells."""

NUMBER = 4
"""Bytes of a float32."""

PLACES = ("only", "first", "middle", "last")
"""The pieces of a stage: its only block; or the first, each between, and the last."""


class Piece(NamedTuple):
    """One block at its place: `peaks`, of which the largest counts, for a batch of `INFERENCE_BATCH`; `saved`, for one
    of `TRAINING_BATCH`; `buffers`, which are those of evaluation and training alike. Bytes, all of them."""

    peaks: list[list[Term]]
    saved: list[Term]
    buffers: list[Term]


class _Read(NamedTuple):
    """What one graph tells of a piece: for each layer the bytes alive and those saved, over (width, resolution); the
    bytes of its batch norms, over widths; and the sizes of its images, over resolutions."""

    live: dict[str, Numbers]
    saved: dict[str, Numbers]
    buffers: Numbers
    sizes: list[Numbers]


def pieces(base: Architecture, widths: Sequence[float], resolutions: Sequence[int]) -> dict[str, dict[str, Piece]]:
    """stage -> place -> piece, over these widths, all accepted, and resolutions; stem and head have an "only" one.

    Raises ValueError for memory that is no sum of few products.
    """
    found: dict[str, dict[str, Piece]] = {}
    for depth in (1, 3):
        _, parts = each_graph(base, widths, resolutions, _read, depth=depth, training=True)
        for stage, place in dict.fromkeys(key for part in parts for key in part):
            reads = [part.get((stage, place)) for part in parts]
            found.setdefault(stage, {})["only" if depth == 1 else place] = _piece(reads, len(resolutions))
    return found


def _read(graph: Graph, shape: tuple[int, int]) -> dict[tuple[str, str], _Read]:
    written = written_twice(graph.layers)
    names = [layer.name for layer in written]

    def bytes_of(there: Sequence[Layer]) -> tuple[Numbers, ...]:
        """For each written layer the bytes alive, then those saved; 0 where a setting lacks the layer."""
        live = live_by_layer(there, INFERENCE_BATCH, NUMBER)
        saved = saved_by_layer(there, TRAINING_BATCH, NUMBER)
        rows = {layer.name: both for layer, *both in zip(there, live, saved, strict=True)}
        return tuple(np.asarray(rows[name][k] if name in rows else 0) for k in (0, 1) for name in names)

    bytes_there = [np.broadcast_to(each, shape) for each in for_each(graph.layers, bytes_of)]
    members: dict[tuple[str, str], list[int]] = {}
    for i, name in enumerate(names):
        # What is kept of the input itself belongs to the layer that takes it.
        members.setdefault(_place(names[1] if i == 0 else name), []).append(i)
    found = {}
    for place, inside in members.items():
        stage = [i for (name, _), others in members.items() if name == place[0] for i in others]
        sizes = {id(x.size): x.size for i in stage for x in (written[i], *(written[j] for j in written[i].inputs))}
        norms = sum(
            x.count * (2 * NUMBER * x.channels + COUNTER) for i in inside if isinstance((x := written[i]).op, BatchNorm)
        )
        found[place] = _Read(
            live={names[i]: bytes_there[i] for i in inside},
            saved={names[i]: bytes_there[len(names) + i] for i in inside},
            buffers=np.broadcast_to(np.asarray(norms), (shape[0], 1)),
            sizes=[np.broadcast_to(np.asarray(size), (1, shape[1]))[0] for size in sizes.values() if size is not None],
        )
    return found


def _piece(reads: Sequence[_Read | None], length: int) -> Piece:
    """One piece, told by one graph, or by one for each width; what some widths lack takes nothing there."""
    known = [read for read in reads if read is not None]
    basis = _basis((size for read in known for size in read.sizes), length)
    nothing = _Read({}, {}, np.zeros((1, 1), np.int64), [])

    def table(of: str, name: str) -> Numbers:
        rows = [getattr(read or nothing, of).get(name, np.zeros((1, length), np.int64)) for read in reads]
        return np.concatenate(rows)

    names = list(dict.fromkeys(name for read in known for name in read.live))
    live = np.stack([table("live", name) for name in names])
    buffers = np.concatenate([(read or nothing).buffers for read in reads])
    return Piece(
        peaks=[products(live[i], basis) for i in np.unique(live.argmax(axis=0))],
        saved=products(np.sum([table("saved", name) for name in names], axis=0), basis),
        buffers=terms(buffers, (len(buffers), length)),
    )


def _place(name: str) -> tuple[str, str]:
    """stage1.0.conv1 -> ("stage1", "first"); the block that stands for those in the middle is stage1.1."""
    stage, block, *_ = name.split(".")
    if not stage.startswith("stage"):
        return stage, "only"
    return stage, "first" if block == "0" else "last" if block.endswith("(last)") else "middle"


def _basis(sizes: Iterable[Numbers], length: int) -> list[NDArray[np.int64]]:
    """One, and the pixels of each of these sizes over the resolutions; but of 4 n^2 and n^2 the second alone."""
    pixels = {side.tobytes(): side * side for side in sizes}
    found: list[NDArray[np.int64]] = []
    for row in sorted([np.ones(length, np.int64), *pixels.values()], key=lambda row: int(row[-1])):
        if np.linalg.matrix_rank(np.array([*found, row], dtype=float)) > len(found):
            found.append(row)
    return found


def products(table: Numbers, basis: Sequence[NDArray[np.int64]]) -> list[Term]:
    """The table as whole multiples of the basis, for each width. Raises ValueError where it is not exactly that."""
    rows = np.array(basis)
    scale = rows.max(axis=1, keepdims=True)  # so that no row is lost beside a large one
    found = np.linalg.lstsq((rows / scale).T, table.T.astype(float), rcond=None)[0].T / scale[:, 0]
    factors = np.rint(found).astype(np.int64)
    if not np.array_equal(factors @ rows, table):
        raise ValueError("this network's memory is no sum of few products, so the Explorer cannot tell it")
    return [Term(factors[:, k], rows[k]) for k in range(len(rows)) if factors[:, k].any()]
