"""`Lattice`: the exact cost of a network at every slider position, as one small array that a browser can add up.

A stage is its first block plus (depth - 1) times its second, so the cost at any depth, width and resolution follows
from each block's cost over width and resolution, and from how many blocks a depth multiplier gives. All of it comes
from one vectorised call of `cnnlab.arch`; whoever reads the array (JavaScript, or `Lattice.rows`) looks up and adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import MOST_PIXELS, Architecture
from cnnlab.arch.cost import Cost, layer_cost
from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import Conv
from cnnlab.arch.scaling import scaled
from cnnlab.arch.zoo import architecture

FAMILIES = {
    "efficientnet": ("EfficientNet (MBConv, squeeze-excite)", "efficientnet_b0"),
    "resnet": ("ResNet (bottleneck blocks)", "resnet50"),
    "resnet_basic": ("ResNet (basic blocks)", "resnet18"),
}
"""key -> what the family is called, and its base in the zoo."""

DEPTHS = tuple(k / 10 for k in range(2, 37))
WIDTHS = tuple(k / 20 for k in range(5, 51))
PHIS = tuple(k / 2 for k in range(15))
PIXELS = 4
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # Tan and Le 2019, section 3.3
KINDS = ("macs", "params", "activations")
BLOCK_NAMES = {"mbconv": "MBConv", "fused_mbconv": "fused MBConv"}

Table = NDArray[np.int64]
"""One number for each (width, resolution)."""


class Row(NamedTuple):
    """One stage at one slider position: its blocks, their width and feature map size (px), and its exact cost."""

    stage: str
    blocks: int
    channels: int
    size: int
    cost: Cost


@dataclass(frozen=True, eq=False)
class Lattice:
    """All slider positions of one family. `header` says where in `numbers` each table begins."""

    key: str
    base: Architecture
    header: dict[str, Any]
    numbers: NDArray[np.uint32]

    def index(self, knob: str, value: float) -> int:
        """The position of a value on the "depth", "width" or "resolution" slider.

        Raises ValueError, as a sentence, for a value that is not on it.
        """
        steps: list[float] = self.header[knob]
        near = _nearest(steps, value) if np.isfinite(value) else 0
        if abs(steps[near] - value) < 1e-6:
            return near
        least, most = f"{steps[0]:g}", f"{steps[-1]:g}"
        px = " px" if knob == "resolution" else ""
        if not steps[0] <= value <= steps[-1]:
            raise ValueError(f"{knob}={value:g}: for {self.key} the {knob} must be from {least} to {most}{px}")
        raise ValueError(
            f"{knob}={value:g}: for {self.key} the {knob} goes from {least} to {most}{px} in steps of "
            f"{steps[1] - steps[0]:.4g}; the nearest is {steps[near]:g}"
        )

    def rows(self, depth: float, width: float, resolution: float) -> list[Row]:
        """Every stage at this position, from the encoded numbers alone: exactly what the browser does."""
        d, w, r = (self.index(k, v) for k, v in zip(STEPS, (depth, width, resolution), strict=True))
        rows = []
        for stage in self.header["stages"]:
            blocks, channels, size = (
                int(self.numbers[stage[k] + i]) for k, i in (("blocks", d), ("channels", w), ("size", r))
            )
            cost = self._block(stage["first"], w, r)
            if blocks > 1:
                second = self._block(stage["second"], w, r)
                cost = Cost(*(getattr(cost, k) + (blocks - 1) * getattr(second, k) for k in KINDS))
            rows.append(Row(stage["name"], blocks, channels, size, cost))
        return rows

    def _block(self, block: dict[str, dict[str, int]], w: int, r: int) -> Cost:
        return Cost(**{kind: self._number(block[kind], w, r) for kind in KINDS})

    def _number(self, table: dict[str, int], w: int, r: int) -> int:
        row, column = self.numbers[table["rows"] + w], self.numbers[table["columns"] + r]
        at = int(row) * table["n"] + int(column)
        high = int(self.numbers[table["high"] + at]) << 32 if "high" in table else 0
        return int(self.numbers[table["low"] + at]) + high


STEPS = ("depth", "width", "resolution")


@cache
def family(key: str) -> Lattice:
    """The lattice of one of `FAMILIES`; computed once."""
    label, name = FAMILIES[key]
    return lattice(architecture(name), key=key, label=label)


def lattice(base: Architecture, *, key: str | None = None, label: str | None = None) -> Lattice:
    """The lattice around an architecture of numbers (not arrays).

    Depth 0.2 to 3.6 times, width 0.25 to 2.5 times (widths that the network itself refuses are left out), resolution
    in steps of 4 px from a quarter of its own, but not below its total stride, to three times its own.
    """
    resolutions = _resolutions(base)
    widths, tables = _tables(base, resolutions)
    pool = _Pool()
    # Each stage stands in its paper's order; `Stage.depth` over all depth multipliers is one more vectorised call.
    depths: list[Any] = [1, *(s.depth for s in scaled(base, depth=np.array(DEPTHS)).stages), 1]
    stages = []
    for name, blocks in zip(_stages(base), depths, strict=True):
        second = tables.get(f"{name}.1")
        first = tables[name if second is None else f"{name}.0"]
        stages.append(
            {
                "name": name,
                "blocks": pool.put(np.broadcast_to(blocks, len(DEPTHS))),
                "channels": pool.put(first.channels),
                "size": pool.put(first.size),
                "first": pool.block(first),
                "second": None if second is None else pool.block(second),
            }
        )
    steps = {"depth": list(DEPTHS), "width": list(widths), "resolution": list(resolutions)}
    header: dict[str, Any] = {
        "key": key or base.name,
        "label": label or f"{base.name}, yours",
        "block": _block_name(base),
        "stride": base.stride,
        "classes": int(base.classes),
        **steps,
        "growth": ALPHA * BETA**2 * GAMMA**2,
        "base": [_nearest(s, v) for s, v in zip(steps.values(), (1.0, 1.0, base.resolution), strict=True)],
        "phi": [[_nearest(s, v) for s, v in zip(steps.values(), _compound(base, p), strict=True)] for p in PHIS],
        "stages": stages,
    }
    return Lattice(key or base.name, base, header, pool.numbers())


class _Block(NamedTuple):
    """Cost of one block over (width, resolution); channels over width and size over resolution of what it puts out."""

    macs: Table
    params: Table
    activations: Table
    channels: Table
    size: Table


def _tables(base: Architecture, resolutions: Sequence[int]) -> tuple[tuple[float, ...], dict[str, _Block]]:
    """The widths that the network accepts, and every block's tables over those widths and the resolutions."""
    pixels = np.array([resolutions])
    try:
        graph = _two_deep(base, np.array(WIDTHS)[:, None], pixels)
    except (TypeError, ValueError):
        pass  # a block that asks `if x.channels == width:` cannot be asked about many widths at once
    else:
        return WIDTHS, _blocks(graph, (len(WIDTHS), pixels.size))
    found = {}
    for width in WIDTHS:
        try:
            graph = _two_deep(base, width, pixels)
        except (TypeError, ValueError):
            if width == 1:
                raise
        else:
            found[width] = _blocks(graph, (1, pixels.size))
    joined = {
        name: _Block(
            *(np.concatenate(parts) for parts in zip(*(b[name][:4] for b in found.values()), strict=True)),
            found[1.0][name].size,
        )
        for name in found[1.0]
    }
    return tuple(found), joined


def _two_deep(base: Architecture, width: Any, resolution: Any) -> Graph:
    arch = scaled(base, width=width, resolution=resolution)
    return replace(arch, stages=tuple(replace(s, depth=2) for s in arch.stages)).graph(folded=True)


def _blocks(graph: Graph, shape: tuple[int, int]) -> dict[str, _Block]:
    members: dict[str, list[Layer]] = {}
    for layer in graph.layers[1:]:
        path = layer.name.split(".")[:-1]
        members.setdefault(".".join(path[: 2 if path[0].startswith("stage") else 1]), []).append(layer)
    blocks = {}
    for name, layers in members.items():
        cost = sum((layer_cost(layer, graph.layers) for layer in layers), Cost())
        shown = layers[-1] if name != "head" else next((x for x in layers[::-1] if _is_map(x)), layers[-1])
        blocks[name] = _Block(
            *(np.broadcast_to(getattr(cost, kind), shape) for kind in KINDS),
            channels=np.broadcast_to(shown.channels, shape)[:, 0],
            size=np.broadcast_to(1 if shown.size is None else shown.size, shape)[0],
        )
    for name, block in blocks.items():
        before = blocks.get(f"{name[:-1]}0") if name.endswith(".1") else None
        if before and not (np.array_equal(before[3], block[3]) and np.array_equal(before[4], block[4])):
            raise ValueError(
                f"{graph.name}: the second block of {name[:-2]} changes the shape of its image, so a third would cost "
                "something else; the Explorer needs stages whose blocks, after the first, keep width and size"
            )
    return blocks


def _is_map(layer: Layer) -> bool:
    """Whether a layer of the head puts out a feature map: what of a head can be drawn to scale."""
    return isinstance(layer.op, Conv) and layer.size is not None and bool(np.max(layer.size) > 1)


class _Pool:
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

    def block(self, block: _Block) -> dict[str, dict[str, int]]:
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


def _stages(base: Architecture) -> list[str]:
    return ["stem", *(f"stage{i}" for i in range(1, len(base.stages) + 1)), "head"]


def _resolutions(base: Architecture) -> tuple[int, ...]:
    own = int(base.resolution)
    least = max(base.stride, round(own / 4 / PIXELS) * PIXELS)
    most = min(3 * own, MOST_PIXELS)
    return tuple(sorted({own, *range(-(-least // PIXELS) * PIXELS, most + 1, PIXELS)}))


def _compound(base: Architecture, phi: float) -> tuple[float, float, float]:
    return ALPHA**phi, BETA**phi, float(base.resolution) * GAMMA**phi


def _nearest(steps: Iterable[float], value: float) -> int:
    return int(np.argmin(np.abs(np.array(list(steps)) - value)))


def _block_name(base: Architecture) -> str:
    names = {getattr(s.block, "__name__", "") for s in base.stages}
    name = names.pop() if len(names) == 1 else ""
    return BLOCK_NAMES.get(name, name.replace("_", " "))
