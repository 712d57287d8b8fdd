"""`Recipe`: how to train. `History`: what came out. Values, both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cnnlab.arch.whole import check_int, check_real, named

if TYPE_CHECKING:
    import pandas as pd

CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "adamw"),
    "schedule": ("one-cycle", "constant"),
    "augment": ("none", "shift", "shift+flip"),
    "normalize": ("data", "image"),
    "precision": ("float32", "bfloat16"),
}
"""field -> what it may be."""


def check_choice(owner: str, field: str, value: str) -> str:
    """The value, if it is one of the field's `CHOICES`; ValueError, as a sentence that begins with the owner, else."""
    if value not in CHOICES[field]:
        raise ValueError(f"{owner}: {field}={value!r}: {field} must be one of {', '.join(CHOICES[field])}")
    return value


@dataclass(frozen=True)
class Recipe:
    """How to train. The default: SGD with Nesterov momentum, a one-cycle learning rate, images shifted at random.

    epochs: passes over the training images.  batch: images per step.
    optimizer: "sgd", or "adamw" (Loshchilov and Hutter 2019): betas (momentum, 0.99), and lr had better be near 0.005.
    schedule: "one-cycle": lr is reached after the first 20 % of the steps, then falls along a cosine to about 0
    (Smith 2018); "constant": it stays.  lr: the highest learning rate.  weight_decay: not applied to biases and norms.
    augment: "shift" moves every training image by up to 1/16 of its side, edge pixels repeated; "shift+flip" also
    mirrors half of them, which would make other letters; "none" leaves them.
    normalize: "data" brings the channels of the whole data set to mean 0 and spread 1; "image" each image of its own.
    seed: of the order of the images, the shifts and the model's own random layers; the initial weights are the
    caller's affair.  precision: "bfloat16" is faster on processors and GPUs that have it.

    Raises TypeError or ValueError with a sentence when a field has the wrong type or lies outside its range.

    >>> Recipe(epochs=2).lr
    0.2
    >>> Recipe(momentum=1.5)
    Traceback (most recent call last):
    ValueError: Recipe: momentum=1.5: momentum must be a number at least 0 and below 1
    """

    epochs: int = 8
    batch: int = 128
    optimizer: str = "sgd"
    schedule: str = "one-cycle"
    lr: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    augment: str = "shift"
    normalize: str = "data"
    seed: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        for what, least in (("epochs", 1), ("batch", 1), ("seed", 0)):
            object.__setattr__(self, what, named("Recipe", check_int, what, getattr(self, what), least=least))
        named("Recipe", check_real, "lr", self.lr, above=0)
        named("Recipe", check_real, "weight_decay", self.weight_decay, least=0)
        for what in ("momentum", "label_smoothing"):
            named("Recipe", check_real, what, getattr(self, what), least=0, below=1)
        for what in CHOICES:
            check_choice("Recipe", what, getattr(self, what))


@dataclass(frozen=True)
class Epoch:
    """One pass: the mean training loss (nats), accuracies in percent (0 to 100), and the seconds it took.

    The training figures are running ones: of augmented images, by the weights as they were at each step.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_accuracy: float
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class History:
    """What a training run gave.

    test_accuracy: of the model as `fit` left it, in percent (0 to 100); NaN if the loss was no longer a number.
    stopped: None after the last epoch, else why the run ended early.  Seconds are left out of `==` and of `repr`.

    >>> history = History(Recipe(epochs=2), (Epoch(1, 0.5, 80.0, 75.0, 3.2),), 74.0, "interrupted")
    >>> history
    History(epochs=1 of 2, train_loss=0.5000, train_accuracy=80.00 %, validation_accuracy=75.00 %, \
test_accuracy=74.00 %, stopped='interrupted')
    """

    recipe: Recipe
    epochs: tuple[Epoch, ...]
    test_accuracy: float
    stopped: str | None = None

    def frame(self) -> pd.DataFrame:
        """One row per epoch, indexed by epoch, with the columns of `Epoch`; accuracies in percent.

        >>> History(Recipe(), (Epoch(1, 0.5, 80.0, 75.0, 3.2),), 74.0).frame().validation_accuracy.tolist()
        [75.0]
        """
        import pandas as pd

        names = list(Epoch.__dataclass_fields__)
        return pd.DataFrame([vars(epoch) for epoch in self.epochs], columns=names).set_index("epoch")

    def __repr__(self) -> str:
        parts = [f"epochs={len(self.epochs)} of {self.recipe.epochs}"]
        if self.epochs:
            last = self.epochs[-1]
            parts.append(f"train_loss={last.train_loss:.4f}")
            parts.append(f"train_accuracy={last.train_accuracy:.2f} %")
            parts.append(f"validation_accuracy={last.validation_accuracy:.2f} %")
        parts.append(f"test_accuracy={self.test_accuracy:.2f} %")
        parts += [f"stopped={self.stopped!r}"] if self.stopped else []
        return f"History({', '.join(parts)})"
