"""`Graph`: a network as a tuple of frozen layers; `Image`: the symbolic image that blocks are written with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cnnlab.arch import doors
from cnnlab.arch.cost import Cost, walk
from cnnlab.arch.layers import BATCH_NORM, BatchNorm, Input, LayerNorm, Op
from cnnlab.arch.whole import Truth, Whole, check_whole, is_array, text

if TYPE_CHECKING:
    import pandas as pd

    from cnnlab.arch.memory import Memory


Norm: TypeAlias = BatchNorm | LayerNorm
"""What a network normalises with."""


class Layer(NamedTuple):
    """One layer of a graph, and the image that leaves it.

    name: dotted path, such as "stage2.0.conv1"; a module has a submodule for each part of it.
    op: what it does, one of the classes of `cnnlab.arch.layers`, with its arguments.
    inputs: positions in the graph of the layers whose images it takes.
    channels, size: of the image that leaves it; size = height = width in pixels, None for a flat vector.
    count: how often it occurs: 1, more in a folded graph, or an array with one count per setting.
    called: the function that a traced network calls here ("relu", "mean") where `Graph.module` would write a submodule
    for the same layer; "" for a submodule. The cost does not depend on it; what other counters see does.
    """

    name: str
    op: Op
    inputs: tuple[int, ...]
    channels: Whole
    size: Whole | None
    count: Whole = 1  # type: ignore[assignment]  # a tuple's count() is of no use here
    called: str = ""


@dataclass(frozen=True)
class Graph:
    """A network: its layers in the order they run, the input first, the output last.

    >>> import cnnlab as cl
    >>> cl.architecture("resnet18").graph()
    Graph(resnet18, 224 px: 70 layers, 1,814,073,344 MACs, 11,689,512 params)
    """

    name: str
    layers: tuple[Layer, ...]

    @property
    def input(self) -> Layer:
        """The layer that stands for the image that enters."""
        return self.layers[0]

    @property
    def output(self) -> Layer:
        """The layer whose output is the network's."""
        return self.layers[-1]

    def cost(self, convention: str = "macs") -> Cost:
        """Multiply-adds, parameters and activations for one image.

        convention: "macs", or a tool whose total to give as the macs ("fvcore", "torchinfo", "ptflops", "thop"), to the
        last unit and in that tool's sense: most add norms, activations or pooling to the multiply-adds, and `reconcile`
        says what. Parameters and activations stay ours. Raises ValueError for another name.
        """
        cost = walk(self.layers)
        if convention == "macs":
            return cost
        from cnnlab.arch.conventions import total

        return replace(cost, macs=total(self, convention))

    def reconcile(self) -> pd.DataFrame:
        """Why five tools give five totals: their charges by component; see `cnnlab.arch.reconcile`."""
        from cnnlab.arch.reconcile import reconcile

        return reconcile(self)

    def memory(self, batch: int = 1, *, dtype: str | int = "float32", optimizer: str = "sgd") -> Memory:
        """Bytes for weights, live images, what training saves, gradients and optimizer; see `cnnlab.arch.memory`."""
        from cnnlab.arch.memory import memory

        return memory(self, batch, dtype=dtype, optimizer=optimizer)

    def table(self, by: str = "layer") -> pd.DataFrame:
        """The cost of every "layer", "block", "stage" or "role" as a DataFrame; see `cnnlab.arch.table`."""
        from cnnlab.arch.table import table

        return table(self, by)

    def module(self, weights: Any = None, *, seed: int | None = None) -> Any:
        """The network as a torch.nn.Module; see `cnnlab.run.module.module`."""
        return doors.module(self, weights, seed)

    def to_pytorch(self) -> str:
        """The network as one standalone .py file that needs nothing but torch; see `cnnlab.arch.source`."""
        from cnnlab.arch.source import to_pytorch

        return to_pytorch(self)

    def to_json(self) -> str:
        """The graph as text, one layer a line; see `cnnlab.arch.schema`."""
        from cnnlab.arch.schema import to_json

        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Graph:
        """The graph that `to_json` wrote; see `cnnlab.arch.schema`."""
        from cnnlab.arch.schema import from_json

        return from_json(text)

    def _repr_html_(self) -> str:
        return doors.html(self)

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        cost = self.cost()
        return (
            f"Graph({self.name}, {text(self.input.size)} px: {len(self)} layers, "
            f"{text(cost.macs, ',')} MACs, {text(cost.params, ',')} params)"
        )


def check_written_out(graph: Graph, purpose: str) -> None:
    """Raise ValueError, as a sentence, unless the graph has every layer written out and holds no arrays.

    purpose: what needs that, the sentence's subject.
    """
    for layer in graph.layers:
        if is_array(layer.count) or layer.count != 1 or is_array(layer.channels) or is_array(layer.size):
            raise ValueError(
                f"{graph.name}: {layer.name} stands for several layers or settings (folded, or arrays), "
                f"and {purpose} needs each written out; use arch.graph() of an architecture of plain numbers"
            )


@dataclass
class Tape:
    """The layers written so far: the only thing that changes while blocks run. `norm` is what `norm(x)` writes."""

    norm: Norm
    layers: list[Layer] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def name(self, scope: str, kind: str) -> str:
        """A name that no layer of this tape has: `conv1`, `conv2`, ... within each scope."""
        stem = f"{scope}.{kind}" if scope else kind
        number = self.numbers[stem] = self.numbers.get(stem, 0) + 1
        return f"{stem}{number}"


class Image(NamedTuple):
    """A symbolic image: what a block takes and what it gives. It knows its shape and the tape it is written on.

    scope, count and drop (the rate of stochastic depth) are handed on from a layer's first input to its output.
    """

    tape: Tape
    position: int
    channels: Whole
    size: Whole | None
    scope: str = ""
    count: Whole = 1  # type: ignore[assignment]  # a tuple's count() is of no use here
    drop: float = 0.0

    def at(self, scope: str, count: Whole = 1, drop: float = 0.0) -> Image:
        """The same image; what is computed from it is written under this path, with this count and drop rate."""
        return self._replace(scope=scope, count=count, drop=drop)

    def inside(self, part: str) -> Image:
        """The same image; what is computed from it is written one level deeper, under this part of the path."""
        return self._replace(scope=f"{self.scope}.{part}" if self.scope else part)

    def only(self, where: Truth) -> Image:
        """The same image; what is computed from it exists only in the settings where the condition holds."""
        return self if where is True else self._replace(count=self.count * where)

    def apply(self, kind: str, op: Op, *others: Image) -> Image:
        """Write a layer that takes this image (and others) as the next of its kind in this image's scope."""
        return self.write(self.tape.name(self.scope, kind), op, *others)

    def write(self, name: str, op: Op, *others: Image, called: str = "") -> Image:
        """Write a layer of this name that takes this image (and others), and return the image that leaves it.

        Raises ValueError or TypeError that begins with the name if the images do not fit.
        """
        tape = self.tape
        try:
            channels, size = op.shape(self, *others)
        except (ValueError, TypeError) as error:
            raise type(error)(f"{name}: {error}") from None
        inputs = (self.position, *[other.position for other in others])
        tape.layers.append(Layer(name, op, inputs, channels, size, self.count, called))
        return Image(tape, len(tape.layers) - 1, channels, size, self.scope, self.count, self.drop)

    def graph(self, name: str) -> Graph:
        """Everything written so far, with this image as the output."""
        if self.position != len(self.tape.layers) - 1:
            raise ValueError(
                f"{name}: the network returns {self.tape.layers[self.position].name}, "
                f"but {self.tape.layers[-1].name} comes after it; every layer must lead to the output"
            )
        return Graph(name, tuple(self.tape.layers))


def image(channels: Whole = 3, size: Whole = 224, *, norm: Norm | None = None) -> Image:
    """A new symbolic image on an empty tape: where a network begins.

    >>> from cnnlab.arch.blocks import conv, norm, act
    >>> x = image(size=32)
    >>> act(norm(conv(x, 16, 3))).graph("tiny").cost()
    Cost(macs=442,368, params=464, activations=16,384)
    """
    op = Input(check_whole("channels", channels), check_whole("resolution", size))
    tape = Tape(norm or BATCH_NORM)
    tape.layers.append(Layer("input", op, (), op.channels, op.size))
    return Image(tape, 0, op.channels, op.size)
