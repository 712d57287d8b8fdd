"""trace: anyone's CNN comes back as a graph that costs, computes and names the same."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import module as hooks
from torchvision import models

import cnnlab as cl
from tests import oracles
from tests.nets import net
from tests.references import TORCHVISION, reference

TRACED = [
    *["resnet18", "wide_resnet50_2", "resnext50_32x4d", "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny"],
    *["vgg11_bn", "alexnet", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "mnasnet0_5", "squeezenet1_0"],
    *["shufflenet_v2_x0_5", "regnet_x_400mf", "regnet_y_400mf", "googlenet", "inception_v3"],
]
WITHOUT_A_WARNING = {"init_weights": False, "transform_input": True}
OPTIONS = {"googlenet": WITHOUT_A_WARNING, "inception_v3": WITHOUT_A_WARNING}


def check(theirs: nn.Module, resolution: int) -> None:
    """What trace makes of a module computes the same, with the module's weights, and costs what torch counts."""
    graph = cl.trace(theirs, resolution)
    ours = graph.module(weights=theirs.state_dict())
    assert oracles.difference(theirs, ours, resolution) <= 1e-5
    assert graph.cost() == cl.Cost(
        macs=oracles.macs(theirs, resolution),
        params=oracles.numel(ours),
        activations=oracles.activations(theirs, resolution),
    )


@pytest.mark.parametrize("name", TRACED)
def test_torchvisions_networks_come_back(name):
    theirs = oracles.randomised(models.get_model(name, num_classes=10, **OPTIONS.get(name, {})))
    check(theirs, resolution=107)  # odd: no window fits evenly
    used = sum(p.numel() for n, p in theirs.named_parameters() if not n.startswith(("aux", "Aux")))
    assert cl.trace(theirs, 107).cost().params == used


def test_every_torchvision_cnn_is_traced():
    names = [name for name in sorted(TORCHVISION) if not name.startswith(("vit", "swin", "maxvit"))]
    assert len(names) > 60
    for name in names:
        module = reference(name)
        assert cl.trace(module, 128).cost().macs == oracles.macs(module, 128), name


TIMM = ["resnetrs50", "tf_efficientnet_lite0", "mobilenetv3_small_050", "dla34", "repvgg_a0", "ghostnet_050"]
TIMM += ["xception41", "convnext_atto", "res2net50_14w_8s", "cspdarknet53", "legacy_seresnet18", "dpn48b"]


@pytest.mark.parametrize("name", TIMM)
def test_timms_networks_come_back(name):
    theirs = timm.create_model(name, num_classes=10)
    for part in theirs.modules():
        if hasattr(part, "aux_head"):
            part.aux_head = None
    check(oracles.randomised(theirs), resolution=96)


ZOO = ["plain18", "resnet50", "cifar_resnet20", "cifar_resnet20_b", "efficientnet_b0", "efficientnet_v2_s", "alexnet"]
ZOO += ["vgg11_bn", "squeezenet1_0", "densenet121", "googlenet", "inception_v3", "mobilenet_v1", "mobilenet_v3_small"]
ZOO += ["mnasnet1_0", "regnet_x_400mf", "regnet_y_400mf", "seresnet50", "resnetrs50", "convnext_tiny"]


@pytest.mark.parametrize("name", ZOO)
def test_the_zoos_own_modules_come_back(name):
    arch = cl.architecture(name)
    graph = arch.graph()
    with torch.device("meta"):
        again = cl.trace(graph.module(), arch.resolution)
    assert again.cost() == graph.cost()
    assert _learned(again) == _learned(graph)


def _learned(graph: cl.Graph) -> list[str]:
    table = graph.table()
    return list(table["layer"][table["params"] > 0])


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


def test_what_a_forward_remembers_is_not_left_in_the_module():
    def forward(self, x):
        self.last = x
        self.calls.append(torch.rand(1))
        self.conv.weight.mul_(2)
        return self.conv(x)

    module = net(forward, conv=nn.Conv2d(3, 4, 1), calls=[])
    weight, dice = module.conv.weight.detach().clone(), torch.get_rng_state()
    assert cl.trace(module, 8).cost().params == 16
    assert (set(vars(module)) & {"last"}, module.calls) == (set(), [])
    assert torch.equal(module.conv.weight, weight)
    assert torch.equal(torch.get_rng_state(), dice)


class Squeeze(nn.Module):
    """A gate as students write it: pooled, flattened, two linear layers, reshaped and expanded."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(6, 2), nn.ReLU(inplace=True), nn.Linear(2, 6), nn.Hardsigmoid())

    def forward(self, x):
        n, c, h, w = x.shape
        if h != w:
            raise ValueError("a path that depends on the shape is a path nonetheless")
        return x * self.fc(x.mean((2, 3))).view(n, c, 1, 1).expand_as(x)


class Layouts(nn.Module):
    """Views, splits, constants and pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.high = nn.Conv2d(3, 6, (1, 5), padding=(0, 2)), nn.Conv2d(6, 6, (3, 1), padding="same")
        self.gate, self.norm, self.mlp = Squeeze(), nn.LayerNorm(6), nn.Linear(6, 6)
        self.gamma = nn.Parameter(torch.linspace(0.5, 1.5, 6).reshape(6, 1, 1))
        self.pool, self.norm1d = nn.MaxPool2d(3, 2, ceil_mode=True), nn.BatchNorm1d(6)
        self.head = nn.Conv2d(6, 4, 1)

    def forward(self, x):
        mean = torch.cat([x[:, i].unsqueeze(1) * 0.5 - 0.1 * i for i in range(3)], 1)
        x = self.high(self.wide(F.pad(mean, (0, 1, 0, 1))))
        x = x * F.relu6(x + 3.0) / 6.0
        a, b = x.chunk(2, dim=1)
        n, c, h, w = x.shape
        x = torch.cat((F.leaky_relu_(a), -b), 1).view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        y = self.mlp(F.gelu(self.norm(self.gate(x).permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        x = self.pool(self.gamma * y + x)
        y = self.norm1d(x.flatten(2).mean(2))
        return self.head(y[:, :, None, None]).squeeze(-1).squeeze(-1)


@pytest.mark.parametrize(("module", "resolution"), [(Layouts(), 9), (Layouts(), 14)], ids=["odd", "even"])
def test_views_constants_and_pairs_come_back(module, resolution):
    check(oracles.randomised(module), resolution)


def test_what_is_changed_in_place_is_seen_by_whoever_holds_it():
    def forward(self, x):
        y = self.conv(x)
        z = F.relu(y, inplace=True)
        y += 1.0  # z is y
        return torch.cat([z, y], 1)

    check(net(forward, conv=nn.Conv2d(3, 4, 3)).eval(), 8)


def test_wrapped_modules_are_unwrapped():
    inside = models.resnet18(num_classes=10)
    cost = cl.trace(inside, 64).cost()
    assert cl.trace(nn.DataParallel(inside), 64).cost() == cost
    assert cl.trace(torch.compile(inside, backend="eager"), 64).cost() == cost


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_a_fault_in_forward_leaves_nothing_behind(fault):
    def forward(self, x):
        raise fault("the cable was pulled")

    module = net(forward, conv=nn.Conv2d(3, 4, 3)).train()
    before = dict(hooks._global_forward_hooks), dict(hooks._global_forward_pre_hooks)
    with pytest.raises((ValueError, KeyboardInterrupt), match="the cable was pulled"):
        cl.trace(nn.Sequential(module))
    assert (dict(hooks._global_forward_hooks), dict(hooks._global_forward_pre_hooks)) == before
    assert module.training


def changed_through_a_view(self, x):
    half = x[:, :1]
    half += 1.0
    return x + 1.0


CONV = nn.Conv2d(3, 3, 3)
REFUSED = [
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4)), r"1: calls instance_norm, which trace does not know"),
    (nn.Sequential(nn.Conv2d(3, 4, (3, 5))), r"0: leaves an image of 30 x 28 px.*pad the longer side"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, stride=(1, 2))), r"0: has stride=\(1, 2\); height and width must be the same"),
    (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")), r"0: pads with 'reflect'"),
    (nn.Sequential(nn.Conv2d(3, 4, 4, padding="same")), r"0: pads unevenly"),
    (nn.Sequential(nn.ConvTranspose2d(3, 4, 3)), r"0: calls conv_transpose2d, which trace does not know"),
    (nn.Sequential(nn.MaxPool2d(3, 2, dilation=2)), r"0: pools with dilation=2"),
    (nn.Sequential(nn.AvgPool2d(3, 2, 1, count_include_pad=False)), r"0: pools with count_include_pad=False"),
    (nn.Sequential(nn.BatchNorm2d(3, affine=False)), r"0: is a batch norm without scale and shift"),
    (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)), r"0: is a batch norm without scale and shift"),
    (nn.Sequential(nn.GroupNorm(1, 3)), r"0: calls group_norm, which trace does not know"),
    (nn.Sequential(nn.LayerNorm(32)), r"0: normalises a tensor of shape \(2, 3, 32, 32\) over its last 1"),
    (nn.Sequential(nn.LeakyReLU(0.2)), r"0: has negative_slope=0.2; only torch's default, 0.01"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(5, 4, 3)), r"1: takes 5 channels and gets 4"),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 4)), r"1: needs a flat vector"),
    (nn.Sequential(nn.Flatten(), nn.Linear(4, 4)), r"1: takes 4 channels and gets 3072"),
    (nn.Sequential(nn.Conv2d(3, 4, 64)), r"0: its window of 64 px does not fit the image of 32 px"),
    (net(lambda s, x: s.conv(s.conv(x)), conv=CONV), r"conv: runs twice with the same parameters"),
    (net(lambda s, x: x.softmax(1)), r"softmax: calls softmax, which trace does not know"),
    (net(lambda s, x: x * s.scale, scale=nn.Parameter(torch.ones(1))), r"mul: multiplies.*only one factor for each"),
    (net(lambda s, x: x + s.shift, shift=nn.Parameter(torch.ones(3, 1, 1))), r"add: joins.*that comes from no layer"),
    (net(lambda s, x: F.conv2d(x, s.conv.weight * 2), conv=CONV), r"conv2d: uses a tensor that is no parameter"),
    (net(lambda s, x: x if x.sum() > 0 else -x), r"sum: calls sum, which trace does not know"),
    (net(lambda s, x: x if x > 0 else -x), r"gt: calls __gt__|gt: calls gt"),
    (net(lambda s, x: x * x.item()), r"item: calls item, which needs the numbers in a tensor"),
    (net(lambda s, x: x.data), r"data|__get__: calls data, which trace does not know"),
    (net(lambda s, x: x / 0), r"div: divides by 0"),
    (net(lambda s, x: (x, x)), r"output: the module returns several things"),
    (net(lambda s, x: x.mean(1)), r"mean: takes the mean over dimensions 1"),
    (net(lambda s, x: F.relu(x, 1, 2)), r"takes from 1 to 2 positional arguments but 3 were given"),
    (net(lambda s, x: x.flatten(2)), r"output: the module returns several things|flatten: flattens"),
    (net(lambda s, x: x.flatten(1, 2)), r"flatten: flattens dimensions 1 to 2"),
    (net(lambda s, x: x.view(-1, 12)), r"view: reshapes to \(-1, 12\)"),
    (net(lambda s, x: x.transpose(1, 2)), r"transpose: orders the dimensions"),
    (net(lambda s, x: x[:, :, 1:]), r"getitem: takes the part"),
    (net(lambda s, x: x.clone().__setitem__(0, 1)), r"setitem: calls __setitem__, which trace does not know"),
    (net(lambda s, x: torch.cat([x, x], 2)), r"cat: stacks along dimension 2"),
    (net(lambda s, x: torch.add(x, x, alpha=2)), r"add: adds with alpha=2"),
    (net(lambda s, x: F.max_pool2d(x, 2, return_indices=True)[0]), r"max_pool2d: pools with|max_pool2d_with_indices"),
    (net(lambda s, x: F.pad(x, (1, 1, 1, 0))), r"pad: pads by \(1, 1, 1, 0, 0, 0\)"),
    (net(lambda s, x: F.pad(x, (1, 1, 1, 1), value=-1.0)), r"pad: pads with 'constant' and -1.0"),
    (net(lambda s, x, y: x + y), r"Net: its forward fails on images of .*missing 1 required positional argument"),
    (net(lambda s, x: s.conv(x.shape), conv=CONV), r"conv: its forward fails on images"),
    (net(lambda s, x: x.flatten(1) + x.shape[7]), r"Net: its forward fails on images of .*out of range"),
    (net(changed_through_a_view), r"reads an image after another view of it was changed in place"),
]


@pytest.mark.parametrize(("module", "sentence"), REFUSED, ids=lambda case: case[:25] if isinstance(case, str) else "")
def test_what_the_closed_set_lacks_is_refused_with_its_path(module, sentence):
    with pytest.raises(ValueError, match=sentence):
        cl.trace(module, resolution=32)


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "maxvit_t"])
def test_torchvisions_other_networks_are_refused_not_guessed(name):
    with torch.device("meta"):
        module = models.get_model(name)
    with pytest.raises(ValueError, match=r"^[\w.]+: .* known"):
        cl.trace(module)


def test_only_modules_are_traced():
    with pytest.raises(TypeError, match=r"module=str: trace takes a torch.nn.Module"):
        cl.trace("resnet18")
