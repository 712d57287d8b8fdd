"""Oracles of memory: what torch itself keeps while a module runs. They share no code with cnnlab."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def images(module: nn.Module, size: int, *, batch: int = 1, channels: int = 3) -> Tensor:
    """A batch on the module's device and in its dtype."""
    like = next(module.parameters())
    return torch.zeros(batch, channels, size, size, device=like.device, dtype=like.dtype)


def owned(module: nn.Module) -> tuple[int, int]:
    """Bytes of parameters, and of buffers, each tensor once."""
    return (
        sum(p.numel() * p.element_size() for p in module.parameters()),
        sum(b.numel() * b.element_size() for b in module.buffers()),
    )


def saved(module: nn.Module, x: Tensor) -> int:
    """Bytes that autograd keeps for the backward pass: each storage once, no parameters and no buffers."""
    own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}
    kept: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = (storage.nbytes(), tensor)  # held, so that no address is given out twice
        return tensor

    module.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = module(x)
    assert y.requires_grad
    return sum(nbytes for nbytes, _ in kept.values())


def peak(module: nn.Module, x: Tensor) -> int:
    """The most bytes of new storages alive at once while the module evaluates a batch; neither x nor its parameters."""
    module.eval()
    with torch.no_grad(), _living(x, *module.parameters(), *module.buffers()) as meter:
        y = module(x)
    assert not y.requires_grad
    return meter.peak


def state(optimizer: torch.optim.Optimizer) -> int:
    """Bytes that an optimizer keeps after its first step."""
    tensors = [t for per in optimizer.state.values() for t in per.values() if isinstance(t, Tensor)]
    return sum(t.numel() * t.element_size() for t in tensors)


class _Meter(TorchDispatchMode):
    """Adds up the storages that operations put out, and takes each off when torch frees it."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.native_batch_norm.default and out[0].is_meta:
            out = (out[0], *(tensor.new_empty(0) for tensor in out[1:]))  # as a CPU: no statistics in evaluation
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self.see(tensor)
        self.peak = max(self.peak, sum(self.alive.values()))
        return out

    def see(self, tensor: Tensor, *, known: bool = False) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.alive:
            self.alive[storage._cdata] = 0 if known else storage.nbytes()
            weakref.finalize(storage, self.alive.pop, storage._cdata, None)


@contextmanager
def _living(*known: Tensor) -> Iterator[_Meter]:
    meter = _Meter()
    for tensor in known:
        meter.see(tensor, known=True)
    with meter:
        yield meter
