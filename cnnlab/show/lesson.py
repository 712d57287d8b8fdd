"""The lessons' helpers: is this room ready, and is this answer right (and if not, why)?"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.blocks import basic
from cnnlab.arch.graph import image
from cnnlab.arch.network import Network
from cnnlab.arch.scaling import compound, scaled
from cnnlab.arch.zoo import architecture


@dataclass(frozen=True)
class Exercise:
    """A question with a numeric answer that cnnlab computes.

    hints: a sentence for each likely mistake, keyed by the answer that it leads to (relative tolerance as `close`).
    """

    answer: Callable[[], float]
    unit: str
    close: float = 1e-9
    hints: Mapping[Callable[[], float], str] = field(default_factory=dict)


def _grown(before: Architecture | Network, after: Architecture | Network) -> float:
    return float(after.cost().macs / before.cost().macs)


def _basic_params() -> int:
    return int(basic(image(64, 56), 64).graph("block").cost().params)


R50, B0 = architecture("resnet50"), architecture("efficientnet_b0")
EXERCISES: Mapping[str, Exercise] = {
    "01.1": Exercise(
        lambda: _grown(R50, scaled(R50, resolution=448)),
        "times",
        close=0.02,
        hints={lambda: 2.0: "twice the resolution is twice the height and twice the width"},
    ),
    "01.2": Exercise(
        lambda: _grown(B0, compound(B0, phi=2)),
        "times",
        close=0.01,
        hints={
            lambda: (1.2 * 1.1**2 * 1.15**2) ** 2: "that is the formula; the network rounds its depths and widths, "
            "so ask its cost()",
            lambda: 4.0: "2^phi is what the paper aims at; ask the network's cost()",
        },
    ),
    "02.1": Exercise(
        _basic_params,
        "parameters",
        hints={
            lambda: 2 * 9 * 64 * 64: "the two convolutions are right; the two batch norms have a scale and a shift "
            "for each channel",
            lambda: 9 * 64 * 64: "that is one of the two convolutions",
        },
    ),
    "02.2": Exercise(
        lambda: (56 - 2) // 6,
        "blocks in each stage",
        hints={lambda: 56 / 6: "depth = 6n + 2: the first convolution and the last linear layer are no blocks"},
    ),
    "10.1": Exercise(
        lambda: max(w / 20 for w in range(5, 41) if scaled(R50, width=w / 20).cost().macs <= 2e9),
        "times the width",
        hints={lambda: 0.5: "half the width is about a quarter of the cost: there is room for more"},
    ),
    "10.2": Exercise(
        lambda: max(4 * r for r in range(8, 150) if scaled(B0, resolution=4 * r).cost().macs <= 1e9),
        "px",
        hints={lambda: float(224 * 1e9 / B0.cost().macs): "cost grows with the square of the resolution, not with it"},
    ),
}


def check(number: str, answer: Any = None) -> None:
    """Print whether the answer to exercise `number` ("02.1") is right, and if not, what is wrong with it.

    None, the answer that notebooks come with, is told apart from a wrong one. Raises ValueError for an unknown number.

    >>> check("02.1", 73728)
    02.1: not yet. The two convolutions are right; the two batch norms have a scale and a shift for each channel.
    """
    if number not in EXERCISES:
        raise ValueError(f"exercise {number!r} is unknown; the exercises are {', '.join(EXERCISES)}")
    print(f"{number}: {_verdict(EXERCISES[number], answer)}")


def _verdict(exercise: Exercise, answer: Any) -> str:
    if answer is None:
        return "no answer yet; put a number in place of None."
    if isinstance(answer, bool) or not isinstance(answer, (int, float)) or not math.isfinite(answer):
        return f"not yet. {answer!r} is not a number; the answer is in {exercise.unit}."
    right = exercise.answer()
    if math.isclose(answer, right, rel_tol=exercise.close):
        return f"right: {right:{',.4g' if isinstance(right, float) else ','}} {exercise.unit}."
    for wrong, hint in exercise.hints.items():
        if math.isclose(answer, wrong(), rel_tol=exercise.close):
            return f"not yet. {hint[0].upper()}{hint[1:]}."
    way = "large" if answer > right else "small"
    return f"not yet. {answer:,} {exercise.unit} is too {way}."


def room() -> None:
    """Print whether this machine is ready for a lesson: versions, cores, data, and how fast it trains."""
    import time

    from cnnlab.run import data
    from cnnlab.run.recipe import Recipe
    from cnnlab.run.train import fit

    packages = ("torch", "torchvision", "jupyterlab", "anywidget")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in packages))
    glyphs = data.load("glyphs", resolution=32, limit=1024, progress=False)
    print(f"data   {glyphs.name}: {len(glyphs.classes)} classes, ready")
    arch = architecture("cifar_resnet20", classes=len(glyphs.classes))
    model = arch.graph().module(seed=0)
    start = time.perf_counter()
    fit(model, glyphs, Recipe(epochs=1), progress=False)
    seconds = time.perf_counter() - start
    print(f"speed  {len(glyphs.train) / seconds:,.0f} images/s through {arch.name} in training, {os.cpu_count()} cores")
    print("This room is ready.")
