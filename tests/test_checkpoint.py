"""fit's checkpoint: interrupted, killed or done, the same call gives what an uninterrupted run gives, bit for bit."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
import pickle
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cnnlab.run import checkpoint as module
from cnnlab.run.data import Data, Split
from cnnlab.run.recipe import Recipe
from cnnlab.run.train import fit
from tests.ramps import CLASSES, equal, ramps, small

SGD = Recipe(epochs=4, batch=50, lr=0.1)
ADAMW = Recipe(epochs=4, batch=40, optimizer="adamw", schedule="constant", lr=0.003, augment="shift+flip", seed=3)
SHORT = Recipe(epochs=2, batch=20, lr=0.05)
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def data() -> Data:
    """200 images: 4 steps of 50."""
    return ramps(200)


@pytest.fixture(scope="module")
def few() -> Data:
    """40 images, the same in each split: for what is about the file and not about the training."""
    first = ramps(40).train
    return Data("few", 16, CLASSES, first, first, first)


def tiny(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))


def at_step(model: nn.Module, step: int, act: Callable[[], object]) -> list[int]:
    """Do something when a training step begins, the first being 1; the list grows with every step."""
    seen: list[int] = []

    def hook(layer: nn.Module, images: tuple[Tensor, ...]) -> None:
        if layer.training and not images[0].is_meta:  # the memory check runs a stand-in on meta tensors
            seen.append(len(seen) + 1)
            if len(seen) == step:
                act()

    model.register_forward_pre_hook(hook)
    return seen


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def epochs_in(path: Path) -> int:
    """Read as anyone can: tensors, numbers and text, no code."""
    return len(torch.load(path, weights_only=True)["state"]["epochs"])


# ---- going on


@pytest.mark.parametrize(
    ("recipe", "dropout"),
    [(SGD, 0.3), (ADAMW, 0.3), (dataclasses.replace(SGD, precision="bfloat16", normalize="image", momentum=0.0), 0.0)],
    ids=["sgd, one-cycle, dropout", "adamw, constant, flips, dropout", "bfloat16, no momentum"],
)
def test_ctrl_c_at_several_steps_then_the_end_is_an_uninterrupted_run(
    data: Data, tmp_path: Path, recipe: Recipe, dropout: float
) -> None:
    whole = small(dropout=dropout)
    expected = fit(whole, data, recipe, progress=False)
    assert expected.stopped is None
    path, done = tmp_path / "run.pt", 0
    for life, step in enumerate([1, 3, 5, 1, 7, 2]):  # steps of this life; an epoch has 4 or 5
        model = small(dropout=dropout, seed=life)  # other weights each time but the first: they come from the file
        at_step(model, step, ctrl_c)
        history = fit(model, data, recipe, progress=False, checkpoint=path)
        done += (step - 1) // math.ceil(200 / recipe.batch)
        assert history.stopped == "interrupted" and epochs_in(path) == done
        assert history.epochs == expected.epochs[:done] and not model.training
    last = small(dropout=dropout, seed=99)
    assert fit(last, data, recipe, progress=False, checkpoint=path) == expected
    assert equal(last, whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_what_is_over_is_given_at_once(data: Data, tmp_path: Path) -> None:
    path, first = tmp_path / "run.pt", small(dropout=0.1)
    expected = fit(first, data, SGD, progress=False, checkpoint=path)
    assert expected == fit(small(dropout=0.1), data, SGD, progress=False)  # a checkpoint changes nothing
    before = path.read_bytes()
    second = small(dropout=0.1, seed=5)
    steps = at_step(second, 0, ctrl_c)
    again = fit(second, data, SGD, progress=False, checkpoint=os.fspath(path))
    assert again == expected and [e.seconds for e in again.epochs] == [e.seconds for e in expected.epochs]
    assert steps == [] and equal(first, second) and not second.training and path.read_bytes() == before


def test_a_diverged_run_stays_diverged(data: Data, tmp_path: Path) -> None:
    path, first, second = tmp_path / "run.pt", small(), small(seed=1)
    recipe = dataclasses.replace(SGD, lr=1e30)
    expected = fit(first, data, recipe, progress=False, checkpoint=path)
    assert expected.stopped is not None and "not a number" in expected.stopped
    steps = at_step(second, 0, ctrl_c)
    assert fit(second, data, recipe, progress=False, checkpoint=path) == expected
    assert steps == [] and equal(first, second)


def test_the_callers_random_numbers_are_left_alone(data: Data, tmp_path: Path) -> None:
    models = [small(dropout=0.5) for _ in range(2)]
    at_step(models[0], 6, ctrl_c)
    for model in models:
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        fit(model, data, SGD, progress=False, checkpoint=tmp_path / "run.pt")
        assert torch.equal(torch.rand(3), expected)


# ---- killed

KILLED = """
import dataclasses, json, os, random, sys, time
from pathlib import Path
import torch
from cnnlab.run import checkpoint
from cnnlab.run.recipe import Recipe
from cnnlab.run.train import fit
from tests.ramps import ramps, small

torch.optim.SGD([torch.zeros(1)], lr=1.0)  # the first one imports a second's worth of modules: not in every life
checkpoint.PERIOD = 0.0
path, recipe, data = Path(sys.argv[1]), Recipe(**json.loads(sys.argv[2])), ramps(200)

def train():
    fit(small(dropout=0.3, seed=os.getpid()), data, recipe, progress=False, checkpoint=path)
    os._exit(0)

def writes():
    return path.stat().st_ino if path.exists() else None  # every write is a new file

def waits(life, pid):
    # Every second life writes what it found, trains for at least an epoch, and writes again; the others may do nothing.
    seen, changes, deadline = writes(), 0, time.monotonic() + random.uniform(0, 0.2)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if life % 2 == 0 and time.monotonic() > deadline or changes == 2:
            time.sleep(random.uniform(0, 0.02))
            return False
        changes, seen = changes + (writes() != seen), writes()
        time.sleep(0.0005)
    return True

random.seed(int(sys.argv[3]))
kills = 0
for life in range(100):
    pid = os.fork() or train()
    if waits(life, pid):
        break
    os.kill(pid, 9)
    kills += os.waitpid(pid, 0)[1] == 9
print(kills)
"""


@pytest.mark.parametrize("recipe", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_killed_again_and_again_it_comes_to_the_same_end(data: Data, tmp_path: Path, recipe: Recipe) -> None:
    """SIGKILL at random moments until it is done. The lives are forks: python and torch start only once."""
    recipe = dataclasses.replace(recipe, epochs=8)
    whole, last = small(dropout=0.3), small(dropout=0.3, seed=9)
    expected = fit(whole, data, recipe, progress=False)
    path, first = tmp_path / "run.pt", small(dropout=0.3)
    at_step(first, 1, ctrl_c)
    fit(first, data, recipe, progress=False, checkpoint=path)  # the lives begin with other weights than those in here
    command = [sys.executable, "-c", KILLED, os.fspath(path), json.dumps(dataclasses.asdict(recipe)), "1"]
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    said = subprocess.run(command, capture_output=True, text=True, env=threads, cwd=ROOT, check=False)
    assert said.returncode == 0, said.stderr
    assert int(said.stdout) >= 4
    steps = at_step(last, 0, ctrl_c)
    assert fit(last, data, recipe, progress=False, checkpoint=path) == expected
    assert steps == [] and equal(last, whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


# ---- when it is written


def test_short_epochs_do_not_wait_for_the_disk_but_an_interrupt_writes(
    few: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, path = dataclasses.replace(SHORT, epochs=3), tmp_path / "run.pt"  # 2 steps an epoch
    for period, seen_in_step_6 in ((math.inf, 0), (0.0, 2)):
        monkeypatch.setattr(module, "PERIOD", period)
        path.unlink(missing_ok=True)
        model, found = tiny(), []
        at_step(model, 6, lambda: (found.append(epochs_in(path)), ctrl_c()))  # noqa: B023  # called at once
        assert fit(model, few, recipe, progress=False, checkpoint=path).stopped == "interrupted"
        assert found == [seen_in_step_6] and epochs_in(path) == 2


def test_an_error_in_the_model_loses_no_epoch(few: Data, tmp_path: Path) -> None:
    model, path = tiny(), tmp_path / "run.pt"

    def fail() -> None:
        raise RuntimeError("out of something")

    at_step(model, 4, fail)
    with pytest.raises(RuntimeError, match="out of something"):
        fit(model, few, SHORT, progress=False, checkpoint=path)
    assert epochs_in(path) == 1


def test_a_full_disk_is_said_and_leaves_the_last_checkpoint(
    few: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIOD", 0.0)
    path, model = tmp_path / "run.pt", tiny()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    at_step(model, 3, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1])))
    try:
        with pytest.raises(OSError, match=r"fit: the checkpoint .*run.pt cannot be written \(File too large\); give"):
            fit(model, few, SHORT, progress=False, checkpoint=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert epochs_in(path) == 1 and [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    assert fit(tiny(), few, SHORT, progress=False, checkpoint=path) == fit(tiny(), few, SHORT, progress=False)


def file_in_between(folder: Path) -> Path:
    (folder / "file").write_bytes(b"")
    return folder / "file" / "run.pt"


def closed(folder: Path) -> Path:
    folder.chmod(0o500)
    return folder / "run.pt"


@pytest.mark.parametrize(
    "place",
    [
        lambda folder: folder / "nowhere" / "run.pt",
        file_in_between,
        lambda folder: folder,
        lambda folder: Path("/proc/run.pt"),
        pytest.param(closed, marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")),
    ],
    ids=["no folder", "below a file", "a folder", "proc", "not allowed"],
)
def test_where_nothing_can_be_written_nothing_is_trained(
    few: Data, tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    model, before = tiny(), tiny()
    steps = at_step(model, 0, ctrl_c)
    with pytest.raises(OSError, match=r"^fit: the checkpoint .* cannot be (written|read) \(.*\)"):
        fit(model, few, SHORT, progress=False, checkpoint=place(tmp_path))
    assert steps == [] and equal(model, before)


# ---- what is refused


def refused(path: Path, call: Callable[[nn.Module], object], model: nn.Module) -> str:
    """The sentence, after it was made sure that neither file nor model were changed."""
    content, before, training = path.read_bytes(), copy.deepcopy(model), model.training
    with pytest.raises(ValueError) as caught:
        call(model)
    assert path.read_bytes() == content and equal(model, before) and model.training == training
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return str(caught.value)


@pytest.fixture
def kept(few: Data, tmp_path: Path) -> Path:
    """A checkpoint after the first of two epochs."""
    model = tiny()
    at_step(model, 3, ctrl_c)
    fit(model, few, SHORT, progress=False, checkpoint=tmp_path / "run.pt")
    return tmp_path / "run.pt"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lr": 0.06}, "another recipe (lr: 0.05 there, 0.06 here)"),
        ({"epochs": 3}, "another recipe (epochs: 2 there, 3 here)"),
        ({"augment": "none"}, "another recipe (augment: shift there, none here)"),
        ({"seed": 1, "batch": 10}, "another recipe (batch: 20 there, 10 here)"),
    ],
)
def test_another_recipe_is_refused(few: Data, kept: Path, change: dict, sentence: str) -> None:
    other = dataclasses.replace(SHORT, **change)
    assert sentence in refused(kept, lambda model: fit(model, few, other, progress=False, checkpoint=kept), tiny())


def test_an_equal_recipe_is_taken(few: Data, kept: Path) -> None:
    same = Recipe(epochs=2.0, batch=20, lr=torch.tensor(0.05, dtype=torch.float64).numpy()[()], weight_decay=5e-4)  # type: ignore[arg-type]
    assert same == SHORT
    expected = fit(tiny(), few, SHORT, progress=False)
    assert fit(tiny(), few, same, progress=False, checkpoint=kept) == expected


def one_pixel(split: Split) -> Split:
    images = split.images.clone()
    images[7, 1, 3, 4] += 1
    return Split(images, split.labels)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: {"name": "other"}, "another data set (name: few there, other here)"),
        (lambda d: {"classes": ("up", "down", "left", "so")}, "(classes: up, down, left, right there, up, down"),
        (lambda d: {"train": Split(d.train.images[:30], d.train.labels[:30])}, "training images: 40 there, 30 here)"),
        (lambda d: {"train": one_pixel(d.train)}, "another data set (the digest of images and labels: "),
        (lambda d: {"test": one_pixel(d.test)}, "another data set (the digest of images and labels: "),
        (lambda d: {"train": Split(d.train.images, d.train.labels.flip(0))}, "(the digest of images and labels: "),
    ],
    ids=["name", "classes", "size", "a training pixel", "a test pixel", "labels"],
)  # fmt: skip
def test_other_data_are_refused(few: Data, kept: Path, change: Callable[[Data], dict], sentence: str) -> None:
    other = dataclasses.replace(few, **change(few))
    assert sentence in refused(kept, lambda model: fit(model, other, SHORT, progress=False, checkpoint=kept), tiny())


def frozen(model: nn.Module) -> nn.Module:
    model[0].weight.requires_grad_(False)
    return model


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (nn.Sequential(nn.Conv2d(3, 5, 3), *tiny()[1:]), "0.weight: float32 (4, 3, 3, 3), trained there, float32 (5"),
        (nn.Sequential(*tiny()[:4], nn.Linear(4, 4, bias=False)), "bias=True) there, (4): Linear(in_features=4, out"),
        (frozen(tiny()), "(0.weight: float32 (4, 3, 3, 3), trained there, float32 (4, 3, 3, 3) here)"),
        (tiny().double(), "(0.weight: float32 (4, 3, 3, 3), trained there, float64 (4, 3, 3, 3), trained here)"),
        (nn.Sequential(*tiny()[:2], nn.AdaptiveMaxPool2d(1), *tiny()[3:]), "line 4 of print(model): (2): AdaptiveAvg"),
        (nn.Sequential(*tiny(), nn.Identity()), "print(model)"),
    ],
    ids=["width", "no bias", "frozen", "double", "other pooling", "one more"],
)  # fmt: skip
def test_another_model_is_refused(few: Data, kept: Path, model: nn.Module, sentence: str) -> None:
    said = refused(kept, lambda model: fit(model, few, SHORT, progress=False, checkpoint=kept), model)
    assert "the checkpoint of another model (" in said and sentence in said and "give another path" in said


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def trapped(path: Path) -> None:
    torch.save({"mark": module.MARK, "facts": {}, "state": Trap(path.parent / "trapped")}, path)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("epochs = 3\n"),
        lambda path: path.write_bytes(bytes(range(256)) * 20),
        lambda path: path.write_bytes(pickle.dumps({"state": 1})),
        zipped,
        trapped,
        lambda path: torch.save(tiny().state_dict(), path),
        lambda path: torch.save(tiny(), path),
        lambda path: torch.save({"mark": "cnnlab checkpoint, version 0", "facts": {}, "state": {}}, path),
        lambda path: torch.save([1, 2], path),
        lambda path: torch.save({"mark": module.MARK}, path),
        lambda path: torch.save({"mark": module.MARK, "facts": {"recipe": 1}, "state": 2}, path),
    ],
    ids=["empty", "text", "bytes", "pickle", "zip", "trap", "weights", "module", "older", "list", "bare", "odd"],
)
def test_a_file_that_is_no_checkpoint_is_refused(few: Data, tmp_path: Path, write: Callable[[Path], object]) -> None:
    path = tmp_path / "run.pt"
    write(path)
    said = refused(path, lambda model: fit(model, few, SHORT, progress=False, checkpoint=path), tiny())
    assert said.startswith(f"fit: {path} is ") and "it was left as it is: give another path" in said


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused(few: Data, kept: Path, share: float) -> None:
    content = kept.read_bytes()
    kept.write_bytes(content[: int(share * len(content))])
    said = refused(kept, lambda model: fit(model, few, SHORT, progress=False, checkpoint=kept), tiny())
    assert "is no checkpoint of fit, or is damaged" in said


@pytest.fixture(scope="module")
def finished(few: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("finished") / "run.pt"
    fit(tiny(), few, SHORT, progress=False, checkpoint=path)
    return path, path.read_bytes()


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=150)
def test_a_flipped_bit_is_found_or_changes_nothing(
    few: Data, finished: tuple[Path, bytes], where: float, bit: int
) -> None:
    """Padding and the like may flip; a number may not."""
    path, content = finished
    damaged = bytearray(content)
    damaged[int(where * len(content))] ^= 1 << bit
    path.write_bytes(damaged)
    model, untouched = tiny(seed=4), tiny(seed=4)
    try:
        history = fit(model, few, SHORT, progress=False, checkpoint=path)
    except ValueError as error:
        assert str(error).startswith("fit: ") and equal(model, untouched)
    else:
        path.write_bytes(content)
        whole = tiny()
        assert history == fit(whole, few, SHORT, progress=False, checkpoint=path) and equal(model, whole)


def test_a_state_that_is_no_data_is_refused_before_training(few: Data, tmp_path: Path) -> None:
    class Odd(nn.Sequential):
        def get_extra_state(self) -> object:
            return Trap(tmp_path / "trapped")

        def set_extra_state(self, state: object) -> None:
            pass

    model = Odd(*tiny())
    steps = at_step(model, 0, ctrl_c)
    with pytest.raises(ValueError, match=r"fit: the model's state dict holds .* cannot be kept"):
        fit(model, few, SHORT, progress=False, checkpoint=tmp_path / "run.pt")
    assert steps == [] and list(tmp_path.iterdir()) == []


# ---- GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("recipe", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_on_a_gpu_it_goes_on_as_if_nothing_had_been(data: Data, tmp_path: Path, recipe: Recipe) -> None:
    path, whole = tmp_path / "run.pt", small(dropout=0.3).cuda()
    expected = fit(whole, data, recipe, progress=False)
    for life, step in enumerate([3, 7]):
        model = small(dropout=0.3, seed=life).cuda()
        at_step(model, step, ctrl_c)
        fit(model, data, recipe, progress=False, checkpoint=path)
    last = small(dropout=0.3, seed=9).cuda()
    assert fit(last, data, recipe, progress=False, checkpoint=path) == expected and equal(last, whole)
    at_home = small(dropout=0.3)  # what a GPU has trained can be read without one
    assert fit(at_home, data, recipe, progress=False, checkpoint=path) == expected and equal(at_home, whole)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_gpu_began_a_cpu_can_end(data: Data, tmp_path: Path) -> None:
    path, model = tmp_path / "run.pt", small().cuda()
    at_step(model, 6, ctrl_c)
    fit(model, data, ADAMW, progress=False, checkpoint=path)
    history = fit(small(seed=1), data, ADAMW, progress=False, checkpoint=path)
    assert history.stopped is None and len(history.epochs) == ADAMW.epochs and history.test_accuracy > 40
