"""What a count found: a frozen value, with its sums, tables and sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnlab.arch.whole import short
from cnnlab.run.formulas import COUNTED, FREE, UNKNOWN

if TYPE_CHECKING:
    import pandas as pd

LEVELS = ("module", "op")


class Row(NamedTuple):
    """All calls of one operation by one module, in one direction.

    within: paths of the modules whose forwards were running, the outermost ("") first, the one that called it last.
    op, kind, bucket: see `cnnlab.run.formulas`; backward: whether autograd ran it.
    macs, bias_adds: multiply-adds, and additions of biases; elements: numbers put out (0 for views).
    """

    within: tuple[str, ...]
    op: str
    kind: str
    bucket: str
    backward: bool
    calls: int
    macs: int
    bias_adds: int
    elements: int


class Part(NamedTuple):
    """One module: its path ("" for the whole), class name, calls of its forward, and parameters of its own."""

    path: str
    type: str
    calls: int
    params: int


@dataclass(frozen=True, repr=False)
class Count:
    """What running a module costs, operation by operation. Multiply-adds are those of all inputs together.

    rows: what ran; parts: the modules, in the order they are registered.
    images: how many images went in (see `count`); shapes: of the tensors that went in.
    mode: "train", "eval" or "mixed"; trained: whether the backward pass was counted too.
    trainable: parameters that require a gradient; unused: paths of modules whose parameters nothing used.
    device: "meta" if no arithmetic was done; else where it was done, and `note` says why.
    """

    name: str
    rows: tuple[Row, ...]
    parts: tuple[Part, ...]
    images: int
    shapes: tuple[tuple[int, ...], ...]
    mode: str
    trained: bool
    trainable: int
    unused: tuple[str, ...]
    device: str
    note: str

    @property
    def macs(self) -> int:
        """Multiply-adds of the forward pass, for all inputs together; biases are `bias_adds`."""
        return sum(row.macs for row in self.rows if not row.backward)

    @property
    def flops(self) -> int:
        """Floating-point operations of the forward pass: a multiply-add is two."""
        return 2 * self.macs

    @property
    def macs_per_image(self) -> int | float:
        """Multiply-adds of the forward pass for one image; whole wherever images cost the same."""
        macs = self.macs
        return macs / self.images if macs % self.images else macs // self.images

    @property
    def backward_macs(self) -> int:
        """Multiply-adds of the backward pass. Raises ValueError if only the forward pass was counted."""
        self._need_training()
        return sum(row.macs for row in self.rows if row.backward)

    @property
    def training_macs(self) -> int:
        """Multiply-adds of forward and backward pass. Raises ValueError if only the forward pass was counted."""
        return self.macs + self.backward_macs

    @property
    def bias_adds(self) -> int:
        """Additions of biases in the forward pass: not part of `macs` or `flops`."""
        return sum(row.bias_adds for row in self.rows if not row.backward)

    @property
    def params(self) -> int:
        """Learned numbers; a parameter that several modules share counts once."""
        return sum(part.params for part in self.parts)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the operations that ran and that nobody has a formula for: `macs` leaves them out."""
        return tuple(sorted({row.op for row in self.rows if row.bucket == UNKNOWN}))

    @property
    def coverage(self) -> float:
        """Of all numbers that operations put out, the share (0 to 1) of those counted or free; 1 if none is unknown."""
        elements = sum(row.elements for row in self.rows)
        known = sum(row.elements for row in self.rows if row.bucket != UNKNOWN)
        return known / elements if elements else float(not self.unknown)

    def table(self, by: str = "module") -> pd.DataFrame:
        """The count as a DataFrame, one row for each "module" or "op". Raises ValueError for another level.

        Columns of numbers: calls; params (modules only); macs, backward_macs (if counted), bias_adds and elements of
        the operations that the module itself called: each adds up to the total; share of the multiply-adds (0 to 1).
        macs_within (modules only) is macs of all that ran while the module did, the modules it calls included.
        A forward that is called directly, as in `part.forward(x)`, is a call of that module like any other.
        """
        if by not in LEVELS:
            raise ValueError(f"by={by!r}: choose one of {', '.join(LEVELS)}")
        return _by_module(self) if by == "module" else _by_op(self)

    def _need_training(self) -> None:
        if not self.trained:
            raise ValueError(f"{self.name}: only its forward pass was counted; use count(..., training=True)")

    def __repr__(self) -> str:
        images = "" if self.images == 1 else f" for {self.images:,} images"
        training = f", {self.training_macs:,} in training" if self.trained else ""
        return f"Count({self.name}: {self.macs:,} MACs{images}{training}, {self.params:,} params{self._gap()})"

    def _gap(self) -> str:
        if not self.unknown:
            return ""
        return f"; NOT COUNTED: {', '.join(self.unknown)} (coverage {100 * self.coverage:.3g} %)"

    def __str__(self) -> str:
        return "\n".join(_sentences(self))


def _frame(rows: dict[str, dict[str, Any]], trained: bool, words: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    numbers = ("macs", *(("backward_macs",) if trained else ()), "bias_adds", "elements")
    within = ("macs_within",) if "params" in words else ()
    frame = pd.DataFrame(list(rows.values()), columns=[*words, *numbers[:-2], *within, *numbers[-2:]])
    work = frame["macs"] + (frame["backward_macs"] if trained else 0)
    return frame.assign(share=work / max(work.sum(), 1))


def _add(entry: dict[str, Any], row: Row) -> None:
    entry["backward_macs" if row.backward else "macs"] += row.macs
    entry["bias_adds"] += row.bias_adds
    entry["elements"] += row.elements


def _zeros() -> dict[str, int]:
    return {"macs": 0, "backward_macs": 0, "macs_within": 0, "bias_adds": 0, "elements": 0}


def _by_module(count: Count) -> pd.DataFrame:
    entries: dict[str, dict[str, Any]] = {
        part.path: dict(module=part.path, type=part.type, calls=part.calls, params=part.params, **_zeros())
        for part in count.parts
    }
    for row in count.rows:
        _add(entries[row.within[-1]], row)
        if not row.backward:
            for path in set(row.within):
                entries[path]["macs_within"] += row.macs
    return _frame(entries, count.trained, ("module", "type", "calls", "params"))


def _by_op(count: Count) -> pd.DataFrame:
    entries: dict[str, dict[str, Any]] = {}
    for row in count.rows:
        words: dict[str, Any] = {"op": row.op, "kind": row.kind, "bucket": row.bucket, "calls": 0}
        entry = entries.setdefault(row.op, words | _zeros())
        entry["calls"] += row.calls
        _add(entry, row)
    order = sorted(entries.values(), key=lambda e: (-e["macs"] - e["backward_macs"], -e["elements"], e["op"]))
    return _frame({entry["op"]: entry for entry in order}, count.trained, ("op", "kind", "bucket", "calls"))


def _sentences(count: Count) -> Iterator[str]:
    shapes = " and ".join(map(str, count.shapes)) or "no tensors"
    yield f"{count.name} in {count.mode} mode, run on {count.device} with {shapes}"
    yield _line("multiply-adds", f"{count.macs:,} ({short(count.macs)}; FLOPs are twice that, {short(count.flops)})")
    if count.images != 1:
        yield _line("per image", f"{count.macs_per_image:,} ({short(count.macs_per_image)}), {count.images:,} images")
    if count.trained:
        yield _line("in training", f"{count.training_macs:,} ({short(count.training_macs)}), forward and backward")
    yield _line("bias additions", f"{count.bias_adds:,}, not part of the multiply-adds")
    yield _line("parameters", f"{count.params:,} ({short(count.params)}), {count.trainable:,} trainable")
    yield _line("counted", _shares(count, COUNTED, lambda row: row.op, lambda row: row.macs) or "nothing")
    yield _line("free", _shares(count, FREE, lambda row: row.kind, lambda row: row.elements) or "nothing")
    yield _line("unknown", _shares(count, UNKNOWN, lambda row: row.op, lambda row: row.elements) or "nothing")
    if count.unused:
        yield _line("never used", ", ".join(count.unused))
    if count.note:
        yield _line("note", count.note)


def _line(head: str, text: str) -> str:
    return f"  {head:<15} {text}"


def _shares(count: Count, bucket: str, name: Callable[[Row], str], amount: Callable[[Row], int]) -> str:
    """As in "aten.convolution 99.9 %, aten.addmm 0.1 %": what a bucket holds, and its share of the amount."""
    total = sum(amount(row) for row in count.rows)
    sums: dict[str, int] = {}
    for row in count.rows:
        if row.bucket == bucket:
            sums[name(row)] = sums.get(name(row), 0) + amount(row)
    of = "" if not sums else " of the multiply-adds" if bucket == COUNTED else " of the numbers put out"
    order = sorted(sums.items(), key=lambda s: -s[1])
    # Of the free ones those that put out next to nothing stand in the table only.
    words = [f"{w} {100 * n / total:.1f} %" for w, n in order if total and (bucket != FREE or n > total / 2000)]
    return ", ".join(words) + of
