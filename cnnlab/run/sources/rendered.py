"""The source `glyphs`: rendered at first use, and kept as a file in the cache folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from cnnlab.run import glyphs
from cnnlab.run.sources.pictures import Pictures

STALE = 3600  # seconds after which a half-written file is one that a killed process left behind


def rendered(settings: glyphs.Settings, folder: Path, *, progress: bool = True, workers: int | None = None) -> Pictures:
    """All glyphs: read from the cache folder, or rendered and put there.

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
