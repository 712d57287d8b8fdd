"""What the measured tables say: how accuracy rises along each knob, and two questions, with intervals.

All intervals are 95 %, from the noise between seeds that `seed_noise` pools over settings; none is corrected for how
many are looked at. Where two overlap, the order is open.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.run.measured import KNOBS, QUANTILE, full_grid, measured, seed_noise

if TYPE_CHECKING:
    import pandas as pd

CONVOLUTIONS = {
    "start": (0.5, 1.0, 20),
    "depth": (2.0, 1.0, 20),
    "width": (0.5, 2.1875, 20),
    "resolution": (0.5, 1.0, 42),
    "all three": (1.0, 1.25, 24),
}
BOTTLENECKS = {**CONVOLUTIONS, "width": (0.5, 2.125, 20), "resolution": (0.5, 1.0, 40)}
EQUAL_COST = {"plain": CONVOLUTIONS, "resnet": CONVOLUTIONS, "mbconv": BOTTLENECKS}
"""family -> what was scaled -> (depth, width, resolution): a start, and networks of about four times its MACs, within
6 % of each other (tests/test_findings.py)."""


def curve(knob: str, family: str, data: str = "glyphs") -> pd.DataFrame:
    """Accuracy along one knob, the other two at their middle: one row for each value that was measured.

    The middle of four values are the two inner ones. A row is the mean over all their combinations, of which each
    counts as one, however many seeds it has.
    Columns: the knob, networks (how many), macs (their mean), accuracy, low, high (percent).

    Raises ValueError, as a sentence, for what was not measured or is no knob.
    """
    if knob not in KNOBS:
        raise ValueError(f"curve: knob={knob!r}: knob must be one of {', '.join(KNOBS)}")
    frame = factorial(family, data)
    noise = seed_noise(frame)
    for other in set(KNOBS) - {knob}:
        frame = frame[frame[other].isin(_middle(frame[other]))]
    settings = frame.groupby(list(KNOBS)).agg(
        networks=("accuracy", "size"), macs=("macs", "first"), accuracy=("accuracy", "mean")
    )
    settings["variance"] = noise**2 / settings["networks"]
    found = settings.groupby(knob).agg(
        networks=("networks", "sum"), macs=("macs", "mean"), accuracy=("accuracy", "mean"), variance=("variance", "sum")
    )
    margin = QUANTILE * found.pop("variance").pow(0.5) / settings.groupby(knob).size()
    return found.assign(low=found["accuracy"] - margin, high=found["accuracy"] + margin).reset_index()


def factorial(family: str, data: str) -> pd.DataFrame:
    """The rows of one family on one data set that belong to its full grid; see `full_grid`.

    Raises ValueError, as a sentence, where there is none.
    """
    frame = measured(data)
    frame = frame[(frame["family"] == family) & frame["accuracy"].notna()]
    if frame.empty:
        raise ValueError(f"no {family} network was measured on {data}")
    return full_grid(frame)


def _middle(values: pd.Series[float]) -> list[float]:
    """The one or two values in the middle of those that occur."""
    known = sorted(values.unique())
    return known[(len(known) - 1) // 2 : len(known) // 2 + 1]


def rises(family: str, data: str = "glyphs") -> pd.DataFrame:
    """How far accuracy rises from the lowest to the best value of each knob, the others at their middle.

    Columns: knob, from, to (its values), rise (points), noise (points, between seeds), times (rise over noise).
    """
    import pandas as pd

    noise = seed_noise(factorial(family, data))
    rows = []
    for knob in KNOBS:
        found = curve(knob, family, data)
        values, accuracies = found[knob].tolist(), found["accuracy"].to_numpy(float)
        best = int(accuracies.argmax())
        rise = float(accuracies[best] - accuracies[0])
        ends = {"from": values[0], "to": values[best]}
        rows.append({"knob": knob, **ends, "rise": rise, "noise": noise, "times": rise / noise})
    return pd.DataFrame(rows)


def residual_gain(data: str = "glyphs") -> pd.DataFrame:
    """Residual less plain, by depth: means over all pairs of the same width, resolution and seed.

    Columns: depth (multiplier), plain, resnet (mean accuracy, percent), gain, low, high (points), pairs. The interval
    is that of the mean of so many differences, by their own spread.
    """
    same = ["depth", "width", "resolution", "seed"]
    columns = [*same, "accuracy"]
    plain, resnet = (factorial(family, data)[columns] for family in ("plain", "resnet"))
    pairs = plain.merge(resnet, on=same, suffixes=("_plain", "_resnet"))
    pairs["gain"] = pairs["accuracy_resnet"] - pairs["accuracy_plain"]
    found = pairs.groupby("depth").agg(
        plain=("accuracy_plain", "mean"),
        resnet=("accuracy_resnet", "mean"),
        gain=("gain", "mean"),
        spread=("gain", "std"),
        pairs=("gain", "size"),
    )
    margin = QUANTILE * found.pop("spread") / found["pairs"].pow(0.5)
    return found.assign(low=found["gain"] - margin, high=found["gain"] + margin).reset_index()


def equal_cost(family: str, data: str = "glyphs") -> pd.DataFrame:
    """At equal MACs, four to five times those of a small start: one knob scaled, or all three; the best first.

    Columns: scaled (which knob), depth, width, resolution, macs, networks (seeds), accuracy, low, high (percent),
    behind (points below the best), and certain: whether the interval of that difference leaves out 0.

    Raises ValueError, as a sentence, where they were not measured.
    """
    import pandas as pd

    frame = measured(data)
    frame = frame[(frame["family"] == family) & frame["accuracy"].notna()]
    noise = seed_noise(frame)
    rows = []
    for scaled, setting in EQUAL_COST[family].items():
        found = frame[(frame[list(KNOBS)] == list(setting)).all(axis=1)]
        if found.empty:
            raise ValueError(f"equal_cost: {family} at {setting} was not measured on {data}")
        row = dict(zip(KNOBS, setting, strict=True)) | {"macs": found["macs"].iloc[0], "networks": len(found)}
        margin = QUANTILE * noise / math.sqrt(len(found))
        mean = found["accuracy"].mean()
        rows.append({"scaled": scaled, **row, "accuracy": mean, "low": mean - margin, "high": mean + margin})
    table = pd.DataFrame(rows).sort_values("accuracy", ascending=False, ignore_index=True)
    accuracies, networks = table["accuracy"].to_numpy(float), table["networks"].to_numpy(float)
    behind = accuracies[0] - accuracies
    certain = behind > QUANTILE * noise * np.sqrt(1 / networks + 1 / networks[0])
    return table.assign(behind=behind, certain=certain)
