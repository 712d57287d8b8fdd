"""fit: it learns, repeats itself exactly, stops with a reason, and leaves the rest of torch as it was."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cnnlab.run import room, train
from cnnlab.run.data import Data, Split
from cnnlab.run.recipe import Epoch, History, Recipe
from cnnlab.run.train import fit

CLASSES = ("up", "down", "left", "right")


def small(classes: int = 4, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
        nn.Conv2d(24, 48, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(48, classes),
    ]  # fmt: skip
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def ramps() -> Data:
    """Images that grow lighter upwards, downwards, leftwards or rightwards, under noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=700)
    ramp = np.linspace(-40, 40, 16)
    rows, columns = np.meshgrid(ramp, ramp, indexing="ij")
    shapes = np.stack([-rows, rows, -columns, columns])
    images = 128 + shapes[labels][:, None] + rng.normal(0, 40, size=(700, 3, 16, 16))
    pixels, target = torch.from_numpy(images.clip(0, 255).astype(np.uint8)), torch.from_numpy(labels)
    parts = [Split(pixels[a:b], target[a:b]) for a, b in ((0, 500), (500, 600), (600, 700))]
    return Data("ramps", 16, CLASSES, *parts)


QUICK = Recipe(epochs=3, batch=50, lr=0.1)


def test_it_learns(ramps: Data) -> None:
    history = fit(small(), ramps, dataclasses.replace(QUICK, epochs=6), progress=False)
    assert history.test_accuracy > 80 and history.epochs[-1].validation_accuracy > 80  # chance is 25
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss
    assert history.stopped is None and [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4, 5, 6]
    assert all(epoch.seconds > 0 for epoch in history.epochs)


def test_the_accuracies_are_those_of_the_model_it_leaves(ramps: Data) -> None:
    """Oracle: normalise and count by hand."""
    model = small()
    history = fit(model, ramps, QUICK, progress=False)
    assert not model.training
    train_images = ramps.train.images.double()
    mean, spread = train_images.mean((0, 2, 3)), train_images.std((0, 2, 3))

    def percent(split: Split) -> float:
        images = (split.images.double() - mean[:, None, None]) / spread[:, None, None]
        with torch.no_grad():
            return 100 * float((model(images.float()).argmax(1) == split.labels).double().mean())

    assert history.test_accuracy == pytest.approx(percent(ramps.test), abs=1.01)  # one image of 100, by rounding
    assert history.epochs[-1].validation_accuracy == pytest.approx(percent(ramps.validation), abs=1.01)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_same_seed_repeats_every_figure_and_every_weight(ramps: Data, dropout: float) -> None:
    one, two = small(dropout=dropout), small(dropout=dropout)
    first = fit(one, ramps, QUICK, progress=False)
    torch.manual_seed(123)  # what the caller does with torch's own randomness does not matter
    assert fit(two, ramps, QUICK, progress=False) == first
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert fit(small(dropout=dropout), ramps, dataclasses.replace(QUICK, seed=1), progress=False) != first


def test_torch_is_left_as_it_was(ramps: Data) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    flags = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    model = small(dropout=0.5)
    torch.manual_seed(5)
    fit(model, ramps, QUICK, progress=False)
    assert torch.equal(torch.rand(3), expected)
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == flags
    assert torch.is_grad_enabled()


def test_the_data_are_left_as_they_were(ramps: Data) -> None:
    before = copy.deepcopy(ramps.train.images), ramps.train.labels.clone()
    fit(small(), ramps, QUICK, progress=False)
    assert torch.equal(ramps.train.images, before[0]) and torch.equal(ramps.train.labels, before[1])


# ---- augmentation


def test_shifts_move_whole_images_by_up_to_a_sixteenth() -> None:
    """Oracle: an image whose pixels hold their own row and column."""
    rows, columns = np.indices((32, 32))
    pixels = torch.from_numpy(np.stack([rows, columns, rows * 0], axis=-1).astype(np.uint8))[None].repeat(2, 1, 1, 1)
    seen = set()
    for seed in range(60):
        batch = train._take(
            pixels, torch.tensor([0, 1]), augment="shift", generator=torch.Generator().manual_seed(seed)
        )
        assert batch.shape == (2, 3, 32, 32) and batch.is_contiguous(memory_format=torch.channels_last)
        for image in batch.numpy():
            down, right = int(image[0, 16, 16]) - 16, int(image[1, 16, 16]) - 16
            assert np.array_equal(image[0], np.clip(rows + down, 0, 31))
            assert np.array_equal(image[1], np.clip(columns + right, 0, 31))
            seen.add((down, right))
    assert {down for down, _ in seen} == {right for _, right in seen} == {-2, -1, 0, 1, 2}
    plain = train._take(pixels, torch.tensor([1, 0]), augment="none", generator=torch.Generator())
    assert torch.equal(plain, pixels.permute(0, 3, 1, 2))


def test_the_learning_rate_rises_then_falls_to_nothing(ramps: Data) -> None:
    optimizer, schedule = train._optimizer(small(), Recipe(lr=0.5), 100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    top = int(np.argmax(rates))
    assert 15 <= top <= 25 and max(rates) == pytest.approx(0.5, rel=0.01) and rates[-1] < 0.01
    assert np.all(np.diff(rates[: top + 1]) > 0) and np.all(np.diff(rates[top:]) < 0)
    decays = {group["weight_decay"]: len(group["params"]) for group in optimizer.param_groups}
    assert decays == {5e-4: 4, 0.0: 7}  # 3 convs and a linear; 3 norms' scale and shift and a bias


# ---- layout

NARROW = """
import sys, torch
from torch import nn
from cnnlab.run.data import Data, Split
from cnnlab.run.recipe import Recipe
from cnnlab.run.train import fit
torch.manual_seed(0)
strided = nn.Conv2d(8, 16, 1, stride=2)
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), strided, nn.ReLU(), nn.Flatten(), nn.Linear(1024, 4))
model = model.to(memory_format=torch.channels_last) if sys.argv[1] == "channels_last" else model
split = Split(torch.randint(256, (635, 3, 16, 16), dtype=torch.uint8), torch.arange(635) % 4)
print(fit(model, Data("noise", 16, tuple("abcd"), split, split, split), Recipe(epochs=3, lr=0.01), progress=False))
"""


def test_a_narrow_strided_1x1_convolution_does_not_crash_and_gives_the_same_from_either_layout() -> None:
    """With channels_last, oneDNN corrupts the heap here (oneDNN issue 6035), so it runs in processes of its own."""
    two = {**os.environ, "OMP_NUM_THREADS": "2"}  # with one thread it is luck
    printed = [
        subprocess.run(
            [sys.executable, "-c", NARROW, layout], capture_output=True, text=True, check=True, env=two
        ).stdout
        for layout in ("plain", "channels_last")
    ]
    assert printed[0].startswith("History(epochs=3 of 3") and printed[0] == printed[1]


def test_channels_last_is_left_only_where_it_is_not_safe() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    narrow = nn.Sequential(nn.Conv2d(15, 30, 1, stride=2))
    assert train._layout(narrow, cpu) is torch.contiguous_format and train._layout(narrow, gpu) is torch.channels_last
    for safe in (nn.Conv2d(16, 32, 1, stride=2), nn.Conv2d(8, 16, 1), nn.Conv2d(8, 16, 3, stride=2), small()):
        assert train._layout(nn.Sequential(safe), cpu) is torch.channels_last


# ---- early ends


def test_a_loss_that_is_no_number_stops_with_the_reason(ramps: Data) -> None:
    history = fit(small(), ramps, Recipe(epochs=4, batch=50, lr=1e30), progress=False)
    assert len(history.epochs) < 4 and math.isnan(history.test_accuracy)
    assert history.stopped is not None and "not a number" in history.stopped and "lr" in history.stopped


class Interrupted(nn.Module):
    """Acts as if Ctrl-C were pressed in the n-th training step."""

    def __init__(self, inner: nn.Module, step: int) -> None:
        super().__init__()
        self.inner, self.left = inner, step

    def forward(self, x: Tensor) -> Tensor:
        self.left -= self.training
        if self.training and self.left == 0:
            raise KeyboardInterrupt
        return self.inner(x)


@pytest.mark.parametrize(("step", "epochs"), [(1, 0), (15, 1), (25, 2)])
def test_an_interrupt_returns_the_epochs_so_far(ramps: Data, step: int, epochs: int) -> None:
    history = fit(Interrupted(small(), step), ramps, QUICK, progress=False)
    whole = fit(small(), ramps, QUICK, progress=False)
    assert history.stopped == "interrupted" and history.epochs == whole.epochs[:epochs]
    assert 0 <= history.test_accuracy <= 100
    assert "interrupted" in repr(history) and len(history.frame()) == epochs


# ---- errors, silence, shape of the answers


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("epochs", 0, ValueError), ("epochs", 2.5, ValueError), ("epochs", True, TypeError), ("epochs", "3", TypeError),
        ("batch", 0, ValueError), ("batch", float("nan"), ValueError), ("seed", -1, ValueError),
        ("lr", float("nan"), ValueError), ("lr", 0.0, ValueError), ("lr", -1.0, ValueError),
        ("lr", math.inf, ValueError), ("lr", "0.1", TypeError), ("momentum", 1.0, ValueError),
        ("momentum", -0.1, ValueError),
        ("weight_decay", -1e-4, ValueError), ("label_smoothing", 1.0, ValueError), ("augment", True, ValueError),
        ("augment", "flip", ValueError), ("optimizer", "adam", ValueError), ("schedule", None, ValueError),
        ("normalize", "batch", ValueError), ("precision", "float16", ValueError),
    ],
)  # fmt: skip
def test_a_wrong_recipe_is_answered_with_a_sentence(field: str, value: object, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        Recipe(**{field: value})  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"Recipe: {field}={value!r}: {field} must be ")


def test_recipes_are_values() -> None:
    assert Recipe() == Recipe() and hash(Recipe()) == hash(Recipe()) and Recipe(seed=1) != Recipe()
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("model", [small(classes=10), nn.Conv2d(3, 4, 3)])
def test_a_model_with_other_outputs_is_refused_before_training(ramps: Data, model: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"'ramps' has 4 classes.*shape \(1, 4\)"):
        fit(model, ramps, QUICK, progress=False)


def test_progress_goes_to_standard_error_or_nowhere(ramps: Data, capfd: pytest.CaptureFixture[str]) -> None:
    fit(small(), ramps, QUICK, progress=False)
    assert capfd.readouterr() == ("", "")
    fit(small(), ramps, QUICK)
    out, err = capfd.readouterr()
    assert out == "" and "validation" in err


def test_history_is_short_in_print_and_long_as_a_frame() -> None:
    epochs = (Epoch(1, 2.5, 30.0, 40.0, 1.0), Epoch(2, 1.25, 60.0, 55.5, 1.0))
    history = History(Recipe(epochs=2), epochs, 54.25)
    slower = History(Recipe(epochs=2), tuple(dataclasses.replace(epoch, seconds=9.0) for epoch in epochs), 54.25)
    assert history == slower and repr(history) == repr(slower)
    assert repr(history) == (
        "History(epochs=2 of 2, train_loss=1.2500, train_accuracy=60.00 %, validation_accuracy=55.50 %, "
        "test_accuracy=54.25 %)"
    )
    frame = history.frame()
    assert frame.index.tolist() == [1, 2] and frame.validation_accuracy.tolist() == [40.0, 55.5]
    assert list(frame.columns) == ["train_loss", "train_accuracy", "validation_accuracy", "seconds"]


def test_bfloat16_learns_too(ramps: Data) -> None:
    history = fit(small(), ramps, dataclasses.replace(QUICK, epochs=6, precision="bfloat16"), progress=False)
    assert history.test_accuracy > 80


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_it_trains_on_a_gpu(ramps: Data) -> None:
    first, second = (fit(small().cuda(), ramps, QUICK, progress=False) for _ in range(2))
    assert first == second and first.test_accuracy > 50


def test_what_does_not_fit_is_foretold_and_changes_nothing(ramps: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "available", lambda device: 100_000)
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(MemoryError, match=r"fit: gradients.*of a batch of 50 images.*; use a smaller batch"):
        fit(model, ramps, Recipe(epochs=1, batch=50), progress=False)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
