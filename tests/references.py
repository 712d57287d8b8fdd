"""The same networks as other libraries have them, and what torch counts in one run of each."""

from __future__ import annotations

from unittest import mock

import timm
import torch
from torch import nn
from torchvision import models

import cnnlab as cl
from tests import oracles

TORCHVISION = frozenset(models.list_models(module=models))
TIMM = {"mobilenet_v1": "mobilenetv1_100"}  # our name -> timm's, where they differ


def reference(name: str, device: str = "meta") -> nn.Module | None:
    """The network of that name by torchvision, else by timm, without training heads; None if neither has it."""
    if name not in TORCHVISION:
        theirs = TIMM.get(name, name)
        with torch.device(device):
            return timm.create_model(theirs) if timm.is_model(theirs) else None
    options = {"init_weights": False, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    build = models.regnet._regnet

    def on_device(*args, **kwargs):
        with torch.device(device):
            return build(*args, **kwargs)

    if name.startswith("regnet"):  # its rule computes with tensors, which meta ones cannot
        with mock.patch.object(models.regnet, "_regnet", on_device):
            return models.get_model(name)
    with torch.device(device):
        return models.get_model(name, **options)


def counted(module: nn.Module, resolution: int) -> cl.Cost:
    """What torch counts in one run of it, as a cost."""
    return cl.Cost(*oracles.counted(module, resolution))
