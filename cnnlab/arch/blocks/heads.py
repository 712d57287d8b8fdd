"""Stems of one convolution, and heads: what turns the last feature map into classes."""

from __future__ import annotations

from cnnlab.arch.blocks.parts import act, conv, dropout, flatten, global_pool, linear, norm
from cnnlab.arch.graph import Image
from cnnlab.arch.whole import Whole, at_least


def conv_stem(x: Image, width: Whole, stride: int = 1, *, kernel: int = 3, kind: str = "relu") -> Image:
    """One convolution with norm and activation: the stem of CIFAR ResNets (stride 1) and EfficientNets (stride 2)."""
    return act(norm(conv(x, width, kernel, stride)), kind)


def pool_head(x: Image, classes: Whole, *, drop: float = 0.0) -> Image:
    """Global average pooling and one fully connected layer."""
    return linear(dropout(flatten(global_pool(x)), drop), classes)


def conv_head(
    x: Image, classes: Whole, *, width: Whole, drop: float = 0.0, kind: str = "silu", least: int = 1
) -> Image:
    """1x1 convolution to `width`, then `pool_head`: EfficientNet.

    least: the width is never below it (MobileNetV2 does not thin its last convolution: Sandler et al. 2018, section 4).
    """
    return pool_head(act(norm(conv(x, at_least(width, least), 1)), kind), classes, drop=drop)


def hidden_head(
    x: Image, classes: Whole, *, width: Whole, expand: int = 6, drop: float = 0.2, kind: str = "hardswish"
) -> Image:
    """1x1 convolution to expand * channels, global average pooling, and two fully connected layers by way of `width`:
    MobileNetV3 (Howard et al. 2019, figure 5)."""
    y = flatten(global_pool(act(norm(conv(x, expand * x.channels, 1)), kind)))
    return linear(dropout(act(linear(y, width), kind), drop), classes)
