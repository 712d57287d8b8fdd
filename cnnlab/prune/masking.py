"""Masks: single weights set to 0, anywhere (unstructured) or n of every m (N:M), and held at 0 while others train.

A mask shrinks no tensor. A dense device takes as long as before, multiplies as often, and holds as many bytes; only
hardware and kernels made for zeros gain, such as tensor cores for 2:4. To get a smaller network, remove channels
(`cl.prune.plan`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

from cnnlab.arch.whole import check_int, check_real, named
from cnnlab.prune.recovery import check_finite
from cnnlab.run.standin import LAZY

if TYPE_CHECKING:
    import pandas as pd

Weighted: TypeAlias = _ConvNd | nn.Linear
"""The layers that masks are for."""


@dataclass(frozen=True, eq=False)
class Masks:
    """Which weights of a model's convolutions and linear layers stay; `held` puts them to work.

    kept: name of a weight -> bool, of the weight's shape, on the CPU: True stays, False is 0.  how: what they were made
    with.  whole: name of a weight that was left whole -> why.
    """

    kept: Mapping[str, Tensor]
    how: str
    whole: Mapping[str, str] = field(default_factory=dict)

    @property
    def sparsity(self) -> float:
        """The share of these weights that is 0, from 0 to 1; biases and norms are not among them."""
        kept, size = self._counts()
        return 1 - kept / size

    def table(self) -> pd.DataFrame:
        """One row for each weight. Columns: weight (its name), weights (how many numbers it has), kept (how many stay),
        share (kept / weights), and why, where it was left whole or nothing is left of it."""
        import pandas as pd

        rows = []
        for name, mask in self.kept.items():
            kept, size = int(mask.sum()), mask.numel()
            why = self.whole.get(name, "") if kept else "nothing is left of it: the layer gives constants"
            rows.append({"weight": name, "weights": size, "kept": kept, "share": kept / size, "why": why})
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        kept, size = self._counts()
        return (
            f"Masks({self.how}: {kept:,} of {size:,} weights stay ({100 * kept / size:.1f} %); layers: {len(self.kept)}"
            f", whole: {len(self.whole)}; a dense device takes as long and multiplies as often as before)"
        )

    def _counts(self) -> tuple[int, int]:
        return sum(int(mask.sum()) for mask in self.kept.values()), sum(mask.numel() for mask in self.kept.values())


def magnitude_masks(model: nn.Module, sparsity: float, *, scope: str = "global", within: Masks | None = None) -> Masks:
    """Masks that remove the smallest weights of convolutions and linear layers; the model is left as it is.

    sparsity: the share to remove, 0 to below 1: exactly floor(sparsity * n) of n weights go, those of equal size in
    the order of the layers and of the weights in them. Biases and norms stay, and are not counted.
    scope: "global": all weights compete as they are; "layer": each layer loses the same share.
    within: earlier masks of the model; what they removed goes first.

    Raises ValueError or TypeError, as a sentence, for a sparsity out of range, for weights that are no finite numbers,
    and for a model without such layers.

    >>> magnitude_masks(nn.Linear(4, 1), 0.5)
    Masks(magnitude, global: 2 of 4 weights stay (50.0 %); layers: 1, whole: 0; a dense device takes as long and \
multiplies as often as before)
    """
    share = Fraction(repr(float(named("magnitude_masks", check_real, "sparsity", sparsity, least=0, below=1))))
    if scope not in ("global", "layer"):
        raise ValueError(f"magnitude_masks: scope={scope!r}: choose global or layer")
    weights = _weights("magnitude_masks", model)
    if within is not None:
        _check_fit("magnitude_masks", weights, within)
    sizes = {}
    for name, weight in weights.items():
        size = weight.detach().abs().flatten().cpu()
        sizes[name] = size.float() if size.element_size() < 4 else size
        if within is not None and name in within.kept:
            sizes[name] = sizes[name].masked_fill(~within.kept[name].flatten(), -1)  # before any 0 that stays
    if scope == "layer":
        stays = [~_smallest(size, math.floor(share * size.numel())) for size in sizes.values()]
    else:
        together = torch.cat([*sizes.values()])
        gone = _smallest(together, math.floor(share * together.numel()))
        stays = [*(~gone).split([size.numel() for size in sizes.values()])]
    kept = {name: mask.reshape(weight.shape) for (name, weight), mask in zip(weights.items(), stays, strict=True)}
    return Masks(kept, f"magnitude, {scope}")


def nm_masks(model: nn.Module, n: int = 2, m: int = 4) -> Masks:
    """Masks that keep the n largest of every m weights in a row of input channels (N:M); the model is left as it is.

    The weights of a convolution are taken along its input channels, at each place of the kernel; those of a linear
    layer along its inputs. Of equal ones the first go. A layer whose input channels (of one group) are no multiple of m
    is left whole, and `Masks.whole` says so; so is a transposed convolution.

    Raises ValueError or TypeError, as a sentence, for n or m out of range, for weights that are no finite numbers, and
    for a model in which every layer would be left whole.

    >>> nm_masks(nn.Linear(8, 5)).sparsity
    0.5
    """
    m = named("nm_masks", check_int, "m", m)
    n = named("nm_masks", check_int, "n", n, most=m)
    kept, whole = {}, {}
    for name, part, weight in _layers("nm_masks", model):
        inputs = weight.shape[1]
        if isinstance(part, _ConvTransposeNd):
            whole[name] = "it is a transposed convolution, whose weights lie the other way round"
        elif inputs % m:
            of = " of one group" if isinstance(part, _ConvNd) and part.groups > 1 else ""
            whole[name] = f"input channels{of}: {inputs}, which is no multiple of {m}"
        kept[name] = torch.ones(weight.shape, dtype=torch.bool)
        if name not in whole:
            windows = weight.detach().cpu().abs().unflatten(1, (inputs // m, m))
            order = windows.argsort(dim=2, stable=True)  # the smallest first
            mask = torch.ones(windows.shape, dtype=torch.bool).scatter_(2, order[:, :, : m - n], False)
            kept[name] = mask.flatten(1, 2)
    if len(whole) == len(kept):
        name, why = next(iter(whole.items()))
        raise ValueError(f"nm_masks: every layer would be left whole ({name}: {why}); try a smaller m")
    return Masks(kept, f"{n}:{m}", whole)


@contextmanager
def held(model: nn.Module, masks: Masks) -> Iterator[nn.Module]:
    """Inside, the masked weights are 0 and stay 0, whatever trains the model; afterwards they are plain weights again.

    It works on the model in place, by `torch.nn.utils.parametrize`: a layer computes with where(mask, weight, 0), so
    neither momentum nor weight decay revives a weight, and its gradient is 0. Inside, the layers' weights have other
    names, and `cl.fit`, `recover` and a checkpoint work as ever: a checkpoint made with other masks is refused.
    Afterwards the parameters are the same objects, with the same names in the same order, and 0 where the masks say so;
    also after an error. To set them to 0 without training: `with held(model, masks): pass`.

    Raises ValueError, as a sentence, for masks of another model, and for a layer whose weight is parametrized already;
    the model is then unchanged.

    >>> model = nn.Linear(4, 1)
    >>> with held(model, magnitude_masks(model, 0.75)):
    ...     loss = model(torch.ones(1, 4)).sum().square()
    >>> int((model.weight == 0).sum())
    3
    """
    weights = _weights("held", model)
    _check_fit("held", weights, masks)
    parts = [part for part in model.modules() if isinstance(part, Weighted)]
    chosen = [
        (part, mask)
        for name, mask in masks.kept.items()
        for part in parts
        if part.weight is weights[name] and not bool(mask.all())  # two layers may share one weight
    ]
    orders = [(part, [*part._parameters]) for part, _ in chosen]
    for part, mask in chosen:
        parametrize.register_parametrization(part, "weight", _Held(mask.to(part.weight.device)), unsafe=True)
    try:
        yield model
    finally:
        for part, names in orders:
            parametrize.remove_parametrizations(part, "weight")
            now = dict(part._parameters)
            part._parameters.clear()  # a state dict is in the order in which parameters were registered
            part._parameters.update({name: now[name] for name in names})


class _Held(nn.Module):
    """where(mask, weight, 0). It prints the mask's digest, so that a checkpoint knows one mask from another."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)
        digest = hashlib.sha256(mask.cpu().contiguous().numpy().data).hexdigest()[:16]
        self.said = f"{int(mask.sum())} of {mask.numel()} weights, mask {digest}"

    def forward(self, weight: Tensor) -> Tensor:
        return torch.where(self.mask, weight, 0)

    def extra_repr(self) -> str:
        return self.said


def _layers(owner: str, model: nn.Module) -> list[tuple[str, Weighted, nn.Parameter]]:
    """(name of the weight, layer, weight) of all layers that masks are for; a shared weight once."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"{owner}: model={type(model).__name__}: masks are for a torch.nn.Module")
    found: dict[int, tuple[str, Weighted, nn.Parameter]] = {}
    for name, part in model.named_modules():
        if not isinstance(part, Weighted):
            continue
        full, weight = f"{name}.weight".removeprefix("."), part._parameters.get("weight")
        if weight is None:
            raise ValueError(
                f"{owner}: {full} is no plain parameter: something makes it anew in each forward (a parametrization, "
                "perhaps `held` already); take that off first"
            )
        if isinstance(weight, LAZY):
            raise ValueError(f"{owner}: {full} has no numbers yet; run the model on an image once")
        found.setdefault(id(weight), (full, part, weight))
    if not found:
        raise ValueError(f"{owner}: {type(model).__name__} has no convolution and no linear layer to mask")
    check_finite(owner, model)
    return [*found.values()]


def _weights(owner: str, model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, _, weight in _layers(owner, model)}


def _check_fit(owner: str, weights: Mapping[str, Tensor], masks: Masks) -> None:
    for name, mask in masks.kept.items():
        if name not in weights:
            raise ValueError(f"{owner}: the masks are of another model: this one has no {name}; make masks of it")
        if mask.shape != weights[name].shape:
            raise ValueError(
                f"{owner}: the masks are of another model: {name} is {tuple(weights[name].shape)} here, and its mask "
                f"{tuple(mask.shape)}; make masks of this model"
            )


def _smallest(sizes: Tensor, count: int) -> Tensor:
    """Which are the `count` smallest of a row of numbers, of equal ones the first: exactly so many."""
    gone = torch.zeros(len(sizes), dtype=torch.bool)
    if count:
        line = sizes.kthvalue(count).values
        gone = sizes < line
        ties = (sizes == line).nonzero()[:, 0]
        gone[ties[: count - int(gone.sum())]] = True
    return gone
