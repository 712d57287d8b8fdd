"""Importance: each criterion against its formula, written again in NumPy, autograd or brute force."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnlab as cl
from cnnlab.arch.widths import widths
from cnnlab.prune import criteria
from cnnlab.prune.criteria import CRITERIA
from cnnlab.prune.examples import Examples
from tests import oracles
from tests.nets import net

COUNT = 140  # more than one batch


def two() -> nn.Module:
    """conv -> norm -> relu -> conv -> relu -> linear."""
    torch.manual_seed(0)
    return oracles.randomised(
        net(
            lambda self, x: self.head(torch.relu(self.b(torch.relu(self.norm(self.a(x))))).mean((2, 3))),
            a=nn.Conv2d(3, 6, 3, bias=False), norm=nn.BatchNorm2d(6), b=nn.Conv2d(6, 5, 3), head=nn.Linear(5, 4),
        ).double()
    )  # fmt: skip


def residual() -> nn.Module:
    """Two norms write one width."""
    torch.manual_seed(0)
    return oracles.randomised(
        net(
            lambda self, x: self.head(F.relu(self.na(self.a(x)) + self.nb(self.b(F.tanh(self.a0(x))))).mean((2, 3))),
            a=nn.Conv2d(3, 6, 3, padding=1), na=nn.BatchNorm2d(6), a0=nn.Conv2d(3, 4, 1), b=nn.Conv2d(4, 6, 1),
            nb=nn.BatchNorm2d(6), head=nn.Linear(6, 4),
        ).double()
    )  # fmt: skip


def bottleneck() -> nn.Module:
    """Expanded, depthwise, squeezed and projected: an inverted bottleneck with its gate."""
    torch.manual_seed(0)

    def forward(self, x):
        y = F.silu(self.n1(self.expand(x)))
        y = F.silu(self.n2(self.deep(y)))
        y = y * torch.sigmoid(self.up(F.silu(self.down(y.mean((2, 3), keepdim=True)))))
        return self.head(self.project(y).mean((2, 3)))

    return oracles.randomised(
        net(
            forward, expand=nn.Conv2d(3, 8, 1, bias=False), n1=nn.BatchNorm2d(8),
            deep=nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), n2=nn.BatchNorm2d(8), down=nn.Conv2d(8, 3, 1),
            up=nn.Conv2d(3, 8, 1), project=nn.Conv2d(8, 5, 1), head=nn.Linear(5, 4),
        ).double()
    )  # fmt: skip


def product() -> nn.Module:
    """A gate in front: a removed channel is 0 where it is multiplied, and not in the gate."""
    torch.manual_seed(0)
    return oracles.randomised(
        net(
            lambda self, x: self.head(self.c(torch.sigmoid(self.a(x)) * self.b(x)).mean((2, 3))),
            a=nn.Conv2d(3, 6, 3), b=nn.Conv2d(3, 6, 3), c=nn.Conv2d(6, 3, 1), head=nn.Linear(3, 4),
        ).double()
    )  # fmt: skip


def data(seed: int = 0) -> Examples:
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(COUNT, 3, 8, 8, generator=draw, dtype=torch.float64)
    return Examples(images, torch.randint(4, (COUNT,), generator=draw))


def scored(name: str, model: nn.Module, given: Examples | None = None) -> dict[str, np.ndarray]:
    return dict(CRITERIA[name](model, cl.trace(model, 8), data() if given is None else given))


def over_mean(values: torch.Tensor) -> np.ndarray:
    values = values.detach().numpy()
    return values / values.mean()


def loss(model: nn.Module, given: Examples) -> torch.Tensor:
    return F.cross_entropy(model(given.images), given.labels)


def test_magnitudes():
    model = residual()
    filters = torch.cat([model.a.weight.flatten(1), model.b.weight.flatten(1)], 1)
    assert np.allclose(scored("l1", model)["a"], over_mean(filters.abs().sum(1)))
    assert np.allclose(scored("l2", model)["a"], over_mean(filters.norm(dim=1)))
    scales = model.na.weight.abs() + model.nb.weight.abs()
    found = scored("bn_scale", model)
    assert np.allclose(found["a"], over_mean(scales))
    assert set(found) == {"a"}  # a0 has no norm
    plan = cl.prune.plan(model, "bn_scale", ratio=0.5, resolution=8)
    assert plan.reasons["a0"] == "the criterion cannot rank it"


def test_the_norm_that_is_read_counts():
    model = bottleneck()
    assert np.allclose(scored("bn_scale", model)["expand"], over_mean(model.n2.weight.abs()))


@pytest.mark.parametrize(
    ("make", "group", "norms"), [(two, "a", ["norm"]), (residual, "a", ["na", "nb"]), (bottleneck, "expand", ["n2"])]
)
def test_taylor_is_the_slope_at_scale_and_shift(make, group, norms):
    model, given = make(), data()
    loss(model, given).backward()
    slope = sum(part.weight * part.weight.grad + part.bias * part.bias.grad for part in map(model.get_submodule, norms))
    assert np.allclose(scored("taylor", model)[group], slope.abs().detach().numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("make", "group", "gates"), [(two, "b", ["b"]), (residual, "a", ["na", "nb"])])
def test_taylor_is_a_difference_of_losses(make, group, gates):
    model, given, step = make(), data(), 1e-5
    found = scored("taylor", model)[group]
    for channel in range(len(found)):
        losses = []
        for factor in (1 + step, 1 - step):
            moved = copy.deepcopy(model)
            with torch.no_grad():
                for name in gates:
                    for parameter in moved.get_submodule(name).parameters():
                        parameter[channel] *= factor
                losses.append(float(loss(moved, given)))
        assert abs(losses[0] - losses[1]) / (2 * step) == pytest.approx(found[channel], rel=1e-5, abs=1e-9)


def test_fisher_is_the_mean_over_all_examples():
    """Torch-Pruning's keeps the last example's gradient alone."""
    model, given = residual(), data()
    squares = []
    for image, label in zip(given.images, given.labels, strict=True):
        model.zero_grad()
        loss(model, Examples(image[None], label[None])).backward()
        slope = sum(n.weight * n.weight.grad + n.bias * n.bias.grad for n in (model.na, model.nb))
        squares.append(slope.square())
    expected = torch.stack(squares).mean(0) / 2
    found = scored("fisher", model)["a"]
    assert np.allclose(found, expected.detach().numpy(), rtol=1e-9)
    assert not np.allclose(found, squares[-1].detach().numpy() / 2, rtol=0.1)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    assert np.allclose(scored("fisher", model, Examples(given.images[order], given.labels[order]))["a"], found)


@pytest.mark.parametrize("make", [two, residual, bottleneck, product])
def test_leave_one_out_is_the_masked_models_loss(make):
    model, given = make(), data()
    for name, how in (("leave_one_out", "ce"), ("squared_error", "mse")):
        for group, rises in scored(name, model).items():
            for unit, rise in enumerate(rises):
                masked = (
                    cl.prune.plan(model, remove={group: [unit]}, resolution=8).masked(model) if len(rises) > 1 else None
                )
                if masked is None:
                    continue
                with torch.no_grad():
                    logits = [m(given.images) for m in (masked, model)]
                if how == "ce":
                    a, b = (float(F.cross_entropy(y, given.labels)) for y in logits)
                else:
                    target = torch.eye(4, dtype=torch.float64)[given.labels]
                    a, b = (float((torch.softmax(y, 1) - target).pow(2).sum(1).mean()) for y in logits)
                assert rise == pytest.approx(a - b, abs=1e-12)


def test_fpgm_by_hand():
    model = two()
    filters = model.a.weight.detach().flatten(1).numpy()
    expected = np.array([sum(np.sqrt(((f - g) ** 2).sum()) for g in filters) for f in filters])
    assert np.allclose(scored("fpgm", model)["a"], expected / expected.mean())


def test_a_filter_and_its_negative_are_far_apart_and_one_of_two_equal_ones_goes_first():
    """Torch-Pruning measures distances between squared weights, which takes a filter and its negative for equal."""
    model = two()
    with torch.no_grad():
        model.a.weight[1] = -model.a.weight[0]
        model.a.weight[3] = model.a.weight[4] = model.a.weight[[0, 1, 2, 5]].mean(0)
    found = scored("fpgm", model)["a"]
    assert found[3] == pytest.approx(found[4]) == pytest.approx(found.min())
    assert found[0] > found[3] + 0.1 and found[1] > found[3] + 0.1
    plan = cl.prune.plan(model, {"a": found.tolist()}, ratio=0.2, resolution=8)
    assert len(plan.kept["a"]) == 5 and not {3, 4} <= set(plan.kept["a"])


DATA_DRIVEN = ["taylor", "fisher", "leave_one_out", "squared_error"]


@pytest.mark.parametrize("name", ["l1", "l2", "bn_scale", *DATA_DRIVEN])
def test_a_dead_channel_goes_first(name):
    model = residual()
    with torch.no_grad():
        for part in (model.a, model.na, model.b, model.nb):
            part.weight[2] = 0
            part.bias[2] = 0
    found = scored(name, model)["a"]
    assert int(np.abs(found).argmin()) == 2 and found[2] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", DATA_DRIVEN)
def test_a_channel_that_nobody_reads_goes_first(name):
    model = two()
    with torch.no_grad():
        model.b.weight[:, 4] = 0  # the filter that makes channel 4 is as long as ever
    plan = cl.prune.plan(model, lambda *given: {"a": scored(name, model)["a"]}, ratio=0.2, resolution=8, data=data())
    assert 4 not in plan.kept["a"]


def test_random_is_alike_in_wide_and_narrow_groups():
    """Since version 1.4.3 Torch-Pruning's random pruning takes more of wide layers."""
    graph = cl.architecture("resnet18").graph()
    sizes = {group.name: len(group) for group in widths(graph).groups if not group.locked}
    shares: dict[int, list[float]] = {}
    for seed in range(20):
        found = criteria.random(None, graph, seed=seed)
        plan = cl.prune.plan(graph, found, ratio=0.5)
        for name, size in sizes.items():
            shares.setdefault(size, []).append(1 - len(plan.kept[name]) / size)
    assert all(np.mean(values) == pytest.approx(0.5, abs=0.03) for values in shares.values())
    assert len(shares) >= 4
    first, again, other = (criteria.random(None, graph, seed=seed)["stem.conv1"] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("name", ["taylor", "fisher"])
def test_gradients_that_are_no_numbers_are_refused(name):
    model = two()
    with torch.no_grad():
        model.b.weight[0, 0] = torch.inf
    with pytest.raises(ValueError, match="is not a finite number"):
        scored(name, model)


@pytest.mark.parametrize("name", DATA_DRIVEN)
def test_data_are_needed_and_checked(name):
    model = two()
    with pytest.raises(ValueError, match="needs data="):
        CRITERIA[name](model, cl.trace(model, 8), None)
    with pytest.raises(TypeError, match=r"give what cl\.data\.load gives"):
        cl.prune.plan(model, name, ratio=0.5, resolution=8, data=[1, 2])
    with pytest.raises(ValueError, match="labels"):
        cl.prune.plan(model, name, ratio=0.5, resolution=8, data=(data().images, data().labels[:3]))


def test_examples_are_training_images_alone():
    digits = cl.data.load("digits")
    seen = cl.prune.examples(digits, 100)
    assert seen.images.shape == (100, 3, 8, 8) and seen.images.dtype == torch.float32
    assert torch.equal(seen.labels, digits.train.labels[:100])
    with pytest.raises(ValueError, match="normalize='batch': normalize must be one of data, image"):
        cl.prune.examples(digits, normalize="batch")
    sample = digits.train.images.float()
    expected = (digits.train.images[:100].float() - sample.mean((0, 2, 3), keepdim=True)) / sample.std(
        (0, 2, 3), keepdim=True
    )
    assert torch.allclose(seen.images, expected, atol=1e-5)


# The laboratory.


@pytest.mark.parametrize("make", [two, residual, bottleneck])
def test_rescaling_changes_magnitudes_and_not_the_function(make):
    model = make()
    other = cl.prune.rescaled(model, resolution=8)
    x = data().images
    with torch.no_grad():
        assert (model(x) - other(x)).abs().max() <= 1e-12 * model(x).abs().max()
    for name in ("taylor", "fisher", "leave_one_out"):
        ours, theirs = scored(name, model), scored(name, other)
        assert all(np.allclose(ours[group], theirs[group], rtol=1e-6, atol=1e-12) for group in ours)
    before, after = (scored("l1", m) for m in (model, other))
    group = max(before, key=lambda name: len(before[name]))
    assert np.argsort(before[group]).tolist() != np.argsort(after[group]).tolist()


def test_correlations_are_spearmans():
    from scipy.stats import spearmanr

    model = bottleneck()
    table = cl.prune.scores(model, data(), ("l1", "taylor", "leave_one_out", "random"), resolution=8)
    assert table.index.names == ["group", "unit"] and len(table) == 8 + 3 + 5
    found = cl.prune.rank_correlations(table)
    for a in table:
        for b in table:
            assert found.loc[a, b] == pytest.approx(spearmanr(table[a], table[b])[0])
    within = cl.prune.rank_correlations(table, within=True)
    parts = [spearmanr(part["l1"], part["taylor"])[0] for _, part in table.groupby(level="group")]
    assert within.loc["l1", "taylor"] == pytest.approx(np.mean(parts))
    with pytest.raises(ValueError, match="choose from l1"):
        cl.prune.scores(model, data(), ("best",), resolution=8)


def test_overlaps_by_hand():
    graph = cl.architecture("cifar_resnet20").graph()
    plans = {
        "a": cl.prune.plan(graph, remove={"stem.conv1": [0, 1]}),
        "b": cl.prune.plan(graph, remove={"stem.conv1": [1], "stage1.0.conv1": [3]}),
        "none": cl.prune.plan(graph, remove={}),
    }
    found = cl.prune.overlaps(plans)
    assert found.loc["a", "b"] == pytest.approx(1 / 3) and found.loc["a", "a"] == found.loc["none", "none"] == 1
    assert found.loc["a", "none"] == 0


def test_sensitivity_is_the_masked_models_accuracy():
    model, given = residual(), data()
    found = cl.prune.sensitivity(model, given, "l2", (0.0, 0.5, 0.9), resolution=8, progress=False)
    assert found["group"].unique().tolist() == ["a", "a0"]
    for row in found.to_dict("records"):
        scores = scored("l2", model)[row["group"]]
        gone = np.argsort(scores, kind="stable")[: row["removed"]].tolist()
        assert row["removed"] == int(row["ratio"] * row["units"])
        plan = cl.prune.plan(model, remove={row["group"]: gone}, resolution=8)
        with torch.no_grad():
            logits = plan.masked(model)(given.images)
        assert row["accuracy"] == pytest.approx(100 * float((logits.argmax(1) == given.labels).double().mean()))
        assert row["loss"] == pytest.approx(float(F.cross_entropy(logits, given.labels)))
        assert row["macs"] == oracles.macs(plan.apply(model).float(), 8)
    with pytest.raises(ValueError, match="below 1"):
        cl.prune.sensitivity(model, given, ratios=(1.0,), resolution=8)
    with pytest.raises(ValueError, match="choose one of"):
        cl.prune.sensitivity(model, given, "best", resolution=8)
