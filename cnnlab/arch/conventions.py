"""Conventions: what each counting tool makes of a layer, so that its total can be foretold and explained.

Five tools give one network five costs, because each charges for other components than the multiply-adds: biases,
norms, activations, pooling. The rules here are those of the tools' own sources (fvcore 0.1.5, torchinfo 1.8.0,
ptflops 0.7.5 with its default backend "pytorch", thop 0.1.1), for one image in evaluation. Hooked tools see a
submodule where they miss a function call (and ptflops sees some layers twice), so the rules read `Layer.called`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cnnlab.arch import layers as op
from cnnlab.arch.layers import square
from cnnlab.arch.whole import Whole, floor

if TYPE_CHECKING:
    from cnnlab.arch.graph import Graph, Layer

Rule: TypeAlias = Callable[["Layer", "Layer"], Whole]
"""rule(layer, its first input) -> operations charged for one occurrence."""

COMPONENTS = (
    *("convolution", "linear", "bias", "batch norm", "layer norm", "activation", "pooling", "global pooling"),
    *("residual add", "gate multiply", "layer scale", "rescaling"),
)
"""What a cost consists of, in the order in which tables show it. The last four no tool charges for, as networks
usually write them (`x + y`); what only moves numbers (concat, flatten, slice, pad, dropout) is no component."""

SHAPING = (
    *(op.Input, op.Flatten, op.Unflatten, op.Concat, op.PadChannels, op.Slice, op.Shuffle, op.Pad),
    *(op.Dropout, op.DropPath),
)


@dataclass(frozen=True, slots=True)
class Convention:
    """How one tool counts. layer: its charge for a convolution or linear layer without its bias, or for another layer;
    bias: its charge for such a bias."""

    layer: Rule
    bias: Rule


def component(layer: Layer) -> str | None:
    """Which of `COMPONENTS` a layer is (its bias is another one), or None for what only moves numbers.

    Raises ValueError for an op that has no rule: better no total than one that leaves something out.
    """
    match layer.op:
        case op.Conv():
            return "convolution"
        case op.Linear():
            return "linear"
        case op.BatchNorm():
            return "batch norm"
        case op.LayerNorm():
            return "layer norm"
        case op.Act():
            return "activation"
        case op.MaxPool() | op.AvgPool():
            return "pooling"
        case op.AdaptivePool(size=size):
            return "global pooling" if size == 1 else "pooling"
        case op.Add():
            return "residual add"
        case op.Multiply():
            return "gate multiply"
        case op.LayerScale():
            return "layer scale"
        case op.Affine():
            return "rescaling"
        case known if isinstance(known, SHAPING):
            return None
    raise ValueError(
        f"{layer.name}: {type(layer.op).__name__} has no rule in any convention but macs, so the other tools' totals "
        "are not known for this network; use cost() without a convention, or add the rule to cnnlab.arch.conventions"
    )


def elements(image: Layer) -> Whole:
    """Numbers in one image: channels * pixels."""
    return image.channels * square(image)


# What the tools charge for a layer, its bias apart. Each rule ends with `return 0`: the tool passes over the rest.


def _macs(y: Layer, x: Layer) -> Whole:
    return y.op.macs(y, x)


def _fvcore(y: Layer, x: Layer) -> Whole:
    """Handles for the operators of a jit trace: module or function is all one to it, but `mean` is no pooling."""
    match y.op:
        case op.Conv() | op.Linear():
            return y.op.macs(y, x)
        case op.BatchNorm():
            return 2 * elements(x)
        case op.LayerNorm():
            return 5 * elements(x)
        case op.AdaptivePool() if y.called in ("", "adaptive_avg_pool2d"):
            return elements(x)
    return 0


def _torchinfo(y: Layer, x: Layer) -> Whole:
    """Each parameter of a module without children once; where its class has "Conv" in its name, once per pixel."""
    match y.op:
        case op.Conv():
            return y.op.macs(y, x)
        case op.Linear():
            return x.channels * y.channels
        case op.BatchNorm() if y.called:
            # A class of its own is taken for timm's BatchNormAct2d: it has children, so its parameters are passed over.
            return 0
        case op.BatchNorm() | op.LayerNorm():
            return 2 * x.channels
    return 0


def _ptflops(y: Layer, x: Layer) -> Whole:
    """Hooks on modules of torch's own classes, and patches of torch.nn.functional: many modules meet both."""
    match y.op:
        case op.Conv() | op.Linear() if not y.called:
            return y.op.macs(y, x)
        case op.BatchNorm() if not y.called:
            return 2 * elements(x)
        case op.LayerNorm() if not y.called:
            return elements(x)
        case op.Act(kind=kind):
            hooked = not y.called and kind in ("relu", "relu6", "leaky_relu", "elu", "gelu")
            # The module ReLU6 calls hardtanh, which is not patched.
            patched = (y.called or kind) in ("relu", "elu", "gelu", "silu") or y.called == "relu6"
            return (hooked + patched) * elements(x)
        case op.MaxPool() | op.AvgPool() | op.AdaptivePool():
            patched = y.called in ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d")
            return (patched if y.called else 2) * elements(x)
        case op.Add() | op.Multiply() | op.LayerScale() | op.Affine() if y.called in ("torch.add", "torch.mul"):
            return elements(y)
    return 0


def _thop(y: Layer, x: Layer) -> Whole:
    """Hooks on modules of torch's own classes; functions are not seen."""
    if y.called:
        return 0
    match y.op:
        case op.Conv() | op.Linear():
            return y.op.macs(y, x)
        case op.BatchNorm() | op.LayerNorm():
            return 4 * elements(x)
        case op.AvgPool():
            return elements(y)
        case op.AdaptivePool():
            # In floating point as thop has it: where the parts are uneven, the last unit hangs on it.
            side = x.size / y.size if x.size is not None and y.size is not None else 1.0
            return floor((side * side + 1) * elements(y))
    return 0


# What they charge for its bias.


def _no_bias(y: Layer, x: Layer) -> Whole:
    return 0


def _torchinfo_bias(y: Layer, x: Layer) -> Whole:
    return elements(y) if isinstance(y.op, op.Conv) else y.channels


def _ptflops_bias(y: Layer, x: Layer) -> Whole:
    return 0 if y.called else elements(y)


CONVENTIONS: Mapping[str, Convention] = {
    "macs": Convention(_macs, _no_bias),
    "fvcore": Convention(_fvcore, _no_bias),
    "torchinfo": Convention(_torchinfo, _torchinfo_bias),
    "ptflops": Convention(_ptflops, _ptflops_bias),
    "thop": Convention(_thop, _no_bias),
}
"""What `Graph.cost(convention=...)` takes: "macs", multiply-adds and nothing else, and what these calls give:
fvcore.nn.FlopCountAnalysis(model, x).total(), torchinfo.summary(model, input_data=x).total_mult_adds,
ptflops.get_model_complexity_info(model, size, as_strings=False)[0] and thop.profile(model, (x,))[0]."""


class Entry(NamedTuple):
    """A tool's charge for one occurrence of a layer, or of its bias (`component` says which)."""

    component: str
    layer: Layer
    input: Layer
    charge: Whole


def entries(graph: Graph, convention: str) -> Iterator[Entry]:
    """What a tool charges one image, layer by layer, 0 included.

    The sum of count * charge is the tool's total. Folded graphs and arrays of settings work as in `Graph.cost`.
    Raises ValueError for an unknown convention, and for a layer that has no rule.
    """
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        raise ValueError(f"convention={convention!r} is unknown; choose one of {', '.join(CONVENTIONS)}")
    rules = CONVENTIONS[convention]
    for y in graph.layers:
        part = component(y)
        if part is None:
            continue
        x = graph.layers[y.inputs[0]]
        yield Entry(part, y, x, rules.layer(y, x))
        if isinstance(y.op, (op.Conv, op.Linear)) and y.op.bias:
            yield Entry("bias", y, x, rules.bias(y, x))


def total(graph: Graph, convention: str) -> Whole:
    """What a tool's total for one image is, to the last unit: the sum of its `entries`."""
    count: Whole = 0
    for entry in entries(graph, convention):
        count = count + entry.layer.count * entry.charge
    return count
