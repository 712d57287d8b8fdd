"""Lesson 10: answers worked by hand and from published tables, and wrong ones with what is said to them."""

import math

import numpy as np

import cnnlab as cl


def _largest_resolution() -> int:
    """Walk up the compound path in small steps, and take the last network that keeps to B5's multiply-adds."""
    path = cl.compound(cl.architecture("resnet50"), np.arange(0, 4, 0.001))
    return int(path.resolution[np.flatnonzero(path.cost().macs <= 10_266_384_752)[-1]])


RIGHT = {
    "10.1": sum(math.ceil(1.2 * n) for n in (3, 4, 6, 3)),
    "10.2": (49.4 / 4.4) / (12.3 / 4.0),  # M activations and G multiply-adds, rounded: pycls' model zoo
    "10.3": 368,
    "10.4": _largest_resolution(),
    "10.5": cl.scaled(cl.architecture("resnet50"), width=0.75, resolution=160),
}
TOLD = [
    ("10.1", 19.2, "Likely: blocks are whole"),
    ("10.1", 20, "Likely: that is the sum rounded up"),
    ("10.2", 49_489_032 / 12_287_200, "Likely: those are the activations alone"),
    ("10.2", 0.2746, "Likely: that is the other way round"),
    ("10.3", 461.28, "Likely: that is u, the linear width; take"),
    ("10.3", 371, "the last step is the nearest multiple of 8"),
    ("10.4", 456, "Likely: that is the resolution of B5 itself"),
    ("10.5", cl.architecture("vgg16"), "without shortcuts"),
    ("10.5", cl.architecture("resnet50"), "53 convolutions, with shortcuts, 224 px, 4,089,184,256"),
    ("10.5", 40, "which cannot be judged"),
]
