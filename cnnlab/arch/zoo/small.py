"""The small networks of the measured tables: one frame of two stages, three kinds of block.

A 3x3 stem at stride 2, a stage of one block, a stage of two blocks that halves the image and has four times the
channels, and a head: CIFAR ResNets (He et al. 2015, section 4.2) with a strided stem, half the width and no middle
stage. They are small enough that a thousand of them can be trained on two cores, and shallow enough that each block
counts, and that plain ones learn too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cnnlab.arch.architecture import Architecture, Block, Head, Stage
from cnnlab.arch.blocks import basic, conv_head, conv_stem, mbconv, plain, pool_head

WIDTHS = (8, 32)
DEPTHS = (1, 2)
RESOLUTION = 28


def small(name: str, block: Block, *, kind: str = "relu", head: Head, **options: Any) -> Architecture:
    """The frame with this block. kind: the stem's activation."""
    stem = Stage(conv_stem, 1, WIDTHS[0], 2, {"kind": kind})
    rows = zip(DEPTHS, WIDTHS, (1, 2), strict=True)
    stages = tuple(Stage(block, depth, width, stride, options) for depth, width, stride in rows)
    return Architecture(name, stem, stages, head, resolution=RESOLUTION, classes=10, divisor=1)


SMALL: Mapping[str, Callable[[str], Architecture]] = {
    "small_plain": partial(small, block=plain, head=Head(pool_head)),
    "small_resnet": partial(small, block=basic, head=Head(pool_head), option="A"),
    # With four times the channels inside a block, where EfficientNet has six, at whose price narrow images are slow.
    "small_mbconv": partial(
        small, block=mbconv, kind="silu", head=Head(conv_head, width=4 * WIDTHS[1]), expand=4, se=0.25
    ),
}
"""name -> a function that makes the architecture of that name."""
