"""fit: it learns, repeats itself exactly, stops with a reason, and leaves the rest of torch as it was."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import cnnlab as cl
from benchmarks import train as benchmark
from cnnlab.run import batches, room, train
from cnnlab.run.data import Data, Split
from cnnlab.run.optimizer import optimizer
from cnnlab.run.recipe import CHOICES, Epoch, History, Recipe
from cnnlab.run.train import fit
from tests.ramps import equal, small
from tests.ramps import ramps as make_ramps


@pytest.fixture(scope="module", name="ramps")
def ramps_() -> Data:
    return make_ramps()


QUICK = Recipe(epochs=3, batch=50, lr=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": "adamw", "lr": 0.005},
        {"optimizer": "adamw", "lr": 0.002, "schedule": "constant"},
        {"schedule": "constant", "lr": 0.05, "label_smoothing": 0.1},
        {"normalize": "image"},
        {"precision": "bfloat16"},
        {"augment": "none", "momentum": 0.0},
    ],
    ids=["default", "adamw", "adamw, constant", "constant, smooth", "by image", "bfloat16", "plain"],
)
def test_it_learns(ramps: Data, change: dict) -> None:
    history = fit(small(), ramps, dataclasses.replace(QUICK, epochs=6, **change), progress=False)
    assert history.test_accuracy > 80 and history.epochs[-1].validation_accuracy > 80  # chance is 25
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss
    assert history.stopped is None and [epoch.epoch for epoch in history.epochs] == [1, 2, 3, 4, 5, 6]
    assert all(epoch.seconds > 0 for epoch in history.epochs)


def by_hand(images: np.ndarray, sample: np.ndarray, normalize: str) -> np.ndarray:
    """Mean 0 and spread 1 in double precision: by channel of the sample, or image by image."""
    axes = (0, 2, 3) if normalize == "data" else (1, 2, 3)
    of = (sample if normalize == "data" else images).astype(np.float64)
    spread = np.maximum(of.std(axis=axes, keepdims=True, ddof=1), 1)
    return (images - of.mean(axis=axes, keepdims=True)) / spread


@pytest.mark.parametrize("normalize", ["data", "image"])
def test_the_accuracies_are_those_of_the_model_it_leaves(ramps: Data, normalize: str) -> None:
    """Oracle: normalise and count by hand."""
    model = small()
    history = fit(model, ramps, dataclasses.replace(QUICK, normalize=normalize), progress=False)
    assert not model.training

    def percent(split: Split) -> float:
        images = by_hand(split.images.numpy(), ramps.train.images.numpy(), normalize)
        with torch.no_grad():
            return 100 * float((model(torch.from_numpy(images).float()).argmax(1) == split.labels).double().mean())

    assert history.test_accuracy == pytest.approx(percent(ramps.test), abs=1.01)  # one image of 100, by rounding
    assert history.epochs[-1].validation_accuracy == pytest.approx(percent(ramps.validation), abs=1.01)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_the_cross_entropy_with_smoothed_labels(ramps: Data, smoothing: float) -> None:
    """Oracle: one step with all images, by hand in double precision."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 4))
    weight, bias = (p.detach().numpy().astype(np.float64) for p in model.parameters())
    recipe = Recipe(epochs=1, batch=500, augment="none", label_smoothing=smoothing)
    history = fit(model, ramps, recipe, progress=False)
    images = by_hand(ramps.train.images.numpy(), ramps.train.images.numpy(), "data").reshape(500, -1)
    logits = images @ weight.T + bias
    log_shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = np.full((500, 4), smoothing / 4)
    targets[np.arange(500), ramps.train.labels] += 1 - smoothing
    assert history.epochs[0].train_loss == pytest.approx(-(targets * log_shares).sum() / 500, rel=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_same_seed_repeats_every_figure_and_every_weight(ramps: Data, dropout: float) -> None:
    one, two = small(dropout=dropout), small(dropout=dropout)
    first = fit(one, ramps, QUICK, progress=False)
    torch.manual_seed(123)  # what the caller does with torch's own randomness does not matter
    assert fit(two, ramps, QUICK, progress=False) == first
    assert equal(one, two)
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


# ---- batches


@given(count=st.integers(1, 300), batch=st.integers(1, 70), augment=st.sampled_from(CHOICES["augment"]))
def test_every_image_is_planned_once_and_steps_are_even(count: int, batch: int, augment: str) -> None:
    steps = math.ceil(count / batch)
    generator = torch.Generator().manual_seed(1)
    planned = batches.plan(count, steps, reach=2, augment=augment, generator=generator)
    sizes = [part.shape[1] for part in planned.tensor_split(steps, dim=1)]
    assert sorted(planned[0].tolist()) == list(range(count))
    assert sum(sizes) == count and max(sizes) <= batch and max(sizes) - min(sizes) <= 1
    assert planned[1:3].abs().max() <= 2 and set(planned[3].tolist()) <= {0, 1}
    assert (planned[1:].any(), planned[3].any()) <= (augment != "none", augment == "shift+flip")


@pytest.mark.parametrize(("augment", "side"), [("none", 32), ("shift", 32), ("shift+flip", 32), ("shift+flip", 9)])
def test_images_are_shifted_by_up_to_a_sixteenth_and_half_are_mirrored(augment: str, side: int) -> None:
    """Oracle: images whose pixels hold their own row, column and number."""
    rows, columns = np.indices((side, side))
    images = torch.from_numpy(np.stack([[rows, columns, rows * 0 + n] for n in range(5)]).astype(np.uint8))
    reach = batches.reach(side, augment)
    pixels = batches.edged(images, reach)
    seen = []
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        planned = batches.plan(5, 2, reach=reach, augment=augment, generator=generator)
        batch = batches.take(pixels, planned, reach=reach, augment=augment)
        assert batch.shape == (5, 3, side, side) and batch.is_contiguous(memory_format=torch.channels_last)
        for image, number in zip(batch.numpy(), planned[0], strict=True):
            middle = side // 2
            mirrored = int(image[1, middle, 1]) > int(image[1, middle, -2])
            straight = image[:, :, ::-1] if mirrored else image
            down, right = int(straight[0, middle, middle]) - middle, int(straight[1, middle, middle]) - middle
            assert np.array_equal(straight[0], np.clip(rows + down, 0, side - 1))
            assert np.array_equal(straight[1], np.clip(columns + right, 0, side - 1))
            assert (image[2] == int(number)).all()
            seen.append((down, right, mirrored))
    most = 0 if augment == "none" else max(1, side // 16)
    for shifts in ({down for down, _, _ in seen}, {right for _, right, _ in seen}):
        assert shifts == set(range(-most, most + 1))
    share = np.mean([mirrored for *_, mirrored in seen])
    assert abs(share - 0.5) < 0.08 if augment == "shift+flip" else share == 0  # 500 throws of a coin: sd 0.022


@pytest.mark.parametrize("normalize", ["data", "image"])
def test_images_come_to_mean_0_and_spread_1(ramps: Data, normalize: str) -> None:
    """Oracle: NumPy in double precision; an image of one colour and one of almost one must not blow up."""
    images = ramps.test.images[:6].clone()
    images[0] = 77
    images[1] = 200
    images[1, 0, 3, 3] = 201
    prepare = batches.preparation(ramps.train.images, normalize, torch.device("cpu"))
    found = prepare(images)
    expected = by_hand(images.numpy(), ramps.train.images.numpy(), normalize)
    assert found.dtype == torch.float32 and found.is_contiguous(memory_format=torch.channels_last)
    assert np.allclose(found.numpy(), expected, rtol=1e-4, atol=2e-5)
    if normalize == "image":
        assert found[0].abs().max() == 0 and found[1].abs().max() <= 1


# ---- the optimizer


def rates(recipe: Recipe, steps: int) -> list[float]:
    """The learning rate of each step."""
    chosen, schedule = optimizer(small(), recipe, steps)
    found = []
    for _ in range(steps):
        found.append(chosen.param_groups[0]["lr"])
        assert {group["lr"] for group in chosen.param_groups} == {found[-1]}
        chosen.step()
        schedule.step()
    return found


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_learning_rate_rises_then_falls_to_nothing_or_stays(kind: str) -> None:
    rising = rates(Recipe(lr=0.5, optimizer=kind), 100)
    top = int(np.argmax(rising))
    assert 15 <= top <= 25 and max(rising) == pytest.approx(0.5, rel=0.01) and rising[-1] < 0.01
    assert np.all(np.diff(rising[: top + 1]) > 0) and np.all(np.diff(rising[top:]) < 0)
    assert rates(Recipe(lr=0.5, optimizer=kind, schedule="constant"), 100) == [0.5] * 100


def test_biases_and_norms_do_not_decay_and_frozen_weights_do_not_move(ramps: Data) -> None:
    for kind in ("sgd", "adamw"):
        chosen, _ = optimizer(small(), Recipe(optimizer=kind), 100)
        decays = {group["weight_decay"]: len(group["params"]) for group in chosen.param_groups}
        assert decays == {5e-4: 4, 0.0: 7}  # 3 convs and a linear; 3 norms' scale and shift and a bias
    model = small()
    frozen = model[0].weight.requires_grad_(False)
    before = frozen.clone()
    fit(model, ramps, dataclasses.replace(QUICK, epochs=1), progress=False)
    assert torch.equal(frozen, before)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_adamw_is_the_rule_of_its_paper(momentum: float) -> None:
    """Oracle: Loshchilov and Hutter 2019, algorithm 2, in plain numbers."""
    lr, decay, second = 0.01, 0.3, 0.99
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    recipe = Recipe(optimizer="adamw", schedule="constant", lr=lr, momentum=momentum, weight_decay=decay)
    chosen, _ = optimizer(layer, recipe, 5)
    weight, m, v = 2.0, 0.0, 0.0
    for step, gradient in enumerate([0.5, -0.25, 1.0, 0.1, -2.0], 1):
        layer.weight.grad = torch.full((1, 1), gradient)
        chosen.step()
        m = momentum * m + (1 - momentum) * gradient
        v = second * v + (1 - second) * gradient**2
        weight -= lr * (m / (1 - momentum**step) / (math.sqrt(v / (1 - second**step)) + 1e-8) + decay * weight)
        assert layer.weight.item() == pytest.approx(weight, rel=1e-5)


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
    # With one thread it is luck. Passive: threads that wait for one another do not keep a busy machine's cores from it.
    two = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
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
    layout = batches.memory_layout
    assert layout(narrow, cpu) is torch.contiguous_format and layout(narrow, gpu) is torch.channels_last
    for safe in (nn.Conv2d(16, 32, 1, stride=2), nn.Conv2d(8, 16, 1), nn.Conv2d(8, 16, 3, stride=2), small()):
        assert layout(nn.Sequential(safe), cpu) is torch.channels_last


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


# ---- watched


def test_a_watcher_sees_every_epoch_and_changes_nothing_whatever_it_draws(ramps: Data) -> None:
    one, two = small(dropout=0.3), small(dropout=0.3)
    seen: list[Epoch] = []

    def watch(epoch: Epoch) -> None:
        seen.append(epoch)
        torch.manual_seed(int(1000 * torch.rand(7).sum()))

    history = fit(one, ramps, QUICK, progress=False, watch=watch)
    assert tuple(seen) == history.epochs and len(seen) == 3
    assert fit(two, ramps, QUICK, progress=False) == history and equal(one, two)
    seen.clear()
    assert fit(small(), ramps, Recipe(epochs=4, batch=50, lr=1e30), progress=False, watch=watch).epochs == tuple(seen)


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_an_exception_of_the_watcher_ends_the_run_and_its_epoch_is_kept(
    ramps: Data, tmp_path: Path, error: type[BaseException]
) -> None:
    """An interrupt ends it as Ctrl-C does; afterwards the watcher sees the epochs that are new, and no others."""
    seen: list[int] = []

    def watch(epoch: Epoch) -> None:
        seen.append(epoch.epoch)
        if len(seen) == 2:
            raise error("enough")

    whole = fit(small(), ramps, QUICK, progress=False)
    run = functools.partial(fit, data=ramps, recipe=QUICK, progress=False, checkpoint=tmp_path / "run", watch=watch)
    if error is KeyboardInterrupt:
        history = run(small())
        assert history.stopped == "interrupted" and history.epochs == whole.epochs[:2]
    else:
        with pytest.raises(error, match="enough"):
            run(small())
    assert seen == [1, 2]
    assert run(small(seed=1)) == whole and seen == [1, 2, 3]
    assert run(small(seed=2)) == whole and seen == [1, 2, 3]


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


def test_what_does_not_fit_is_foretold_and_changes_nothing(ramps: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "available", lambda device: 100_000)
    model = small()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(MemoryError, match=r"fit: gradients.*of a batch of 50 images.*; use a smaller batch"):
        fit(model, ramps, Recipe(epochs=1, batch=50), progress=False)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("images", [1, 2, 3, 4, 5, 6])
def test_a_few_steps_are_enough(ramps: Data, images: int) -> None:
    few = Split(ramps.train.images[:images], ramps.train.labels[:images])
    model = nn.Sequential(nn.Flatten(), nn.Linear(768, 4))
    history = fit(model, dataclasses.replace(ramps, train=few), Recipe(epochs=1, batch=1), progress=False)
    assert history.stopped is None and len(history.epochs) == 1


# ---- the benchmark


def test_the_benchmark_trains_in_every_way_and_all_learn() -> None:
    arch = cl.scaled(cl.architecture("small_resnet"), resolution=12)
    found = list(benchmark.rows(arch, make_ramps(300), Recipe(epochs=4, batch=25, lr=0.1), (0,)))
    assert [row["way"] for row in found] == ["loop, 0 workers", "loop, 2 workers", "fit, float32", "fit, bfloat16"]
    assert all(row["test accuracy"] > 60 for row in found)  # chance is 25
    assert all(row["images/s"] > 0 for row in found) and found[1]["x loop, 2 workers"] == "1.00 (1.00 to 1.00)"


# ---- GPU

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@needs_gpu
@pytest.mark.parametrize(
    "change",
    [{}, {"optimizer": "adamw", "lr": 0.005, "augment": "shift+flip"}, {"precision": "bfloat16", "normalize": "image"}],
    ids=["sgd", "adamw, flips", "bfloat16, by image"],
)
def test_a_gpu_learns_and_repeats_itself(ramps: Data, change: dict) -> None:
    recipe = dataclasses.replace(QUICK, epochs=6, **change)
    one, two = small(dropout=0.1).cuda(), small(dropout=0.1).cuda()
    first = fit(one, ramps, recipe, progress=False)
    # A flip makes left of right, so half of two of the four classes are learned wrong.
    assert first.test_accuracy > (45 if "flip" in recipe.augment else 80)
    assert fit(two, ramps, recipe, progress=False) == first and equal(one, two)


@needs_gpu
def test_images_that_do_not_fit_on_the_gpu_stay_outside_and_change_nothing(
    ramps: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = small().cuda(), small().cuda()
    expected = fit(one, ramps, QUICK, progress=False)
    monkeypatch.setattr(train, "available", lambda device: 0)
    assert fit(two, ramps, QUICK, progress=False) == expected and equal(one, two)


@needs_gpu
def test_no_step_waits_for_the_gpu(ramps: Data) -> None:
    """torch warns whenever the host waits: set-up, evaluation and looks at the loss do, but not each of 100 steps."""
    model, steps = small().cuda(), 500 // 5
    fit(model, ramps, dataclasses.replace(QUICK, epochs=1), progress=False)  # what waits only once
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit(model, ramps, dataclasses.replace(QUICK, epochs=1, batch=5, lr=0.001), progress=False)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [one for one in caught if "synchroniz" in str(one.message)]
    assert 0 < len(waits) < steps / 2


@needs_gpu
def test_on_a_gpu_the_optimizer_is_one_kernel() -> None:
    for kind in ("sgd", "adamw"):
        assert all(g["fused"] for g in optimizer(small().cuda(), Recipe(optimizer=kind), 10)[0].param_groups)
