"""What each operation of PyTorch costs: the multiply-adds of those that multiply and add; which ones are free.

Every operation falls into exactly one bucket:

* counted: convolutions, matrix products and attention, forward and backward. Each has a formula below that reads only
  the shapes of its arguments and of its result. Adding a bias is no multiply-add; `Rule.biases` reports it apart.
* free: no multiply-adds by the convention of the field (torchvision's `_ops`, FlopCounterMode / 2), whatever it takes
  on a device: views, elementwise functions, norms, pools, resizing, copies, lookups, sums, random numbers, losses.
* unknown: everything else. Nobody has said what it costs, so whoever counts must say that it ran.

Backward formulas are the two products of the chain rule, each as large as the forward one: the gradient of the input
(only where it is asked for) and the gradient of the weight. Both respect groups: a weight has shape
(out / groups, in / groups, ...) already, so depthwise convolutions train at 3x their forward cost, like all others.
A fused attention kernel that computes its scores a second time in the backward pass is counted as if it did not, so
that attention costs the same whichever kernel a machine chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import prod
from typing import Any, NamedTuple

import torch

COUNTED, FREE, UNKNOWN = "counted", "free", "unknown"
BUCKETS = (COUNTED, FREE, UNKNOWN)

Formula = Callable[[tuple[Any, ...], Any], int]
"""(positional arguments, result) -> a number; arguments that have defaults may be absent."""


class Rule(NamedTuple):
    """What is known of one operation.

    name: such as "aten.convolution"; bucket: one of `BUCKETS`; kind: what sort of operation ("conv", "norm", "view").
    macs, biases: multiply-adds, and additions of a bias; None where there are none.
    """

    name: str
    bucket: str
    kind: str
    macs: Formula | None = None
    biases: Formula | None = None


# Convolutions. A weight is (out, in / groups, ...); of a transposed convolution (in, out / groups, ...).


def _conv(args: tuple[Any, ...], y: Any) -> int:
    """Each output number is a sum over one filter; transposed, each input number is spread by one filter."""
    x, weight, transposed = args[0], args[1], args[6]
    return _taps(weight) * (x if transposed else y).numel()


def _conv_biases(args: tuple[Any, ...], y: Any) -> int:
    return 0 if args[2] is None else y.numel()


def _conv_backward(args: tuple[Any, ...], grads: Any) -> int:
    grad, x, weight, transposed, wanted = args[0], args[1], args[2], args[7], args[10]
    return (wanted[0] + wanted[1]) * _taps(weight) * (x if transposed else grad).numel()


def _deform_conv(args: tuple[Any, ...], y: Any) -> int:
    """As a plain convolution; where its samples lie between pixels, the interpolation is a resizing, and free."""
    return _taps(args[1]) * y.numel()


def _taps(weight: Any) -> int:
    return prod(weight.shape[1:])


# Matrix products: as many multiply-adds per number of the result as the factors have in common.


def _product(a: int) -> Formula:
    """The left factor is argument `a`; its last dimension is summed over."""

    def macs(args: tuple[Any, ...], y: Any) -> int:
        return y.numel() * args[a].shape[-1]

    return macs


def _addbmm(args: tuple[Any, ...], y: Any) -> int:
    """The batch is summed over as well."""
    return y.numel() * args[1].shape[0] * args[1].shape[2]


def _vector_bias(args: tuple[Any, ...], y: Any) -> int:
    """A vector added to every row is a bias; a matrix is a sum of two results."""
    return y.numel() if args[0].dim() == 1 else 0


def _linear_biases(args: tuple[Any, ...], y: Any) -> int:
    return 0 if len(args) < 3 or args[2] is None else y.numel()


# Attention: scores (query x key), then their sum over the values.


def _attention(args: tuple[Any, ...], _: Any) -> int:
    """query (..., L, E), key (..., S, E), value (..., S, V): L S (E + V) per head."""
    query, key, value = args[:3]
    return prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _attention_backward(args: tuple[Any, ...], _: Any) -> int:
    """Four products: the gradients of value, scores, query and key."""
    return 2 * _attention(args[1:], _)


# Recurrent layers in one piece: every matrix once per step and sequence.


def _recurrent(args: tuple[Any, ...], _: Any) -> int:
    x, weights = args[0], args[1] if isinstance(args[1], (list, tuple)) else args[1:5]
    return x.numel() // x.shape[-1] * sum(weight.numel() for weight in weights if weight.dim() == 2)


def _recurrent_backward(args: tuple[Any, ...], _: Any) -> int:
    return 2 * _recurrent(args, _)


_ATTENTION = tuple(
    f"aten._scaled_dot_product_{kind}"
    for kind in (
        "flash_attention",
        "flash_attention_for_cpu",
        "efficient_attention",
        "cudnn_attention",
        "fused_attention_overrideable",
    )
)

PRODUCTS: Mapping[str, tuple[str, Formula, Formula | None]] = {
    "aten.convolution": ("conv", _conv, _conv_biases),
    "aten._convolution": ("conv", _conv, _conv_biases),
    "aten.convolution_overrideable": ("conv", _conv, _conv_biases),
    "aten.convolution_backward": ("conv", _conv_backward, None),
    "aten.convolution_backward_overrideable": ("conv", _conv_backward, None),
    "torchvision.deform_conv2d": ("conv", _deform_conv, None),
    "aten.mm": ("matmul", _product(0), None),
    "aten.bmm": ("matmul", _product(0), None),
    "aten.mv": ("matmul", _product(0), None),
    "aten.dot": ("matmul", _product(0), None),
    "aten.vdot": ("matmul", _product(0), None),
    "aten.matmul": ("matmul", _product(0), None),
    "aten._int_mm": ("matmul", _product(0), None),
    "aten._scaled_mm": ("matmul", _product(0), None),
    "aten.linear": ("matmul", _product(0), _linear_biases),
    "aten.mkldnn_linear": ("matmul", _product(0), _linear_biases),
    "aten.addmm": ("matmul", _product(1), _vector_bias),
    "aten.addmm_": ("matmul", _product(1), None),
    "aten._addmm_activation": ("matmul", _product(1), _vector_bias),
    "aten.addmv": ("matmul", _product(1), _vector_bias),
    "aten.addmv_": ("matmul", _product(1), None),
    "aten.baddbmm": ("matmul", _product(1), None),
    "aten.baddbmm_": ("matmul", _product(1), None),
    "aten.addbmm": ("matmul", _addbmm, None),
    "aten.addbmm_": ("matmul", _addbmm, None),
    "aten.mkldnn_rnn_layer": ("recurrent", _recurrent, None),
    "aten.mkldnn_rnn_layer_backward": ("recurrent", _recurrent_backward, None),
    "aten._cudnn_rnn": ("recurrent", _recurrent, None),
    "aten._cudnn_rnn_backward": ("recurrent", _recurrent_backward, None),
    **dict.fromkeys(_ATTENTION, ("attention", _attention, None)),
    **{f"{name}_backward": ("attention", _attention_backward, None) for name in _ATTENTION},
}
"""Operation -> (kind, multiply-adds, additions of a bias). A transposed or strided operand changes none of them."""

# The free ones by name, where neither PyTorch's own tags (pointwise, random) nor its signatures (views, factories) say.
# Their backward operations, `<name>_backward`, are free with them.
_FREE_NAMES: Mapping[str, str] = {
    "norm": """
        _batch_norm_impl_index _batch_norm_no_update _batch_norm_with_update _batch_norm_with_update_functional
        _fused_rms_norm _native_batch_norm_legit _native_batch_norm_legit_functional
        _native_batch_norm_legit_no_training _weight_norm_differentiable _weight_norm_interface batch_norm
        batch_norm_backward batch_norm_elemt batch_norm_stats cudnn_batch_norm miopen_batch_norm
        native_batch_norm native_group_norm native_layer_norm norm_except_dim renorm
    """,
    "pool": """
        _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d
        fractional_max_pool2d fractional_max_pool3d max_pool1d max_pool2d max_pool2d_with_indices max_pool3d
        max_pool3d_with_indices max_unpool2d max_unpool3d mkldnn_max_pool2d mkldnn_max_pool3d
    """,
    "softmax": """
        _log_softmax _log_softmax_backward_data _masked_softmax _safe_softmax _softmax _softmax_backward_data
    """,
    "elementwise": """
        _add_relu _foreach_add_ _foreach_mul_ _prelu_kernel _thnn_fused_gru_cell _thnn_fused_lstm_cell
        _thnn_fused_lstm_cell_backward_impl clamp complex cross fill fill_ gelu_ glu glu_jvp hardsigmoid
        hardswish hardtanh hardtanh_ isfinite lerp log_sigmoid log_sigmoid_forward masked_fill masked_fill_
        native_dropout polar prelu rrelu_with_noise rsub softplus zero zero_
    """,
    "loss": """
        _ctc_loss binary_cross_entropy huber_loss kl_div l1_loss mse_loss multi_margin_loss
        multilabel_margin_loss_forward nll_loss nll_loss2d nll_loss2d_forward nll_loss_forward smooth_l1_loss
        soft_margin_loss
    """,
    "resize": """
        _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d
        _upsample_nearest_exact3d affine_grid_generator cudnn_affine_grid_generator cudnn_grid_sampler
        grid_sampler_2d grid_sampler_3d upsample_bicubic2d upsample_bilinear2d upsample_linear1d
        upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d
    """,
    "reduction": """
        _cummax_helper _cummin_helper _is_all_true _is_any_true _unique2 all amax amin aminmax any argmax argmin
        argsort bincount bucketize count_nonzero cummax cummin cumprod cumsum equal histc histogram index_reduce
        index_reduce_ isin kthvalue linalg_vector_norm logcumsumexp logsumexp max mean median min mode nansum
        norm prod searchsorted sort std std_mean sum topk trace unique_consecutive unique_dim var var_mean
    """,
    "copy": """
        _assert_async _assert_scalar _efficientzerotensor _local_scalar_dense _pack_padded_sequence
        _pack_padded_sequence_backward _pad_packed_sequence _pin_memory _reshape_copy _stack _to_copy argwhere
        as_strided_scatter block_diag cat channel_shuffle clone col2im constant_pad_nd copy copy_ diag
        diag_embed diagonal_backward diagonal_scatter flip im2col is_same_size lift lift_fresh lift_fresh_copy
        narrow_copy native_channel_shuffle pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d
        reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d resize_
        resize_as_ roll rot90 select_backward select_scatter set_ slice_backward slice_scatter
        split_with_sizes_copy stack tril tril_ triu triu_ unfold_backward unsafe_split unsafe_split_with_sizes
    """,
    "lookup": """
        _embedding_bag _embedding_bag_dense_backward _embedding_bag_forward_only
        _embedding_bag_per_sample_weights_backward _index_put_impl_ _unsafe_index _unsafe_index_put
        _unsafe_masked_index _unsafe_masked_index_put_accumulate embedding embedding_dense_backward
        embedding_renorm_ evenly_distribute_backward gather gather_backward index index_add index_add_
        index_copy index_copy_ index_fill index_fill_ index_put index_put_ index_select masked_scatter
        masked_scatter_ masked_select nonzero nonzero_static one_hot put_ scatter scatter_ scatter_add
        scatter_add_ scatter_reduce scatter_reduce_ take take_along_dim value_selecting_reduction_backward
    """,
    "view": """
        _reshape_alias _unsafe_view view_as_complex view_as_real
    """,
    "random": """
        _masked_scale dropout feature_dropout
    """,
}
FREE_NAMES: Mapping[str, str] = {
    **{f"aten.{name}": kind for kind, names in _FREE_NAMES.items() for name in names.split()},
    # Detection's own: a pool over boxes, and a choice among them.
    **{f"torchvision.{name}": "pool" for name in ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool")},
    "torchvision.nms": "lookup",
}
"""Operation -> kind, for the free ones that are known by name."""


@cache
def rule(operation: Any) -> Rule:
    """What is known of an operation (a `torch._ops.OpOverload` or higher-order operator).

    >>> import torch
    >>> [rule(torch.ops.aten.addmm.default)[k] for k in (0, 1, 2)]
    ['aten.addmm', 'counted', 'matmul']
    >>> [rule(torch.ops.aten.silu.default)[k] for k in (0, 1, 2)]
    ['aten.silu', 'free', 'elementwise']
    >>> rule(torch.ops.aten._cdist_forward.default).bucket
    'unknown'
    """
    if not isinstance(operation, torch._ops.OpOverload):
        return Rule(str(operation), UNKNOWN, "opaque")
    name = str(operation.overloadpacket)
    if name in PRODUCTS:
        kind, macs, biases = PRODUCTS[name]
        return Rule(name, COUNTED, kind, macs, biases)
    kind = _free_kind(name, operation)
    return Rule(name, FREE, kind) if kind else Rule(name, UNKNOWN, "opaque")


def _free_kind(name: str, operation: Any) -> str:
    """The kind of a free operation; "" for one that is not known to be free."""
    spellings = (name, name.removesuffix("_backward"), name.removesuffix("_"))  # relu, relu_backward, relu_
    for spelling in spellings:
        if spelling in FREE_NAMES:
            return FREE_NAMES[spelling]
    if not name.startswith(("aten.", "prims.", "prim.")):
        return ""  # somebody's own operation may do anything, whatever it is tagged
    if torch.Tag.nondeterministic_seeded in operation.tags:
        # Dropout and its like. Attention kernels carry this tag as well: those known are in PRODUCTS.
        return "" if "attention" in name or "rnn" in name else "random"
    if any(torch.Tag.pointwise in tags for spelling in spellings for tags in _tags(spelling)):
        return "elementwise"
    if torch.Tag.view_copy in operation.tags:
        return "copy"
    schema = operation._schema
    aliases = [value.alias_info for value in schema.returns]
    if torch.Tag.inplace_view in operation.tags or (aliases and all(a is not None and not a.is_write for a in aliases)):
        return "view"
    takes_tensors = any("Tensor" in str(argument.type) for argument in schema.arguments)
    if not takes_tensors or name.endswith("_like") or name.startswith("aten.new_"):
        return "create"
    return ""


def _tags(name: str) -> list[list[Any]]:
    """The tags of every overload of an operation of PyTorch's own; none if there is no such operation."""
    packet = getattr(torch.ops.aten, name.removeprefix("aten."), None) if name.startswith("aten.") else None
    return [getattr(packet, overload).tags for overload in packet.overloads()] if packet else []
