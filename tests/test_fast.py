"""Fast scaling: the exponents of Dollar, Singh and Girshick 2021, and rows worked by hand by the rule of their code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnnlab as cl
from cnnlab.arch.scaling import fast
from tests import oracles


def rows(arch):
    return [s.depth for s in arch.stages], [arch.stem.width, *(s.width for s in arch.stages)]


def test_rows_worked_by_hand():
    """times=4, alpha=0.8: depth 4^0.1 = 1.149, width 4^0.4 = 1.741, resolution 4^0.05 = 1.072."""
    large = fast(cl.architecture("efficientnet_b0"), 4)
    # 1 2 2 3 3 4 1 blocks: 1.15, 2.30, 2.30, 3.45, 3.45, 4.59, 1.15
    assert [s.depth for s in large.stages] == [1, 2, 2, 3, 3, 5, 1]
    # 32; 16 24 40 80 112 192 320; 1280 channels, in eighths: 6.96; 3.48, 5.22, 8.71, 17.4, 24.4, 41.8, 69.6; 278.6
    assert [large.stem.width, *(s.width for s in large.stages)] == [56, 24, 40, 72, 136, 192, 336, 560]
    assert large.head.width == 279 * 8
    assert large.resolution == 240  # 224 * 1.072 = 240.08, in fours: 60.02


def test_halves_go_to_the_even_one_as_in_their_code():
    # width alone doubled four times: 2^(1/2) twice over is 2; depth and resolution stay
    net = cl.Architecture("net", cl.Stage(cl.blocks.conv_stem, 1, 6), [cl.Stage(cl.blocks.basic, 2, 10)], resolution=30)
    wide = fast(net, 4, alpha=1)
    assert rows(wide) == ([2], [16, 16])  # 12 / 8 = 1.5 -> 2, 20 / 8 = 2.5 -> 2
    assert wide.resolution == 32  # 30 / 4 = 7.5 -> 8


@pytest.mark.parametrize("alpha", [0, 1 / 3, 0.8, 1])
@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "resnet18"])
def test_cost_grows_as_times_and_activations_as_the_paper_says(name, alpha):
    """Macs as times; activations as depth * width * resolution^2 = times^(1 - alpha / 2)."""
    arch = cl.architecture(name)
    large = fast(arch, 16, alpha)
    macs = math.log(large.cost().macs / arch.cost().macs, 16)
    activations = math.log(large.cost().activations / arch.cost().activations, 16)
    assert macs == pytest.approx(1, abs=0.06)
    # Less where depth does most of it: what is before the first block and between the stages gets no deeper.
    assert 1 - alpha / 2 - 0.13 < activations < 1 - alpha / 2 + 0.03


def test_what_is_scaled_is_a_network():
    small = fast(cl.architecture("cifar_resnet20"), 0.5)
    assert oracles.macs(small.graph().module(), small.resolution) == small.cost().macs
    assert 0.4 < small.cost().macs / cl.architecture("cifar_resnet20").cost().macs < 0.6


@given(st.lists(st.floats(0.05, 40), min_size=1, max_size=4), st.floats(0, 1))
def test_an_array_of_times_is_a_loop(times, alpha):
    arch = cl.architecture("efficientnet_b0")
    cost = fast(arch, np.array(times), alpha).cost()
    loop = [fast(arch, t, alpha).cost() for t in times]
    for what in ("macs", "params", "activations"):
        assert np.broadcast_to(getattr(cost, what), len(times)).tolist() == [getattr(c, what) for c in loop]


@given(st.sampled_from(["resnet50", "efficientnet_b0"]), st.floats(0, 1))
def test_once_changes_nothing(name, alpha):
    arch = cl.architecture(name)
    assert rows(fast(arch, 1, alpha)) == rows(arch)
    assert fast(arch, 1, alpha).cost() == arch.cost()


def test_fixed_rows_stay():
    lite = cl.architecture("efficientnet_lite0")
    large = fast(lite, 8)
    assert large.stem.width == lite.stem.width
    assert large.stages[0].depth == lite.stages[0].depth
    assert large.stages[3].width > lite.stages[3].width


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((0,), ValueError, r"times=0: times must be a number above 0 and at most 2500"),
        ((-1,), ValueError, r"times=-1: times must be"),
        ((math.nan,), ValueError, r"times=nan: times must be"),
        ((3000,), ValueError, r"times=3000: times must be"),
        (("2",), TypeError, r"times='2': times must be a number"),
        ((2, 1.5), ValueError, r"alpha=1.5: alpha must be a number at least 0 and at most 1"),
        ((2, math.nan), ValueError, r"alpha=nan: alpha must be"),
        ((1e-6, 0), ValueError, r"fast=1e-06: resolution=20: its strides shrink the image 32 times"),
        ((2500, 0), ValueError, r"resolution=4524: resolution must be a whole number from 1 to 4096"),
    ],
    ids=["zero", "negative", "nan", "large", "word", "alpha", "alpha nan", "small", "pixels"],
)
def test_bad_times_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        fast(cl.architecture("resnet50", resolution=640), *arguments)


def test_functions_are_refused():
    with pytest.raises(TypeError, match="googlenet: it must be an Architecture, whose rows can be scaled"):
        fast(cl.architecture("googlenet"), 2)
