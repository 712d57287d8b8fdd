"""Names, .npz files, folders of pictures and digits: nothing lost, nothing mixed up, and every fault in a sentence."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as runs
from hypothesis import strategies as st
from PIL import Image

from cnnlab.run import data, glyphs


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def arrays(**changed: Any) -> dict[str, np.ndarray]:
    """What a good .npz file holds: 40 training and 12 test pictures of 3 classes; None takes an array out."""
    good = {
        "x_train": noise(40, 16, 16, 3, seed=1),
        "y_train": np.arange(40) % 3,
        "x_test": noise(12, 16, 16, 3, seed=2),
        "y_test": np.arange(12) % 3,
        "classes": np.array(["ant", "bee", "cat"]),
    }
    return {name: array for name, array in {**good, **changed}.items() if array is not None}


def saved(path: Path, **changed: Any) -> Path:
    np.savez(path, **arrays(**changed))
    return path


def pairs(part: data.Split) -> Counter[tuple[bytes, int]]:
    images = part.images.permute(0, 2, 3, 1).numpy()
    return Counter((image.tobytes(), int(label)) for image, label in zip(images, part.labels, strict=True))


def given_pairs(images: np.ndarray, labels: np.ndarray) -> Counter[tuple[bytes, int]]:
    """Oracle: the same pairs straight from the arrays (N, H, W, 3)."""
    return Counter((image.tobytes(), int(label)) for image, label in zip(images, labels.ravel(), strict=True))


# ---- .npz files


@runs(max_examples=60)
@given(
    counts=st.tuples(st.integers(5, 40), st.integers(0, 12), st.integers(1, 12)),
    size=st.tuples(st.integers(8, 13), st.integers(8, 13)),
    form=st.sampled_from(["rgb", "grey", "grey, one channel"]),
    labels=st.sampled_from([np.int64, np.uint8, np.int32]),
    column=st.booleans(),
    named=st.booleans(),
)
def test_every_picture_of_a_file_arrives_once_with_its_label(
    counts: tuple[int, int, int],
    size: tuple[int, int],
    form: str,
    labels: type,
    column: bool,
    named: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tail = {"rgb": (3,), "grey": (), "grey, one channel": (1,)}[form]
    train, val, test = (noise(n, *size, *tail, seed=seed) for seed, n in enumerate(counts))
    kinds = [(np.arange(n) % 2).astype(labels).reshape((n, 1) if column else n) for n in counts]
    whole: dict[str, np.ndarray] = {"x_train": train, "y_train": kinds[0], "x_test": test, "y_test": kinds[2]}
    whole |= {"x_val": val, "y_val": kinds[1]} if counts[1] else {}
    whole |= {"classes": np.array(["no", "yes"]), "remark": np.arange(3)} if named else {}
    path = tmp_path_factory.mktemp("npz") / "my.own.npz"
    np.savez(path, **whole)  # type: ignore[arg-type]

    found = data.load(path)
    side = min(size)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    seen = [
        np.broadcast_to(x.reshape(*x.shape[:3], *(tail or (1,))), (*x.shape[:3], 3))[
            :, top : top + side, left : left + side
        ]
        for x in (train, val, test)
    ]
    assert (found.name, found.resolution, found.classes) == ("my.own", side, ("no", "yes") if named else ("0", "1"))
    assert pairs(found.test) == given_pairs(seen[2], kinds[2])
    if counts[1]:
        assert pairs(found.train) == given_pairs(seen[0], kinds[0])
        assert pairs(found.validation) == given_pairs(seen[1], kinds[1])
    else:
        assert pairs(found.train) + pairs(found.validation) == given_pairs(seen[0], kinds[0])
        assert len(found.validation) == max(1, round(counts[0] / 8))
    for part in (found.train, found.validation, found.test):
        assert part.images.dtype == torch.uint8 and part.labels.dtype == torch.int64
        assert part.images.is_contiguous()


@pytest.mark.parametrize("tail", [(3,), ()], ids=["rgb", "grey"])
@pytest.mark.parametrize("resolution", [8, 11, 15])
def test_files_are_shrunk_with_antialiasing(tail: tuple[int, ...], resolution: int, tmp_path: Path) -> None:
    """Oracle: Pillow's bilinear resize."""
    pictures = noise(12, 16, 16, *tail)
    train = {"x_train": noise(40, 16, 16, *tail), "y_train": np.arange(40) % 12, "classes": None}
    path = saved(tmp_path / "a.npz", **train, x_test=pictures, y_test=np.arange(12))
    found = data.load(path, resolution=resolution).test
    assert found.images.shape == (12, 3, resolution, resolution)
    for image, label in zip(found.images, found.labels, strict=True):
        theirs = Image.fromarray(pictures[label]).resize((resolution, resolution), Image.Resampling.BILINEAR)
        assert np.abs(image.permute(1, 2, 0).numpy().astype(int) - np.asarray(theirs.convert("RGB"))).max() <= 1


def test_limit_keeps_the_shares_of_the_classes_in_every_split(tmp_path: Path) -> None:
    """Sorted by class, as files often are: the first ones would all be of one class."""
    labels = np.repeat([0, 1, 2], [80, 160, 240])
    path = saved(tmp_path / "a.npz", x_train=noise(480, 8, 8, 3), y_train=labels, x_test=noise(480, 8, 8, 3),
                 y_test=labels, x_val=noise(480, 8, 8, 3), y_val=labels)  # fmt: skip
    found = data.load(path, limit=48)
    for part in (found.train, found.validation, found.test):
        counts = torch.bincount(part.labels, minlength=3).tolist()
        assert len(part) == 48 and all(abs(count - n) <= 1 for count, n in zip(counts, (8, 16, 24), strict=True))


class Trap:
    """What it does when it is unpickled would be seen."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("unpickled",)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "a.npz", classes=np.array([Trap(), "bee", "cat"], dtype=object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap()))
    for name in (path, tmp_path / "b.npz"):
        with pytest.raises(ValueError, match=f"{name.name} is damaged or no .npz file"):
            data.load(name)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("harm", ["truncated", "flipped", "empty", "text", "array"])
def test_a_damaged_file_is_named(harm: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz")
    whole = path.read_bytes()
    flipped = whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]
    path.write_bytes(
        {"truncated": whole[:-3000], "flipped": flipped, "empty": b"", "text": b"x_train"}.get(harm, whole)
    )
    if harm == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"^load: .*a\.npz is damaged or no \.npz file .*; write it with numpy"):
        data.load(path)


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no x_train": ({"x_train": None}, ["lacks x_train;", "y_train"]),
    "no test set": ({"x_test": None, "y_test": None}, ["lacks x_test and y_test"]),
    "half a validation set": ({"x_val": noise(3, 16, 16, 3)}, ["lacks y_val"]),
    "lengths": ({"y_test": np.arange(11) % 3}, ["x_test has 12 pictures", "y_test has 11 labels"]),
    "nothing": ({"x_test": noise(0, 16, 16, 3), "y_test": np.arange(0)}, ["x_test has 0 pictures"]),
    "no dimension": ({"x_train": np.uint8(3)}, ["x_train has 0 pictures"]),
    "label too high": ({"y_test": np.arange(12) % 4}, ["y_test has the label 3", "from 0 to 2"]),
    "label below 0": ({"y_train": np.arange(40) % 3 - 1}, ["y_train has the label -1", "from 0 to 2"]),
    "unnamed from 1": ({"classes": None, "y_train": np.arange(40) % 3 + 1}, ["y_train", "from 1 to 3", "of 3 kinds"]),
    "unnamed gap": ({"classes": None, "y_train": np.arange(40) % 2 * 2}, ["y_train", "from 0 to 2", "of 2 kinds"]),
    "unnamed test label": ({"classes": None, "y_train": np.arange(40) % 2}, ["y_test has the label 2", "from 0 to 1"]),
    "labels are text": ({"y_train": np.array(["ant"] * 40)}, ["y_train is <U3 (40,)", "whole numbers"]),
    "labels are reals": ({"y_train": np.zeros(40)}, ["y_train is float64 (40,)", "whole numbers"]),
    "one-hot labels": ({"y_train": np.eye(40, 3, dtype=int)}, ["y_train is int64 (40, 3)"]),
    "classes are numbers": ({"classes": np.arange(3)}, ["classes is int64 (3,)", "strings"]),
    "no classes": ({"classes": np.array([], dtype="U1")}, ["classes is <U1 (0,)"]),
    "pictures are reals": ({"x_train": np.zeros((40, 16, 16, 3))}, ["x_train is float64", "uint8"]),
    "channels first": ({"x_train": noise(40, 3, 16, 16)}, ["x_train is uint8 (40, 3, 16, 16)", "(N, H, W, 3)"]),
    "four channels": ({"x_test": noise(12, 16, 16, 4)}, ["x_test is uint8 (12, 16, 16, 4)"]),
    "flat": ({"x_test": noise(12, 256)}, ["x_test is uint8 (12, 256)"]),
    "two sizes": ({"x_test": noise(12, 17, 17, 3)}, ["x_test are (17, 17, 3)", "x_train (16, 16, 3)"]),
    "two depths": ({"x_test": noise(12, 16, 16)}, ["x_test are (16, 16)", "x_train (16, 16, 3)"]),
    "tiny": ({"x_train": noise(40, 9, 7, 3), "x_test": noise(12, 9, 7, 3)}, ["(9, 7) px", "8 x 8 at least"]),
    "few": ({"x_train": noise(4, 16, 16, 3), "y_train": np.arange(4) % 3}, ["4 training pictures", "at least 5"]),
}


@pytest.mark.parametrize(("changed", "words"), WRONG.values(), ids=WRONG)
def test_a_file_that_is_not_as_it_should_be_is_answered_with_a_sentence(
    changed: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"^load: .*wrong\.npz") as caught:
        data.load(saved(tmp_path / "wrong.npz", **changed))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_another_resolution_does_not_read_the_file_again_and_another_content_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load = saved(tmp_path / "a.npz"), np.load
    first = data.load(path)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("read again"))
    assert data.load(path, resolution=8).resolution == 8
    monkeypatch.setattr(np, "load", load)
    saved(path, x_test=noise(12, 16, 16, 3, seed=9))
    os.utime(path, ns=(1, 1))
    assert pairs(data.load(path).test) != pairs(first.test)


def test_what_is_loaded_is_the_callers_own(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz")
    before = pairs(data.load(path).train)
    spoilt = data.load(path).train
    spoilt.images.zero_()
    spoilt.labels.zero_()
    assert pairs(data.load(path).train) == before


# ---- digits


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), data.load("digits")
    white = (theirs.data.reshape(-1, 8, 8, 1) * 255 / 16 + 0.5).astype(np.uint8)
    whole = given_pairs(np.broadcast_to(white, (1797, 8, 8, 3)), theirs.target)
    assert pairs(ours.train) + pairs(ours.validation) + pairs(ours.test) == whole
    assert repr(ours) == "Data('digits', resolution=8, classes=10, train=1347, validation=225, test=225)"
    assert ours.classes == tuple("0123456789")


# ---- folders of pictures


def filled(root: Path, pictures: dict[str, np.ndarray]) -> Path:
    """Write pictures, path below the root -> (H, W, 3) or (H, W)."""
    for name, pixels in pictures.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name)
    return root


def moved(root: Path, part: str, *more: str) -> None:
    """The classes into a folder of their own, and more folders beside it."""
    for kind in ("ant", "bee"):
        shutil.move(root / kind, root / part / kind)
    for path in more:
        (root / path).mkdir(parents=True)


def ants_and_bees(root: Path, count: int = 20, side: int = 16) -> Path:
    """Pictures 0, 2, 4, ... are of ants, the others of bees; picture k is noise of seed k."""
    return filled(root, {f"{('ant', 'bee')[k % 2]}/{k:03}.png": noise(side, side, 3, seed=k) for k in range(count)})


def test_a_folder_gives_what_a_file_of_the_same_pictures_gives(tmp_path: Path) -> None:
    """Down to the order: a class's pictures come sorted by name, the classes one after the other."""
    root = ants_and_bees(tmp_path / "insects")
    pictures = np.stack([noise(16, 16, 3, seed=k) for k in [*range(0, 20, 2), *range(1, 20, 2)]])
    own = {"x_val": pictures[:4], "y_val": np.repeat([0, 1], 2), "x_test": pictures[4:7], "y_test": np.array([1, 1, 0])}
    train = {"x_train": pictures, "y_train": np.repeat([0, 1], 10), "classes": np.array(["ant", "bee"])}
    path = saved(tmp_path / "insects.npz", **train, **own)
    for part in ("val", "test"):
        for k, (x, y) in enumerate(zip(own[f"x_{part}"], own[f"y_{part}"], strict=True)):
            filled(tmp_path / "parts" / part, {f"{('ant', 'bee')[y]}/{k}.png": x})
    shutil.copytree(root, tmp_path / "parts" / "train")
    for resolution in (16, 9):
        file, parts = (data.load(name, resolution=resolution, progress=False) for name in (path, tmp_path / "parts"))
        assert torch.equal(file.train.images, parts.train.images) and torch.equal(file.train.labels, parts.train.labels)
        assert pairs(file.validation) == pairs(parts.validation) and pairs(file.test) == pairs(parts.test)
    alone = data.load(root, resolution=16, progress=False)
    whole = given_pairs(pictures, np.repeat([0, 1], 10))
    assert pairs(alone.train) + pairs(alone.validation) + pairs(alone.test) == whole
    assert repr(alone) == "Data('insects', resolution=16, classes=2, train=16, validation=2, test=2)"
    assert alone.classes == ("ant", "bee") and parts.name == "parts"


def test_classes_and_pictures_are_those_of_torchvisions_image_folder(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    from cnnlab.run.sources.folder import folder

    root = ants_and_bees(tmp_path)
    filled(root, {name: noise(9, 9, 3) for name in ("bee/queen/1.png", "bee/2.JPG", "Cat/a.bmp", "ant/x/y.webp")})
    (root / "ant" / "notes.txt").write_text("no picture")
    theirs, ours = ImageFolder(str(root)), folder(root)
    assert ours.classes == tuple(theirs.classes)
    assert [(str(file), int(label)) for file, label in zip(ours.files, ours.labels, strict=True)] == theirs.samples
    (root / ".ipynb_checkpoints").mkdir()  # which ImageFolder takes for an empty class
    filled(root, {"ant/.trash/1.png": noise(9, 9, 3), "ant/._1.png": noise(9, 9, 3)})
    assert folder(root).files == ours.files


FORMS: dict[str, tuple[str, Callable[[], Image.Image]]] = {
    "wide": ("png", lambda: Image.fromarray(noise(20, 31, 3))),
    "tall": ("png", lambda: Image.fromarray(noise(40, 17, 3))),
    "grey": ("png", lambda: Image.fromarray(noise(24, 24))),
    "palette": ("png", lambda: Image.fromarray(noise(24, 24, 3)).quantize(16)),
    "transparent": ("png", lambda: Image.fromarray(noise(24, 24, 4))),
    "black and white": ("png", lambda: Image.fromarray(noise(24, 24)).convert("1")),
    "jpeg": ("jpg", lambda: Image.fromarray(noise(33, 24, 3))),
    "smaller": ("png", lambda: Image.fromarray(noise(9, 8, 3))),
    "large": ("png", lambda: Image.fromarray(noise(200, 300, 3))),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_picture_is_cropped_to_its_centre_and_brought_to_the_resolution(form: str, tmp_path: Path) -> None:
    """Oracle: Pillow's crop and bilinear resize."""
    kind, make = FORMS[form]
    root = ants_and_bees(tmp_path / "a")
    moved(root, "train", "test/ant")
    make().save(root / "test" / "ant" / f"one.{kind}")
    (ours,) = data.load(root, resolution=12, progress=False).test.images
    theirs = Image.open(root / "test" / "ant" / f"one.{kind}").convert("RGB")
    side = min(theirs.size)
    left, top = (theirs.width - side) // 2, (theirs.height - side) // 2
    theirs = theirs.crop((left, top, left + side, top + side)).resize((12, 12), Image.Resampling.BILINEAR)
    assert np.abs(ours.permute(1, 2, 0).numpy().astype(int) - np.asarray(theirs)).max() <= 1


def test_a_photograph_stands_upright(tmp_path: Path) -> None:
    """A camera writes how it was held into EXIF's tag 0x0112; 6: the top of the scene is at the right."""
    root, exif = ants_and_bees(tmp_path), Image.Exif()
    scene = np.zeros((32, 32, 3), np.uint8)
    scene[:8] = 250
    exif[0x0112] = 6
    shutil.rmtree(root / "bee")
    (root / "bee").mkdir()
    for k in range(8):
        Image.fromarray(np.rot90(scene)).save(root / "bee" / f"{k}.png", exif=exif)
    found = data.load(root, resolution=32, progress=False).train
    bees = found.images[found.labels == 1]
    assert torch.equal(bees, torch.from_numpy(scene).permute(2, 0, 1).expand_as(bees))


def test_a_folder_is_brought_to_64_px_unless_told_otherwise(tmp_path: Path) -> None:
    found = data.load(str(ants_and_bees(tmp_path, side=80)), limit=1, progress=False)
    assert found.resolution == 64 and found.train.images.shape == (1, 3, 64, 64)


def test_limit_decodes_no_more_than_it_keeps(tmp_path: Path) -> None:
    root = ants_and_bees(tmp_path)
    train = data.split(np.repeat([0, 1], 10))[0]
    last = [f"{('ant', 'bee')[k // 10]}/{k % 10 * 2 + k // 10:03}.png" for k in train.tolist()][-1]
    (root / last).write_bytes(b"no picture")
    assert len(data.load(root, limit=15, resolution=8, progress=False).train) == 15
    with pytest.raises(ValueError, match=last):
        data.load(root, limit=16, resolution=8, progress=False)


def test_reading_a_folder_shows_its_progress(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = ants_and_bees(tmp_path)
    data.load(root, resolution=8, progress=False)
    assert capfd.readouterr() == ("", "")
    data.load(root, resolution=8)
    out, err = capfd.readouterr()
    assert out == "" and "reading" in err and "16/16" in err


def no_classes(root: Path) -> None:
    for kind in ("ant", "bee"):
        shutil.rmtree(root / kind)


def truncated(root: Path) -> None:
    Image.fromarray(noise(200, 200, 3)).save(root / "ant" / "000.jpg")
    (root / "ant" / "000.jpg").write_bytes((root / "ant" / "000.jpg").read_bytes()[:2000])


WRONG_FOLDERS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "no classes": (no_classes, ["has no folders in it", "each class in a folder"]),
    "an empty class": (lambda root: (root / "cow").mkdir(), ["no picture in cow", "must go"]),
    "no picture": (lambda root: (root / "bee" / "001.png").write_bytes(b"PNG"), ["bee/001.png", "repair or remove"]),
    "half a picture": (truncated, ["ant/000.jpg", "repair or remove"]),
    "7 pixels": (lambda root: filled(root, {"ant/0.png": noise(7, 99, 3)}), ["ant/0.png is 99 x 7 px", "8 x 8"]),
    "16 bits": (
        lambda root: filled(root, {"ant/0.png": noise(16, 16).astype(np.uint16)}),
        ["ant/0.png", "more than 8 bits", "I;16"],
    ),
    "valid": (
        lambda root: moved(root, "train", "valid/ant"),
        ["the folders train, valid", "train and", "val and test"],
    ),
    "no train": (lambda root: moved(root, "test"), ["the folders test", "train and"]),
    "unknown class": (lambda root: moved(root, "train", "test/cow"), ["test has the classes cow"]),
    "empty test": (lambda root: moved(root, "train", "test/ant"), ["test has no pictures"]),
    "empty val": (lambda root: moved(root, "train", "val"), ["val has no pictures"]),
}


@pytest.mark.parametrize(("harm", "words"), WRONG_FOLDERS.values(), ids=WRONG_FOLDERS)
def test_a_folder_that_is_not_as_it_should_be_is_answered_with_a_sentence(
    harm: Callable[[Path], Any], words: list[str], tmp_path: Path
) -> None:
    root = ants_and_bees(tmp_path / "insects")
    harm(root)
    with pytest.raises(ValueError, match=r"^load: .*insects") as caught:
        data.load(root, resolution=8, progress=False)
    assert all(word in str(caught.value) for word in words), str(caught.value)


# ---- names and paths


def test_a_path_may_be_text_or_a_path_relative_or_of_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ants_and_bees(tmp_path / "insects")
    saved(tmp_path / "insects.v2.npz")
    monkeypatch.chdir(tmp_path / "insects")
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = [".", Path("../insects"), "../insects/", "ant/..", "~/insects", "../insects.v2.npz", "~/insects.v2.npz"]
    names = [data.load(path, resolution=8, limit=1, progress=False).name for path in paths]
    assert names == [*["insects"] * 5, *["insects.v2"] * 2]


def test_a_built_in_name_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ants_and_bees(tmp_path / "digits")
    assert len(data.load("digits").classes) == 10
    assert data.load("./digits", progress=False).classes == data.load(Path("digits"), progress=False).classes


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("mnist", ValueError, ["'mnist'", "'fashion_mnist'", "'cifar100'", "path of a folder or a .npz file"]),
        (None, ValueError, ["None", "'glyphs'"]),
        (["digits"], ValueError, ["['digits']", "'glyphs'"]),
        ("missing.npz", FileNotFoundError, ["missing.npz", "no such file or folder"]),
        ("missing/pictures", FileNotFoundError, ["missing/pictures", "no such file or folder"]),
        ("there.zip", ValueError, ["there.zip", "neither a folder nor a .npz file"]),
    ],
)
def test_what_is_no_data_set_is_answered_with_a_sentence(
    name: Any, error: type[Exception], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.zip").write_bytes(b"PK")
    for ask in (data.load, data.fingerprint):
        with pytest.raises(error, match=r"^load: name=") as caught:
            ask(name)
        assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("name", "resolution", "words"),
    [
        ("digits", 9, ["resolution=9", "from 8 to 8", "enlarging adds no information"]),
        ("fashion_mnist", 29, ["resolution=29", "from 8 to 28", "enlarging adds no information"]),
        ("cifar100", 33, ["resolution=33", "from 8 to 32", "enlarging adds no information"]),
        ("a.npz", 17, ["resolution=17", "from 8 to 16", "enlarging adds no information"]),
        ("a.npz", 7, ["resolution=7", "8 or more"]),
        (".", 7, ["resolution=7", "8 or more"]),
    ],
)
def test_a_resolution_that_a_source_has_not_is_refused(
    name: str, resolution: int, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(Path("a.npz"))
    with pytest.raises(ValueError) as caught:
        data.load(name, resolution=resolution, cache=tmp_path)
    assert all(word in str(caught.value) for word in words), str(caught.value)


# ---- fingerprints


def test_fingerprints_of_built_in_data_are_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("digits", "fashion_mnist", "cifar10", "cifar100")
    assert tuple(map(data.fingerprint, names)) == names
    monkeypatch.setattr(glyphs, "VERSION", 7)
    assert data.fingerprint("glyphs") == "glyphs-7"


def test_a_files_fingerprint_is_its_name_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path / "ants.npz")
    first = data.fingerprint(path)
    assert first == f"ants-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"
    os.utime(path, (0, 0))
    assert data.fingerprint(shutil.copy(path, tmp_path / "bees.npz")) == first.replace("ants", "bees")
    saved(path, y_test=(np.arange(12) + 1) % 3)
    assert data.fingerprint(str(path)) not in (first, data.fingerprint(tmp_path / "bees.npz"))


def test_a_folders_fingerprint_changes_exactly_when_its_pictures_do(tmp_path: Path) -> None:
    def changed(change: Callable[[Path], object]) -> bool:
        """Whether a copy of the folder in another place, so changed, has another fingerprint."""
        copy = tmp_path / str(len(list(tmp_path.iterdir()))) / "insects"
        shutil.copytree(tmp_path / "insects", copy)
        change(copy)
        return data.fingerprint(copy) != first

    def forged(root: Path) -> None:
        """One picture that holds the name and the bytes of the next, which is gone."""
        one, two = root / "ant" / "000.png", root / "ant" / "002.png"
        one.write_bytes(one.read_bytes() + b"ant/002.png\0" + two.read_bytes())
        two.unlink()

    root = ants_and_bees(tmp_path / "insects")
    first = data.fingerprint(root)
    assert first.startswith("insects-") and len(first) == len("insects-") + 12
    assert not changed(lambda root: os.utime(root / "ant" / "000.png", (0, 0)))
    assert not changed(lambda root: (root / "readme.txt").write_text("of no matter"))
    assert changed(lambda root: (root / "ant" / "000.png").rename(root / "bee" / "000.png"))
    assert changed(lambda root: (root / "bee").rename(root / "bug"))
    assert changed(lambda root: (root / "ant" / "000.png").unlink())
    assert changed(lambda root: shutil.copy(root / "ant" / "000.png", root / "ant" / "002.png"))
    assert changed(lambda root: moved(root, "train"))
    assert changed(forged)
