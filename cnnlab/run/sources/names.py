"""From a name, or a path, to its source; and `fingerprint`, under which what was measured is filed.

A new data set is a function that gives a `Source`, and a line in `find` and `side`.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from cnnlab.run import glyphs
from cnnlab.run.sources.digits import SIDE, digits
from cnnlab.run.sources.downloads import downloads, fetch, read
from cnnlab.run.sources.folder import folder
from cnnlab.run.sources.npz import npz
from cnnlab.run.sources.pictures import Pictures, Source
from cnnlab.run.sources.rendered import rendered

Stamp = tuple[str, int, int]
"""A file's path, the time of its last change (ns) and its size (bytes): when they stay, so does what was read."""


def find(name: str | os.PathLike[str], cache: Path, *, download: bool, progress: bool) -> Source:
    """The source of that name, or in that file. The last one read stays in memory, for other resolutions of it."""
    if name == "glyphs":
        return rendered(glyphs.Settings(), cache, progress=progress)
    if name == "digits":
        return digits()
    if name in downloads():
        wanted = downloads()[str(name)]()
        fetch(wanted, cache, download=download, progress=progress)
        return _kept(wanted.name, cache, tuple(_stamp(cache / file) for file in wanted.files))
    path = place(name)
    return folder(path) if path.is_dir() else _kept(None, path, (_stamp(path),))


def side(name: str | os.PathLike[str]) -> int | None:
    """The pixels per side of a built-in data set, without reading it; None for a file or folder.

    Raises ValueError, or FileNotFoundError, for what is neither.
    """
    known = {"glyphs": glyphs.Settings().size, "digits": SIDE, "fashion_mnist": 28, "cifar10": 32, "cifar100": 32}
    if isinstance(name, str) and name in known:
        return known[name]
    place(name)
    return None


def place(name: str | os.PathLike[str]) -> Path:
    """The file or folder that `name` is the path of."""
    names = ", ".join(map(repr, ("glyphs", "digits", *downloads())))
    rule = f"name must be {names}, or the path of a folder or a .npz file"
    if not isinstance(name, (str, os.PathLike)):
        raise ValueError(f"load: name={name!r}: {rule}")
    path = Path(name).expanduser()
    if path.is_dir() or (path.suffix == ".npz" and path.is_file()):
        return path
    if path.exists():
        raise ValueError(f"load: name={os.fspath(name)!r} is neither a folder nor a .npz file; {rule}")
    if path.suffix or len(path.parts) > 1:
        raise FileNotFoundError(f"load: name={os.fspath(name)!r}: there is no such file or folder; {rule}")
    raise ValueError(f"load: name={name!r}: {rule}")


def title(name: str | os.PathLike[str]) -> str:
    """What a data set is called: its name, the name of its folder, or that of its file without .npz.

    >>> title("digits")
    'digits'
    """
    if side(name) is not None:
        return str(name)
    path = Path(os.path.abspath(place(name)))  # so that "." has a name
    return path.name if path.is_dir() else path.stem


def fingerprint(name: str | os.PathLike[str]) -> str:
    """A short text that changes exactly when the pictures of a source change; what was measured is filed under it.

    A built-in data set: its name, and for glyphs the version of the renderer.  A file or folder: what it is called, and
    the first 12 hexadecimal digits of a SHA-256: of the file's bytes, or of the path (below the folder), the length and
    the bytes of each picture in it.

    >>> fingerprint("glyphs"), fingerprint("cifar10")
    ('glyphs-2', 'cifar10')
    """
    if side(name) is not None:
        return f"glyphs-{glyphs.VERSION}" if name == "glyphs" else str(name)
    path = place(name)
    files = sorted(folder(path).files) if path.is_dir() else [path]
    return f"{title(name)}-{_digest(path.absolute(), tuple(map(_stamp, files)))}"


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return str(path.absolute()), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1)
def _kept(name: str | None, path: Path, stamps: tuple[Stamp, ...]) -> Pictures:
    """Read a .npz file (no name), or what `fetch` put into the cache folder; the same stamps are read once."""
    return npz(path) if name is None else read(downloads()[name](), path)


@lru_cache(maxsize=8)
def _digest(root: Path, stamps: tuple[Stamp, ...]) -> str:
    """The start of the SHA-256 of a file, or of the files below a folder; the same stamps are read once."""
    together = hashlib.sha256()
    for path, _, size in stamps:
        if path != str(root):
            together.update(f"{Path(path).relative_to(root).as_posix()}\0{size}\0".encode())
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                together.update(block)
    return together.hexdigest()[:12]
