"""The receptive field, by published figures, by hand, and by which pixels get a gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cnnlab as cl
from cnnlab.arch.field import receptive_field
from cnnlab.run.trace import trace


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("alexnet", 195),  # Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks"
        ("vgg16", 212),
        ("mobilenet_v1", 315),
        # by hand: 7x7, pool, four 3x3 at a step of 4; then in each stage one 3x3 at the old step, three at twice that
        ("resnet18", 7 + 2 * 2 + 4 * 2 * 4 + 2 * 4 + 3 * 2 * 8 + 2 * 8 + 3 * 2 * 16 + 2 * 16 + 3 * 2 * 32),
    ],
)
def test_published_and_by_hand(name, field):
    assert receptive_field(cl.architecture(name).graph()) == field


def touched(module: nn.Module, size: int) -> int:
    """Pixels on a side that the middle of the last feature map gets a gradient from; all weights are positive."""
    module = module.double().eval()
    for weight in module.parameters():
        nn.init.constant_(weight, 0.1)
    image = torch.ones(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    last = module(image)
    last[0, :, last.shape[2] // 2, last.shape[3] // 2].sum().backward()
    assert image.grad is not None
    return int((image.grad[0].sum(0) != 0).any(0).sum())


def convs(*settings: dict[str, int]) -> nn.Sequential:
    layers = [nn.Conv2d(3, 3, padding=each["kernel_size"] // 2 * each.get("dilation", 1), **each) for each in settings]
    return nn.Sequential(*layers)


class Branches(nn.Module):
    """Two ways to one map, of which the wider one counts."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=3, dilation=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.near(x) + self.far(x)


@pytest.mark.parametrize(
    ("module", "field"),
    [
        (convs({"kernel_size": 3}), 3),
        (convs({"kernel_size": 3, "stride": 2}, {"kernel_size": 5}), 11),
        (convs({"kernel_size": 3, "dilation": 2}, {"kernel_size": 3}), 7),
        (convs({"kernel_size": 1}, {"kernel_size": 1, "stride": 2}, {"kernel_size": 3}), 5),
        (Branches(), 7),
    ],
)
def test_which_pixels_get_a_gradient(module, field):
    found = receptive_field(trace(module, resolution=40))
    assert found == field
    assert touched(module, 40) <= field  # a dilated kernel leaves holes in it


def test_a_gate_that_pools_does_not_end_it():
    """Squeeze-excite sees the whole image; the map beside it does not: a 3x3 stem at stride 2, a 3x3 block at a step of
    2, and two in the second stage, the first of which halves."""
    assert receptive_field(cl.architecture("small_mbconv").graph()) == 3 + 2 * 2 + 2 * 2 + 2 * 4
