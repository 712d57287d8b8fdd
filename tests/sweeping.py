"""For the tests of sweeps: pictures to learn in a moment, many small trials, and what two sweeps must agree on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cnnlab.arch.architecture import Architecture, Stage
from cnnlab.arch.blocks import conv_stem, plain
from cnnlab.arch.graph import Image
from cnnlab.run.grid import grid
from cnnlab.run.recipe import Recipe
from cnnlab.run.trial import Trial

DEADLINE = 180  # seconds: far more than anything here takes, also on a machine that is busy with other things
RECIPE = Recipe(epochs=1, batch=32, lr=0.1)
SEEDS = 6
GRID = """
[[grid]]
base = "small_plain"
depth = [0.5, 1]
width = [0.25, 0.5]
resolution = 8
data = "toy.npz"
seed = [0, 1, 2, 3, 4, 5]
recipe = { epochs = 1, batch = 32, lr = 0.1 }
"""


def toy(path: Path, seed: int = 0) -> Path:
    """300 grey pictures of 8 px: lighter to the left, to the right or to the top."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=300)
    ramp = np.tile(np.linspace(60, -60, 8), (8, 1))
    shapes = np.stack([ramp, -ramp, ramp.T])
    images = (128 + shapes[labels] + rng.normal(0, 50, (300, 8, 8))).clip(0, 255).astype(np.uint8)
    np.savez(path, x_train=images[:240], y_train=labels[:240], x_test=images[240:], y_test=labels[240:])
    return path


def trials(data: Path, seeds: int = SEEDS) -> list[Trial]:
    """Those of GRID, or the first seeds of them: four for each."""
    knobs = {"depth": [0.5, 1], "width": [0.25, 0.5], "resolution": 8}
    return grid("small_plain", **knobs, data=str(data), seed=range(seeds), recipe=RECIPE)


def own(block: Callable[..., Image], name: str = "own") -> Architecture:
    """An architecture of one stage of such blocks."""
    return Architecture(name, Stage(conv_stem, 1, 8, 2), (Stage(block, 1, 8),), resolution=8, classes=3)


def wide(x: Image, width: int, stride: int = 1) -> Image:
    """A block of one's own; it stands in a module, so that another process finds it."""
    return plain(x, 2 * width, stride)


def deadly(x: Image, width: int, stride: int = 1) -> Image:
    """A block of which the worker dies that builds it, as it does of a network that is too large for the memory."""
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(x, width, stride)


def outcome(frame: pd.DataFrame) -> dict[str, Any]:
    """key -> all that training decided: what must be the same wherever a trial runs."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {row["key"]: [row[name] for name in DECIDED] + [_curve(row["history"])] for row in rows}


DECIDED = (
    "data",
    "base",
    "seed",
    "epochs",
    "macs",
    "params",
    "accuracy",
    "validation_accuracy",
    "train_loss",
    "stopped",
)


def _curve(history: Any) -> list[dict[str, Any]]:
    epochs = json.loads(history) if isinstance(history, str) else history
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in epochs]


def rows(store: Path) -> dict[str, tuple[Any, ...]]:
    """key -> the whole row as the file has it now, read by SQLite alone; none if there is no table yet."""
    if not store.exists() or not store.stat().st_size:
        return {}
    with closing(sqlite3.connect(store, timeout=60)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = database.execute("SELECT * FROM trials").fetchall()
    assert len({row[0] for row in found}) == len(found)
    return {row[0]: row for row in found}


def wait(until: Callable[[], Any], what: str) -> Any:
    """Ask again and again; what it says as soon as that is true."""
    end = time.monotonic() + DEADLINE
    while not (found := until()):
        assert time.monotonic() < end, f"waited {DEADLINE} s in vain for {what}"
        time.sleep(0.01)
    return found
