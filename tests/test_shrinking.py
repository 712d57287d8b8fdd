"""shrink: every step within its budget, scored anew on training images, and the original left alone."""

from __future__ import annotations

import copy
import dataclasses
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import cnnlab as cl
from cnnlab.arch.graph import Graph
from cnnlab.prune.criteria import Scores, l1
from cnnlab.prune.examples import Examples
from cnnlab.prune.shrinking import Shrunk, shrink
from cnnlab.run.data import Data, Split
from cnnlab.run.recipe import Recipe
from tests.ramps import equal, ramps, small
from tests.test_recovery import by_hand, percent, stopping

QUICK = Recipe(epochs=1, batch=50, lr=0.05)


@pytest.fixture(scope="module", name="data")
def data_() -> Data:
    return ramps(200)


def macs(model: nn.Module, pixels: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, pixels, pixels))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("budget", [0.25, {"macs": 150_000, "params": 0.5}], ids=["share", "two"])
def test_every_step_is_within_its_budget(data: Data, budget: float | dict[str, float]) -> None:
    """From C to B in equal ratios: step k of 3 has C (B / C)^(k / 3), and the last has B."""
    model = small()
    start = {"macs": macs(model, 16), "params": sum(p.numel() for p in model.parameters())}
    asked = budget if isinstance(budget, dict) else {"macs": budget}
    goal = {what: value * (start[what] if value < 1 else 1) for what, value in asked.items()}
    found = shrink(model, data, QUICK, budget=budget, steps=3, progress=False)
    table = found.table
    assert table.index.tolist() == [1, 2, 3]
    for step in (1, 2, 3):
        for what in goal:
            assert table[what][step] <= start[what] * (goal[what] / start[what]) ** (step / 3) * (1 + 1e-9)
    assert table.macs[1] > table.macs[2] > table.macs[3] > 0.6 * goal["macs"]  # no more than it must
    assert table.macs[3] == macs(found.model, 16) == found.graph.cost().macs
    assert table.params[3] == sum(p.numel() for p in found.model.parameters())
    assert table.fine_tuned[3] == pytest.approx(percent(found.model, data, data.validation), abs=1.01)
    assert table.test_accuracy[3] == pytest.approx(percent(found.model, data, data.test), abs=1.01)
    assert not found.model.training and found.stopped is None


def test_a_network_of_the_zoo_learns_digits_in_half_its_cost() -> None:
    data = cl.data.load("digits", resolution=8, limit=600)
    model = cl.architecture("small_resnet", resolution=8, classes=10).graph().module(seed=0)
    recipe = Recipe(epochs=2, batch=50, lr=0.1)
    cl.fit(model, data, recipe, progress=False)
    found = shrink(model, data, recipe, budget=0.5, steps=2, round_to=4, progress=False)
    assert macs(found.model, 8) == found.table.macs[2] <= macs(model, 8) / 2
    assert found.table.fine_tuned[2] > 60  # chance is 10
    assert found.table.fine_tuned[2] > found.table.before[2] - 10
    widths = {part.out_channels for part in found.model.modules() if isinstance(part, nn.Conv2d)}
    assert {width % 4 for width in widths} == {0}


def test_the_original_is_left_alone(data: Data) -> None:
    model = small(dropout=0.2)
    old, state = copy.deepcopy(model), torch.get_rng_state()
    shrink(model, data, QUICK, budget=0.5, progress=False)
    assert equal(model, old) and model.training and torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("normalize", ["data", "image"])
def test_units_are_scored_anew_by_the_model_of_each_step_on_training_images(data: Data, normalize: str) -> None:
    seen: list[tuple[nn.Module, Examples | None]] = []

    def criterion(model: nn.Module, graph: Graph, given: Examples | None = None) -> Scores:
        seen.append((copy.deepcopy(model), given))
        return l1(model, graph)

    recipe = dataclasses.replace(QUICK, normalize=normalize)
    model = small()
    one = shrink(model, data, recipe, budget={"macs": 300_000}, importance=criterion, progress=False)
    seen.clear()
    budget = {"macs": 300_000**2 / macs(model, 16)}  # so that the first of two steps is the one above
    shrink(model, data, recipe, budget=budget, importance=criterion, steps=2, progress=False)
    (first, given), (second, again) = seen
    assert equal(first, model) and equal(second, one.model)
    expected = by_hand(data.train.images, data.train.images, normalize)
    for examples in (given, again):
        assert examples is not None and torch.equal(examples.labels, data.train.labels)
        np.testing.assert_allclose(examples.images, expected, atol=1e-4)


def test_images_held_out_decide_nothing(data: Data) -> None:
    def network(held: Split) -> Shrunk:
        changed = dataclasses.replace(data, validation=held, test=held)
        return shrink(small(), changed, QUICK, budget=0.4, steps=2, progress=False)

    clean = network(data.test)
    poisoned = network(Split(torch.full_like(data.test.images, 255), data.test.labels))
    assert equal(clean.model, poisoned.model)
    assert [plan.digest for plan in clean.plans] == [plan.digest for plan in poisoned.plans]
    assert clean.table.fine_tuned[2] != poisoned.table.fine_tuned[2]


def test_what_is_skipped_stays_in_every_step(data: Data) -> None:
    found = shrink(small(), data, None, budget=0.6, steps=3, skip="0", least=5, progress=False)
    convs = [part.out_channels for part in found.model.modules() if isinstance(part, nn.Conv2d)]
    assert convs[0] == 12 and min(convs) >= 5 and convs[1:] != [24, 48]
    assert found.table.fine_tuned.isna().all() and found.table.recalibrated.notna().all()


def test_an_interrupt_ends_the_schedule(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    shrinking = import_module("cnnlab.prune.shrinking")
    recover = shrinking.recover
    monkeypatch.setattr(
        shrinking, "recover", lambda model, *args, **kwargs: recover(stopping(model, 2), *args, **kwargs)
    )
    found = shrink(small(), data, QUICK, budget=0.3, steps=3, progress=False)
    assert found.stopped == "interrupted" and len(found.table) == len(found.plans) == 1
    assert "interrupted" in repr(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"budget": {"macs": 100}}, "cannot be pruned to macs=100: the least reachable is"),
        ({"budget": 1e12}, "above the present"),
        ({"budget": {"seconds": 1}}, "a budget is in macs, params"),
        ({"steps": 0}, "shrink: steps=0: steps must be a whole number, 1 or more"),
        ({"scope": "layer"}, "scope='layer': choose global or local"),
        ({"skip": "conv9"}, "no group 'conv9'"),
        ({"importance": "beauty"}, "importance='beauty': choose one of"),
        ({"normalize": "image"}, "normalize='image', and the recipe says 'data'"),
        ({"data": None}, "shrink: data=NoneType: give what cl.data.load gives"),
    ],
)
def test_bad_input_is_a_sentence_before_anything_is_trained(
    data: Data, change: dict, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("it was trained")

    monkeypatch.setattr(import_module("cnnlab.prune.recovery"), "fit", never)
    model = small()
    old = copy.deepcopy(model)
    with pytest.raises((TypeError, ValueError), match=said):
        shrink(model, **({"data": data, "recipe": QUICK, "budget": 0.5} | change))
    assert equal(model, old)


def test_weights_that_are_no_numbers_are_refused(data: Data) -> None:
    model = small()
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = float("nan")  # type: ignore[index]
    with pytest.raises(ValueError, match=r"shrink: 0\.weight holds NaN"):
        shrink(model, data, QUICK, budget=0.5)
