"""MobileNetV1 to V3, and MNASNet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cnnlab.arch.architecture import Architecture, Head, Stage
from cnnlab.arch.blocks import conv_head, conv_stem, hidden_head, mbconv, mbconv_v3, separable
from cnnlab.arch.layers import BatchNorm
from cnnlab.arch.scaling import scaled


def mobilenet_v1(name: str) -> Architecture:
    """MobileNetV1 (Howard et al. 2017, Table 1), with the ReLU6 of the authors' code. Its width multiplier is
    `cl.scaled(..., width=alpha)`."""
    rows = [(64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2)]  # channels, layers, stride
    stages = tuple(Stage(separable, n, c, s) for c, n, s in rows)
    return Architecture(name, Stage(conv_stem, 1, 32, 2, {"kind": "relu6"}), stages)


def mobilenet_v2(name: str) -> Architecture:
    """MobileNetV2 (Sandler et al. 2018, Table 2). Width multipliers below 1 leave its last convolution (section 4)."""
    rows = [  # expand, channels, layers, stride
        *[(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)],
        *[(6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)],
    ]
    return Architecture(
        name,
        stem=Stage(conv_stem, 1, 32, 2, {"kind": "relu6"}),
        stages=tuple(Stage(mbconv, n, c, s, {"expand": e, "se": 0, "kind": "relu6"}) for e, c, n, s in rows),
        head=Head(conv_head, 1280, {"least": 1280, "drop": 0.2, "kind": "relu6"}),
    )


Row = tuple[int, float, int, int, int, bool, str]
"""kernel, expand, channels, layers, stride, squeeze-excite, activation"""

V3_LARGE: Sequence[Row] = [  # Howard et al. 2019, Table 1; hidden widths as multiples of the width that enters
    (3, 1, 16, 1, 1, False, "relu"),
    (3, 4, 24, 1, 2, False, "relu"),
    (3, 3, 24, 1, 1, False, "relu"),
    (5, 3, 40, 3, 2, True, "relu"),
    (3, 6, 80, 1, 2, False, "hardswish"),
    (3, 2.5, 80, 1, 1, False, "hardswish"),
    (3, 2.3, 80, 2, 1, False, "hardswish"),
    (3, 6, 112, 2, 1, True, "hardswish"),
    (5, 6, 160, 3, 2, True, "hardswish"),
]
V3_SMALL: Sequence[Row] = [  # the same paper, Table 2
    (3, 1, 16, 1, 2, True, "relu"),
    (3, 4.5, 24, 1, 2, False, "relu"),
    (3, 11 / 3, 24, 1, 1, False, "relu"),
    (5, 4, 40, 1, 2, True, "hardswish"),
    (5, 6, 40, 2, 1, True, "hardswish"),
    (5, 3, 48, 2, 1, True, "hardswish"),
    (5, 6, 96, 3, 2, True, "hardswish"),
]


def mobilenet_v3(name: str, rows: Sequence[Row], hidden: int) -> Architecture:
    """MobileNetV3 (Howard et al. 2019, Tables 1 and 2): like rows that follow each other are one stage.

    hidden: width of the fully connected layer before the last. Scaled, a block's hidden width is its expansion times
    the scaled width that enters, as in the authors' code; torchvision's width_mult rounds each of the table's hidden
    widths by itself, so its scaled networks differ.
    """
    return Architecture(
        name,
        stem=Stage(conv_stem, 1, 16, 2, {"kind": "hardswish"}),
        stages=tuple(
            Stage(mbconv_v3, n, c, s, {"kernel": k, "expand": e, "se": se, "kind": kind})
            for k, e, c, n, s, se, kind in rows
        ),
        head=Head(hidden_head, hidden),
        norm=BatchNorm(1e-3, 0.01),
    )


def mnasnet(name: str, width: float) -> Architecture:
    """MNASNet-B1 (Tan et al. 2019, figure 7, without squeeze-excite) at a width multiplier, as torchvision has it: the
    stem is scaled, the last convolution is not."""
    rows = [  # expand, kernel, channels, layers, stride
        *[(1, 3, 16, 1, 1), (3, 3, 24, 3, 2), (3, 5, 40, 3, 2), (6, 5, 80, 3, 2)],
        *[(6, 3, 96, 2, 1), (6, 5, 192, 4, 2), (6, 3, 320, 1, 1)],
    ]
    options: list[dict[str, Any]] = [{"expand": e, "kernel": k, "se": 0, "kind": "relu"} for e, k, *_ in rows]
    one = Architecture(
        name,
        stem=Stage(conv_stem, 1, 32, 2),
        stages=tuple(Stage(mbconv, n, c, s, o) for (*_, c, n, s), o in zip(rows, options, strict=True)),
        head=Head(conv_head, options={"width": 1280, "drop": 0.2, "kind": "relu"}),
        norm=BatchNorm(momentum=1 - 0.9997),
    )
    return replace(scaled(one, width=width), name=name)


MOBILENETS: Mapping[str, Callable[[str], Architecture]] = {
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_large": partial(mobilenet_v3, rows=V3_LARGE, hidden=1280),
    "mobilenet_v3_small": partial(mobilenet_v3, rows=V3_SMALL, hidden=1024),
    "mnasnet0_5": partial(mnasnet, width=0.5),
    "mnasnet0_75": partial(mnasnet, width=0.75),
    "mnasnet1_0": partial(mnasnet, width=1.0),
    "mnasnet1_3": partial(mnasnet, width=1.3),
}
"""name -> a function that makes the architecture of that name."""
