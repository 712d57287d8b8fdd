"""What a timing found: a frozen value with all that the figure depends on, and how two of them compare."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnnlab.run.device import plural

SAME = ("device", "threads", "dtype", "layout", "batch", "mode", "torch")
"""What must agree in two figures before they may be compared. Networks and resolutions may differ."""


@dataclass(frozen=True)
class Latency:
    """The time of one call of a network on one batch: median, quartiles, and the conditions that it holds under.

    name: of the network. median, lower, upper: seconds; a quarter of the runs was below `lower`, a quarter above
    `upper`. runs: how many were measured. macs: multiply-adds for one image, None where they are not known.
    resolution: in px. device: name and kind of the machine. threads: of the CPU. layout: "contiguous" or
    "channels_last". mode: "inference". torch: its version.

    Comparing two is refused, with a sentence, unless device, threads, dtype, layout, batch, mode and torch agree.
    `a < b` says that a was faster; where the spreads overlap neither a < b nor b < a holds: the two are not ordered.
    """

    name: str
    median: float
    lower: float
    upper: float
    runs: int
    macs: int | None
    batch: int
    resolution: int
    channels: int
    device: str
    threads: int
    dtype: str
    layout: str
    mode: str
    torch: str

    @property
    def spread(self) -> float:
        """The distance between the quartiles, in seconds."""
        return self.upper - self.lower

    @property
    def images_per_second(self) -> float:
        """Images that pass in one second, at the median."""
        return self.batch / self.median

    @property
    def macs_per_second(self) -> float | None:
        """Multiply-adds done in one second, at the median; None where the multiply-adds are not known."""
        return None if self.macs is None else self.macs * self.batch / self.median

    def ratio(self, other: Latency) -> Ratio:
        """How many times as long as the other it takes, with the range that both spreads leave.

        Raises ValueError if the two were measured under other conditions, TypeError for what is no Latency.
        """
        self._check(other)
        return Ratio(self.name, other.name, self.median / other.median,
                     self.lower / other.upper, self.upper / other.lower)  # fmt: skip

    def __lt__(self, other: Latency) -> bool:
        return self.ratio(other).high < 1

    def __gt__(self, other: Latency) -> bool:
        return self.ratio(other).low > 1

    def _check(self, other: Latency) -> None:
        if not isinstance(other, Latency):
            raise TypeError(f"a Latency compares with another Latency, not with {type(other).__name__}")
        apart = [
            f"{what} ({getattr(self, what)} and {getattr(other, what)})"
            for what in SAME
            if getattr(self, what) != getattr(other, what)
        ]
        if apart:
            raise ValueError(
                f"{self.name} and {other.name} cannot be compared: they differ in {', '.join(apart)}; "
                "measure both under the same conditions"
            )

    def __repr__(self) -> str:
        return (
            f"Latency({self.name}: {seconds_text(self.median)}, quartiles {seconds_text(self.lower)} to "
            f"{seconds_text(self.upper)} over {plural(self.runs, 'run')}, {self.images_per_second:,.4g} images/s; "
            f"batch {self.batch}, {self.resolution} px, {self.dtype}, {self.layout}, {self.mode}, "
            f"{self.device}, {plural(self.threads, 'thread')}, torch {self.torch})"
        )


@dataclass(frozen=True)
class Ratio:
    """How many times as long the one takes as the other: of the medians, and from `low` to `high` between the nearest
    and the farthest quartiles."""

    one: str
    other: str
    value: float
    low: float
    high: float

    @property
    def ordered(self) -> bool:
        """Whether the spreads lie apart, so that one may be called faster."""
        return not self.low <= 1 <= self.high

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        verdict = "" if self.ordered else "; their spreads overlap, so they are not ordered"
        return (
            f"{self.one} takes {self.value:.3g} times as long as {self.other} ({self.low:.3g} to {self.high:.3g})"
            + verdict
        )


def seconds_text(seconds: float) -> str:
    """A time with three digits and its unit.

    >>> seconds_text(0.02514), seconds_text(1.5), seconds_text(0.0000123)
    ('25.1 ms', '1.50 s', '12.3 us')
    """
    size, unit = next(((s, u) for s, u in ((1, "s"), (1e-3, "ms")) if seconds >= s), (1e-6, "us"))
    x = seconds / size
    digits = max(0, 2 - math.floor(math.log10(x))) if x > 0 else 0
    return f"{x:.{digits}f} {unit}"
