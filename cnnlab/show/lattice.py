"""`Lattice`: the exact cost of a network at every slider position, as one small array that a browser can add up.

A stage is its first block plus (depth - 1) times its second, so the cost at any depth, width and resolution follows
from each layer's cost over width and resolution, and from how many blocks a depth multiplier gives. All of it comes
from one vectorised call of `cnnlab.arch`; whoever reads the array (JavaScript, or `Lattice.rows`) multiplies and adds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import log2
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import MOST_PIXELS, Architecture
from cnnlab.arch.bases import FAMILIES, base_of
from cnnlab.arch.cost import Cost
from cnnlab.arch.edits import BLOCKS, Edits, edited, option, options_of
from cnnlab.arch.scaling import scaled
from cnnlab.show import state as states
from cnnlab.show.footprint import NUMBER, Piece, pieces
from cnnlab.show.state import edit_words
from cnnlab.show.tables import CONVENTIONS, KINDS, BlockTable, Term, block_tables, convention_tables, summed

DEPTHS = tuple(k / 10 for k in range(2, 37))
WIDTHS = tuple(k / 20 for k in range(5, 51))
PIXELS = 4
STEPS = ("depth", "width", "resolution")
MEMORY = ("inference", "training")
ALL_KINDS = (*KINDS, *CONVENTIONS, *MEMORY)
"""All that a lattice can tell of a network: counts, other tools' counts of the multiply-adds, and bytes."""

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
    """All slider positions of one network. `header` says where in `numbers` each vector begins."""

    key: str
    base: Architecture
    header: dict[str, Any]
    numbers: NDArray[np.float64]

    def index(self, knob: str, value: float) -> int:
        """The position of a value on the "depth", "width" or "resolution" slider.

        Raises ValueError, as a sentence, for a value that is not on it.
        """
        steps: list[float] = self.header[knob]
        near = nearest(steps, value) if np.isfinite(value) else 0
        if abs(steps[near] - value) < 1e-6:
            return near
        least, most = f"{steps[0]:g}", f"{steps[-1]:g}"
        px = " px" if knob == "resolution" else ""
        if not steps[0] <= value <= steps[-1]:
            raise ValueError(f"{knob}={value:g}: for {self.key} the {knob} must be from {least} to {most}{px}")
        gaps = {round(b - a, 6) for a, b in pairwise(steps)}
        even = f" in steps of {gaps.pop():g}" if len(gaps) == 1 else ""  # some networks refuse some widths
        raise ValueError(
            f"{knob}={value:g}: for {self.key} the {knob} goes from {least} to {most}{px}{even}; "
            f"the nearest is {steps[near]:g}"
        )

    def rows(self, depth: float, width: float, resolution: float) -> list[Row]:
        """Every stage at this position, from the encoded numbers alone: exactly what the browser does."""
        d, w, r = (self.index(k, v) for k, v in zip(STEPS, (depth, width, resolution), strict=True))
        rows = []
        for stage in self.header["stages"]:
            shown = stage["blocks"][0]["layers"][stage["shown"]]
            blocks = int(self.numbers[stage["depths"] + d])
            cost = Cost(*(int(self._stage(stage, kind, blocks, w, r)) for kind in KINDS))
            channels, size = int(self.numbers[shown["channels"] + w]), int(self.numbers[shown["size"] + r])
            rows.append(Row(stage["name"], blocks, channels, max(size, 1), cost))
        return rows

    def total(self, kind: str, depth: float, width: float, resolution: float) -> int:
        """The network's cost at this position, of a kind that the lattice was made with: a count, or bytes."""
        d, w, r = (self.index(k, v) for k, v in zip(STEPS, (depth, width, resolution), strict=True))
        stages = [(stage, int(self.numbers[stage["depths"] + d])) for stage in self.header["stages"]]
        if kind not in MEMORY:
            return int(sum(self._stage(stage, kind, blocks, w, r) for stage, blocks in stages))
        params = sum(self._stage(stage, "params", blocks, w, r) for stage, blocks in stages)
        used = [(stage["pieces"], *use) for stage, blocks in stages for use in uses(blocks)]
        buffers, saved = (sum(n * self._sum(p[at][what], w, r) for p, at, n in used) for what in ("buffers", "saved"))
        if kind == "training":  # weights, gradients and momentum
            return int(3 * NUMBER * params + buffers + saved)
        peak = max(self._sum(terms, w, r) for p, at, _ in used for terms in p[at]["peaks"])
        return int(NUMBER * params + buffers + NUMBER * self.base.channels * self.header["resolution"][r] ** 2 + peak)

    def _stage(self, stage: Mapping[str, Any], kind: str, blocks: int, w: int, r: int) -> float:
        first, *second = (self._block(block, kind, w, r) for block in stage["blocks"])
        return first + (blocks - 1) * second[0] if second and blocks > 1 else first

    def _block(self, block: Mapping[str, Any], kind: str, w: int, r: int) -> float:
        if kind in block:
            return self._sum(block[kind], w, r)
        return sum(self._sum(layer.get(kind, ()), w, r) for layer in block["layers"])

    def _sum(self, terms: Sequence[Sequence[int]], w: int, r: int) -> float:
        return float(sum(self.numbers[a + w] * self.numbers[b + r] for a, b in terms))


def uses(blocks: int) -> list[tuple[str, int]]:
    """Which pieces (`cnnlab.show.footprint`) a stage of so many blocks has, and how many of each.

    >>> uses(1), uses(4)
    ([('only', 1)], [('first', 1), ('last', 1), ('middle', 2)])
    """
    return (
        [("only", 1)] if blocks == 1 else [("first", 1), ("last", 1), *([("middle", blocks - 2)] if blocks > 2 else [])]
    )


def family(key: str, kinds: tuple[str, ...] = KINDS) -> Lattice:
    """The lattice of one of `FAMILIES`; computed once."""
    return lattice_of(key, kinds=kinds)


def lattice(
    base: Architecture,
    *,
    key: str | None = None,
    label: str | None = None,
    kinds: Iterable[str] = KINDS,
    edits: Edits | None = None,
) -> Lattice:
    """The lattice around an architecture of numbers (not arrays), with these rows edited.

    Depth 0.2 to 3.6 times, width 0.25 to 2.5 times (widths that the network itself refuses are left out), resolution
    in steps of 4 px from a quarter of its own, but not below its total stride, to three times its own. kinds: of
    `ALL_KINDS`; the counts are always told.
    """
    start, base = base, edited(base, edits) if edits else base
    name = key or _own_key(start)
    resolutions = _resolutions(base)
    widths, blocks = block_tables(base, WIDTHS, resolutions)
    pool = _Pool()
    made = _Encoder(pool, blocks, *_extras(base, widths, resolutions, kinds))
    steps: dict[str, list[Any]] = {"depth": list(DEPTHS), "width": list(widths), "resolution": list(resolutions)}
    header: dict[str, Any] = {
        "key": name,
        "id": ",".join([name, *edit_words(edits or {})]),
        "label": label or f"{start.name}, yours",
        "of": FAMILIES[name][1] if key in FAMILIES else start.name,
        "yours": key is None,
        "block": _block_name(base),
        "stride": base.stride,
        "classes": int(base.classes),
        "channels": base.channels,
        "kinds": [kind for kind in ALL_KINDS if kind in {*KINDS, *kinds}],
        **steps,
        "base": [nearest(s, v) for s, v in zip(steps.values(), (1.0, 1.0, int(base.resolution)), strict=True)],
        "stages": _stages(base, made),
        "rows": [row(stage) for stage in base.stages],
        "own": [row(stage) for stage in start.stages],
        "edits": {str(number): dict(changes) for number, changes in (edits or {}).items()},
    }
    found = Lattice(name, base, header, pool.numbers())
    at_base = found.rows(1.0, 1.0, int(base.resolution))
    header["widest"] = max(each.channels for each in at_base)  # for the picture's scale
    return found


def lattice_of(
    base: Any, *, kinds: Iterable[str] = KINDS, edits: Edits | None = None, classes: int | None = None
) -> Lattice:
    """The lattice of a family's name, a name of the zoo or an Architecture of numbers (see `base_of`), for another
    number of classes if given. What was made lately is kept."""
    base = base if isinstance(base, str) else base_of(base)  # checked: what holds arrays cannot be looked up
    words = tuple((number, tuple(changes.items())) for number, changes in (edits or {}).items())
    return _made(base, tuple(kinds), words, classes)


@lru_cache(maxsize=96)
def _made(base: Any, kinds: tuple[str, ...], words: tuple[Any, ...], classes: int | None) -> Lattice:
    arch = base_of(base)
    arch = arch if classes is None else replace(arch, classes=classes)
    edits = {number: dict(changes) for number, changes in words}
    if isinstance(base, str):
        label = FAMILIES[base][0] if base in FAMILIES else base
        return lattice(arch, key=base, label=label, kinds=kinds, edits=edits)
    return lattice(arch, kinds=kinds, edits=edits)


def packed(found: Lattice) -> dict[str, Any]:
    """A lattice for the front end: what it is, and its numbers as little-endian float64."""
    return {**json.loads(json.dumps(found.header)), "numbers": found.numbers.astype("<f8").tobytes()}


def _own_key(arch: Architecture) -> str:
    name = states.key(arch.name)
    return f"{name}_yours" if name in FAMILIES else name


def row(stage: Any) -> dict[str, Any]:
    """A row of the paper's table as what can be edited: block, depth, width and the options that its block takes."""
    name = getattr(stage.block, "__name__", "")
    options = {field: option(stage, field) for field in options_of(stage.block)}
    return {"block": name, "known": name in BLOCKS, "depth": int(stage.depth), "width": int(stage.width), **options}


def nearest(steps: Iterable[float], value: float) -> int:
    """The position of the step that is nearest to the value; of two that are as near, the first."""
    return int(np.argmin(np.abs(np.array(list(steps)) - value)))


class _Pool:
    """Vectors laid end to end, equal ones only once; `put` says where they begin."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self._length = 0

    def put(self, values: Any) -> int:
        run = np.ascontiguousarray(values, dtype=np.float64).tobytes()
        if run not in self._places:
            self._places[run] = self._length
            self._length += len(run) // 8
        return self._places[run]

    def numbers(self) -> NDArray[np.float64]:
        return np.frombuffer(b"".join(self._places), dtype=np.float64)


@dataclass(frozen=True)
class _Encoder:
    """Blocks, what other tools charge for them and their memory, as JSON that points into a pool of vectors."""

    pool: _Pool
    blocks: Mapping[str, BlockTable]
    charges: Mapping[str, Mapping[str, Sequence[Term]]]
    memory: Mapping[str, Mapping[str, Piece]]

    def terms(self, terms: Sequence[Term]) -> list[list[int]]:
        return [[self.pool.put(term.by_width), self.pool.put(term.by_size)] for term in terms]

    def block(self, name: str) -> dict[str, Any]:
        table = self.blocks[name]
        layers = [
            {
                **{"name": layer.name, "operation": layer.operation, "role": layer.role},
                **{"channels": self.pool.put(layer.channels), "size": self.pool.put(layer.size)},
                **({} if layer.there.all() else {"there": self.pool.put(layer.there)}),
                **{kind: self.terms(cost) for kind, cost in layer.costs.items()},
            }
            for layer in table.layers
        ]
        sums = {kind: self.terms(summed(layer.costs.get(kind, []) for layer in table.layers)) for kind in KINDS}
        others = {kind: self.terms(charges.get(name, [])) for kind, charges in self.charges.items()}
        return {"layers": layers, "reach": table.reach, "stride": table.stride, **sums, **others}

    def pieces(self, stage: str) -> dict[str, Any]:
        return {
            place: {
                "peaks": [self.terms(peak) for peak in piece.peaks],
                "saved": self.terms(piece.saved),
                "buffers": self.terms(piece.buffers),
            }
            for place, piece in self.memory.get(stage, {}).items()
        }


def _extras(base: Architecture, widths: Sequence[float], resolutions: Sequence[int], kinds: Iterable[str]) -> Any:
    wanted = set(kinds)
    charges = {kind: convention_tables(base, widths, resolutions, kind) for kind in CONVENTIONS if kind in wanted}
    return charges, pieces(base, widths, resolutions) if wanted & set(MEMORY) else {}


def _stages(base: Architecture, made: _Encoder) -> list[dict[str, Any]]:
    # Each stage stands in its paper's order; `Stage.depth` over all depth multipliers is one more vectorised call.
    depths: list[Any] = [1, *(s.depth for s in scaled(base, depth=np.array(DEPTHS)).stages), 1]
    names = ["stem", *(f"stage{i}" for i in range(1, len(base.stages) + 1)), "head"]
    stages, stride = [], 1
    for name, depth in zip(names, depths, strict=True):
        blocks = [name] if name in made.blocks else [f"{name}.0", f"{name}.1"]
        for block in blocks:
            stride *= made.blocks[block].stride
        smaller = name if name in ("stem", "head") else f"1/{2 ** round(log2(stride))}"
        last = made.blocks[blocks[0]].layers
        stages.append(
            {
                "name": name,
                "smaller": smaller,
                "depths": made.pool.put(np.broadcast_to(depth, len(DEPTHS))),
                "shown": _shown(last) if name == "head" else len(last) - 1,
                "blocks": [made.block(block) for block in blocks],
                "pieces": made.pieces(name),
            }
        )
    return stages


def _shown(layers: Sequence[Any]) -> int:
    """Which layer of a head can be drawn to scale: its last convolution of more than one pixel, else the last layer."""
    maps = [i for i, layer in enumerate(layers) if layer.operation.startswith("conv") and layer.size.max() > 1]
    return maps[-1] if maps else len(layers) - 1


def _resolutions(base: Architecture) -> tuple[int, ...]:
    own = int(base.resolution)
    least = max(base.stride, round(own / 4 / PIXELS) * PIXELS)
    most = min(3 * own, MOST_PIXELS)
    return tuple(sorted({own, *range(-(-least // PIXELS) * PIXELS, most + 1, PIXELS)}))


def _block_name(base: Architecture) -> str:
    names = {getattr(s.block, "__name__", "") for s in base.stages}
    name = names.pop() if len(names) == 1 else ""
    return BLOCK_NAMES.get(name, name.replace("_", " "))
