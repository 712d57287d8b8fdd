"""The blocks of the MobileNets and EfficientNets: depthwise convolutions, and inverted residuals round them."""

from __future__ import annotations

from cnnlab.arch.blocks.parts import act, conv, norm, residual, squeeze_excite
from cnnlab.arch.graph import Image
from cnnlab.arch.rounding import round_width
from cnnlab.arch.whole import Whole, at_least, check_real, floor


def separable(x: Image, width: Whole, stride: int = 1, *, kind: str = "relu6") -> Image:
    """A depthwise 3x3, then a 1x1 convolution, each with norm and activation: MobileNetV1 (Howard et al. 2017)."""
    y = act(norm(conv(x, x.channels, 3, stride, groups=x.channels)), kind)
    return act(norm(conv(y, width, 1)), kind)


def mbconv(
    x: Image, width: Whole, stride: int = 1, *, kernel: int = 3, expand: int = 6, se: float = 0.25, kind: str = "silu"
) -> Image:
    """1x1 up to expand * channels, depthwise, squeeze-excite to se * channels, 1x1 down; no activation after it
    (Sandler et al. 2018; Tan and Le 2019)."""
    hidden = expand * x.channels
    y = act(norm(conv(x, hidden, 1)), kind) if expand != 1 else x
    y = act(norm(conv(y, hidden, kernel, stride, groups=hidden)), kind)
    y = squeeze_excite(y, at_least(floor(check_real("se", se, above=0, most=16) * x.channels), 1), kind) if se else y
    y = norm(conv(y, width, 1))
    return residual(y, x, stride)


def mbconv_v3(
    x: Image, width: Whole, stride: int = 1, *, kernel: int = 3, expand: float = 6, se: bool = False, kind: str = "relu"
) -> Image:
    """MBConv as MobileNetV3 has it (Howard et al. 2019, section 5): hidden widths are multiples of 8, squeeze-excite
    goes to a quarter of the hidden width, and its gate is a hard sigmoid."""
    hidden = round_width(x.channels, check_real("expand", expand, above=0, most=64))
    y = act(norm(conv(x, hidden, 1)), kind) if expand != 1 else x
    y = act(norm(conv(y, hidden, kernel, stride, groups=hidden)), kind)
    y = squeeze_excite(y, round_width(hidden // 4, 1), "relu", "hardsigmoid") if se else y
    y = norm(conv(y, width, 1))
    return residual(y, x, stride)


def fused_mbconv(
    x: Image, width: Whole, stride: int = 1, *, kernel: int = 3, expand: int = 4, kind: str = "silu"
) -> Image:
    """MBConv with its 1x1 and its depthwise convolution fused into one, no squeeze-excite (Tan and Le 2021)."""
    if expand == 1:
        return residual(act(norm(conv(x, width, kernel, stride)), kind), x, stride)
    y = act(norm(conv(x, expand * x.channels, kernel, stride)), kind)
    return residual(norm(conv(y, width, 1)), x, stride)
