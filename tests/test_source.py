"""The source that a graph becomes: readable, formatted, standalone, and the same network to the last bit."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.arch import layers as op
from cnnlab.arch.graph import Graph, image
from cnnlab.arch.source.text import wrap
from tests.lawful import graphs

ROOT = Path(__file__).parents[1]

# Longest acceptable file, in lines, per network: one block of each kind, and a line or so for each place it stands in.
ZOO = {
    **{"plain18": 60, "resnet18": 70, "resnet50": 90, "resnext50_32x4d": 90, "seresnet18": 90, "cifar_resnet20": 70},
    **{"resnet50d": 110, "efficientnet_b0": 140, "efficientnet_v2_s": 180, "mobilenet_v1": 70, "mobilenet_v2": 100},
    **{"mobilenet_v3_small": 150, "mnasnet0_5": 110, "regnet_y_400mf": 90, "convnext_tiny": 130, "vgg11_bn": 80},
    **{"alexnet": 70, "squeezenet1_1": 90, "densenet121": 100, "googlenet": 130},
}
TRACED = {
    **{"densenet121": 100, "googlenet": 110, "shufflenet_v2_x0_5": 100, "mobilenet_v3_small": 130, "resnet50": 90},
    **{"convnext_tiny": 110, "efficientnet_b0": 120, "regnet_x_400mf": 100, "squeezenet1_1": 70, "mnasnet0_5": 90},
}


def zoo(name: str) -> Graph:
    return cl.architecture(name, resolution=64).graph()


def traced(name: str) -> Graph:
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    return cl.trace(getattr(models, name)(weights=None, **options), 64, name=name)


NETWORKS = [
    *((zoo, name, most) for name, most in ZOO.items()),
    *((traced, name, most) for name, most in TRACED.items()),
]
IDS = [f"{make.__name__}-{name}" for make, name, _ in NETWORKS]


def built(source: str) -> nn.Module:
    """The network of this source: the last of its classes."""
    names: dict[str, object] = {}
    exec(compile(source, "<source>", "exec"), names)
    return names[ast.parse(source).body[-1].name]()


@torch.no_grad()
def drawn(model: nn.Module) -> nn.Module:
    """The module in evaluation, with convolutions that keep the signal's size and norms that are not the identity."""
    draw = torch.Generator().manual_seed(0)
    for part in model.modules():
        if isinstance(part, nn.Conv2d):  # depthwise ones too, whose fan-out says nothing of what they pass on
            nn.init.kaiming_normal_(part.weight, mode="fan_in", generator=draw)
    for key, tensor in model.state_dict().items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=draw)
        elif tensor.is_floating_point() and tensor.numel() == tensor.shape[0]:  # one number for each channel
            tensor.normal_(float(key.endswith("weight")), 0.2, generator=draw)
    return model.eval()


def check_equal(graph: Graph, source: str) -> None:
    """Weights go over by name, and all outputs are the same bits, a layer's own module as well as the whole."""
    model = drawn(graph.module(seed=0))
    copy = built(source)
    copy.load_state_dict(model.state_dict(), strict=True)
    copy.eval()
    x = torch.randn(
        1, graph.input.channels, graph.input.size, graph.input.size, generator=torch.Generator().manual_seed(1)
    )
    seen: dict[str, list[torch.Tensor]] = {}
    shared = dict(model.named_modules()).keys() & dict(copy.named_modules()).keys()
    for net in (model, copy):
        for name, part in net.named_modules():
            if name in shared and isinstance(part, nn.Conv2d):
                part.register_forward_hook(lambda _m, _x, y, name=name: seen.setdefault(name, []).append(y.clone()))
    with torch.no_grad():
        ours, theirs = model(x.clone()), copy(x.clone())
    assert torch.equal(ours.nan_to_num(), theirs.nan_to_num())
    # What leads nowhere is there, and runs in the module alone.
    assert all(torch.equal(pair[0].nan_to_num(), pair[-1].nan_to_num()) for pair in seen.values())


def ruff(*arguments: str, source: str) -> str:
    """What ruff says of the source, under this repository's own settings; "" if nothing."""
    command = [sys.executable, "-m", "ruff", *arguments, "--config", str(ROOT / "pyproject.toml"), "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"exit {done.returncode}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize(("make", "name", "most"), NETWORKS, ids=IDS)
def test_it_is_the_same_network(make, name, most):
    graph = make(name)
    source = graph.to_pytorch()
    assert len(source.splitlines()) <= most
    assert "cnnlab" not in source.partition('"""\n\n')[2]
    assert source == graph.to_pytorch()
    assert list(built(source).state_dict()) == list(graph.module().state_dict())
    check_equal(graph, source)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sources as files."""
    folder = tmp_path_factory.mktemp("sources")
    for (make, name, _), identity in zip(NETWORKS, IDS, strict=True):
        (folder / f"{identity}.py").write_text(make(name).to_pytorch())
    return folder


@pytest.mark.parametrize("command", [["format", "--check"], ["check", "--no-cache"]], ids=["format", "check"])
def test_ruff_finds_nothing_to_change(folder, command):
    command = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_is_asked_in_earnest():
    assert ruff("format", "--check", source="x = [1,2]\n")
    assert ruff("check", source="import os\n")


def test_a_fresh_interpreter_runs_it_without_cnnlab(tmp_path):
    graph = cl.architecture("efficientnet_b0", resolution=64, classes=10).graph()
    model = drawn(graph.module(seed=0))
    x = torch.randn(2, 3, 64, 64)
    torch.save({"state": model.state_dict(), "x": x}, tmp_path / "given.pt")
    (tmp_path / "network.py").write_text(graph.to_pytorch())
    program = (
        "import sys, torch, network\n"
        "given = torch.load('given.pt')\n"
        "model = network.EfficientNetB0()\n"
        "model.load_state_dict(given['state'])\n"
        "torch.save(model.eval()(given['x']).detach(), 'logits.pt')\n"
        "assert not any(name.split('.')[0] in ('cnnlab', 'torchvision', 'pandas') for name in sys.modules)\n"
    )
    # -I: neither this folder nor PYTHONPATH is searched, so that cnnlab is not to be found by them.
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        assert torch.equal(torch.load(tmp_path / "logits.pt"), model(x))


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny"])
def test_it_trains_alike(name):
    """The same random numbers while training: dropout and stochastic depth have the same rates, in the same blocks."""
    graph = cl.architecture(name, resolution=64).graph()
    model = graph.module(seed=0)
    copy = built(graph.to_pytorch())
    copy.load_state_dict(model.state_dict())
    x = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    logits = []
    for net in (model, copy):
        torch.manual_seed(2)
        logits.append(net.train()(x.clone()).detach())
    assert torch.allclose(*logits, rtol=1e-4, atol=1e-4 * float(logits[0].abs().max()))


def test_it_begins_as_the_graph_says():
    """What no state dict holds until it is loaded: the initial layer scale, and the constants of the norms."""
    graph = cl.architecture("convnext_tiny", resolution=64).graph()
    source = graph.to_pytorch()
    scales = [layer for layer in graph.layers if isinstance(layer.op, op.LayerScale)]
    copy = built(source)
    assert all((copy.get_parameter(layer.name) == layer.op.initial).all() for layer in scales)
    assert scales


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(graphs())
def test_random_graphs(graph):
    source = graph.to_pytorch()
    check_equal(graph, source)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(graphs())
def test_random_graphs_are_formatted(graph):
    source = graph.to_pytorch()
    assert ruff("format", "--check", "--stdin-filename", "network.py", source=source) == ""


def test_three_images_are_added_and_multiplied():
    x = image(3, 8)
    a, b = x.write("a", op.Act()), x.write("b", op.Act("silu"))
    y = a.write("add", op.Add(), b, x).write("multiply", op.Multiply(), x, b)
    copy, t = built(y.graph("three").to_pytorch()), torch.linspace(-2, 2, 192).reshape(1, 3, 8, 8)
    relu, silu = t.clamp(min=0), t * torch.sigmoid(t)
    assert torch.allclose(copy(t), (relu + silu + t) * t * silu, atol=1e-6)


def test_it_is_written_as_a_student_would():
    source = cl.architecture("resnet50").graph().to_pytorch()
    for line in (
        "class Bottleneck(nn.Module):",
        "def __init__(self, channels: int, width: int, stride: int = 1) -> None:",
        "hidden = width // 4",
        "if stride != 1 or channels != width:",
        "y = self.relu(self.norm1(self.conv1(x)))",
        "return self.relu(self.norm3(self.conv3(y)) + self.shortcut(x))",
        "self.stage3 = nn.Sequential(Bottleneck(512, 1024, stride=2), *[Bottleneck(1024, 1024) for _ in range(5)])",
        "x = self.stage1(x)",
    ):
        assert line in {text.strip() for text in source.splitlines()}
    assert source.startswith('"""resnet50: 224 x 224 px, 25,557,032 parameters, 4,089,184,256 multiply-adds.\n')
    assert "model = ResNet50()\n" in source


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        (lambda: cl.architecture("resnet50").graph(folded=True), r"resnet50: stage1\.1.*folded.*PyTorch source"),
        (
            lambda: cl.architecture("resnet18", resolution=np.array([64, 96])).graph(folded=True),
            r"resnet18: input .*arrays",
        ),
        (
            lambda: image(3, 8).write("a", op.Act()).write("a", op.Act()).graph("twice"),
            "twice: two layers are called a",
        ),
    ],
    ids=["folded", "arrays", "one name"],
)
def test_what_cannot_be_written_is_refused(graph, sentence):
    with pytest.raises(ValueError, match=sentence):
        graph().to_pytorch()


def test_an_op_that_is_not_in_the_closed_set_is_refused():
    class Blur(op.Op):
        __slots__ = ()

    with pytest.raises(ValueError, match="Blur"):
        image(3, 8).write("blur", Blur()).graph("blurred").to_pytorch()


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("x = f(a)", ["    x = f(a)"]),
        (
            f"x = f({'a' * 60}, g({'b' * 60}))",
            ["    x = f(", f"        {'a' * 60},", f"        g({'b' * 60}),", "    )"],
        ),
        ("y" * 130, ["    " + "y" * 130]),
    ],
    ids=["short", "long", "no brackets"],
)
def test_wrap(line, lines):
    assert wrap(line, 4) == lines
