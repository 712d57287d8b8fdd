"""An iterative schedule: cut a little, recalibrate, fine-tune, and again, until the network meets its budget."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from cnnlab.arch.graph import Graph
from cnnlab.arch.whole import check_int, named, short
from cnnlab.prune.budgets import BUDGETS
from cnnlab.prune.criteria import Criterion
from cnnlab.prune.examples import examples
from cnnlab.prune.planning import plan
from cnnlab.prune.plans import Plan
from cnnlab.prune.recovery import Recovery, check_data, check_finite, recover
from cnnlab.run.data import Data
from cnnlab.run.recipe import Recipe
from cnnlab.run.trace import trace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Shrunk:
    """What an iterative schedule gave.

    model: the smaller module, in evaluation mode.  graph: its network.  plans: of each step the plan, for the network
    that the step before left.  recoveries: of each step the accuracies.
    stopped: None after the last step, else why the schedule ended early.
    """

    model: nn.Module
    graph: Graph
    plans: tuple[Plan, ...]
    recoveries: tuple[Recovery, ...] = field(repr=False)
    stopped: str | None = None

    @property
    def table(self) -> pd.DataFrame:
        """One row for each step, numbered from 1. Columns: macs, params (of the network that the step left), and the
        accuracies in percent: before, recalibrated, fine_tuned (of the validation images) and test_accuracy."""
        import pandas as pd

        names = ("before", "recalibrated", "fine_tuned", "test_accuracy")
        rows = [
            {"macs": int(made.cost.macs), "params": int(made.cost.params)} | {n: getattr(found, n) for n in names}
            for made, found in zip(self.plans, self.recoveries, strict=True)
        ]
        return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="step"))

    def __repr__(self) -> str:
        first, last = self.plans[0].before, self.plans[-1].cost
        parts = [
            f"{short(int(a))} -> {short(int(b))} {name} ({100 * b / a:.1f} %)"
            for a, b, name in ((first.macs, last.macs, "MACs"), (first.params, last.params, "params"))
        ]
        said = f", stopped={self.stopped!r}" if self.stopped else ""
        return f"Shrunk({', '.join(parts)}, {len(self.plans)} steps; {self.recoveries[-1]!r}{said})"


def shrink(
    model: nn.Module,
    data: Data,
    recipe: Recipe | None,
    *,
    budget: float | Mapping[str, float],
    importance: str | Criterion = "taylor",
    steps: int = 1,
    normalize: str | None = None,
    scope: str = "global",
    round_to: int = 1,
    least: int = 1,
    skip: Iterable[str] = (),
    progress: bool = True,
) -> Shrunk:
    """Prune a model in steps of equal ratio, each recalibrated and fine-tuned; the model itself is left as it is.

    From cost C to budget B, step k of n has the budget C * (B / C)^(k / n). In each, units are scored anew on training
    images, by the weights that the step before left; `Plan.apply` cuts, and `recover` recalibrates and fine-tunes.

    data: what `cl.data.load` gives.  recipe: how each step is fine-tuned, so that n steps take n times its epochs;
    None: not at all.  budget, importance, scope, round_to, least, skip: as in `cl.prune.plan`.
    normalize: of the images, as the model was trained; default: as the recipe says, or "data".

    Ctrl-C, or a loss that is no longer a number, ends the schedule after the step in which it happens: `stopped` says
    so. Raises ValueError or TypeError, as a sentence, for what `plan` refuses, before anything is trained, and for
    weights that are no finite numbers.

    >>> import cnnlab as cl
    >>> data = cl.data.load("digits", resolution=8, limit=64)
    >>> model = cl.architecture("small_resnet", resolution=8, classes=10).graph().module(seed=0)
    >>> shrink(model, data, None, budget=0.5, steps=2).table.macs.tolist()  # of 144,...
    [100314, 70018]
    """
    check_data("shrink", data)
    check_finite("shrink", model)
    steps = named("shrink", check_int, "steps", steps)
    skip = [skip] if isinstance(skip, str) else [*skip]
    normalize = normalize or (recipe.normalize if recipe is not None else "data")
    channels = data.train.images.shape[1]
    graph = trace(model, data.resolution, channels=channels)
    planned = partial(plan, scope=scope, round_to=round_to, least=least, skip=skip, resolution=data.resolution)
    goal: Mapping[str, int] = planned(graph, "random", budget=budget).how["budget"]  # or it says what is wrong
    start = {what: BUDGETS[what](graph) for what in goal}
    given = examples(data, normalize=normalize)
    plans: list[Plan] = []
    recoveries: list[Recovery] = []
    for step in range(1, steps + 1):
        now = {what: BUDGETS[what](graph) for what in goal}
        budgets = {what: min(now[what], _between(start[what], goal[what], step / steps)) for what in goal}
        made = planned(model, importance, budget=budgets, data=given, channels=channels)
        model, graph = made.apply(model), made.pruned
        found = recover(model, data, recipe, normalize=normalize, progress=progress)
        plans.append(made)
        recoveries.append(found)
        if found.stopped:
            break
    return Shrunk(model, graph, tuple(plans), tuple(recoveries), recoveries[-1].stopped)


def _between(start: int, goal: int, share: float) -> int:
    """So far from start to goal, in equal ratios; at the end the goal itself."""
    return goal if share == 1 else math.floor(start * (goal / start) ** share)
