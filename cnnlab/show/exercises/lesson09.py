"""Lesson 09: accuracy against cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cnnlab.arch.scaling import scaled
from cnnlab.arch.zoo import architecture
from cnnlab.show.exercises.exercise import Exercise, Task

WIDEST, SHARPEST, STEP = 2e9, 1e9, 4  # multiply-adds, multiply-adds, px
HELD, IMAGES = 8e9, 32  # bytes, images
MOST, LEAST = 1_000_000, 76.0  # multiply-adds, percent


def _width() -> float:
    widths = [step / 20 for step in range(1, 21)]
    return max(width for width in widths if scaled(architecture("resnet50"), width=width).cost().macs <= WIDEST)


def _side() -> int:
    sides = range(224, 500, STEP)
    return max(px for px in sides if architecture("efficientnet_b0", resolution=px).cost().macs <= SHARPEST)


def _square_law() -> int:
    whole = float(architecture("efficientnet_b0").cost().macs)
    return STEP * int(224 * math.sqrt(SHARPEST / whole) / STEP)


def _largest() -> str:
    names = [f"efficientnet_b{k}" for k in range(8)]
    return [name for name in names if architecture(name).graph().memory(batch=IMAGES).training < HELD][-1]


def _cheap_and_good(arch: Any) -> tuple[bool, str]:
    from cnnlab.run.predict import predict

    macs, predicted = int(arch.cost().macs), predict(arch, "glyphs").accuracy
    return macs <= MOST and predicted >= LEAST, f"{macs:,} multiply-adds, {predicted:.1f} % predicted"


EXERCISES: Mapping[str, Exercise | Task] = {
    "09.1": Exercise(
        "the networks on the front",
        lambda: 3,
        "networks",
        mistakes={
            lambda: 4: "(3, 74) costs more than (2, 74) and is no better, so it is beaten",
            lambda: (
                5
            ): "at cost 2 there are two, and the better one beats the other; and (3, 74) is beaten by it as well",
            lambda: 2: "the cheapest is always on the front: nothing is cheaper",
        },
    ),
    "09.2": Exercise(
        "the largest width multiplier, in steps of 0.05",
        _width,
        mistakes={
            lambda: 0.7: "that is the square law; compute the cost, as channels are rounded",
            lambda: 0.5: "cost falls with about the square of the width, so half the cost needs less than half the cut",
        },
    ),
    "09.3": Exercise(
        f"the largest resolution, in steps of {STEP} px",
        _side,
        "px",
        mistakes={
            _square_law: "that is the square law; each halving rounds up, so compute the cost",
            lambda: 580: "cost rises with the square of the resolution",
        },
    ),
    "09.4": Exercise(
        "the name of the network, such as 'efficientnet_b0'",
        _largest,
        mistakes={
            lambda: (
                "efficientnet_b7"
            ): "its weights would fit, but training keeps what the layers put out, for each image",
            lambda: "efficientnet_b3": f"it takes more than {HELD / 1e9:g} GB",
        },
    ),
    "09.5": Task(
        f"a network of a measured family with {MOST:,} multiply-adds or fewer and a prediction of {LEAST:g} % or more",
        _cheap_and_good,
    ),
}
