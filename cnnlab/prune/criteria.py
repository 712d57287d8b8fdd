"""Importance: a score for every unit of every width group that can be cut; the lowest go first.

Each criterion is a function (model, graph, examples) -> {name of a group: an array with a score for each unit}. A group
that it cannot rank has no entry. Magnitudes are divided by their group's mean, or wide layers would win a comparison
between groups; scores that estimate a loss are comparable as they are.

The gates: each unit gets a factor where its channels are last written before others read them (`Group.gates`); at 0
the unit is gone, as in the masked model, at 1 it is whole. What a loss says of that factor is the unit's importance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import BatchNorm, Conv, LayerScale, Linear
from cnnlab.arch.whole import check_int, named
from cnnlab.arch.widths import Group, Widths, widths
from cnnlab.prune.cutting import names, small, tensors
from cnnlab.run.batches import preparation
from cnnlab.run.data import Data

Scores: TypeAlias = Mapping[str, NDArray[np.float64]]
Criterion: TypeAlias = Callable[[nn.Module, Graph, "Examples | None"], Scores]

BATCH = 128
DELAY = 2.0  # seconds before a progress bar shows itself


class Examples(NamedTuple):
    """Images as the model takes them, float (N, C, H, W), and their labels, int64 (N,)."""

    images: Tensor
    labels: Tensor


def examples(data: Any, count: int = 512, *, normalize: str = "data") -> Examples:
    """The first training images of a data set, prepared as `cl.fit` prepares them; none of those held out.

    data: what `cl.data.load` gives; or images and labels, which are taken as they are.  normalize: as in the recipe
    that the model was trained with.  Raises TypeError or ValueError, as a sentence, for anything else.
    """
    if isinstance(data, Data):
        count = named("examples", check_int, "count", count)
        prepare = preparation(data.train.images, normalize, torch.device("cpu"))
        return Examples(prepare(data.train.images[:count]), data.train.labels[:count])
    if not (isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, Tensor) for part in data)):
        raise TypeError(
            f"data={type(data).__name__}: give what cl.data.load gives, or a pair of tensors: images (N, C, H, W) and "
            "labels (N,)"
        )
    images, labels = data
    if not images.is_floating_point() or images.dim() != 4 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"data: images are {images.dtype} {tuple(images.shape)}, labels {tuple(labels.shape)}; they must be float "
            "(N, C, H, W), prepared as the model takes them, and (N,)"
        )
    return Examples(images, labels)


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
        for group in _open(found)
        if group.gates and all(i in sums for i in group.gates)
    }


def fpgm(model: nn.Module, graph: Graph, data: Examples | None = None) -> Scores:
    """How far the unit's filters lie from all others of its group (He et al. 2019), over the group's mean.

    The sum of the distances between filters as they are, signs included: one of two equal filters goes first.
    """
    found, state = widths(graph), _state(model, graph)
    scores = {}
    for group in _open(found):
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
    return {group.name: draw.random(len(group)) for group in _open(widths(graph))}


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


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"),
    "squared": lambda logits, labels: (logits.softmax(1) - F.one_hot(labels, logits.shape[1])).square().sum(),
}
"""A sum over examples. "squared": (f(x, w) - y)^2 of the probabilities f and the label y as zeros and a one."""


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
    with without(model, graph, _needed("leave_one_out", data), loss) as measure:
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


# Gates.


@contextmanager
def gated(model: nn.Module, graph: Graph) -> Iterator[tuple[nn.Module, dict[int, Tensor]]]:
    """The network in evaluation, and for each layer that is a gate what its output is multiplied with: to be filled in.

    It shares the model's weights and changes none of them.
    """
    found = widths(graph)
    network = small(found, np.ones(found.count, bool), graph, model).eval().requires_grad_(False)
    gates: dict[int, Tensor] = {}
    handles = [
        network.get_submodule(graph.layers[i].name).register_forward_hook(lambda _m, _x, y, i=i: y * gates[i])
        for i in _gate_layers(found)
    ]
    try:
        yield network, gates
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def without(
    model: nn.Module, graph: Graph, data: Examples, loss: str = "cross-entropy"
) -> Iterator[Callable[[Mapping[str, Sequence[int]]], tuple[float, float]]]:
    """A function: units to switch off, name of a group -> units, to the mean loss and the accuracy (percent) without
    them; nothing is cut."""
    found = widths(graph)
    layers = _gate_layers(found)
    places = {(group.name, i): found.places(group, i) for group in rankable(found) for i in group.gates}
    with gated(model, graph) as (network, gates), torch.inference_mode():

        def measure(units: Mapping[str, Sequence[int]]) -> tuple[float, float]:
            for i in layers:
                one = torch.ones(1, int(graph.layers[i].channels))
                for name in units:
                    if (name, i) in places:
                        one[0, places[name, i][list(units[name])].ravel()] = 0
                gates[i] = _spread(graph.layers[i], one.to(next(network.parameters())))
            total, right = 0.0, 0
            for images, labels in _batches(data, network):
                logits = network(images)
                total += float(LOSSES[loss](logits, labels))
                right += int((logits.argmax(1) == labels).sum())
            return total / len(data.labels), 100 * right / len(data.labels)

        yield measure


def gate_slopes(model: nn.Module, graph: Graph, data: Examples | None) -> Scores:
    """name of a group -> dL/dg of each example's cross-entropy at each unit's gates: (examples, units).

    A unit's gates are one factor: their slopes add up. Raises ValueError if one is not a finite number.
    """
    data, found = _needed("a criterion of the loss", data), widths(graph)
    groups, slopes = rankable(found), []
    with gated(model, graph) as (network, gates), torch.enable_grad():
        layers = _gate_layers(found)
        for images, labels in _batches(data, network):
            ones = [
                torch.ones(len(images), int(graph.layers[i].channels), dtype=images.dtype, device=images.device)
                for i in layers
            ]
            for i, one in zip(layers, ones, strict=True):
                gates[i] = _spread(graph.layers[i], one.requires_grad_())
            found_slopes = torch.autograd.grad(LOSSES["cross-entropy"](network(images), labels), ones)
            slopes.append([slope.double().cpu().numpy() for slope in found_slopes])
    whole = {i: np.concatenate([batch[k] for batch in slopes]) for k, i in enumerate(layers)}
    scores = {
        group.name: sum(whole[i][:, found.places(group, i)].sum(2) for i in group.gates)  # type: ignore[misc]
        for group in groups
    }
    for name, found_slopes in scores.items():
        if not np.isfinite(found_slopes).all():
            raise ValueError(f"{graph.name}: the gradient at {name} is not a finite number; is the model trained well?")
    return scores


def _gate_layers(found: Widths) -> list[int]:
    return sorted({i for group in rankable(found) for i in group.gates})


def rankable(found: Widths) -> list[Group]:
    """The groups that can be cut and have gates with an output of their own."""
    layers = found.graph.layers
    return [
        group
        for group in _open(found)
        if group.gates and not any(isinstance(layers[i].op, LayerScale) for i in group.gates)
    ]


def _spread(layer: Layer, gate: Tensor) -> Tensor:
    """A factor for each channel, (N, C), in the order of its module's output: (N, C, 1, 1), of linear (N, 1, 1, C)."""
    if layer.size is None:
        return gate
    return gate[:, None, None, :] if isinstance(layer.op, Linear) else gate[:, :, None, None]


# What they share.


def _open(found: Widths) -> list[Group]:
    return [group for group in found.groups if not group.locked]


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
    return {group.name: _over_mean(of_sum(total[group.units])) for group in _open(found)}


def _by_unit(found: Widths, layer: int, channels: Tensor) -> NDArray[np.float64]:
    """The sums over the channels of each unit, of all units."""
    sums = np.bincount(found.labels[layer], weights=channels.double().numpy(), minlength=found.count)
    return sums.astype(np.float64, copy=False)


def _over_mean(scores: Any) -> NDArray[np.float64]:
    mean = float(np.mean(scores))
    return np.asarray(scores / mean if mean else scores, dtype=float)


def _needed(who: str, data: Examples | None) -> Examples:
    if data is None:
        raise ValueError(f"{who} needs data=: what cl.data.load gives, or a pair of images and labels")
    return data


def _batches(data: Examples, network: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    first = next(network.parameters())
    for images, labels in zip(data.images.split(BATCH), data.labels.split(BATCH), strict=True):
        yield images.to(first.device, first.dtype), labels.to(first.device)
