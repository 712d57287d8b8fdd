"""A stand-in for a module: the same parts and code, other tensors, nothing shared that a forward could change.

Running a module changes it: BatchNorm's statistics, lazily made weights, whatever its forward assigns to `self`. A
stand-in takes all that upon itself. It is a copy of the tree of modules and of their attributes, in which every tensor
has been replaced (by one on the meta device, which has a shape and no numbers, or by a copy); the original is read and
never written. Wrappers that only run what they wrap (torch.compile, DataParallel and its like) are left out.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

# Of these a copy is the thing itself. Code is shared, and so is what code has closed over.
_ATOMS = (int, float, str, bool, complex, bytes, type(None), type(Ellipsis), type, FunctionType, BuiltinFunctionType)
_TORCH_ATOMS = (torch.Size, torch.dtype, torch.device, torch.layout, torch.memory_format)
_SHARED = frozenset((*_ATOMS, *_TORCH_ATOMS))

LAZY = (nn.UninitializedParameter, nn.UninitializedBuffer)  # what a lazy layer has until it sees an input

Change = Callable[[Tensor], Tensor]
"""What replaces a tensor."""


def stand_in(module: nn.Module, change: Change) -> nn.Module:
    """A stand-in for this module with every tensor changed, each once: what was tied stays tied."""
    memo: dict[int, Any] = {}
    parts = list(module.modules())
    for part in parts:
        memo[id(part)] = _bare(part, memo)
    for part in parts:
        _fill(part, memo, change)
    return memo[id(module)]


def on_meta(tensor: Tensor) -> Tensor:
    """A tensor of the same shape, strides and kind that has no numbers."""
    if isinstance(tensor, LAZY):
        return _lazy(tensor, torch.device("meta"))
    empty = torch.empty_strided(tensor.shape, _strides(tensor), dtype=tensor.dtype, device="meta")
    return _like(tensor, empty)


def copied(tensor: Tensor) -> Tensor:
    """A tensor of the same numbers in memory of its own."""
    if isinstance(tensor, LAZY):
        return _lazy(tensor, tensor.device)
    return _like(tensor, tensor.detach().clone())


def mapped(value: Any, change: Change) -> Any:
    """The same nested tuples, lists and dicts, with every tensor in them changed.

    >>> mapped({"x": [torch.ones(2), "a"]}, lambda t: t.shape)
    {'x': [torch.Size([2]), 'a']}
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(part, change) for part in value))
    if value.__class__ in (tuple, list):
        return value.__class__([mapped(part, change) for part in value])
    if isinstance(value, dict):
        return type(value)((key, mapped(part, change)) for key, part in value.items())
    return value


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in nested sequences, mappings and data classes, in order.

    >>> [t.item() for t in tensors({"a": torch.tensor(1), "b": (torch.tensor(2), "c")})]
    [1, 2]
    """
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors(part)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors(vars(value))


def _lazy(tensor: Tensor, device: torch.device) -> Tensor:
    kind: Any = type(tensor)
    return kind(requires_grad=tensor.requires_grad, device=device)


def _strides(tensor: Tensor) -> tuple[int, ...]:
    return tensor.stride() if tensor.layout == torch.strided else tensor.contiguous().stride()


def _like(tensor: Tensor, new: Tensor) -> Tensor:
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(new, tensor.requires_grad)
    return new.requires_grad_() if tensor.requires_grad else new


def _bare(part: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A module of the same class without any attributes yet; of a wrapper, what it wraps."""
    inner = wrapped(part)
    if inner is not None:
        while (deeper := wrapped(inner)) is not None:
            inner = deeper
        return memo.setdefault(id(inner), object.__new__(type(inner)))
    if isinstance(part, torch.jit.ScriptModule):
        return memo.setdefault(id(part), copy.deepcopy(part))  # its insides are C++, and cannot be had one by one
    return memo.setdefault(id(part), object.__new__(type(part)))


def wrapped(part: nn.Module) -> nn.Module | None:
    """The module inside a wrapper that only runs it; None for any other module."""
    if isinstance(part, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return part.module
    if type(part).__name__ == "OptimizedModule":  # named, not imported: torch._dynamo takes a second to load
        return part._modules["_orig_mod"]
    return None


def _fill(part: nn.Module, memo: dict[int, Any], change: Change) -> None:
    attributes = memo[id(part)].__dict__
    if isinstance(part, torch.jit.ScriptModule):
        return
    if (inner := wrapped(part)) is not None:
        for name in ("module", "_orig_mod"):  # its owner may reach through the wrapper
            if name not in inner._modules:
                attributes.setdefault(name, memo[id(part)])
        return
    for name, value in part.__dict__.items():
        attributes[name] = value if value.__class__ in _SHARED else _copy(value, memo, change)
    attributes["_compiled_call_impl"] = None  # module.compile(): the same code, and not to be compiled for this


def _copy(value: Any, memo: dict[int, Any], change: Change) -> Any:
    kind = value.__class__
    if kind in _SHARED:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, Tensor):
        new: Any = change(value)
    elif kind in (dict, OrderedDict):
        new = memo[id(value)] = kind()
        for key, item in value.items():
            new[key] = item if item.__class__ in _SHARED else _copy(item, memo, change)
    elif kind is list:
        new = memo[id(value)] = []
        new.extend(_copy(item, memo, change) for item in value)
    elif kind in (tuple, set):
        new = kind(_copy(item, memo, change) for item in value)
    elif kind is MethodType:
        new = MethodType(value.__func__, _copy(value.__self__, memo, change))
    elif isinstance(value, nn.Module):
        new = _outsider(value, memo, change)
    else:
        new = _other(value, memo)
    memo[id(value)] = new
    return new


def _outsider(module: nn.Module, memo: dict[int, Any], change: Change) -> nn.Module:
    """A module that is an attribute without being registered, as one kept in a plain list."""
    parts = [part for part in module.modules() if id(part) not in memo]
    for part in parts:
        memo[id(part)] = _bare(part, memo)
    for part in parts:
        _fill(part, memo, change)
    return memo[id(module)]


def _other(value: Any, memo: dict[int, Any]) -> Any:
    if type(value).__module__.startswith("torch.fx"):
        return value  # the source of a generated module: large, and never run
    try:
        return copy.deepcopy(value, memo)
    except Exception:
        return value  # locks, files, generators: what cannot be copied is shared
