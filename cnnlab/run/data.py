"""Data sets in memory: `load("glyphs", resolution=32)` gives uint8 images, split into train, validation and test.

sources/ finds the pictures of a name or a path; `load` splits them, shrinks them to the resolution asked for, and knows
nothing else about them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnnlab.arch.whole import check_int, named
from cnnlab.run.disk import cache_folder
from cnnlab.run.sources import names
from cnnlab.run.sources.names import fingerprint as fingerprint
from cnnlab.run.sources.pictures import SMALLEST, Source

HELD_OUT = 0.125  # share of the training pictures for validation, and again for testing: 2,000 each of 16,000 glyphs
SIDE = 64  # pixels, where each picture has its own size
MOST_HELD_OUT = 2000  # enough: at 90 % the standard error of an accuracy is then 0.7 points


@dataclass(frozen=True, eq=False)
class Split:
    """Images, uint8 (N, 3, H, W), 0 to 255, and their labels, int64 (N,), which index `Data.classes`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Split({len(self)} images)"


@dataclass(frozen=True, eq=False)
class Data:
    """A data set at one resolution (pixels per side); no picture is in two of the splits.

    >>> two = Split(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))
    >>> Data("toy", 8, ("a", "b"), two, two, two)
    Data('toy', resolution=8, classes=2, train=2, validation=2, test=2)
    """

    name: str
    resolution: int
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def __repr__(self) -> str:
        sizes = f"train={len(self.train)}, validation={len(self.validation)}, test={len(self.test)}"
        return f"Data({self.name!r}, resolution={self.resolution}, classes={len(self.classes)}, {sizes})"


def load(
    name: str | os.PathLike[str],
    *,
    resolution: int | None = None,
    limit: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    download: bool = True,
) -> Data:
    """A data set, in memory.

    name: one of these, or a path.

    - "glyphs": letters and digits, 64 px, 42 classes, rendered here at first use and then cached.
    - "digits": scikit-learn's, 8 px, grey.
    - "fashion_mnist" (28 px, grey), "cifar10", "cifar100" (32 px): torchvision's, downloaded into the cache.
    - a folder/class/*.png, or folder/train/class/*.png beside val and test (see `cnnlab.run.sources.folder`).
    - a `.npz` file, with x_train, y_train, x_test and y_test (see `cnnlab.run.sources.npz`).

    resolution: pixels per side, from 8 to what the source has, which is the default; shrunk with antialiasing. The
    pictures of a folder have sizes of their own and are all brought to the resolution, 64 by default.
    limit: keep at most so many pictures of each split, and the shares of the classes; of a folder, decode no others.
    cache: the folder of the cache; default: the environment variable CNNLAB_CACHE, else the user's cache folder.
    progress: draw a progress bar on standard error while rendering, downloading, or decoding the pictures of a folder.
    download: False: never use the network.

    A source that has a test set, or a validation set, keeps it. What is missing is taken from its training pictures by
    `split`, the same ones every time. Grey pictures become three equal channels.

    Raises, always with a sentence that names what is wrong and what to do: ValueError or TypeError for an argument
    that is not allowed and for damaged data, FileNotFoundError for what is not there, OSError for a failed download.

    >>> load("glyphs", resolution=65)
    Traceback (most recent call last):
    ValueError: load: resolution=65: resolution must be a whole number from 8 to 64; enlarging adds no information
    """
    if limit is not None:
        limit = named("load", check_int, "limit", limit)
    _pixels(resolution, names.side(name))  # before anything is rendered or downloaded
    folder = Path(cache) if cache else cache_folder()
    source = names.find(name, folder, download=download, progress=progress)
    pixels = _pixels(resolution, source.side)
    train, validation, test = (
        Split(source.take(part, pixels, progress=progress), torch.from_numpy(source.labels[part]))
        for part in (chosen[:limit] for chosen in _parts(name, source))
    )
    return Data(names.title(name), pixels, source.classes, train, validation, test)


def _pixels(resolution: int | None, side: int | None) -> int:
    """The resolution asked for, checked against the pixels that the source has (None: not known yet, or not one)."""
    if resolution is None:
        return side or SIDE
    if side is None:
        return named("load", check_int, "resolution", resolution, least=SMALLEST)
    try:
        return named("load", check_int, "resolution", resolution, least=SMALLEST, most=side)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}; enlarging adds no information") from None


def _parts(name: str | os.PathLike[str], source: Source) -> list[NDArray[np.int64]]:
    """Which pictures are for training, validation and test, each in an order that keeps every class's share."""
    first, second = len(source.labels) - source.validation - source.test, len(source.labels) - source.test
    missing = (source.validation == 0) + (source.test == 0)
    train, *held = split(source.labels[:first], parts=missing)
    if not all(len(part) for part in (train, *held)):
        raise ValueError(
            f"load: {os.fspath(name)!r} has {first} training pictures, too few to set an eighth of them aside; "
            "it needs at least 5"
        )
    validation = split(source.labels[first:second], parts=0)[0] + first if source.validation else held.pop(0)
    test = split(source.labels[second:], parts=0)[0] + second if source.test else held.pop(0)
    return [train, validation, test]


def split(labels: NDArray[np.int64], *, parts: int = 2, seed: int = 0) -> tuple[NDArray[np.int64], ...]:
    """Indices of the training pictures and of so many held-out parts: disjoint, shuffled, every class in equal shares.

    A held-out part is an eighth of the pictures, and at most 2,000. Picture k of the n of its class, in random order,
    gets a place in [k/n, (k+1)/n); the places are cut into parts.

    >>> [len(part) for part in split(np.arange(80) % 2)]
    [60, 10, 10]
    """
    rng = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[rng.permutation(members)] = (np.arange(len(members)) + rng.random(len(members))) / len(members)
    order = np.argsort(place, kind="stable").astype(np.int64)
    count = min(round(HELD_OUT * len(labels)), MOST_HELD_OUT)
    return tuple(np.split(order, [len(order) - k * count for k in range(parts, 0, -1)]))
