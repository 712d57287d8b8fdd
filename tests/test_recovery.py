"""recalibrate and recover: statistics by hand, only from training images, and three numbers that can be counted."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

import cnnlab as cl
from cnnlab.prune.recovery import recalibrate, recover
from cnnlab.run.data import Data, Split
from cnnlab.run.recipe import Recipe
from cnnlab.run.train import fit
from tests.ramps import equal, ramps, small

QUICK = Recipe(epochs=1, batch=50, lr=0.1)


@pytest.fixture(scope="module", name="data")
def data_() -> Data:
    return ramps()


@pytest.fixture(scope="module", name="trained")
def trained_(data: Data) -> nn.Module:
    """Never changed: tests copy it."""
    model = small(dropout=0.3)
    fit(model, data, dataclasses.replace(QUICK, epochs=3), progress=False)
    return model


def by_hand(images: Tensor, sample: Tensor, normalize: str = "data") -> np.ndarray:
    """Mean 0 and spread 1 in double precision: by channel of the sample, or image by image."""
    pixels = images.numpy().astype(np.float64)
    of, axes = (sample.numpy().astype(np.float64), (0, 2, 3)) if normalize == "data" else (pixels, (1, 2, 3))
    return (pixels - of.mean(axes, keepdims=True)) / np.maximum(of.std(axes, keepdims=True, ddof=1), 1)


def percent(model: nn.Module, data: Data, split: Split) -> float:
    with torch.no_grad():
        logits = copy.deepcopy(model).eval()(torch.from_numpy(by_hand(split.images, data.train.images)).float())
    return 100 * float((logits.argmax(1) == split.labels).double().mean())


def spoiled(model: nn.Module) -> nn.Module:
    """A copy whose statistics are far off."""
    model = copy.deepcopy(model)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.fill_(7.0)  # type: ignore[union-attr]
            part.running_var.fill_(0.01)  # type: ignore[union-attr]
            part.num_batches_tracked.fill_(99)  # type: ignore[union-attr]
    return model


@pytest.mark.parametrize("normalize", ["data", "image"])
def test_the_statistics_are_those_that_numpy_finds(data: Data, normalize: str) -> None:
    """Three batches of 100: means, and variances over n - 1, of a convolution written out, averaged."""
    model = spoiled(small()[:2])  # type: ignore[index]
    recalibrate(model, data, normalize=normalize, count=300, batch=100)
    weight = model[0].weight.detach().numpy().astype(np.float64)  # type: ignore[index]
    images = by_hand(data.train.images[:300], data.train.images, normalize)
    windows = sliding_window_view(np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3))
    batches = np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True).reshape(3, 100, 12, 16, 16)
    np.testing.assert_allclose(model[1].running_mean, batches.mean((1, 3, 4)).mean(0), atol=1e-5)  # type: ignore[index]
    np.testing.assert_allclose(model[1].running_var, batches.var((1, 3, 4), ddof=1).mean(0), rtol=1e-4)  # type: ignore[index]
    assert model[1].num_batches_tracked == 3  # type: ignore[index]


def test_labels_and_old_statistics_do_not_matter(data: Data, trained: nn.Module) -> None:
    first, second, third = copy.deepcopy(trained), spoiled(trained), copy.deepcopy(trained)
    recalibrate(first, data)
    recalibrate(second, data)
    labels = data.train.labels[torch.randperm(len(data.train), generator=torch.Generator().manual_seed(1))]
    recalibrate(third, dataclasses.replace(data, train=Split(data.train.images, labels)))
    assert equal(first, second) and equal(first, third) and not equal(first, trained)
    recalibrate(first, data)
    assert equal(first, third)


def test_only_the_first_training_images_are_seen(data: Data, trained: nn.Module) -> None:
    """All others are poisoned, and nothing changes; then one of the first is, and something does."""

    def statistics(train: Tensor, held_out: Tensor) -> nn.Module:
        model, held = copy.deepcopy(trained), Split(held_out, data.test.labels)
        poisoned = Data("ramps", 16, data.classes, Split(train, data.train.labels), held, held)
        recalibrate(model, poisoned, normalize="image", count=130, batch=64)
        return model

    clean = statistics(data.train.images, data.test.images)
    late, early = data.train.images.clone(), data.train.images.clone()
    late[130:, :, ::2], early[129, :, ::2] = 255, 255
    assert equal(clean, statistics(late, torch.full_like(data.test.images, 255)))
    assert not equal(clean, statistics(early, data.test.images))


def test_all_else_is_as_it_was(data: Data, trained: nn.Module) -> None:
    model = copy.deepcopy(trained).train()
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    norms[0].eval()
    norms[1].momentum = 0.3
    model[0].weight.requires_grad_(False)  # type: ignore[index]
    modes = [part.training for part in model.modules()]
    momenta, wanted = [norm.momentum for norm in norms], [p.requires_grad for p in model.parameters()]
    weights = [p.clone() for p in model.parameters()]
    state = torch.get_rng_state()
    recalibrate(model, data)
    assert torch.equal(state, torch.get_rng_state()) and torch.is_grad_enabled()
    assert modes == [part.training for part in model.modules()] and momenta == [norm.momentum for norm in norms]
    assert wanted == [p.requires_grad for p in model.parameters()]
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(weights, model.parameters(), strict=True))


def test_dropout_is_off_and_norms_that_do_not_run_stay(data: Data) -> None:
    def network(rate: float) -> nn.Module:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Dropout(rate), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        model[0].idle = nn.BatchNorm2d(2)
        model[0].free = nn.BatchNorm2d(2, track_running_stats=False)
        return spoiled_idle(model)

    def spoiled_idle(model: nn.Module) -> nn.Module:
        model[0].idle.running_mean.fill_(5.0)  # type: ignore[index]
        return model

    without, with_dropout = network(0.0), network(0.9).train()
    recalibrate(without, data)
    recalibrate(with_dropout, data)
    assert equal(without, with_dropout)
    assert without[0].idle.running_mean.tolist() == [5.0, 5.0]  # type: ignore[index]


def test_the_last_batch_is_no_batch_of_one(data: Data) -> None:
    """Of one value for each channel, torch's norm would refuse."""
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3))
    recalibrate(model, data, count=129, batch=128)
    recalibrate(model, data, count=3, batch=1)
    assert model[1].running_var.isfinite().all()


def test_the_three_numbers_can_be_counted(data: Data, trained: nn.Module) -> None:
    model, recalibrated = spoiled(trained), spoiled(trained)
    before = percent(model, data, data.validation)
    recalibrate(recalibrated, data)
    found = recover(model, data, QUICK, progress=False)
    assert not model.training
    assert found.before == pytest.approx(before, abs=1.01)  # one image of 100, by rounding
    assert found.recalibrated == pytest.approx(percent(recalibrated, data, data.validation), abs=1.01)
    assert found.fine_tuned == pytest.approx(percent(model, data, data.validation), abs=1.01)
    assert found.test_accuracy == pytest.approx(percent(model, data, data.test), abs=1.01)
    assert found.recalibrated > found.before + 20 and found.stopped is None
    assert found.history == fit(recalibrated, data, QUICK, progress=False) and equal(model, recalibrated)


def test_without_a_recipe_nothing_is_trained(data: Data, trained: nn.Module) -> None:
    model, recalibrated = spoiled(trained), spoiled(trained)
    recalibrate(recalibrated, data, normalize="image")
    found = recover(model, data, None, normalize="image")
    assert equal(model, recalibrated)
    assert math.isnan(found.fine_tuned) and found.history is None and found.test_accuracy > 25


def test_every_parameter_of_a_pruned_model_moves_in_one_step(data: Data, trained: nn.Module) -> None:
    """An optimizer that still holds the old parameters would move none."""
    model = cl.prune.plan(trained, budget=0.4, resolution=16).apply(trained)
    old = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    recover(model, data, dataclasses.replace(QUICK, batch=500), progress=False)
    assert len(old) == 11
    assert [name for name, p in model.named_parameters() if torch.equal(p, old[name])] == []


def stopping(model: nn.Module, steps: int) -> nn.Module:
    """Ctrl-C after so many steps of training."""
    seen = []

    def count(part: nn.Module, _inputs: object) -> None:
        seen.extend([1] * part.training)
        if part.training and len(seen) > steps:
            raise KeyboardInterrupt

    model.register_forward_pre_hook(count)
    return model


@pytest.mark.parametrize("steps", [0, 4, 14])
def test_an_interrupt_is_told(data: Data, trained: nn.Module, steps: int) -> None:
    """The numbers are those of the model as it was left, in the middle of the first epoch, or of the second."""
    model = stopping(spoiled(trained), steps)
    found = recover(model, data, dataclasses.replace(QUICK, epochs=3), progress=False)
    assert found.stopped == "interrupted" and "interrupted" in repr(found)
    model._forward_pre_hooks.clear()
    assert found.fine_tuned == pytest.approx(percent(model, data, data.validation), abs=1.01)
    assert found.test_accuracy == pytest.approx(percent(model, data, data.test), abs=1.01)


def test_a_loss_that_is_no_number_is_told(data: Data, trained: nn.Module) -> None:
    found = recover(copy.deepcopy(trained), data, dataclasses.replace(QUICK, lr=1e18), progress=False)
    assert "loss is not a number" in str(found.stopped)
    assert math.isnan(found.fine_tuned) and found.before > 25


def test_a_checkpoint_goes_on(data: Data, trained: nn.Module, tmp_path: Path) -> None:
    recipe = dataclasses.replace(QUICK, epochs=3)
    whole, first, again = (spoiled(trained) for _ in range(3))
    expected = recover(whole, data, recipe, progress=False)
    recover(stopping(first, 15), data, recipe, progress=False, checkpoint=tmp_path / "run.pt")
    assert recover(again, data, recipe, progress=False, checkpoint=tmp_path / "run.pt") == expected
    assert equal(again, whole)


def no_number(model: nn.Module) -> None:
    with torch.no_grad():
        model[3].weight[0, 0, 0, 0] = math.nan  # type: ignore[index]


def too_few_classes(model: nn.Module) -> None:
    model[-1] = nn.Linear(48, 3)  # type: ignore[index, operator]


@pytest.mark.parametrize(
    ("spoil", "run", "said"),
    [
        (no_number, lambda m, d: recover(m, d, QUICK), r"recover: 3\.weight holds NaN"),
        (no_number, lambda m, d: recalibrate(m, d), r"recalibrate: the statistics of 4 would be no finite numbers"),
        (too_few_classes, lambda m, d: recover(m, d, QUICK), r"fit: .* \(1, 3\), but 'ramps' has 4 classes"),
        (None, lambda m, d: recover(m, d, QUICK, normalize="image"), "normalize='image', and the recipe says 'data'"),
        (
            None,
            lambda m, d: recover(m, d, None, normalize="batch"),
            "recover: normalize='batch': normalize must be one of data, ",
        ),
        (
            None,
            lambda m, d: recalibrate(m, d, count=0),
            "recalibrate: count=0: count must be a whole number, 1 or more",
        ),
        (None, lambda m, d: recalibrate(m, d, batch=0), "recalibrate: batch=0"),
        (None, lambda m, d: recalibrate(m, d.train), "recalibrate: data=Split: give what cl.data.load gives"),
    ],
)
def test_bad_input_is_a_sentence_and_the_model_stays(
    data: Data,
    trained: nn.Module,
    spoil: Callable[[nn.Module], None] | None,
    run: Callable[[nn.Module, Data], object],
    said: str,
) -> None:
    model = copy.deepcopy(trained)
    if spoil is not None:
        spoil(model)
    old = copy.deepcopy(model)
    with pytest.raises((TypeError, ValueError), match=said):
        run(model, data)
    assert equal(model, old) and [p.training for p in model.modules()] == [p.training for p in old.modules()]
