"""A block in the words of its paper: "1x1 64, 3x3 64, 1x1 256"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from cnnlab.arch.layers import AdaptivePool, AvgPool, Conv, Linear, MaxPool, Sides
from cnnlab.arch.whole import is_array, text

if TYPE_CHECKING:
    from cnnlab.arch.graph import Layer


def in_words(layers: Sequence[Layer], members: Iterable[int]) -> str:
    """The way through a block: "dw" is a depthwise convolution, "se 8" a squeeze-excite by way of 8 channels, "max" and
    "mean" are pooling, "|" stands between branches. Its shortcut is left out. members: positions of the block's layers.

    >>> import cnnlab as cl
    >>> layers = cl.architecture("efficientnet_b0").graph().layers
    >>> in_words(layers, [i for i, layer in enumerate(layers) if layer.name.startswith("stage2.0.")])
    '1x1 96, dw 3x3 96, se 4, 1x1 24'
    """
    steps = []
    for i in members:
        parts = layers[i].name.split(".")
        word = "" if "shortcut" in parts else _word(layers[i], layers, gate="se" in parts)
        if word:
            steps.append(([part for part in parts[:-1] if part.startswith("branch")], word))
    return _sentence(steps)


def _sentence(steps: list[tuple[list[str], str]]) -> str:
    """Words with the branches that each stands in, as "1x1 16, (1x1 64 | 3x3 64), max 3x3"."""
    told = []
    for beside, run in groupby(steps, lambda step: bool(step[0])):
        group = list(run)
        if not beside:
            told += [word for _, word in group]
            continue
        ways = [list(way) for _, way in groupby(group, lambda step: step[0][0])]
        branches = " | ".join(_sentence([(branch[1:], word) for branch, word in way]) for way in ways)
        told.append(branches if len(group) == len(steps) else f"({branches})")
    return ", ".join(told)


def window(sides: Sides) -> str:
    """A kernel's height and width, "3x3"."""
    return f"{sides}x{sides}" if isinstance(sides, int) else "{}x{}".format(*sides)


def _word(layer: Layer, layers: Sequence[Layer], *, gate: bool) -> str:
    match layer.op:
        case Conv() as op:
            return _conv_word(op, layers[layer.inputs[0]], gate)
        case MaxPool() | AvgPool() as op:
            return f"{'max' if isinstance(op, MaxPool) else 'mean'} {window(op.kernel)}"
        case Linear() as op:
            return f"linear {text(op.width)}"
    return ""


def _conv_word(op: Conv, before: Layer, gate: bool) -> str:
    if gate:
        return f"se {text(op.width)}" if isinstance(before.op, AdaptivePool) else ""
    word = f"{window(op.kernel)} {text(op.width)}"
    if not is_array(op.groups) and op.groups == 1:
        return word
    depthwise = text(op.groups) == text(before.channels)
    return f"dw {word}" if depthwise else f"{word} in {text(op.groups)} groups"
