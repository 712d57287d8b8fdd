"""The images that criteria and gates see: some of the training images, prepared as the model takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cnnlab.arch.whole import check_int, named
from cnnlab.run.batches import preparation
from cnnlab.run.data import Data
from cnnlab.run.recipe import check_choice

BATCH = 128


class Examples(NamedTuple):
    """Images as the model takes them, float (N, C, H, W), and their labels, int64 (N,)."""

    images: Tensor
    labels: Tensor


def examples(data: Any, count: int = 512, *, normalize: str = "data") -> Examples:
    """The first training images of a data set, prepared as `cl.fit` prepares them; none of those held out.

    data: what `cl.data.load` gives; or images and labels, which are taken as they are.  normalize: as in the recipe
    that the model was trained with.  Raises TypeError or ValueError, as a sentence, for anything else.
    """
    if isinstance(data, Data):
        count = named("examples", check_int, "count", count)
        prepare = preparation(data.train.images, check_choice("examples", "normalize", normalize), torch.device("cpu"))
        return Examples(prepare(data.train.images[:count]), data.train.labels[:count])
    if not (isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, Tensor) for part in data)):
        raise TypeError(
            f"data={type(data).__name__}: give what cl.data.load gives, or a pair of tensors: images (N, C, H, W) and "
            "labels (N,)"
        )
    images, labels = data
    if not images.is_floating_point() or images.dim() != 4 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"data: images are {images.dtype} {tuple(images.shape)}, labels {tuple(labels.shape)}; they must be float "
            "(N, C, H, W), prepared as the model takes them, and (N,)"
        )
    return Examples(images, labels)


def batches(data: Examples, network: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Some at a time, of the type and on the device of the network."""
    first = next(network.parameters())
    for images, labels in zip(data.images.split(BATCH), data.labels.split(BATCH), strict=True):
        yield images.to(first.device, first.dtype), labels.to(first.device)
