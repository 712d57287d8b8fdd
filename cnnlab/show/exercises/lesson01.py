"""Lesson 01: residual connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.blocks import basic
from cnnlab.arch.graph import image
from cnnlab.arch.layers import Add, Conv
from cnnlab.show.exercises.exercise import Exercise, Task, number_of

MOST, LEAST = 20_000_000, 30  # multiply-adds; convolutions


def _deep_and_cheap(arch: Any) -> tuple[bool, str]:
    graph = arch.graph()
    convs, macs = number_of(graph, Conv), int(graph.cost().macs)
    residual = number_of(graph, Add) > 0
    came = f"{convs} convolutions, {macs:,} multiply-adds, {'with' if residual else 'without'} shortcuts"
    return convs >= LEAST and macs <= MOST and residual and arch.resolution == 32, f"{came}, {arch.resolution} px"


EXERCISES: Mapping[str, Exercise | Task] = {
    "01.1": Exercise(
        "the parameters of the block, batch norms included",
        lambda: int(basic(image(64, 56), 64).graph("block").cost().params),
        "parameters",
        mistakes={
            lambda: 2 * 9 * 64 * 64: "the two convolutions are right, but each batch norm has a scale and a shift for "
            "every channel",
            lambda: 9 * 64 * 64: "that is one of the two convolutions",
        },
    ),
    "01.2": Exercise(
        "the blocks in each of the three stages",
        lambda: (56 - 2) // 6,
        "blocks",
        mistakes={lambda: 56 / 6: "the first convolution and the last linear layer are not in blocks"},
    ),
    "01.3": Exercise(
        "the projection's multiply-adds over those of all three convolutions, between 0 and 1",
        lambda: 1 / 28,
        close=0.001,
        mistakes={
            lambda: 1 / 27: "that is the projection over the two other convolutions; count it in the sum as well",
            lambda: 100 / 28: "that is in percent",
            lambda: 8192 / 230_144: "that is its part of the parameters",
        },
    ),
    "01.4": Task(
        f"a residual network for 32 px, {LEAST} convolutions or more, {MOST:,} multiply-adds or fewer", _deep_and_cheap
    ),
}
