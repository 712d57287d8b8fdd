"""Lesson 06: from the ResNet block to MBConv."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.blocks import mbconv
from cnnlab.arch.graph import image
from cnnlab.arch.layers import Add, Conv
from cnnlab.arch.zoo import architecture
from cnnlab.show.exercises.exercise import Exercise, Task, number_of

CHANNELS, SIZE, KERNEL, MOST = 64, 14, 5, 5_000_000  # the size in px; multiply-adds


def _depthwise_part(kernel: int) -> float:
    table = mbconv(image(80, 14), 80, kernel=kernel).graph("block").table().set_index("layer")["macs"]
    return float(table["conv2"] / table.sum())


def _shortcuts() -> int:
    return number_of(architecture("efficientnet_b0").graph(), Add)


def _own_block(graph: Any) -> tuple[bool, str]:
    start, end, macs = graph.input, graph.output, int(graph.cost().macs)
    kernels = [_kernel(layer, graph.layers[layer.inputs[0]]) for layer in graph.layers[1:]]
    shapes = [(int(each.channels), each.size) for each in (start, end)]
    summed = number_of(graph, Add) > 0
    widest = max(kernels, default=0)
    depthwise = f"a depthwise {widest}x{widest} convolution" if widest else "no depthwise convolution"
    came = f"{macs:,} multiply-adds, {depthwise}, {'a' if summed else 'no'} sum"
    came += f", {shapes[0][0]} to {shapes[1][0]} channels, {shapes[0][1]} to {shapes[1][1]} px"
    return summed and widest >= KERNEL and macs <= MOST and shapes == [(CHANNELS, SIZE)] * 2, came


def _kernel(layer: Any, x: Any) -> int:
    """The kernel of a depthwise convolution, the shorter side; 0 for any other layer."""
    if not isinstance(layer.op, Conv) or layer.op.groups != x.channels or x.channels == 1:
        return 0
    kernel = layer.op.kernel
    return min(kernel) if isinstance(kernel, tuple) else int(kernel)


EXERCISES: Mapping[str, Exercise | Task] = {
    "06.1": Exercise(
        "the multiply-adds of the separable convolution over those of the dense one, between 0 and 1",
        lambda: 1 / 64 + 1 / 25,
        close=0.01,
        mistakes={
            lambda: 1 / 25: "that is the pointwise part alone; the depthwise one adds 1 / c_out",
            lambda: 1 / 64: "that is the depthwise part alone; the pointwise one adds 1 / k²",
            lambda: 1 / 64 + 1 / 9: "that is for 3x3",
            lambda: 1 / 64 + 1 / 5: "k² is 25",
            lambda: 1 / (1 / 64 + 1 / 25): "that is how many times fewer; its inverse is asked for",
        },
    ),
    "06.2": Exercise(
        "the depthwise convolution's multiply-adds over those of the whole block, between 0 and 1",
        lambda: _depthwise_part(5),
        close=0.005,
        mistakes={
            lambda: _depthwise_part(3): "that is with the default kernel of 3x3",
            lambda: 100 * _depthwise_part(5): "that is in percent",
            lambda: 25 / (2 * 80): "that is over the two 1x1 convolutions; count it in the sum as well",
            lambda: 25 / (25 + 80): "there are two 1x1 convolutions",
        },
    ),
    "06.3": Exercise(
        "the parameters of its two 1x1 convolutions, biases included",
        lambda: 2 * 672 * 28 + 28 + 672,
        "parameters",
        mistakes={
            lambda: 2 * 672 * 28: "the weights are right; each of the two has a bias for every output",
            lambda: (
                2 * 672 * 168 + 168 + 672
            ): "it squeezes to a quarter of what enters the block, and not of the hidden ones",
            lambda: 672 * 28 + 28: "that is one of the two",
        },
    ),
    "06.4": Exercise(
        "the blocks of EfficientNet-B0 that end with a sum",
        _shortcuts,
        "blocks",
        mistakes={
            lambda: 7: "that is how many have none: the first of each stage",
            lambda: 16: "a block that changes the channels or the size has no shortcut; MBConv never projects",
            lambda: 10: "the block of the first stage changes 32 channels to 16",
        },
    ),
    "06.5": Task(
        f"a graph from {CHANNELS} to {CHANNELS} channels at {SIZE} px with a sum, a depthwise convolution of "
        f"{KERNEL}x{KERNEL} or larger, and {MOST:,} multiply-adds or fewer",
        _own_block,
    ),
}
