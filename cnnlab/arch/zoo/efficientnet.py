"""EfficientNet, EfficientNetV2 and EfficientNet-Lite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from cnnlab.arch.architecture import Architecture, Head, Stage
from cnnlab.arch.blocks import conv_head, conv_stem, fused_mbconv, mbconv
from cnnlab.arch.layers import BATCH_NORM, BatchNorm
from cnnlab.arch.scaling import scaled

B0 = [  # expand, kernel, stride, channels, layers: Tan and Le 2019, Table 1
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
]


def efficientnet(name: str, depth: float, width: float, resolution: int, drop: float) -> Architecture:
    """EfficientNet-B0 (Tan and Le 2019, Table 1) scaled by the coefficients of the authors' efficientnet_builder.py."""
    b0 = Architecture(
        name,
        stem=Stage(conv_stem, 1, 32, 2, {"kind": "silu"}),
        stages=tuple(Stage(mbconv, n, c, s, {"expand": e, "kernel": k}) for e, k, s, c, n in B0),
        head=Head(conv_head, 1280, {"drop": drop}),
        drop_path=0.2,
        # torchvision's B5 to B7 carry the weights of the TensorFlow code, and with them its batch norm constants.
        norm=BatchNorm(1e-3, 0.01) if name >= "efficientnet_b5" else BATCH_NORM,
    )
    return replace(scaled(b0, depth=depth, width=width, resolution=resolution), name=name)


def efficientnet_lite(name: str, depth: float, width: float, resolution: int, drop: float) -> Architecture:
    """EfficientNet for phones: no squeeze-excite, ReLU6, and stem, head and the first and last stage's depth as in B0
    (efficientnet_lite_builder.py of the authors' code, where the coefficients stand too)."""
    ends = (0, len(B0) - 1)
    lite0 = Architecture(
        name,
        stem=Stage(conv_stem, 1, 32, 2, {"kind": "relu6"}, fixed=("width",)),
        stages=tuple(
            Stage(
                mbconv, n, c, s, {"expand": e, "kernel": k, "se": 0, "kind": "relu6"}, ("depth",) if i in ends else ()
            )
            for i, (e, k, s, c, n) in enumerate(B0)
        ),
        head=Head(conv_head, options={"width": 1280, "drop": drop, "kind": "relu6"}),
        drop_path=0.2,
    )
    return replace(scaled(lite0, depth=depth, width=width, resolution=resolution), name=name)


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

EFFICIENTNETS: Mapping[str, Callable[[str], Architecture]] = {
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
    "efficientnet_lite0": partial(efficientnet_lite, depth=1.0, width=1.0, resolution=224, drop=0.2),
    "efficientnet_lite1": partial(efficientnet_lite, depth=1.1, width=1.0, resolution=240, drop=0.2),
    "efficientnet_lite2": partial(efficientnet_lite, depth=1.2, width=1.1, resolution=260, drop=0.3),
    "efficientnet_lite3": partial(efficientnet_lite, depth=1.4, width=1.2, resolution=280, drop=0.3),
    "efficientnet_lite4": partial(efficientnet_lite, depth=1.8, width=1.4, resolution=300, drop=0.3),
}
"""name -> a function that makes the architecture of that name."""
