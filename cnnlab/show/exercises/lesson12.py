"""Lesson 12: the article behind the project, checked."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Any

from cnnlab.arch.bases import base_of
from cnnlab.arch.blocks import bottleneck
from cnnlab.arch.graph import image
from cnnlab.show.exercises.exercise import Exercise, Task

STAGES = tuple(int(stage.depth) for stage in base_of("resnet34").stages)
PLACES = ((64, 64, 1, 56), (256, 64, 1, 56), (256, 128, 2, 56), (512, 128, 1, 28))  # channels, width, stride, pixels


def _resnet34(layers: Any) -> tuple[bool, str]:
    marks = [int(mark) for mark in layers]
    counts = [1]
    for mark in marks[1:]:
        counts = [*counts, 1] if mark == -1 else [*counts[:-1], counts[-1] + 1]
    came = f"stages of {', '.join(map(str, counts))} blocks"
    if marks and marks[0] == -1:
        return False, f"{came}, and the first block halves the image a third time before any stage"
    return bool(marks) and tuple(counts) == STAGES, came


def _bottleneck(block: Any) -> tuple[bool, str]:
    from cnnlab.run.trace import trace  # which loads torch

    if block.expansion != 4:
        return False, f"expansion = {block.expansion!r}"
    for channels, width, stride, side in PLACES:
        got = trace(block(channels, width, stride=stride), resolution=side, channels=channels).cost()
        want = bottleneck(image(channels, side), width, stride).graph("bottleneck").cost()
        if (got.macs, got.params) != (want.macs, want.params):
            return False, (
                f"with {channels} channels, width {width} and stride {stride} {int(got.macs):,} multiply-adds and "
                f"{int(got.params):,} parameters, where ResNet-50 has {int(want.macs):,} and {int(want.params):,}"
            )
    return True, f"all {len(PLACES)} places of ResNet-50 cost the same, to the last parameter"


EXERCISES: Mapping[str, Exercise | Task] = {
    "12.1": Exercise(
        "the parameters of the eight batch norms that are missing",
        lambda: 2 * 2 * (64 + 128 + 256 + 512),
        "parameters",
        mistakes={
            lambda: 2 * (64 + 128 + 256 + 512): "a batch norm has a scale and a shift, and each stage has two blocks; "
            "one factor of two is missing",
            lambda: 64 + 128 + 256 + 512: "a batch norm has a scale and a shift, and each stage has two blocks",
            lambda: 4 * 2 * (64 + 128 + 256 + 512): "the running mean and variance are no parameters: nothing is "
            "learned in them",
        },
    ),
    "12.2": Exercise(
        "the highest probability with 10 classes and logits from 0 to 6, between 0 and 1",
        lambda: exp(6) / (exp(6) + 9),
        close=1e-3,
        mistakes={
            lambda: exp(6) / (exp(6) + 10): "the class itself is one of the ten: nine others have the logit 0",
            lambda: 100 * exp(6) / (exp(6) + 9): "that is in percent",
            lambda: 6 / 60: "softmax compares the exponentials, not the logits",
            lambda: exp(6) / (exp(6) + 999): "that is with 1,000 classes",
        },
    ),
    "12.3": Exercise(
        "the channels after four blocks of expansion 6, from 24",
        lambda: 24 * 6**4,
        "channels",
        mistakes={
            lambda: 24 * 6: "that is after one block; each one multiplies what the last one left",
            lambda: 24 * 6 * 4: "each block multiplies; they do not add up",
            lambda: 24 * 6**5: "that is after five blocks",
            lambda: 3 * 6**4: "the body begins with the 24 channels of the stem",
        },
    ),
    "12.4": Task("a list of marks that makes stages of 3, 4, 6 and 3 blocks", _resnet34),
    "12.5": Task(
        "a class block(in_channels, width, stride=1) with expansion = 4, whose cost is that of ResNet-50's blocks",
        _bottleneck,
    ),
}
