"""Lesson 04: answers worked by hand and by trying every size, and wrong ones with what is said to them."""

import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

import cnnlab as cl

SMALL = cl.architecture("small_resnet", classes=42)


def _side() -> int:
    """Of torchvision's ResNet-50, as it runs."""
    with torch.device("meta"):
        model = models.resnet50()
        body = torch.nn.Sequential(*list(model.children())[:-2])
        return int(body(torch.empty(1, 3, 200, 200)).shape[-1])


def _largest() -> int:
    """Of torchvision's ResNet-50, by PyTorch's counter, size by size downwards."""
    with torch.device("meta"):
        model = models.resnet50().eval()
        for size in range(164, 128, -1):
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                model(torch.empty(1, 3, size, size))
            if counter.get_total_flops() <= 4e9:
                return size
    raise AssertionError("no size fits")


RIGHT = {
    "04.1": _side(),
    "04.2": 7 * 32,
    "04.3": _largest(),
    "04.4": -(-(64 + 1 - 8) // 16),
    "04.5": cl.scaled(SMALL, depth=1.5, width=0.5, resolution=42),
}
TOLD = [
    ("04.1", 6.25, "Likely: a map has a whole number"),
    ("04.1", 6, "Likely: each halving rounds up"),
    ("04.2", 200, "Likely: that has the fewest multiply-adds in all"),
    ("04.2", 225, "Likely: that has the most per pixel"),
    ("04.3", 156, "Likely: that is what the square law says"),
    ("04.4", 3, "Likely: that sees 55 px"),
    ("04.5", cl.scaled(SMALL, depth=0.5, resolution=42), "sees 23 px"),
    ("04.5", cl.scaled(SMALL, depth=1, width=0.5, resolution=42), "sees 39 px"),
    ("04.5", cl.scaled(SMALL, depth=2, resolution=42), "sees 79 px"),
    ("04.5", 42, "which cannot be judged"),
]
