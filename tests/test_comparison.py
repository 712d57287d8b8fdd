"""The comparison of criteria: each arm is a job of a sweep, and does what its name says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import cnnlab as cl
from cnnlab.prune import comparison
from cnnlab.prune.command import main
from cnnlab.prune.comparison import ARMS, BUDGETS, SEEDS, Arm, arms
from cnnlab.run.recipe import Recipe
from cnnlab.run.store import Store
from cnnlab.run.trial import Trial, run
from tests import oracles, sweeping

RECIPE = Recipe(epochs=2, batch=32, lr=0.05, normalize="image")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweeping.toy(tmp_path_factory.mktemp("toy") / "toy.npz")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def arm(toy: Path, importance: str = "l1", budget: float = 0.5, **changes) -> Arm:
    whole = Trial("small_resnet", 0.5, 0.5, 8, str(toy), recipe=replace(RECIPE, epochs=1))
    return Arm(whole, importance, budget, replace(RECIPE, **changes))


@pytest.mark.parametrize("importance", ARMS)
def test_every_arm_gives_a_row(importance, toy, cache, tmp_path):
    budget = 1.0 if importance == "whole" else 0.5
    frame = cl.sweep([arm(toy, importance, budget)], tmp_path / "runs.sqlite", progress=False)
    row = frame.iloc[0]
    whole = cl.scaled(cl.architecture("small_resnet", classes=3), depth=0.5, width=0.5, resolution=8)
    macs = oracles.macs(whole.graph().module(seed=0), 8)
    assert row["history"]["whole_macs"] == macs
    assert 0.2 * macs < row["macs"] <= budget * macs
    assert row["epochs"] == 3 and row["stopped"] is None and 0 <= row["accuracy"] <= 100
    trained = list(cache.glob("trained/*.pt"))
    if importance in comparison.SCRATCH:
        assert len(row["history"]["epochs"]) == 3 and not trained
    else:
        assert len(row["history"]["epochs"]) == 2 and len(trained) == 1
        assert row["history"]["epochs"][-1]["validation_accuracy"] == row["validation_accuracy"]
        assert all(0 <= row["history"][name] <= 100 for name in ("before", "recalibrated", "whole_accuracy"))


def test_the_whole_network_is_the_same_for_all_arms_and_trained_once(toy, cache):
    one, other = run(arm(toy, "l1")), run(arm(toy, "taylor"))
    ways = [json.loads(row["history"]) for row in (one, other)]
    assert ways[0]["whole_accuracy"] == ways[1]["whole_accuracy"]
    assert len(list(cache.glob("trained/*.pt"))) == 1
    alone = run(replace(arm(toy).whole, recipe=replace(RECIPE, epochs=1)))
    assert alone["accuracy"] == ways[0]["whole_accuracy"]


def test_the_same_arm_gives_the_same_row(toy):
    rows = [run(arm(toy, "random")) for _ in range(2)]
    for row in rows:
        row["history"] = [epoch["validation_accuracy"] for epoch in json.loads(row["history"])["epochs"]]
        del row["seconds"], row["finished"]
    assert rows[0] == rows[1]


def test_every_setting_is_in_the_key(toy):
    base = arm(toy)
    others = [
        arm(toy, "l2"), arm(toy, budget=0.4), arm(toy, epochs=3), arm(toy, seed=4),
        replace(base, whole=replace(base.whole, width=0.75)),
        replace(base, whole=replace(base.whole, recipe=replace(base.whole.recipe, seed=1))),
    ]  # fmt: skip
    assert len({one.key for one in [base, *others]}) == 1 + len(others)
    assert arm(toy).key == base.key


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"importance": "best"}, "importance='best': choose one of l1"),
        ({"budget": 0.0}, "budget must be a number above 0"),
        ({"budget": 1.5}, "at most 1"),
        ({"normalize": "data"}, "must normalize images as the training before it did"),
    ],
)
def test_what_is_no_arm_is_a_sentence(changes, said, toy):
    with pytest.raises(ValueError) as error:
        arm(toy, **changes)
    assert said in str(error.value)


def test_all_arms_of_the_comparison(tmp_path):
    found = arms()
    assert len({one.key for one in found}) == len(found) == 2 * len(SEEDS) * (len(ARMS[:-1]) * len(BUDGETS) + 1)
    assert {one.whole.data for one in found} == {"glyphs"}
    assert len({(one.whole.recipe.epochs, one.recipe.epochs, one.recipe.lr) for one in found}) == 1


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    (tmp_path / "foreign").write_text("no store")
    assert main(["export", str(tmp_path / "foreign"), str(tmp_path)]) == 1
    assert "is not an SQLite file; it was left as it is" in capsys.readouterr().err
    assert (tmp_path / "foreign").read_text() == "no store"


def test_the_command_exports_what_a_store_holds(toy, tmp_path, capsys):
    wanted = [arm(toy, "thin"), arm(toy, "bn_scale")]
    cl.sweep(wanted, tmp_path / "runs.sqlite", progress=False)
    assert main(["export", str(tmp_path / "runs.sqlite"), str(tmp_path)]) == 0
    import pandas as pd

    found = pd.read_csv(tmp_path / "toy.csv").set_index("importance")
    assert set(found["key"]) == {one.key for one in wanted}
    assert found.loc["thin", "before"] != found.loc["thin", "before"]  # there is no such number
    with Store(tmp_path / "runs.sqlite") as store:
        row = store.frame().set_index("key").loc[wanted[1].key]
    assert found.loc["bn_scale", "recalibrated"] == pytest.approx(row["history"]["recalibrated"], abs=1e-4)
    assert found.loc["bn_scale", "accuracy"] == pytest.approx(row["accuracy"], abs=1e-4)
    assert found.loc["bn_scale", ["budget", "tuned_epochs", "whole_epochs", "family"]].tolist() == [0.5, 2, 1, "resnet"]
