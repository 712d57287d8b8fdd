"""Lesson 04: resolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnlab.arch.field import receptive_field
from cnnlab.arch.scaling import scaled
from cnnlab.arch.solve import solve
from cnnlab.arch.zoo import architecture
from cnnlab.show.exercises.exercise import Exercise, Task

LOW, HIGH = 200, 250  # px
BUDGET = 2e9
PIXELS, MOST, SEEN = 42, 2_000_000, 42
CHEAP, DEAR = "fewest", "most"


def _per_pixel(which: str) -> int:
    """The resolution at which EfficientNet-B0 takes the fewest, or the most, multiply-adds per pixel of the image."""
    sizes = np.arange(LOW, HIGH + 1)
    each = scaled(architecture("efficientnet_b0"), resolution=sizes).cost().macs / sizes**2
    return int(sizes[np.argmin(each) if which == CHEAP else np.argmax(each)])


def _law() -> int:
    """What the square law says for the budget."""
    return int(224 * (BUDGET / int(architecture("resnet50").cost().macs)) ** 0.5)


def _sees_enough(arch: Any) -> tuple[bool, str]:
    field, macs = receptive_field(arch.graph()), int(arch.cost().macs)
    came = f"{arch.resolution} px, {macs:,} multiply-adds, sees {field} px"
    return arch.resolution == PIXELS and macs <= MOST and field >= SEEN, came


EXERCISES: Mapping[str, Exercise | Task] = {
    "04.1": Exercise(
        "the side of ResNet-50's last feature map at 200 px",
        lambda: 7,
        "px",
        mistakes={
            lambda: 200 / 32: "a map has a whole number of pixels, and each halving rounds up",
            lambda: 6: "each halving rounds up, not down",
            lambda: 49: "that is the number of its pixels; one side was asked for",
        },
    ),
    "04.2": Exercise(
        f"the resolution from {LOW} to {HIGH} px with the fewest multiply-adds per pixel",
        lambda: _per_pixel(CHEAP),
        "px",
        mistakes={
            lambda: LOW: "that has the fewest multiply-adds in all; divide by the pixels of the image",
            lambda: _per_pixel(DEAR): "that has the most per pixel",
            lambda: 256: f"that is beyond {HIGH} px",
        },
    ),
    "04.3": Exercise(
        "the largest resolution at which ResNet-50 takes at most 2 billion multiply-adds",
        lambda: int(solve("resnet50", macs=BUDGET, knob="resolution").resolution),
        "px",
        mistakes={
            _law: "that is what the square law says; cost is a staircase, and at that size it is over the budget",
            lambda: (
                _law() + 1
            ): "that is what the square law says; cost is a staircase, and at that size it is over the budget",
            lambda: int(solve("resnet50", macs=BUDGET / 2, knob="resolution").resolution): "that is for 2 billion "
            "operations; a multiply-add is two of them",
        },
    ),
    "04.4": Exercise(
        "the blocks of the second stage",
        lambda: 4,
        "blocks",
        mistakes={
            lambda: 3: "that sees 55 px",
            lambda: 57 / 16: "a stage has a whole number of blocks",
            lambda: 8: "the jump is 4 px in the second stage and a block has two 3x3 convolutions, so each adds 16 px",
        },
    ),
    "04.5": Task(
        f"a network for {PIXELS} px that sees at least {SEEN} px, with at most {MOST:,} multiply-adds", _sees_enough
    ),
}
