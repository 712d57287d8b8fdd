"""The data sets that torchvision downloads, as sources: FashionMNIST, CIFAR-10 and CIFAR-100.

The cache folder is torchvision's root: what torchvision has put there is used, and the other way round.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnlab.run.sources.pictures import Pictures, stacked

FASHION_MNIST = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
"""MD5 of the unpacked files. torchvision knows those of the packed ones only, and would read half an unpacked file."""

STALE = 24 * 3600  # seconds after which the folder of a download is one that a killed process left behind


@dataclass(frozen=True)
class Download:
    """One of torchvision's data sets: its class, and the files it comes in and is read from.

    Paths are relative to the cache folder; each has its MD5 checksum.
    """

    name: str
    kind: Any
    packed: Mapping[Path, str]
    files: Mapping[Path, str]


def downloads() -> Mapping[str, Callable[[], Download]]:
    """name -> what there is to download. A function, for torchvision takes a second to import."""
    return {
        "fashion_mnist": _fashion_mnist,
        "cifar10": lambda: _cifar("CIFAR10"),
        "cifar100": lambda: _cifar("CIFAR100"),
    }


def _fashion_mnist() -> Download:
    from torchvision.datasets import FashionMNIST as kind

    folder = Path("FashionMNIST", "raw")
    packed = {folder / file: md5 for file, md5 in kind.resources}
    return Download("fashion_mnist", kind, packed, {folder / file: md5 for file, md5 in FASHION_MNIST.items()})


def _cifar(which: str) -> Download:
    import torchvision.datasets

    kind = getattr(torchvision.datasets, which)
    files = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
    inside = {Path(kind.base_folder, file): md5 for file, md5 in files}
    return Download(which.lower(), kind, {Path(kind.filename): kind.tgz_md5}, inside)


def fetch(wanted: Download, root: Path, *, download: bool, progress: bool) -> None:
    """See that the files lie under the cache folder: unpack what was downloaded, or download it.

    It is done in a folder beside, from which each file is moved to its place whole and checked: a process that is
    killed leaves no half file under a name that is read (torchvision's own download would). The files move one
    by one, so that some may be there and others not; the next call fetches what is missing.

    Raises FileNotFoundError if download is False and files are missing, OSError if the download fails or what arrives
    does not have its checksum; nothing of it is kept then.
    """
    if all((root / file).exists() for file in wanted.files):
        return
    whole = [file for file, md5 in wanted.packed.items() if _md5(root / file) == md5]
    if not download and len(whole) < len(wanted.packed):
        raise FileNotFoundError(f"load: {wanted.name} is not in {root}; {_by_hand(wanted, root)}, or let download=True")
    try:
        with _aside(root) as aside:
            for file in whole:
                (aside / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / file, aside / file)
            _download(wanted, aside, progress)
            for file in (*wanted.files, *wanted.packed):
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (aside / file).replace(root / file)
    except OSError as error:
        raise OSError(
            f"load: {wanted.name} could not be downloaded ({_short(error)}); connect once and try again, or "
            f"{_by_hand(wanted, root)}"
        ) from None


def _download(wanted: Download, root: Path, progress: bool) -> None:
    """torchvision's download, checked: OSError says why it failed, or which file does not have its checksum."""
    with contextlib.ExitStack() as silence:
        if not progress:
            silence.enter_context(contextlib.redirect_stderr(io.StringIO()))
            silence.enter_context(contextlib.redirect_stdout(io.StringIO()))
        try:
            wanted.kind(root, download=True)
            failure: Exception | None = None
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            failure = error
    for file, md5 in (*wanted.packed.items(), *wanted.files.items()):
        if (root / file).exists() and _md5(root / file) != md5:
            raise OSError(f"{file.name} arrived damaged: its MD5 is {_md5(root / file)}, not {md5}")
    if failure is not None:
        raise OSError(_short(failure))


@contextlib.contextmanager
def _aside(root: Path) -> Iterator[Path]:
    """A folder in the cache folder that is gone afterwards, as are those that killed processes left behind."""
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob("download-*"):
        if time.time() - left.stat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=root) as aside:
        yield Path(aside)


def read(wanted: Download, root: Path) -> Pictures:
    """The pictures in these files, once every file is known to be whole. CIFAR's are pickles: never read unchecked.

    Raises ValueError that names the damaged file.
    """
    for file, md5 in wanted.files.items():
        if _md5(root / file) != md5:
            raise ValueError(
                f"load: {wanted.name}: {root / file} is damaged (its MD5 is not {md5}); remove it, and it is "
                "unpacked or downloaded again"
            )
    train, test = (wanted.kind(root, train=train) for train in (True, False))
    parts = [np.asarray(part.data) for part in (train, test)]
    images = stacked([part if part.ndim == 4 else part[..., None] for part in parts])
    labels = np.concatenate([np.asarray(part.targets, np.int64) for part in (train, test)])
    return Pictures(images, labels, tuple(train.classes), test=len(parts[1]))


def _by_hand(wanted: Download, root: Path) -> str:
    names = ", ".join(file.name for file in wanted.packed)
    there = [root / file for file, md5 in wanted.packed.items() if _md5(root / file) not in (md5, None)]
    damaged = f" (damaged and to be replaced: {', '.join(map(str, there))})" if there else ""
    return f"put {names} in {(root / next(iter(wanted.packed))).parent}{damaged}"


def _md5(path: Path) -> str | None:
    """The checksum of a file; None where there is none."""
    from torchvision.datasets.utils import calculate_md5

    return calculate_md5(path) if path.is_file() else None


def _short(error: BaseException) -> str:
    """The last reason in a chain of them, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
