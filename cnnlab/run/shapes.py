"""The results of the operations that CNNs consist of, as meta tensors, without PyTorch's own shape functions.

Those are written in Python for the most part and take longer than all else in a count on meta tensors. Each function
here takes the arguments of one operation and returns its result, or None wherever it is not the plain case, wrong
arguments included: then PyTorch's own answers, or complains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Shape = Callable[..., Any]


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> Tensor | None:
    sizes, kernel = x.shape, weight.shape
    if len(sizes) != len(kernel) or not _plain(x, weight):
        return None
    n = len(sizes) - 2
    if not len(stride) == len(padding) == len(dilation) == n or sizes[1] != kernel[1] * groups or transposed:
        return None
    if kernel[0] % groups or (bias is not None and bias.shape != kernel[:1]) or min(stride) < 1 or min(padding) < 0:
        return None
    out = [sizes[0], kernel[0]]
    for size, k, s, p, d in zip(sizes[2:], kernel[2:], stride, padding, dilation, strict=True):
        out.append((size + 2 * p - d * (k - 1) - 1) // s + 1)
    return x.new_empty(out) if min(out) > 0 else None


def _conv_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: list[int] | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    wanted: list[bool],
) -> tuple[Any, ...] | None:
    if not _plain(grad, x, weight) or (wanted[2] and not bias_sizes):
        return None
    return _grads(wanted, x, weight, grad.new_empty(bias_sizes or []))


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, ...] | None:
    if not _plain(x) or x.dim() < 2:
        return None
    channels = x.shape[1]
    if any(t is not None and t.shape != (channels,) for t in (weight, bias, mean, variance)):
        return None
    saved = channels if training else 0
    return torch.empty_like(x), x.new_empty(saved), x.new_empty(saved)


def _batch_norm_backward(grad: Tensor, x: Tensor, weight: Tensor | None, *rest: Any) -> tuple[Any, ...] | None:
    if weight is None or not _plain(grad, x):
        return None
    return _grads(rest[-1], x, weight, weight)


def _layer_norm(
    x: Tensor, shape: list[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, ...] | None:
    n = len(shape)
    if not x.is_meta or list(x.shape[-n:]) != list(shape) or x.dtype == torch.bool:
        return None
    if any(t is not None and (list(t.shape) != list(shape) or t.dtype != x.dtype) for t in (weight, bias)):
        return None
    saved = [*x.shape[:-n], *[1] * n]
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    return y, x.new_empty(saved), x.new_empty(saved)


def _layer_norm_backward(
    grad: Tensor, x: Tensor, shape: Any, mean: Any, rstd: Any, weight: Any, bias: Any, wanted: list[bool]
) -> tuple[Any, ...] | None:
    if weight is None or bias is None or not _plain(grad):
        return None
    return _grads(wanted, x, weight, bias)


def _group_norm(
    x: Tensor, weight: Any, bias: Any, n: int, channels: int, pixels: int, groups: int, eps: float
) -> tuple[Tensor, ...] | None:
    if not _plain(x) or x.numel() != n * channels * pixels or channels % groups:
        return None
    return torch.empty_like(x), x.new_empty((n, groups)), x.new_empty((n, groups))


def _addmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor | None:
    if bias.dim() != 1 or bias.shape[0] != b.shape[-1] or bias.dtype != a.dtype:
        return None
    return _mm(a, b)


def _mm(a: Tensor, b: Tensor) -> Tensor | None:
    if not (a.is_meta and b.is_meta) or a.dtype != b.dtype or a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0]:
        return None
    return a.new_empty((a.shape[0], b.shape[1]))


def _reduced(x: Tensor, dims: Any, keep: bool = False) -> Tensor | None:
    if not _plain(x) or not dims or not all(x.shape):
        return None
    n = x.dim()
    gone = {d % n for d in dims}
    if len(gone) != len(dims) or not all(-n <= d < n for d in dims):
        return None
    return x.new_empty([1 if k in gone else size for k, size in enumerate(x.shape) if keep or k not in gone])


def _alike(x: Tensor, *numbers: Any) -> Tensor | None:
    """A function of each number of one tensor."""
    return torch.empty_like(x) if _plain(x) and not any(isinstance(n, Tensor) for n in numbers) else None


def _itself(x: Tensor, *numbers: Any) -> Tensor | None:
    """The same in place."""
    plain = x.is_meta and x.dtype.is_floating_point and not any(isinstance(n, Tensor) for n in numbers)
    return x if plain else None


def _gradient(grad: Tensor, x: Tensor, *numbers: Any) -> Tensor | None:
    """The gradient of a function of each number."""
    return torch.empty_like(x) if _plain(grad, x) and grad.shape == x.shape else None


def _softmax(x: Tensor, dim: int, other: Any = None) -> Tensor | None:
    return torch.empty_like(x) if _plain(x) and not other and -x.dim() <= dim < x.dim() else None


def _softmax_backward(grad: Tensor, y: Tensor, dim: int, dtype: torch.dtype) -> Tensor | None:
    return _gradient(grad, y) if dtype is y.dtype else None


def _both(x: Any, y: Any) -> Tensor | None:
    """A function of each pair of numbers of two tensors, one of which may be spread over the other."""
    if not isinstance(x, Tensor) or not isinstance(y, Tensor) or not _plain(x, y) or x.dim() != y.dim():
        return None
    a, b = x.shape, y.shape
    if a == b:
        return torch.empty_like(x)
    if any(p != q and p != 1 and q != 1 for p, q in zip(a, b, strict=True)):
        return None
    return x.new_empty([p if q == 1 else q for p, q in zip(a, b, strict=True)])


def _both_itself(x: Tensor, y: Any) -> Tensor | None:
    return x if isinstance(y, Tensor) and x.shape == y.shape and _plain(x, y) else None


def _cat(parts: list[Tensor], dim: int = 0) -> Tensor | None:
    if not parts or not _plain(*parts):
        return None
    shape = list(parts[0].shape)
    dim = dim % len(shape) if shape and -len(shape) <= dim < len(shape) else -1
    if dim < 0 or any([*p.shape[:dim], *p.shape[dim + 1 :]] != [*shape[:dim], *shape[dim + 1 :]] for p in parts):
        return None
    shape[dim] = sum(p.shape[dim] for p in parts)
    return parts[0].new_empty(shape)


def _grads(wanted: list[bool], *of: Tensor | None) -> tuple[Tensor | None, ...]:
    return tuple(torch.empty_like(t) if want and t is not None else None for want, t in zip(wanted, of, strict=True))


def _plain(*several: Tensor) -> bool:
    """All on meta, contiguous, of one floating type."""
    dtype = several[0].dtype
    return dtype.is_floating_point and all(t.is_meta and t.dtype is dtype and t.is_contiguous() for t in several)


aten = torch.ops.aten
SHAPES: Mapping[Any, Shape] = {
    aten.convolution.default: _conv,
    aten.convolution_backward.default: _conv_backward,
    aten.native_batch_norm.default: _batch_norm,
    aten.native_batch_norm_backward.default: _batch_norm_backward,
    aten.native_layer_norm.default: _layer_norm,
    aten.native_layer_norm_backward.default: _layer_norm_backward,
    aten.native_group_norm.default: _group_norm,
    aten.addmm.default: _addmm,
    aten.mm.default: _mm,
    aten.cat.default: _cat,
    aten.mean.dim: _reduced,
    aten.sum.dim_IntList: _reduced,
    **dict.fromkeys((aten.relu.default, aten.silu.default, aten.gelu.default, aten.sigmoid.default), _alike),
    **dict.fromkeys((aten.hardswish.default, aten.hardsigmoid.default, aten.hardtanh.default), _alike),
    **dict.fromkeys((aten.tanh.default, aten.mul.Scalar, aten.div.Scalar, aten.clamp_min.default), _alike),
    **dict.fromkeys((aten.relu_.default, aten.silu_.default, aten.hardswish_.default, aten.hardtanh_.default), _itself),
    **dict.fromkeys(
        (aten.threshold_backward.default, aten.silu_backward.default, aten.gelu_backward.default), _gradient
    ),
    **dict.fromkeys((aten.hardswish_backward.default, aten.hardsigmoid_backward.default), _gradient),
    **dict.fromkeys((aten.hardtanh_backward.default, aten.sigmoid_backward.default), _gradient),
    **dict.fromkeys((aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor), _both),
    aten.add_.Tensor: _both_itself,
    aten._softmax.default: _softmax,
    aten._safe_softmax.default: _softmax,
    aten._softmax_backward_data.default: _softmax_backward,
}
"""Operation -> its result on meta tensors, for positional arguments."""
