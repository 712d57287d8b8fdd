"""Lesson 03: answers worked by hand and by other means, and wrong ones with what is said to them."""

import numpy as np
from torch import nn

import cnnlab as cl


def _halved_mobilenet() -> float:
    """By hand: the rows of Table 1 of Howard et al. 2017, as (channels, stride)."""
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]

    def macs(times: float) -> int:
        before, size = int(32 * times), 112
        total = 27 * before * size**2
        for channels, stride in rows:
            size //= stride
            after = int(channels * times)
            total, before = total + (9 * before + before * after) * size**2, after
        return total + before * 1000

    return macs(0.5) / macs(1)


def _widest() -> float:
    """By trying every thousandth of a width."""
    widths = np.round(np.arange(1, 3, 0.001), 3)
    arch = cl.scaled(cl.architecture("resnet50"), width=widths)
    return float(widths[arch.memory(16, optimizer="momentum").training <= 4e9].max())


DEPTHWISE = nn.Conv2d(480, 480, 5, groups=480, bias=False)

RIGHT = {
    "03.1": DEPTHWISE.weight.numel() * 28 * 28,
    "03.2": min(range(8, 400, 8), key=lambda channels: abs(channels - 1.4 * 112)),
    "03.3": _halved_mobilenet(),
    "03.4": _widest(),
    "03.5": cl.scaled(cl.architecture("resnet50"), depth=0.5, width=1.25),
}
TOLD = [
    ("03.1", 18_816_000, "Likely: a depthwise convolution reads one channel"),
    ("03.1", 4_704_000, "Likely: that is the layer before"),
    ("03.2", 156.8, "Likely: that is not rounded yet"),
    ("03.2", 152, "Likely: that was rounded down"),
    ("03.3", 0.25, "Likely: that is the square law"),
    ("03.3", 0.5, "Likely: that is the part of the activations"),
    ("03.4", 5.0, "which is too large"),
    ("03.5", cl.architecture("resnet50"), "3 + 4 + 6 + 3 blocks"),
    ("03.5", cl.scaled(cl.architecture("resnet50"), depth=0.5), "2 + 2 + 3 + 2 blocks"),
    ("03.5", 1.4, "which cannot be judged"),
]
