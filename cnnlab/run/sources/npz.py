"""A `.npz` file as a source: x_train, y_train, x_test, y_test, and x_val, y_val and classes where it has them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.run.sources.pictures import SMALLEST, Pictures, stacked

PARTS = ("train", "val", "test")  # in the order of a source


def npz(path: Path) -> Pictures:
    """Read a `.npz` file, as `numpy.savez` writes it; nothing in it is ever unpickled.

    x_*: uint8 images (N, H, W, 3), or grey (N, H, W) or (N, H, W, 1); of those that are not square the centre square
    is kept.  y_*: whole numbers (N,) or (N, 1) that index `classes`.  classes: strings; without them the classes are
    called "0", "1", ...  x_train, y_train, x_test and y_test must be there; other arrays are not looked at.

    Raises ValueError with a sentence that names the file and the array.
    """
    try:
        arrays = _arrays(path)
    except Exception as error:  # a damaged zip or header raises whatever the parser trips over
        raise ValueError(
            f"load: {path} is damaged or no .npz file ({type(error).__name__}: {error}); write it with numpy.savez "
            "(no objects: nothing is unpickled), or copy it again"
        ) from None
    parts = _parts(path, arrays)
    labels = {part: _labels(path, part, arrays) for part in parts}
    classes = _classes(path, arrays.get("classes"), labels)
    images = _images(path, {part: arrays[f"x_{part}"] for part in parts})
    sizes = {part: len(values) for part, values in labels.items()}
    together = np.concatenate(list(labels.values()))
    return Pictures(images, together, classes, validation=sizes.get("val", 0), test=sizes["test"])


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays that are looked at. A .npz is a zip file, so every byte is checked against its CRC-32."""
    wanted = {"classes", *(f"{axis}_{part}" for axis, part in itertools.product("xy", PARTS))}
    with path.open("rb") as opened:
        file = np.load(opened, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise ValueError("it is a single array")
        return {name: file[name] for name in file if name in wanted}


def _parts(path: Path, arrays: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
    """The parts that the file has; train and test must be there, and every part's x and y."""
    parts = tuple(p for p in PARTS if p != "val" or {"x_val", "y_val"} & set(arrays))
    missing = [f"{axis}_{part}" for part in parts for axis in "xy" if f"{axis}_{part}" not in arrays]
    if missing:
        raise ValueError(
            f"load: {path} lacks {' and '.join(missing)}; it must have x_train, y_train, x_test and y_test, and may "
            f"have x_val with y_val, and classes; of these it has {', '.join(arrays) or 'none'}"
        )
    return parts


def _labels(path: Path, part: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    labels = arrays[f"y_{part}"]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"load: {path}: y_{part} is {labels.dtype} {labels.shape}; labels must be whole numbers of shape (N,)"
        )
    images = arrays[f"x_{part}"]
    count = len(images) if images.ndim else 0
    if count != len(labels) or not count:
        raise ValueError(
            f"load: {path}: x_{part} has {count} pictures and y_{part} has {len(labels)} labels; there must be as many "
            "of each, and at least one"
        )
    return labels.astype(np.int64)


def _classes(path: Path, names: NDArray[Any] | None, labels: Mapping[str, NDArray[np.int64]]) -> tuple[str, ...]:
    """The names of the classes; without names, the numbers, each of which must have a training picture."""
    if names is None:
        numbers = np.unique(labels["train"])
        if not np.array_equal(numbers, np.arange(len(numbers))):
            raise ValueError(
                f"load: {path}: y_train has labels from {numbers[0]} to {numbers[-1]}, of {len(numbers)} kinds; "
                "without `classes` in the file they must be 0, 1, 2, ... with none left out"
            )
        classes = tuple(map(str, range(len(numbers))))
    elif names.ndim != 1 or names.dtype.kind != "U" or not len(names):
        raise ValueError(f"load: {path}: classes is {names.dtype} {names.shape}; it must be strings of shape (K,)")
    else:
        classes = tuple(map(str, names))
    for part, values in labels.items():
        if values.min() < 0 or values.max() >= len(classes):
            wrong = values.min() if values.min() < 0 else values.max()
            raise ValueError(
                f"load: {path}: y_{part} has the label {wrong}; with {len(classes)} classes labels are from 0 to "
                f"{len(classes) - 1}"
            )
    return classes


def _images(path: Path, parts: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """The centre squares of all parts, (N, C, S, S), once they are known to be uint8 pictures of one size."""
    for part, images in parts.items():
        if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))):
            raise ValueError(
                f"load: {path}: x_{part} is {images.dtype} {images.shape}; pictures must be uint8, 0 to 255, of shape "
                "(N, H, W, 3), or (N, H, W) if they are grey"
            )
    squares = {part: _square(images if images.ndim == 4 else images[..., None]) for part, images in parts.items()}
    for part, images in parts.items():
        if squares[part].shape[1:] != squares["train"].shape[1:]:
            raise ValueError(
                f"load: {path}: the pictures of x_{part} are {images.shape[1:]}, those of x_train "
                f"{parts['train'].shape[1:]}; all must have the same height, width and channels"
            )
    if squares["train"].shape[1] < SMALLEST:
        raise ValueError(
            f"load: {path}: the pictures are {parts['train'].shape[1:3]} px; {SMALLEST} x {SMALLEST} at least"
        )
    return stacked(list(squares.values()))


def _square(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The centre square of each picture: (N, H, W, C) -> (N, S, S, C)."""
    height, width = images.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return images[:, top : top + side, left : left + side]
