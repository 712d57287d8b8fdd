"""Moving weights into a module: by name where the names agree, else in the order of registration, shapes checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def load(model: nn.Module, weights: Any, *, name: str = "the model") -> None:
    """Copy weights into `model`, in place, after every name's kind and every shape has been compared.

    weights: a torchvision weights enum, or a state dict of the same network: by name where the names agree, else in
    the order of registration. Heads that only training uses are left out. Shapes may differ in last sides of 1: (C,)
    and (C, 1, 1) hold the same numbers. Raises TypeError for anything else and ValueError, with the first tensor that
    disagrees, for weights of another network; the model is then unchanged.
    """
    own, state = model.state_dict(), _state(weights)
    pairs = paired(own, state, name=name)
    with torch.no_grad():
        for a, b in pairs.items():
            own[a].copy_(state[b].reshape(own[a].shape))


def paired(own: Mapping[str, Tensor], state: Mapping[str, Tensor], *, name: str = "the model") -> dict[str, str]:
    """Which tensor of another state dict of the same network belongs to each of one's own: name -> name there.

    By name where the names agree, else in the order of registration. Raises ValueError as `load` does.
    """
    state = {key: tensor for key, tensor in state.items() if not key.startswith(AUXILIARY)}
    if own.keys() == state.keys():
        pairs = {key: key for key in own}
    else:
        # Files written before 2018 (torchvision still serves some) have no num_batches_tracked.
        counted = any(key.endswith("num_batches_tracked") for key in state)
        names = [key for key in own if counted or not key.endswith("num_batches_tracked")]
        if len(names) != len(state):
            raise ValueError(
                f"weights: {len(state)} tensors, but {name} has {len(names)}; they belong to another network"
            )
        pairs = dict(zip(names, state, strict=True))
    for a, b in pairs.items():
        mine, theirs = own[a], state[b]
        kinds = {key.rpartition(".")[2] for key in (a, b)}
        if _sides(mine) != _sides(theirs) or (len(kinds) == 2 and kinds & KINDS):
            raise ValueError(
                f"weights: {b} is {tuple(theirs.shape)}, but in its place {name} has {a}, {tuple(mine.shape)}; "
                "they belong to another network, or to another number of classes"
            )
    return pairs


AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""How torchvision's GoogLeNet and Inception name the extra heads that only their training uses."""

KINDS = frozenset({"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})
"""The tensors of torch's layers. Others (ConvNeXt's layer_scale) have names of their own in each network."""


def _sides(tensor: Tensor) -> list[int]:
    sides = list(tensor.shape)
    while sides and sides[-1] == 1:
        sides.pop()
    return sides


def _state(weights: Any) -> Mapping[str, Tensor]:
    if isinstance(weights, Mapping) and weights and all(isinstance(v, Tensor) for v in weights.values()):
        return weights
    if hasattr(weights, "get_state_dict"):
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True)
        return state
    raise TypeError(
        f"weights={type(weights).__name__}: give a torchvision weights enum such as "
        "torchvision.models.ResNet50_Weights.IMAGENET1K_V2, or a state dict (names to tensors)"
    )
