"""Grids of trials: every combination of lists, given in Python or in a TOML file."""

from __future__ import annotations

import itertools
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.run.recipe import Recipe
from cnnlab.run.trial import Trial

AXES = ("seed", "base", "data", "limit", "depth", "width", "resolution")
"""The order of a grid, outermost first: one whole seed before the next, so that what is there early is of use."""

MOST = 100_000


def grid(
    base: Any,
    *,
    depth: Any = 1.0,
    width: Any = 1.0,
    resolution: Any = None,
    data: Any = "glyphs",
    limit: Any = None,
    seed: Any = 0,
    recipe: Recipe | None = None,
) -> list[Trial]:
    """A trial for every combination; each of base, depth, width, resolution, data, limit and seed is a value or a list.

    Seeds are outermost: the first of them is complete before the second begins. See `Trial` for what each means.

    >>> trials = grid("small_resnet", depth=[0.5, 1], width=[1, 2], seed=range(3), recipe=Recipe(epochs=4))
    >>> len(trials), str(trials[0]), trials[-1].recipe.seed
    (12, 'small_resnet, depth 0.5, width 1, 28 px, glyphs, seed 0', 2)
    """
    recipe = recipe or Recipe()
    values = (seed, base, data, limit, depth, width, resolution)
    lists = [list(v) if np.iterable(v) and not isinstance(v, str) else [v] for v in values]
    for axis, found in zip(AXES, lists, strict=True):
        if not found:
            raise ValueError(f"grid: {axis} is an empty list; a grid needs at least one value of each")
    if (count := math.prod(map(len, lists))) > MOST:
        raise ValueError(f"grid: {count:,} trials are more than {MOST:,}; give fewer values")
    return [Trial(b, d, w, r, x, n, replace(recipe, seed=s)) for s, b, x, n, d, w, r in itertools.product(*lists)]


def read(path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> list[Trial]:
    """The trials of a TOML file, grid after grid, seed after seed.

        [[grid]]
        base = ["small_plain", "small_resnet"]
        depth = [0.5, 1, 2]
        width = [1, 2]
        resolution = [32, 48]
        data = "glyphs"          # or a path with a / or .npz, relative to `root` (default: the folder of this file)
        limit = 6000
        seed = [0, 1, 2]
        recipe = { epochs = 4, batch = 32, lr = 0.1 }

    Seed 0 of every grid comes before seed 1 of the first. Raises ValueError, as a sentence that names the file, for
    what is not TOML, for unknown words, and for whatever `grid` refuses.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        tables = _tables(document)
        trials = [trial for table in tables for trial in _trials(table, Path(root) if root else path.parent)]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    return sorted(trials, key=lambda trial: trial.recipe.seed)


def _tables(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tables = document.get("grid")
    if set(document) == {"grid"} and isinstance(tables, list) and tables and all(isinstance(t, dict) for t in tables):
        return tables
    raise ValueError("the file must hold tables [[grid]] and nothing else")


def _trials(table: Mapping[str, Any], root: Path) -> list[Trial]:
    _check_words("[[grid]]", table, {*AXES, "recipe"})
    if "base" not in table:
        raise ValueError('[[grid]] lacks base, such as base = "small_resnet"')
    options = dict(table)
    recipe = options.pop("recipe", {})
    if not isinstance(recipe, dict):
        raise ValueError(f"recipe = {recipe!r} must be a table, such as recipe = {{ epochs = 4 }}")
    _check_words("recipe", recipe, {field.name for field in fields(Recipe)} - {"seed"})
    data = options.pop("data", "glyphs")
    names = [_place(name, root) for name in (data if isinstance(data, list) else [data])]
    return grid(options.pop("base"), data=names, recipe=Recipe(**recipe), **options)


def _place(name: Any, root: Path) -> str:
    """A path below the root, or the name of a data set."""
    if not isinstance(name, str):
        raise ValueError(f"data = {name!r} must be the name of a data set or a path, or a list of them")
    return str(root / Path(name).expanduser()) if "/" in name or name.endswith(".npz") else name


def _check_words(where: str, table: Mapping[str, Any], known: set[str]) -> None:
    if odd := sorted(set(table) - known):
        raise ValueError(f"{where} has {', '.join(odd)}; it may have {', '.join(sorted(known))}")
