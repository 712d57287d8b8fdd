"""The blocks and stems of the ResNets and their kin: He et al. 2015 and 2019, Xie et al. 2017, RegNet."""

from __future__ import annotations

import numpy as np

from cnnlab.arch.blocks.parts import act, add, conv, drop_path, max_pool, norm, shortcut, squeeze_excite
from cnnlab.arch.graph import Image
from cnnlab.arch.rounding import round_width
from cnnlab.arch.whole import Real, Whole, at_least, check_int, check_real, floor, is_array


def plain(x: Image, width: Whole, stride: int = 1) -> Image:
    """Two 3x3 convolutions and no shortcut: the plain network of He et al. 2015."""
    y = act(norm(conv(x, width, 3, stride)))
    return act(norm(conv(y, width, 3)))


def basic(x: Image, width: Whole, stride: int = 1, *, option: str = "B", se: float = 0.0) -> Image:
    """Two 3x3 convolutions and a shortcut: ResNet-18 and -34, CIFAR ResNets (He et al. 2015).

    option: of `shortcut`. se: the part of the width that a squeeze-excite before the sum squeezes to; 0 for none.
    """
    y = act(norm(conv(x, width, 3, stride)))
    y = excite(norm(conv(y, width, 3)), se)
    return act(add(drop_path(y), shortcut(x, width, stride, option)))


def bottleneck(
    x: Image,
    width: Whole,
    stride: int = 1,
    *,
    groups: int = 1,
    group_width: int = 64,
    option: str = "B",
    se: float = 0.0,
) -> Image:
    """1x1 down, 3x3, 1x1 up to 4 width (He et al. 2015; stride in the 3x3, as torchvision's V1.5).

    The 3x3 has hidden = width * group_width / 64 * groups channels: ResNeXt-50 32x4d has 32 groups of width 4 at
    width 64 (Xie et al. 2017), Wide-ResNet-50-2 one group of width 128 (Zagoruyko and Komodakis 2016).
    option: of `shortcut`. se: the part of the 4 width that a squeeze-excite squeezes to (SE-ResNet 1/16).
    """
    hidden = width * group_width // 64 * groups
    y = act(norm(conv(x, hidden, 1)))
    y = act(norm(conv(y, hidden, 3, stride, groups=groups)))
    y = excite(norm(conv(y, 4 * width, 1)), se)
    return act(add(drop_path(y), shortcut(x, 4 * width, stride, option)))


def excite(y: Image, se: Real) -> Image:
    """Squeeze-excite of ResNets, by way of a multiple of 8 channels."""
    return squeeze_excite(y, round_width(y.channels, check_real("se", se, above=0, most=1)), "relu") if se else y


def regnet_bottleneck(x: Image, width: Whole, stride: int = 1, *, group_width: int = 8, se: float = 0.0) -> Image:
    """1x1, 3x3 in groups, 1x1, all of one width: RegNet's X block, and with se its Y block (Radosavovic et al. 2020).

    group_width: channels of each group; where it does not divide the width, their greatest common divisor.
    se: channels of the squeeze for each channel that enters the block (RegNetY 1/4); 0 for none.
    """
    around = shortcut(x, width, stride)
    y = act(norm(conv(x, width, 1)))
    y = act(norm(conv(y, width, 3, stride, groups=_groups(width, group_width))))
    if se:
        y = squeeze_excite(y, at_least(floor(check_real("se", se, above=0, most=16) * x.channels), 1), "relu")
    return act(add(drop_path(norm(conv(y, width, 1))), around))


def _groups(width: Whole, group_width: int) -> Whole:
    common = np.gcd(width, check_int("group_width", group_width))
    return width // (common if is_array(common) else int(common))


def resnet_stem(x: Image, width: Whole, stride: int = 4) -> Image:
    """7x7 convolution at half the stride, then 3x3 max pooling at stride 2."""
    return max_pool(act(norm(conv(x, width, 7, stride // 2))), 3, 2, padding=1)


def deep_stem(x: Image, width: Whole, stride: int = 4, *, pool: bool = True) -> Image:
    """Three 3x3 convolutions of width / 2, width / 2 and width, the first at half the stride, in place of the 7x7
    (ResNet-D: He et al. 2019, figure 2); then max pooling, or (ResNet-RS: Bello et al. 2021) a 3x3 at stride 2."""
    y = act(norm(conv(x, at_least(width // 2, 1), 3, stride // 2)))
    y = act(norm(conv(act(norm(conv(y, y.channels, 3))), width, 3)))
    return max_pool(y, 3, 2, padding=1) if pool else act(norm(conv(y, width, 3, 2)))
