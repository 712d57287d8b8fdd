"""Lesson 02: depth."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor
from typing import Any

from cnnlab.arch.bases import base_of
from cnnlab.arch.field import receptive_field
from cnnlab.arch.zoo import architecture
from cnnlab.show.exercises.exercise import Exercise, Task

DEPTHS = [int(stage.depth) for stage in base_of("efficientnet_b0").stages]
DEEPER, CLOSE = 3, 0.05  # times the blocks; relative difference of the multiply-adds
BLOCK = 2 * 9 * 512 * 512 * 7 * 7
STEM, FIRST, LATER = [(7, 2), (3, 2)], [(3, 1)] * 4, [(3, 2), (3, 1), (3, 1), (3, 1)]  # ResNet-18: kernel, stride


def _field(layers: list[tuple[int, int]]) -> int:
    """The receptive field of the last of these layers, px."""
    field, jump = 1, 1
    for kernel, stride in layers:
        field, jump = field + (kernel - 1) * jump, jump * stride
    return field


def _points(weights: str) -> float:
    """Points from ResNet-50 to ResNet-101."""
    from cnnlab.run.evidence import published

    frame = published()
    rows = frame[frame["weights"] == weights].set_index("name")["accuracy"]
    return float(rows["resnet101"] - rows["resnet50"])


def _points_each(weights: str) -> float:
    """The same, for each further billion multiply-adds."""
    more = architecture("resnet101").cost().macs - architecture("resnet50").cost().macs
    return _points(weights) / (int(more) / 1e9)


def _pair(answer: Any) -> tuple[bool, str]:
    deep, shallow = answer
    macs = [int(each.cost().macs) for each in (deep, shallow)]
    blocks = [int(each.blocks) for each in (deep, shallow)]
    came = f"{blocks[0]} and {blocks[1]} blocks, {macs[0]:,} and {macs[1]:,} multiply-adds"
    return abs(macs[0] / macs[1] - 1) <= CLOSE and blocks[0] >= DEEPER * blocks[1], came


EXERCISES: Mapping[str, Exercise | Task] = {
    "02.1": Exercise(
        "the multiply-adds of a repeated basic block, 512 channels, 7x7 pixels",
        lambda: BLOCK,
        "multiply-adds",
        mistakes={
            lambda: BLOCK // 2: "that is one of the two convolutions",
            lambda: BLOCK // 49: "that is for one pixel; the map has 49",
            lambda: (
                (9 * 256 * 512 + 9 * 512 * 512 + 256 * 512) * 49
            ): "that is the first block of the stage, which has 256 channels to read",
            lambda: 2 * BLOCK: "those are operations; a multiply-add is one here",
        },
    ),
    "02.2": Exercise(
        "the blocks of all seven stages at depth 1.4",
        lambda: sum(ceil(1.4 * n) for n in DEPTHS),
        "blocks",
        mistakes={
            lambda: ceil(1.4 * sum(DEPTHS)): "the total was rounded; each stage is rounded up by itself",
            lambda: 1.4 * sum(DEPTHS): "a stage has a whole number of blocks; each is rounded up by itself",
            lambda: sum(floor(1.4 * n) for n in DEPTHS): "the stages were rounded down; EfficientNet rounds up",
        },
    ),
    "02.3": Exercise(
        "the side of the receptive field of the last feature map",
        lambda: receptive_field(base_of("resnet18").graph()),
        "px",
        mistakes={
            lambda: _field(
                [*STEM[:1], *FIRST, *LATER, *LATER, *LATER]
            ): "the max pool of the stem was left out; it widens the field and doubles the jump",
            lambda: _field([*STEM, *FIRST * 4]): "stages 2, 3 and 4 begin with stride 2, which doubles the jump",
            lambda: 224: "the field may be wider than the image",
        },
    ),
    "02.4": Exercise(
        "points of accuracy for a further billion multiply-adds, from ResNet-50 to ResNet-101, IMAGENET1K_V2",
        lambda: _points_each("IMAGENET1K_V2"),
        "points",
        close=0.02,
        mistakes={
            lambda: _points_each("IMAGENET1K_V1"): "that is with the older weights, IMAGENET1K_V1",
            lambda: _points_each("IMAGENET1K_V2") / 1e9: "that is for one multiply-add; take a billion",
            lambda: _points(
                "IMAGENET1K_V2"
            ): "those are the points in all; divide by the further billions of multiply-adds",
        },
    ),
    "02.5": Task(
        f"(deep, shallow): multiply-adds within {CLOSE:.0%}, and at least {DEEPER} times as many blocks in the first",
        _pair,
    ),
}
