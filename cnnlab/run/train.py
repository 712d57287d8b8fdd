"""Training: a `Recipe` says how, `fit` does it, a `History` says what came out (both in recipe.py)."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlab.run.batches import edged, memory_layout, plan, preparation, reach, take
from cnnlab.run.checkpoint import Checkpoint, Training
from cnnlab.run.data import Data, Split
from cnnlab.run.identity import facts
from cnnlab.run.optimizer import optimizer
from cnnlab.run.recipe import Epoch, History, Recipe
from cnnlab.run.room import available, check_training, training_bytes

VERSION = 1  # raise it with every change that alters what comes out: it is part of every trial's key
CHECK_EVERY = 16  # steps between two looks at the loss: each look makes a GPU wait
EVALUATION_BATCH = 500
USABLE = 0.9  # share of a GPU's free memory that images and a step of training may take; the rest is workspace


def fit(
    model: nn.Module,
    data: Data,
    recipe: Recipe | None = None,
    *,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    watch: Callable[[Epoch], None] | None = None,
) -> History:
    """Train a model in place, on the device where its weights are, and measure it.

    The model takes float images (n, 3, H, W), of mean 0 and spread 1, and gives logits (n, classes). The
    same call gives the same figures on the same machine. Ctrl-C, or a notebook's stop button, ends the run and returns
    the epochs so far; so does a loss that is no longer a number. The model is left in evaluation mode and, where
    that is safe, in the layout channels_last. progress: draw a progress bar on standard error.

    checkpoint: a file. It holds the run as it was after an epoch: after the last one before an interrupt, and after one
    some seconds ago if the process is killed. The same call with the same file goes on from there, whatever weights the
    model has, and gives what an uninterrupted run gives, to the last bit on the same machine; a run that is over gives
    its history and its weights at once. One call at a time may use a file.

    watch: called with the `Epoch` after each epoch that is trained here, in order; not with those that a checkpoint
    brings back. It changes nothing in what comes out, whatever random numbers it draws. An exception from it ends the
    run as any exception does, with the epoch in the checkpoint; a KeyboardInterrupt ends it as Ctrl-C does.

    Raises ValueError if the model does not give one logit per class, or if the file is no checkpoint, is damaged, or
    belongs to another recipe, data set or model (file and model are then left as they were); OSError, before training
    begins, if the file cannot be written; and MemoryError, before anything is allocated, if a step of training does not
    fit on the device.

    >>> from cnnlab.run.data import Data, Split
    >>> split = Split(torch.randint(256, (8, 3, 8, 8), dtype=torch.uint8), torch.arange(8) % 2)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    >>> len(fit(model, Data("toy", 8, ("a", "b"), split, split, split), Recipe(epochs=3), progress=False).epochs)
    3
    """
    recipe = recipe or Recipe()
    kept = Checkpoint(checkpoint, None if checkpoint is None else facts(model, data, recipe, version=VERSION))
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    layout = memory_layout(model, device)
    prepare = preparation(data.train.images, recipe.normalize, device, layout)
    _check_outputs(model, data, prepare)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    with _own_randomness(recipe.seed, device):
        steps = _steps(data, recipe) * recipe.epochs
        generator = torch.Generator().manual_seed(recipe.seed)
        training = Training(model, *optimizer(model, recipe, steps), generator, device, [])
        if kept.state is not None:
            training.restore(kept.state)
        if kept.state is not None and "ended" in kept.state:
            model.eval()
            test_accuracy, stopped = kept.state["ended"]
        else:
            looked_at = _undisturbed(watch, device)
            test_accuracy, stopped = _train(
                training, data, recipe, prepare=prepare, kept=kept, watch=looked_at, progress=progress
            )
    test_accuracy = test_accuracy if math.isfinite(test_accuracy) else math.nan  # the one that == takes for equal
    return History(recipe, tuple(training.epochs), test_accuracy, stopped)


def _train(
    training: Training,
    data: Data,
    recipe: Recipe,
    *,
    prepare: Callable[[Tensor], Tensor],
    kept: Checkpoint,
    watch: Callable[[Epoch], None],
    progress: bool,
) -> tuple[float, str | None]:
    """Train to the end, or until it stops: the accuracy on the test images, and the reason (None: it was the end)."""
    epochs, test_accuracy, stopped = training.epochs, math.nan, None
    try:
        _check_room(training.model, data, recipe, training.device)
        kept.keep(training.state(), at_once=True)  # so that a folder that cannot be written to is found out now
        for epoch in _epochs(training, data, recipe, prepare=prepare, progress=progress):
            epochs.append(epoch)
            kept.keep(training.state())
            watch(epoch)
        if len(epochs) < recipe.epochs:
            stopped = f"the loss is not a number from epoch {len(epochs) + 1} on; try a smaller lr than {recipe.lr}"
    except KeyboardInterrupt:
        stopped = "interrupted"
    finally:
        kept.flush()
    training.model.eval()
    if stopped in (None, "interrupted"):
        test_accuracy = accuracy(training.model, data.test, prepare)
    if stopped != "interrupted":
        kept.keep(training.state() | {"ended": (test_accuracy, stopped)}, at_once=True)
    return test_accuracy, stopped


@contextmanager
def _own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch for dropout and its like, choose reproducible GPU kernels, and put everything back afterwards."""
    with _forked(device), torch.backends.cudnn.flags(benchmark=False, deterministic=True):
        torch.manual_seed(seed)
        yield


def _forked(device: torch.device) -> AbstractContextManager[None]:
    """What is drawn in here from torch's random numbers, on the CPU and on the device, is as if it never had been."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _undisturbed(watch: Callable[[Epoch], None] | None, device: torch.device) -> Callable[[Epoch], None]:
    """A call that leaves the run's random numbers as they are."""

    def call(epoch: Epoch) -> None:
        if watch is not None:
            with _forked(device):
                watch(epoch)

    return call


def _steps(data: Data, recipe: Recipe) -> int:
    """Steps of one epoch."""
    return math.ceil(len(data.train) / recipe.batch)


def _batch_shape(data: Data, recipe: Recipe) -> tuple[int, int, int, int]:
    count, channels, height, width = data.train.images.shape
    return min(recipe.batch, count), channels, height, width


def _check_room(model: nn.Module, data: Data, recipe: Recipe, device: torch.device) -> None:
    """MemoryError, before anything is allocated, if a step of training does not fit."""
    half = recipe.precision == "bfloat16"
    check_training(model, _batch_shape(data, recipe), device=device, momentum=recipe.momentum > 0, half=half)


def _check_outputs(model: nn.Module, data: Data, prepare: Callable[[Tensor], Tensor]) -> None:
    model.eval()
    with torch.no_grad():
        shape = tuple(model(prepare(data.train.images[:1])).shape)
    if shape != (1, len(data.classes)):
        raise ValueError(
            f"fit: the model turns one image into an output of shape {shape}, but {data.name!r} has "
            f"{len(data.classes)} classes, which needs shape (1, {len(data.classes)}); give the model as many outputs."
        )


def _at_home(pixels: Tensor, model: nn.Module, data: Data, recipe: Recipe, device: torch.device) -> Tensor:
    """The pixels on the device, if they fit there beside a step of training, so that no step waits for a transfer."""
    free = available(device) if device.type == "cuda" else None
    if free is None:
        return pixels.to(device)
    step = training_bytes(model, _batch_shape(data, recipe), momentum=True, half=recipe.precision == "bfloat16") or 0
    return pixels.to(device) if pixels.nbytes + step <= USABLE * free else pixels


def _epochs(
    training: Training, data: Data, recipe: Recipe, *, prepare: Callable[[Tensor], Tensor], progress: bool
) -> Iterator[Epoch]:
    """Train epoch after epoch, from where the training is; ends early when the loss is no longer a number."""
    model, device = training.model, training.device
    far = reach(data.train.images.shape[2], recipe.augment)
    pixels = _at_home(edged(data.train.images, far), model, data, recipe, device)
    labels = data.train.labels.to(device)
    steps, over = _steps(data, recipe), len(training.epochs)
    with tqdm(total=steps * recipe.epochs, initial=steps * over, disable=not progress, unit="step", leave=False) as bar:
        for number in range(over + 1, recipe.epochs + 1):
            begin = time.perf_counter()
            means = _epoch(training, pixels, labels, recipe, prepare=prepare, far=far, steps=steps, bar=bar)
            if means is None:
                return
            validation = accuracy(model, data.validation, prepare)
            yield Epoch(number, *means, validation, time.perf_counter() - begin)
            bar.set_postfix_str(f"epoch {number}, validation {validation:.1f} %")


def _epoch(
    training: Training,
    pixels: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    prepare: Callable[[Tensor], Tensor],
    far: int,
    steps: int,
    bar: tqdm,
) -> tuple[float, float] | None:
    """One pass over the images: the mean loss and the accuracy (0 to 100); None when the loss is no longer a number."""
    model, device = training.model, training.device
    model.train()
    loss_sum, right = torch.zeros((), device=device), torch.zeros((), device=device)
    planned = plan(len(labels), steps, reach=far, augment=recipe.augment, generator=training.generator)
    targets = labels[planned[0].to(device)].tensor_split(steps)
    for step, part in enumerate(planned.to(pixels.device).tensor_split(steps, dim=1)):
        batch, target = prepare(take(pixels, part, reach=far, augment=recipe.augment)), targets[step]
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = model(batch).float()
        loss = F.cross_entropy(logits, target, label_smoothing=recipe.label_smoothing)
        training.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        training.optimizer.step()
        training.schedule.step()
        loss_sum += loss.detach() * len(target)
        right += (logits.detach().argmax(1) == target).sum()
        bar.update()
        if (step % CHECK_EVERY == 0 or step == steps - 1) and not math.isfinite(loss_sum.item()):
            return None
    return loss_sum.item() / len(labels), 100 * right.item() / len(labels)


def accuracy(model: nn.Module, split: Split, prepare: Callable[[Tensor], Tensor]) -> float:
    """The share of a split's images, in percent (0 to 100), whose largest logit is the right one."""
    model.eval()
    right: Tensor | int = 0  # stays on the device until all batches are through
    with torch.inference_mode():
        parts = zip(split.images.split(EVALUATION_BATCH), split.labels.split(EVALUATION_BATCH), strict=True)
        for images, labels in parts:
            logits = model(prepare(images))
            right = right + (logits.argmax(1) == labels.to(logits.device)).sum()
    return 100 * int(right) / len(split.labels)
