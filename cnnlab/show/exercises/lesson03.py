"""Lesson 03: width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.bases import base_of
from cnnlab.arch.rounding import round_width
from cnnlab.arch.scaling import scaled
from cnnlab.arch.solve import solve
from cnnlab.arch.zoo import architecture
from cnnlab.show.exercises.exercise import Exercise, Task

BYTES, BATCH = 4e9, 16
LEAST = 0.95  # of ResNet-50's multiply-adds


def _widest(batch: int = BATCH, optimizer: str = "momentum") -> float:
    """The largest width multiplier of ResNet-50 that trains in `BYTES`."""
    return float(solve("resnet50", memory=BYTES, batch=batch, optimizer=optimizer).name.split("w=")[1])


def _share(width: float) -> float:
    """The part of MobileNetV1's multiply-adds that is left at this width."""
    arch = architecture("mobilenet_v1")
    return float(scaled(arch, width=width).cost().macs / arch.cost().macs)


def _half(what: str) -> float:
    arch = architecture("mobilenet_v1")
    return float(getattr(scaled(arch, width=0.5).cost(), what) / getattr(arch.cost(), what))


def _shallow_and_wide(arch: Any) -> tuple[bool, str]:
    base = base_of("resnet50")
    cost, of = arch.cost(), base.cost()
    part = float(cost.macs / of.macs)
    depths = [int(stage.depth) for stage in arch.stages]
    halved = depths == [int(stage.depth) for stage in scaled(base, depth=0.5).stages]
    came = (
        f"{' + '.join(map(str, depths))} blocks, {arch.resolution} px, {part:.3f} times the multiply-adds, "
        f"{cost.activations / of.activations:.2f} times the activations, "
        f"{cost.params / of.params:.2f} times the parameters"
    )
    return halved and LEAST <= part <= 1 and arch.resolution == base.resolution, came


EXERCISES: Mapping[str, Exercise | Task] = {
    "03.1": Exercise(
        "the multiply-adds of the depthwise convolution with 480 channels",
        lambda: 25 * 480 * 784,
        "multiply-adds",
        mistakes={
            lambda: (
                4 * 25 * 240 * 784
            ): "a depthwise convolution reads one channel for each that it puts out, so its cost doubles",
            lambda: 25 * 240 * 784: "that is the layer before it became wider",
            lambda: (
                25 * 480 * 480 * 784
            ): "that is a full convolution; a depthwise one reads one channel for each that it puts out",
        },
    ),
    "03.2": Exercise(
        "the rounded number of channels",
        lambda: int(round_width(112, 1.4)),
        "channels",
        mistakes={
            lambda: 1.4 * 112: "that is not rounded yet",
            lambda: 157: "it is rounded to a multiple of 8, not to a whole number only",
            lambda: 152: "that was rounded down; the nearer multiple of 8 is above",
        },
    ),
    "03.3": Exercise(
        "multiply-adds at width 0.5 over those at width 1",
        lambda: _share(0.5),
        close=0.003,
        mistakes={
            lambda: 0.25: "that is the square law; stem, depthwise layers and head only halve",
            lambda: 1 / _share(0.5): "that is the other way round",
            lambda: _half("params"): "that is the part of the parameters",
            lambda: _half("activations"): "that is the part of the activations",
        },
    ),
    "03.4": Exercise(
        "the largest width multiplier that trains within 4 GB, 16 images, momentum",
        _widest,
        close=0.005,
        mistakes={
            lambda: _widest(batch=1): "that is with one image at a time; give batch=16",
            lambda: _widest(optimizer="sgd"): "that is without the state of momentum; give optimizer='momentum'",
            lambda: _widest(optimizer="adam"): "that is with Adam's state, which is twice that of momentum",
        },
    ),
    "03.5": Task(
        f"ResNet-50 at depth 0.5, 224 px, {LEAST} to 1 times ResNet-50's multiply-adds",
        _shallow_and_wide,
    ),
}
