"""VGG's blocks and head (Simonyan and Zisserman 2015)."""

from __future__ import annotations

from cnnlab.arch.blocks.parts import act, conv, dropout, flatten, global_pool, linear, max_pool, norm
from cnnlab.arch.graph import Image
from cnnlab.arch.whole import Whole, check_int


def vgg_conv(x: Image, width: Whole, stride: int = 1, *, batch_norm: bool = False) -> Image:
    """A 3x3 convolution with a bias; where the stride is 2, the max pooling that ends the group before comes first."""
    y = max_pool(x, stride, stride) if stride != 1 else x
    y = conv(y, width, 3, bias=True)
    return act(norm(y) if batch_norm else y)


def vgg_stem(x: Image, width: Whole, stride: int = 1, *, layers: int = 1, batch_norm: bool = False) -> Image:
    """The first group: `layers` convolutions at full resolution."""
    for _ in range(check_int("layers", layers)):
        x = vgg_conv(x, width, stride, batch_norm=batch_norm)
    return x


def vgg_head(x: Image, classes: Whole, *, width: Whole = 4096, stride: int = 2, drop: float = 0.5) -> Image:
    """The last max pooling, 7x7 means, and three fully connected layers: most of VGG's parameters."""
    y = flatten(global_pool(max_pool(x, stride, stride), 7))
    for _ in range(2):
        y = dropout(act(linear(y, width)), drop)
    return linear(y, classes)
