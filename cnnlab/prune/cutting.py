"""Cutting a model's tensors along its width groups: the rows and columns that stay, or the rows set to zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import BatchNorm, Conv, LayerNorm, LayerScale, Linear
from cnnlab.arch.storage import LEARNED
from cnnlab.arch.widths import Bools, Widths
from cnnlab.arch.zeros import mixes
from cnnlab.run.module import skeleton
from cnnlab.run.standin import copied, stand_in
from cnnlab.run.weights import paired


def names(graph: Graph, model: nn.Module) -> dict[str, str]:
    """What the model calls each tensor that the module of the graph has: name in that module -> name in the model.

    Raises ValueError if the model has other tensors.
    """
    state = model.state_dict()
    own = {key: layer.name for layer in graph.layers for _, key in tensors(layer)}
    # A weight that a forward hands to a function, F.conv2d(x, self.w), is no layer's: `trace` calls its layer "w".
    called = {key: key if key in state or key != f"{layer}.weight" else layer for key, layer in own.items()}
    if state.keys() >= set(called.values()):
        return called
    return paired(skeleton(graph).state_dict(), state, name=graph.name)


def tensors(layer: Layer) -> Iterator[tuple[str, str]]:
    """The tensors of a layer as the module of its graph has them: ("weight", "stage1.0.conv1.weight"), ..."""
    parts: tuple[str, ...]
    match layer.op:
        case Conv(bias=bias) | Linear(bias=bias):
            parts = ("weight", "bias") if bias else ("weight",)
        case BatchNorm():
            parts = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        case LayerNorm():
            parts = ("weight", "bias")
        case LayerScale():
            yield "weight", layer.name
            return
        case _:
            return
    yield from ((part, f"{layer.name}.{part}") for part in parts)


@torch.no_grad()
def small(widths: Widths, kept: Bools, pruned: Graph, model: nn.Module) -> nn.Module:
    """The module of the pruned graph with the model's own numbers, type and device; it shares no tensor with it."""
    called, state = names(widths.graph, model), model.state_dict()
    parts = dict(model.named_parameters())
    shared = {tensor.untyped_storage().data_ptr() for tensor in state.values()}
    found: dict[str, Tensor] = {}
    for i, layer in enumerate(widths.graph.layers):
        rows = torch.from_numpy(kept[widths.labels[i]])
        columns = torch.from_numpy(kept[widths.labels[layer.inputs[0]]]) if mixes(layer.op) else None
        for part, key in tensors(layer):
            tensor = _by_channel(state[called[key]], layer) if key in called else torch.tensor(0)  # see `paired`
            if tensor.dim():
                tensor = _taken(tensor, 0, rows)
            if part == "weight" and columns is not None:
                tensor = _taken(tensor, 1, columns)
            found[key] = tensor.clone() if tensor.untyped_storage().data_ptr() in shared else tensor
    module = skeleton(pruned)
    _fill(module, found, {key: parts[called[key]].requires_grad for key in found if called.get(key) in parts})
    if any(_channels_last(parameter) for parameter in parts.values()):
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module.train(model.training)


def _fill(module: nn.Module, found: Mapping[str, Tensor], learned: Mapping[str, bool]) -> None:
    """Put these tensors in the place of a skeleton's, as they are: `load_state_dict` takes ten times as long.

    learned: of each parameter, whether it is to be trained.
    """
    for path, part in module.named_modules():
        for own in (part._parameters, part._buffers):
            for name, empty in own.items():
                if empty is not None:
                    key = f"{path}.{name}".removeprefix(".")
                    tensor = found[key].reshape(empty.shape)
                    own[name] = nn.Parameter(tensor, learned[key]) if key in learned else tensor


def _by_channel(tensor: Tensor, layer: Layer) -> Tensor:
    """The tensor with its channels first: a layer scale may be held as (1, C, 1, 1)."""
    return tensor[0] if tensor.dim() and len(tensor) == 1 != layer.channels else tensor


def _taken(tensor: Tensor, dim: int, stays: Tensor) -> Tensor:
    return tensor if bool(stays.all()) else tensor.index_select(dim, stays.nonzero()[:, 0].to(tensor.device))


def _channels_last(tensor: Tensor) -> bool:
    return tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def twin(widths: Widths, kept: Bools, model: nn.Module) -> nn.Module:
    """A copy of the model, of its own class and size, in which the removed channels are 0.

    Zero are the rows of convolutions and linear layers, biases, the scale and shift of norms, and layer scales: a
    convolution alone would leave its norm's shift.
    """
    copy = stand_in(model, copied)  # without its wrapper, if it has one
    called, state = names(widths.graph, copy), copy.state_dict()
    for i, layer in enumerate(widths.graph.layers):
        if isinstance(layer.op, LEARNED):
            gone = torch.from_numpy(~kept[widths.labels[i]])
            for part, key in tensors(layer):
                if part in ("weight", "bias") and bool(gone.any()):
                    tensor = _by_channel(state[called[key]], layer)
                    tensor[gone.to(tensor.device)] = 0
    return copy
