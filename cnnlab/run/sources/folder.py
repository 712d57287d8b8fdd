"""A folder of pictures as a source: folder/class/*.png, as torchvision's ImageFolder reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from cnnlab.run.sources.pictures import SMALLEST, shrink

PARTS = ("train", "val", "test")  # in the order of a source


@dataclass(frozen=True, eq=False)
class Folder:
    """A source on disk. A picture is decoded when it is taken, so that photographs of any size need little memory."""

    root: Path
    files: tuple[Path, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    validation: int = 0
    test: int = 0

    @property
    def side(self) -> None:
        """Each picture has its own size."""
        return None

    def take(self, chosen: NDArray[np.int64], resolution: int, *, progress: bool) -> Tensor:
        """The chosen pictures, in this order: uint8 (n, 3, resolution, resolution).

        Of each the centre square is shrunk to the resolution with antialiasing (or, if it is smaller, enlarged).
        """
        taken = torch.empty(len(chosen), 3, resolution, resolution, dtype=torch.uint8)
        files = [self.files[k] for k in chosen]
        pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))  # threads suffice: Pillow decodes without the lock
        try:
            pictures = pool.map(partial(picture, resolution=resolution), files)
            with tqdm(pictures, total=len(files), desc="reading", unit="image", disable=not progress) as bar:
                for k, one in enumerate(bar):
                    taken[k] = one
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return taken


def folder(root: Path) -> Folder:
    """Find the pictures of root/class/*, or of root/train/class/*, and root/val and root/test where they are.

    Classes are the folders of the training pictures, in alphabetical order. Pictures lie anywhere below their class's
    folder, as .png, .jpg and whatever else torchvision's ImageFolder takes. What is hidden (.name) is passed over.

    Raises ValueError with a sentence that names the folder.
    """
    inside = _folders(root)
    if any(part in inside and _folders(root / part) for part in PARTS):
        if "train" not in inside or set(inside) - set(PARTS):
            raise ValueError(
                f"load: {root} has the folders {', '.join(inside)}; where pictures are laid out in parts, the folders "
                "are train and, if you like, val and test, and nothing else"
            )
        parts = {part: root / part for part in PARTS if part in inside}
    else:
        parts = {"train": root}
    classes = _folders(parts["train"])
    if not classes:
        raise ValueError(
            f"load: {parts['train']} has no folders in it; put the pictures of each class in a folder of its own"
        )
    found = {part: list(_files(place, classes)) for part, place in parts.items()}
    _check(found, parts, classes)
    together = [file for files in found.values() for file in files]
    labels = np.array([label for _, label in together], np.int64)
    sizes = [len(found.get(part, ())) for part in PARTS]
    return Folder(root, tuple(file for file, _ in together), labels, classes, validation=sizes[1], test=sizes[2])


def _folders(root: Path) -> tuple[str, ...]:
    return tuple(
        sorted(inside.name for inside in root.iterdir() if inside.is_dir() and not inside.name.startswith("."))
    )


def _files(root: Path, classes: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    """Each picture below root/class, and its class, in the order of torchvision's ImageFolder."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    def wanted(path: str) -> bool:
        parts = Path(path).relative_to(root).parts
        return path.lower().endswith(IMG_EXTENSIONS) and not any(part.startswith(".") for part in parts)

    index = {name: label for label, name in enumerate(classes)}
    for path, label in make_dataset(str(root), index, is_valid_file=wanted, allow_empty=True):
        yield Path(path), label


def _check(found: dict[str, list[tuple[Path, int]]], parts: dict[str, Path], classes: tuple[str, ...]) -> None:
    """Every class has training pictures, every part some pictures, and no part has a class of its own."""
    empty = set(classes) - {classes[label] for _, label in found["train"]}
    if empty:
        raise ValueError(
            f"load: {parts['train']} has no picture in {', '.join(sorted(empty))}; each folder there is a class "
            "and needs pictures (.png, .jpg, ...), or must go"
        )
    for part, place in parts.items():
        unknown = set(_folders(place)) - set(classes)
        if unknown:
            raise ValueError(
                f"load: {place} has the classes {', '.join(sorted(unknown))}, of which {parts['train']} has no pictures"
            )
        if not found[part]:
            raise ValueError(f"load: {place} has no pictures in it; fill it or remove it")


def picture(path: Path, *, resolution: int) -> Tensor:
    """The centre square of a picture, as a viewer shows it, uint8 (3, resolution, resolution).

    Raises ValueError that names the file if it cannot be decoded, is smaller than 8 px or has more than 8 bits a pixel.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            mode, image = opened.mode, np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    except Exception as error:  # a damaged picture raises whatever its decoder trips over
        raise ValueError(f"load: {path} is no picture that can be read ({error}); repair or remove it") from None
    if mode.startswith(("I", "F")):
        raise ValueError(f"load: {path} has pixels of more than 8 bits (Pillow's mode {mode}); save it with 8")
    height, width = image.shape[:2]
    side = min(height, width)
    if side < SMALLEST:
        raise ValueError(f"load: {path} is {width} x {height} px; pictures must have {SMALLEST} x {SMALLEST} at least")
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side].transpose(2, 0, 1)
    return shrink(np.ascontiguousarray(square)[None], resolution)[0]
