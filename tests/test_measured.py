"""data/measured: rows are those of their settings, cost what torch counts, and the card says what is there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import cnnlab as cl
from cnnlab.run import grid
from cnnlab.run.card import card
from cnnlab.run.findings import rises
from cnnlab.run.flat import rows
from cnnlab.run.measured import SETTING, measured, seed_noise
from cnnlab.run.predict import predictor

FOLDER = Path(__file__).parents[1] / "data" / "measured"
TABLES = sorted(path.stem for path in FOLDER.glob("*.csv"))
TESTED = {"glyphs": 2000, "fashion_mnist": 6000, "cifar10": 6000, "clothing64": 372}  # test images
CLASSES = {"glyphs": 42, "fashion_mnist": 10, "cifar10": 10, "clothing64": 10}
FULL = [("glyphs", family) for family in ("mbconv", "plain", "resnet")]


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_those_of_their_settings(name: str) -> None:
    table = pd.read_csv(FOLDER / f"{name}.csv")
    found = list(rows(table))  # refuses a row whose key is not the hash of its settings
    keys = [row["key"] for row in found]
    assert len(set(keys)) == len(keys) and table["data"].eq(name).all()
    assert table["commit"].str.fullmatch("[0-9a-f]{40}").all()  # of a clean checkout


@pytest.mark.parametrize("name", TABLES)
def test_figures_are_possible(name: str) -> None:
    frame = measured(name)
    right = frame["accuracy"].dropna() / 100 * TESTED[name]
    assert np.allclose(right, right.round(), atol=1e-2)
    assert frame["stopped"].isna().eq(frame["accuracy"].notna()).all()
    lengths = frame["curve"].str.split().str.len()
    assert lengths.eq(frame["epochs"]).all() and frame.loc[frame["stopped"].isna(), "epochs"].eq(frame["planned"]).all()
    last = frame["curve"].str.split().str[-1].astype(float)
    assert np.allclose(last, frame["validation_accuracy"], atol=1e-3)


@pytest.mark.parametrize("name", TABLES)
def test_costs_are_what_torch_counts(name: str) -> None:
    """Oracle: parameters and FlopCounterMode of the module, for the smallest and the largest of each family."""
    frame = measured(name).sort_values("macs")
    for _, part in frame.groupby("family"):
        for row in (part.iloc[0], part.iloc[-1]):
            base = cl.architecture(row["base"], classes=CLASSES[name])
            arch = cl.scaled(base, depth=row["depth"], width=row["width"], resolution=row["resolution"])
            model = arch.graph().module().eval()
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                model(torch.zeros(1, 3, row["resolution"], row["resolution"]))
            assert row["macs"] == counter.get_total_flops() // 2
            assert row["params"] == sum(parameter.numel() for parameter in model.parameters())
            assert row["activations"] == arch.cost().activations


def test_all_rows_belong_to_the_grids() -> None:
    """Where the data are at hand: those of cifar10 and clothing64 are not, and their keys hold their fingerprints."""
    trials = grid.read(FOLDER / "equal_macs.toml")
    glyphs = {trial.key for trial in trials} | {t.key for t in _grid() if t.data == "glyphs"}
    assert set(measured("glyphs")["key"]) <= glyphs


def _grid() -> list[cl.Trial]:
    return grid.read(FOLDER / "grid.toml")


@pytest.mark.parametrize(("data", "family"), FULL)
def test_no_network_is_left_on_its_plateau(data: str, family: str) -> None:
    frame = measured(data)
    frame = frame[frame["family"] == family]
    assert frame["accuracy"].notna().all()
    assert frame["accuracy"].min() > 2 * 100 / CLASSES[data]
    assert frame["accuracy"].max() < 99


@pytest.mark.parametrize(("data", "family"), FULL)
def test_glyphs_separate_networks(data: str, family: str) -> None:
    """By more than three times the seed noise; of plain networks two slow starters make that noise twice as large."""
    found = rises(family, data).set_index("knob")
    assert found.loc["width", "rise"] >= 10 and found.loc["resolution", "rise"] >= 10
    assert found.loc["depth", "rise"] >= 5
    assert (found["times"] > (2.5 if family == "plain" else 3)).all()


@pytest.mark.parametrize(("data", "family"), FULL)
def test_settings_left_out_are_predicted_to_one_and_a_half_times_the_noise(data: str, family: str) -> None:
    found = predictor(family, data)
    frame = measured(data)
    noise = seed_noise(frame[frame["family"] == family])
    assert found.error <= 1.5 * noise
    assert 0.88 <= found.covered <= 0.995


def test_the_whole_grid_is_there() -> None:
    frame = measured()
    seeds = frame.groupby(SETTING)["seed"].nunique()
    per = seeds.groupby(["data", "family"]).agg(["size", "min"])
    for data, family in FULL:
        assert per.loc[(data, family), "size"] >= 64 and per.loc[(data, family), "min"] >= 3
    for data in ("fashion_mnist", "cifar10"):
        assert (per.loc[data, "size"] >= 36).all() and len(per.loc[data]) >= 2
    assert len(frame) >= 1000


def test_the_card_says_what_is_there() -> None:
    text = (FOLDER / "README.md").read_text()
    printed = re.search(r"<!-- card -->\n(.*)<!-- end of card -->", text, re.DOTALL)
    assert printed is not None and printed[1].strip() == card().strip()


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match=f"measured: data='mnist': there are measurements of {', '.join(TABLES)}"):
        measured("mnist")
    assert len(measured("glyphs")) == (measured()["data"] == "glyphs").sum()
