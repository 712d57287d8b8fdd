"""Lesson 07: answers worked by hand and by brute force, and wrong ones with what is said to them."""

import math

import numpy as np
from torchvision import models

import cnnlab as cl


def _largest_resolution() -> int:
    """Walk up the compound path in small steps, and take the last network that costs a billion or less."""
    path = cl.compound(cl.architecture("efficientnet_b0"), np.arange(0, 3, 0.001))
    return int(path.resolution[np.flatnonzero(path.cost().macs <= 1e9)[-1]])


RIGHT = {
    "07.1": 1.1276,
    "07.2": sum(math.ceil(1.1 * n) for n in (1, 2, 2, 3, 3, 4, 1)),
    "07.3": models.efficientnet_b3().features[1][0].out_channels,
    "07.4": _largest_resolution(),
    "07.5": (8, 16, 2, 3),
}
TOLD = [
    ("07.1", 1.2715, "Likely: that is γ²"),
    ("07.1", 1.5, "Came: 1.5, which is too large"),
    ("07.2", 17.6, "Likely: blocks are whole"),
    ("07.2", 18, "Likely: that is the sum rounded up"),
    ("07.3", 16, "Likely: that is the nearest multiple of 8, but"),
    ("07.3", 19.2, "Likely: channels are rounded"),
    ("07.4", 224, "Likely: that is B0 itself"),
    ("07.5", (16, 16, 1, 2), "the channels 16, 16, 32, 32"),
    ("07.5", (16, 16, 1, 0), "which cannot be judged (m must be above 0"),
    ("07.5", 16, "which cannot be judged"),
]
