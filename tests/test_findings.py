"""What the tables say: each figure against plain arithmetic over invented rows whose answer is known."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cnnlab as cl
from cnnlab.run import findings, grid
from cnnlab.run.measured import seed_noise

DEPTHS, WIDTHS, SIZES = (0.5, 1.0, 1.5, 2.0), (0.75, 1.0, 1.5, 2.0), (20, 24, 28, 36)
ROOT = Path(__file__).parents[1]


def accuracy(family: str, depth: float, width: float, size: int, seed: int) -> float:
    """Depth helps residual networks and, beyond 1.5, hurts plain ones; seeds differ by one point."""
    rise = 8 * depth if family == "resnet" or depth <= 1.5 else 8 * (3 - depth)
    return 40 + rise + 5 * width + size / 4 + (seed - 1)


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    found = [
        {"data": "toy", "family": f, "depth": d, "width": w, "resolution": r, "seed": s, "macs": int(1e6 * d * w * r),
         "accuracy": accuracy(f, d, w, r, s)}
        for f, d, w, r, s in product(("plain", "resnet"), DEPTHS, WIDTHS, SIZES, range(3))
    ]  # fmt: skip
    beside = [
        {"data": "toy", "family": "resnet", "depth": d, "width": w, "resolution": r, "seed": s, "macs": macs,
         "accuracy": a}
        for (d, w, r), macs, accuracies in [
            ((0.5, 2.1875, 20), 4_000_000, (70, 72, 71)),
            ((0.5, 1.0, 42), 4_100_000, (60, 62)),
            ((1.0, 1.25, 24), 4_050_000, (72, 73, 71, 72)),
        ]
        for s, a in enumerate(accuracies)
    ]  # fmt: skip
    frame = pd.DataFrame([*found, *beside])
    monkeypatch.setattr(findings, "measured", lambda data=None: frame)
    return frame


def test_noise_is_pooled_over_settings() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [
            {
                "data": "x",
                "family": "f",
                "depth": d,
                "width": 1,
                "resolution": 32,
                "accuracy": 10 * d + rng.normal(0, 2),
            }
            for d in range(300)
            for _ in range(2 + d % 3)
        ]
    )
    assert seed_noise(frame) == pytest.approx(2, rel=0.1)
    assert np.isnan(seed_noise(frame.drop_duplicates("depth")))


def test_only_the_grid_is_the_grid(rows: pd.DataFrame) -> None:
    frame = findings.factorial("resnet", "toy")
    assert len(frame) == 4 * 4 * 4 * 3
    assert sorted(frame["width"].unique()) == list(WIDTHS) and sorted(frame["resolution"].unique()) == list(SIZES)


@pytest.mark.parametrize(("knob", "values"), [("depth", DEPTHS), ("width", WIDTHS), ("resolution", SIZES)])
def test_a_curve_is_the_mean_over_the_middle_of_the_others(
    rows: pd.DataFrame, knob: str, values: tuple[float, ...]
) -> None:
    found = findings.curve(knob, "resnet", "toy")
    assert found[knob].tolist() == list(values) and set(found["networks"]) == {12}
    middle = {"depth": (1.0, 1.5), "width": (1.0, 1.5), "resolution": (24, 28)}
    for _, row in found.iterrows():
        cells = product(*(middle[k] if k != knob else (row[knob],) for k in ("depth", "width", "resolution")), range(3))
        expected = np.mean([accuracy("resnet", *cell) for cell in cells])
        assert row["accuracy"] == pytest.approx(expected)
        assert row["high"] - row["accuracy"] == pytest.approx(1.96 * seed_noise(rows[:-9]) / np.sqrt(12))


def test_a_setting_with_more_seeds_weighs_no_more(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    before = findings.curve("depth", "resnet", "toy")
    often = rows[(rows["family"] == "resnet") & (rows[["depth", "width", "resolution"]] == [1.5, 1.0, 24]).all(axis=1)]
    frame = pd.concat([rows, often.assign(seed=often["seed"] + 3)])
    monkeypatch.setattr(findings, "measured", lambda data=None: frame)
    after = findings.curve("depth", "resnet", "toy")
    assert after["accuracy"].tolist() == pytest.approx(before["accuracy"].tolist())
    assert after["networks"].tolist() == [12, 12, 15, 12]
    margins = (after["high"] - after["accuracy"]).tolist()
    assert margins[2] == pytest.approx(margins[0] * np.sqrt((3 / 3 + 1 / 6) / (4 / 3)))


def test_rises_are_from_the_lowest_value_to_the_best(rows: pd.DataFrame) -> None:
    found = findings.rises("plain", "toy").set_index("knob")
    assert found.loc["depth", ["from", "to", "rise"]].tolist() == [0.5, 1.5, pytest.approx(8)]
    assert found.loc["width", "rise"] == pytest.approx(5 * 1.25)
    assert found.loc["resolution", "times"] == pytest.approx(4 / 1.0)  # three seeds of -1, 0, 1: a deviation of 1


def test_residual_gain_is_zero_until_plain_networks_suffer(rows: pd.DataFrame) -> None:
    found = findings.residual_gain("toy").set_index("depth")
    assert found["gain"].tolist() == pytest.approx([0, 0, 0, 8]) and set(found["pairs"]) == {48}
    assert found.loc[2.0, "low"] == found.loc[2.0, "high"] == pytest.approx(8)  # every pair differs by just that


def test_equal_cost_orders_and_says_what_is_certain(rows: pd.DataFrame) -> None:
    found = findings.equal_cost("resnet", "toy").set_index("scaled")
    assert found.index.tolist()[:2] == ["all three", "width"] and found.loc["all three", "networks"] == 4
    assert found.loc["width", "behind"] == pytest.approx(1)
    assert not found.loc["width", "certain"] and found.loc["resolution", "certain"]
    assert found.loc["all three", "accuracy"] == 72 and found.loc["start", "accuracy"] == pytest.approx(
        np.mean([accuracy("resnet", 0.5, 1.0, 20, s) for s in range(3)])
    )


def test_what_is_compared_at_equal_cost_costs_the_same() -> None:
    for family, settings in findings.EQUAL_COST.items():
        base = cl.architecture(f"small_{family}", classes=42)
        macs = {
            what: cl.scaled(base, depth=d, width=w, resolution=r).cost().macs for what, (d, w, r) in settings.items()
        }
        start = macs.pop("start")
        assert max(macs.values()) < 1.06 * min(macs.values()) and 3.8 * start < min(macs.values()) < 4.6 * start


def test_what_is_compared_is_what_the_grid_file_trains() -> None:
    trials = grid.read(ROOT / "data/measured/equal_macs.toml")
    trained = {(t.base, t.depth, t.width, t.resolution) for t in trials}
    assert trained == {(f"small_{f}", *s) for f, settings in findings.EQUAL_COST.items() for s in settings.values()}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: findings.curve("kernel", "resnet", "toy"), "curve: knob='kernel': knob must be one of depth, width"),
        (lambda: findings.curve("depth", "mbconv", "toy"), "no mbconv network was measured on toy"),
        (lambda: findings.equal_cost("plain", "toy"), "equal_cost: plain at .* was not measured on toy"),
    ],
)
def test_what_was_not_measured_is_said(rows: pd.DataFrame, call: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()  # type: ignore[operator]
