"""After a cut: the batch norms' statistics taken anew, and fine-tuning; three accuracies say what each of them gave.

The accuracy right after a cut is no ranking of networks: a norm whose statistics are those of the whole network can
hide a good one (Li and others 2020, EagleEye). So there is always the number after recalibration beside it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cnnlab.arch.whole import check_int, named
from cnnlab.run.batches import memory_layout, preparation
from cnnlab.run.data import Data
from cnnlab.run.recipe import History, Recipe, check_choice
from cnnlab.run.train import accuracy, fit


@dataclass(frozen=True)
class Recovery:
    """What came back after a cut. All accuracies are in percent (0 to 100).

    before: of the validation images, by the model as it was given.  recalibrated: after its batch norms took their
    statistics anew.  fine_tuned: after training; NaN if there was none, or if the loss was no longer a number.
    test_accuracy: of the test images, by the model as it was left; NaN as in `History`.
    history: of the fine-tuning; None if there was none.

    >>> Recovery(31.25, 58.0, math.nan, 57.5)
    Recovery(before=31.25 %, recalibrated=58.00 %, fine_tuned=nan %, test_accuracy=57.50 %)
    """

    before: float
    recalibrated: float
    fine_tuned: float
    test_accuracy: float
    history: History | None = None

    @property
    def stopped(self) -> str | None:
        """None after the last epoch, else why fine-tuning ended early, as in `History`."""
        return None if self.history is None else self.history.stopped

    def __repr__(self) -> str:
        names = ("before", "recalibrated", "fine_tuned", "test_accuracy")
        parts = [f"{name}={getattr(self, name):.2f} %" for name in names]
        parts += [f"stopped={self.stopped!r}"] if self.stopped else []
        return f"Recovery({', '.join(parts)})"


def recover(
    model: nn.Module,
    data: Data,
    recipe: Recipe | None,
    *,
    normalize: str | None = None,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Recovery:
    """Measure a model, recalibrate it, fine-tune it, and measure it after each; the model is changed in place.

    data: what `cl.data.load` gives. The three accuracies are of its validation images, so that they may be used to
    choose; the test images are looked at once, at the end.  recipe: how `cl.fit` trains, with an optimizer made for the
    parameters that the model has now; None: not at all.  normalize: of the images, "data" or "image", as the model was
    trained; default: as the recipe says, or "data".  progress, checkpoint: as in `cl.fit`.

    Ctrl-C, or a notebook's stop button, ends the fine-tuning as it ends `cl.fit`: `stopped` says so, and what was
    measured is of the model as it was left. Raises ValueError, as a sentence, for weights that are no finite numbers,
    and what `recalibrate` and `cl.fit` raise; the model's numbers and modes are then what they were.

    >>> from cnnlab.run.data import Split
    >>> split = Split(torch.randint(256, (8, 3, 8, 8), dtype=torch.uint8), torch.arange(8) % 2)
    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    >>> found = recover(model, Data("toy", 8, ("a", "b"), split, split, split), Recipe(epochs=1), progress=False)
    >>> found.fine_tuned == found.history.epochs[-1].validation_accuracy
    True
    """
    check_data("recover", data)
    if recipe is not None and normalize not in (None, recipe.normalize):
        raise ValueError(f"recover: normalize={normalize!r}, and the recipe says {recipe.normalize!r}; leave one out")
    normalize = recipe.normalize if recipe is not None else normalize or "data"
    check_finite("recover", model)
    prepare = prepared(model, data, normalize)
    with _unchanged_on_error(model):
        before = accuracy(model, data.validation, prepare)
        recalibrate(model, data, normalize=normalize)
        recalibrated = accuracy(model, data.validation, prepare)
        if recipe is None:
            return Recovery(before, recalibrated, math.nan, accuracy(model, data.test, prepare))
        history = fit(model, data, recipe, progress=progress, checkpoint=checkpoint)
        if history.stopped is None:
            fine_tuned = history.epochs[-1].validation_accuracy
        else:  # the last epoch was not the last step
            lost = math.isnan(history.test_accuracy)
            fine_tuned = math.nan if lost else accuracy(model, data.validation, prepare)
    return Recovery(before, recalibrated, fine_tuned, history.test_accuracy, history)


def recalibrate(model: nn.Module, data: Data, *, normalize: str = "data", count: int = 2048, batch: int = 128) -> None:
    """Take the statistics of every batch norm anew, in place, from training images; nothing else of the model changes.

    Running means and variances are reset, and become the plain averages of those of the batches, as each norm sees
    them in training; all other parts (dropout) work as in evaluation. There are no labels and no gradients.

    data: what `cl.data.load` gives; its first `count` training images are used, or all, in even parts of at most
    `batch` images.  normalize: of the images, as in the recipe that the model was trained with.
    A norm that keeps no statistics, or that does not run, is left as it is.

    Raises ValueError, as a sentence, if statistics would be no finite numbers; the model is then as it was.

    >>> from cnnlab.run.data import Split
    >>> split = Split(torch.randint(256, (8, 3, 8, 8), dtype=torch.uint8), torch.arange(8) % 2)
    >>> model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(192, 2))
    >>> recalibrate(model, Data("toy", 8, ("a", "b"), split, split, split))
    >>> model[0].running_mean.abs().max().item() < 1e-6  # the images have mean 0 already
    True
    """
    check_data("recalibrate", data)
    count = min(named("recalibrate", check_int, "count", count), len(data.train))
    batch = named("recalibrate", check_int, "batch", batch)
    prepare = prepared(model, data, normalize, owner="recalibrate")
    images = data.train.images[:count]
    parts = max(1, min(math.ceil(count / batch), count // 2))  # a batch of one has no variance
    with _only_norms_learn(model):
        for part in images.tensor_split(parts):
            model(prepare(part))


def prepared(model: nn.Module, data: Data, normalize: str, *, owner: str = "recover") -> Callable[[Tensor], Tensor]:
    """The function that turns images into the model's input, as `cl.fit` makes it: of training images alone."""
    check_choice(owner, "normalize", normalize)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    return preparation(data.train.images, normalize, device, memory_layout(model, device))


def check_finite(owner: str, model: nn.Module) -> None:
    """ValueError, as a sentence, unless all parameters are finite numbers."""
    for name, parameter in model.named_parameters():
        ends = torch.stack(parameter.detach().aminmax()) if parameter.numel() else parameter  # NaN is both of them
        if not bool(ends.isfinite().all()):
            raise ValueError(
                f"{owner}: {name} holds NaN or an infinity; take weights from before training went wrong (the model is "
                "unchanged)"
            )


def check_data(owner: str, data: Data) -> None:
    if not isinstance(data, Data):
        raise TypeError(f"{owner}: data={type(data).__name__}: give what cl.data.load gives, with its training images")


@contextmanager
def _only_norms_learn(model: nn.Module) -> Iterator[None]:
    """Inside: batch norms with fresh statistics, in training, the rest in evaluation, no gradients. Afterwards: modes,
    momentum and random numbers as they were, and after an error the statistics too."""
    norms = {name: part for name, part in model.named_modules() if _keeps_statistics(part)}
    before = [(part, part.training, getattr(part, "momentum", None)) for part in model.modules()]
    old = {norm: [tensor.clone() for tensor in _statistics(norm)] for norm in norms.values()}
    gpus = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=[*gpus]), torch.no_grad():
        try:
            for part, _, _ in before:
                part.training = part in old  # not .train(): a norm may have parts of its own, as dropout
            for norm in old:
                norm.reset_running_stats()
                norm.momentum = None  # 1 / the number of batches so far: their plain average
            yield
            _check_statistics(norms)
            _put_back({norm: tensors for norm, tensors in old.items() if not norm.num_batches_tracked})  # never ran
        except BaseException:
            _put_back(old)
            raise
        finally:
            for part, training, momentum in before:
                part.training = training
                if part in old:
                    part.momentum = momentum


def _keeps_statistics(part: nn.Module) -> TypeGuard[_BatchNorm]:
    return isinstance(part, _BatchNorm) and part.running_mean is not None


def _statistics(norm: _BatchNorm) -> list[Tensor]:
    tensors = (norm.running_mean, norm.running_var, norm.num_batches_tracked)
    return [tensor for tensor in tensors if tensor is not None]


def _put_back(old: Mapping[_BatchNorm, Iterable[Tensor]]) -> None:
    for norm, tensors in old.items():
        for now, then in zip(_statistics(norm), tensors, strict=True):
            now.copy_(then)


def _check_statistics(norms: Mapping[str, _BatchNorm]) -> None:
    for name, norm in norms.items():
        if not all(bool(tensor.isfinite().all()) for tensor in _statistics(norm)):
            raise ValueError(
                f"recalibrate: the statistics of {name or 'the norm'} would be no finite numbers, because what reaches "
                "it holds NaN or grows too large; look at the weights before it (the model is unchanged)"
            )


@contextmanager
def _unchanged_on_error(model: nn.Module) -> Iterator[None]:
    """Whatever raises inside, the model's numbers and modes are then what they were."""
    old = {name: value.clone() for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    modes = [(part, part.training) for part in model.modules()]
    try:
        yield
    except BaseException:
        model.load_state_dict(old, strict=False)
        for part, training in modes:
            part.training = training
        raise
