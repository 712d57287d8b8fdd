"""ConvNeXt's block, stem and head (Liu et al. 2022), with layer normalisation where the others have batch norm."""

from __future__ import annotations

from cnnlab.arch.blocks.parts import (
    act,
    add,
    changes,
    conv,
    drop_path,
    flatten,
    global_pool,
    layer_scale,
    linear,
    norm,
)
from cnnlab.arch.graph import Image
from cnnlab.arch.whole import Whole, some


def convnext_block(x: Image, width: Whole, stride: int = 1, *, expand: int = 4, kernel: int = 7) -> Image:
    """Depthwise 7x7, norm, each pixel up to expand * width and back, scaled and added (Liu et al. 2022, figure 4).

    Where the shape changes, a norm and a convolution of kernel = stride come first (section 2.6).
    """
    changed = changes(x, width, stride)
    if some(changed):
        y = conv(norm(x.only(changed).inside("down")), width, stride, stride, padding=0, bias=True)
        x = y._replace(scope=x.scope, count=x.count)
    y = norm(conv(x.inside("block"), width, kernel, groups=width, bias=True))
    y = act(linear(y, expand * width, each_pixel=True), "gelu")
    y = layer_scale(linear(y, width, each_pixel=True))
    return add(drop_path(y), x)._replace(scope=x.scope)


def patch_stem(x: Image, width: Whole, stride: int = 4) -> Image:
    """A convolution of kernel = stride, so that patches do not overlap, with norm and no activation."""
    return norm(conv(x, width, stride, stride, padding=0, bias=True))


def norm_head(x: Image, classes: Whole) -> Image:
    """Global average pooling, norm, and one fully connected layer."""
    return linear(flatten(norm(global_pool(x))), classes)
