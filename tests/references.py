"""The same networks as other libraries have them, and what torch counts in one run of each."""

from __future__ import annotations

from unittest import mock

import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

import cnnlab as cl

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
    """Half the FLOPs that torch counts, the parameters, and what convolutions and linear layers put out; on meta."""
    seen: list[int] = []
    parts = [part for part in module.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    handles = [part.register_forward_hook(lambda _m, _x, y: seen.append(y.numel())) for part in parts]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(torch.empty(1, 3, resolution, resolution, device="meta"))
    for handle in handles:
        handle.remove()
    flops = counter.get_total_flops()
    assert flops % 2 == 0
    return cl.Cost(flops // 2, sum(p.numel() for p in module.parameters()), sum(seen))


@torch.no_grad()
def scattered(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with layer norms and layer scales that are neither the identity nor next to nothing. In place."""
    draw = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.LayerNorm):
            part.weight.uniform_(0.5, 1.5, generator=draw)
            part.bias.normal_(0, 0.1, generator=draw)
    for name, parameter in module.named_parameters():
        if name.endswith("layer_scale"):
            parameter.uniform_(0.2, 1, generator=draw)
    return module
