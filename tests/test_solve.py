"""Budgets: `solve` finds what brute force finds; lines of equal cost lie on their stairs; margins are differences."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torchvision import models

import cnnlab as cl
from cnnlab.arch.blocks import act, add, basic, changes, conv, conv_stem, norm, shortcut
from cnnlab.arch.marginal import marginal
from cnnlab.arch.solve import isocost, solve
from tests import oracles

COST = ("macs", "params", "activations")


def asks(x, width, stride=1):
    """A block that asks about its width: it cannot be asked about many widths at once."""
    y = act(norm(conv(x, width, 3, stride)))
    return add(y, x) if x.channels == width and stride == 1 else act(add(y, shortcut(x, width, stride)))


def leaps(x, width, stride=1):
    """A block with a dear way in where widths differ: where they round to one, a wider network is cheaper."""
    way = norm(conv(x.only(changes(x, width, stride)).inside("way"), width, 5, stride))
    return act(add(norm(conv(x, width, 1, stride)), way))


def mine(block=basic, *, widths=(16, 40), stride=2, **fields):
    rows = [cl.Stage(block, 2, width, stride if i else 1) for i, width in enumerate(widths)]
    return cl.Architecture("mine", cl.Stage(conv_stem, 1, 16, 2), rows, **{"resolution": 32, "classes": 7} | fields)


def turned(arch, knob, value):
    return cl.compound(arch, phi=value) if knob == "phi" else cl.scaled(arch, **{knob: value})


def setting(arch, found, knob):
    """The setting that the name tells."""
    letters = {"depth": "d", "width": "w", "resolution": "r", "phi": "phi"}
    words = dict(word.split("=") for word in found.name.removeprefix(arch.name).split())
    assert words.keys() <= {letters[knob]}
    return float(words.get(letters[knob], arch.resolution if knob == "resolution" else 0 if knob == "phi" else 1))


RANGES = {
    "depth": np.arange(1, 5001) / 1000,
    "width": np.arange(40, 4001) / 1000,
    "resolution": np.arange(32, 800),
    "phi": np.arange(-400, 801) / 100,
}
ARCHS = {
    "resnet18": cl.architecture("resnet18"),
    "efficientnet_b0": cl.architecture("efficientnet_b0"),
    "cifar_resnet20_b": cl.architecture("cifar_resnet20_b"),
    "own": mine(),
    "own that asks": mine(asks),
    "own, not monotone": mine(leaps, widths=(20, 24, 28), stride=1),
}


def brute_force(arch, knob):
    """Every setting of a fine range, costed: what `solve` is compared with. Some blocks only take one at a time."""
    values = RANGES[knob][:: 40 if "asks" in str(arch.stages[0].block) and knob in ("width", "phi") else 1]
    try:
        cost = turned(arch, knob, values).cost()
    except ValueError:
        one = [vars(turned(arch, knob, value.item()).cost()) for value in values]
        return values, {what: np.array([each[what] for each in one]) for what in COST}
    return values, {what: np.broadcast_to(getattr(cost, what), values.shape) for what in COST}


@pytest.mark.parametrize(
    ("name", "knob"), [(n, k) for n in ARCHS for k in RANGES if (n, k) != ("own that asks", "phi")]
)
def test_solve_finds_the_largest_setting_that_keeps_to_the_budget(name, knob):
    arch = ARCHS[name]
    values, cost = brute_force(arch, knob)
    dice = np.random.default_rng(0)
    for what in ("macs",) if knob == "resolution" else ("macs", "params"):
        for i in dice.integers(values.size // 8, values.size * 3 // 4, 2):
            for budget in (cost[what][i], cost[what][i] - 1):
                found = solve(arch, **{what: budget}, knob=knob)
                value = setting(arch, found, knob)
                assert found.cost() == turned(arch, knob, int(value) if knob == "resolution" else value).cost()
                assert getattr(found.cost(), what) <= budget
                # Of all that brute force tried further up, each is over the budget or is the same network.
                same = np.all([cost[k] == getattr(found.cost(), k) for k in COST], axis=0)
                assert ((cost[what] > budget) | same)[values > value].all()
                assert (values > value).any()


def test_the_staircase_that_is_searched_is_not_monotone():
    """Where two stages round to the same width their projection is gone, and a wider network is cheaper."""
    _, cost = brute_force(ARCHS["own, not monotone"], "width")
    assert (np.diff(cost["macs"]) < 0).any()


@settings(max_examples=30)
@given(
    st.sampled_from(["resnet18", "efficientnet_b0", "own", "own, not monotone"]),
    st.sampled_from(["depth", "width", "phi"]),
    st.floats(0.3, 4),
    st.floats(0, 1),
)
def test_no_random_setting_above_the_solution_keeps_to_the_budget(name, knob, value, above):
    arch = ARCHS[name]
    target = turned(arch, knob, value).cost()
    found = solve(arch, macs=target.macs, knob=knob)
    assert found.cost().macs <= target.macs
    reached = setting(arch, found, knob)
    assume(reached >= value or found.cost() == target)  # a stair too narrow for six digits is passed over
    larger = reached + above * (8 - reached)
    other = turned(arch, knob, larger).cost()
    assert other.macs > target.macs or other == found.cost() or larger <= reached


def test_all_budgets_are_kept():
    arch = cl.architecture("efficientnet_b0")
    values, cost = brute_force(arch, "width")
    budgets = {"macs": 3e8, "params": 4.5e6, "activations": 5.5e6}
    alone = [solve(arch, **{what: budget}).cost() for what, budget in budgets.items()]
    together = solve(arch, **budgets)
    fits = np.all([cost[what] <= budget for what, budget in budgets.items()], axis=0)
    assert all(getattr(together.cost(), what) <= budget for what, budget in budgets.items())
    assert setting(arch, together, "width") > values[fits].max() - 0.001  # the step of the brute force
    assert together.cost() == min(alone, key=lambda each: each.macs)
    assert len({each.macs for each in alone}) > 1


@pytest.mark.parametrize("knob", ["width", "depth", "resolution", "phi"])
def test_memory_is_kept(knob):
    arch = cl.architecture("resnet18", resolution=64)
    options = {"batch": 4, "dtype": "float16", "optimizer": "adam"}
    found = solve(arch, memory=3e8, knob=knob, **options)
    at = setting(arch, found, knob)

    def held(value):
        memory = turned(arch, knob, int(value) if knob == "resolution" else value)
        return memory.memory(4, dtype="float16", optimizer="adam").training

    assert held(at) == found.memory(4, dtype="float16", optimizer="adam").training <= 3e8
    larger = RANGES[knob][RANGES[knob] > at][:300]
    assert all(held(v) > 3e8 or turned(arch, knob, v.item()).cost() == found.cost() for v in larger)
    assert larger.size > 50


def test_a_family_and_a_network_go_by_their_names():
    assert solve("resnet", macs=2e9).cost() == solve(cl.architecture("resnet50"), macs=2e9).cost()
    assert solve("efficientnet", macs=1e9, knob="phi").name.startswith("efficientnet_b0 phi=")
    small = cl.architecture("small_mbconv", classes=42)
    assert solve(small, macs=small.cost().macs, knob="phi").name == "small_mbconv phi=0"
    assert solve("resnet18", macs=1_814_073_344) == cl.architecture("resnet18")


def test_what_is_found_is_a_network():
    found = solve("cifar_resnet20", macs=2e7)
    assert oracles.macs(found.graph().module(), 32) == found.cost().macs <= 2e7


def test_refused_settings_are_passed_over():
    arch = cl.architecture("resnext50_32x4d")  # at width 0.1 its groups would have no channels
    found = solve(arch, macs=1e9)
    with pytest.raises(ValueError, match="width=0"):
        cl.scaled(arch, width=0.1).cost()
    values = np.arange(200, 1000) / 1000
    cost = cl.scaled(arch, width=values).cost().macs
    assert found.cost() == cl.scaled(arch, width=values[cost <= 1e9].max()).cost()


INFEASIBLE = {
    "width": (
        dict(macs=1e5),
        r"resnet18: no width keeps to macs=100,000; the least reachable is macs=(\S+) \(at width=",
    ),
    "depth": (
        dict(params=1e6, knob="depth"),
        r"no depth keeps to params=1,000,000; the least reachable is params=(\S+) ",
    ),
    "resolution": (dict(macs=1e6, knob="resolution"), r"least reachable is macs=(\S+) \(at resolution=32\)"),
    "phi": (
        dict(params=1e3, knob="phi"),
        r"no phi keeps to params=1,000; the least reachable is params=(\S+) \(at phi=",
    ),
    "memory": (dict(memory=1e3), r"no width keeps to memory=1,000; the least reachable is memory=(\S+) \(at width="),
}


@pytest.mark.parametrize(("arguments", "sentence"), INFEASIBLE.values(), ids=INFEASIBLE)
def test_an_infeasible_budget_names_the_least_reachable(arguments, sentence):
    arch = cl.architecture("resnet18")
    with pytest.raises(ValueError, match=sentence) as error:
        solve(arch, **arguments)
    least = int(re.search(sentence, str(error.value))[1].replace(",", ""))
    what = next(iter(arguments))
    budget = {what: least} | {k: v for k, v in arguments.items() if k == "knob"}
    found = solve(arch, **budget)  # the least that it names is reached, and one less is not
    assert (found.memory().training if what == "memory" else getattr(found.cost(), what)) == least
    with pytest.raises(ValueError, match="the least reachable"):
        solve(arch, **budget | {what: least - 1})


def test_a_drop_of_the_staircase_is_found():
    arch = ARCHS["own, not monotone"]
    _, cost = brute_force(arch, "width")
    drop = np.flatnonzero(np.diff(cost["macs"]) < 0)[0]  # a budget that is kept to again further up
    assert solve(arch, macs=cost["macs"][drop] - 1).cost().macs >= cost["macs"][drop + 1]


def test_the_least_of_every_budget_is_told():
    with pytest.raises(
        ValueError, match=r"no width keeps to macs=1,000,000,000, params=10; .* is macs=\S+ \(at .*params=\S+ \(at"
    ):
        solve("resnet18", macs=1e9, params=10)


BAD = {
    "none": (dict(), ValueError, r"no budget is given; give at least one of macs, params, activations, memory"),
    "zero": (dict(macs=0), ValueError, r"macs=0: macs must be a number above 0"),
    "negative": (dict(params=-1), ValueError, r"params=-1: params must be a number above 0"),
    "nan": (dict(macs=math.nan), ValueError, r"macs=nan: macs must be a number above 0"),
    "infinite": (dict(macs=math.inf), ValueError, r"macs=inf: macs must be"),
    "word": (dict(macs="4e8"), TypeError, r"macs='4e8': macs must be a number above 0, not a str"),
    "truth": (dict(macs=True), TypeError, r"macs=True: macs must be a number above 0, not a bool"),
    "array": (dict(macs=np.array([1e8, 2e8])), TypeError, r"macs=array.*: a budget is one number, not an array"),
    "knob": (dict(macs=1e8, knob="kernel"), ValueError, r"knob='kernel': choose one of depth, width, resolution, phi"),
    "batch": (dict(memory=1e9, batch=0), ValueError, r"batch=0: batch must be a whole number"),
    "dtype": (dict(memory=1e9, dtype="int3"), ValueError, r"dtype='int3': choose one of"),
    "too much": (dict(macs=1e15), ValueError, r"macs=1e\+15 is more than the width can use: at width=50, the largest"),
    "params of pixels": (
        dict(params=1e9, knob="resolution"),
        ValueError,
        r"params=1,000,000,000 is more than the resolution can use: at resolution=4096.*cost is params=11,689,512",
    ),
}


@pytest.mark.parametrize(("arguments", "error", "sentence"), BAD.values(), ids=BAD)
def test_bad_budgets_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        solve("resnet18", **arguments)


@pytest.mark.parametrize("what", COST)
@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "own, not monotone", "own that asks"])
def test_lines_of_equal_cost_lie_on_the_stairs_of_the_budget(name, what):
    arch = ARCHS[name]
    budget = 1.3 * getattr(arch.cost(), what)
    depths, resolutions = [0.5, 1.7], [arch.resolution, arch.resolution + 9]
    line = isocost(arch, **{what: budget}, depth=depths, resolution=resolutions)
    assert len(line) == 4
    assert sorted(zip(line["depth"], line["resolution"], strict=True)) == sorted(
        (d, r) for d in depths for r in resolutions
    )
    for row in line.itertuples():
        cost = cl.scaled(arch, depth=row.depth, width=row.width, resolution=row.resolution).cost()
        assert [getattr(row, k) for k in COST] == [getattr(cost, k) for k in COST]
        assert getattr(row, what) <= budget < row.next
        wider = row.width + np.arange(1, 30_000 if name != "own that asks" else 300) / (1e6 if row.width < 1 else 1e5)
        dearer = wider_costs(arch, row, wider, what)
        assert (dearer[dearer != getattr(row, what)][:1] == row.next).all()  # the first other cost further up
        assert ((dearer > budget) | (dearer == getattr(row, what))).all()


def wider_costs(arch, row, widths, what):
    if arch is ARCHS["own that asks"]:
        each = [cl.scaled(arch, depth=row.depth, width=w, resolution=row.resolution).cost() for w in widths]
        return np.array([getattr(cost, what) for cost in each])
    return getattr(cl.scaled(arch, depth=row.depth, width=widths, resolution=row.resolution).cost(), what)


@pytest.mark.parametrize("knob", ["depth", "width", "resolution"])
def test_each_knob_can_be_solved_for(knob):
    given = {"depth": [1, 1.5], "width": [0.8, 1], "resolution": [128, 160]}
    del given[knob]
    line = isocost("resnet_basic", macs=8e8, knob=knob, **given)
    values = {
        "depth": np.arange(1, 300) / 50,
        "width": np.arange(10**4, 3 * 10**5) / 1e5,
        "resolution": np.arange(32, 500),
    }
    for row in line.itertuples():
        knobs = {k: np.array(getattr(row, k)) for k in given} | {knob: values[knob]}
        cost = np.broadcast_to(cl.scaled(cl.architecture("resnet18"), **knobs).cost().macs, values[knob].shape)
        assert row.macs == cost[cost <= 8e8].max()
        assert row.next == cost[cost > 8e8].min()
    assert len(line) == 4


def test_settings_without_a_stair_at_the_budget_have_no_row():
    line = isocost("resnet18", macs=1e8, depth=[1, 50], resolution=[64, 4096])
    assert set(zip(line["depth"], line["resolution"], strict=True)) == {(1, 64), (50, 64)}
    usual = isocost("cifar_resnet20", macs=4e7)
    assert usual["depth"].between(0.5, 3).all()
    assert (usual["resolution"] == 32).all()
    assert len(usual) == 26


BAD_LINES = {
    "two": (
        dict(macs=1e8, params=1e6),
        ValueError,
        r"settings of equal cost have one budget; give one of macs, params",
    ),
    "none": (dict(), ValueError, r"no budget is given; give at least one of macs, params, activations"),
    "phi": (dict(macs=1e8, knob="phi"), ValueError, r"knob='phi': choose one of depth, width, resolution to solve for"),
    "given": (dict(macs=1e8, width=[1, 2]), ValueError, r"knob='width': choose one of .*and give that one no values"),
    "depth": (dict(macs=1e8, depth=[0]), ValueError, r"depth=0: depth must be a number above 0"),
    "nowhere": (
        dict(macs=10),
        ValueError,
        r"resnet18: at none of these settings can a width cost macs=10; they cost from",
    ),
}


@pytest.mark.parametrize(("arguments", "error", "sentence"), BAD_LINES.values(), ids=BAD_LINES)
def test_bad_lines_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        isocost("resnet18", **arguments)


def test_margins_are_differences_of_whole_networks():
    """Against torch on torchvision's own modules: widths doubled by its own argument, or pixels."""
    table = marginal(cl.architecture("resnet18", resolution=64)).set_index("knob")
    net = models.resnet18()
    pixels = oracles.macs(net, 128) - oracles.macs(net, 64)
    assert table.loc["resolution", ["from", "to", "dmacs", "dparams"]].tolist() == [64, 128, pixels, 0]
    assert table.loc["resolution", "dactivations"] == oracles.activations(net, 128) - oracles.activations(net, 64)
    assert table.loc["resolution", "elasticity_params"] == 0
    deep = models.ResNet(models.resnet.BasicBlock, [4, 4, 4, 4])
    assert table.loc["depth", "dparams"] == oracles.numel(deep) - oracles.numel(net)
    assert table.loc["depth", "dmacs"] == oracles.macs(deep, 64) - oracles.macs(net, 64)
    by_hand = math.log(oracles.macs(deep, 64) / oracles.macs(net, 64)) / math.log(2)
    assert table.loc["depth", "elasticity_macs"] == pytest.approx(by_hand)


def test_a_network_of_plain_convolutions_has_the_exponents_of_the_rule():
    """depth 1, width 2, resolution 2: Tan and Le 2019, section 3.3, where one stage has nearly all of the cost."""
    long = cl.Architecture("long", cl.Stage(conv_stem, 1, 64), [cl.Stage(cl.blocks.plain, 400, 64)], resolution=32)
    table = marginal(long, times=3).set_index("knob")["elasticity_macs"]
    assert [table["depth"], table["width"], table["resolution"]] == pytest.approx([1, 2, 2], abs=0.01)


def test_small_steps_show_the_stairs():
    table = marginal("efficientnet", times=1.001).set_index("knob")
    b0 = cl.architecture("efficientnet_b0")
    assert table.loc["depth", "dmacs"] == cl.scaled(b0, depth=1.001).cost().macs - b0.cost().macs > 0
    assert table.loc["width", "dmacs"] == 0
    assert table.loc["resolution", "dmacs"] == 0
    assert math.isnan(table.loc["resolution", "elasticity_macs"])  # 0 px more: no percent at all


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (("resnet", 1), ValueError, r"times=1: times must be a number above 1 and at most 50"),
        (("resnet", 51), ValueError, r"times=51: times must be"),
        (("resnet", math.nan), ValueError, r"times=nan: times must be"),
        (("resnet", "2"), TypeError, r"times='2': times must be"),
        (("resnet", np.array([2.0, 3.0])), TypeError, r"times=array.*: it must be one number"),
        (("resnet", 20), ValueError, r"resolution=4480: resolution must be a whole number from 1 to 4096"),
        (("nothing", 2), ValueError, r"'nothing' is unknown"),
    ],
    ids=["one", "large", "nan", "word", "array", "pixels", "unknown"],
)
def test_bad_margins_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        marginal(*arguments)
