"""Training: images/s of `cl.fit` and of the usual loop, side by side, and whether they come to the same accuracy.

The usual loop: PIL images in memory (so that it need not even decode files), torchvision's Resize, RandomCrop with
repeated edges, ToTensor, Normalize, a DataLoader without and with worker processes, float32, the plain layout. Network,
initial weights, images, epochs, batch, optimizer, learning rate and augmentation are the same. All ways take turns,
seed by seed. Each is charged with all that it does: shrinking the images (`cl.fit`: once; the loop: in every epoch),
starting workers, an evaluation after every epoch and the test. Beside the clock stands the processors' time, that of
worker processes too: the fairer figure on a busy machine, and what counts where several networks are trained at once.

The images are plain glyphs, which can be learned from few of them: a minute of training would leave every way near
chance on those of `cl.data.load("glyphs")`, and equal accuracy would say nothing. Read the ratios, not the images/s.
"""

from __future__ import annotations

import dataclasses
import gc
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from tqdm import tqdm

import cnnlab as cl
from cnnlab.arch.architecture import Architecture
from cnnlab.run import glyphs
from cnnlab.run.data import Data, Split
from cnnlab.run.sources.pictures import shrink

SEEDS = (0, 1, 2)
SIZES = (1800, 200, 1600)  # images for training, validation and test
PLAIN = glyphs.Settings(
    count=sum(SIZES), height=(0.5, 0.62), rotation=0.1, shear=0.1, shift=0.08, warp=0.02, outlined=0.0, distractors=0,
    bars=0, contrast=(0.5, 0.6), noise=(0.01, 0.02), texture=0.02,
)  # fmt: skip


def networks() -> Mapping[str, tuple[Architecture, cl.Recipe]]:
    """The small ResNet of the measured tables, at its own size, and the CIFAR ResNet with two blocks in each stage.

    Each with its recipe: the default one, with fewer epochs where an epoch is long.
    """
    resnet14 = cl.scaled(cl.architecture("cifar_resnet20"), depth=2 / 3, resolution=32)
    return {
        "small_resnet": (cl.architecture("small_resnet"), cl.Recipe(epochs=8)),
        "cifar_resnet14": (resnet14, cl.Recipe(epochs=5)),
    }


class Run(NamedTuple):
    """Seconds by the clock, seconds of all processors, and the accuracy on the test images in percent."""

    clock: float
    processor: float
    accuracy: float


Way = Callable[[cl.Recipe], float]
"""Trains a network by a recipe and gives its accuracy on the test images, in percent."""


def measured(way: Way, recipe: cl.Recipe) -> Run:
    """The way's accuracy, and what it took."""
    clock, processor = time.perf_counter(), processor_time()
    accuracy = way(recipe)
    gc.collect()  # ends the loaders' workers, whose time counts when they have ended
    return Run(time.perf_counter() - clock, processor_time() - processor, accuracy)


def processor_time() -> float:
    """Seconds that all threads of this process have computed, and its children that have ended."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


Transform = Callable[[Image.Image], torch.Tensor]


class Pictures(Dataset):
    """A split as people have it: PIL images, each transformed when it is asked for."""

    def __init__(self, images: list[Image.Image], labels: list[int], transform: Transform) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index]), self.labels[index]


def loaders(data: Data, recipe: cl.Recipe, resolution: int, workers: int) -> list[DataLoader]:
    """Of the training, validation and test images: shrunk whenever one is taken."""
    sample = shrink(data.train.images[:500].numpy(), resolution) / 255
    end = [transforms.ToTensor(), transforms.Normalize(sample.mean((0, 2, 3)), sample.std((0, 2, 3)))]
    shift = transforms.RandomCrop(resolution, padding=max(1, resolution // 16), padding_mode="edge")
    resize = transforms.Resize(resolution)
    still, moved = transforms.Compose([resize, *end]), transforms.Compose([resize, shift, *end])
    return [
        DataLoader(
            Pictures(*pil(split), moved if split is data.train else still),
            batch_size=recipe.batch if split is data.train else 500,
            shuffle=split is data.train,
            num_workers=workers,
            persistent_workers=workers > 0 and split is not data.test,
        )
        for split in (data.train, data.validation, data.test)
    ]


@lru_cache
def pil(split: Split) -> tuple[list[Image.Image], list[int]]:
    """Images and labels as people have them."""
    arrays = split.images.permute(0, 2, 3, 1).contiguous().numpy()
    return [Image.fromarray(array) for array in arrays], split.labels.tolist()


def loop(model: nn.Module, data: Data, recipe: cl.Recipe, *, resolution: int, workers: int) -> float:
    """Train as most tutorials do; the test accuracy. data: images as they are before they are shrunk."""
    torch.manual_seed(recipe.seed)
    train, validation, test = loaders(data, recipe, resolution, workers)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    steps = len(train) * recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.lr, total_steps=steps + 1, pct_start=0.2, cycle_momentum=False
    )
    for _ in range(recipe.epochs):
        model.train()
        for images, labels in train:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
        accuracy(model, validation)
    return accuracy(model, test)


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    """In percent."""
    model.eval()
    with torch.no_grad():
        right = [float((model(images).argmax(1) == labels).sum()) for images, labels in loader]
    return 100 * sum(right) / len(loader.dataset)  # type: ignore[arg-type]


def drawn(settings: glyphs.Settings, sizes: tuple[int, ...]) -> Data:
    """Pictures in three splits of these sizes."""
    images = torch.from_numpy(np.concatenate(list(glyphs.render(settings))))
    labels = torch.from_numpy(glyphs.labels(settings.count))
    splits = [Split(*pair) for pair in zip(images.split(sizes), labels.split(sizes), strict=True)]
    return Data("plain glyphs", settings.size, glyphs.CLASSES, *splits)


def shrunk(data: Data, resolution: int) -> Data:
    """The data at a lower resolution, as `cl.data.load` makes it."""
    small = [Split(shrink(s.images.numpy(), resolution), s.labels) for s in (data.train, data.validation, data.test)]
    return Data(data.name, resolution, data.classes, *small)


def ways(arch: Architecture, data: Data) -> Mapping[str, Way]:
    """Each way to train the network. data: the images as they are."""
    resolution = int(arch.resolution)

    def model(recipe: cl.Recipe) -> nn.Module:
        return dataclasses.replace(arch, classes=len(data.classes)).graph().module(seed=recipe.seed)

    def usual(recipe: cl.Recipe, workers: int) -> float:
        return loop(model(recipe), data, recipe, resolution=resolution, workers=workers)

    def fit(recipe: cl.Recipe, precision: str) -> float:
        recipe = dataclasses.replace(recipe, precision=precision)
        return cl.fit(model(recipe), shrunk(data, resolution), recipe, progress=False).test_accuracy

    return {f"loop, {n} workers": partial(usual, workers=n) for n in (0, 2)} | {
        f"fit, {precision}": partial(fit, precision=precision) for precision in ("float32", "bfloat16")
    }


def rows(arch: Architecture, data: Data, recipe: cl.Recipe, seeds: Sequence[int]) -> Iterator[dict[str, object]]:
    """A row for each way: its speed, how many times as fast as each of the loops it is, its accuracies."""
    few = Split(data.train.images[:64], data.train.labels[:64])
    for way in ways(arch, dataclasses.replace(data, train=few, validation=few, test=few)).values():
        way(dataclasses.replace(recipe, epochs=1))  # what only the first call of a kind does
    trained = ways(arch, data)
    runs: dict[str, list[Run]] = {name: [] for name in trained}
    for seed, name in tqdm([(seed, name) for seed in seeds for name in trained], file=sys.stderr, leave=False):
        runs[name].append(measured(trained[name], dataclasses.replace(recipe, seed=seed)))
    for name, found in runs.items():
        row: dict[str, object] = {"way": name}
        row["images/s"] = len(data.train) * recipe.epochs / statistics.median(run.clock for run in found)
        for peer in (peer for peer in runs if peer.startswith("loop")):
            row[f"x {peer}"] = spread([b.clock / a.clock for a, b in zip(found, runs[peer], strict=True)])
        peer = next(iter(runs))
        ratios = [b.processor / a.processor for a, b in zip(found, runs[peer], strict=True)]
        row["x processor time"] = spread(ratios)
        accuracies = [run.accuracy for run in found]
        row["test accuracy"] = statistics.mean(accuracies)
        row["sd"] = statistics.stdev(accuracies) if len(accuracies) > 1 else float("nan")
        yield row


def spread(ratios: list[float]) -> str:
    """The median, and the range."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    """Print each way's speed, its ratios and its accuracy, for both networks."""
    data = drawn(PLAIN, SIZES)
    formats = {"images/s": "{:.0f}".format, "test accuracy": "{:.1f} %".format, "sd": "{:.1f}".format}
    for name, (arch, recipe) in networks().items():
        found = pd.DataFrame(rows(arch, data, recipe, SEEDS))
        print(f"\n{name}, {arch.resolution} px, {torch.get_num_threads()} threads, {len(SEEDS)} seeds")
        print(found.to_string(index=False, formatters=formats))


if __name__ == "__main__":
    main()
