"""Data sets in memory: `load("glyphs", resolution=32)` gives uint8 images, split into train, validation and test.

A source, one function per data set, gives `Pictures`: uint8 images, labels and class names. `load` splits them, shrinks
them to the resolution asked for, and knows nothing else about them; a new data set is a new source in `_pictures`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlab.arch.whole import check_int, named
from cnnlab.run import glyphs

SMALLEST = 8  # pixels per side, below which no picture can be recognised
HELD_OUT = 0.125  # share of the pictures for validation, and again for testing: 2,000 each of the 16,000 glyphs
STALE = 3600  # seconds after which a half-written file is one that a killed process left behind


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a source gives: images uint8 (N, 3, S, S), labels int64 (N,), the name of each class."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


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
    name: str,
    *,
    resolution: int = 64,
    limit: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Data:
    """A data set, in memory. The one there is so far is `"glyphs"`, rendered here at first use and then cached.

    resolution: pixels per side, from 8 to what the source has (64 for glyphs); shrunk with antialiasing.
    limit: keep at most so many pictures of each split; the classes stay equally frequent.
    cache: the folder of the cache; default: the environment variable CNNLAB_CACHE, else the user's cache folder.
    progress: draw a progress bar on standard error while rendering (seconds, once per machine).

    Raises ValueError or TypeError with a sentence that names the argument, its value and what is allowed.

    >>> load("glyphs", resolution=65)
    Traceback (most recent call last):
    ValueError: load: resolution=65: resolution must be a whole number from 8 to 64
    """
    resolution = named("load", check_int, "resolution", resolution, least=SMALLEST, most=_side(name))
    if limit is not None:
        limit = named("load", check_int, "limit", limit)
    folder = Path(cache or os.environ.get("CNNLAB_CACHE") or _user_cache())
    pictures = _pictures(name, folder, progress)
    train, validation, test = (
        Split(_shrink(pictures.images[chosen[:limit]], resolution), torch.from_numpy(pictures.labels[chosen[:limit]]))
        for chosen in split(pictures.labels)
    )
    return Data(name, resolution, pictures.classes, train, validation, test)


def _side(name: str) -> int:
    """The pixels per side that a source has; an unknown name is refused."""
    if name == "glyphs":
        return glyphs.Settings().size
    raise ValueError(f"load: name={name!r}: name must be 'glyphs', the only data set so far")


def _pictures(name: str, folder: Path, progress: bool) -> Pictures:
    """All pictures of a source: here a new data set is added, and to `_side`."""
    assert name == "glyphs"  # _side has refused every other name
    return rendered(glyphs.Settings(), folder, progress=progress)


def split(labels: NDArray[np.int64], *, held_out: float = HELD_OUT, seed: int = 0) -> tuple[NDArray[np.int64], ...]:
    """Indices of the training, validation and test pictures: disjoint, shuffled, with every class in equal shares.

    Picture k of the n of its class, in random order, gets a place in [k/n, (k+1)/n); the places are cut into three.

    >>> [len(part) for part in split(np.arange(80) % 2)]
    [60, 10, 10]
    """
    rng = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[rng.permutation(members)] = (np.arange(len(members)) + rng.random(len(members))) / len(members)
    order = np.argsort(place, kind="stable").astype(np.int64)
    count = round(held_out * len(labels))
    train, validation, test = np.split(order, [len(order) - 2 * count, len(order) - count])
    return train, validation, test


def _shrink(images: NDArray[np.uint8], resolution: int) -> Tensor:
    """uint8 (N, 3, S, S) -> uint8 (N, 3, resolution, resolution): bilinear over the area that a new pixel covers."""
    pictures = torch.from_numpy(images)
    if pictures.shape[-1] == resolution:
        return pictures
    shrunk = torch.empty(len(pictures), 3, resolution, resolution, dtype=torch.uint8)
    for part, target in zip(pictures.split(1000), shrunk.split(1000), strict=True):  # keeps what lies between small
        target.copy_(F.interpolate(part, size=(resolution, resolution), mode="bilinear", antialias=True))
    return shrunk


def rendered(settings: glyphs.Settings, folder: Path, *, progress: bool = True, workers: int | None = None) -> Pictures:
    """The source `glyphs`: read from the cache folder, or rendered and put there.

    A file that cannot be read is rendered again, a folder that cannot be written is done without; either warns.
    """
    path = folder / f"glyphs-{_key(settings)}.npz"
    labels = glyphs.labels(settings.count)
    images = _read(path, (settings.count, 3, settings.size, settings.size))
    if images is None:
        images = _render(settings, progress, workers or min(8, os.cpu_count() or 1))
        try:
            _save(path, images)
        except OSError as error:
            warnings.warn(f"glyphs: {path} could not be written ({error}); they will be rendered again.", stacklevel=3)
    return Pictures(images, labels, glyphs.CLASSES)


def _key(settings: glyphs.Settings) -> str:
    """Twelve hexadecimal digits that change with the settings, the renderer, and the versions that rasterise."""
    import matplotlib
    import PIL
    from PIL import features

    versions = (glyphs.VERSION, PIL.__version__, features.version("freetype2"), matplotlib.__version__)
    return hashlib.sha256(repr((settings, glyphs.CLASSES, glyphs.FONTS, versions)).encode()).hexdigest()[:12]


def _user_cache() -> str:
    import platformdirs

    return platformdirs.user_cache_dir("cnnlab")


def _render(settings: glyphs.Settings, progress: bool, workers: int) -> NDArray[np.uint8]:
    images = np.empty((settings.count, 3, settings.size, settings.size), np.uint8)
    done = 0
    with tqdm(total=settings.count, desc="rendering glyphs", unit="image", disable=not progress) as bar:
        for chunk in glyphs.render(settings, workers=workers):
            images[done : done + len(chunk)] = chunk
            done += len(chunk)
            bar.update(len(chunk))
    return images


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The cached images, or None; numpy's .npz is a zip file, so every byte is checked against its CRC-32."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            images = file["images"]
        if images.shape == shape and images.dtype == np.uint8:
            return images
        reason = f"holds {images.dtype} {images.shape}, not uint8 {shape}"
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        reason = f"is damaged ({type(error).__name__})"
    warnings.warn(f"glyphs: the cache file {path} {reason}; it is rendered again.", stacklevel=4)
    return None


def _save(path: Path, images: NDArray[np.uint8]) -> None:
    """Write under another name, then rename: whoever looks sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob("glyphs-*.part"):
        if time.time() - left.stat().st_mtime > STALE:
            left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.stem}-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, images=images)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
