"""The modules that graphs become: real submodules, right initialisation, weights moved or refused."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.arch.blocks import act, add, conv, flatten, global_pool, linear, norm
from cnnlab.arch.layers import Conv, Multiply
from cnnlab.run import room
from tests import oracles


@pytest.fixture(scope="module")
def b0():
    return cl.architecture("efficientnet_b0", classes=10).graph().module(seed=0)


def test_blocks_are_real_submodules_and_hooks_on_them_fire(b0):
    seen = []
    parts = ["stem", "stage2", "stage2.0", "stage2.0.se", "stage7.0", "head"]
    handles = [
        b0.get_submodule(p).register_forward_hook(lambda m, x, y, p=p: seen.append((p, tuple(y.shape)))) for p in parts
    ]
    b0.eval()(torch.zeros(1, 3, 64, 64))
    for handle in handles:
        handle.remove()
    assert dict(seen) == {
        "stem": (1, 32, 32, 32),
        "stage2": (1, 24, 16, 16),
        "stage2.0": (1, 24, 16, 16),
        "stage2.0.se": (1, 96, 1, 1),
        "stage7.0": (1, 320, 2, 2),
        "head": (1, 10),
    }
    assert [p for p, _ in seen].index("stage2.0") < [p for p, _ in seen].index("stage2")


def test_it_prints_copies_and_pickles(b0):
    assert len(b0.code.splitlines()) < 20
    x = torch.randn(1, 3, 64, 64)
    expected = b0.eval()(x)
    assert torch.equal(copy.deepcopy(b0)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(b0))(x), expected)


@pytest.mark.parametrize("name", ["cifar_resnet20", "efficientnet_b0"])
def test_it_exports_with_the_same_logits(name):
    model = cl.architecture(name, resolution=32, classes=10).graph().module(seed=0).eval()
    x = torch.randn(2, 3, 32, 32)
    exported = torch.export.export(model, (x,)).module()
    assert torch.allclose(exported(x), model(x), atol=1e-5)


def test_it_compiles_with_the_same_logits():
    model = cl.architecture("cifar_resnet20", classes=10).graph().module(seed=0).eval()
    x = torch.randn(2, 3, 32, 32)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)  # a whole graph, without a C++ compiler
    assert torch.allclose(compiled(x), model(x), atol=1e-5)


def test_the_same_seed_gives_the_same_numbers_and_leaves_torchs_own_generator_alone():
    graph = cl.architecture("cifar_resnet20").graph()
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    a, b, c = (graph.module(seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["stem.conv1.weight"], c["stem.conv1.weight"])


def test_initialisation_has_torchvisions_statistics():
    ours = cl.architecture("resnet50").graph().module(seed=0)
    theirs = models.resnet50()
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert a.shape == b.shape
        if a.dim() > 1:
            assert float(a.std() / b.std()) == pytest.approx(1, abs=0.05)
            assert abs(float(a.mean())) < 0.1 * float(a.std())
        elif a.dim() == 1 and a.numel() != 1000:  # norms; the linear bias is 0 here and uniform there
            assert torch.equal(a, b)


def test_stochastic_depth_zeroes_images_while_training_and_nothing_after():
    arch = cl.architecture("efficientnet_b0", classes=10)
    graph = arch.graph()
    rates = [layer.op.rate for layer in graph.layers if type(layer.op).__name__ == "DropPath"]
    blocks = [m for m in models.efficientnet_b0().modules() if type(m).__name__ == "MBConv"]
    assert rates == pytest.approx([m.stochastic_depth.p for m in blocks if m.use_res_connect])
    drop = graph.module().get_submodule("stage6.3").drop1.train()
    x = torch.ones(4000, 2, 1, 1)
    y = drop(x)
    assert y.unique().tolist() == pytest.approx([0, 1 / (1 - drop.rate)])
    assert torch.equal(y[:, 0], y[:, 1])
    assert float(y.mean()) == pytest.approx(1, abs=0.05)
    assert torch.equal(drop.eval()(x), x)


def test_an_activation_never_overwrites_what_another_layer_still_reads():
    x = conv(cl.image(3, 8), 3, 3)
    graph = flatten(global_pool(add(act(x), x))).graph("shared")
    model = graph.module(seed=0)
    t = torch.randn(2, 3, 8, 8)
    y = nn.functional.conv2d(t, model.conv1.weight, padding=1)
    expected = (y.relu() + y).mean((2, 3))
    assert torch.allclose(model(t), expected, atol=1e-6)
    first = act(cl.image(3, 8)).graph("first").module()
    kept = t.clone()
    first(t)
    assert torch.equal(t, kept)


def test_gradients_equal_torchvisions():
    theirs = oracles.randomised(models.resnet18(num_classes=10)).train()
    ours = cl.architecture("resnet18", classes=10).graph().module(weights=theirs.state_dict())
    x, labels = torch.randn(4, 3, 64, 64), torch.arange(4)
    for model in (theirs, ours):
        nn.functional.cross_entropy(model(x), labels).backward()
    for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, atol=1e-5, rtol=1e-4)


# Weights.


def test_weights_enums_are_loaded_by_torchvision(tmp_path, monkeypatch):
    """The download's own path, from the file that it would have left in the cache."""
    weights = models.ResNet18_Weights.IMAGENET1K_V1
    theirs = oracles.randomised(models.resnet18())
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(theirs.state_dict(), checkpoints / weights.url.rpartition("/")[2])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    ours = cl.architecture("resnet18").graph().module(weights=weights)
    assert oracles.difference(theirs, ours, resolution=64) <= 1e-5


def test_old_state_dicts_without_batch_counts_are_taken():
    theirs = oracles.randomised(models.resnet18())
    old = {k: v for k, v in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}
    ours = cl.architecture("resnet18").graph().module(weights=old)
    assert oracles.difference(theirs, ours, resolution=64) <= 1e-5


def test_weights_with_the_graphs_own_names_are_taken_by_name():
    graph = cl.architecture("cifar_resnet20").graph()
    state = graph.module(seed=1).state_dict()
    shuffled = dict(reversed(state.items()))
    again = graph.module(weights=shuffled).state_dict()
    assert all(torch.equal(state[k], again[k]) for k in state)


WRONG = [
    ("resnet50", lambda: models.resnet34().state_dict(), ValueError, r"weights: 218 tensors, but resnet50 has 320"),
    (
        "resnet18",
        lambda: models.resnet18(num_classes=5).state_dict(),
        ValueError,
        r"fc.weight is \(5, 512\).*\(1000, 5",
    ),
    (
        "resnet50",
        lambda: models.wide_resnet50_2().state_dict(),
        ValueError,
        r"layer1.0.conv1.weight is \(128, 64, 1, 1",
    ),
    ("resnet18", lambda: "resnet18.pth", TypeError, r"weights=str: give a torchvision weights enum"),
    ("resnet18", lambda: {}, TypeError, r"weights=dict: give a torchvision weights enum"),
]


@pytest.mark.parametrize(("name", "weights", "error", "sentence"), WRONG)
def test_weights_of_another_network_are_refused(name, weights, error, sentence):
    with pytest.raises(error, match=sentence):
        cl.architecture(name).graph().module(weights=weights())


def test_refused_weights_leave_the_model_as_it_was():
    from cnnlab.run.weights import load

    model = cl.architecture("resnet18").graph().module(seed=0)
    before = copy.deepcopy(model.state_dict())
    state = oracles.randomised(models.resnet18()).state_dict()
    state["fc.bias"] = torch.zeros(7)  # the last of all
    with pytest.raises(ValueError, match=r"fc\.bias"):
        load(model, state)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_a_folded_graph_is_no_module():
    with pytest.raises(ValueError, match=r"resnet18: stage1.1.conv1 stands for|use arch.graph\(\)"):
        cl.architecture("resnet34").graph(folded=True).module()


def test_a_block_with_two_outputs_of_one_scope_still_builds():
    """Layers of one path may feed several later ones, and a path may come back."""
    x = cl.image(3, 8)
    a = act(norm(conv(x.at("left"), 4)))
    b = act(norm(conv(a.at("right"), 4)))
    c = add(a.at("left"), b)
    y = linear(flatten(global_pool(add(c, a).at("head"))), 5)
    graph = y.graph("twisted")
    model = graph.module(seed=0)
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, 5)
    assert oracles.numel(model) == graph.cost().params
    assert oracles.macs(model, 8) == graph.cost().macs


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("googlenet", models.GoogLeNet_Weights.IMAGENET1K_V1),
        ("inception_v3", models.Inception_V3_Weights.IMAGENET1K_V1),
    ],
)
def test_weights_for_images_in_another_scale_are_refused_before_they_are_fetched(name, weights):
    with pytest.raises(ValueError, match=r"in the scale of the authors' code.*transform_input"):
        cl.architecture(name).graph().module(weights=weights)


def test_what_does_not_fit_into_memory_is_foretold(monkeypatch):
    monkeypatch.setattr(room, "available", lambda device: 100_000_000)
    cl.architecture("resnet18").graph().module()
    with pytest.raises(MemoryError, match=r"resnet50: its weights need 0.10 GB, and cpu has 0.10 GB left"):
        cl.architecture("resnet50").graph().module()


def test_sums_and_products_of_three_images():
    x = cl.image(2, 4)
    y = add(act(x, "tanh"), act(x, "sigmoid"), x)
    t = torch.randn(3, 2, 4, 4)
    assert torch.allclose(y.graph("sum").module()(t), t.tanh() + t.sigmoid() + t)
    x = cl.image(2, 4)
    y = x.apply("multiply", Multiply(), act(x, "tanh"), global_pool(x))
    expected = t * t.tanh() * t.mean((2, 3), keepdim=True)
    assert torch.allclose(y.graph("product").module()(t), expected, atol=1e-6)


@pytest.mark.parametrize("names", [("a", "a.b"), ("a.b", "a"), ("a.b", "c", "a.d", "a")])
def test_a_layer_may_be_named_like_a_container(names):
    x = cl.image(3, 4)
    for name in names:
        x = x.write(name, Conv(3, 1))
    module = x.graph("named").module(seed=0)
    assert list(module.state_dict()) and {f"{name}.weight" for name in names} == set(module.state_dict())
    t = torch.randn(1, 3, 4, 4)
    y = t
    for name in names:
        y = torch.nn.functional.conv2d(y, module.state_dict()[f"{name}.weight"])
    assert torch.allclose(module(t), y, atol=1e-6)


def test_a_word_of_python_names_no_layer():
    with pytest.raises(ValueError, match=r"class: 'class' is a word of Python"):
        cl.image(3, 4).write("stage.class", Conv(3, 1)).graph("reserved").module()
