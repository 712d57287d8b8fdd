"""Masks: exact counts under ties, zeros that stay zeros in training, plain weights afterwards; and lottery tickets."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

import cnnlab as cl
from cnnlab.prune.lottery import Lottery, lottery
from cnnlab.prune.masking import Masks, held, magnitude_masks, nm_masks
from cnnlab.prune.recovery import recover
from cnnlab.run.data import Data
from cnnlab.run.recipe import Recipe
from cnnlab.run.train import fit
from tests.ramps import equal, ramps, small
from tests.test_recovery import percent, stopping

QUICK = Recipe(epochs=2, batch=50, lr=0.1)
WEIGHTS = ["0.weight", "3.weight", "6.weight", "12.weight"]  # of `small`


@pytest.fixture(scope="module", name="data")
def data_() -> Data:
    return ramps(200)


def filled(*shapes: tuple[int, ...], numbers: Callable[[int], Any]) -> nn.Sequential:
    """Layers with weights of these shapes: four sides a convolution, two a linear layer."""
    layers = [nn.Conv2d(s[1], s[0], s[2:]) if len(s) == 4 else nn.Linear(s[1], s[0]) for s in shapes]
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(torch.as_tensor(numbers(layer.weight.numel())).reshape(layer.weight.shape))
    return nn.Sequential(*layers)


def gone(masks: Masks) -> list[list[int]]:
    """Of each weight the places in it, in order, that go."""
    return [[place for place, stays in enumerate(mask.flatten().tolist()) if not stays] for mask in masks.kept.values()]


# Which weights go.


@given(
    whole=st.lists(st.integers(-3, 3), min_size=42, max_size=42),
    percent=st.integers(0, 99),
    scope=st.sampled_from(["global", "layer"]),
)
def test_exactly_so_many_go_and_of_equal_ones_the_first(whole: list[int], percent: int, scope: str) -> None:
    """Oracle: sort by size, then place, with whole numbers only. Seven values in 42 places: nearly all are tied."""
    numbers = iter(whole)
    model = filled((2, 3, 2, 2), (3, 6), numbers=lambda n: [float(next(numbers)) for _ in range(n)])
    parts = [range(42)] if scope == "global" else [range(24), range(24, 42)]
    out = {
        place
        for part in parts
        for place in sorted(part, key=lambda i: (abs(whole[i]), i))[: percent * len(part) // 100]
    }
    masks = magnitude_masks(model, percent / 100, scope=scope)
    assert gone(masks) == [sorted(i for i in out if i < 24), sorted(i - 24 for i in out if i >= 24)]
    assert masks.sparsity == pytest.approx(len(out) / 42)


@pytest.mark.parametrize("size", [100, 1000, 7000])
def test_a_share_is_the_decimal_number_that_was_written(size: int) -> None:
    """0.29 * 100 is 28.999... in binary."""
    masks = magnitude_masks(filled((1, size), numbers=np.ones), 0.29)
    assert gone(masks) == [list(range(29 * size // 100))]


def test_weights_that_are_all_equal_still_go() -> None:
    masks = magnitude_masks(filled((1, 2, 1, 2), (2, 3), numbers=np.ones), 0.7)
    assert gone(masks) == [[0, 1, 2, 3], [0, 1, 2]]
    assert "nothing is left of it" in masks.table().why[0] and masks.table().share.tolist() == [0, 0.5]


def test_what_earlier_masks_removed_goes_first() -> None:
    """Also when a weight that stayed has become 0 since."""
    model = filled((1, 6), numbers=lambda n: [3.0, 2.0, 1.0, 6.0, 5.0, 4.0])
    first = magnitude_masks(model, 0.5)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.0, 9.0, 9.0, 0.0, 5.0, 4.0]]))  # type: ignore[operator]
    assert gone(first) == [[0, 1, 2]] and gone(magnitude_masks(model, 0.5, within=first)) == [[0, 1, 2]]
    assert gone(magnitude_masks(model, 0.7, within=first)) == [[0, 1, 2, 3]]


def test_masks_are_of_weights_alone_and_leave_the_model(data: Data) -> None:
    model = small()
    old = copy.deepcopy(model)
    masks = magnitude_masks(model, 0.8)
    table = masks.table()
    assert equal(model, old) and model.training
    assert [*masks.kept] == table.weight.tolist() == WEIGHTS
    assert {name: mask.shape for name, mask in masks.kept.items()} == {n: model.get_parameter(n).shape for n in WEIGHTS}
    sizes = [model.get_parameter(name).numel() for name in WEIGHTS]
    assert table.weights.tolist() == sizes and table.kept.sum() == sum(sizes) - 8 * sum(sizes) // 10
    assert "as often as before" in repr(masks)


@given(n=st.integers(1, 5), m=st.integers(1, 5), seed=st.integers(0, 99))
def test_of_every_window_the_n_largest_stay(n: int, m: int, seed: int) -> None:
    """Window by window, in plain loops; few values, so that many are tied."""
    if n > m:
        return
    draw = np.random.default_rng(seed)
    model = filled((3, 2 * m, 2, 1), (2, 3 * m), numbers=lambda count: draw.integers(-2, 3, count))
    for name, mask in nm_masks(model, n, m).kept.items():
        weight, stays = model.get_parameter(name).detach().abs().numpy(), mask.numpy()
        for place in np.ndindex(weight.shape[0], *weight.shape[2:]):
            for first in range(0, weight.shape[1], m):
                at = (place[0], slice(first, first + m), *place[1:])
                order = sorted(range(m), key=lambda i, at=at: (weight[at][i], i))
                assert [i for i in range(m) if not stays[at][i]] == sorted(order[: m - n])


def test_layers_without_windows_are_left_whole_with_the_reason() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3),
        nn.Conv2d(16, 16, 3, groups=16),
        nn.Conv2d(16, 8, 1),
        nn.Conv2d(8, 8, 1, groups=2),
        nn.ConvTranspose2d(8, 8, 2),
        nn.Linear(8, 3),
    )
    masks = nm_masks(model)
    table = masks.table().set_index("weight")
    assert table.share.tolist() == [1, 1, 0.5, 0.5, 1, 0.5]
    assert [*masks.whole] == ["0.weight", "1.weight", "4.weight"]
    assert "input channels: 3, which is no multiple of 4" in table.why["0.weight"]
    assert "of one group: 1" in table.why["1.weight"] and "transposed" in table.why["4.weight"]


# Held while others train.


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images, labels = torch.randn(8, 3, 16, 16, generator=generator), torch.arange(8) % 4
    optimizer.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("before", [False, True], ids=["made inside", "made before, with momentum"])
def test_masked_weights_stay_0(make: Callable[[Any], torch.optim.Optimizer], before: bool) -> None:
    """An optimizer that knew the weights before has momentum for all of them, and holds the same parameters."""
    model = small()
    optimizer = make(model.parameters())
    if before:
        step(model, optimizer, 0)
    names, parameters = [*model.state_dict()], [*model.parameters()]
    masks = magnitude_masks(model, 0.6)
    kept = [model.get_parameter(name)[mask].clone() for name, mask in masks.kept.items()]
    with held(model, masks):
        optimizer = optimizer if before else make(model.parameters())
        for number in range(1, 6):
            step(model, optimizer, number)
            layers = [part.weight for part in model.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
            assert all(not layer[~mask].any() for layer, mask in zip(layers, masks.kept.values(), strict=True))
    assert [*model.state_dict()] == names
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert not any(parametrize.is_parametrized(part) for part in model.modules())
    assert [type(part) for part in model.modules()] == [type(part) for part in small().modules()]
    for (name, mask), old in zip(masks.kept.items(), kept, strict=True):
        assert torch.equal(model.get_parameter(name) != 0, mask)
        assert not torch.equal(model.get_parameter(name)[mask], old)  # the others were trained


@pytest.mark.parametrize("make", [lambda model: magnitude_masks(model, 0), lambda model: nm_masks(small(), 4, 4)])
def test_masks_that_remove_nothing_change_nothing(data: Data, make: Callable[[nn.Module], Masks]) -> None:
    plain, masked = small(), small()
    history = fit(plain, data, QUICK, progress=False)
    with held(masked, make(masked)):
        assert fit(masked, data, QUICK, progress=False) == history
    assert equal(plain, masked)


@pytest.mark.parametrize("recipe", [QUICK, dataclasses.replace(QUICK, optimizer="adamw", lr=0.005)])
def test_the_three_numbers_of_a_masked_network(data: Data, recipe: Recipe) -> None:
    model = small()
    fit(model, data, dataclasses.replace(QUICK, epochs=4), progress=False)
    masks = magnitude_masks(model, 0.8)
    zeroed = copy.deepcopy(model)
    with torch.no_grad():
        for name, mask in masks.kept.items():
            zeroed.get_parameter(name).mul_(mask)
    with held(model, masks):
        found = recover(model, data, recipe, progress=False)
    assert found.before == pytest.approx(percent(zeroed, data, data.validation), abs=1.01)
    assert found.fine_tuned == pytest.approx(percent(model, data, data.validation), abs=1.01)
    assert found.fine_tuned > 60  # chance is 25
    assert all(not model.get_parameter(name)[~mask].any() for name, mask in masks.kept.items())


def test_a_checkpoint_goes_on_with_its_own_masks_alone(data: Data, tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    whole, first, again, other = small(), small(), small(), small()
    masks = magnitude_masks(whole, 0.7, scope="layer")
    with held(whole, masks):
        history = fit(whole, data, QUICK, progress=False)
    with held(first, masks):
        assert fit(stopping(first, 5), data, QUICK, progress=False, checkpoint=path).stopped == "interrupted"
    with (
        held(other, magnitude_masks(small(seed=1), 0.7, scope="layer")),  # as many weights of each layer, others
        pytest.raises(ValueError, match=r"checkpoint of another model .*mask"),
    ):
        fit(other, data, QUICK, progress=False, checkpoint=path)
    with held(again, masks):
        assert fit(again, data, QUICK, progress=False, checkpoint=path) == history
    assert equal(again, whole)


def test_an_error_inside_leaves_plain_weights() -> None:
    model = small()
    masks = magnitude_masks(model, 0.5)
    with pytest.raises(RuntimeError, match="mine"), held(model, masks):
        raise RuntimeError("mine")
    assert [*model.state_dict()] == [*small().state_dict()]
    for name, parameter in small().named_parameters():
        mask = masks.kept.get(name, torch.ones((), dtype=torch.bool))
        assert torch.equal(model.get_parameter(name), torch.where(mask, parameter, 0.0))


def test_one_weight_of_two_layers_is_masked_once_and_stays_shared() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    model[1].weight = model[0].weight
    masks = magnitude_masks(model, 0.5)
    assert [*masks.kept] == ["0.weight"]
    with held(model, masks):
        assert not model[1].weight[~masks.kept["0.weight"]].any()  # type: ignore[index]
    assert model[0].weight is model[1].weight and int((model[0].weight == 0).sum()) == 8  # type: ignore[operator]


def test_what_was_held_can_be_traced_and_planned_again() -> None:
    """The first layers have biases, whose place in the state dict would otherwise change."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 4))
    names, plan = [*model.state_dict()], cl.prune.plan(model, budget=0.5, resolution=8)
    with held(model, magnitude_masks(model, 0.5)):
        assert [*model.state_dict()] != names
    assert [*model.state_dict()] == names == [f"{i}.{part}" for i in (0, 2, 4) for part in ("weight", "bias")]
    assert plan.verify(model).counted.macs == cl.trace(plan.apply(model), 8).cost().macs


def nan(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = float("nan")  # type: ignore[index]
    return model


def hold_twice(model: nn.Module) -> None:
    with held(model, magnitude_masks(model, 0.5)), held(model, magnitude_masks(small(), 0.5)):
        pass


def hold(model: nn.Module, masks: Masks) -> None:
    with held(model, masks):
        raise AssertionError("it was held")


SHORT = Masks({"0.weight": torch.zeros(2, dtype=torch.bool)}, "by hand")
STRANGE = Masks({"conv.weight": torch.zeros(2, dtype=torch.bool)}, "by hand")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            lambda m: magnitude_masks(m, 1.0),
            r"magnitude_masks: sparsity=1\.0: sparsity must be a number at least 0 and",
        ),
        (lambda m: magnitude_masks(m, -0.1), "sparsity=-0.1"),
        (lambda m: magnitude_masks(m, float("nan")), "sparsity=nan"),
        (lambda m: magnitude_masks(m, "half"), "sparsity='half'"),
        (lambda m: magnitude_masks(m, 0.5, scope="local"), "scope='local': choose global or layer"),
        (lambda m: magnitude_masks(nan(small()), 0.5), r"magnitude_masks: 0\.weight holds NaN"),
        (lambda m: magnitude_masks(nn.ReLU(), 0.5), "ReLU has no convolution and no linear layer"),
        (lambda m: magnitude_masks(m.state_dict(), 0.5), "model=OrderedDict: masks are for a torch.nn.Module"),
        (lambda m: magnitude_masks(nn.Sequential(nn.LazyConv2d(4, 3)), 0.5), r"0\.weight has no numbers yet"),
        (lambda m: magnitude_masks(m, 0.5, within=SHORT), r"0\.weight is \(12, 3, 3, 3\) here, and its mask \(2,\)"),
        (lambda m: nm_masks(m, 5, 4), "nm_masks: n=5: n must be a whole number from 1 to 4"),
        (lambda m: nm_masks(m, 0, 4), "n=0"),
        (lambda m: nm_masks(m, 1, 5), r"nm_masks: every layer would be left whole \(0\.weight: input channels: 3, "),
        (lambda m: nm_masks(nan(small())), r"nm_masks: 0\.weight holds NaN"),
        (lambda m: hold(m, SHORT), r"held: the masks are of another model: 0\.weight is \(12, 3, 3, 3\) here"),
        (lambda m: hold(m, STRANGE), r"held: the masks are of another model: this one has no conv\.weight"),
        (lambda m: hold_twice(copy.deepcopy(m)), r"held: 0\.weight is no plain parameter"),
    ],
)
def test_bad_input_is_a_sentence_and_the_model_stays(run: Callable[[nn.Module], object], said: str) -> None:
    model = small()
    with pytest.raises((TypeError, ValueError), match=said):
        run(model)
    assert equal(model, small()) and model.training


# Lottery tickets.


@dataclasses.dataclass
class Seen:
    """What each training began with and ended with: the numbers of a copy of the network, masked."""

    begun: list[dict[str, Tensor]]
    ended: list[dict[str, Tensor]]


def plain(model: nn.Module) -> dict[str, Tensor]:
    """name -> the numbers that the network computes with, whether held or not."""
    state = {}
    for name, part in model.named_modules():
        for own in ("weight", "bias", "running_mean", "running_var"):
            value = getattr(part, own, None) if not name.count("parametrizations") else None
            if isinstance(value, Tensor):
                state[f"{name}.{own}"] = value.detach().clone()
    return state


def watched(monkeypatch: pytest.MonkeyPatch) -> Seen:
    module, seen = import_module("cnnlab.prune.lottery"), Seen([], [])

    def watch(model: nn.Module, *args: Any, **kwargs: Any) -> Any:
        seen.begun.append(plain(model))
        found = recover(model, *args, **kwargs)
        seen.ended.append(plain(model))
        return found

    monkeypatch.setattr(module, "recover", watch)
    return seen


def largest(state: dict[str, Tensor], count: int) -> dict[str, np.ndarray]:
    """Of all four weights together the largest: with NumPy."""
    sizes = np.concatenate([state[name].abs().numpy().ravel() for name in WEIGHTS])
    stays = np.zeros(len(sizes), bool)
    stays[np.argsort(sizes)[len(sizes) - count :]] = True
    ends = np.cumsum([state[name].numel() for name in WEIGHTS])[:-1]
    return {n: part.reshape(state[n].shape) for n, part in zip(WEIGHTS, np.split(stays, ends), strict=True)}


@pytest.mark.parametrize("rewind", [0, 1])
def test_tickets_are_rewound_and_the_control_is_not(data: Data, rewind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch)
    found = lottery(small, data, QUICK, sparsity=0.75, rounds=2, rewind=rewind, progress=False)
    first = small()
    if rewind:
        fit(first, data, dataclasses.replace(QUICK, epochs=1), progress=False)
    start, initial = plain(first), plain(small())
    total = sum(start[name].numel() for name in WEIGHTS)
    dense, ticket, control, ticket2, control2 = seen.begun
    assert all(torch.equal(dense[name], value) for name, value in start.items())
    for rewound, anew, trained, left in (
        (ticket, control, seen.ended[0], total - total // 2),
        (ticket2, control2, seen.ended[1], total - 3 * total // 4),
    ):
        masks = largest(trained, left)
        for name, value in start.items():
            mask = torch.from_numpy(masks[name]) if name in masks else torch.ones((), dtype=torch.bool)
            assert torch.equal(rewound[name], torch.where(mask, value, 0))
            if name in WEIGHTS:
                assert torch.equal(anew[name] != 0, mask)
                assert not torch.isclose(anew[name], initial[name])[mask].all()
                assert {*anew[name][mask].tolist()} <= {*initial[name].flatten().tolist()}  # the same distribution
            else:
                assert torch.equal(anew[name].sort().values, initial[name].sort().values)
    assert found.table.weights.tolist() == ["dense", "rewound", "random", "rewound", "random"]
    assert found.table["round"].tolist() == [0, 1, 1, 2, 2]
    assert found.table.sparsity.tolist() == pytest.approx([0, 0.5, 0.5, 0.75, 0.75], abs=1e-4)
    numbers = found.table[["before", "recalibrated", "fine_tuned", "test_accuracy"]]
    assert numbers.notna().all(axis=None) and numbers.fine_tuned.min() > 40
    assert all(torch.equal(found.ticket.get_parameter(n) != 0, mask) for n, mask in found.masks.kept.items())


def test_a_lottery_repeats_itself(data: Data) -> None:
    def drawn(seed: int) -> Lottery:
        recipe = dataclasses.replace(QUICK, seed=seed)
        return lottery(small, data, recipe, sparsity=0.5, rounds=1, progress=False)

    one, two, other = drawn(0), drawn(0), drawn(1)
    assert one.table.equals(two.table) and equal(one.ticket, two.ticket)
    assert not equal(one.ticket, other.ticket)


@pytest.mark.parametrize(("steps", "rewind", "trained"), [(2, 1, 0), (6, 0, 1), (12, 0, 2)])
def test_an_interrupt_ends_the_rounds(data: Data, steps: int, rewind: int, trained: int) -> None:
    """8 steps are one training."""
    found = lottery(
        lambda: stopping(small(), steps), data, QUICK, sparsity=0.5, rounds=2, rewind=rewind, progress=False
    )
    assert found.stopped == "interrupted" and len(found.table) == trained and "interrupted" in repr(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sparsity": 0}, "lottery: sparsity=0: sparsity must be a number above 0 and below 1"),
        ({"sparsity": 1}, "lottery: sparsity=1"),
        ({"rounds": 0}, "lottery: rounds=0"),
        ({"rewind": 3}, "lottery: rewind=3: rewind must be a whole number from 0 to 2"),
        ({"data": None}, "lottery: data=NoneType: give what cl.data.load gives"),
        ({"build": lambda: nan(small())}, r"0\.weight holds NaN"),
    ],
)
def test_a_lottery_says_what_is_wrong_before_it_trains(data: Data, change: dict, said: str) -> None:
    settings = {"build": small, "data": data, "recipe": QUICK, "sparsity": 0.5, "rounds": 1} | change
    with pytest.raises((TypeError, ValueError), match=said):
        lottery(**settings)
