"""Lesson 00: start here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.bases import base_of
from cnnlab.arch.blocks import bottleneck
from cnnlab.arch.scaling import compound, scaled
from cnnlab.arch.zoo import architecture
from cnnlab.show.exercises.exercise import Exercise, Task

R50, B0 = architecture("resnet50"), architecture("efficientnet_b0")


def _half(arch: Any) -> tuple[bool, str]:
    same = {stage.block for stage in arch.stages} == {bottleneck}
    part = arch.cost().macs / R50.cost().macs
    came = f"a network of {part:.3f} of ResNet-50's multiply-adds"
    return same and part <= 0.5, came if same else f"{came}, but of other blocks"


EXERCISES: Mapping[str, Exercise | Task] = {
    "00.1": Exercise(
        "the blocks of the four stages together",
        lambda: int(base_of("resnet50").blocks),
        "blocks",
        mistakes={
            lambda: 50: "50 counts layers; each block has three convolutions",
            lambda: 4: "those are the stages; the column depth says how many blocks each has",
            lambda: 17: "the stem is no block of a stage",
            lambda: 18: "stem and head are no blocks of a stage",
        },
    ),
    "00.2": Exercise(
        "the multiply-adds at 320 px over those at 224 px",
        lambda: float(scaled(R50, resolution=320).cost().macs / R50.cost().macs),
        "times",
        close=0.01,
        mistakes={lambda: 320 / 224: "an image that is taller is wider as well: the area counts"},
    ),
    "00.3": Exercise(
        "the multiply-adds at phi = 2 over those of B0",
        lambda: float(compound(B0, phi=2).cost().macs / B0.cost().macs),
        "times",
        close=0.01,
        mistakes={
            lambda: (1.2 * 1.1**2 * 1.15**2) ** 2: "that is the formula; the network rounds its depths and widths, so "
            "ask its cost()",
            lambda: 4.0: "2^phi is what the paper aims at; ask the network's cost()",
        },
    ),
    "00.4": Task("ResNet-50, scaled to at most half of its multiply-adds", _half),
}
