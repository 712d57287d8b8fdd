"""`Trial`: one network, one data set, one recipe. `run` trains it and gives its row of a table of results."""

from __future__ import annotations

import hashlib
import json
import math
import multiprocessing
import os
import platform
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.bases import base_of
from cnnlab.arch.cost import Cost
from cnnlab.arch.scaling import scaled
from cnnlab.arch.whole import check_int, named
from cnnlab.run import data as datasets
from cnnlab.run.recipe import History, Recipe
from cnnlab.run.workers import keep_memory

ONE_AT_A_TIME = threading.Lock()  # training seeds the random numbers of the whole process
CACHED = 8  # data sets, or resolutions of one, that a worker keeps


class Job(Protocol):
    """What `sweep` does: something to be trained, and all that decides what comes out."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides what comes out, as JSON can hold it."""
        ...

    @property
    def key(self) -> str:
        """16 hexadecimal digits that change with every setting."""
        ...

    def row(self, device: str) -> dict[str, Any]:
        """Do it: the columns of `cnnlab.run.store` but those of `provenance` and the seconds."""
        ...


@dataclass(frozen=True)
class Trial:
    """One network to train, and all that decides what comes out.

    base: a family's name, a name of `cl.names()` or an Architecture.  depth, width: multipliers, as `cl.scaled` takes
    them; resolution: px (default: the base's own).  data, limit: as `cl.data.load` takes them; the network gets as many
    outputs as the data have classes.  recipe: its seed also draws the initial weights.

    Raises TypeError or ValueError, as a sentence, for what cannot be built or is not a recipe.

    >>> trial = Trial("small_resnet", depth=1.5, width=2, resolution=32, recipe=Recipe(epochs=2, seed=7))
    >>> trial.architecture.stages[0].depth, trial.architecture.stages[0].width
    (2, 16)
    >>> trial.key == Trial("small_resnet", 1.5, 2.0, 32, recipe=Recipe(epochs=2, seed=7)).key
    True
    """

    base: str | Architecture
    depth: float = 1.0
    width: float = 1.0
    resolution: int | None = None
    data: str = "glyphs"
    limit: int | None = None
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        base = base_of(self.base)
        size = base.resolution if self.resolution is None else self.resolution
        object.__setattr__(self, "resolution", named("Trial", check_int, "resolution", size))
        if self.limit is not None:
            object.__setattr__(self, "limit", named("Trial", check_int, "limit", self.limit))
        if not isinstance(self.recipe, Recipe):
            raise TypeError(f"Trial: recipe={self.recipe!r}: recipe must be a Recipe, such as Recipe(epochs=4)")
        if not isinstance(self.data, str | os.PathLike):
            raise TypeError(f"Trial: data={self.data!r}: data must be the name of a data set, or a path")
        object.__setattr__(self, "data", os.fspath(self.data))
        for knob in ("depth", "width"):
            if np.ndim(value := getattr(self, knob)):
                raise TypeError(f"Trial: {knob}={value!r}: a trial is one network, so {knob} must be one number")
        scaled(base, depth=self.depth, width=self.width, resolution=self.resolution)
        for knob in ("depth", "width"):
            object.__setattr__(self, knob, float(getattr(self, knob)))

    @property
    def architecture(self) -> Architecture:
        """The network, with the base's number of classes."""
        return scaled(base_of(self.base), depth=self.depth, width=self.width, resolution=self.resolution)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides what comes out, as JSON can hold it; the data by their fingerprint."""
        from cnnlab.run.train import VERSION

        return {
            "base": _base_name(self.base),
            "graph": digest(self.architecture.graph().to_json()),
            "depth": self.depth,
            "width": self.width,
            "resolution": self.resolution,
            "data": datasets.fingerprint(self.data),
            "limit": self.limit,
            "recipe": asdict(self.recipe),
            "training": VERSION,
        }

    @property
    def key(self) -> str:
        """16 hexadecimal digits that change with every setting, with the data, and with the way of training."""
        return key_of(self.settings)

    def loaded(self) -> datasets.Data:
        """The data; a worker keeps them for its next trial."""
        return _loaded(self.data, datasets.fingerprint(self.data), self.resolution, self.limit)

    def row(self, device: str) -> dict[str, Any]:
        """Train the network on the device: what came out of it."""
        from cnnlab.run.train import fit

        data = self.loaded()
        graph = replace(self.architecture, classes=len(data.classes)).graph()
        model = graph.module(seed=self.recipe.seed).to(device)
        history = fit(model, data, self.recipe, progress=False)
        return {"data": data.name} | figures(self, graph.cost()) | outcome(history)

    def __str__(self) -> str:
        knobs = f"depth {self.depth:g}, width {self.width:g}, {self.resolution} px"
        return f"{_base_name(self.base)}, {knobs}, {Path(self.data).stem}, seed {self.recipe.seed}"


def run(job: Job, device: str = "cpu") -> dict[str, Any]:
    """Do a job, such as a trial, and say what came out: one row of `cnnlab.run.store`.

    device: "cpu", "cuda", "cuda:1"... In one process only one job runs at a time. Raises KeyboardInterrupt if it is
    interrupted; a loss that is no longer a number is a result, with its reason under `stopped`.
    """
    if multiprocessing.parent_process() is not None:  # in a worker, whose memory is for this alone
        keep_memory()
    with ONE_AT_A_TIME:
        about = provenance(job.settings, device)  # with the data as they are now
        began = time.perf_counter()
        row = job.row(device)
        seconds = time.perf_counter() - began
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    return about | row | {"seconds": round(seconds, 3), "finished": finished}


def provenance(settings: Mapping[str, Any], device: str) -> dict[str, Any]:
    """What a row says of where it comes from: its key and settings, the versions, what computed."""
    import torch

    text, versions = (json.dumps(part, sort_keys=True) for part in (settings, _versions()))
    about = {"key": key_of(settings), "settings": text, "versions": versions, "threads": torch.get_num_threads()}
    return about | {"device": _device_name(device)}


def figures(trial: Trial, cost: Cost) -> dict[str, Any]:
    """What the trial says of itself, and what its network costs."""
    return {
        "base": _base_name(trial.base),
        "depth": trial.depth,
        "width": trial.width,
        "resolution": trial.resolution,
        "seed": trial.recipe.seed,
        "macs": cost.macs,
        "params": cost.params,
        "activations": cost.activations,
    }


def outcome(history: History) -> dict[str, Any]:
    """What training gave. Raises KeyboardInterrupt if it was interrupted: what it gave is no result."""
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    last = history.epochs[-1] if history.epochs else None
    return {
        "epochs": len(history.epochs),
        "accuracy": _number(history.test_accuracy),
        "validation_accuracy": last and _number(last.validation_accuracy),
        "train_accuracy": last and _number(last.train_accuracy),
        "train_loss": last and _number(last.train_loss),
        "stopped": history.stopped,
        "history": json.dumps([asdict(epoch) for epoch in history.epochs], allow_nan=False),
    }


@lru_cache(maxsize=CACHED)
def _loaded(name: str, fingerprint: str, resolution: int, limit: int | None) -> datasets.Data:
    """The data, kept as long as their fingerprint stays."""
    return datasets.load(name, resolution=resolution, limit=limit, progress=False)


def _base_name(base: str | Architecture) -> str:
    return base if isinstance(base, str) else base.name


def key_of(settings: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that stand for all settings."""
    return digest(json.dumps(settings, sort_keys=True))


def digest(text: str) -> str:
    """16 hexadecimal digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _number(value: float) -> float | None:
    """A number, or None for one that is none: JSON and SQL have no NaN."""
    return value if math.isfinite(value) else None


@lru_cache
def _device_name(device: str) -> str:
    """What computed: the name of the processor or of the GPU."""
    from cnnlab.run.device import machine

    return machine(device).name


@lru_cache
def _versions() -> dict[str, str | None]:
    import numpy
    import torch

    found = {"cnnlab": version("cnnlab"), "commit": _commit(), "python": platform.python_version()}
    return found | {"torch": torch.__version__, "numpy": numpy.__version__}


def _commit() -> str | None:
    """The commit of the checkout that this code runs from, with + where files were changed; None outside of one."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None

    def git(*words: str) -> str:
        words = ("--no-optional-locks", "-C", str(folder), *words)  # beside a commit that somebody makes just now
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "HEAD").strip() + ("+" if git("status", "--porcelain", "--", "cnnlab").strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return None
