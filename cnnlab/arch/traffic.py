"""The least that must move between memory and processor: the compulsory traffic of each fused group of layers.

Assumed, and nothing else: a group reads each of its input images once and whole, reads its learned numbers once for
the whole batch, and writes its output once; what passes between the layers of a group never leaves the processor.
A convolution or linear layer is fused with the norm, the activation and the other layers of one input that work number
by number, as long as nobody else reads what is between them; so is any other layer with what follows it in this way.
A norm's mean and variance are folded into its scale and shift. Dropout and stochastic depth do nothing at inference;
flatten, unflatten and slice only look at numbers that are there, and cost nothing themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlab.arch.graph import Graph, check_written_out
from cnnlab.arch.layers import (
    Act,
    AdaptivePool,
    Add,
    Affine,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    Input,
    LayerNorm,
    LayerScale,
    Linear,
    Multiply,
    Pad,
    PadChannels,
    Pool,
    Shuffle,
    Slice,
    Unflatten,
    area,
    square,
)

if TYPE_CHECKING:
    from cnnlab.arch.graph import Layer

KINDS = ("spatial", "pointwise", "depthwise", "linear", "other")
"""What a group's main layer is: `kind` says which is which."""

HEADS = (Conv, Linear, Pool, AdaptivePool, LayerNorm, Add, Multiply, Concat, PadChannels, Pad, Shuffle)
"""They begin a group: what they compute needs more than the one number that they replace."""

FOLLOWERS = (BatchNorm, Act, LayerScale, Affine)
"""They work number by number on one input, and are computed while the numbers are at hand."""

NOTHING = (Dropout, DropPath, Flatten, Unflatten)
"""Nothing to do at inference: the same numbers under another shape, or the same altogether."""


@dataclass(frozen=True)
class Group:
    """Layers that run as one, and the traffic that they cannot do without. Numbers are counted, not bytes.

    name, kind: of its first layer, which does the work; see `kind`. members: positions of its layers in the graph.
    channels, size: of its output (size in px, None for a flat vector). macs: multiply-adds for one image.
    read, written: numbers of the images that enter and of the one that leaves, for one image of the batch.
    weights: learned numbers, read once for the whole batch.
    """

    name: str
    kind: str
    members: tuple[int, ...]
    channels: int
    size: int | None
    macs: int
    read: int
    weights: int
    written: int

    def traffic(self, batch: int = 1, number: int = 4) -> int:
        """Bytes for a batch of images, at so many bytes per number."""
        return number * (batch * (self.read + self.written) + self.weights)


def groups(graph: Graph) -> tuple[Group, ...]:
    """The groups of an unfolded graph, in the order they run; layers that cost nothing stand in none of their own.

    Raises ValueError for a folded graph or arrays of settings, and for an operation that is not known here.

    >>> import cnnlab as cl
    >>> stem = groups(cl.architecture("resnet18").graph())[0]
    >>> stem.name, len(stem.members), stem.read, stem.weights, stem.written
    ('stem.conv1', 3, 150528, 9536, 802816)
    >>> stem.traffic(batch=1, number=4)
    3851520
    """
    found: list[list[int]] = []
    where: dict[int, int] = {}  # a layer's position -> the group that it is the last of, so far
    readers = _readers(graph)
    check_written_out(graph, "what moves through memory")
    for i, layer in enumerate(graph.layers):
        if isinstance(layer.op, Input):
            continue
        joins = where.get(layer.inputs[0]) if readers[layer.inputs[0]] == 1 else None
        match layer.op:
            case _ if isinstance(layer.op, (*FOLLOWERS, *NOTHING)) and joins is not None:
                found[joins].append(i)
                where[i] = joins
            case _ if isinstance(layer.op, (*HEADS, *FOLLOWERS)):
                where[i] = len(found)
                found.append([i])
            case _ if isinstance(layer.op, (*NOTHING, Slice)):
                pass
            case op:
                raise ValueError(
                    f"{layer.name}: what {type(op).__name__} moves through memory is not known; say so in traffic.py"
                )
    return tuple(_group(graph, members) for members in found)


def kind(layer: Layer, x: Layer) -> str:
    """What a layer that takes x is to the processor.

    "depthwise": a convolution with one channel per group; "linear": a linear layer on a flat vector, or a convolution
    over an image of one pixel, which is the same (squeeze-excite); "pointwise": any other 1x1 convolution or
    linear layer; "spatial": the other convolutions, in groups or not; "other": what has no multiply-adds.
    """
    match layer.op:
        case Linear():
            return "linear" if x.size is None else "pointwise"
        case Conv() as c if 1 < c.groups == x.channels:
            return "depthwise"
        case Conv() as c if area(c.kernel) == 1:
            return "linear" if x.size == 1 else "pointwise"
        case Conv():
            return "spatial"
    return "other"


def _group(graph: Graph, members: list[int]) -> Group:
    layers = graph.layers
    first, last = layers[members[0]], layers[members[-1]]
    images = [layers[j] for j in dict.fromkeys(first.inputs)]
    weights = [layers[i].op.params(*[layers[j] for j in layers[i].inputs]) for i in members]
    inputs = [layers[j] for j in first.inputs]
    return Group(
        name=first.name,
        kind=kind(first, inputs[0]),
        members=tuple(members),
        channels=int(last.channels),
        size=None if last.size is None else int(last.size),
        macs=int(first.op.macs(first, *inputs)),
        read=int(sum(image.channels * square(image) for image in images)),
        weights=int(sum(weights)),
        written=int(last.channels * square(last)),
    )


def _readers(graph: Graph) -> list[int]:
    """For each layer how many others read it; the last has a reader outside."""
    readers = [0] * len(graph.layers)
    for layer in graph.layers:
        for j in layer.inputs:
            readers[j] += 1
    readers[-1] += 1
    return readers
