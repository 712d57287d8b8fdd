"""`Source`: what a data set is before it is split and shrunk. `Pictures`: one that lies in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 8  # pixels per side, below which no picture can be recognised
AT_ONCE = 1000  # pictures in hand at a time: what lies between the source and the result stays small


class Source(Protocol):
    """Pictures, and what is known of them without looking at them.

    The order is: training pictures, then the source's own validation set, then its own test set.
    """

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each picture, (N,)."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of each class."""

    @property
    def validation(self) -> int:
        """The size of the source's own validation set; 0: it has none."""

    @property
    def test(self) -> int:
        """The size of the source's own test set; 0: it has none."""

    @property
    def side(self) -> int | None:
        """Pixels per side; None: each picture has its own."""

    def take(self, chosen: NDArray[np.int64], resolution: int, *, progress: bool) -> Tensor:
        """The chosen pictures, in this order: uint8 (n, 3, resolution, resolution)."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """A source in memory: images uint8 (N, C, S, S), where C is 3 or, for grey ones, 1.

    >>> grey = Pictures(np.full((2, 1, 16, 16), 7, np.uint8), np.array([0, 1]), ("a", "b"))
    >>> grey.take(np.array([1]), 8, progress=False).shape
    torch.Size([1, 3, 8, 8])
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    validation: int = 0
    test: int = 0

    @property
    def side(self) -> int:
        """Pixels per side."""
        return self.images.shape[-1]

    def take(self, chosen: NDArray[np.int64], resolution: int, *, progress: bool) -> Tensor:
        """The chosen pictures, in this order: uint8 (n, 3, resolution, resolution); grey has three equal channels."""
        taken = torch.empty(len(chosen), 3, resolution, resolution, dtype=torch.uint8)
        for start in range(0, len(chosen), AT_ONCE):
            now = slice(start, start + AT_ONCE)
            taken[now] = shrink(self.images[chosen[now]], resolution)
        return taken


def shrink(images: NDArray[np.uint8], resolution: int) -> Tensor:
    """uint8 (N, C, S, S) -> uint8 (N, C, resolution, resolution): bilinear over the area that a new pixel covers."""
    pictures = torch.from_numpy(images)
    if pictures.shape[-1] == resolution:
        return pictures
    return F.interpolate(pictures, size=(resolution, resolution), mode="bilinear", antialias=True)


def stacked(parts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Parts of pictures, each (n, S, S, C), as one array (N, C, S, S), the layout that torch reads."""
    _, side, _, channels = parts[0].shape
    images = np.empty((sum(map(len, parts)), channels, side, side), np.uint8)
    start = 0
    for part in parts:
        images[start : start + len(part)] = part.transpose(0, 3, 1, 2)
        start += len(part)
    return images
