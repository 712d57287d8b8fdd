"""What each layer keeps in memory, and where its output lies: the rules of eager PyTorch, each written once.

They describe the module that `Graph.module` makes, operation by operation, as PyTorch runs it without compilation:
which outputs lie in a storage of their own, and which tensors autograd keeps for the backward pass. Where devices
differ they are a CPU's: a GPU keeps a dropout mask in 1 byte per number (here: one number of the dtype), and the
statistics of a norm in float32. Workspace inside an operation (of a convolution, say) is no part of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cnnlab.arch.layers import (
    ACTIVATIONS,
    Act,
    AdaptivePool,
    Add,
    Affine,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    LayerNorm,
    LayerScale,
    Linear,
    MaxPool,
    Multiply,
    Op,
    Pad,
    PadChannels,
    Shuffle,
    Slice,
    Unflatten,
    square,
)
from cnnlab.arch.whole import Whole, at_least, some

if TYPE_CHECKING:
    from cnnlab.arch.graph import Layer

IN_PLACE = ("relu", "relu6", "silu", "hardswish", "hardsigmoid")
"""Activations that can overwrite their input."""

OVERWRITABLE = (Conv, BatchNorm, Linear, Add)
"""What does not need its own output for its gradient, so that another may overwrite it."""

BY_OUTPUT = ("relu", "sigmoid", "tanh")
"""Activations whose gradient is computed from what they put out, so that they keep that; the others keep the input."""

LEARNED = (Conv, BatchNorm, LayerNorm, LayerScale, Linear)
"""What has parameters, so that a gradient flows back to whatever follows."""

INDEX = 8
"""Bytes of one int64: max pooling keeps the place of each largest value, whatever the dtype."""


def overwriting(layers: Sequence[Layer]) -> frozenset[int]:
    """The positions of the activations that overwrite their input, and so need no memory of their own.

    That is right only where nobody else reads the input, and what made it does not need it for its own gradient.
    """
    readers: list[list[int]] = [[] for _ in layers]
    for i, layer in enumerate(layers):
        for j in layer.inputs:
            readers[j].append(i)
    return frozenset(
        i
        for i, layer in enumerate(layers)
        if isinstance(layer.op, Act)
        and layer.op.kind in IN_PLACE
        and readers[layer.inputs[0]] == [i]
        and isinstance(layers[layer.inputs[0]].op, OVERWRITABLE)
    )


Layout: TypeAlias = Literal["channels", "pixels", "part"]
"""How an image lies in memory: channel by channel (or flat), pixel by pixel (channels_last), or so with gaps."""


def layouts(layers: Sequence[Layer], *, training: bool) -> list[Layout]:
    """How each layer's output lies in memory, when the input lies channel by channel.

    Layers that work on the channels of each pixel leave it pixel by pixel, and what follows keeps the layout of its
    first input; a slice of such an image has gaps, which the next new image closes.
    """
    found: list[Layout] = []
    for layer in layers:
        before = [found[j] for j in layer.inputs]
        if layer.size is None or not before:
            found.append("channels")
        elif isinstance(layer.op, (LayerNorm, Linear)):
            found.append("pixels")
        elif before[0] == "channels" or (isinstance(layer.op, Concat) and "channels" in before):
            found.append("channels")
        elif isinstance(layer.op, Slice) and some(layer.channels != layers[layer.inputs[0]].channels):
            found.append("part")
        else:
            seen = is_view(layer, layers[layer.inputs[0]], before[0], training=training)
            found.append(before[0] if seen else "pixels")
    return found


def is_view(layer: Layer, x: Layer, layout: Layout, *, training: bool) -> bool:
    """Whether a layer's output lies in the storage of its input x, which has this layout.

    Raises ValueError for an operation that is not known here.
    """
    match layer.op:
        case Flatten():
            return layout == "channels" or x.size is None or not some(x.size != 1)
        case Unflatten() | Slice():
            return True
        case Dropout(rate):
            return not training or rate == 0
        case DropPath():
            return not training
        case Conv() | BatchNorm() | LayerNorm() | LayerScale() | Linear() | Affine() | Act() | MaxPool() | AvgPool():
            return False
        case AdaptivePool() | Add() | Multiply() | Concat() | PadChannels() | Pad() | Shuffle():
            return False
    raise ValueError(unknown(layer))


def unknown(layer: Layer) -> str:
    """The sentence for an operation that has no rule."""
    return f"{layer.name}: what {type(layer.op).__name__} keeps in memory is not known; write its rule in storage.py"


def temporary(layer: Layer, x: Layer, layout: Layout, *, batch: int, number: int) -> Whole:
    """Bytes that exist beside input and output while the layer runs, and are put out by one of its operations."""
    match layer.op:
        case MaxPool():  # the places are computed even where nobody wants them
            return batch * INDEX * (layer.channels * square(layer))
        case LayerNorm():  # mean and spread of each pixel
            return 2 * batch * number * square(layer)
        case Affine(scale, shift) if scale != 1 and shift != 0:
            return batch * number * (layer.channels * square(layer))
        case Linear(_, bias) if x.size is not None and layout != "pixels":
            # What does not lie pixel by pixel is copied so first; with gaps it is not, but the bias is added apart.
            copy = x.channels * square(x) if layout == "channels" else 0
            return batch * number * (at_least(copy, layer.channels * square(layer)) if bias else copy)
    return 0


class Kept(NamedTuple):
    """What autograd keeps of one layer: the inputs (0, 1, ... of its `inputs`), the output, and further bytes."""

    inputs: tuple[int, ...] = ()
    output: bool = False
    further: Whole = 0


NOTHING = Kept()


def kept(
    layer: Layer, x: Layer, layout: Layout, needs: Sequence[bool], *, overwrites: bool, batch: int, number: int
) -> Kept:
    """What autograd keeps of a layer that takes x, of this layout (and others); no parameters, no buffers.

    needs: for each input whether a gradient flows back to it. overwrites: whether the layer overwrites its input.
    batch: images. number: bytes per number. Raises ValueError for an operation that is not known here.
    """
    image = layer.channels * square(layer)
    match layer.op:
        case Conv() | LayerScale():
            return Kept((0,))
        case Linear() if x.size is not None and layout == "channels":
            # keeps the copy that it makes of each pixel's channels
            return Kept(further=batch * number * (x.channels * square(x)))
        case Linear():
            return Kept((0,))
        case BatchNorm():  # and each channel's mean and spread over the batch
            return Kept((0,), further=2 * number * x.channels)
        case LayerNorm():
            return Kept((0,), further=2 * batch * number * square(x))
        case Multiply():  # the gradient of each factor is the other factor
            return Kept(tuple(k for k in range(len(needs)) if any(n for m, n in enumerate(needs) if m != k)))
        case _ if not any(needs):
            return NOTHING
        case Act(kind):
            return _kept_by_activation(layer, kind, overwrites, batch * number * image)
        case MaxPool():
            return Kept((0,), further=batch * INDEX * image)
        case AvgPool():
            return Kept((0,))
        case AdaptivePool(size):
            return NOTHING if size == 1 else Kept((0,))  # a mean needs nothing but its size
        case Dropout(rate):
            return Kept(further=0 if rate == 0 else number if rate == 1 else batch * number * image)
        case DropPath():
            return Kept(further=batch * number)
        case Add() | Concat() | Affine() | Flatten() | Unflatten() | Slice() | Shuffle() | Pad() | PadChannels():
            return NOTHING
    raise ValueError(unknown(layer))


def _kept_by_activation(layer: Layer, kind: str, overwrites: bool, image: Whole) -> Kept:
    if kind not in ACTIVATIONS:
        raise ValueError(f"{layer.name}: {kind!r} is no activation known here")
    if kind in BY_OUTPUT:
        return Kept(output=True)
    # An activation that needs the input it overwrites keeps a copy of it.
    return Kept(further=image) if overwrites else Kept((0,))


def learned_tensors(op: Op) -> int:
    """How many parameter tensors a layer has: a weight, and a bias or shift."""
    match op:
        case Conv() | Linear():
            return 1 + op.bias
        case BatchNorm() | LayerNorm():
            return 2
        case LayerScale():
            return 1
    return 0
