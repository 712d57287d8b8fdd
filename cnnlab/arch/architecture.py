"""`Architecture`: a network as the rows of a paper's Table 1, as frozen data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.arch import doors
from cnnlab.arch.blocks import pool_head
from cnnlab.arch.cost import Cost
from cnnlab.arch.graph import Graph, Image, Norm, image
from cnnlab.arch.layers import BATCH_NORM
from cnnlab.arch.whole import Whole, check_int, check_real, check_whole, is_array, named, some

if TYPE_CHECKING:
    from cnnlab.arch.memory import Memory

Block = Callable[..., Image]
"""A function block(x, width, stride, **options) from a symbolic image to a symbolic image."""

MOST_BLOCKS = 5_000
MOST_PIXELS = 4_096


def check_block(block: Block, options: Mapping[str, Any], *taken: str) -> str:
    """The name of a block that takes these options, and none of those `taken`; TypeError, as a sentence, else."""
    name, known = _signature(block)
    for option in options:
        if option not in known or option in taken:
            choice = ", ".join(sorted(known - set(taken))) or "none"
            raise TypeError(f"{name}: options has {option!r}, which the block does not take; it takes: {choice}")
    return name


@lru_cache(maxsize=256)
def _signature(block: Block) -> tuple[str, frozenset[str]]:
    """The block's name, and the names of its parameters after the first."""
    if not callable(block):
        raise TypeError(f"block={block!r}: it must be a function block(x, width, stride, **options)")
    return getattr(block, "__name__", repr(block)), frozenset(list(inspect.signature(block).parameters)[1:])


@dataclass(frozen=True)
class Stage:
    """`depth` blocks of one kind and width; the first of them has the stride.

    options: the block's own keyword arguments, such as {"kernel": 5, "expand": 6}.
    fixed: what scaling leaves as it is in this stage: "depth", "width" or both.
    """

    block: Block
    depth: Whole
    width: Whole
    stride: int = 1
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    fixed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        name = check_block(self.block, self.options, "width", "stride")
        if self.fixed and (isinstance(self.fixed, str) or not set(self.fixed) <= {"depth", "width"}):
            raise ValueError(f'{name}: fixed={self.fixed!r}: it may hold "depth" and "width", such as ("width",)')
        object.__setattr__(self, "depth", named(name, check_whole, "depth", self.depth))
        object.__setattr__(self, "width", named(name, check_whole, "width", self.width))
        object.__setattr__(self, "stride", named(name, check_int, "stride", self.stride))

    def __call__(self, x: Image, stride: int) -> Image:
        """One block of this stage, after x."""
        return self.block(x, self.width, stride, **self.options)


@dataclass(frozen=True)
class Head:
    """What turns the last feature map into classes: block(x, classes, **options), with width=... if it has one.

    A width among the options is one that scaling leaves as it is. stride: of the pooling that the head begins with, if
    its block takes one (VGG).
    """

    block: Block = pool_head
    width: Whole | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    stride: int = 1

    def __post_init__(self) -> None:
        taken = [*(["stride"] if self.stride != 1 else []), *(["width"] if self.width is not None else [])]
        name = check_block(self.block, self.options, *taken)
        if self.stride != 1:
            object.__setattr__(self, "stride", named(name, check_int, "stride", self.stride))
        if self.width is not None:
            object.__setattr__(self, "width", named(name, check_whole, "width", self.width))

    def __call__(self, x: Image, classes: Whole) -> Image:
        """The head, after x."""
        width = {} if self.width is None else {"width": self.width}
        stride = {} if self.stride == 1 else {"stride": self.stride}
        return self.block(x, classes, **width, **stride, **self.options)


@dataclass(frozen=True)
class Architecture:
    """A network as data: the rows of a paper's table. `print` shows that table; scaling rules are functions on it.

    name: what it is called. stem, stages, head: its rows. resolution: height = width of the input, in pixels.
    classes: outputs. channels: of the input. norm: the normalisation of all its blocks.
    drop_path: the rate of stochastic depth that the block after the last would have; it rises linearly from 0.
    divisor: scaled widths are multiples of it.

    Depths, widths and the resolution may be NumPy arrays that broadcast: one architecture, many settings at once.

    >>> import cnnlab as cl
    >>> cl.architecture("resnet50").cost()
    Cost(macs=4,089,184,256, params=25,557,032, activations=11,114,984)
    """

    name: str
    stem: Stage
    stages: tuple[Stage, ...]
    head: Head = Head()
    resolution: Whole = 224
    classes: int = 1000
    channels: int = 3
    norm: Norm = BATCH_NORM
    drop_path: float = 0.0
    divisor: int = 8

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", tuple(self.stages))
        if not self.stages:
            raise ValueError(f"{self.name}: stages is empty; an architecture has at least one stage")
        for what in ("classes", "channels", "divisor"):
            object.__setattr__(self, what, named(self.name, check_int, what, getattr(self, what)))
        named(self.name, check_real, "drop_path", self.drop_path, least=0, below=1)
        resolution = named(self.name, check_whole, "resolution", self.resolution, most=MOST_PIXELS)
        if some(resolution < self.stride):
            raise ValueError(
                f"{self.name}: resolution={np.min(resolution)}: its strides shrink the image {self.stride} times, "
                f"so the resolution must be from {self.stride} to {MOST_PIXELS} (px)"
            )
        object.__setattr__(self, "resolution", resolution)

    @property
    def stride(self) -> int:
        """Input pixels for each pixel of the last feature map, in one direction."""
        stride = self.stem.stride * self.head.stride
        for stage in self.stages:
            stride *= stage.stride
        return stride

    @property
    def blocks(self) -> Whole:
        """Blocks of all stages together."""
        return sum(stage.depth for stage in self.stages)

    def graph(self, *, folded: bool = False, training: bool = False) -> Graph:
        """The layers of the network.

        folded: write each stage as its first block and, with a count of depth - 1, its second, however deep it is.
        Only a folded graph can hold arrays of settings; only an unfolded one becomes a module.
        training: in a folded graph, write out stochastic depth as well, which costs nothing, but whose draws training
        keeps (an unfolded one has it anyway).
        """
        drop = self.drop_path if training else 0.0
        return (self._folded(drop) if folded else self._unfolded()).graph(self.name)

    def cost(self, convention: str = "macs") -> Cost:
        """Multiply-adds, parameters and activations for one image. Never unrolls a stage; arrays in, arrays out.

        convention: whose total to give as the macs; see `Graph.cost`.
        """
        return self.graph(folded=True).cost(convention)

    def memory(self, batch: int = 1, *, dtype: str | int = "float32", optimizer: str = "sgd") -> Memory:
        """Bytes for weights, live images, what training saves, gradients and optimizer; arrays in, arrays out. See
        `cnnlab.arch.memory`."""
        return self.graph(folded=True, training=True).memory(batch, dtype=dtype, optimizer=optimizer)

    def _folded(self, drop: float) -> Image:
        """drop: the rate of stochastic depth that every block but the first is written with."""
        x = self._start()
        for i, stage in enumerate(self.stages, 1):
            x = stage(x.at(f"stage{i}.0", drop=drop if i > 1 else 0.0), stage.stride)
            if some(stage.depth > 1):
                x = stage(x.at(f"stage{i}.1", stage.depth - 1, drop), 1)
        return self.head(x.at("head"), self.classes)

    def _unfolded(self) -> Image:
        rows: list[Stage | Head] = [self.stem, self.head, *self.stages]
        if any(map(is_array, [self.resolution, *(row.width for row in rows), *(stage.depth for stage in self.stages)])):
            raise ValueError(
                f"{self.name} holds arrays, so it is many networks and has no single graph; "
                "use .cost(), .graph(folded=True), or numbers"
            )
        if self.blocks > MOST_BLOCKS:
            raise ValueError(
                f"{self.name} has {self.blocks:,} blocks, too many to write out (at most {MOST_BLOCKS:,}); "
                "use .cost() or .graph(folded=True)"
            )
        x, done = self._start(), 0
        for i, stage in enumerate(self.stages, 1):
            for j in range(int(stage.depth)):
                x = stage(
                    x.at(f"stage{i}.{j}", drop=self.drop_path * done / int(self.blocks)), 1 if j else stage.stride
                )
                done += 1
        return self.head(x.at("head"), self.classes)

    def _start(self) -> Image:
        return self.stem(image(self.channels, self.resolution, norm=self.norm).at("stem"), self.stem.stride)

    def __str__(self) -> str:
        from cnnlab.arch.table import paper_table

        return paper_table(self)

    def _repr_html_(self) -> str:
        return doors.html(self)
