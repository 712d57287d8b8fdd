"""Lesson 11: data, blocks and modules of your own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.blocks import basic
from cnnlab.arch.graph import image
from cnnlab.arch.layers import Add, Conv
from cnnlab.show.exercises.exercise import Exercise, Task, number_of

MOST, LEAST, CLASSES, SIDE = 2_000_000, 3, 10, 32  # multiply-adds; convolutions; logits; pixels
WIDTH, PIXELS = 64, 28


def _own_module(module: Any) -> tuple[bool, str]:
    from cnnlab.run.trace import trace  # which loads torch

    graph = trace(module, resolution=SIDE)
    convs, macs, end = number_of(graph, Conv), int(graph.cost().macs), graph.layers[-1]
    logits = int(end.channels) if end.size is None else 0
    right = convs >= LEAST and macs <= MOST and logits == CLASSES
    given = f"{logits} logits" if logits else "an image, not logits"
    return right, f"{convs} convolutions, {macs:,} multiply-adds, {given}"


def _own_block(block: Any) -> tuple[bool, str]:
    y = block(image(WIDTH, PIXELS), WIDTH, 1)
    halved = block(image(WIDTH, PIXELS), 2 * WIDTH, 2)
    graph = y.graph("block")
    halved.graph("block")
    macs, most = int(graph.cost().macs), int(basic(image(WIDTH, PIXELS), WIDTH).graph("basic").cost().macs) // 3
    if (y.channels, y.size) != (WIDTH, PIXELS) or (halved.channels, halved.size) != (2 * WIDTH, PIXELS // 2):
        return False, (
            f"{y.channels} channels at {y.size} px with width {WIDTH} and stride 1, {halved.channels} channels at "
            f"{halved.size} px with width {2 * WIDTH} and stride 2"
        )
    kernels = [layer.op.kernel for layer in graph.layers if isinstance(layer.op, Conv)]
    around = any(kernel not in (1, (1, 1)) for kernel in kernels)
    summed = number_of(graph, Add) > 0
    came = f"{macs:,} multiply-adds where at most {most:,} are allowed" if macs > most else f"{macs:,} multiply-adds"
    came += "" if summed else ", no shortcut that is added"
    came += "" if around else ", no convolution larger than 1x1"
    return macs <= most and around and summed, came


EXERCISES: Mapping[str, Exercise | Task] = {
    "11.1": Exercise(
        "the pictures that are set aside for the test, of 2,000",
        lambda: 2000 // 8,
        "pictures",
        mistakes={
            lambda: 500: "that is validation and test together",
            lambda: 2000: "2,000 is the most that is ever set aside, however many there are",
            lambda: 1500: "those are the pictures left to train on",
            lambda: 200: "an eighth is set aside, not a tenth",
            lambda: 400: "an eighth is set aside, not a fifth",
        },
    ),
    "11.2": Exercise(
        "the parameters of the block, batch norms included",
        lambda: 10 * 32 * 32 + 2 * (16 + 16 + 32),
        "parameters",
        mistakes={
            lambda: 10 * 32 * 32: "the convolutions are right, but each batch norm has a scale and a shift for every "
            "channel",
            lambda: 10 * 32 * 32 + 64: "a batch norm has two numbers for every channel, a scale and a shift",
            lambda: 18 * 32 * 32 + 2 * 64: "that is the basic block's",
            lambda: 2 * 9 * 32 * 32 + 32 * 32 + 2 * (16 + 16 + 32): "each view has half of the channels",
        },
    ),
    "11.3": Exercise(
        "the networks that the second sweep trains",
        lambda: 3 * 2 * 3 - 3 * 2,
        "networks",
        mistakes={
            lambda: 18: "that is the whole grid; those of seed 0 have their rows in the store",
            lambda: 0: "another seed is another trial: its key differs",
            lambda: 6: "those are the ones that are not trained again",
        },
    ),
    "11.4": Task(
        f"a module that trace accepts at {SIDE} px, with {CLASSES} logits, {LEAST} convolutions or more and {MOST:,} "
        "multiply-adds or fewer",
        _own_module,
    ),
    "11.5": Task(
        f"a block that keeps to width and stride, with a shortcut, a convolution larger than 1x1 and at most a third "
        f"of basic's multiply-adds at {WIDTH} channels and {PIXELS} px",
        _own_block,
    ),
}
