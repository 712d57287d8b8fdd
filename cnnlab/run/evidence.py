"""Accuracies that others have measured and published, each with its source, beside a cost that is computed here."""

from __future__ import annotations

import re
from functools import cache
from math import isnan
from typing import TYPE_CHECKING, Any

import torch
import torchvision
from torchvision import models

from cnnlab.arch.cost import Cost
from cnnlab.arch.zoo import architecture, names
from cnnlab.run.papers import papers
from cnnlab.run.trace import trace

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = (  # the first pattern that a torchvision name matches
    (r"efficientnet_v2", "EfficientNetV2"),
    (r"efficientnet", "EfficientNet"),
    (r"wide_resnet", "Wide ResNet"),
    (r"resnext", "ResNeXt"),
    (r"resnet", "ResNet"),
    (r"regnet_x", "RegNetX"),
    (r"regnet_y", "RegNetY"),
    (r"mobilenet", "MobileNet"),
    (r"mnasnet", "MNASNet"),
    (r"shufflenet", "ShuffleNet"),
    (r"squeezenet", "SqueezeNet"),
    (r"densenet", "DenseNet"),
    (r"convnext", "ConvNeXt"),
    (r"googlenet|inception", "Inception"),
    (r"vgg", "VGG"),
    (r"alexnet", "AlexNet"),
    (r"vit|swin|maxvit", "transformer"),
)


COLUMNS = (
    *("data", "name", "model", "family", "weights", "layers", "depth", "width", "resolution", "accuracy", "accuracy5"),
    *("macs", "params", "activations", "cost", "stated_macs", "stated_params", "protocol", "recipe", "source", "note"),
)
WHOLE = ("layers", "resolution", "macs", "params", "activations", "stated_macs", "stated_params")


def published() -> pd.DataFrame:
    """Accuracies that others have published, with the cost of each network: one row a figure, the cheapest first.

    Two sources: the installed torchvision's weights (`source` begins with "torchvision"), and papers, as typed into
    `data/published.csv`. Columns; where a source says nothing, "" or NA:

    data: "imagenet", "cifar10" or "cifar100". name: in `cnnlab.names()` or torchvision. model: as the source calls it.
    family. weights: torchvision's. layers: with weights, as the paper counts. depth, width: multipliers, where the
    paper has such an axis. resolution: px, of the image that is evaluated.
    accuracy, accuracy5: top-1 and top-5 on the validation set (CIFAR: test set) unless `protocol` says otherwise,
    percent. protocol: what was averaged at test ("single crop", "mean of 10 crops", ...); compare within one alone.
    macs, params, activations: for one image, whatever the protocol. Parameters are those of the network that is
    evaluated: without the 3.3 M of the head that Inception v3 trains with.
    cost: where these come from: "computed" from cnnlab's own architecture, "traced" from torchvision's module, or
    "stated" by the source, where it is a transformer or the paper does not say enough to build it (then activations,
    and what is not stated, are NA).
    stated_macs, stated_params: what the source itself says, rounded as there; `data/published.md` lists where a paper
    and its network disagree.
    recipe: of training, torchvision's by its address. source: paper and table. note.

    >>> frame = published()
    >>> rows = frame[(frame["model"] == "EfficientNet-B0") & (frame["protocol"] == "single crop")]
    >>> rows[["accuracy", "macs", "stated_macs", "source"]].to_numpy().tolist()
    [[77.1, 385814752, 390000000, 'Tan and Le 2019 (version 5), Table 2']]
    """
    import pandas as pd

    frame = pd.DataFrame([*_rows(), *papers()], columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(WHOLE, "Int64")).sort_values("macs", kind="stable", ignore_index=True)


def family_of(name: str) -> str:
    """The family that a torchvision name belongs to; "other" if none is known."""
    return next((family for pattern, family in FAMILIES if re.match(pattern, name)), "other")


@cache  # the installed package does not change, and tracing its networks takes seconds
def _rows() -> list[dict[str, Any]]:
    found = [
        (name, weights) for name in models.list_models(module=models) for weights in models.get_model_weights(name)
    ]
    return [_row(name, weights) for name, weights in found if not isnan(_accuracies(weights)["acc@1"])]


def _accuracies(weights: Any) -> dict[str, float]:
    """The percentages "acc@1" and "acc@5"; NaN for weights that are features only."""
    accuracies: dict[str, float] = weights.meta["_metrics"]["ImageNet-1K"]
    return accuracies


def _row(name: str, weights: Any) -> dict[str, Any]:
    accuracy = _accuracies(weights)
    resolution = weights.transforms().crop_size[0]
    cost, how = _cost(name, weights, resolution)
    return {
        "data": "imagenet",
        "name": name,
        "model": name,
        "family": family_of(name),
        "weights": weights.name,
        "resolution": resolution,
        "accuracy": accuracy["acc@1"],
        "accuracy5": accuracy["acc@5"],
        "macs": cost.macs,
        "params": cost.params,
        "activations": cost.activations if how != "stated" else None,
        "cost": how,
        "stated_macs": round(weights.meta["_ops"] * 1e9),
        "stated_params": weights.meta["num_params"],
        "protocol": "single crop",
        "recipe": weights.meta.get("recipe") or "",
        "source": f"torchvision {torchvision.__version__.partition('+')[0]}",
        "note": "",
    }


def _cost(name: str, weights: Any, resolution: int) -> tuple[Cost, str]:
    if name in names():
        return architecture(name, resolution=resolution).cost(), "computed"
    if traced := _traced(name, resolution):
        return traced, "traced"
    return Cost(round(weights.meta["_ops"] * 1e9), weights.meta["num_params"], 0), "stated"


@cache  # several weights are of one network
def _traced(name: str, resolution: int) -> Cost | None:
    """The cost of torchvision's own module; None if it is not in the closed set, or cannot be built on meta."""
    if family_of(name) == "transformer":
        return None
    try:
        with torch.device("meta"):
            return trace(models.get_model(name), resolution).cost()
    except (ValueError, NotImplementedError):
        return None
