"""The comparison: networks trained whole, pruned by every criterion and fine-tuned alike, beside two baselines.

What an arm is, apart from a criterion: "thin", the architecture narrowed by one factor to the same multiply-adds and
trained from scratch, for as many epochs as the others in all; "whole", nothing removed, trained so long. "random" is a
criterion. `python -m cnnlab.prune compare` runs all arms.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import nn

from cnnlab.arch.solve import solve
from cnnlab.arch.whole import check_real, named
from cnnlab.prune.criteria import CRITERIA, Criterion, leave_one_out, random
from cnnlab.prune.examples import examples
from cnnlab.prune.planning import plan
from cnnlab.prune.recovery import Recovery, recover
from cnnlab.run.data import Data
from cnnlab.run.disk import cache_folder
from cnnlab.run.recipe import History, Recipe
from cnnlab.run.train import VERSION as TRAINING
from cnnlab.run.train import fit
from cnnlab.run.trial import Trial, figures, key_of, outcome

VERSION = 1  # raise it with every change that alters which units go, or what is done with the rest
SCORED = 512  # training images that a criterion sees
TRIED = 128  # those that are run once for each unit
TRYING = {"leave_one_out": "cross-entropy", "squared_error": "squared"}
SCRATCH = ("thin", "whole")
ARMS = (*CRITERIA, *SCRATCH)

BUDGETS = (0.7, 0.5, 0.3)
SEEDS = (0, 1, 2)
TRAINED = Recipe(epochs=4, batch=32, lr=0.1, weight_decay=0.001, normalize="image")
TUNED = replace(TRAINED, epochs=2, lr=0.05)
NETWORKS = {"small_resnet": (2.0, 1.5), "small_mbconv": (2.0, 1.25)}
"""base -> depth, width: the largest of the measured tables, so that there is something to remove."""


@dataclass(frozen=True)
class Arm:
    """One network of the comparison.

    whole: how the unpruned network is trained.  importance: a criterion's name, "thin" or "whole".  budget: the share
    of its multiply-adds that may stay.  recipe: of the fine-tuning.

    Raises ValueError or TypeError, as a sentence, for what is none.

    >>> str(Arm(Trial("small_resnet", width=1.5), "taylor", 0.5))
    'small_resnet, depth 1, width 1.5, 28 px, glyphs, seed 0: taylor to 50 %'
    """

    whole: Trial
    importance: str
    budget: float = 1.0
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        if self.importance not in ARMS:
            raise ValueError(f"Arm: importance={self.importance!r}: choose one of {', '.join(ARMS)}")
        named("Arm", check_real, "budget", self.budget, above=0, most=1)
        if self.recipe.normalize != self.whole.recipe.normalize:
            raise ValueError("Arm: recipe: fine-tuning must normalize images as the training before it did")

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that decides what comes out."""
        how = {"importance": self.importance, "budget": self.budget, "recipe": asdict(self.recipe)}
        return {"whole": self.whole.settings, **how, "training": TRAINING, "pruning": VERSION}

    @property
    def key(self) -> str:
        """16 hexadecimal digits that change with every setting."""
        return key_of(self.settings)

    def row(self, device: str) -> dict[str, Any]:
        """Train, prune and fine-tune: what `sweep` keeps. `history` holds the accuracies on the way, too."""
        data = self.whole.loaded()
        return {"data": data.name} | (self._scratch if self.importance in SCRATCH else self._pruned)(data, device)

    def _scratch(self, data: Data, device: str) -> dict[str, Any]:
        arch = replace(self.whole.architecture, classes=len(data.classes))
        whole = int(arch.cost().macs)
        arch = solve(arch, macs=float(self.budget * whole), knob="width") if self.importance == "thin" else arch
        graph, recipe = arch.graph(), self.whole.recipe
        recipe = replace(recipe, epochs=recipe.epochs + self.recipe.epochs)
        history = fit(graph.module(seed=recipe.seed).to(device), data, recipe, progress=False)
        return figures(self.whole, graph.cost()) | outcome(history) | _way(history, {"whole_macs": whole})

    def _pruned(self, data: Data, device: str) -> dict[str, Any]:
        model, before = trained(self.whole, data, device)
        seen = examples(data, TRIED if self.importance in TRYING else SCORED, normalize=self.recipe.normalize)
        found = plan(model, self._criterion(), budget=self.budget, data=seen, resolution=data.resolution)
        recovery = recover(found.apply(model), data, self.recipe, progress=False)
        assert recovery.history is not None  # there is a recipe
        row = figures(self.whole, found.cost) | outcome(recovery.history)
        row["epochs"] += len(before.epochs)
        return row | _way(recovery.history, {"whole_macs": found.before.macs, **_accuracies(before, recovery)})

    def _criterion(self) -> Criterion:
        if self.importance in TRYING:
            return partial(leave_one_out, loss=TRYING[self.importance], progress=False)
        return partial(random, seed=self.recipe.seed) if self.importance == "random" else CRITERIA[self.importance]

    def __str__(self) -> str:
        return f"{self.whole}: {self.importance} to {100 * self.budget:g} %"


def arms(root: str | Path | None = None) -> list[Arm]:
    """All arms of the comparison; root: the folder of cifar10.npz (None: glyphs alone)."""
    data = [("glyphs", 8000, 28, "shift")]
    data += [] if root is None else [(str(Path(root) / "cifar10.npz"), 6000, 32, "shift+flip")]
    return [
        Arm(
            Trial(base, *knobs, side, name, limit, replace(TRAINED, augment=augment, seed=seed)),
            importance,
            budget,
            replace(TUNED, augment=augment, seed=seed),
        )
        for seed in SEEDS
        for name, limit, side, augment in data
        for importance, budget in _points()
        for base, knobs in NETWORKS.items()
    ]


def _points() -> Iterator[tuple[str, float]]:
    yield "whole", 1.0
    yield from (("thin", budget) for budget in BUDGETS)
    yield from ((importance, budget) for importance in CRITERIA for budget in BUDGETS)


def trained(trial: Trial, data: Data, device: str) -> tuple[nn.Module, History]:
    """The trial's network, trained once on this kind of device and then kept in the cache folder."""
    folder = cache_folder() / "trained"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{trial.key}-{device.partition(':')[0]}.pt"
    graph = replace(trial.architecture, classes=len(data.classes)).graph()
    model = graph.module(seed=trial.recipe.seed).to(device)
    with FileLock(f"{path}.lock"):
        history = fit(model, data, trial.recipe, progress=False, checkpoint=path)
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return model, history


def _accuracies(before: History, recovery: Recovery) -> dict[str, float]:
    return {
        "whole_accuracy": before.test_accuracy,
        "whole_validation": before.epochs[-1].validation_accuracy,
        "before": recovery.before,
        "recalibrated": recovery.recalibrated,
    }


def _way(history: History, more: dict[str, Any]) -> dict[str, Any]:
    """The column `history`: what was found on the way, and the epochs of the last training."""
    return {"history": json.dumps(more | {"epochs": [asdict(epoch) for epoch in history.epochs]}, allow_nan=False)}
