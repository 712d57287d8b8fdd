"""torchvision's data sets, served on the loopback: each file whole or refused, no pickle read unchecked."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torchvision

from cnnlab.run import data
from cnnlab.run.sources import downloads

NAMES = ("fashion_mnist", "cifar10", "cifar100")


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    """The format of MNIST's files: yann.lecun.com/exdb/mnist."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@dataclass
class Site:
    """A web server of these files (path -> bytes), the requests that it had, and how it behaves."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    address: str = ""
    cut: int | None = None  # send no more bytes of a file than that, then close
    stall: threading.Event | None = None  # or wait for this first


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, site: Site, *arguments: object) -> None:
        self.site = site
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.site.asked.append(self.path.lstrip("/"))
        content = self.site.files.get(self.site.asked[-1])
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.site.cut])
        if self.site.stall is not None:
            self.wfile.flush()
            self.site.stall.wait(60)

    def log_message(self, *_: object) -> None:
        """Not on standard error."""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site({})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, site)) as server:
        site.address = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Small:
    """A small data set in its true format: what it holds, what is served, and how torchvision is told of it."""

    train: tuple[np.ndarray, list[int]]  # images (N, S, S, 3), labels
    test: tuple[np.ndarray, list[int]]
    classes: tuple[str, ...]
    served: dict[str, bytes]
    settings: str  # lines of Python that follow `address = ...`


def fashion_mnist() -> Small:
    grey, labels = [noise(n, 28, 28, seed=n) for n in (40, 12)], [np.arange(n, dtype=np.uint8) % 10 for n in (40, 12)]
    plain = {}
    for part, x, y in zip(("train", "t10k"), grey, labels, strict=True):
        plain |= {f"{part}-images-idx3-ubyte": idx(x), f"{part}-labels-idx1-ubyte": idx(y)}
    served = {f"{name}.gz": gzip.compress(content) for name, content in plain.items()}
    settings = f"""
torchvision.datasets.FashionMNIST.mirrors = [address]
torchvision.datasets.FashionMNIST.resources = {[(name, md5(content)) for name, content in served.items()]}
downloads.FASHION_MNIST = { ({name: md5(content) for name, content in plain.items()}) }
"""
    names = "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle.boot".replace(".", " ")
    coloured = [np.repeat(x[..., None], 3, axis=3) for x in grey]
    classes = (*names.removesuffix(" Ankle boot").split(), "Ankle boot")
    return Small((coloured[0], labels[0].tolist()), (coloured[1], labels[1].tolist()), classes, served, settings)


def cifar(which: str, folder: str, key: str, batches: dict[str, int], meta: tuple[str, str]) -> Small:
    pictures = {name: noise(n, 3, 32, 32, seed=k) for k, (name, n) in enumerate(batches.items())}
    labels = {name: [int(v) % 4 for v in np.arange(n) + n] for name, n in batches.items()}
    classes = ("ant", "bee", "cat", "dog")
    inside = {name: pickle.dumps({"data": x.reshape(-1, 3072), key: labels[name]}) for name, x in pictures.items()}
    inside[meta[0]] = pickle.dumps({meta[1]: list(classes)})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        for name, content in inside.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    archive = f"{folder}.tar.gz"
    *train, test = batches
    settings = f"""
kind = torchvision.datasets.{which}
kind.url, kind.filename, kind.tgz_md5 = address + {archive!r}, {archive!r}, {md5(packed.getvalue())!r}
kind.train_list = {[[name, md5(inside[name])] for name in train]}
kind.test_list = {[[test, md5(inside[test])]]}
kind.meta = { ({"filename": meta[0], "key": meta[1], "md5": md5(inside[meta[0]])}) }
"""
    upright = {name: x.transpose(0, 2, 3, 1) for name, x in pictures.items()}
    whole = np.concatenate([upright[name] for name in train]), [label for name in train for label in labels[name]]
    return Small(whole, (upright[test], labels[test]), classes, {archive: packed.getvalue()}, settings)


MAKE = {
    "fashion_mnist": fashion_mnist,
    "cifar10": functools.partial(
        cifar, "CIFAR10", "cifar-10-batches-py", "labels", {"data_batch_1": 20, "data_batch_2": 20, "test_batch": 12},
        ("batches.meta", "label_names"),
    ),
    "cifar100": functools.partial(
        cifar, "CIFAR100", "cifar-100-python", "fine_labels", {"train": 40, "test": 12}, ("meta", "fine_label_names")
    ),
}  # fmt: skip


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def small(name: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> Small:
    """The data set on its site, and torchvision told of both; all is put back afterwards."""
    found = MAKE[name]()
    site.files.update(found.served)
    for kind in (getattr(torchvision.datasets, which) for which in ("FashionMNIST", "CIFAR10", "CIFAR100")):
        for what in ("mirrors", "resources", "url", "filename", "tgz_md5", "train_list", "test_list", "meta"):
            if hasattr(kind, what):
                monkeypatch.setattr(kind, what, getattr(kind, what))
    monkeypatch.setattr(downloads, "FASHION_MNIST", downloads.FASHION_MNIST)
    exec(found.settings, {"torchvision": torchvision, "downloads": downloads, "address": site.address})
    return found


def pairs(part: data.Split) -> Counter[tuple[bytes, int]]:
    images = part.images.permute(0, 2, 3, 1).numpy()
    return Counter((image.tobytes(), int(label)) for image, label in zip(images, part.labels, strict=True))


def all_there(found: data.Data, small: Small) -> bool:
    """Oracle: the arrays that were packed."""
    train, test = (
        Counter((image.tobytes(), label) for image, label in zip(*part, strict=True))
        for part in (small.train, small.test)
    )
    return pairs(found.train) + pairs(found.validation) == train and pairs(found.test) == test


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_downloaded_once_and_read_ever_after(name: str, small: Small, site: Site, tmp_path: Path) -> None:
    first = data.load(name, cache=tmp_path, progress=False)
    assert all_there(first, small)
    assert (first.name, first.classes, len(first.validation)) == (name, small.classes, 5)
    assert list(dict.fromkeys(site.asked)) == list(small.served)  # torchvision looks twice: is it elsewhere?
    asked = list(site.asked)
    for download in (True, False):
        assert all_there(data.load(name, cache=tmp_path, progress=False, download=download), small)
    half = data.load(name, resolution=first.resolution // 2, cache=tmp_path, download=False)
    assert half.train.images.shape[1:] == (3, first.resolution // 2, first.resolution // 2)
    assert site.asked == asked
    assert not list(tmp_path.glob("download-*"))


def test_what_torchvision_downloaded_is_used(name: str, small: Small, site: Site, tmp_path: Path) -> None:
    which = {"fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}[name]
    getattr(torchvision.datasets, which)(tmp_path, download=True)
    asked, before = list(site.asked), files(tmp_path)
    assert all_there(data.load(name, cache=tmp_path, progress=False), small)
    assert site.asked == asked and files(tmp_path) == before


@pytest.mark.parametrize("download", [True, False])
def test_files_put_there_by_hand_are_unpacked(
    download: bool, name: str, small: Small, site: Site, tmp_path: Path
) -> None:
    """Where the sentence says that they belong."""
    with pytest.raises(FileNotFoundError, match=f"^load: {name} is not in .*, or let download=True") as caught:
        data.load(name, cache=tmp_path, download=False)
    listed, place = str(caught.value).partition("; put ")[2].removesuffix(", or let download=True").split(" in ")
    assert listed.split(", ") == list(small.served)
    Path(place).mkdir(parents=True, exist_ok=True)
    for file, content in small.served.items():
        (Path(place) / file).write_bytes(content)
    assert all_there(data.load(name, cache=tmp_path, download=download, progress=False), small)
    assert not site.asked


def test_without_a_network_a_sentence_says_what_to_put_where(
    name: str, small: Small, site: Site, tmp_path: Path
) -> None:
    exec(small.settings, {"torchvision": torchvision, "downloads": downloads, "address": "http://127.0.0.1:9/"})
    with pytest.raises(
        OSError, match=rf"^load: {name} could not be downloaded \(.*refused.*\); connect once"
    ) as caught:
        data.load(name, cache=tmp_path, progress=False)
    assert all(file in str(caught.value) for file in small.served) and str(tmp_path) in str(caught.value)
    assert not files(tmp_path) and "\n" not in str(caught.value)


@pytest.mark.parametrize("harm", ["wrong", "cut", "missing"])
def test_a_download_that_fails_or_arrives_damaged_is_not_kept(
    harm: str, name: str, small: Small, site: Site, tmp_path: Path
) -> None:
    last = list(small.served)[-1]
    if harm == "wrong":
        site.files[last] = gzip.compress(b"another file")
    elif harm == "missing":
        del site.files[last]
    else:
        site.cut = 50
    words = {"missing": "404", "wrong": f"{last} arrived damaged: its MD5 is", "cut": "arrived damaged: its MD5 is"}[
        harm
    ]
    with pytest.raises(OSError, match=rf"^load: {name} could not be downloaded \(.*{words}.*\); connect once"):
        data.load(name, cache=tmp_path, progress=False)
    assert not files(tmp_path)
    site.files.update(small.served)
    site.cut = None
    assert all_there(data.load(name, cache=tmp_path, progress=False), small)


def test_a_damaged_file_is_named_and_never_read(name: str, small: Small, site: Site, tmp_path: Path) -> None:
    """One bit wrong, the last byte gone, empty: refused; and once the file is removed, all is well."""
    data.load(name, cache=tmp_path, progress=False)
    asked = list(site.asked)
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".gz"):
        whole = path.read_bytes()
        for damaged in (whole[:9] + bytes([whole[9] ^ 1]) + whole[10:], whole[:-1], b""):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=f"^load: {name}: {path} is damaged .*remove it"):
                data.load(name, cache=tmp_path, progress=False)
        path.unlink()
        assert all_there(data.load(name, cache=tmp_path, download=False, progress=False), small)
    assert site.asked == asked  # unpacked again from what was downloaded


def test_a_damaged_archive_is_named_or_downloaded_again(name: str, small: Small, site: Site, tmp_path: Path) -> None:
    place = tmp_path / "FashionMNIST" / "raw" if name == "fashion_mnist" else tmp_path
    place.mkdir(parents=True, exist_ok=True)
    last = list(small.served)[-1]
    for file, content in small.served.items():
        (place / file).write_bytes(content if file != last else content[:-1])
    with pytest.raises(FileNotFoundError, match=rf"damaged and to be replaced: {place / last}\)"):
        data.load(name, cache=tmp_path, download=False)
    assert all_there(data.load(name, cache=tmp_path, progress=False), small)
    assert set(site.asked) == {last}


def test_progress_is_drawn_or_not(name: str, small: Small, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data.load(name, cache=tmp_path / "a", progress=False)
    assert capfd.readouterr() == ("", "")
    data.load(name, cache=tmp_path / "b")
    assert "100%" in capfd.readouterr().err


CHILD = """
import sys
import torchvision
from cnnlab.run import data
from cnnlab.run.sources import downloads
address, settings = sys.argv[3], sys.argv[4]
exec(settings)
data.load(sys.argv[1], cache=sys.argv[2], progress=False)
"""


@pytest.mark.parametrize("name", ["fashion_mnist"])
def test_kill_9_while_downloading_leaves_nothing_that_is_read(
    name: str, small: Small, site: Site, tmp_path: Path
) -> None:
    site.cut, site.stall = 200, threading.Event()
    with subprocess.Popen([sys.executable, "-c", CHILD, name, tmp_path, site.address, small.settings]) as process:
        while len(site.asked) < 2 and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    site.stall.set()
    site.cut = site.stall = None
    left = list(tmp_path.iterdir())
    assert [path.name.startswith("download-") for path in left] == [True]
    os.utime(left[0], (0, 0))
    assert all_there(data.load(name, cache=tmp_path, progress=False), small)
    assert not left[0].exists()
