"""Importance: a score for every unit of every width group that can be cut; the lowest go first.

Each criterion is a function (model, graph, examples) -> {name of a group: an array with a score for each unit}. A group
that it cannot rank has no entry. Magnitudes are divided by their group's mean, or wide layers would win a comparison
between groups; scores that estimate a loss are comparable as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from cnnlab.arch.graph import Graph
from cnnlab.arch.layers import BatchNorm, Conv, Linear
from cnnlab.arch.widths import Widths, widths
from cnnlab.prune.cutting import names, tensors
from cnnlab.prune.examples import Examples
from cnnlab.prune.gates import LOSSES, gate_slopes, needed, rankable, without

Scores: TypeAlias = Mapping[str, NDArray[np.float64]]
Criterion: TypeAlias = Callable[[nn.Module, Graph, Examples | None], Scores]

DELAY = 2.0  # seconds before a progress bar shows itself


# Of the weights alone.


def l1(model: nn.Module, graph: Graph, data: Examples | None = None) -> Scores:
    """The sum of the weights' sizes in the filters that make the unit (Li et al. 2017), over its group's mean."""
    return _magnitude(model, graph, lambda rows: torch.linalg.vector_norm(rows, 1, dim=1), np.asarray)


def l2(model: nn.Module, graph: Graph, data: Examples | None = None) -> Scores:
    """The length of the filters that make the unit, as one vector, over its group's mean."""
    return _magnitude(model, graph, lambda rows: torch.linalg.vector_norm(rows, dim=1).square(), np.sqrt)


def bn_scale(model: nn.Module, graph: Graph, data: Examples | None = None) -> Scores:
    """The mean size of the unit's scales in its batch norms (Liu et al. 2017), over its group's mean.

    Of those norms that write the unit last before it is read; a group without them is not ranked.
    """
    found, state = widths(graph), _state(model, graph)
    sums = {
        i: _by_unit(found, i, state[f"{layer.name}.weight"].abs())
        for i, layer in enumerate(graph.layers)
        if isinstance(layer.op, BatchNorm)
    }
    return {
        group.name: _over_mean(sum(sums[i][group.units] for i in group.gates))
        for group in found.free
        if group.gates and all(i in sums for i in group.gates)
    }


def fpgm(model: nn.Module, graph: Graph, data: Examples | None = None) -> Scores:
    """How far the unit's filters lie from all others of its group (He et al. 2019), over the group's mean.

    The sum of the distances between filters as they are, signs included: one of two equal filters goes first.
    """
    found, state = widths(graph), _state(model, graph)
    scores = {}
    for group in found.free:
        rows = [
            state[f"{graph.layers[i].name}.weight"].flatten(1)[torch.from_numpy(found.places(group, i))].flatten(1)
            for i in group.writers
            if isinstance(graph.layers[i].op, (Conv, Linear))
        ]
        if not rows:  # zeros that were padded on, and then normalised
            continue
        vectors = torch.cat(rows, dim=1).double()
        scores[group.name] = _over_mean(torch.cdist(vectors, vectors).sum(1).numpy())
    return scores


def random(model: nn.Module | None, graph: Graph, data: Examples | None = None, *, seed: int = 0) -> Scores:
    """Uniform random numbers in [0, 1), alike in wide and narrow groups: what every criterion must beat."""
    draw = np.random.default_rng(seed)
    return {group.name: draw.random(len(group)) for group in widths(graph).free}


# Of a loss.


def taylor(model: nn.Module, graph: Graph, data: Examples | None = None) -> Scores:
    """|dL/dg| at the unit's gates g, L the mean cross-entropy over the examples (Molchanov et al. 2019).

    After a batch norm that is |gamma dL/dgamma + beta dL/dbeta|: how much the loss changes, to first order, when the
    unit is removed. Scaling a convolution before its norm does not change it.
    """
    return {name: np.abs(slopes.mean(0)) for name, slopes in gate_slopes(model, graph, data).items()}


def fisher(model: nn.Module, graph: Graph, data: Examples | None = None) -> Scores:
    """Half the mean over all examples of (dL/dg)^2, each with its own loss: the diagonal of the empirical Fisher
    information at the unit's gates (Theis et al. 2018), an estimate of the rise in loss to second order."""
    return {name: np.square(slopes).mean(0) / 2 for name, slopes in gate_slopes(model, graph, data).items()}


def leave_one_out(
    model: nn.Module,
    graph: Graph,
    data: Examples | None = None,
    *,
    loss: str = "cross-entropy",
    progress: bool = True,
) -> Scores:
    """The rise in the mean loss when this unit alone is removed: what all others estimate, by trying.

    loss: "cross-entropy", or "squared": the mean of (f(x, w) - y)^2 over the examples. It runs all examples once for
    each unit.
    """
    if loss not in LOSSES:
        raise ValueError(f"leave_one_out: loss={loss!r}: choose one of {', '.join(LOSSES)}")
    groups = rankable(widths(graph))
    with without(model, graph, needed("leave_one_out", data), loss) as measure:
        whole, _ = measure({})
        with tqdm(total=sum(map(len, groups)), disable=not progress, unit="unit", leave=False, delay=DELAY) as bar:
            scores = {}
            for group in groups:
                rises = []
                for unit in range(len(group)):
                    rises.append(measure({group.name: [unit]})[0] - whole)
                    bar.update()
                scores[group.name] = np.array(rises)
    return scores


def squared_error(model: nn.Module, graph: Graph, data: Examples | None = None) -> Scores:
    """The article's importance: the rise in the mean of (f(x, w) - y)^2 when the unit is removed, by trying."""
    return leave_one_out(model, graph, data, loss="squared")


CRITERIA: Mapping[str, Criterion] = {
    "l1": l1,
    "l2": l2,
    "bn_scale": bn_scale,
    "fpgm": fpgm,
    "taylor": taylor,
    "fisher": fisher,
    "leave_one_out": leave_one_out,
    "squared_error": squared_error,
    "random": random,
}
"""name -> criterion."""


def criterion_of(owner: str, importance: str | Criterion) -> Criterion:
    """The criterion of that name, or the one given. Raises ValueError, as a sentence, for a name that is none."""
    if not isinstance(importance, str):
        return importance
    if importance not in CRITERIA:
        raise ValueError(f"{owner}: importance={importance!r}: choose one of {', '.join(CRITERIA)}")
    return CRITERIA[importance]


# What they share.


def _state(model: nn.Module, graph: Graph) -> dict[str, Tensor]:
    """The model's tensors by the names that the graph's module has for them, on the CPU."""
    called, state = names(graph, model), model.state_dict()
    parts = {key for layer in graph.layers for part, key in tensors(layer) if part == "weight"}
    return {key: state[called[key]].detach().cpu() for key in parts}


def _magnitude(
    model: nn.Module,
    graph: Graph,
    of_rows: Callable[[Tensor], Tensor],
    of_sum: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Scores:
    """of_rows: filters (channels, numbers) -> a number each, which add up over a unit; of_sum: what to make of that."""
    found, state = widths(graph), _state(model, graph)
    total = np.zeros(found.count)
    for i, layer in enumerate(graph.layers):
        if isinstance(layer.op, (Conv, Linear)):
            total += _by_unit(found, i, of_rows(state[f"{layer.name}.weight"].flatten(1)))
    return {group.name: _over_mean(of_sum(total[group.units])) for group in found.free}


def _by_unit(found: Widths, layer: int, channels: Tensor) -> NDArray[np.float64]:
    """The sums over the channels of each unit, of all units."""
    sums = np.bincount(found.labels[layer], weights=channels.double().numpy(), minlength=found.count)
    return sums.astype(np.float64, copy=False)


def _over_mean(scores: Any) -> NDArray[np.float64]:
    mean = float(np.mean(scores))
    return np.asarray(scores / mean if mean else scores, dtype=float)
