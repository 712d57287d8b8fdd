"""Lesson 07: compound scaling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cnnlab.arch.bases import base_of
from cnnlab.arch.scaling import ALPHA, BETA, GAMMA, scaled
from cnnlab.arch.solve import solve
from cnnlab.show.exercises.exercise import Exercise, Task

STAIRS = (16, 16, 16, 32, 32, 32, 48, 48, 48)
BUDGET, B0 = 1e9, int(base_of("efficientnet_b0").cost().macs)  # multiply-adds


def _stairs(answer: Any) -> tuple[bool, str]:
    alpha, beta, k, m = (float(value) for value in answer)
    if m <= 0:
        raise ValueError("m must be above 0, because i is divided by it")
    found = [alpha * math.floor(k * math.floor(i / m)) + beta for i in range(len(STAIRS))]
    right = all(math.isclose(one, other) for one, other in zip(found, STAIRS, strict=True))
    return right, f"the channels {', '.join(f'{width:g}' for width in found)}"


EXERCISES: Mapping[str, Exercise | Task] = {
    "07.1": Exercise(
        "the γ with which α·β²·γ² is 2",
        lambda: math.sqrt(2 / (1.3 * 1.1**2)),
        close=1e-3,
        mistakes={
            lambda: 2 / (1.3 * 1.1**2): "that is γ²; resolution counts twice, once for each side of the image",
            lambda: math.sqrt(2 / (1.3 * 1.1)): "width counts with its square as well",
            lambda: 2 / (1.3 * 1.1): "width and resolution count with their squares",
        },
    ),
    "07.2": Exercise(
        "the blocks of all stages of B1",
        lambda: int(scaled(base_of("efficientnet_b0"), depth=1.1).blocks),
        "blocks",
        mistakes={
            lambda: 16 * 1.1: "blocks are whole, and each stage is rounded on its own",
            lambda: 18: "that is the sum rounded up; each stage is rounded up on its own",
            lambda: 16: "that is B0; round 1.1 times the blocks of each stage up",
        },
    ),
    "07.3": Exercise(
        "the channels of that stage in B3",
        lambda: int(base_of("efficientnet_b3").stages[0].width),
        "channels",
        mistakes={
            lambda: 16 * 1.2: "channels are rounded to a multiple of 8",
            lambda: 19: "channels are rounded to a multiple of 8",
            lambda: 16: "that is the nearest multiple of 8, but less than 90 % of 16·1.2",
        },
    ),
    "07.4": Exercise(
        "the resolution of the largest network on B0's compound path that keeps to 1e9 multiply-adds",
        lambda: int(solve("efficientnet_b0", macs=BUDGET, knob="phi").resolution),
        "px",
        mistakes={
            lambda: int(solve("efficientnet_b0", macs=BUDGET, knob="resolution").resolution): "that is resolution "
            'alone; the knob is "phi"',
            lambda: round(
                224 * GAMMA ** (math.log(BUDGET / B0) / math.log(ALPHA * BETA**2 * GAMMA**2))
            ): "the formula knows nothing of rounded blocks; ask cl.solve",
            lambda: 224: 'that is B0 itself; cl.solve(..., knob="phi") returns the scaled network',
        },
    ),
    "07.5": Task("(alpha, beta, k, m) for which the formula gives 16, 16, 16, 32, 32, 32, 48, 48, 48", _stairs),
}
