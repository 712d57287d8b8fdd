"""A data set that is learned in a second, images that grow lighter to one of four sides under noise; a small net."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from cnnlab.run.data import Data, Split

CLASSES = ("up", "down", "left", "right")


def ramps(train: int = 500) -> Data:
    """At most 500 images for training, 100 for validation and 100 for testing, of 16 px."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=700)
    ramp = np.linspace(-40, 40, 16)
    rows, columns = np.meshgrid(ramp, ramp, indexing="ij")
    shapes = np.stack([-rows, rows, -columns, columns])
    images = 128 + shapes[labels][:, None] + rng.normal(0, 40, size=(700, 3, 16, 16))
    pixels, target = torch.from_numpy(images.clip(0, 255).astype(np.uint8)), torch.from_numpy(labels)
    parts = [Split(pixels[a:b], target[a:b]) for a, b in ((0, train), (500, 600), (600, 700))]
    return Data("ramps", 16, CLASSES, *parts)


def small(classes: int = 4, dropout: float = 0.0, seed: int = 0) -> nn.Module:
    """Three convolutions with batch norms, dropout, a linear layer."""
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        nn.Conv2d(24, 48, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(48, classes),
    ]  # fmt: skip
    return nn.Sequential(*layers)


def equal(one: nn.Module, two: nn.Module) -> bool:
    """Whether every weight and every buffer is the same, bit for bit, NaN included."""
    pairs = zip(one.state_dict().items(), two.state_dict().items(), strict=True)
    return all(a == b and x.cpu().numpy().tobytes() == y.cpu().numpy().tobytes() for (a, x), (b, y) in pairs)
