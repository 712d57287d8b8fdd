"""Bands: the accuracy that is predicted at every slider position within the measured range, and its 95 % interval."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.scaling import scaled
from cnnlab.arch.zoo import architecture
from cnnlab.run.kept import kept

if TYPE_CHECKING:
    from cnnlab.run.predict import Predictor

KNOBS = ("depth", "width", "resolution")
RUNS = ("median", "low", "high")
STEP = 100  # numbers are hundredths of a percent


def band(data: str, key: str, header: Mapping[str, Sequence[float]]) -> dict[str, Any] | None:
    """What `cl.predict` says of a measured family at all positions of its sliders that lie in the measured range.

    key: the family's ("small_resnet"); header: its slider positions under "depth", "width" and "resolution".
    Gives data; family; for each knob the first and the last index in range; error and noise, points, as in
    `cl.Prediction`; numbers: little-endian uint16, hundredths of a percent, three runs, median, low and high, each in C
    order over (depth, width, resolution). None where the data, or the family on them, were not measured, or too few of
    its settings to predict the others.

    A network has whole blocks and channels, so that several positions are one network: all of them get its prediction.

    >>> found = band("glyphs", "small_resnet", {"depth": [0.4, 1, 9], "width": [1, 1.5], "resolution": [28, 32]})
    >>> found["depth"], found["width"], len(found["numbers"])
    ([0, 1], [0, 1], 48)
    """
    steps = hashlib.sha256(json.dumps([header[knob] for knob in KNOBS]).encode()).hexdigest()[:8]
    found: dict[str, Any] | None = kept(f"band {data} {key} {steps}", lambda: _band(data, key, header))
    return found


def _band(data: str, key: str, header: Mapping[str, Sequence[float]]) -> dict[str, Any] | None:
    known = _predictor(data, key)
    if known is None:
        return None
    values = _effective(key, header)
    places = {knob: _inside(knob, values[knob], known) for knob in KNOBS}
    if not all(part.size for part in places.values()):
        return None
    ends = {knob: [int(part[0]), int(part[-1])] for knob, part in places.items()}
    runs = known.at(*np.meshgrid(*(values[knob][places[knob]] for knob in KNOBS), indexing="ij"))
    numbers = np.rint(np.stack(runs) * STEP).astype("<u2").tobytes()
    return {"data": data, "family": key, **ends, "error": known.error, "noise": known.noise, "numbers": numbers}


def predicted(found: Mapping[str, Any] | None, at: Sequence[int]) -> tuple[float, float, float] | None:
    """Median, low and high, percent, at slider indices of depth, width and resolution, read from a band as a browser
    does; None outside of it, and where there is no band."""
    if found is None:
        return None
    shape = [found[knob][1] - found[knob][0] + 1 for knob in KNOBS]
    place = [i - found[knob][0] for i, knob in zip(at, KNOBS, strict=True)]
    if not all(0 <= i < n for i, n in zip(place, shape, strict=True)):
        return None
    numbers = np.frombuffer(found["numbers"], "<u2").reshape(len(RUNS), *shape)
    median, low, high = (float(run[tuple(place)]) / STEP for run in numbers)
    return median, low, high


def _predictor(data: str, key: str) -> Predictor | None:
    from cnnlab.run.measured import PREFIX, measured
    from cnnlab.run.predict import predictor

    frame = measured()
    if not ((frame["base"] == key) & (frame["data"] == data)).any():
        return None
    try:
        return predictor(key.removeprefix(PREFIX), data)
    except ValueError:  # too few settings, as of clothing64, where the resolution alone was varied
        return None


def _effective(key: str, header: Mapping[str, Sequence[float]]) -> dict[str, NDArray[Any]]:
    """The multipliers that the networks at these positions really have, after rounding to whole blocks and channels:
    those of the last stage, by which `cl.predict` tells a network's setting."""
    base = architecture(key)
    assert isinstance(base, Architecture)
    last, found = base.stages[-1], {"resolution": np.asarray(header["resolution"], float)}
    for knob in ("depth", "width"):
        stage = scaled(base, **{knob: np.asarray(header[knob], float)}).stages[-1]
        found[knob] = np.asarray(getattr(stage, knob)) / getattr(last, knob)
    return found


def _inside(knob: str, values: NDArray[Any], known: Predictor) -> NDArray[Any]:
    """The indices of the values within what was measured: one run of them, for values rise along a slider."""
    from cnnlab.run.predict import SLACK

    low, high = known.ranges[knob]
    return np.flatnonzero((values >= low * (1 - SLACK)) & (values <= high * (1 + SLACK)))
