"""Training: a `Recipe` says how, `fit` does it, a `History` says what came out (both in recipe.py)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlab.run.data import Data, Split
from cnnlab.run.recipe import Epoch, History, Recipe
from cnnlab.run.room import check_training

VERSION = 1  # raise it with every change that alters what comes out: it is part of every trial's key
WARM_UP = 0.2  # share of the steps in which the learning rate rises; then it falls along a cosine to about 0
CHECK_EVERY = 16  # steps between two looks at the loss: each look makes a GPU wait
EVALUATION_BATCH = 500
REGISTER = 16  # float32 numbers in an AVX-512 register


def fit(model: nn.Module, data: Data, recipe: Recipe | None = None, *, progress: bool = True) -> History:
    """Train a model in place, on the device where its weights are, and measure it.

    The model takes float images (n, 3, H, W), of mean 0 and spread 1, and gives logits (n, classes). The
    same call gives the same figures on the same machine. Ctrl-C, or a notebook's stop button, ends the run and returns
    the epochs so far; so does a loss that is no longer a number. The model is left in evaluation mode and, where
    that is safe, in the layout channels_last. progress: draw a progress bar on standard error.

    Raises ValueError if the model does not give one logit per class, and MemoryError, before anything is allocated, if
    a step of training does not fit on the device.

    >>> from cnnlab.run.data import Data, Split
    >>> split = Split(torch.randint(256, (8, 3, 8, 8), dtype=torch.uint8), torch.arange(8) % 2)
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    >>> len(fit(model, Data("toy", 8, ("a", "b"), split, split, split), Recipe(epochs=3), progress=False).epochs)
    3
    """
    recipe = recipe or Recipe()
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    layout = _layout(model, device)
    prepare = _preparation(data.train, recipe.normalize, device, layout)
    _check_outputs(model, data, prepare)
    model.to(memory_format=layout)  # type: ignore[call-overload]
    with _own_randomness(recipe.seed, device):
        epochs: list[Epoch] = []
        stopped = None
        test_accuracy = math.nan
        try:
            _check_room(model, data, recipe, device)
            for epoch in _epochs(model, data, recipe, prepare=prepare, device=device, progress=progress):
                epochs.append(epoch)
            if len(epochs) < recipe.epochs:
                stopped = f"the loss is not a number from epoch {len(epochs) + 1} on; try a smaller lr than {recipe.lr}"
        except KeyboardInterrupt:
            stopped = "interrupted"
        model.eval()
        if stopped in (None, "interrupted"):
            test_accuracy = accuracy(model, data.test, prepare)
    return History(recipe, tuple(epochs), test_accuracy, stopped)


@contextmanager
def _own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch for dropout and its like, choose reproducible GPU kernels, and put everything back afterwards."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus), torch.backends.cudnn.flags(benchmark=False, deterministic=True):
        torch.manual_seed(seed)
        yield


def _layout(model: nn.Module, device: torch.device) -> torch.memory_format:
    """channels_last, with which a CPU trains up to 1.8 times as fast, unless it would crash.

    On a CPU, oneDNN's gradient of a strided 1x1 convolution in this layout writes past its workspace when there are
    fewer channels than fill a register (github.com/uxlfoundation/oneDNN/issues/6035; seen here with torch 2.15, AVX-512
    and up to 15 channels). Such narrow networks are about as fast in the plain layout.
    """
    narrow = (
        isinstance(conv, nn.Conv2d)
        and conv.kernel_size == (1, 1)
        and max(conv.stride) > 1
        and conv.in_channels // conv.groups < REGISTER
        for conv in model.modules()
    )
    return torch.contiguous_format if device.type == "cpu" and any(narrow) else torch.channels_last


def _preparation(
    split: Split, normalize: str, device: torch.device, layout: torch.memory_format = torch.channels_last
) -> Callable[[Tensor], Tensor]:
    """uint8 images -> float images on the device, in the layout, of mean 0 and spread 1.

    normalize: "data": by channel, mean and spread of the first 2,000 training images; "image": each image by its own.
    """
    sample = split.images[:2000].float()
    mean = sample.mean(dim=(0, 2, 3), keepdim=True).to(device)
    spread = sample.std(dim=(0, 2, 3), keepdim=True).clamp(min=1.0).to(device)

    def by_data(images: Tensor) -> Tensor:
        return images.to(device).contiguous(memory_format=layout).float().sub_(mean).div_(spread)

    def by_image(images: Tensor) -> Tensor:
        x = images.to(device).contiguous(memory_format=layout).float()
        spread, mean = torch.std_mean(x, dim=(1, 2, 3), keepdim=True)
        return x.sub_(mean).div_(spread.clamp_(min=1.0))

    return by_image if normalize == "image" else by_data


def _check_room(model: nn.Module, data: Data, recipe: Recipe, device: torch.device) -> None:
    """MemoryError, before anything is allocated, if a step of training does not fit."""
    count, channels, height, width = data.train.images.shape
    shape = (min(recipe.batch, count), channels, height, width)
    check_training(model, shape, device=device, momentum=recipe.momentum > 0, half=recipe.precision == "bfloat16")


def _check_outputs(model: nn.Module, data: Data, prepare: Callable[[Tensor], Tensor]) -> None:
    model.eval()
    with torch.no_grad():
        shape = tuple(model(prepare(data.train.images[:1])).shape)
    if shape != (1, len(data.classes)):
        raise ValueError(
            f"fit: the model turns one image into an output of shape {shape}, but {data.name!r} has "
            f"{len(data.classes)} classes, which needs shape (1, {len(data.classes)}); give the model as many outputs."
        )


def _epochs(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    prepare: Callable[[Tensor], Tensor],
    device: torch.device,
    progress: bool,
) -> Iterator[Epoch]:
    """Train epoch after epoch; ends early when the loss is no longer a number."""
    images, labels = data.train.images.to(device), data.train.labels.to(device)
    pixels = images.permute(0, 2, 3, 1).contiguous()  # (n, H, W, 3): one read per pixel, and channels_last for free
    generator = torch.Generator().manual_seed(recipe.seed)
    steps = math.ceil(len(labels) / recipe.batch)
    optimizer, schedule = _optimizer(model, recipe, steps * recipe.epochs)
    with tqdm(total=steps * recipe.epochs, disable=not progress, unit="step", leave=False) as bar:
        for number in range(1, recipe.epochs + 1):
            begin = time.perf_counter()
            model.train()
            loss_sum, right = torch.zeros((), device=device), torch.zeros((), device=device)
            order = torch.randperm(len(labels), generator=generator)
            for step, chosen in enumerate(order.to(device).tensor_split(steps)):  # even parts: never a batch of one
                batch = prepare(_take(pixels, chosen, augment=recipe.augment, generator=generator))
                target = labels[chosen]
                with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
                    logits = model(batch).float()
                loss = F.cross_entropy(logits, target, label_smoothing=recipe.label_smoothing)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                loss_sum += loss.detach() * len(target)
                right += (logits.detach().argmax(1) == target).sum()
                bar.update()
                if (step % CHECK_EVERY == 0 or step == steps - 1) and not math.isfinite(loss_sum.item()):
                    return
            validation = accuracy(model, data.validation, prepare)
            share = 100 * right.item() / len(labels)
            yield Epoch(number, loss_sum.item() / len(labels), share, validation, time.perf_counter() - begin)
            bar.set_postfix_str(f"epoch {number}, validation {validation:.1f} %")


def _optimizer(
    model: nn.Module, recipe: Recipe, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    kernels = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]  # biases and norms: no decay
    groups = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    else:
        optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.99))
    if recipe.schedule == "constant":
        return optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.lr, total_steps=steps + 1, pct_start=WARM_UP, cycle_momentum=False
    )


def _take(pixels: Tensor, chosen: Tensor, *, augment: str, generator: torch.Generator) -> Tensor:
    """Images (n, 3, H, W), channels_last, out of pixels (N, H, W, 3): each shifted by up to 1/16 of its side, and
    half of them mirrored, as `augment` says."""
    if augment == "none":
        return pixels[chosen].permute(0, 3, 1, 2)
    height, width = pixels.shape[1:3]
    reach = max(1, height // 16)
    shift = torch.randint(-reach, reach + 1, (2, len(chosen), 1), generator=generator).to(pixels.device)
    rows = (torch.arange(height, device=pixels.device) + shift[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=pixels.device) + shift[1]).clamp(0, width - 1)
    if augment == "shift+flip":
        mirrored = torch.randint(2, (len(chosen), 1), generator=generator).to(pixels.device)
        columns = torch.where(mirrored > 0, columns.flip(1), columns)
    return pixels[chosen[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def accuracy(model: nn.Module, split: Split, prepare: Callable[[Tensor], Tensor]) -> float:
    """The share of a split's images, in percent (0 to 100), whose largest logit is the right one."""
    model.eval()
    right = 0
    with torch.inference_mode():
        parts = zip(split.images.split(EVALUATION_BATCH), split.labels.split(EVALUATION_BATCH), strict=True)
        for images, labels in parts:
            logits = model(prepare(images))
            right += int((logits.argmax(1) == labels.to(logits.device)).sum())
    return 100 * right / len(split.labels)
