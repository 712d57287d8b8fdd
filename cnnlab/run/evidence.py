"""Accuracies that were measured, each with its source, beside a cost that is computed here."""

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


def published() -> pd.DataFrame:
    """ImageNet accuracies of the installed torchvision's weights, with the cost of each network: one row a weight.

    Columns: name, family, weights; resolution (px, of the evaluation's crop); accuracy, accuracy5 (top-1 and top-5 on
    the validation set, percent); macs, params, activations; cost: "computed" from cnnlab's own architecture, "traced"
    from torchvision's module, or "stated" by torchvision's metadata (rounded to 1 M MACs, activations unknown) where
    the network is a transformer; recipe (address of the training recipe); source. Parameters are those of the network
    that is evaluated: without the 3.3 M of the head that Inception v3 trains with.
    """
    import pandas as pd

    frame = pd.DataFrame(_rows())
    whole = ["resolution", "macs", "params", "activations"]
    return frame.astype(dict.fromkeys(whole, "Int64")).sort_values("macs", kind="stable", ignore_index=True)


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
        "name": name,
        "family": family_of(name),
        "weights": weights.name,
        "resolution": resolution,
        "accuracy": accuracy["acc@1"],
        "accuracy5": accuracy["acc@5"],
        "macs": cost.macs,
        "params": cost.params,
        "activations": cost.activations if how != "stated" else None,
        "cost": how,
        "recipe": weights.meta.get("recipe"),
        "source": f"torchvision {torchvision.__version__.partition('+')[0]}",
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
