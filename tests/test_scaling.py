"""Scaling rules: one call over arrays is a loop over numbers; bad knobs are refused with a sentence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnnlab as cl
from cnnlab.arch.edits import edited
from cnnlab.arch.rounding import round_width

BASES = [
    "efficientnet_b0",
    "efficientnet_v2_s",
    "resnet18",
    "resnet50",
    "plain18",
    "cifar_resnet20",
    "cifar_resnet20_b",
]
COST = ("macs", "params", "activations")

depths = st.floats(0.05, 4)
widths = st.floats(0.05, 3)
settings_of_one = st.tuples(depths, widths, st.integers(32, 400))


@given(st.sampled_from(BASES), st.lists(settings_of_one, min_size=1, max_size=6))
def test_an_array_of_settings_costs_what_a_loop_over_them_costs(name, settings):
    arch = cl.architecture(name)
    d, w, r = (np.array(column) for column in zip(*settings, strict=True))
    cost = cl.scaled(arch, depth=d, width=w, resolution=r).cost()
    loop = [cl.scaled(arch, depth=a, width=b, resolution=c).cost() for a, b, c in settings]
    for what in COST:
        assert np.broadcast_to(getattr(cost, what), len(settings)).tolist() == [getattr(c, what) for c in loop]


@given(st.sampled_from(BASES), st.lists(depths, min_size=1, max_size=3), st.lists(widths, min_size=1, max_size=3))
def test_a_grid_broadcasts(name, d, w):
    arch = cl.architecture(name)
    grid = cl.scaled(arch, depth=np.array(d)[:, None], width=np.array(w)[None, :]).cost()
    for i, depth in enumerate(d):
        for j, width in enumerate(w):
            one = cl.scaled(arch, depth=depth, width=width).cost()
            assert [np.broadcast_to(getattr(grid, c), (len(d), len(w)))[i, j] for c in COST] == [
                getattr(one, c) for c in COST
            ]


@given(st.sampled_from(["resnet18", "resnet50", "efficientnet_b0"]), st.lists(st.floats(-2, 4), min_size=1, max_size=5))
def test_compound_over_an_array_is_a_loop(name, phis):
    arch = cl.architecture(name)
    cost = cl.compound(arch, phi=np.array(phis)).cost()
    assert [cl.compound(arch, phi=p).cost().macs for p in phis] == np.broadcast_to(cost.macs, len(phis)).tolist()


@given(st.sampled_from(BASES), settings_of_one)
def test_folded_and_unfolded_graphs_cost_the_same(name, setting):
    depth, width, resolution = setting
    arch = cl.scaled(cl.architecture(name), depth=depth, width=width, resolution=resolution)
    assert arch.graph().cost() == arch.graph(folded=True).cost() == arch.cost()


@given(st.sampled_from(BASES), settings_of_one)
def test_more_costs_more(name, setting):
    depth, width, resolution = setting
    arch = cl.architecture(name)
    here = cl.scaled(arch, depth=depth, width=width, resolution=resolution).cost()
    for more in ({"depth": depth * 2}, {"width": width * 2}, {"resolution": resolution * 2}):
        knobs = {"depth": depth, "width": width, "resolution": resolution} | more
        there = cl.scaled(arch, **knobs).cost()
        assert there.macs >= here.macs
        assert there.params >= here.params
    assert cl.scaled(arch, depth=depth, width=width, resolution=2 * resolution).cost().params == here.params


@given(st.integers(1, 2000), widths, st.sampled_from([1, 2, 8, 16]))
def test_widths_are_multiples_and_never_much_below_what_was_asked(channels, times, divisor):
    width = round_width(channels, times, divisor)
    assert width % divisor == 0
    assert width >= divisor
    assert width >= 0.9 * channels * times
    assert width <= max(divisor, channels * times + divisor)


@pytest.mark.parametrize(
    ("channels", "times", "expected"),  # Tan and Le's round_filters, worked by hand
    [
        (32, 1.0, 32),
        (32, 1.1, 32),
        (32, 1.2, 40),
        (32, 2.0, 64),
        (16, 1.1, 16),
        (24, 1.4, 32),
        (40, 1.1, 48),
        (8, 0.1, 8),
    ],
)
def test_round_filters(channels, times, expected):
    assert round_width(channels, times) == expected


def test_neutral_scaling_changes_nothing():
    for name in cl.names():
        arch = cl.architecture(name)
        assert cl.scaled(arch) == arch
        assert cl.compound(arch, phi=0).cost() == arch.cost()


def test_compound_scaling_is_depth_width_and_resolution_together():
    b0 = cl.architecture("efficientnet_b0")
    by_hand = cl.scaled(b0, depth=1.2**2, width=1.1**2, resolution=round(224 * 1.15**2))
    assert cl.compound(b0, phi=2).cost() == by_hand.cost()
    other = cl.scaled(b0, depth=1.3, width=1.05, resolution=round(224 * 1.1))
    assert cl.compound(b0, 1, 1.3, 1.05, 1.1).cost() == other.cost()


BAD = [
    ({"depth": 0}, ValueError, r"depth=0: depth must be a number above 0 and at most 50"),
    ({"depth": -1}, ValueError, r"depth=-1: depth must be"),
    ({"depth": math.nan}, ValueError, r"depth=nan: depth must be"),
    ({"width": math.inf}, ValueError, r"width=inf: width must be a number above 0 and at most 50"),
    ({"width": "1.2"}, TypeError, r"width='1.2': width must be a number above 0 and at most 50, not a str"),
    ({"width": True}, TypeError, r"width=True: width must be a number"),
    ({"width": None}, TypeError, r"width=None: width must be a number"),
    ({"width": 0.02}, ValueError, r"width=0.02: it leaves \S+ a layer of 0.32 channels.*must be from 0.03125 to 50"),
    ({"width": np.array([1.0, np.nan])}, ValueError, r"width=nan: width must be"),
    ({"width": np.array(["a"])}, TypeError, r"width=array\(\['a'\].*: width must be"),
    ({"width": np.array([])}, TypeError, r"width=array\(\[\].*: width must be"),
    ({"resolution": 31}, ValueError, r"resolution=31: its strides shrink the image 32 times.*from 32 to 4096"),
    ({"resolution": 224.5}, ValueError, r"resolution=224.5: resolution must be a whole number from 1 to 4096"),
    ({"resolution": "224"}, TypeError, r"resolution='224': resolution must be a whole number"),
    ({"resolution": math.nan}, ValueError, r"resolution=nan: resolution must be a whole number"),
    ({"resolution": -224}, ValueError, r"resolution=-224: resolution must be a whole number from 1 to 4096"),
    ({"resolution": 100_000}, ValueError, r"resolution=100000: resolution must be a whole number from 1 to 4096"),
    ({"resolution": np.array([64, 16])}, ValueError, r"resolution=16: its strides"),
]


@pytest.mark.parametrize(("knobs", "error", "sentence"), BAD, ids=lambda case: str(case)[:30])
def test_bad_knobs_are_refused_with_the_field_the_value_and_the_range(knobs, error, sentence):
    with pytest.raises(error, match=sentence):
        cl.scaled(cl.architecture("efficientnet_b0"), **knobs)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"phi": math.nan}, ValueError, r"phi=nan: phi must be a number above -10 and at most 20"),
        ({"phi": "2"}, TypeError, r"phi='2': phi must be a number"),
        ({"phi": 1, "alpha": 0}, ValueError, r"alpha=0: alpha must be a number above 0"),
        ({"phi": -9, "gamma": 2}, ValueError, r"resolution=0.0: resolution must be"),
        ({"phi": -4, "gamma": 2}, ValueError, r"resolution=14: its strides"),
    ],
)
def test_bad_compound_coefficients_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        cl.compound(cl.architecture("efficientnet_b0"), **arguments)


def test_the_largest_allowed_setting_does_not_overflow():
    for name in ("resnet152", "efficientnet_v2_l", "resnext101_32x8d"):
        arch = cl.architecture(name)
        exact = cl.scaled(arch, depth=50, width=50, resolution=4096).cost()  # Python's own whole numbers
        array = cl.scaled(arch, depth=np.array([50.0]), width=np.array([50.0]), resolution=np.array([4096])).cost()
        assert [int(np.ravel(getattr(array, c))[0]) for c in COST] == [getattr(exact, c) for c in COST]


@given(st.sampled_from(BASES[:5]), st.lists(st.integers(3, 90), min_size=2, max_size=2))
def test_a_network_scaled_by_one_is_itself(name, odd):
    """Also where its widths are no multiples of its divisor, and in the middle of many others."""
    base = edited(cl.architecture(name), {i: {"width": width} for i, width in enumerate(odd, 1)})
    assert cl.scaled(base) == base
    assert [stage.width for stage in cl.compound(base, phi=0).stages] == [stage.width for stage in base.stages]
    many = np.linspace(0.9, 1.1, 201)
    frame = cl.Space(base, width=many).frame()
    for at in (0, 99, 100, 101, 200):  # 100 is width 1
        assert frame["macs"][at] == cl.scaled(base, width=float(many[at])).cost().macs
