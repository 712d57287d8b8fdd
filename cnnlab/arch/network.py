"""`Network`: a network that is a function rather than rows of like blocks: AlexNet, GoogLeNet, DenseNet, your own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnlab.arch import doors
from cnnlab.arch.architecture import MOST_PIXELS, check_block
from cnnlab.arch.cost import Cost
from cnnlab.arch.graph import Graph, Image, Norm, image
from cnnlab.arch.layers import BATCH_NORM
from cnnlab.arch.whole import Whole, check_int, check_whole, is_array, named

if TYPE_CHECKING:
    from cnnlab.arch.memory import Memory

Forward = Callable[..., Image]
"""A function forward(image, classes, **options) from a symbolic image to the symbolic image of the classes."""


@dataclass(frozen=True)
class Network:
    """A network as a function of a symbolic image, for what no rows of like blocks say.

    Its blocks differ one by one, or its channels grow inside a stage (DenseNet), so its depth and width cannot be
    multiplied; its resolution and classes can be changed, and all that takes a graph takes it.

    name: what it is called. forward: forward(image, classes, **options), which writes its layers under the paths of its
    stages (`x.at("stage1")`). resolution: height = width of the input, in pixels, or an array of them.
    classes: outputs. channels: of the input. norm: the normalisation of all its blocks.
    options: the function's own keyword arguments.

    >>> from cnnlab.arch.blocks import act, conv, pool_head
    >>> def tiny(x, classes, width=8):
    ...     return pool_head(act(conv(x.at("stage1"), width, 3)).at("head"), classes)
    >>> Network("tiny", tiny, resolution=32, classes=10).cost()
    Cost(macs=221,264, params=306, activations=8,202)
    """

    name: str
    forward: Forward
    resolution: Whole = 224
    classes: int = 1000
    channels: int = 3
    norm: Norm = BATCH_NORM
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not callable(self.forward):
            raise TypeError(
                f"{self.name}: forward={self.forward!r}: it must be a function forward(image, classes, **options)"
            )
        check_block(self.forward, self.options, "classes")
        for what in ("classes", "channels"):
            object.__setattr__(self, what, named(self.name, check_int, what, getattr(self, what)))
        size = named(self.name, check_whole, "resolution", self.resolution, most=MOST_PIXELS)
        object.__setattr__(self, "resolution", size)

    def graph(self, *, folded: bool = False) -> Graph:
        """The layers of the network. folded: allow an array of resolutions; nothing is folded here.

        Raises ValueError that begins with the network's name for a resolution that a layer cannot take.
        """
        if is_array(self.resolution) and not folded:
            raise ValueError(
                f"{self.name} holds arrays, so it is many networks and has no single graph; "
                "use .cost(), .graph(folded=True), or numbers"
            )
        x = image(self.channels, self.resolution, norm=self.norm)
        try:
            return self.forward(x, self.classes, **self.options).graph(self.name)
        except ValueError as error:
            raise ValueError(f"{self.name} at {self.resolution} px: {error}") from None

    def cost(self, convention: str = "macs") -> Cost:
        """Multiply-adds, parameters and activations for one image; see `Graph.cost`."""
        return self.graph(folded=True).cost(convention)

    def memory(self, batch: int = 1, *, dtype: str | int = "float32", optimizer: str = "sgd") -> Memory:
        """Bytes for weights, live images, what training saves, gradients and optimizer; see `cnnlab.arch.memory`."""
        return self.graph(folded=True).memory(batch, dtype=dtype, optimizer=optimizer)

    def __str__(self) -> str:
        from cnnlab.arch.table import paper_table

        return paper_table(self)

    def _repr_html_(self) -> str:
        return doors.html(self)
