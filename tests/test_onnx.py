"""The modules go out through ONNX: onnxruntime, which shares no code with them, gives the same logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.arch.graph import Graph
from tests.test_source import built, drawn


def zoo(name: str, resolution: int) -> Graph:
    return cl.architecture(name, resolution=resolution, classes=10).graph()


def traced(name: str, resolution: int) -> Graph:
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    return cl.trace(getattr(models, name)(weights=None, num_classes=10, **options), resolution)


# One member of each family; small images, because the exporter's time is that of the layers and not of the pixels.
FAMILIES = [
    *((zoo, name, 32) for name in ("resnet18", "cifar_resnet20", "seresnet18", "vgg11_bn")),
    *((zoo, name, 32) for name in ("mobilenet_v2", "mobilenet_v3_small")),
    *((zoo, name, 32) for name in ("efficientnet_b0", "regnet_y_400mf", "convnext_tiny", "densenet121", "googlenet")),
    *[(zoo, "squeezenet1_1", 46), (zoo, "alexnet", 64), (traced, "shufflenet_v2_x0_5", 32)],
]
IDS = [f"{make.__name__}-{name}" for make, name, _ in FAMILIES]


def check_exported(model: nn.Module, resolution: int, path: Path) -> None:
    """Export for any batch, and compare the logits of a batch that the exporter has not seen."""
    model = drawn(model)
    given = torch.randn(2, 3, resolution, resolution, generator=torch.Generator().manual_seed(0))
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.onnx.export(model, (given,), path, dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = torch.randn(3, 3, resolution, resolution, generator=torch.Generator().manual_seed(1))
    (theirs,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        ours = model(x).numpy()
    assert ours.shape == theirs.shape == (3, 10)
    assert np.ptp(ours, axis=0).max() > 1e-2 * np.abs(ours).max()  # the logits depend on the image
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(ours).max()


@pytest.mark.parametrize(("make", "name", "resolution"), FAMILIES, ids=IDS)
def test_every_family_runs_in_onnxruntime(make, name, resolution, tmp_path):
    check_exported(make(name, resolution).module(seed=0), resolution, tmp_path / "network.onnx")


def test_so_does_the_module_of_the_written_source(tmp_path):
    graph = zoo("efficientnet_b0", 32)
    model = built(graph.to_pytorch())
    model.load_state_dict(graph.module(seed=0).state_dict())
    check_exported(model, 32, tmp_path / "network.onnx")
