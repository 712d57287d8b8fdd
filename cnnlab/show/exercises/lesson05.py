"""Lesson 05: what does it cost?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.zoo import architecture
from cnnlab.show.exercises.exercise import Exercise, Task

ROOM = 8_000_000_000  # bytes of the GPU
SAVED = 20_000_000  # bytes


def _fits(optimizer: str) -> int:
    arch = architecture("resnet50")
    one, two = (int(arch.memory(batch=n, optimizer=optimizer).training) for n in (1, 2))
    return 1 + (ROOM - one) // (two - one)


def _images_alone() -> int:
    return ROOM // int(architecture("resnet50").memory().saved)


def _bytes(channels: int, size: int) -> int:
    return 4 * (2 * channels * size**2 + channels**2)


def _busy_and_lean(arch: Any) -> tuple[bool, str]:
    macs, saved = int(arch.cost().macs), int(arch.memory().saved)
    least = int(architecture("resnet50").cost().macs)
    came = (
        f"{arch.name} with {macs:,} multiply-adds ({macs / least:.2f} times ResNet-50's) and {saved / 1e6:.1f} MB saved"
    )
    return macs >= least and saved <= SAVED, came


EXERCISES: Mapping[str, Exercise | Task] = {
    "05.1": Exercise(
        "the multiply-adds of the convolution for one image",
        lambda: 5 * 5 * 32 * 64 * 16 * 16,
        "multiply-adds",
        mistakes={
            lambda: 5 * 5 * 32 * 64 * 32 * 32: "the size is that of the output, which stride 2 halves",
            lambda: 2 * 5 * 5 * 32 * 64 * 16 * 16: "those are flops, two for each multiply-add",
            lambda: 5 * 5 * 64 * 16 * 16: "each output sees all 32 channels",
            lambda: 5 * 5 * 32 * 64: "those are the weights; each is used at every place of the output",
            lambda: 5 * 5 * 32 * 64 * 16 * 16 + 64 * 16 * 16: "the additions of the bias are no multiply-adds",
        },
    ),
    "05.2": Exercise(
        "the name of the convention",
        lambda: "ptflops",
        mistakes={
            lambda: "thop": "thop says 4.1337 G; look at the fourth digit",
            lambda: "fvcore": "fvcore says 4.1115 G: it leaves out activations",
        },
    ),
    "05.3": Exercise(
        "the largest batch for which ResNet-50's memory(batch, optimizer='adam').training is 8e9 bytes or less",
        lambda: _fits("adam"),
        "images",
        mistakes={
            lambda: _fits("sgd"): "Adam keeps two numbers for each weight: optimizer='adam'",
            lambda: _fits("momentum"): "Adam keeps two numbers for each weight, momentum only one",
            _images_alone: "that leaves no room for weights, gradients and the optimizer's state",
        },
    ),
    "05.4": Exercise(
        "operations (two for each multiply-add) over bytes (input, weights and output, 4 each)",
        lambda: 2 * 256 * 256 * 14**2 / _bytes(256, 14),
        "operations a byte",
        close=0.01,
        mistakes={
            lambda: 256 * 256 * 14**2 / _bytes(256, 14): "a multiply-add is two operations",
            lambda: 4 * 2 * 256 * 256 * 14**2 / _bytes(256, 14): "that is for each number; a number takes 4 bytes",
            lambda: 2 * 256 * 256 * 14**2 / (8 * 256 * 14**2): "the weights must be read as well",
        },
    ),
    "05.5": Task(
        "a network with ResNet-50's multiply-adds or more that saves 20 MB or less for one image", _busy_and_lean
    ),
}
