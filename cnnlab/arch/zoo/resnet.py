"""ResNet and its kin: plain networks, ResNeXt, Wide ResNet, SE-ResNet, ResNet-D, ResNet-RS, and the CIFAR networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cnnlab.arch.architecture import Architecture, Block, Head, Stage
from cnnlab.arch.blocks import basic, bottleneck, conv_stem, deep_stem, plain, pool_head, resnet_stem


def resnet(name: str, block: Block, depths: tuple[int, ...], **options: Any) -> Architecture:
    """The ImageNet network of He et al. 2015, Table 1, with another block or other options for its kin."""
    return Architecture(name, Stage(resnet_stem, 1, 64, 4), _stages(block, depths, options))


def cifar(name: str, block: Block, depth: int, **options: Any) -> Architecture:
    """The CIFAR network of He et al. 2015, section 4.2: depth = 6n + 2, widths 16-32-64, at 32 px."""
    n = (depth - 2) // 6
    stages = _stages(block, (n, n, n), options, width=16)
    return Architecture(name, Stage(conv_stem, 1, 16, 1), stages, resolution=32, classes=10, divisor=1)


def resnet_d(name: str, block: Block, depths: tuple[int, ...]) -> Architecture:
    """ResNet-D (He et al. 2019, "Bag of Tricks", figure 2): three 3x3 in the stem, and shortcuts that pool first."""
    return Architecture(name, Stage(deep_stem, 1, 64, 4), _stages(block, depths, {"option": "D"}))


def resnet_rs(
    name: str, depths: tuple[int, ...], resolution: int, *, drop: float = 0.25, drop_path: float = 0.0
) -> Architecture:
    """ResNet-RS (Bello et al. 2021, Table 2 and the authors' configs/): ResNet-D with squeeze-excite to a quarter, and
    a convolution in place of the stem's pooling. Of the resolutions of one depth the largest."""
    return Architecture(
        name,
        Stage(deep_stem, 1, 64, 4, {"pool": False}),
        _stages(bottleneck, depths, {"option": "D", "se": 0.25}),
        Head(pool_head, options={"drop": drop}),
        resolution=resolution,
        drop_path=drop_path,
    )


def _stages(block: Block, depths: tuple[int, ...], options: Mapping[str, Any], width: int = 64) -> tuple[Stage, ...]:
    return tuple(Stage(block, d, width * 2**i, 2 if i else 1, options) for i, d in enumerate(depths))


DEPTHS: Mapping[int, tuple[Block, tuple[int, ...]]] = {
    18: (basic, (2, 2, 2, 2)),
    34: (basic, (3, 4, 6, 3)),
    50: (bottleneck, (3, 4, 6, 3)),
    101: (bottleneck, (3, 4, 23, 3)),
    152: (bottleneck, (3, 8, 36, 3)),
    200: (bottleneck, (3, 24, 36, 3)),
}
"""layers -> the block and the depths of the four stages: He et al. 2015, Table 1; 200 of He et al. 2016, Table 6."""

RESNETS: Mapping[str, Callable[[str], Architecture]] = {
    "plain18": partial(resnet, block=plain, depths=(2, 2, 2, 2)),
    "plain34": partial(resnet, block=plain, depths=(3, 4, 6, 3)),
    **{f"resnet{n}": partial(resnet, block=DEPTHS[n][0], depths=DEPTHS[n][1]) for n in (18, 34, 50, 101, 152)},
    "resnext50_32x4d": partial(resnet, block=bottleneck, depths=(3, 4, 6, 3), groups=32, group_width=4),
    "resnext101_32x8d": partial(resnet, block=bottleneck, depths=(3, 4, 23, 3), groups=32, group_width=8),
    "resnext101_64x4d": partial(resnet, block=bottleneck, depths=(3, 4, 23, 3), groups=64, group_width=4),
    "wide_resnet50_2": partial(resnet, block=bottleneck, depths=(3, 4, 6, 3), group_width=128),
    "wide_resnet101_2": partial(resnet, block=bottleneck, depths=(3, 4, 23, 3), group_width=128),
    # Hu et al. 2018, Table 1: r = 16.
    **{
        f"seresnet{n}": partial(resnet, block=DEPTHS[n][0], depths=DEPTHS[n][1], se=1 / 16)
        for n in (18, 34, 50, 101, 152)
    },
    **{f"resnet{n}d": partial(resnet_d, block=DEPTHS[n][0], depths=DEPTHS[n][1]) for n in (18, 34, 50, 101, 152, 200)},
    "resnetrs50": partial(resnet_rs, depths=(3, 4, 6, 3), resolution=160),
    "resnetrs101": partial(resnet_rs, depths=(3, 4, 23, 3), resolution=192),
    "resnetrs152": partial(resnet_rs, depths=(3, 8, 36, 3), resolution=256),
    "resnetrs200": partial(resnet_rs, depths=(3, 24, 36, 3), resolution=256, drop_path=0.1),
    "resnetrs270": partial(resnet_rs, depths=(4, 29, 53, 4), resolution=256, drop_path=0.1),
    "resnetrs350": partial(resnet_rs, depths=(4, 36, 72, 4), resolution=320, drop=0.4, drop_path=0.1),
    "resnetrs420": partial(resnet_rs, depths=(4, 44, 87, 4), resolution=320, drop=0.4, drop_path=0.1),
    **{f"cifar_plain{n}": partial(cifar, block=plain, depth=n) for n in (20, 32, 44, 56, 110)},
    **{f"cifar_resnet{n}": partial(cifar, block=basic, depth=n, option="A") for n in (20, 32, 44, 56, 110)},
    **{f"cifar_resnet{n}_b": partial(cifar, block=basic, depth=n, option="B") for n in (20, 32, 44, 56, 110)},
}
"""name -> a function that makes the architecture of that name."""
