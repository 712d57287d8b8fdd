"""Lesson 05: answers worked by hand and by PyTorch, and wrong ones with what is said to them."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import cnnlab as cl


def _counted() -> int:
    with FlopCounterMode(display=False) as counter:
        nn.Conv2d(32, 64, 5, stride=2, padding=2)(torch.zeros(1, 32, 32, 32))
    return counter.get_total_flops() // 2


RIGHT = {
    "05.1": _counted(),
    "05.2": "ptflops",
    # Weights, gradients and two numbers of Adam's; statistics and counters of 53 batch norms; 86 MB an image.
    "05.3": int((8e9 - 16 * 25_557_032 - 300_000) // 85_909_504),
    "05.4": 2 * 256 * 256 * 196 / (4 * (256 * 196 + 256 * 256 + 256 * 196)),
    "05.5": cl.scaled(cl.architecture("resnet34"), width=2.25, resolution=112),
}
TOLD = [
    ("05.1", 4 * RIGHT["05.1"], "which stride 2 halves"),
    ("05.1", 51_200, "those are the weights"),
    ("05.2", "thop", "Likely: thop says 4.1337 G"),
    ("05.2", "torchinfo", "Expected: the name of the convention"),
    ("05.3", 92, "Likely: that leaves no room"),
    ("05.3", 300, "which is too large"),
    ("05.4", RIGHT["05.4"] / 2, "a multiply-add is two operations"),
    ("05.5", cl.architecture("resnet50"), "86.1 MB saved"),
    ("05.5", "resnet50", "which cannot be judged"),
]
