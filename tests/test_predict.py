"""predict: right where the truth is known, honest about its error, and silent beyond what was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.model_selection import GroupKFold

import cnnlab as cl
from cnnlab.run import predict as module
from cnnlab.run.predict import Predictor, fitted, predict, setting

DEPTHS, WIDTHS, SIZES = (0.5, 1.0, 1.5, 2.0), (0.75, 1.0, 1.5, 2.0), (28, 32, 40, 48)
NOISE = 1.5


def truth(depth: float, width: float, resolution: float) -> float:
    """A smooth surface from about 35 to 90 percent, steep where the network is small."""
    return 92 - 30 / (depth + 0.3) ** 0.7 - 9 / width**1.5 - 12 * (28 / resolution) ** 2


def table(seeds: int = 3, noise: float = NOISE, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        {"data": "toy", "family": "resnet", "depth": d, "width": w, "resolution": r, "seed": s,
         "accuracy": truth(d, w, r) + rng.normal(0, noise)}
        for d, w, r, s in product(DEPTHS, WIDTHS, SIZES, range(seeds))
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def toy() -> Predictor:
    return fitted(table(), "resnet", "toy")


def test_it_finds_the_truth_between_the_measured_points(toy: Predictor) -> None:
    depth, width, resolution = (np.array(v) for v in zip(*product((0.7, 1.2, 1.9), (0.8, 1.7), (30, 44)), strict=True))
    accuracy, low, high = toy.at(depth, width, resolution)
    expected = [truth(*s) for s in zip(depth, width, resolution, strict=True)]
    assert np.abs(accuracy - expected).max() < NOISE
    assert np.all(low < expected) and np.all(expected < high)


def test_its_interval_holds_new_networks_as_often_as_it_says(toy: Predictor) -> None:
    fresh = table(seeds=20, seed=1)
    _, low, high = toy.at(*(fresh[knob].to_numpy() for knob in ("depth", "width", "resolution")))
    inside = (fresh["accuracy"].to_numpy() > low) & (fresh["accuracy"].to_numpy() < high)
    assert 0.9 < inside.mean() < 0.99
    assert 0.9 < toy.covered <= 1.0


def test_its_figures_of_error_are_those_of_the_noise_put_in(toy: Predictor) -> None:
    assert toy.noise == pytest.approx(NOISE, rel=0.15)
    assert toy.error < 1.5 * NOISE
    assert fitted(table(noise=6.0), "resnet", "toy").error > 1.5 * toy.error  # it is measured, not assumed


def test_leaving_settings_out_is_what_refitting_without_them_gives(toy: Predictor) -> None:
    """Oracle: scikit-learn's own process with the same kernel, fitted to the other rows."""
    frame = table()
    x = np.log2(frame[["depth", "width", "resolution"]].to_numpy(float))
    share = frame["accuracy"].to_numpy() / 100
    odds = np.log(share / (1 - share))
    y = (odds - odds.mean()) / odds.std()
    groups = frame.groupby(["depth", "width", "resolution"]).ngroup().to_numpy()
    found, deviation = module._leave_settings_out(toy._process, x, odds, groups)
    for group in (0, 17, 40, 63):
        rest = groups != group
        alone = GaussianProcessRegressor(toy._process.kernel_, optimizer=None).fit(x[rest], y[rest])
        mean, spread = alone.predict(x[~rest], return_std=True)  # its kernel's diagonal holds the noise as well
        assert found[~rest] == pytest.approx(mean * odds.std() + odds.mean(), abs=1e-6)
        assert deviation[~rest] == pytest.approx(spread * odds.std(), abs=1e-6)


def test_learning_the_kernel_anew_without_them_changes_little(toy: Predictor) -> None:
    """The kernel's lengths were learnt from all rows; ten folds that learn their own are the check."""
    frame = table()
    groups = frame.groupby(["depth", "width", "resolution"]).ngroup().to_numpy()
    errors = []
    for train, test in GroupKFold(10).split(frame, groups=groups):
        held = frame.iloc[test].groupby(["depth", "width", "resolution"], as_index=False)["accuracy"].mean()
        inner = fitted(frame.iloc[train], "resnet", "toy")
        inner = replace(inner, ranges=toy.ranges)  # a corner may be among those left out
        accuracy, _, _ = inner.at(held["depth"], held["width"], held["resolution"])
        errors += list(np.abs(accuracy - held["accuracy"]))
    assert toy.error == pytest.approx(np.mean(errors), rel=0.25)


@pytest.mark.parametrize(
    ("knob", "value", "said"),
    [
        ("depth", 0.4, "0.5 to 2"),
        ("depth", 2.5, "0.5 to 2"),
        ("width", 0.7, "0.75 to 2"),
        ("resolution", 64, "28 to 48"),
    ],
)
def test_it_refuses_to_go_beyond(toy: Predictor, knob: str, value: float, said: str) -> None:
    inside = {"depth": 1.0, "width": 1.0, "resolution": 32} | {knob: value}
    with pytest.raises(ValueError, match=rf"^predict: {knob}={value:g} lies outside .* on toy, {said}; measure it"):
        toy.at(**inside)
    with pytest.raises(ValueError, match=f"{knob}={value:g}"):
        toy.at(**inside | {knob: np.array([inside[knob], 1.0 if knob != "resolution" else 32])})


@settings(max_examples=60, deadline=None)
@given(
    family=st.sampled_from(["plain", "resnet", "mbconv"]),
    blocks=st.integers(1, 12),
    channels=st.integers(3, 40),
    resolution=st.integers(16, 96),
)
def test_a_scaled_network_is_recognised(family: str, blocks: int, channels: int, resolution: int) -> None:
    base = cl.architecture(f"small_{family}", classes=42)
    assert isinstance(base, cl.Architecture)
    arch = cl.scaled(base, depth=blocks / 2, width=channels / 8, resolution=resolution)
    assert setting(arch) == (family, blocks / 2, channels / 8, resolution)


def odd() -> dict[str, cl.Architecture]:
    base = cl.architecture("small_resnet")
    assert isinstance(base, cl.Architecture)
    first, second = base.stages
    return {
        "deeper first stage": replace(base, name="mine", stages=(replace(first, depth=3), second)),
        "wider first stage": replace(base, name="mine", stages=(replace(first, width=16), second)),
        "wider stem": replace(base, name="mine", stem=replace(base.stem, width=12)),
        "other shortcut": replace(base, name="mine", stages=(first, replace(second, options={"option": "B"}))),
        "another stride": replace(base, name="mine", stem=replace(base.stem, stride=1)),
        "three stages": replace(base, name="mine", stages=(first, second, second)),
    }


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("deeper first stage", r"stages of mine have depths 3, 2; only networks whose rows are all scaled alike"),
        ("wider first stage", r"mine has a row of 16 channels, where 1 times its base has 8"),
        ("wider stem", r"mine has a row of 12 channels, where 1 times its base has 8"),
        ("other shortcut", r"mine is no network of a measured family"),
        ("another stride", r"mine is no network of a measured family"),
        ("three stages", r"mine is no network of a measured family"),
    ],
)
def test_another_network_is_refused(which: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^predict: {said}"):
        predict(odd()[which])


@pytest.mark.parametrize("wrong", ["resnet50", None, 3])
def test_only_architectures(wrong: object) -> None:
    with pytest.raises(TypeError, match=re.escape(f"predict: {wrong!r} is a {type(wrong).__name__}")):
        predict(wrong)  # type: ignore[arg-type]


def test_data_that_were_not_measured_are_refused() -> None:
    arch = cl.architecture("small_resnet")
    assert isinstance(arch, cl.Architecture)
    with pytest.raises(ValueError, match="measured: data='imagenet': there are measurements of "):
        predict(arch, "imagenet")
