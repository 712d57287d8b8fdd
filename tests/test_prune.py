"""Plan, twin, proof: the small network computes what the masked one does, costs what the plan says, and nothing else
changes."""

from __future__ import annotations

import copy
import json
import math
import random as dice
from collections.abc import Iterator

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx, nn
from torch.nn import functional as F
from torchvision import models

import cnnlab as cl
from cnnlab.arch.widths import widths
from cnnlab.prune.budgets import BUDGETS
from tests import oracles
from tests.nets import net
from tests.test_source import built


def torchvisions(name: str) -> nn.Module:
    options = {"init_weights": False, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    return oracles.randomised(models.get_model(name, num_classes=10, **options))


def ours(name: str) -> nn.Module:
    return oracles.randomised(cl.architecture(name, classes=10).graph().module(seed=0))


def resnet20() -> nn.Module:
    return ours("cifar_resnet20")


TORCHVISION = {
    **dict.fromkeys(("resnet18", "resnet50", "resnext50_32x4d", "mobilenet_v2", "mobilenet_v3_small"), 64),
    **dict.fromkeys(("mobilenet_v3_large", "mnasnet0_5", "efficientnet_b0", "efficientnet_v2_s"), 64),
    **dict.fromkeys(("densenet121", "googlenet", "regnet_y_400mf", "regnet_x_400mf", "convnext_tiny"), 64),
    **dict.fromkeys(("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1"), 64),
    **{"alexnet": 64, "vgg11": 32, "vgg11_bn": 32, "inception_v3": 96},
}
"""One of each family -> the resolution (px)."""

OURS = {
    **dict.fromkeys(("small_plain", "small_resnet", "small_mbconv", "cifar_resnet20", "seresnet18"), 32),
    **dict.fromkeys(("resnet50d", "resnetrs50", "mobilenet_v1", "efficientnet_lite0", "regnet_y_400mf"), 64),
}


def students() -> nn.Module:
    """A class of one's own: functions instead of modules, two branches, a gate, a bias before no norm."""

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.first, padding=1))
        a, b = torch.tanh(self.left(x)), self.norm(self.right(x))
        x = torch.cat([a, F.max_pool2d(x, 3, 1, 1), b], dim=1)
        x = F.leaky_relu(self.join(x))
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))
        return self.head(torch.flatten(F.avg_pool2d(x * gate, 4), 1))

    torch.manual_seed(0)
    return oracles.randomised(
        net(
            forward, first=nn.Parameter(torch.randn(6, 3, 3, 3) / 5), left=nn.Conv2d(6, 5, 3, padding=1),
            right=nn.Conv2d(6, 4, 1, bias=False), norm=nn.BatchNorm2d(4), join=nn.Conv2d(15, 8, 1),
            down=nn.Conv2d(8, 3, 1), up=nn.Conv2d(3, 8, 1), head=nn.Linear(32, 4),
        )
    )  # fmt: skip


# The proof, on every kind of network.


@pytest.mark.parametrize(
    ("make", "name", "resolution"),
    [*((torchvisions, n, r) for n, r in TORCHVISION.items()), *((ours, n, r) for n, r in OURS.items())],
)
def test_the_small_network_computes_what_the_masked_one_does(make, name, resolution):
    model = make(name)
    plan = cl.prune.plan(model, "random", budget=0.5, resolution=resolution)
    proof = plan.verify(model, tolerance=1e-12)
    assert proof.changed > 1e-6  # pruning did something to the logits
    assert plan.cost.macs <= 0.5 * plan.before.macs
    assert oracles.counted(plan.apply(model), resolution)[:2] == (plan.cost.macs, plan.cost.params)


def test_the_masked_model_is_the_model_with_channels_switched_off_by_hooks():
    """The oracle: every path on which ResNet-18's first width is written, named by hand, and zeroed as it runs."""
    model = torchvisions("resnet18").double()
    plan = cl.prune.plan(model, remove={"conv1": [0, 5, 63], "layer2.0.conv1": [7]}, resolution=64)
    zeroed = {"bn1": [0, 5, 63], "layer1.0.bn2": [0, 5, 63], "layer1.1.bn2": [0, 5, 63], "layer2.0.bn1": [7]}
    hooked = copy.deepcopy(model)
    for name, channels in zeroed.items():

        def off(_module, _inputs, y, channels=channels):
            y = y.clone()
            y[:, channels] = 0
            return y

        hooked.get_submodule(name).register_forward_hook(off)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected, small, masked = hooked(x), plan.apply(model)(x), plan.masked(model)(x)
    scale = expected.abs().max()
    assert (small - expected).abs().max() <= 1e-12 * scale
    assert (masked - expected).abs().max() <= 1e-12 * scale


def test_what_must_be_zero_for_a_channel_to_be_gone():
    """A convolution alone leaves its norm's shift; in an inverted bottleneck it is the depthwise's norm that counts."""
    model = torchvisions("mobilenet_v2").double()
    group = "features.2.conv.0.0"
    plan = cl.prune.plan(model, remove={group: [3, 50]}, resolution=32)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)

    @torch.no_grad()
    def leaving(network: nn.Module) -> torch.Tensor:
        """The image that leaves the block."""
        seen: list[torch.Tensor] = []
        handle = network.get_submodule("features.2.conv.3").register_forward_hook(lambda _m, _x, y: seen.append(y))
        network.eval()(x)
        handle.remove()
        return seen[0]

    small = leaving(plan.apply(model))

    @torch.no_grad()
    def error(*parts: str) -> float:
        masked = copy.deepcopy(model)
        for part in parts:
            for parameter in masked.get_submodule(part).parameters():
                parameter[[3, 50]] = 0
        return float((leaving(masked) - small).abs().max())

    block = "features.2.conv"
    assert error(f"{block}.0.0") > 1e-3
    assert error(f"{block}.0.0", f"{block}.0.1") > 1e-3
    assert error(f"{block}.1.1") < 1e-12


def test_batch_norm_in_training_agrees_too():
    model = resnet20().double()
    plan = cl.prune.plan(model, budget=0.6, resolution=32)
    x = torch.randn(8, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        a, b = plan.apply(model).train()(x), plan.masked(model).train()(x)
    assert (a - b).abs().max() <= 1e-12 * b.abs().max()


def test_a_students_own_class():
    model = students()
    plan = cl.prune.plan(model, ratio=0.4, scope="local", resolution=8)
    assert plan.verify(model, tolerance=1e-12).changed > 1e-3
    assert {name: len(kept) for name, kept in plan.kept.items()} == {
        "first": 4, "left": 3, "right": 3, "join": 5, "down": 2,
    }  # fmt: skip


def multiplied(groups: int, wide: int, out: int) -> nn.Module:
    return net(
        lambda self, x: self.head(torch.relu(self.grouped(torch.relu(self.up(x)))).mean((2, 3))),
        up=nn.Conv2d(3, wide, 1), grouped=nn.Conv2d(wide, out, 3, groups=groups), head=nn.Linear(out, 3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "wide", "out"), [(4, 4, 4), (4, 4, 8), (4, 8, 4), (4, 8, 12), (2, 8, 4), (1, 4, 4), (1, 1, 4)]
)
def test_groups_go_whole(groups, wide, out):
    model = multiplied(groups, wide, out)
    plan = cl.prune.plan(model, "random", ratio=0.5, resolution=8)
    assert plan.verify(model, tolerance=1e-12)
    grouped = plan.apply(model).grouped
    assert grouped.in_channels / grouped.groups == wide / groups or groups == 1
    assert grouped.out_channels / grouped.groups == out / groups or groups == 1


def test_option_a_and_concatenations_keep_their_places():
    plan = cl.prune.plan(resnet20(), remove={"stem.conv1": [0, 5], "stage2.0.conv2": [3]}, resolution=32)
    convs = {layer.name: int(layer.channels) for layer in plan.pruned.layers}
    assert (convs["stem.conv1"], convs["stage2.0.conv2"], convs["stage3.0.conv2"]) == (14, 29, 61)
    model = oracles.randomised(net(
        lambda self, x: self.head(self.join(torch.cat([x0 := self.a(x), self.b(x), x0], 1)).mean((2, 3))),
        a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(3, 3, 1), join=nn.Conv2d(11, 5, 1), head=nn.Linear(5, 2),
    ))  # fmt: skip
    plan = cl.prune.plan(model, remove={"a": [1], "b": [0, 2]}, resolution=4)
    assert plan.verify(model, tolerance=1e-12)
    kept = [0, 2, 3, 5, 7, 9, 10]
    assert torch.equal(plan.apply(model).join.weight, model.join.weight[:, kept])


# What a plan says, and what it leaves alone.


def test_ratio_0_is_bit_identical():
    model = resnet20()
    plan = cl.prune.plan(model, ratio=0, resolution=32)
    assert plan.kept == {} and plan.pruned == plan.graph
    assert "100.0 %" in repr(plan) and "0 of 12 groups cut" in repr(plan)
    for result in (plan.apply(model), plan.masked(model)):
        found = result.state_dict()
        assert found.keys() == model.state_dict().keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in model.state_dict().items())


def test_pruning_twice_is_pruning_the_union():
    model = resnet20()
    first = cl.prune.plan(model, remove={"stem.conv1": [0, 5], "stage3.1.conv1": [63]}, resolution=32)
    once = first.apply(model)
    second = cl.prune.plan(once, remove={"stem.conv1": [3], "stage2.0.conv1": [1]}, resolution=32)
    both = cl.prune.plan(
        model, remove={"stem.conv1": [0, 4, 5], "stage3.1.conv1": [63], "stage2.0.conv1": [1]}, resolution=32
    )
    twice, union = second.apply(once).state_dict(), both.apply(model).state_dict()
    assert all(torch.equal(twice[key], tensor) for key, tensor in union.items())


def test_permuting_channels_permutes_the_plan():
    model = resnet20()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(3))
    moved = copy.deepcopy(model)
    with torch.no_grad():
        for name, dim in (("conv1.weight", 0), ("conv2.weight", 1)):
            moved.get_parameter(f"stage1.0.{name}").copy_(
                model.get_parameter(f"stage1.0.{name}").index_select(dim, order)
            )
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(moved.stage1.get_submodule("0").norm1, name).copy_(
                getattr(model.stage1.get_submodule("0").norm1, name)[order]
            )
    a, b = (cl.prune.plan(m, "l2", ratio=0.3, resolution=32).kept for m in (model, moved))
    assert sorted(order[list(b["stage1.0.conv1"])].tolist()) == list(a["stage1.0.conv1"])
    assert {name: units for name, units in a.items() if name != "stage1.0.conv1"} == {
        name: units for name, units in b.items() if name != "stage1.0.conv1"
    }


@pytest.mark.parametrize("scope", ["global", "local"])
def test_equal_scores_go_in_the_order_of_the_channels_and_as_many_as_asked(scope):
    graph = cl.architecture("cifar_resnet20").graph()
    sizes = {group.name: len(group) for group in widths(graph).groups if not group.locked}
    scores = {name: [1.0] * size for name, size in sizes.items()}
    plan = cl.prune.plan(graph, scores, ratio=0.25, scope=scope)
    gone = {name: size - len(plan.kept.get(name, range(size))) for name, size in sizes.items()}
    if scope == "local":
        assert gone == {name: size // 4 for name, size in sizes.items()}
    assert sum(gone.values()) == math.floor(0.25 * sum(sizes.values()))
    assert all(kept == tuple(range(sizes[name] - len(kept), sizes[name])) for name, kept in plan.kept.items())


@given(ratio=st.floats(0, 0.999), scope=st.sampled_from(["global", "local"]), least=st.integers(1, 20))
@settings(max_examples=40)
def test_a_ratio_takes_its_share_and_leaves_the_least(ratio, scope, least):
    graph = cl.architecture("cifar_resnet20").graph()
    plan = cl.prune.plan(graph, "random", ratio=ratio, scope=scope, least=least)
    free = [group for group in widths(graph).groups if not group.locked]
    kept = {group.name: len(plan.kept.get(group.name, group.units)) for group in free}
    assert all(kept[group.name] >= min(least, len(group)) for group in free)
    gone = sum(len(group) - kept[group.name] for group in free)
    assert gone <= ratio * sum(map(len, free)) + 1e-6
    if scope == "local":
        wide = [group for group in free if len(group) > least]
        assert all(
            len(group) - kept[group.name] == min(len(group) - least, math.floor(ratio * len(group) + 1e-9))
            for group in wide
        )


@given(share=st.floats(0.05, 1), what=st.sampled_from(sorted(BUDGETS)), round_to=st.sampled_from([1, 4, 8]))
@settings(max_examples=40)
def test_a_budget_is_met_and_one_unit_less_would_not_meet_it(share, what, round_to):
    graph = cl.architecture("small_mbconv", classes=10).graph()
    try:
        plan = cl.prune.plan(graph, "random", budget={what: share}, round_to=round_to)
    except ValueError as error:
        assert "the least reachable is" in str(error)
        return
    spent = BUDGETS[what](plan.pruned)
    assert spent <= share * BUDGETS[what](graph)
    assert plan.cost.macs == oracles.macs(plan.pruned.module(seed=0), 28)
    if round_to == 1 and plan.kept:  # the unit with the highest score of those that went comes back
        scores = {
            (score, name, unit)
            for name, kept in plan.kept.items()
            for unit, score in enumerate(plan.scores[name])
            if unit not in kept
        }
        _, name, unit = max(scores)
        more = {n: tuple(sorted({*kept, unit})) if n == name else kept for n, kept in plan.kept.items()}
        assert BUDGETS[what](cl.prune.Plan(graph, more).pruned) > share * BUDGETS[what](graph)


@pytest.mark.parametrize(("round_to", "kept"), [(1, 12), (8, 16), (16, 16), (32, 24), (5, 15)])
def test_rounding_is_upwards_and_never_to_0(round_to, kept):
    """24 channels, half of them asked for: Torch-Pruning leaves 12, 8, 24 (silently nothing), ..."""
    model = net(lambda self, x: self.b(self.a(x)).mean((2, 3)), a=nn.Conv2d(3, 24, 1), b=nn.Conv2d(24, 4, 1))
    plan = cl.prune.plan(model, ratio=0.5, resolution=4, round_to=round_to)
    assert plan.apply(model).a.out_channels == kept
    if kept == 24:
        assert plan.reasons["a"] == "rounding up to 32 gives back what would go"


@pytest.mark.parametrize("name", ["resnext50_32x4d", "regnet_y_400mf"])
def test_rounding_counts_channels_not_groups(name):
    plan = cl.prune.plan(cl.architecture(name).graph(), "random", budget=0.5, round_to=8)
    found = {layer.name: int(layer.channels) for layer in plan.pruned.layers}
    assert all(found[name] % 8 == 0 for name in found if name.endswith(("conv1", "conv2")) and ".se." not in name)


def test_every_group_that_is_not_cut_has_a_reason():
    plan = cl.prune.plan(
        cl.architecture("shufflenet_v2_x1_0").graph() if "shufflenet_v2_x1_0" in cl.names() else
        cl.trace(models.shufflenet_v2_x1_0(), 64), "random", ratio=0.3, skip=["conv5.0"],
    )  # fmt: skip
    table = plan.table()
    assert (table["why"] != "").tolist() == (table["removed"] == 0).tolist()
    assert plan.reasons["conv5.0"] == "it was to be left (skip)"
    assert "it has 1 unit, and at least 1 must stay" in plan.reasons.values()
    assert table["units"].sum() == plan.widths.count


def test_hand_computed_costs():
    """He et al.'s ResNet-56 for CIFAR-10: convolutions and the linear layer, option A, and with projections."""
    graph = cl.architecture("cifar_resnet56").graph()
    assert graph.cost().macs == 125_485_696 + 64 * (graph.output.channels - 10)
    plan = cl.prune.plan(graph, "random", ratio=0.5, scope="local")
    widths_after = {16: 8, 32: 16, 64: 32}
    blocks, pixels = 9, {16: 32**2, 32: 16**2, 64: 8**2}
    expected, before = 3 * 8 * 9 * 32**2, 8
    for width, after in widths_after.items():
        expected += pixels[width] * 9 * (before * after + (2 * blocks - 1) * after * after)
        before = after
    assert plan.cost.macs == expected + before * graph.output.channels


# Saved, exported, rebuilt.


def test_a_plan_survives_json(tmp_path):
    model = resnet20()
    plan = cl.prune.plan(model, "l2", budget={"macs": 0.5, "params": 0.9}, resolution=32, skip="stage1.0.conv1")
    again = cl.prune.Plan.load(plan.save(tmp_path / "plan.json"))
    assert again == plan and again.digest == plan.digest
    assert again.how["budget"]["macs"] == math.floor(0.5 * plan.before.macs)
    assert again.apply(model).state_dict().keys() == plan.apply(model).state_dict().keys()
    assert plan.digest != cl.prune.plan(model, "l2", ratio=0.5, resolution=32).digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(format="other"), "its format is not"),
        (lambda c: c["groups"].pop(), "its groups are not those of its graph"),
        (lambda c: c["groups"][1].update(kept=[]), "keeps ()"),
        (lambda c: c["groups"][1].update(kept=[3, 1]), "keeps (3, 1)"),
        (lambda c: c["groups"][1].update(kept=[99]), "keeps (99,)"),
        (lambda c: c["groups"][0].update(kept=[0]), "it is the image that enters"),
        (lambda c: c["groups"][1].update(scores=[0.5]), "has 1 scores"),
        (lambda c: c.pop("graph"), "graph"),
    ],
)
def test_damaged_plans_are_refused(change, said):
    content = json.loads(cl.prune.plan(cl.architecture("cifar_resnet20").graph(), "random", ratio=0.5).to_json())
    change(content)
    with pytest.raises(ValueError, match="this is no plan, or a damaged one") as error:
        cl.prune.Plan.from_json(json.dumps(content))
    assert said in str(error.value)


def test_a_pruned_network_is_rebuilt_without_pickle(tmp_path):
    model = resnet20()
    plan = cl.prune.plan(model, budget=0.4, resolution=32)
    small = plan.apply(model).eval()
    path = cl.prune.save(small, plan.pruned, tmp_path / "small.safetensors")
    assert b"pickle" not in path.read_bytes() and path.stat().st_size < 4.2 * plan.cost.params + 100_000
    graph, again = cl.prune.load(path)
    assert graph == plan.pruned
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again.eval()(x), small(x))


def test_what_is_no_kept_network_is_refused(tmp_path):
    from safetensors.torch import save_file

    small = resnet20()
    with pytest.raises(ValueError, match="another network"):
        cl.prune.save(small, cl.architecture("resnet18").graph(), tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())
    save_file({"a": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="holds no graph"):
        cl.prune.load(tmp_path / "foreign.safetensors")
    path = cl.prune.save(small, cl.trace(small, 32), tmp_path / "cut.safetensors")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="cannot be read"):
        cl.prune.load(path)


def small_ones() -> Iterator[tuple[nn.Module, nn.Module]]:
    for model in (resnet20(), torchvisions("mobilenet_v3_small"), ours("small_mbconv")):
        plan = cl.prune.plan(model, "l1", budget=0.5, resolution=32)
        yield model, plan.apply(model).eval()


def test_the_result_is_an_ordinary_module(tmp_path):
    """Its attributes agree with its tensors; it can be copied, traced, exported, run by ONNX and written as source."""
    for _, small in small_ones():
        for part in small.modules():
            assert not part._forward_hooks and not part._forward_pre_hooks
            match part:
                case nn.Conv2d():
                    shape = (part.out_channels, part.in_channels // part.groups)
                    assert part.weight.shape[:2] == shape
                    assert part.bias is None or part.bias.shape == shape[:1]
                case nn.BatchNorm2d():
                    assert {t.shape for t in (part.weight, part.running_mean)} == {(part.num_features,)}
                case nn.Linear():
                    assert part.weight.shape == (part.out_features, part.in_features)
        x = torch.randn(2, 3, 32, 32)
        with torch.no_grad():
            expected = small(x)
            assert torch.equal(copy.deepcopy(small)(x), expected)
            assert torch.equal(fx.symbolic_trace(small)(x), expected)
            assert torch.allclose(torch.export.export(small, (x,)).module()(x), expected, atol=1e-5)
        graph = cl.trace(small, 32)
        standalone = built(graph.to_pytorch()).eval()
        standalone.load_state_dict(dict(zip(standalone.state_dict(), small.state_dict().values(), strict=True)))
        with torch.no_grad():
            assert torch.allclose(standalone(x), expected, atol=1e-5)
        torch.onnx.export(small, (x,), tmp_path / "small.onnx", dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
        (theirs,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        assert np.abs(theirs - expected.numpy()).max() <= 1e-4 * np.abs(theirs).max()


# What is left as it was.


def state_of(model: nn.Module) -> list:
    tensors = [(k, v.clone(), v.dtype, v.stride()) for k, v in model.state_dict().items()]
    flags = [(n, p.requires_grad, None if p.grad is None else p.grad.clone()) for n, p in model.named_parameters()]
    return [tensors, flags, [part.training for part in model.modules()], list(model._forward_hooks)]


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("criterion", sorted(cl.prune.CRITERIA))
@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_the_dice_stay_as_they_were(criterion, training):
    model = ours("small_mbconv").to(memory_format=torch.channels_last).train(training)
    model.stem.conv1.weight.requires_grad_(False)
    model(torch.randn(4, 3, 28, 28)).sum().backward()
    data = (torch.randn(6, 3, 28, 28), torch.arange(6) % 10)
    before = state_of(model)
    rolls = (dice.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())
    plan = cl.prune.plan(model, criterion, budget=0.6, data=data, resolution=28)
    small, twin, proof = plan.apply(model), plan.masked(model), plan.verify(model)
    assert same(before, state_of(model))
    assert same(rolls, (dice.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()))
    assert proof and small.training == twin.training == training
    assert not small.stem.conv1.weight.requires_grad and small.head.linear1.weight.requires_grad
    assert small.stage2.get_submodule("0").conv1.weight.is_contiguous(memory_format=torch.channels_last)
    own = {t.untyped_storage().data_ptr() for t in model.state_dict().values()}
    for result in (small, twin):
        assert not own & {t.untyped_storage().data_ptr() for t in result.state_dict().values()}
    assert type(twin) is type(model)
    again = cl.prune.plan(model, criterion, budget=0.6, data=data, resolution=28)
    assert again.digest == plan.digest


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_wrappers_are_looked_through(wrap):
    model = resnet20()
    plan = cl.prune.plan(wrap(model), ratio=0.3, resolution=32)
    assert plan.digest == cl.prune.plan(model, ratio=0.3, resolution=32).digest
    assert plan.verify(wrap(model), tolerance=1e-12)
    found, expected = plan.apply(wrap(model)).state_dict(), plan.apply(model).state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in found)
    assert type(plan.masked(wrap(model))) is type(model)


def test_types_are_kept():
    for dtype in (torch.float64, torch.bfloat16):
        model = resnet20().to(dtype)
        small = cl.prune.plan(model, ratio=0.3, resolution=32).apply(model)
        assert {p.dtype for p in small.parameters()} == {dtype}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_devices_are_kept():
    model = resnet20().cuda()
    data = (torch.randn(6, 3, 32, 32), torch.arange(6) % 10)
    for criterion in cl.prune.CRITERIA:
        plan = cl.prune.plan(model, criterion, ratio=0.3, resolution=32, data=data)
        assert {t.device.type for t in plan.apply(model).state_dict().values()} == {"cuda"}
        assert plan.verify(model, tolerance=1e-12)


# Bad input.


def two() -> nn.Module:
    return net(lambda self, x: self.b(self.a(x)).mean((2, 3)), a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(4, 2, 1))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "give one of budget=, ratio= and remove="),
        ({"budget": 0.5, "ratio": 0.5}, "give one of"),
        ({"budget": {"macs": 1e9}}, "is above the present 320"),
        ({"budget": {"time": 3}}, "a budget is in macs, params, activations, peak, saved"),
        ({"budget": {}}, "a budget is in"),
        ({"budget": 0}, "must be a number above 0"),
        ({"budget": 0.01}, "cannot be pruned to macs=3: the least reachable is macs=80"),
        ({"budget": 0.5, "least": 4}, "the least reachable is macs=320"),
        ({"ratio": 1}, "below 1"),
        ({"ratio": -0.1}, "at least 0"),
        ({"ratio": 0.5, "round_to": 0}, "round_to must be a whole number"),
        ({"ratio": 0.5, "scope": "middle"}, "choose global or local"),
        ({"ratio": 0.5, "importance": "best"}, "importance='best': choose one of l1"),
        ({"ratio": 0.5, "importance": "taylor"}, "needs data="),
        ({"ratio": 0.5, "importance": {"a": [1, 2]}}, "a has scores of shape (2,), and 4 units"),
        ({"ratio": 0.5, "importance": {"a": [1, 2, 3, math.nan]}}, "a score of a is not a finite number"),
        ({"ratio": 0.5, "importance": {"c": [1]}}, "has no group 'c'"),
        ({"ratio": 0.5, "skip": ["aa"]}, "has no group 'aa'; is it a"),
        ({"remove": {"a": [4]}}, "whose units are 0 to 3"),
        ({"remove": {"a": [0, 1, 2, 3]}}, "a keeps ()"),
        ({"remove": {"b": [0]}}, "it is the network's output"),
        ({"ratio": 0.5, "data": (torch.ones(2, 3, 4, 4, dtype=torch.uint8), torch.ones(2))}, "must be float"),
    ],
)
def test_what_cannot_be_planned_is_a_sentence(how, said):
    model = two()
    before = state_of(model)
    with pytest.raises(ValueError) as error:
        cl.prune.plan(model, **{"resolution": 4, **how})
    assert said in str(error.value)
    assert same(before, state_of(model))


def test_models_that_cannot_be_followed_are_refused():
    model = net(lambda self, x: self.a(self.n(self.a(x))).mean((2, 3)), a=nn.Conv2d(3, 3, 1), n=nn.GroupNorm(1, 3))
    with pytest.raises(ValueError, match="calls group_norm, which trace does not know"):
        cl.prune.plan(model, ratio=0.5, resolution=4)
    shared = net(lambda self, x: self.a(self.a(x)).mean((2, 3)), a=nn.Conv2d(3, 3, 1))
    with pytest.raises(ValueError, match="runs twice with the same parameters"):
        cl.prune.plan(shared, ratio=0.5, resolution=4)
    with pytest.raises(ValueError, match="l1 needs weights, and a graph has none"):
        cl.prune.plan(cl.architecture("resnet18").graph(), ratio=0.5)


def test_a_plan_is_for_one_network():
    plan = cl.prune.plan(resnet20(), ratio=0.5, resolution=32)
    wider = oracles.randomised(cl.architecture("cifar_resnet32", classes=10).graph().module(seed=0))
    before = state_of(wider)
    for act in (plan.apply, plan.masked, plan.verify):
        with pytest.raises(ValueError, match="the plan is for cifar_resnet20, and the model is another network"):
            act(wider)
        with pytest.raises(TypeError, match=r"a plan is for a torch\.nn\.Module"):
            act(wider.state_dict())
    assert same(before, state_of(wider))
    silu = net(lambda self, x: self.b(F.silu(self.a(x))).mean((2, 3)), a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(4, 2, 1))
    relu = net(lambda self, x: self.b(F.relu(self.a(x))).mean((2, 3)), a=silu.a, b=silu.b)
    with pytest.raises(ValueError, match="another network"):  # of the same shapes
        cl.prune.plan(silu, ratio=0.5, resolution=4).apply(relu)


def test_a_proof_fails_where_it_must(monkeypatch):
    from cnnlab.prune import cutting

    model = resnet20()
    plan = cl.prune.plan(model, ratio=0.3, resolution=32)
    right = cutting.twin

    def wrong(*args):
        twin = right(*args)
        with torch.no_grad():
            twin.stage1.get_submodule("0").norm1.bias.add_(0.1)
        return twin

    monkeypatch.setattr(cutting, "twin", wrong)
    with pytest.raises(ArithmeticError, match="differ by"):
        plan.verify(model)
