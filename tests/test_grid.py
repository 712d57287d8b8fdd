"""Grids: every combination once, whole seeds first; a TOML file that says something else is refused with a sentence."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cnnlab as cl
from cnnlab.run.grid import AXES, grid, read
from cnnlab.run.recipe import Recipe
from cnnlab.run.trial import Trial
from tests import sweeping


def written(folder: Path, text: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(text)
    return path


def test_every_combination_once_and_seeds_outermost():
    """Oracle: seven loops."""
    own = replace(cl.architecture("small_resnet"), name="own")
    recipe = Recipe(epochs=2, lr=0.1)
    found = grid(
        ["small_plain", own], depth=[0.5, 1], width=[2, 1], resolution=[32, 40], data=["glyphs", "cifar10"],
        limit=[100, None], seed=[3, 1], recipe=recipe,
    )  # fmt: skip
    expected = []
    for seed in (3, 1):
        for base in ("small_plain", own):
            for data in ("glyphs", "cifar10"):
                for limit in (100, None):
                    for depth, width, resolution in itertools.product((0.5, 1), (2, 1), (32, 40)):
                        of_seed = Recipe(epochs=2, lr=0.1, seed=seed)
                        expected.append(Trial(base, depth, width, resolution, data, limit, of_seed))
    assert found == expected and len({trial.key for trial in found}) == 2**7


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (2, [2]), ([1, 2], [1, 2]), ((1, 2), [1, 2]), (range(1, 3), [1, 2]), (np.array([1, 2]), [1, 2]), ({1: 0}, [1]),
        ((n for n in (1, 2)), [1, 2]),
    ],
    ids=["one", "list", "tuple", "range", "array", "dict", "generator"],
)  # fmt: skip
def test_anything_that_holds_values_is_a_list(values, expected):
    assert [trial.depth for trial in grid("small_plain", depth=values)] == expected


def test_one_of_everything_is_the_plain_trial():
    assert grid("small_resnet") == [Trial("small_resnet")]


def test_a_file_gives_what_python_gives_and_paths_lie_beside_it(tmp_path, monkeypatch):
    sweeping.toy(tmp_path / "toy.npz")
    monkeypatch.chdir("/")
    found = read(written(tmp_path, sweeping.GRID))
    assert found == sweeping.trials(tmp_path / "toy.npz")
    assert len({trial.key for trial in found}) == 24


def test_seed_0_of_every_grid_comes_first(tmp_path):
    text = "".join(f'[[grid]]\nbase = "{b}"\nseed = [1, 0]\ndepth = [1, 2]\n' for b in ("small_resnet", "small_plain"))
    found = [(trial.recipe.seed, trial.base, trial.depth) for trial in read(written(tmp_path, text))]
    assert found == [(s, b, d) for s in (0, 1) for b in ("small_resnet", "small_plain") for d in (1, 2)]


@pytest.mark.parametrize(
    ("data", "root", "expected"),
    [
        ("toy.npz", None, "{folder}/toy.npz"),
        ("toy.npz", "/data", "/data/toy.npz"),
        ("sub/pictures", "/data", "/data/sub/pictures"),
        ("./pictures", None, "{folder}/pictures"),
        ("/abs/toy.npz", "/data", "/abs/toy.npz"),
        ("~/toy.npz", "/data", "{home}/toy.npz"),
        ("cifar10", "/data", "cifar10"),
        ("glyphs", None, "glyphs"),
    ],
)
def test_where_data_are(data, root, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    path = written(tmp_path, f'[[grid]]\nbase = "small_plain"\ndata = ["{data}"]')
    assert [trial.data for trial in read(path, root=root)] == [expected.format(folder=tmp_path, home="/home/somebody")]


PLAIN = '[[grid]]\nbase = "small_plain"\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must hold tables [[grid]] and nothing else"),
        ("grid = []", "must hold tables [[grid]] and nothing else"),
        ("grid = [1]", "must hold tables [[grid]] and nothing else"),
        ('[grid]\nbase = "small_plain"', "must hold tables [[grid]] and nothing else"),
        (PLAIN + "[other]", "must hold tables [[grid]] and nothing else"),
        ("[[grid", "Expected ']]'"),
        ("base = ", "Invalid value"),
        (PLAIN + 'base = "small_resnet"', "Cannot overwrite a value"),
        ("[[grid]]\n", '[[grid]] lacks base, such as base = "small_resnet"'),
        ("[[grid]]\nbase = []", "base is an empty list"),
        ("[[grid]]\nbase = 3", "base=3"),
        ('[[grid]]\nbase = "smal"', "base='smal' is unknown"),
        (
            PLAIN + "wdth = 2",
            "[[grid]] has wdth; it may have base, data, depth, limit, recipe, resolution, seed, width",
        ),
        (PLAIN + 'depth = "deep"', "depth='deep': depth must be a number above 0"),
        (PLAIN + "depth = -1", "depth=-1: depth must be a number above 0"),
        (PLAIN + "depth = nan", "depth=nan"),
        (PLAIN + "depth = [true]", "depth=True"),
        (PLAIN + "depth = [[1, 2]]", "depth=[1, 2]: a trial is one network"),
        (PLAIN + "depth = 2020-01-01", "depth=datetime.date(2020, 1, 1)"),
        (PLAIN + "width = 0.001", "width=0.001: it leaves small_plain a layer of 0.00"),
        (PLAIN + "resolution = 32.5", "resolution=32.5: resolution must be a whole number"),
        (PLAIN + "resolution = [32, 1]", "resolution"),
        (PLAIN + "limit = 0", "limit=0: limit must be a whole number, 1 or more"),
        (PLAIN + "seed = []", "seed is an empty list"),
        (PLAIN + "seed = -1", "seed=-1: seed must be a whole number, 0 or more"),
        (PLAIN + "seed = 1.5", "seed=1.5"),
        (PLAIN + "data = 3", "data = 3 must be the name of a data set or a path"),
        (PLAIN + 'data = ["glyphs", 3]', "data = 3 must be the name of a data set or a path"),
        (PLAIN + "data = []", "data is an empty list"),
        (PLAIN + "recipe = 3", "recipe = 3 must be a table, such as recipe = { epochs = 4 }"),
        (PLAIN + "recipe = { seed = 3 }", "recipe has seed; it may have augment, batch, epochs, "),
        (PLAIN + "recipe = { epoch = 3 }", "recipe has epoch; it may have augment, batch, epochs, "),
        (PLAIN + 'recipe = { epochs = "x" }', "Recipe: epochs='x'"),
        (PLAIN + "recipe = { epochs = true }", "Recipe: epochs=True"),
        (PLAIN + "recipe = { lr = inf }", "Recipe: lr=inf"),
        (PLAIN + 'recipe = { optimizer = "adam" }', "Recipe: optimizer='adam': optimizer must be one of sgd, adamw"),
        (PLAIN + f"seed = {list(range(400))}\nlimit = {list(range(1, 400))}", "159,600 trials are more than 100,000"),
    ],
    ids=lambda value: value.replace(PLAIN, "").replace("\n", " ")[:30] if isinstance(value, str) else "",
)
def test_a_file_that_says_something_else_is_refused(text, sentence, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(ValueError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ") and sentence in str(caught.value)


def test_a_file_that_is_no_text_or_is_not_there(tmp_path):
    path = tmp_path / "grid.toml"
    with pytest.raises(FileNotFoundError, match=r"grid\.toml"):
        read(path)
    path.write_bytes(b"\xff\xfe[[grid]]")
    with pytest.raises(ValueError, match=r"grid\.toml: 'utf-8' codec"):
        read(path)


@pytest.mark.parametrize("axis", AXES)
def test_an_axis_without_values_is_refused(axis):
    with pytest.raises(ValueError, match=f"grid: {axis} is an empty list"):
        grid(**{"base": "small_plain"} | {axis: []})


def said(trial: Trial) -> str:
    return str((trial.base, trial.depth, trial.width, trial.resolution, trial.data, trial.limit, trial.recipe))


def test_the_shipped_grids_can_be_read():
    """Their data are elsewhere; their trials are many, all different in each, and whole seed by seed."""
    folder = Path(__file__).parents[1] / "data" / "measured"
    found, beside = read(folder / "grid.toml"), read(folder / "equal_macs.toml")
    assert len(set(map(said, found))) == len(found) and len(set(map(said, beside))) == len(beside)
    assert len(set(map(said, [*found, *beside]))) >= 1000
    assert [trial.recipe.seed for trial in found] == sorted(trial.recipe.seed for trial in found)
