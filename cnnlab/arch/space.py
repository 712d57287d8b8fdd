"""`Space`: a network at many depths, widths and resolutions, all of them costed in one call, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.bases import base_of
from cnnlab.arch.batched import costs, memories
from cnnlab.arch.cost import Cost
from cnnlab.arch.scaling import multipliers, scaled
from cnnlab.arch.whole import check_int, check_real, check_whole

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("macs", "params", "activations")
MOST_SETTINGS = 20_000_000
STEPS = ("depth", "width", "resolution")


@dataclass(frozen=True, eq=False, repr=False)
class Space:
    """A network at many settings of depth, width and resolution, or of the compound coefficient phi.

    base: a family's name ("efficientnet", "resnet", "resnet_basic"), a name of `cl.names()` or an Architecture.
    depth, width: multipliers, a number or a one-dimensional sequence of them; resolution: px, the base's own if None.
    phi: compound coefficients (see `cl.compound`) in place of the three.
    paired: False for the grid, every value of a knob with every value of the others (depth outermost, resolution
    innermost); True for the first values together, then the second, and so on.

    Raises ValueError or TypeError, as a sentence, for knobs that `cl.scaled` refuses, for values that do not pair, for
    more than 20 million settings, and for costs that 64 bits do not hold.

    >>> import cnnlab as cl
    >>> space = Space("efficientnet", depth=[1.0, 1.1], resolution=[224, 240])
    >>> space
    Space(efficientnet_b0: 4 settings, depth 1 to 1.1, width 1, resolution 224 to 240)
    >>> space.frame()
       depth  width  resolution       macs   params  activations
    0    1.0    1.0         224  385814752  5288548      6748036
    1    1.0    1.0         240  462528080  5288548      7839924
    2    1.1    1.0         224  569651680  7794184      9355736
    3    1.1    1.0         240  686802832  7794184     10884328
    >>> space.architecture(3).cost() == cl.architecture("efficientnet_b1").cost()
    True
    """

    base: Any
    depth: Any = 1.0
    width: Any = 1.0
    resolution: Any = None
    phi: Any = None
    paired: bool = False

    def __post_init__(self) -> None:
        base = base_of(self.base)
        knobs = self._knobs(base)
        object.__setattr__(self, "base", base)
        # Values of phi go through three knobs in step, so they can only be a list of settings.
        object.__setattr__(self, "paired", self.paired is True or self.phi is not None)
        for knob, values in (_paired(knobs) if self.paired else knobs).items():
            values.setflags(write=False)
            object.__setattr__(self, knob, values)
        if len(self) > MOST_SETTINGS:
            raise ValueError(
                f"{base.name}: {len(self):,} settings are too many for one space (at most {MOST_SETTINGS:,}); give "
                "fewer values, or take a sample: Space(...).sample(n)"
            )
        self._check_ends()

    def __len__(self) -> int:
        sizes = [len(getattr(self, knob)) for knob in STEPS]
        return sizes[0] if self.paired else sizes[0] * sizes[1] * sizes[2]

    def __repr__(self) -> str:
        knobs = [f"{knob} {_range(getattr(self, knob))}" for knob in ("phi", *STEPS) if getattr(self, knob) is not None]
        return f"Space({self.base.name}: {len(self):,} settings, {', '.join(knobs)})"

    def cost(self) -> Cost:
        """The exact cost of every setting, in the order of `frame`: int64 arrays of one dimension."""
        found = costs(self.base, *self._axes())
        return Cost(**{what: np.ascontiguousarray(values).reshape(-1) for what, values in vars(found).items()})

    def frame(self, batch: int | None = None) -> pd.DataFrame:
        """One row for each setting: its knobs (phi too, where it was given), macs, params and activations.

        batch: also the columns `inference` and `training`, the bytes in memory for a batch of so many images (float32,
        plain SGD; see `cnnlab.arch.memory`). They take far longer than the cost: some 10 seconds for a million.
        """
        import pandas as pd

        axes = dict(zip(STEPS, np.broadcast_arrays(*self._axes()), strict=True))
        columns = {} if self.phi is None else {"phi": self.phi}
        columns |= {knob: values.reshape(-1) for knob, values in axes.items()} | vars(self.cost())
        if batch is not None:
            depth, width, resolution = (columns[knob] for knob in STEPS)
            memory = memories(self.base, depth, width, resolution, batch)
            columns |= {"inference": memory.inference, "training": memory.training}
        return pd.DataFrame(columns)

    def sample(self, n: int, seed: int = 0) -> Space:
        """A space of n random settings, each knob uniform between the least and the largest value of this space.

        The same seed gives the same settings.

        >>> Space("resnet", depth=[0.5, 2], width=[0.5, 2], resolution=[128, 320]).sample(2, seed=1).frame().shape
        (2, 6)
        """
        n, draw = check_int("n", n, most=MOST_SETTINGS), np.random.default_rng(check_int("seed", seed, least=0))
        if self.phi is not None:
            return Space(self.base, phi=draw.uniform(self.phi.min(), self.phi.max(), n))
        depth, width = (draw.uniform(values.min(), values.max(), n) for values in (self.depth, self.width))
        resolution = draw.integers(self.resolution.min(), self.resolution.max(), n, endpoint=True)
        return Space(self.base, depth, width, resolution, paired=True)

    def architecture(self, row: int) -> Architecture:
        """The network of that row of `frame`."""
        row = check_int("row", row, least=0, most=len(self) - 1)
        at = [row] * 3 if self.paired else np.unravel_index(row, [getattr(self, knob).size for knob in STEPS])
        values = {knob: getattr(self, knob)[i].item() for knob, i in zip(STEPS, at, strict=True)}
        found: Architecture = scaled(self.base, **values)
        return found

    def _knobs(self, base: Architecture) -> dict[str, NDArray[Any]]:
        """The values of phi, if it is given, and of the three knobs: arrays of one dimension."""
        if self.phi is None:
            pixels = base.resolution if self.resolution is None else self.resolution
            return {
                "depth": _values("depth", self.depth, check_real, above=0),
                "width": _values("width", self.width, check_real, above=0),
                "resolution": _values("resolution", pixels, check_whole),
            }
        if self.resolution is not None or any(np.shape(k) != () or k != 1 for k in (self.depth, self.width)):
            raise ValueError(f"phi={self.phi!r} sets depth, width and resolution together; give it without them")
        phi = _values("phi", self.phi, check_real)
        depth, width, size = map(np.asarray, multipliers(phi))
        pixels = _values("resolution", np.round(base.resolution * size), check_whole)
        return {"phi": phi, "depth": depth, "width": width, "resolution": pixels}

    def _axes(self) -> tuple[NDArray[Any], ...]:
        """Depth, width and resolution as arrays that broadcast to all settings."""
        d, w, r = (getattr(self, knob) for knob in STEPS)
        return (d, w, r) if self.paired else (d[:, None, None], w[None, :, None], r[None, None, :])

    def _check_ends(self) -> None:
        """Refuse what `scaled` refuses, and what 64 bits do not hold, before any work."""
        for end in (np.min, np.max):
            ends = {knob: end(getattr(self, knob)).item() for knob in STEPS}
            largest = scaled(self.base, **ends)
        try:
            cost = largest.cost()
        except (TypeError, ValueError) as error:
            raise type(error)(f"{largest.name}: {error}") from None
        if max(vars(cost).values()) >= 2**63:  # whole numbers of Python, which hold it
            setting = ", ".join(f"{knob}={value:g}" for knob, value in ends.items())
            raise ValueError(f"{self.base.name}: the cost at {setting} does not fit 64 bits; give smaller knobs")


def _values(knob: str, values: Any, check: Any, **bounds: float) -> NDArray[Any]:
    """Numbers, or one number, as a checked array of one dimension."""
    if isinstance(values, str) or not np.iterable(values):
        return np.atleast_1d(check(knob, values, **bounds))
    values = list(values) if not isinstance(values, np.ndarray) else values
    try:
        array = np.array(values)
    except ValueError:
        array = np.empty((0, 0))
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise TypeError(f"{knob}={_short(values)}: give a number, or numbers in one dimension")
    if array.size == 0:
        raise ValueError(f"{knob} is empty; give at least one value")
    return np.array(check(knob, array, **bounds))


def _paired(knobs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    sizes = {knob: values.size for knob, values in knobs.items()}
    n = max(sizes.values())
    if set(sizes.values()) - {1, n}:
        told = ", ".join(f"{size} of {knob}" for knob, size in sizes.items())
        raise ValueError(f"values do not pair: {told}; give as many of each, or one")
    return {knob: np.broadcast_to(values, n).copy() for knob, values in knobs.items()}


def _range(values: NDArray[Any]) -> str:
    least, most = f"{values.min():g}", f"{values.max():g}"
    return least if least == most else f"{least} to {most}"


def _short(values: Any) -> str:
    told = repr(values)
    return told if len(told) <= 60 else told[:57] + "..."
