"""What makes a run this run: facts about its recipe, data and model, which must agree before it may go on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

from torch import Tensor, nn

from cnnlab.run.data import Data
from cnnlab.run.recipe import Recipe

Facts: TypeAlias = Mapping[str, Mapping[str, Any]]
"""kind ("recipe") -> name ("lr") -> value: a number or text."""


def facts(model: nn.Module, data: Data, recipe: Recipe, *, version: int) -> Facts:
    """What makes a run this run: the version of the training code, the recipe, the data and the model without weights.

    The data are compared by a digest of all images and labels, which takes about a second for 1 GB of images; the
    model by each tensor's name, type and shape, by which of them are trained, and by what `print(model)` says.
    """
    plain = {name: v if isinstance(v, int | str) else float(v) for name, v in asdict(recipe).items()}
    splits = {"training": data.train, "validation": data.validation, "test": data.test}
    sizes = {f"the number of {name} images": len(split) for name, split in splits.items()}
    digest = hashlib.sha256()
    for split in splits.values():
        for tensor in (split.images, split.labels):
            digest.update(tensor.cpu().contiguous().numpy().data)
    sets = {"name": data.name, "resolution": data.resolution, "classes": ", ".join(data.classes), **sizes}
    return {
        "version of cnnlab": {"version of training": version},
        "recipe": plain,
        "data set": {**sets, "the digest of images and labels": digest.hexdigest()[:16]},
        "model": _described(model),
    }


def _described(model: nn.Module) -> dict[str, str]:
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    tensors = {
        name: f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
        + (", trained" if name in trained else "")
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor)
    }
    printed = re.sub(r" at 0x[0-9a-f]+", "", repr(model)).splitlines()  # addresses differ from run to run
    return tensors | {f"line {number} of print(model)": line.strip() for number, line in enumerate(printed, 1)}


def difference(there: Facts, here: Facts) -> str | None:
    """The first fact in which the two disagree, as the end of a sentence; None if they agree.

    >>> difference({"recipe": {"epochs": 8, "lr": 0.1}}, {"recipe": {"epochs": 8, "lr": 0.2}})
    'recipe (lr: 0.1 there, 0.2 here)'
    """
    for kind, ours in here.items():
        theirs = there.get(kind, {})
        for name in {**ours, **theirs}:
            if (a := theirs.get(name, "missing")) != (b := ours.get(name, "missing")):
                return f"{kind} ({name}: {a} there, {b} here)"
    return None
