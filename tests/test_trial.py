"""Trial: its key changes with all that decides what comes out and with nothing else; `run` says all of it."""

from __future__ import annotations

import json
import math
import pickle
import shutil
import subprocess
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cnnlab as cl
from cnnlab.arch.architecture import Architecture, Stage
from cnnlab.arch.blocks import basic, bottleneck, conv_stem
from cnnlab.run import glyphs, train
from cnnlab.run.recipe import Recipe
from cnnlab.run.store import COLUMNS
from cnnlab.run.trial import Trial, run
from tests import sweeping

ROOT = Path(__file__).parents[1]
PLAIN = Trial("small_resnet", 1, 1, 48, recipe=Recipe(epochs=3))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweeping.toy(tmp_path_factory.mktemp("toy") / "toy.npz")


def test_the_key_of_one_trial_is_what_it_always_was():
    """By it measured results are filed: a change that is meant must raise VERSION of train, glyphs or the store."""
    assert PLAIN.key == "5fd60f53c0330868"


CHANGED = {
    Trial: {
        "base": "small_plain", "depth": 1.5, "width": 1.0001, "resolution": 47, "data": "digits", "limit": 1000,
        "recipe": Recipe(epochs=3, seed=1),
    },
    Recipe: {
        "epochs": 4, "batch": 64, "optimizer": "adamw", "schedule": "constant", "lr": 0.1, "momentum": 0.8,
        "weight_decay": 0.0, "label_smoothing": 0.1, "augment": "none", "normalize": "image", "seed": 1,
        "precision": "bfloat16",
    },
}  # fmt: skip


def test_every_field_changes_the_key():
    for kind, changes in CHANGED.items():
        assert set(changes) == {field.name for field in fields(kind)}, "a new field needs a line here"
    one_other = [replace(PLAIN, **{name: value}) for name, value in CHANGED[Trial].items() if name != "recipe"]
    one_other += [replace(PLAIN, recipe=replace(PLAIN.recipe, **{n: v})) for n, v in CHANGED[Recipe].items()]
    keys = [trial.key for trial in (PLAIN, *one_other)]
    assert len(set(keys)) == len(keys) == 1 + 6 + 12
    assert all(len(key) == 16 and set(key) <= set("0123456789abcdef") for key in keys)


@pytest.mark.parametrize(("module", "name"), [(train, "VERSION"), (glyphs, "VERSION")], ids=["training", "renderer"])
def test_a_new_way_of_training_or_of_drawing_changes_the_key(module, name, monkeypatch):
    before = PLAIN.key
    monkeypatch.setattr(module, name, getattr(module, name) + 1)
    assert PLAIN.key != before


@pytest.mark.parametrize(
    "same",
    [
        Trial("small_resnet", 1.0, 1.0, 48, "glyphs", None, Recipe(epochs=3)),
        Trial("small_resnet", np.float64(1), np.int64(1), np.int32(48), recipe=Recipe(epochs=np.int64(3))),
        Trial("small_resnet", resolution=48.0, recipe=Recipe(epochs=3, lr=0.2)),
        pickle.loads(pickle.dumps(PLAIN)),
    ],
    ids=["floats", "numpy", "defaults", "pickled"],
)
def test_other_words_for_the_same_trial_have_the_same_key(same):
    assert same.key == PLAIN.key and str(same) == str(PLAIN)


def test_the_bytes_of_a_file_decide_and_not_where_it_lies(toy, tmp_path, monkeypatch):
    trial = sweeping.trials(toy)[0]
    copied = Path(shutil.copy(toy, tmp_path / "toy.npz"))
    monkeypatch.chdir(tmp_path)
    assert {replace(trial, data=place).key for place in (copied, str(copied), "toy.npz")} == {trial.key}
    assert str(replace(trial, data="toy.npz")) == str(trial)
    sweeping.toy(copied, seed=1)
    assert replace(trial, data=copied).key != trial.key


ONE = Architecture("one", Stage(conv_stem, 1, 8, 2), (Stage(basic, 2, 24),), resolution=32)


def test_an_architecture_of_ones_own_is_known_by_all_of_it():
    """Also by what shows only when it is scaled: what is fixed, and what widths are rounded to."""
    (stage,) = ONE.stages
    others = [
        ONE, replace(ONE, name="two"), replace(ONE, divisor=1), replace(ONE, stages=(stage, stage)),
        replace(ONE, stem=replace(ONE.stem, width=16)), replace(ONE, channels=1),
        *(replace(ONE, stages=(replace(stage, **change),)) for change in (
            {"fixed": ("width",)}, {"fixed": ("depth",)}, {"block": bottleneck},
            {"stride": 2}, {"width": 32}, {"depth": 3},
        )),
    ]  # fmt: skip
    keys = [Trial(arch, depth=1.5, width=1.4).key for arch in others]
    assert len(set(keys)) == len(keys)
    same = Trial(ONE, 1.5, 1.4)
    assert same.key == Trial(replace(ONE), 1.5, 1.4, 32).key == pickle.loads(pickle.dumps(same)).key


KNOBS = st.tuples(st.sampled_from([0.5, 1, 2.0]), st.floats(0.25, 4), st.integers(28, 64), st.integers(0, 10**6))


@given(KNOBS, KNOBS)
def test_two_trials_have_one_key_only_if_they_are_one(a, b):
    one, two = (Trial("small_plain", d, w, r, recipe=Recipe(seed=s)) for d, w, r, s in (a, b))
    assert (one.key == two.key) == (a == b)
    assert one.key == Trial("small_plain", *a[:3], recipe=Recipe(seed=a[3])).key


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"base": "smal"}, ValueError, "base='smal' is unknown"),
        ({"base": 3}, TypeError, "base=3"),
        ({"base": "alexnet", "depth": 2}, TypeError, "alexnet is a Network, whose depth and width nothing says"),
        ({"depth": 0}, ValueError, "depth=0: depth must be a number above 0"),
        ({"depth": math.nan}, ValueError, "depth=nan"),
        ({"depth": [1, 2]}, TypeError, "Trial: depth=[1, 2]: a trial is one network"),
        ({"depth": np.array([1.0, 2.0])}, TypeError, "Trial: depth=array([1., 2.]): a trial is one network"),
        ({"width": "wide"}, TypeError, "width='wide'"),
        ({"width": 1e-6}, ValueError, "width=1e-06"),
        ({"resolution": 32.5}, ValueError, "Trial: resolution=32.5"),
        ({"resolution": 1}, ValueError, "resolution"),
        ({"resolution": np.array([32, 48])}, TypeError, "resolution"),
        ({"limit": 0}, ValueError, "Trial: limit=0"),
        ({"data": 3}, TypeError, "Trial: data=3: data must be the name"),
        ({"data": b"glyphs"}, TypeError, "Trial: data=b'glyphs'"),
        ({"recipe": {"epochs": 3}}, TypeError, "recipe must be a Recipe"),
        ({"recipe": None}, TypeError, "recipe must be a Recipe"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_a_trial_is_refused_with_a_sentence(arguments, error, sentence):
    with pytest.raises(error) as caught:
        Trial(**{"base": "small_plain"} | arguments)
    assert sentence in str(caught.value)


def test_data_that_are_not_there_are_named_before_anything_is_trained(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        _ = Trial("small_plain", data=tmp_path / "none.npz").key


# ---- run


def test_a_row_says_all_and_the_settings_make_the_trial_again(toy):
    trial = Trial("small_plain", 0.5, 0.25, 8, str(toy), 200, sweeping.RECIPE)
    row = run(trial)
    assert row.keys() == COLUMNS.keys()
    settings, versions = json.loads(row["settings"]), json.loads(row["versions"])
    knobs = {knob: settings[knob] for knob in ("base", "depth", "width", "resolution", "limit")}
    again = Trial(**knobs, data=str(toy), recipe=Recipe(**settings["recipe"]))
    assert again == trial and again.key == row["key"] == trial.key
    said = [
        row[name] for name in ("data", "base", "depth", "width", "resolution", "seed", "epochs", "stopped", "threads")
    ]
    assert said == ["toy", "small_plain", 0.5, 0.25, 8, 0, 1, None, torch.get_num_threads()]
    assert versions["torch"] == torch.__version__ and versions["commit"] == commit()
    assert row["seconds"] > 0 and row["finished"].endswith("+00:00")
    assert row["device"]


def commit() -> str | None:
    """The commit of this checkout, with + if the package was changed since; None outside of one."""
    if not (ROOT / ".git").exists():
        return None
    head, changes = (
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        for words in (["rev-parse", "HEAD"], ["--no-optional-locks", "status", "--porcelain", "cnnlab"])
    )
    return head + ("+" if changes else "")


def test_the_figures_are_those_of_training_by_hand(toy):
    """Oracle: the same network built and trained without Trial; `numel` for its size; torch's counter for its MACs."""
    from torch.utils.flop_counter import FlopCounterMode

    row = run(Trial("small_resnet", 0.5, 0.5, 8, toy, recipe=replace(sweeping.RECIPE, seed=5)))
    data = cl.data.load(toy)
    arch = replace(cl.scaled(cl.architecture("small_resnet"), depth=0.5, width=0.5, resolution=8), classes=3)
    model = arch.graph().module(seed=5)
    with FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, 3, 8, 8))
    assert row["params"] == sum(parameter.numel() for parameter in model.parameters())
    assert row["macs"] == counter.get_total_flops() // 2
    history = cl.fit(model, data, replace(sweeping.RECIPE, seed=5), progress=False)
    (epoch,) = history.epochs
    assert row["accuracy"] == history.test_accuracy
    assert (row["train_loss"], row["train_accuracy"]) == (epoch.train_loss, epoch.train_accuracy)
    assert row["validation_accuracy"] == epoch.validation_accuracy
    (stored,) = json.loads(row["history"])
    assert stored["train_loss"] == epoch.train_loss and stored["epoch"] == 1


def test_a_file_that_changes_is_read_again(tmp_path):
    """One process trains many trials, and keeps data in memory; their key would speak of the new file."""
    trial = sweeping.trials(sweeping.toy(tmp_path / "toy.npz"))[0]
    first = run(trial)
    sweeping.toy(tmp_path / "toy.npz", seed=1)
    second = run(trial)
    assert first["key"] != second["key"] == trial.key
    assert first["train_loss"] != second["train_loss"]
    sweeping.toy(tmp_path / "toy.npz")
    third = run(trial)
    assert third["key"] == first["key"] and third["train_loss"] == first["train_loss"]


def test_a_loss_that_is_no_number_is_a_result(toy):
    row = run(replace(sweeping.trials(toy)[0], recipe=replace(sweeping.RECIPE, lr=1e30)))
    assert "not a number from epoch 1" in row["stopped"]
    assert [row[name] for name in ("accuracy", "validation_accuracy", "train_accuracy", "train_loss")] == [None] * 4
    assert row["epochs"] == 0 and row["history"] == "[]"


def test_a_device_that_is_not_there_is_named(toy):
    with pytest.raises(ValueError, match="nosuch"):
        run(sweeping.trials(toy)[0], "nosuch")
