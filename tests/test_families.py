"""The families: logits, what scaling does to each, RegNet's rule against pycls' figures, tables as papers print."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import models

import cnnlab as cl
from cnnlab.arch.architecture import Architecture, Stage
from cnnlab.arch.blocks import basic, bottleneck, conv, flatten, pool_head, regnet_bottleneck
from cnnlab.arch.layers import Affine, AvgPool, Conv, LayerNorm, LayerScale, Linear, Pad, Shuffle, Slice
from cnnlab.arch.network import Network
from cnnlab.arch.table import describe, paper_frame
from cnnlab.arch.zoo.regnet import NUMBERS, regnet
from tests import oracles
from tests.references import counted, reference

LOGITS = [
    *["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "seresnet18", "seresnet50", "resnet18d"],
    *["resnet50d", "resnetrs50", "efficientnet_b0", "efficientnet_b5", "efficientnet_v2_s", "efficientnet_lite0"],
    *["efficientnet_lite2", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"],
    *["mnasnet0_75", "mnasnet1_3", "regnet_x_400mf", "regnet_x_8gf", "regnet_y_800mf", "convnext_tiny"],
    *["convnext_small", "alexnet", "vgg11", "vgg11_bn", "squeezenet1_0", "squeezenet1_1", "densenet121"],
    *["densenet161", "googlenet", "inception_v3"],
]


@pytest.mark.parametrize("name", LOGITS)
def test_logits_equal_those_of_the_reference(name):
    theirs = oracles.randomised(reference(name, "cpu"))
    size = 96 if name == "inception_v3" else 64
    ours = cl.architecture(name, resolution=size).graph().module(weights=theirs.state_dict())
    assert oracles.difference(theirs, ours, resolution=size) <= 1e-5


@pytest.mark.parametrize(("name", "size"), [("googlenet", 64), ("inception_v3", 96)])
def test_inceptions_take_torchvisions_images_where_its_weights_need_it(name, size):
    options = {"init_weights": False, "aux_logits": False, "transform_input": True}
    theirs = oracles.randomised(models.get_model(name, **options))
    arch = replace(cl.architecture(name, resolution=size), options={"transform_input": True})
    assert oracles.difference(theirs, arch.graph().module(weights=theirs.state_dict()), resolution=size) <= 1e-5
    assert arch.cost() == cl.architecture(name, resolution=size).cost()


def on_meta(build, *args, **options) -> torch.nn.Module:
    with torch.device("meta"):
        return build(*args, **options)


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.4])
def test_mobilenet_v2_is_scaled_as_torchvision_does(width):
    # Below 1 the last convolution keeps its 1280 channels; above, it grows.
    ours = cl.scaled(cl.architecture("mobilenet_v2"), width=width)
    assert ours.cost() == counted(on_meta(models.MobileNetV2, width_mult=width), 224)


@pytest.mark.parametrize("width", [0.5, 0.6, 0.75, 1.3, 1.7])
def test_mnasnet_is_scaled_as_torchvision_does(width):
    # Its last convolution has 1280 channels at every width.
    ours = cl.scaled(cl.architecture("mnasnet1_0"), width=width)
    assert ours.cost() == counted(on_meta(models.MNASNet, width), 224)


def test_mobilenet_v1_is_scaled_as_timm_does():
    ours = cl.scaled(cl.architecture("mobilenet_v1"), width=1.25)
    assert ours.cost() == counted(reference("mobilenetv1_125"), 224)


def test_mobilenet_v3_is_scaled_by_its_ratios_and_torchvision_scales_the_table():
    # The hidden 184 at width 0.75: here 2.3 times the 64 that enter, rounded; torchvision rounds 0.75 times 184.
    theirs = on_meta(models.mobilenet_v3_large, width_mult=0.75)
    grouped = [m for m in theirs.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
    ours = depthwise(cl.scaled(cl.architecture("mobilenet_v3_large"), width=0.75))
    assert (grouped[8].out_channels, ours[8]) == (136, 144)
    assert ours[0] == grouped[0].out_channels == 16


def depthwise(arch: Architecture) -> list[int]:
    return [layer.channels for layer in arch.graph().layers if isinstance(layer.op, Conv) and layer.op.groups > 1]


@pytest.mark.parametrize(("number", "depth", "width"), [(1, 1.1, 1.0), (2, 1.2, 1.1), (3, 1.4, 1.2), (4, 1.8, 1.4)])
def test_efficientnet_lite_keeps_its_ends(number, depth, width):
    lite = cl.architecture(f"efficientnet_lite{number}")
    ours = cl.scaled(cl.architecture("efficientnet_lite0"), depth=depth, width=width, resolution=lite.resolution)
    assert ours.cost() == lite.cost()
    assert (lite.stem.width, lite.stages[0].depth, lite.stages[-1].depth, lite.head.width) == (32, 1, 1, None)


def test_convnext_is_scaled_to_its_kin():
    tiny, base = cl.architecture("convnext_tiny"), cl.architecture("convnext_base")
    settings = [models.convnext.CNBlockConfig(*row) for row in ((128, 256, 3), (256, 512, 3), (512, 1024, 9))]
    theirs = on_meta(models.ConvNeXt, [*settings, models.convnext.CNBlockConfig(1024, None, 3)])
    assert cl.scaled(tiny, width=4 / 3).cost() == counted(theirs, 224)
    assert [s.width for s in cl.scaled(tiny, width=4 / 3).stages] == [s.width for s in base.stages]


# One of each family that is rows; ResNets of basic blocks, EfficientNet and CIFAR ResNets stand in test_scaling.
ROWS = [
    *["resnet50d", "resnetrs50", "seresnet50", "efficientnet_lite0", "mobilenet_v1", "mobilenet_v2"],
    *["mobilenet_v3_large", "mobilenet_v3_small", "mnasnet1_0", "regnet_x_8gf", "regnet_y_400mf", "convnext_tiny"],
    *["vgg13", "vgg11_bn"],
]


@pytest.mark.parametrize("name", ROWS)
def test_arrays_of_settings_cost_what_each_setting_costs(name):
    arch = cl.architecture(name)
    depth, width = np.array([0.4, 1.0, 1.7])[:, None], np.array([0.3, 0.5, 1.0, 1.21, 2.0])
    together = cl.scaled(arch, depth=depth, width=width, resolution=97).cost()
    for i, d in enumerate(depth[:, 0]):
        for j, w in enumerate(width):
            alone = cl.scaled(arch, depth=d, width=w, resolution=97)
            cost = alone.graph().cost()
            assert alone.cost() == cost
            assert [int(np.broadcast_to(n, (3, 5))[i, j]) for n in vars(together).values()] == [*vars(cost).values()]


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(ROWS),
    depth=st.floats(0.2, 2.5),
    width=st.floats(0.1, 2.5),
    size=st.integers(32, 300),
    classes=st.integers(1, 50),
)
def test_every_scaled_network_is_lawful(name, depth, width, size, classes):
    arch = cl.scaled(cl.architecture(name, classes=classes), depth=depth, width=width, resolution=size)
    assert arch.cost() == arch.graph().cost()


@pytest.mark.parametrize(
    "name", ["regnet_x_400mf", "regnet_y_400mf", "convnext_tiny", "vgg11_bn", "mobilenet_v3_small"]
)
def test_scaled_networks_run(name):
    arch = cl.scaled(cl.architecture(name, classes=7), width=0.3, depth=0.7, resolution=64)
    module = arch.graph().module(seed=0).eval()
    with torch.no_grad():
        assert module(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
    assert arch.cost() == counted(module.to("meta"), 64)


# pycls MODEL_ZOO.md and dev/model_complexity.json at 5719de6416: d, w0, wa, wm, group width, flops, params, acts.
PYCLS = {
    "X-200MF": (13, 24, 36.44, 2.49, 8, 199040872, 2684792, 2164056),
    "X-400MF": (22, 24, 24.48, 2.54, 16, 397678568, 5157512, 3143272),
    "X-600MF": (16, 48, 36.97, 2.24, 24, 600891112, 6196040, 3975096),
    "X-800MF": (16, 56, 35.73, 2.28, 16, 799700712, 7259656, 5148744),
    "X-1.6GF": (18, 80, 34.01, 2.25, 24, 1602850792, 9190136, 7933512),
    "X-3.2GF": (25, 88, 26.31, 2.25, 48, 3176622952, 15296552, 11367432),
    "X-4.0GF": (23, 96, 38.65, 2.43, 40, 3964499816, 22118248, 12201608),
    "X-6.4GF": (17, 184, 60.83, 2.07, 56, 6460292264, 26209256, 16369744),
    "X-8.0GF": (23, 80, 49.56, 2.88, 120, 7995133416, 39572648, 14059688),
    "X-12GF": (19, 168, 73.36, 2.37, 112, 12086679016, 46106056, 21366568),
    "X-16GF": (22, 216, 55.59, 2.1, 128, 15940756456, 54278536, 25515496),
    "X-32GF": (23, 320, 69.86, 2.0, 168, 31735930792, 107811560, 36302160),
    "Y-200MF": (13, 24, 36.44, 2.49, 8, 199519076, 3162996, 2168052),
    "Y-400MF": (16, 48, 27.89, 2.09, 8, 401849056, 4344144, 3892496),
    "Y-600MF": (15, 48, 32.54, 2.32, 16, 601227608, 6055160, 4334296),
    "Y-800MF": (14, 56, 38.84, 2.4, 16, 797183328, 6263168, 5249888),
    "Y-1.6GF": (27, 48, 20.71, 2.65, 24, 1612087326, 11202430, 8044814),
    "Y-3.2GF": (21, 80, 42.63, 2.66, 24, 3176496162, 19436338, 11263418),
    "Y-4.0GF": (22, 96, 31.41, 2.24, 64, 3973301344, 20646656, 12287200),
    "Y-6.4GF": (25, 112, 33.22, 2.27, 72, 6355221876, 30583252, 16407188),
    "Y-8.0GF": (17, 192, 76.82, 2.19, 56, 7963074196, 39180068, 17968916),
    "Y-12GF": (19, 168, 73.36, 2.37, 112, 12092395504, 51822544, 21384496),
    "Y-16GF": (18, 200, 106.23, 2.48, 112, 15911534044, 83590140, 23041228),
    "Y-32GF": (20, 232, 115.89, 2.53, 232, 32279583362, 145046770, 30261570),
}


@pytest.mark.parametrize("name", PYCLS)
def test_regnets_rule_gives_the_authors_networks(name):
    d, w0, wa, wm, group_width, flops, params, activations = PYCLS[name]
    arch = regnet(name, d=d, w0=w0, wa=wa, wm=wm, group_width=group_width, se=0.25 * name.startswith("Y"))
    biases = sum(x.channels for x in arch.graph().layers if isinstance(x.op, (Conv, Linear)) and x.op.bias)
    cost = arch.cost()
    # Their "flops" are multiply-adds, and with them a bias for each number that has one: all at one pixel here.
    assert (cost.macs + biases, cost.params, cost.activations) == (flops, params, activations)


def test_torchvision_rounds_three_regnets_away_from_the_authors():
    names = {"x_400mf": "X-400MF", "y_800mf": "Y-800MF", "y_8gf": "Y-8.0GF", "x_800mf": "X-800MF", "y_400mf": "Y-400MF"}
    differ = {k for k, v in names.items() if cl.architecture(f"regnet_{k}").cost().params != PYCLS[v][6]}
    assert differ == {"x_400mf", "y_800mf", "y_8gf"}
    assert set(NUMBERS) <= set(cl.names())


def test_mobilenet_v3_has_the_hidden_widths_of_its_paper():
    # Howard et al. 2019, Tables 1 and 2, column "exp size".
    large = [16, 64, 72, 72, 120, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960]
    small = [16, 72, 88, 96, 240, 240, 120, 144, 288, 576, 576]
    assert depthwise(cl.architecture("mobilenet_v3_large")) == large
    assert depthwise(cl.architecture("mobilenet_v3_small")) == small


TABLES = {
    # Sandler et al. 2018, Table 2: input, channels, repeats, stride.
    "mobilenet_v2": [
        *[(224, 32, 1, 2), (112, 16, 1, 1), (112, 24, 2, 2), (56, 32, 3, 2), (28, 64, 4, 2)],
        *[(14, 96, 3, 1), (14, 160, 3, 2), (7, 320, 1, 1), (7, 1000, 1, 1)],
    ],
    # Simonyan and Zisserman 2015, Table 1, column D; a stage begins with the pooling before it.
    "vgg16": [(224, 64, 1, 1), (224, 128, 2, 2), (112, 256, 3, 2), (56, 512, 3, 2), (28, 512, 3, 2), (14, 1000, 1, 2)],
    # Liu et al. 2022, section 3: ConvNeXt-T, C = (96, 192, 384, 768), B = (3, 3, 9, 3).
    "convnext_tiny": [
        *[(224, 96, 1, 4), (56, 96, 3, 1), (56, 192, 3, 2), (28, 384, 9, 2), (14, 768, 3, 2), (7, 1000, 1, 1)]
    ],
    # Huang et al. 2017, Table 1: input, channels that leave, layers.
    "densenet121": [
        *[(224, 64, 1), (56, 256, 6), (56, 128, 1), (28, 512, 12), (28, 256, 1), (14, 1024, 24), (14, 512, 1)],
        *[(7, 1024, 16), (7, 1000, 1)],
    ],
}


@pytest.mark.parametrize("name", TABLES)
def test_networks_print_as_their_papers_table(name):
    lines = str(cl.architecture(name)).splitlines()[2:-1]
    found = [
        tuple(int(n) for n in re.search(r"(\d+)x\1((?: +\d+)+)$", line).group(0).split("x")[1].split())
        for line in lines
    ]
    assert found == TABLES[name]


def test_googlenets_modules_print_as_its_papers_table():
    frame = paper_frame(cl.architecture("googlenet")).set_index("stage")
    # Szegedy et al. 2015, Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5 (a 3x3 here), pool proj; output 512.
    assert frame.loc["inception4.b", "layers"] == "1x1 160 | 1x1 112, 3x3 224 | 1x1 24, 3x3 64 | max 3x3, 1x1 64"
    assert frame.loc["inception3.b", "layers"].endswith("| max 3x3, 1x1 64), max 3x3")
    assert list(frame["channels"]) == ["192", "256", "480", "512", "512", "512", "528", "832", "832", "1024", "1000"]


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (Conv(8, (1, 7), 1, (0, 3)), "conv 1x7"),
        (AvgPool(3, 2, 1, True), "average pool 3x3 /2"),
        (LayerNorm(), "layer norm"),
        (LayerScale(), "layer scale"),
        (Linear(8, each_pixel=True), "linear, each pixel"),
        (Affine(2.0, -0.5), "times 2 plus -0.5"),
        (Slice(0, 8), "channels 0 to 8"),
        (Shuffle(2), "shuffle of 2 groups"),
        (Pad(0, 1), "zeros, 0 before and 1 after"),
    ],
)
def test_layers_are_told_in_words(op, words):
    assert describe(op) == words


def test_a_network_is_a_value_with_the_methods_of_an_architecture():
    net = cl.architecture("densenet121", classes=10)
    assert net == cl.architecture("densenet121", classes=10) != cl.architecture("densenet121")
    assert hash(net) == hash(cl.architecture("densenet121", classes=10))
    small = cl.scaled(net, resolution=96)
    assert (small.name, small.resolution, small.graph().output.channels) == ("densenet121 r=96", 96, 10)
    many = cl.scaled(net, resolution=np.array([64, 96])).cost().macs
    assert many.tolist() == [cl.scaled(net, resolution=r).cost().macs for r in (64, 96)]
    assert net.memory(2) == net.graph().memory(2)
    assert "dense4" in net._repr_html_()


def stub(x, classes, width=8):
    return pool_head(conv(x.at("stage1"), width, 3), classes)


def block(kind, **options):
    return lambda: Architecture("a", Stage(basic, 1, 64, 2), (Stage(kind, 1, 64, 1, options),)).cost()


REFUSED = [
    (lambda: cl.architecture("densenet"), r"'densenet' is unknown; did you mean densenet"),
    (lambda: cl.scaled(cl.architecture("alexnet"), depth=2), r"depth=2.*alexnet is a function, not rows.*resolution"),
    (lambda: cl.scaled(cl.architecture("vgg16"), width=0), r"width=0"),
    (
        lambda: cl.scaled(cl.architecture("googlenet"), width=np.array([1, 2])),
        r"width=1.0-2.0: googlenet is a function",
    ),
    (lambda: cl.compound(cl.architecture("densenet121"), 1), r"depth=1.2: densenet121 is a function"),
    (lambda: cl.architecture("vgg16", resolution=31), r"vgg16: resolution=31: its strides shrink the image 32 times"),
    (lambda: cl.architecture("alexnet", resolution=30).cost(), r"alexnet at 30 px: stage2.pool1: .*larger resolution"),
    (lambda: cl.scaled(cl.architecture("alexnet"), resolution=np.array([64, 96])).graph(), r"holds arrays"),
    (lambda: Network("n", 3), r"n: forward=3: it must be a function"),
    (lambda: Network("n", stub, options={"deep": 1}), r"stub: options has 'deep', which.*it takes: width"),
    (lambda: Network("n", stub, options={"classes": 1}), r"stub: options has 'classes'"),
    (lambda: Network("n", stub, resolution=0), r"n: resolution=0"),
    (lambda: Network("n", stub, classes=2.5), r"n: classes=2.5"),
    (lambda: Network("n", lambda x, classes: flatten(conv(x, 0))).cost(), r"n at 224 px: conv1: width=0"),
    (lambda: Stage(basic, 1, 8, fixed="width"), r"basic: fixed='width': it may hold"),
    (lambda: Stage(basic, 1, 8, fixed=("stride",)), r"basic: fixed=\('stride',\)"),
    (block(basic, option="C"), r"option='C': the shortcut must be 'A'.*'B'.*or 'D'"),
    (block(bottleneck, se=2.0), r"se=2.0: se must be a number above 0 and at most 1"),
    (block(regnet_bottleneck, group_width=0), r"group_width=0"),
    (lambda: rule(w0=50), r"r: w0=50: the first width must be a multiple of 8; take 48"),
    (lambda: rule(wm=1.0), r"r: wm=1.0: wm must be a number above 1"),
    (lambda: rule(wa=-1), r"r: wa=-1: wa must be a number at least 0"),
    (lambda: rule(d=0), r"r: d=0: d must be a whole number"),
    (lambda: rule(group_width=0), r"r: group_width=0"),
    (lambda: rule(rounding="up"), r"r: rounding='up': choose one of pycls, torchvision"),
]


def rule(**numbers):
    return regnet("r", **{"d": 13, "w0": 24, "wa": 36.44, "wm": 2.49, "group_width": 8, **numbers})


@pytest.mark.parametrize(("ask", "sentence"), REFUSED, ids=[sentence[:30] for _, sentence in REFUSED])
def test_what_cannot_be_is_refused_with_a_sentence(ask, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        ask()
