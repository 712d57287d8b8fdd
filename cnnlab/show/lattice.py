"""`Lattice`: the exact cost of a network at every slider position, as one small array that a browser can add up.

A stage is its first block plus (depth - 1) times its second, so the cost at any depth, width and resolution follows
from each block's cost over width and resolution, and from how many blocks a depth multiplier gives. All of it comes
from one vectorised call of `cnnlab.arch`; whoever reads the array (JavaScript, or `Lattice.rows`) looks up and adds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import MOST_PIXELS, Architecture
from cnnlab.arch.bases import FAMILIES, base_of
from cnnlab.arch.cost import Cost
from cnnlab.arch.scaling import ALPHA, BETA, GAMMA, multipliers, scaled
from cnnlab.show.state import key
from cnnlab.show.tables import KINDS, Pool, tables

DEPTHS = tuple(k / 10 for k in range(2, 37))
WIDTHS = tuple(k / 20 for k in range(5, 51))
PHIS = tuple(k / 2 for k in range(15))
PIXELS = 4
STEPS = ("depth", "width", "resolution")
BLOCK_NAMES = {"mbconv": "MBConv", "fused_mbconv": "fused MBConv"}


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


@cache
def family(key: str) -> Lattice:
    """The lattice of one of `FAMILIES`; computed once."""
    label, name = FAMILIES[key]
    return lattice(base_of(name), key=key, label=label)


def lattice(base: Architecture, *, key: str | None = None, label: str | None = None) -> Lattice:
    """The lattice around an architecture of numbers (not arrays).

    Depth 0.2 to 3.6 times, width 0.25 to 2.5 times (widths that the network itself refuses are left out), resolution
    in steps of 4 px from a quarter of its own, but not below its total stride, to three times its own.
    """
    resolutions = _resolutions(base)
    widths, blocks = tables(base, WIDTHS, resolutions)
    pool = Pool()
    # Each stage stands in its paper's order; `Stage.depth` over all depth multipliers is one more vectorised call.
    depths: list[Any] = [1, *(s.depth for s in scaled(base, depth=np.array(DEPTHS)).stages), 1]
    stages = []
    for name, depth in zip(_stages(base), depths, strict=True):
        second = blocks.get(f"{name}.1")
        first = blocks[name if second is None else f"{name}.0"]
        stages.append(
            {
                "name": name,
                "blocks": pool.put(np.broadcast_to(depth, len(DEPTHS))),
                "channels": pool.put(first.channels),
                "size": pool.put(first.size),
                "first": pool.block(first),
                "second": None if second is None else pool.block(second),
            }
        )
    steps: dict[str, list[Any]] = {"depth": list(DEPTHS), "width": list(widths), "resolution": list(resolutions)}
    header: dict[str, Any] = {
        "key": key or base.name,
        "label": label or f"{base.name}, yours",
        "block": _block_name(base),
        "stride": base.stride,
        "classes": int(base.classes),
        **steps,
        "growth": ALPHA * BETA**2 * GAMMA**2,
        "base": [_nearest(s, v) for s, v in zip(steps.values(), (1.0, 1.0, int(base.resolution)), strict=True)],
        "phi": [[_nearest(s, v) for s, v in zip(steps.values(), _compound(base, p), strict=True)] for p in PHIS],
        "stages": stages,
    }
    found = Lattice(key or base.name, base, header, pool.numbers())
    header["widest"] = max(
        row.channels for row in found.rows(1.0, 1.0, int(base.resolution))
    )  # for the picture's scale
    return found


def lattice_of(base: Any) -> Lattice:
    """The lattice of a family's name, a name of the zoo or an Architecture of numbers; see `base_of`."""
    if isinstance(base, str):
        return family(base) if base in FAMILIES else lattice(base_of(base), label=base)
    arch = base_of(base)
    name = key(arch.name)
    return lattice(arch, key=f"{name}_yours" if name in FAMILIES else name)


def packed(lattices: list[Lattice]) -> tuple[list[dict[str, Any]], bytes]:
    """All lattices for the front end: what they are, and one run of uint32 numbers (little-endian)."""
    headers, start = [], 0
    for each in lattices:
        headers.append({**json.loads(json.dumps(each.header)), "at": start, "length": each.numbers.size})
        start += each.numbers.size
    return headers, np.concatenate([each.numbers for each in lattices]).astype("<u4").tobytes()


def _stages(base: Architecture) -> list[str]:
    return ["stem", *(f"stage{i}" for i in range(1, len(base.stages) + 1)), "head"]


def _resolutions(base: Architecture) -> tuple[int, ...]:
    own = int(base.resolution)
    least = max(base.stride, round(own / 4 / PIXELS) * PIXELS)
    most = min(3 * own, MOST_PIXELS)
    return tuple(sorted({own, *range(-(-least // PIXELS) * PIXELS, most + 1, PIXELS)}))


def _compound(base: Architecture, phi: float) -> tuple[float, float, float]:
    depth, width, size = multipliers(phi)
    return float(depth), float(width), float(base.resolution * size)


def _nearest(steps: Iterable[float], value: float) -> int:
    return int(np.argmin(np.abs(np.array(list(steps)) - value)))


def _block_name(base: Architecture) -> str:
    names = {getattr(s.block, "__name__", "") for s in base.stages}
    name = names.pop() if len(names) == 1 else ""
    return BLOCK_NAMES.get(name, name.replace("_", " "))
