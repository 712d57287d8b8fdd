"""The networks of the papers, each as the rows of its table. `names()` lists them, `architecture(name)` gives one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cnnlab.arch.architecture import Architecture, Block, Head, Stage
from cnnlab.arch.blocks import (
    basic,
    bottleneck,
    conv_head,
    conv_stem,
    fused_mbconv,
    mbconv,
    plain,
    resnet_stem,
)
from cnnlab.arch.layers import BATCH_NORM, BatchNorm
from cnnlab.arch.scaling import scaled


def resnet(name: str, block: Block, depths: tuple[int, ...], **options: Any) -> Architecture:
    """The ImageNet network of He et al. 2015, Table 1, with another block or other options for its kin."""
    stages = [Stage(block, d, 64 * 2**i, 2 if i else 1, options) for i, d in enumerate(depths)]
    return Architecture(name, Stage(resnet_stem, 1, 64, 4), tuple(stages))


def cifar(name: str, block: Block, depth: int, **options: Any) -> Architecture:
    """The CIFAR network of He et al. 2015, section 4.2: depth = 6n + 2, widths 16-32-64, at 32 px."""
    n = (depth - 2) // 6
    stages = [Stage(block, n, 16 * 2**i, 2 if i else 1, options) for i in range(3)]
    return Architecture(name, Stage(conv_stem, 1, 16, 1), tuple(stages), resolution=32, classes=10, divisor=1)


def efficientnet(name: str, depth: float, width: float, resolution: int, drop: float) -> Architecture:
    """EfficientNet-B0 (Tan and Le 2019, Table 1) scaled by the coefficients of the authors' efficientnet_builder.py."""
    rows = [  # expand, kernel, stride, channels, layers
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ]
    b0 = Architecture(
        name,
        stem=Stage(conv_stem, 1, 32, 2, {"kind": "silu"}),
        stages=tuple(Stage(mbconv, n, c, s, {"expand": e, "kernel": k}) for e, k, s, c, n in rows),
        head=Head(conv_head, 1280, {"drop": drop}),
        drop_path=0.2,
        # torchvision's B5 to B7 carry the weights of the TensorFlow code, and with them its batch norm constants.
        norm=BatchNorm(1e-3, 0.01) if name >= "efficientnet_b5" else BATCH_NORM,
    )
    return replace(scaled(b0, depth=depth, width=width, resolution=resolution), name=name)


def efficientnet_v2(name: str, rows: Sequence[tuple[int, ...]], resolution: int, drop: float) -> Architecture:
    """EfficientNetV2 (Tan and Le 2021): the block lists of the authors' effnetv2_configs.py.

    rows: (fused, expand, stride, channels, layers). resolution: that of evaluation, as torchvision's weights.
    """
    stages = tuple(Stage(fused_mbconv if f else mbconv, n, c, s, {"expand": e}) for f, e, s, c, n in rows)
    return Architecture(
        name,
        stem=Stage(conv_stem, 1, rows[0][3], 2, {"kind": "silu"}),
        stages=stages,
        head=Head(conv_head, 1280, {"drop": drop}),
        resolution=resolution,
        norm=BatchNorm(1e-3),
        drop_path=0.2,
    )


V2_S = [(1, 1, 1, 24, 2), (1, 4, 2, 48, 4), (1, 4, 2, 64, 4), (0, 4, 2, 128, 6), (0, 6, 1, 160, 9), (0, 6, 2, 256, 15)]
V2_M = [
    *[(1, 1, 1, 24, 3), (1, 4, 2, 48, 5), (1, 4, 2, 80, 5), (0, 4, 2, 160, 7)],
    *[(0, 6, 1, 176, 14), (0, 6, 2, 304, 18), (0, 6, 1, 512, 5)],
]
V2_L = [
    *[(1, 1, 1, 32, 4), (1, 4, 2, 64, 7), (1, 4, 2, 96, 7), (0, 4, 2, 192, 10)],
    *[(0, 6, 1, 224, 19), (0, 6, 2, 384, 25), (0, 6, 1, 640, 7)],
]

ZOO: Mapping[str, Callable[[str], Architecture]] = {
    "plain18": partial(resnet, block=plain, depths=(2, 2, 2, 2)),
    "plain34": partial(resnet, block=plain, depths=(3, 4, 6, 3)),
    "resnet18": partial(resnet, block=basic, depths=(2, 2, 2, 2)),
    "resnet34": partial(resnet, block=basic, depths=(3, 4, 6, 3)),
    "resnet50": partial(resnet, block=bottleneck, depths=(3, 4, 6, 3)),
    "resnet101": partial(resnet, block=bottleneck, depths=(3, 4, 23, 3)),
    "resnet152": partial(resnet, block=bottleneck, depths=(3, 8, 36, 3)),
    "resnext50_32x4d": partial(resnet, block=bottleneck, depths=(3, 4, 6, 3), groups=32, group_width=4),
    "resnext101_32x8d": partial(resnet, block=bottleneck, depths=(3, 4, 23, 3), groups=32, group_width=8),
    "resnext101_64x4d": partial(resnet, block=bottleneck, depths=(3, 4, 23, 3), groups=64, group_width=4),
    "wide_resnet50_2": partial(resnet, block=bottleneck, depths=(3, 4, 6, 3), group_width=128),
    "wide_resnet101_2": partial(resnet, block=bottleneck, depths=(3, 4, 23, 3), group_width=128),
    **{f"cifar_plain{n}": partial(cifar, block=plain, depth=n) for n in (20, 32, 44, 56, 110)},
    **{f"cifar_resnet{n}": partial(cifar, block=basic, depth=n, option="A") for n in (20, 32, 44, 56, 110)},
    **{f"cifar_resnet{n}_b": partial(cifar, block=basic, depth=n, option="B") for n in (20, 32, 44, 56, 110)},
    "efficientnet_b0": partial(efficientnet, depth=1.0, width=1.0, resolution=224, drop=0.2),
    "efficientnet_b1": partial(efficientnet, depth=1.1, width=1.0, resolution=240, drop=0.2),
    "efficientnet_b2": partial(efficientnet, depth=1.2, width=1.1, resolution=260, drop=0.3),
    "efficientnet_b3": partial(efficientnet, depth=1.4, width=1.2, resolution=300, drop=0.3),
    "efficientnet_b4": partial(efficientnet, depth=1.8, width=1.4, resolution=380, drop=0.4),
    "efficientnet_b5": partial(efficientnet, depth=2.2, width=1.6, resolution=456, drop=0.4),
    "efficientnet_b6": partial(efficientnet, depth=2.6, width=1.8, resolution=528, drop=0.5),
    "efficientnet_b7": partial(efficientnet, depth=3.1, width=2.0, resolution=600, drop=0.5),
    "efficientnet_v2_s": partial(efficientnet_v2, rows=V2_S, resolution=384, drop=0.2),
    "efficientnet_v2_m": partial(efficientnet_v2, rows=V2_M, resolution=480, drop=0.3),
    "efficientnet_v2_l": partial(efficientnet_v2, rows=V2_L, resolution=480, drop=0.4),
}
"""name -> a function that makes the architecture of that name."""


def names() -> tuple[str, ...]:
    """The names that `architecture` knows: torchvision's where torchvision has the network."""
    return tuple(ZOO)


def architecture(name: str, *, resolution: Any = None, classes: int | None = None) -> Architecture:
    """The architecture of that name, for another resolution (px) or number of classes if given.

    >>> architecture("cifar_resnet20").cost()
    Cost(macs=40,551,040, params=269,722, activations=188,426)
    """
    if name not in ZOO:
        near = difflib.get_close_matches(str(name), ZOO, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the names are {', '.join(ZOO)}"
        raise ValueError(f"architecture {name!r} is unknown; {hint}")
    arch = ZOO[name](name)
    changes = {"resolution": resolution, "classes": classes}
    return (
        replace(arch, **{k: v for k, v in changes.items() if v is not None})
        if any(v is not None for v in changes.values())
        else arch
    )
