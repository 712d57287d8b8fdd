"""Lesson 10: ResNet, scaled the EfficientNet way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.bases import base_of
from cnnlab.arch.layers import Add, Conv
from cnnlab.arch.scaling import compound
from cnnlab.arch.solve import solve
from cnnlab.arch.zoo import architecture
from cnnlab.arch.zoo.regnet import quantised
from cnnlab.show.exercises.exercise import Exercise, Task, number_of

CONVOLUTIONS, PIXELS = 40, 128


def _dense() -> tuple[float, float]:
    """Activations for each multiply-add, of EfficientNet-B4 and of RegNetY-4.0GF."""
    b4, regnet = (architecture(name).cost() for name in ("efficientnet_b4", "regnety_040"))
    return float(b4.activations / b4.macs), float(regnet.activations / regnet.macs)


def _more_activations() -> float:
    return float(architecture("efficientnet_b4").cost().activations / architecture("regnety_040").cost().activations)


def _compound_resolution(knob: str) -> int:
    return int(solve("resnet50", macs=float(architecture("efficientnet_b5").cost().macs), knob=knob).resolution)


def _lean(arch: Any) -> tuple[bool, str]:
    graph, b3 = arch.graph(), architecture("efficientnet_b3").cost()
    cost, convs = graph.cost(), number_of(graph, Conv)
    residual = number_of(graph, Add) > 0
    came = (
        f"{convs} convolutions, {'with' if residual else 'without'} shortcuts, {arch.resolution} px, "
        f"{cost.macs:,} multiply-adds, {cost.activations:,} activations"
    )
    cheap = cost.macs <= b3.macs and cost.activations <= b3.activations / 4
    return bool(cheap and residual and convs >= CONVOLUTIONS and arch.resolution >= PIXELS), came


EXERCISES: Mapping[str, Exercise | Task] = {
    "10.1": Exercise(
        "the blocks of all four stages",
        lambda: int(compound(base_of("resnet50"), 1).blocks),
        "blocks",
        mistakes={
            lambda: 16 * 1.2: "blocks are whole, and each stage is rounded on its own",
            lambda: 20: "that is the sum rounded up; each stage is rounded up on its own",
            lambda: 16: "that is ResNet-50 itself",
        },
    ),
    "10.2": Exercise(
        "activations over multiply-adds of B4, over the same of RegNetY-4.0GF",
        lambda: _dense()[0] / _dense()[1],
        "times",
        close=0.01,
        mistakes={
            lambda: _dense()[1] / _dense()[0]: "that is the other way round",
            _more_activations: "those are the activations alone; B4 has more multiply-adds as well",
        },
    ),
    "10.3": Exercise(
        "the width of the last block",
        lambda: quantised(13, 24, 36.44, 2.49)[-1][0],
        "channels",
        mistakes={
            lambda: 24 + 36.44 * 12: "that is u, the linear width; take the nearest w0·wm^k",
            lambda: 464: "that is u, the linear width, rounded; take the nearest w0·wm^k first",
            lambda: 371: "that is w0·wm³; the last step is the nearest multiple of 8",
            lambda: 24 + 36.44 * 13: "the first block is j = 0, so the last one is j = 12",
        },
    ),
    "10.4": Exercise(
        "the resolution of the compound-scaled ResNet-50 within B5's multiply-adds",
        lambda: _compound_resolution("phi"),
        "px",
        mistakes={
            lambda: _compound_resolution("resolution"): 'that is resolution alone; the knob is "phi"',
            lambda: 456: "that is the resolution of B5 itself",
            lambda: 224: 'that is ResNet-50 itself; cl.solve(..., knob="phi") returns the scaled network',
        },
    ),
    "10.5": Task(
        f"a residual network of {CONVOLUTIONS} convolutions or more, at {PIXELS} px or more, with at most the "
        "multiply-adds of EfficientNet-B3 and a quarter of its activations",
        _lean,
    ),
}
