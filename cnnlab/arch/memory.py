"""What a network needs in memory: weights, live images, what training keeps. Closed form, from the graph alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlab.arch.cost import walk
from cnnlab.arch.graph import Graph, check_written_out
from cnnlab.arch.layers import BatchNorm, square
from cnnlab.arch.lifetime import live_by_layer, saved_by_layer
from cnnlab.arch.storage import learned_tensors
from cnnlab.arch.variants import for_each
from cnnlab.arch.whole import Whole, at_least, check_int, is_array

if TYPE_CHECKING:
    import pandas as pd

    from cnnlab.arch.graph import Layer

DTYPES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes per number."""

OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}
"""Numbers that an optimizer keeps for each parameter, between steps."""

COUNTER = 8  # bytes of a batch norm's int64 count of batches
STEP = 4  # bytes of Adam's float32 count of steps, one for each parameter tensor


@dataclass(frozen=True)
class Memory:
    """Bytes that a network needs, kept apart by what they are for; ints, or arrays with one entry per setting.

    weights: parameters. buffers: running statistics of batch norms. input: the batch of images.
    peak: the most that images inside the network take at one time while it evaluates a batch, without the batch itself.
    saved: what autograd keeps for the backward pass, each storage once, parameters and buffers not counted; the batch
    is part of it where a layer keeps it, as a convolution does. gradients: of the parameters. optimizer: its state.

    >>> import cnnlab as cl
    >>> memory = cl.architecture("resnet50").graph().memory()
    >>> memory.peak, memory.training
    (10436608, 290791144)
    >>> print(memory)
    weights    102.23 MB
    buffers      0.21 MB
    input        0.60 MB
    peak        10.44 MB
    saved       86.12 MB
    gradients  102.23 MB
    optimizer    0.00 MB
    inference  113.48 MB  weights + buffers + input + peak
    training   290.79 MB  weights + buffers + saved + gradients + optimizer
    """

    weights: Whole = 0
    buffers: Whole = 0
    input: Whole = 0
    peak: Whole = 0
    saved: Whole = 0
    gradients: Whole = 0
    optimizer: Whole = 0

    @property
    def inference(self) -> Whole:
        """All that evaluating one batch needs: weights, buffers, the batch, and the images inside at their peak."""
        return self.weights + self.buffers + self.input + self.peak

    @property
    def training(self) -> Whole:
        """All that a training step holds between forward and backward: weights, buffers, what is saved, gradients and
        optimizer state. The gradients of the images come on top, a few at a time; workspace of the device as well."""
        return self.weights + self.buffers + self.saved + self.gradients + self.optimizer

    def __str__(self) -> str:
        rows = [(name, number, "") for name, number in vars(self).items()]
        rows.append(("inference", self.inference, "  weights + buffers + input + peak"))
        rows.append(("training", self.training, "  weights + buffers + saved + gradients + optimizer"))
        width = max(len(_megabytes(number)) for _, number, _ in rows)
        return "\n".join(f"{name:<9}  {_megabytes(number):>{width}} MB{sums}" for name, number, sums in rows)

    def __repr__(self) -> str:
        parts = [f"{name}={_megabytes(number)} MB" for name, number in vars(self).items()]
        return f"Memory({', '.join(parts)})"


def memory(graph: Graph, batch: int = 1, *, dtype: str | int = "float32", optimizer: str = "sgd") -> Memory:
    """The bytes that the module of this graph needs; see `Memory`. The graph may be folded, and may hold arrays.

    batch: images at a time. dtype: of weights and images alike, "float32" (default), "float64", "bfloat16", "float16",
    or bytes per number; the places that max pooling keeps stay int64. optimizer: "sgd" (no state), "momentum" (one
    number per parameter) or "adam" (two, and a count of steps per tensor).

    peak and saved are those of eager PyTorch, operation by operation in the order of the graph: an image lives from the
    operation that puts it out to the last that reads it, the image that a block takes until the block ends (its
    caller still holds it); activations overwrite their input where `cnnlab.arch.storage.overwriting` says so, and views
    take no memory. Workspace inside an operation and what an allocator adds are not part of them.

    A block that a folded graph repeats must take one image and give one. Raises ValueError for another dtype or
    optimizer, and for an operation whose memory is not known.

    >>> from cnnlab.arch.blocks import conv, norm, act
    >>> from cnnlab.arch.graph import image
    >>> small = act(norm(conv(image(size=32), 16, 3))).graph("small")
    >>> memory(small, batch=2).peak == 2 * (2 * 16 * 32 * 32) * 4  # norm reads one image and writes another
    True
    >>> memory(small, dtype="float16").peak / memory(small).peak
    0.5
    """
    check_int("batch", batch)
    number = bytes_per_number(dtype)
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer={optimizer!r}: choose one of {', '.join(OPTIMIZERS)}")
    layers = graph.layers
    weights = walk(layers).params * number
    buffers = sum(x.count * (2 * number * x.channels + COUNTER) for x in layers if isinstance(x.op, BatchNorm))
    state = weights * OPTIMIZERS[optimizer]
    if optimizer == "adam":
        state = state + STEP * sum(x.count * learned_tensors(x.op) for x in layers)
    start = batch * number * (layers[0].channels * square(layers[0]))
    peak, saved = for_each(layers, lambda variant: _peak_and_saved(variant, batch, number))
    return Memory(weights, buffers, start, peak, saved, weights, state)


def bytes_per_number(dtype: str | int) -> int:
    """2 for "float16", 4 for "float32", ...; or the number itself.

    >>> bytes_per_number("bfloat16"), bytes_per_number(1)
    (2, 1)
    """
    if not isinstance(dtype, str):
        return check_int("dtype", dtype)
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r}: choose one of {', '.join(DTYPES)}, or give the bytes per number")
    return DTYPES[dtype]


def memory_table(graph: Graph, batch: int = 1, *, dtype: str | int = "float32") -> pd.DataFrame:
    """Bytes by layer, in the order they run: `saved`, what autograd keeps because of this layer (its output, if anyone
    needs it, and what else the layer keeps); `live`, what images inside the network take while it runs.

    The sum of `saved` and the largest `live` are those of `graph.memory()`. Raises ValueError for a folded graph.

    >>> import cnnlab as cl
    >>> memory_table(cl.architecture("resnet18").graph()).nlargest(1, "live")
            layer    saved     live
    2  stem.norm1  3211776  6422528
    """
    import pandas as pd

    check_int("batch", batch)
    check_written_out(graph, "a table of layers")
    number = bytes_per_number(dtype)
    columns = {
        "layer": [layer.name for layer in graph.layers],
        "saved": saved_by_layer(graph.layers, batch, number),
        "live": live_by_layer(graph.layers, batch, number),
    }
    return pd.DataFrame(columns)


def _peak_and_saved(layers: Sequence[Layer], batch: int, number: int) -> tuple[Whole, Whole]:
    peak: Whole = 0
    for live in live_by_layer(layers, batch, number):
        peak = at_least(live, peak)
    return peak, sum(saved_by_layer(layers, batch, number))


def _megabytes(number: Any) -> str:
    return f"{number.min() / 1e6:,.2f}-{number.max() / 1e6:,.2f}" if is_array(number) else f"{number / 1e6:,.2f}"
