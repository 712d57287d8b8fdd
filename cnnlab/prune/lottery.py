"""Lottery tickets: iterative magnitude pruning with weights rewound, beside the same masks on new weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from cnnlab.arch.whole import check_int, check_real, named
from cnnlab.prune.masking import Masks, held, magnitude_masks
from cnnlab.prune.recovery import Recovery, check_data, recover
from cnnlab.run.data import Data
from cnnlab.run.recipe import Recipe
from cnnlab.run.standin import copied, stand_in
from cnnlab.run.train import fit

if TYPE_CHECKING:
    import pandas as pd


class Run(NamedTuple):
    """One training. round: 0 is the whole network.  weights: which it began with: "dense", "rewound" (the ticket) or
    "random" (the control: the same masks on new initial weights).  sparsity: the share of the masked layers' weights
    that is 0.  recovery: its accuracies."""

    round: int
    weights: str
    sparsity: float
    recovery: Recovery


@dataclass(frozen=True, eq=False)
class Lottery:
    """What the rounds gave.

    ticket: the trained network of the last round, with its zeros.  masks: its masks.  start: name -> the weights and
    statistics that each round was rewound to, before masks.
    runs: the trainings, in order.
    stopped: None after the last round, else why the rounds ended early.
    """

    ticket: nn.Module
    masks: Masks
    start: Mapping[str, Tensor]
    runs: tuple[Run, ...]
    stopped: str | None = None

    @property
    def table(self) -> pd.DataFrame:
        """One row for each training. Columns: round, weights, sparsity, as in `Run`; and accuracies in percent: before
        (of the masked weights, not yet trained), recalibrated, fine_tuned (trained), all three of the validation
        images, and test_accuracy."""
        import pandas as pd

        names = ("before", "recalibrated", "fine_tuned", "test_accuracy")
        rows = [(*run[:3], *(getattr(run.recovery, name) for name in names)) for run in self.runs]
        return pd.DataFrame(rows, columns=[*Run._fields[:3], *names])

    def __repr__(self) -> str:
        said = f", stopped={self.stopped!r}" if self.stopped else ""
        share = f"{100 * self.masks.sparsity:.1f} % of the weights 0"
        return f"Lottery({len(self.runs)} networks trained, the last with {share}{said})"


def lottery(
    build: Callable[[], nn.Module],
    data: Data,
    recipe: Recipe,
    *,
    sparsity: float,
    rounds: int,
    rewind: int = 0,
    progress: bool = True,
) -> Lottery:
    """Look for a winning ticket: train, remove the smallest weights, rewind the rest, again (Frankle and Carbin 2019).

    Round k of n leaves (1 - sparsity)^(k / n) of the weights of convolutions and linear layers: the largest after the
    training of the round before, over all layers. They go back to their initial values and are trained anew, with the
    others held at 0. Beside it runs the control that the hypothesis needs: the same masks and recipe on new random
    initial weights. (Liu and others 2019 saw no difference once the learning rate is large.)

    build: makes the network with its initial weights, as
    `lambda: cl.architecture("small_resnet", classes=10).graph().module(seed=0)`.  data: what `cl.data.load` gives.
    recipe: of each training; there are 1 + 2 * rounds of them.  sparsity: after the last round, above 0 and below 1.
    rewind: 0: to the initial weights; else to those after so many epochs, by a recipe of that many (Frankle and others
    2020). The control's weights are the initial ones dealt anew within each tensor, by the recipe's seed: distributed
    in the same way, whatever `build` does.

    Ctrl-C, or a loss that is no longer a number, ends the rounds: `stopped` says so. Raises ValueError or TypeError, as
    a sentence, for an argument out of range, and what `recover` raises.

    >>> import cnnlab as cl
    >>> data = cl.data.load("digits", resolution=8, limit=64)
    >>> small = cl.architecture("small_plain", resolution=8, classes=10).graph()
    >>> found = lottery(lambda: small.module(seed=0), data, cl.Recipe(epochs=1), sparsity=0.9, rounds=2, progress=False)
    >>> found.table[["round", "weights", "sparsity"]].round(3).values.tolist()
    [[0, 'dense', 0.0], [1, 'rewound', 0.684], [1, 'random', 0.684], [2, 'rewound', 0.9], [2, 'random', 0.9]]
    """
    check_data("lottery", data)
    sparsity = float(named("lottery", check_real, "sparsity", sparsity, above=0, below=1))
    rounds = named("lottery", check_int, "rounds", rounds)
    rewind = named("lottery", check_int, "rewind", rewind, least=0, most=recipe.epochs)
    model = build()
    masks = magnitude_masks(model, 0)
    control = _dealt_anew(model, recipe.seed)
    start, new, runs = _state(model), _state(control), list[Run]()
    if rewind:
        early = fit(model, data, replace(recipe, epochs=rewind), progress=progress)
        start = _state(model)
        if early.stopped:
            return Lottery(model, masks, start, (), early.stopped)
    for number in range(rounds + 1):
        if number:
            share = sparsity if number == rounds else 1 - (1 - sparsity) ** (number / rounds)
            masks = magnitude_masks(model, share, within=masks)
        arms = [("rewound", model, start), ("random", control, new)] if number else [("dense", model, start)]
        for weights, network, state in arms:
            network.load_state_dict(state)
            with held(network, masks):
                found = recover(network, data, recipe, progress=progress)
            runs.append(Run(number, weights, masks.sparsity, found))
            if found.stopped:
                return Lottery(model, masks, start, tuple(runs), found.stopped)
    return Lottery(model, masks, start, tuple(runs))


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def _dealt_anew(model: nn.Module, seed: int) -> nn.Module:
    """A copy whose parameters hold the same numbers, each tensor's in a random order."""
    control, generator = stand_in(model, copied), torch.Generator().manual_seed(seed)
    for parameter in control.parameters():
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
    return control
