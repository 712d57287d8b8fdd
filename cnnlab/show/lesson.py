"""The lessons' helpers: is this room ready, what do you guess, is this answer right (and if not, why)?"""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from cnnlab.arch.zoo import architecture
from cnnlab.show.captioned import panels, show
from cnnlab.show.exercises import EXERCISES
from cnnlab.show.guess import Guess as guess
from cnnlab.show.play import Play as play
from cnnlab.show.points import COLOURS

if TYPE_CHECKING:
    from cnnlab.arch.architecture import Architecture
    from cnnlab.run.recipe import History

__all__ = ["COLOURS", "check", "guess", "panels", "play", "repeat", "room", "show"]


def check(number: str, answer: Any = None) -> None:
    """Print whether the answer to exercise `number` ("01.1") is right; if not, what was expected, what came, and the
    likely mistake.

    None, the answer that notebooks come with, is told apart from a wrong one. Raises ValueError for an unknown number.

    >>> check("01.2", 56 / 6)
    01.2: not yet. Expected: the blocks in each of the three stages. Came: 9.333 blocks. Likely: the first convolution
    and the last linear layer are not in blocks.
    """
    if number not in EXERCISES:
        raise ValueError(f"exercise {number!r} is unknown; the exercises are {', '.join(EXERCISES)}")
    told = "no answer yet; put yours in place of None." if answer is None else EXERCISES[number].verdict(answer)
    print(f"{number}: {told}")


def repeat(arch: Architecture, *, limit: int, seed: int = 0) -> History:
    """Train a small network here on `limit` glyphs, otherwise as those of data/measured were: their recipe, one thread.

    arch: for the 42 classes of the glyphs, at its own resolution. With limit=8000 it is one more row of the table.
    """
    import torch

    from cnnlab.run.data import load
    from cnnlab.run.flat import recipe_of
    from cnnlab.run.measured import measured
    from cnnlab.run.train import fit

    row = measured("glyphs").iloc[0].to_dict()
    data = load("glyphs", resolution=int(arch.resolution), limit=limit, progress=False)
    threads = torch.get_num_threads()
    # So small a network gains nothing from more threads than one, and loses to what else runs.
    torch.set_num_threads(int(row["threads"]))
    try:
        return fit(arch.graph().module(seed=seed), data, replace(recipe_of(row), seed=seed), progress=False)
    finally:
        torch.set_num_threads(threads)


def room() -> None:
    """Print whether this machine is ready for a lesson: versions, cores, data, and how fast it trains."""
    import time

    from cnnlab.run import data
    from cnnlab.run.recipe import Recipe
    from cnnlab.run.train import fit

    packages = ("torch", "torchvision", "jupyterlab", "anywidget")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in packages))
    glyphs = data.load("glyphs", resolution=32, limit=512, progress=False)
    print(f"data   {glyphs.name}: {len(glyphs.classes)} classes, ready")
    arch = architecture("cifar_resnet20", classes=len(glyphs.classes))
    model = arch.graph().module(seed=0)
    start = time.perf_counter()
    fit(model, glyphs, Recipe(epochs=1), progress=False)
    seconds = time.perf_counter() - start
    print(f"speed  {len(glyphs.train) / seconds:,.0f} images/s through {arch.name} in training, {os.cpu_count()} cores")
    print("This room is ready.")
