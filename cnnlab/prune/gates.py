"""Gates: a factor for each unit where its channels are last written before others read them (`Group.gates`).

At 0 the unit is gone, as in the masked model; at 1 it is whole. So units are switched off, and their slopes measured,
without a change to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import LayerScale, Linear
from cnnlab.arch.widths import Group, Widths, widths
from cnnlab.prune.cutting import small
from cnnlab.prune.examples import Examples, batches

LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum"),
    "squared": lambda logits, labels: (logits.softmax(1) - F.one_hot(labels, logits.shape[1])).square().sum(),
}
"""A sum over examples. "squared": (f(x, w) - y)^2 of the probabilities f and the label y as zeros and a one."""


@contextmanager
def gated(model: nn.Module, graph: Graph) -> Iterator[tuple[nn.Module, dict[int, Tensor]]]:
    """The network in evaluation, and for each layer that is a gate what its output is multiplied with: to be filled in.

    It is a copy; the model takes no part in what is done with it.
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
            for images, labels in batches(data, network):
                logits = network(images)
                total += float(LOSSES[loss](logits, labels))
                right += int((logits.argmax(1) == labels).sum())
            return total / len(data.labels), 100 * right / len(data.labels)

        yield measure


def gate_slopes(model: nn.Module, graph: Graph, data: Examples | None) -> dict[str, NDArray[np.float64]]:
    """name of a group -> dL/dg of each example's cross-entropy at each unit's gates: (examples, units).

    A unit's gates are one factor: their slopes add up. Raises ValueError if one is not a finite number.
    """
    data, found = needed("a criterion of the loss", data), widths(graph)
    groups, slopes = rankable(found), []
    with gated(model, graph) as (network, gates), torch.enable_grad():
        layers = _gate_layers(found)
        for images, labels in batches(data, network):
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
        for group in found.free
        if group.gates and not any(isinstance(layers[i].op, LayerScale) for i in group.gates)
    ]


def _spread(layer: Layer, gate: Tensor) -> Tensor:
    """A factor for each channel, (N, C), in the order of its module's output: (N, C, 1, 1), of linear (N, 1, 1, C)."""
    if layer.size is None:
        return gate
    return gate[:, None, None, :] if isinstance(layer.op, Linear) else gate[:, :, None, None]


def needed(who: str, data: Examples | None) -> Examples:
    """The examples, or ValueError, as a sentence, if there are none."""
    if data is None:
        raise ValueError(f"{who} needs data=: what cl.data.load gives, or a pair of images and labels")
    return data
