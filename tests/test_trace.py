"""trace: anyone's CNN comes back as a graph that costs, computes and names the same."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import models

import cnnlab as cl
from tests import oracles

TRACED = [
    *["resnet18", "resnet50", "wide_resnet50_2", "resnext50_32x4d", "efficientnet_b0", "efficientnet_v2_s"],
    *["vgg11_bn", "alexnet", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5"],
]


@pytest.mark.parametrize("name", TRACED)
def test_torchvisions_networks_come_back(name):
    theirs = oracles.randomised(models.get_model(name, num_classes=10))
    graph = cl.trace(theirs, resolution=96)
    assert oracles.difference(theirs, graph.module(weights=theirs.state_dict()), resolution=96) <= 1e-5
    assert graph.cost() == cl.Cost(
        macs=oracles.macs(theirs, 96), params=oracles.numel(theirs), activations=oracles.activations(theirs, 96)
    )


@pytest.mark.parametrize("name", cl.names())
def test_the_zoos_own_modules_come_back(name):
    arch = cl.architecture(name)
    graph = arch.graph()
    with torch.device("meta"):
        again = cl.trace(graph.module(), arch.resolution)
    assert again.cost() == graph.cost()
    names = [[layer.name for layer in g.layers if "add" not in layer.name] for g in (graph, again)]
    assert [n for n in names[0] if "flatten" not in n and "mul" not in n and "pad" not in n] == [
        n for n in names[1] if "flatten" not in n and "mul" not in n and "pad" not in n
    ]


class Written(nn.Module):
    """A student's residual network: functional calls, reused modules, registration out of the order of use."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(16 * 4 * 4, 10)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)  # the same shape as conv3, and used after it
        self.conv3 = nn.Conv2d(16, 16, 3, padding="same", bias=False)
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = self.relu(self.conv1(x))
        skip = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 8))
        y = torch.relu(self.bn(self.conv3(skip)))
        y = F.max_pool2d(self.relu(self.conv2(y) + skip), 2)
        y = F.dropout(y * torch.sigmoid(F.adaptive_avg_pool2d(y, 1)), 0.1, self.training)
        y = self.drop(y)
        return self.fc(y.view(y.size(0), -1))


def test_a_handwritten_class_comes_back():
    theirs = oracles.randomised(Written())
    graph = cl.trace(theirs, resolution=16, channels=1)
    assert graph.cost().params == oracles.numel(theirs)
    ours = graph.module(weights=theirs.state_dict())
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert oracles.difference(theirs, ours, resolution=16, channels=1) <= 1e-5
    assert graph.cost().macs == oracles.macs(copy.deepcopy(theirs), 16, channels=1)


def test_the_module_is_left_as_it_was():
    theirs = Written().train()
    theirs.bn.eval()
    before, modes = copy.deepcopy(theirs.state_dict()), [m.training for m in theirs.modules()]
    attributes = {name: set(vars(part)) for name, part in theirs.named_modules()}
    cl.trace(theirs, resolution=16, channels=1)
    with pytest.raises(ValueError, match="takes 1 channels and gets 3"):
        cl.trace(theirs, resolution=16)
    assert [m.training for m in theirs.modules()] == modes
    assert all(torch.equal(before[k], v) for k, v in theirs.state_dict().items())
    assert {name: set(vars(part)) for name, part in theirs.named_modules()} == attributes


def net(forward, **parts) -> nn.Module:
    """A module of these parts with this forward(self, x)."""

    class Net(nn.Module):
        pass

    Net.forward = forward
    module = Net()
    for name, part in parts.items():
        setattr(module, name, part)
    return module


CONV = nn.Conv2d(3, 3, 3)
REFUSED = [
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4)), r"1: is InstanceNorm2d"),
    (nn.Sequential(nn.Conv2d(3, 4, (3, 5))), r"0: has kernel_size=\(3, 5\); height and width must be the same"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, padding_mode="reflect")), r"0: pads with 'reflect'"),
    (nn.Sequential(nn.Conv2d(3, 4, 4, padding="same")), r"0: pads unevenly"),
    (nn.Sequential(nn.ConvTranspose2d(3, 4, 3)), r"0: is ConvTranspose2d"),
    (nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True)), r"0: is MaxPool2d.*ceil_mode=True"),
    (nn.Sequential(nn.BatchNorm2d(3, affine=False)), r"0: is BatchNorm2d.*affine=False"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(5, 4, 3)), r"1: takes 5 channels and gets 4"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4)), r"1: takes 4.*|1: needs a flat vector"),
    (nn.Sequential(nn.Conv2d(3, 4, 64)), r"0: its window of 64 px does not fit the image of 32 px"),
    (net(lambda s, x: s.conv(s.conv(x)), conv=CONV), r"conv: runs twice with the same parameters"),
    (net(lambda s, x: s.conv(x) * 2, conv=CONV), r"mul: takes 2 where trace expects an image"),
    (net(lambda s, x: x.softmax(1)), r"softmax: calls softmax, which trace does not know"),
    (net(lambda s, x: x * s.scale, scale=nn.Parameter(torch.ones(1))), r"scale: uses the tensor scale directly"),
    (net(lambda s, x: x if x.sum() > 0 else -x), r"Net: torch.fx cannot follow its forward"),
    (net(lambda s, x: (x, x)), r"output: the module returns several things"),
    (net(lambda s, x: x.mean(1)), r"mean: takes the mean over dimensions 1"),
    (net(lambda s, x: F.relu(x, 1, 2)), r"cannot follow its forward"),
    (net(lambda s, x: x.flatten(2)), r"flatten: flattens dimensions 2 to -1"),
    (net(lambda s, x: x.view(-1, 12)), r"view: reshapes to \(-1, 12\)"),
    (net(lambda s, x: x[:, :1]), r"getitem: takes the part"),
    (net(lambda s, x: torch.cat([x, x], 2)), r"cat: stacks along dimension 2"),
    (net(lambda s, x: torch.add(x, x, alpha=2)), r"add: adds with alpha=2"),
    (net(lambda s, x: F.max_pool2d(x, 2, ceil_mode=True)), r"max_pool2d: is MaxPool2d.*ceil_mode=True"),
    (net(lambda s, x: F.pad(x, (1, 1, 1, 1))), r"pad: pads by \(1, 1, 1, 1\)"),
    (net(lambda s, x, y: x + y), r"y: is a second input"),
    (net(lambda s, x: s.conv(input=x), conv=CONV), r"conv: is called with something else than one image"),
    (net(lambda s, x: s.conv(x.shape), conv=CONV), r"conv: is called with something else than one image"),
    (net(lambda s, x: x.flatten(1) + x.shape[7]), r"getitem: is called with arguments that trace does not know"),
]


@pytest.mark.parametrize(("module", "sentence"), REFUSED, ids=lambda case: case[:25] if isinstance(case, str) else "")
def test_what_the_closed_set_lacks_is_refused_with_its_path(module, sentence):
    with pytest.raises(ValueError, match=sentence):
        cl.trace(module, resolution=32)


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "convnext_tiny", "shufflenet_v2_x0_5", "googlenet"])
def test_torchvisions_other_networks_are_refused_not_guessed(name):
    with torch.device("meta"):
        module = models.get_model(name, **({"init_weights": False} if name == "googlenet" else {}))
    with pytest.raises(ValueError, match=r"trace"):
        cl.trace(module)


def test_only_modules_are_traced():
    with pytest.raises(TypeError, match=r"module=str: trace takes a torch.nn.Module"):
        cl.trace("resnet18")
