"""`predict`: the accuracy that a network would reach, with an interval, from the measured tables; never beyond them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.rounding import round_depth
from cnnlab.arch.zoo import architecture
from cnnlab.run.measured import KNOBS, PREFIX, QUANTILE, SETTING, full_grid, measured, seed_noise

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.gaussian_process import GaussianProcessRegressor

SLACK = 1e-6  # of a range's ends, for multipliers that come from whole channels

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What one more network, trained with a new seed by the recipe of the table, would reach. All in percent.

    accuracy: the median; low, high: in 95 of 100 cases it lies between them.  error: how far predictions are off on
    average for a setting that was left out, from the mean of its seeds; noise: the standard deviation between seeds.

    >>> print(Prediction(71.24, 67.9, 74.31, 1.32, 1.46, "glyphs"))
    71.2 % predicted on glyphs (67.9 to 74.3 %; error of settings left out 1.3, seed noise 1.5 points)
    """

    accuracy: float
    low: float
    high: float
    error: float
    noise: float
    data: str

    def __str__(self) -> str:
        about = f"error of settings left out {self.error:.1f}, seed noise {self.noise:.1f} points"
        return f"{self.accuracy:.1f} % predicted on {self.data} ({self.low:.1f} to {self.high:.1f} %; {about})"


def predict(arch: Architecture, data: str = "glyphs") -> Prediction:
    """The accuracy of a network of a measured family, at a depth, width and resolution within the measured range.

    Raises ValueError, as a sentence, for a network that is not `small_plain`, `small_resnet` or `small_mbconv` scaled
    by one depth and one width, for data that were not measured with it, and for a setting outside the measured range;
    TypeError for what is no Architecture.

    >>> import cnnlab as cl
    >>> predict(cl.architecture("resnet50"))
    Traceback (most recent call last):
    ValueError: predict: resnet50 is no network of a measured family, which are small_mbconv, small_plain, small_resnet
    """
    family, depth, width, resolution = setting(arch)
    found = predictor(family, data)
    accuracy, low, high = (float(values[0]) for values in found.at(depth, width, resolution))
    return Prediction(accuracy, low, high, found.error, found.noise, data)


def setting(arch: Architecture) -> tuple[str, float, float, int]:
    """The family, depth, width and resolution that make this network out of a measured family's base.

    >>> import cnnlab as cl
    >>> setting(cl.scaled(cl.architecture("small_resnet"), depth=1.5, width=0.75, resolution=32))
    ('resnet', 1.5, 0.75, 32)
    """
    if not isinstance(arch, Architecture):
        raise TypeError(f"predict: {arch!r} is a {type(arch).__name__}; it must be an Architecture")
    families = sorted(measured()["family"].unique())
    for family in families:
        base = architecture(PREFIX + family)
        assert isinstance(base, Architecture)
        if _kinds(arch) == _kinds(base):
            depth = float(arch.stages[-1].depth / base.stages[-1].depth)
            width = float(arch.stages[-1].width / base.stages[-1].width)
            _check_uniform(arch, base, depth, width)
            return family, depth, width, int(arch.resolution)
    names = ", ".join(PREFIX + family for family in families)
    raise ValueError(f"predict: {arch.name} is no network of a measured family, which are {names}")


def _kinds(arch: Architecture) -> tuple[Any, ...]:
    """What scaling leaves as it is."""
    rows = [(row.block, row.stride, tuple(sorted(row.options.items()))) for row in (arch.stem, *arch.stages)]
    head = (arch.head.block, arch.head.width is None, tuple(sorted(arch.head.options.items())))
    return (*rows, head, arch.channels, arch.norm, arch.drop_path)


def _check_uniform(arch: Architecture, base: Architecture, depth: float, width: float) -> None:
    """Every row must be scaled by the same factor, but for the rounding to whole blocks and channels."""
    rule = "only networks whose rows are all scaled alike were measured"
    for stage, start in zip(arch.stages, base.stages, strict=True):
        if stage.depth != round_depth(start.depth, depth):
            raise ValueError(f"predict: stages of {arch.name} have depths {_depths(arch)}; {rule}")
    for channels, of_base in zip(_widths(arch), _widths(base), strict=True):
        if abs(channels - width * of_base) > 1:
            raise ValueError(
                f"predict: {arch.name} has a row of {channels} channels, where {width:g} times its base has "
                f"{width * of_base:g}; {rule}"
            )


def _depths(arch: Architecture) -> str:
    return ", ".join(str(stage.depth) for stage in arch.stages)


def _widths(arch: Architecture) -> list[int]:
    head = [] if arch.head.width is None else [arch.head.width]
    return [int(width) for width in (arch.stem.width, *(stage.width for stage in arch.stages), *head)]


@dataclass(frozen=True, eq=False)
class Predictor:
    """A Gaussian process over the logarithms of depth, width and resolution, of one family on one data set.

    It models the log odds of the accuracy, in which steps near the ceiling count as they should. ranges: knob -> its
    measured ends. error: mean absolute error of settings left out, points; noise: pooled standard deviation of seeds,
    points; covered: share of the networks left out that lie in their 95 % interval.
    """

    family: str
    data: str
    ranges: dict[str, tuple[float, float]]
    error: float
    noise: float
    covered: float
    _process: GaussianProcessRegressor
    _spread: float

    def at(self, depth: Any, width: Any, resolution: Any) -> tuple[Floats, Floats, Floats]:
        """Median accuracy, and the ends of the 95 % interval of one more network; numbers or arrays that broadcast.

        Raises ValueError, as a sentence, for a setting outside the measured range.
        """
        values = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in (depth, width, resolution)))
        for knob, given in zip(KNOBS, values, strict=True):
            self._check_range(knob, given)
        mean, deviation = self._process.predict(_features(*values), return_std=True)
        total = np.hypot(deviation, self._spread)
        shape = values[0].shape
        bounds = (mean, mean - QUANTILE * total, mean + QUANTILE * total)
        accuracy, low, high = (_percent(bound).reshape(shape) for bound in bounds)
        return accuracy, low, high

    def _check_range(self, knob: str, given: Floats) -> None:
        low, high = self.ranges[knob]
        if np.any(given < low * (1 - SLACK)) or np.any(given > high * (1 + SLACK)):
            worst = given.min() if given.min() < low else given.max()
            raise ValueError(
                f"predict: {knob}={worst:g} lies outside what was measured for {self.family} on {self.data}, {low:g} "
                f"to {high:g}; measure it (see `sweep`) rather than guess it"
            )


@lru_cache(maxsize=32)
def predictor(family: str, data: str = "glyphs") -> Predictor:
    """The predictor of a family ("plain", "resnet", "mbconv") on a data set of `cl.measured()`.

    Raises ValueError, as a sentence, where that was not measured.
    """
    frame = measured(data)
    frame = full_grid(frame[frame["accuracy"].notna() & (frame["family"] == family)])
    if frame[list(KNOBS)].drop_duplicates().shape[0] < 8:
        known = ", ".join(sorted(measured(data)["family"].unique()))
        raise ValueError(f"predict: too few {family} networks were measured on {data} (families there: {known})")
    return fitted(frame, family, data)


def fitted(frame: pd.DataFrame, family: str, data: str) -> Predictor:
    """The predictor of these rows: of a sweep of one's own, with the columns of `cl.measured()`."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from threadpoolctl import threadpool_limits

    x, y = _features(*(frame[knob].to_numpy(float) for knob in KNOBS)), _odds(frame["accuracy"].to_numpy(float))
    kernel = ConstantKernel(4.0, (1e-2, 1e3)) * RBF([2.0, 2.0, 2.0], (0.1, 100)) + WhiteKernel(0.02, (1e-5, 1))
    process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=3, random_state=0)
    # Matrices of a few hundred rows: more threads only wait for each other, and would change the last digits.
    with threadpool_limits(1, "blas"):
        process.fit(x, y)
        left_out, deviation = _leave_settings_out(process, x, y, frame.groupby(SETTING).ngroup().to_numpy())
    spread = float(np.sqrt(process.kernel_.k2.noise_level) * y.std())  # of normalised y, back to log odds
    means = frame.groupby(SETTING)["accuracy"].transform("mean").to_numpy(float)
    inside = np.abs(y - left_out) <= QUANTILE * deviation
    ranges = {knob: (float(frame[knob].min()), float(frame[knob].max())) for knob in KNOBS}
    error = float(np.abs(_percent(left_out) - means).mean())
    return Predictor(family, data, ranges, error, seed_noise(frame), float(inside.mean()), process, spread)


def _leave_settings_out(
    process: GaussianProcessRegressor, x: Floats, y: Floats, groups: NDArray[np.integer[Any]]
) -> tuple[Floats, Floats]:
    """What the process would say of each row, and how surely, had it not seen any seed of that row's setting.

    For the rows B of a setting, with K the covariance of all rows: y_B - inv(inv(K)_BB) (inv(K) y)_B, with covariance
    inv(inv(K)_BB) (Rasmussen and Williams 2006, equations 5.10 to 5.12, for blocks).
    """
    mean, scale = y.mean(), y.std()
    inverse = np.linalg.inv(process.kernel_(x))
    weights = inverse @ ((y - mean) / scale)
    left_out, deviation = np.empty_like(y), np.empty_like(y)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        block = np.linalg.inv(inverse[np.ix_(rows, rows)])
        left_out[rows] = y[rows] - scale * (block @ weights[rows])
        deviation[rows] = scale * np.sqrt(np.diag(block))
    return left_out, deviation


def _features(depth: Any, width: Any, resolution: Any) -> Floats:
    return np.log2(np.stack([np.ravel(depth), np.ravel(width), np.ravel(resolution)], axis=1).astype(float))


def _odds(percent: Floats) -> Floats:
    share = np.clip(percent, 0.5, 99.5) / 100
    return np.log(share / (1 - share))


def _percent(odds: Floats) -> Floats:
    return 100 / (1 + np.exp(-odds))
