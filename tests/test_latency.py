"""Latency: the figure and its conditions, comparisons that are refused, and nothing left behind."""

import gc
import re
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

import cnnlab as cl
from cnnlab.run.clock import flushes_denormals
from cnnlab.run.latency import latency
from cnnlab.run.timing import Latency
from cnnlab.show.roofplot import plot_latency

hand = Latency(
    "a", 0.010, 0.009, 0.012, 40, 10**9, 4, 224, 3, "a CPU (cpu)", 1, "float32", "contiguous", "inference", "2"
)
SEEN: list[dict] = []  # what each call of a Witness saw


class Witness(nn.Module):
    """Writes down what it sees, and does harm: it changes a buffer, an attribute and the random state."""

    def __init__(self, raises: BaseException | None = None, after: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.frozen = nn.Dropout().eval()
        self.register_buffer("calls", torch.zeros(()))
        self.count, self.raises, self.after = 0, raises, after

    def forward(self, x):
        self.calls += 1
        self.count += 1
        torch.rand(1)
        if isinstance(x, torch.Tensor) and x.device.type != "meta":
            SEEN.append(
                {
                    "shape": tuple(x.shape),
                    "dtype": (x.dtype, self.conv.weight.dtype),
                    "channels_last": x.is_contiguous(memory_format=torch.channels_last),
                    "training": self.training or self.norm.training,
                    "inference": torch.is_inference_mode_enabled(),
                    "threads": torch.get_num_threads(),
                    "collecting": gc.isenabled(),
                    "flushed": flushes_denormals(),
                }
            )
            if self.raises is not None and len(SEEN) > self.after:
                raise self.raises
        return self.frozen(self.norm(self.conv(x)))


class Sleeper(nn.Module):
    def forward(self, x):
        time.sleep(0.02)
        return x


def state(model):
    """All that must be the same before and after."""
    return {
        "tensors": {k: (v.clone(), v.dtype, v.stride(), v.device) for k, v in model.state_dict().items()},
        "modes": [part.training for part in model.modules()],
        "hooks": [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()],
        "count": model.count,
        "random": torch.get_rng_state(),
        "threads": torch.get_num_threads(),
        "collecting": gc.isenabled(),
        "flushed": flushes_denormals(),
        "inference": torch.is_inference_mode_enabled(),
        "grad": torch.is_grad_enabled(),
    }


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("collecting", [False, True])
@pytest.mark.parametrize(
    ("raises", "after", "expected"),
    [(None, 0, None), (RuntimeError("no"), 0, ValueError), (RuntimeError("no"), 4, ValueError),
     (KeyboardInterrupt(), 0, KeyboardInterrupt), (KeyboardInterrupt(), 4, KeyboardInterrupt)],
    ids=["well", "error at once", "error later", "interrupt at once", "interrupt later"],
)  # fmt: skip
def test_leaves_everything_as_it_was(raises, after, expected, collecting, flushed):
    model = Witness(raises, after).train()
    model.frozen.eval()
    SEEN.clear()
    were = gc.isenabled(), flushes_denormals()
    try:
        (gc.enable if collecting else gc.disable)()
        torch.set_flush_denormal(flushed)
        before = state(model)
        assert before["flushed"] == flushed
        if expected is None:
            latency(model, resolution=8, dtype="bfloat16", layout="channels_last", threads=1, seconds=0.01)
        else:
            with pytest.raises(expected):
                latency(model, resolution=8, dtype="bfloat16", layout="channels_last", threads=1, seconds=0.01)
            assert len(SEEN) == after + 1
        assert same(state(model), before)
    finally:
        (gc.enable if were[0] else gc.disable)()
        torch.set_flush_denormal(were[1])


def test_runs_under_the_conditions_that_it_states():
    SEEN.clear()
    t = latency(Witness().train(), 2, resolution=10, dtype=torch.float64, layout="channels_last", threads=1,
                seconds=0.01, name="witness")  # fmt: skip
    want = {"shape": (2, 3, 10, 10), "dtype": (torch.float64, torch.float64), "channels_last": True, "training": False,
            "inference": True, "threads": 1, "collecting": False, "flushed": True}  # fmt: skip
    assert len(SEEN) > t.runs and all(seen == want for seen in SEEN)
    assert (t.name, t.batch, t.resolution, t.channels, t.threads) == ("witness", 2, 10, 3, 1)
    assert (t.dtype, t.layout, t.mode, t.torch) == ("float64", "channels_last", "inference", torch.__version__)
    assert t.device.endswith("(cpu)") and len(t.device) > len("(cpu)")
    assert t.macs == 4 * 27 * 8 * 8  # traced
    assert t.images_per_second == pytest.approx(2 / t.median)
    for part in ("witness", "batch 2", "10 px", "float64", "channels_last", "inference", "1 thread", torch.__version__):
        assert part in repr(t)


def test_a_sleep_of_20_ms_takes_about_that():
    t = latency(Sleeper(), resolution=4, threads=1, seconds=0.2)
    assert 0.02 <= t.lower <= t.median <= t.upper and t.median < 0.2 and t.runs >= 5
    assert t.macs is None or t.macs == 0


def test_what_is_timed_is_the_network_of_the_graph():
    arch = cl.architecture("cifar_resnet20")
    for what in (arch, arch.graph(), arch.graph().module(seed=0)):
        t = latency(what, resolution=32, threads=1, seconds=0.02)
        assert (t.macs, t.resolution, t.channels) == (arch.cost().macs, 32, 3)
    t = latency(arch, resolution=64, threads=1, seconds=0.02)
    assert (t.macs, t.resolution) == (cl.architecture("cifar_resnet20", resolution=64).cost().macs, 64)
    assert t.name == "cifar_resnet20"


@pytest.mark.parametrize(
    ("what", "value"),
    [("device", "another (cpu)"), ("threads", 2), ("dtype", "bfloat16"), ("layout", "channels_last"), ("batch", 8),
     ("mode", "training"), ("torch", "3")],
)  # fmt: skip
def test_other_conditions_are_not_compared(what, value):
    """T31."""
    other = replace(hand, name="b", **{what: value})
    for compare in (lambda: hand < other, lambda: hand > other, lambda: hand.ratio(other)):
        with pytest.raises(
            ValueError, match=f"a and b cannot be compared: they differ in {what} .*{re.escape(str(value))}"
        ):
            compare()


def test_ratio_and_order_by_hand():
    slow = replace(hand, name="b", median=0.030, lower=0.024, upper=0.036, resolution=300)
    ratio = slow.ratio(hand)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((3.0, 2.0, 4.0))
    assert ratio.ordered and hand < slow and slow > hand and not hand > slow
    assert repr(ratio) == "b takes 3 times as long as a (2 to 4)"
    near = replace(hand, name="c", median=0.011, lower=0.0095, upper=0.013)
    assert not (hand < near or near < hand or hand > near or near > hand)
    assert not near.ratio(hand).ordered and "overlap, so they are not ordered" in repr(near.ratio(hand))
    with pytest.raises(TypeError, match="not with float"):
        hand < 0.1  # noqa: B015
    assert hand.spread == pytest.approx(0.003)
    assert (hand.images_per_second, hand.macs_per_second) == pytest.approx((400, 4e11))


class Stuck(nn.Module):
    """Keeps a tensor of its last call, which Python cannot copy."""

    def __init__(self):
        super().__init__()
        self.kept = nn.Parameter(torch.ones(1)) * 2


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"batch": 0}, ValueError, "batch=0"),
        ({"batch": 1.5}, ValueError, "batch=1.5"),
        ({"batch": "2"}, TypeError, "batch='2'"),
        ({"resolution": 0}, ValueError, "resolution=0"),
        ({"resolution": 2}, ValueError, r"Conv2d: it does not run on images of \(1, 3, 2, 2\)"),
        ({"channels": 4}, ValueError, r"does not run on images of \(1, 4, 224, 224\)"),
        ({"device": "abacus"}, ValueError, "'abacus' is no device"),
        ({"device": "meta"}, ValueError, "can be measured on"),
        ({"device": "cuda:99"}, ValueError, "GPU"),
        ({"device": 3}, TypeError, "name a device"),
        ({"dtype": "int8"}, ValueError, "dtype='int8': choose one of float32"),
        ({"layout": "nhwc"}, ValueError, "layout='nhwc': choose one of contiguous, channels_last"),
        ({"threads": 0}, ValueError, "threads=0"),
        ({"threads": 10**6}, ValueError, "threads=1000000: this process may use"),
        ({"seconds": 0}, ValueError, "seconds=0"),
        ({"seconds": float("nan")}, ValueError, "seconds=nan"),
        ({"model": "resnet18"}, TypeError, "not str"),
        ({"model": Stuck()}, ValueError, "Stuck cannot be copied"),
        ({"model": cl.architecture("resnet18").graph(), "resolution": 64}, ValueError, "drawn for 224 px"),
        ({"model": cl.architecture("resnet18"), "channels": 1}, ValueError, "takes images of 3"),
        ({"model": cl.architecture("resnet50").graph(folded=True)}, ValueError, "stands for several layers"),
    ],
    ids=["batch 0", "batch 1.5", "batch text", "resolution 0", "resolution 2", "channels 4", "no device", "meta",
         "GPU 99", "device 3", "int8", "layout", "threads 0", "threads 10^6", "seconds 0", "seconds nan", "a name",
         "no copy", "graph of 224", "graph of 3", "folded"],
)  # fmt: skip
def test_bad_input_gets_a_sentence(settings, error, sentence):
    settings = {"model": nn.Conv2d(3, 4, 3), "seconds": 0.01} | settings
    before = torch.get_num_threads()
    with pytest.raises(error, match=sentence):
        latency(**settings)
    assert torch.get_num_threads() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu():
    model = cl.architecture("cifar_resnet20").graph().module(seed=0)
    t = latency(model, 8, resolution=32, device="cuda", dtype="bfloat16", layout="channels_last", seconds=0.1)
    assert t.device == f"{torch.cuda.get_device_name()} (cuda)" and t.median > 0
    assert all(p.device.type == "cpu" and p.dtype == torch.float32 for p in model.parameters())
    with pytest.raises(ValueError, match="device"):
        t.ratio(latency(model, 8, resolution=32, dtype="bfloat16", layout="channels_last", seconds=0.05))


# The figure.


def two():
    return [hand, replace(hand, name="another", macs=10**8, median=0.02, lower=0.019, upper=0.024)]


def test_figure_shows_each_median_and_its_quartiles():
    both = [*two(), *[replace(each, batch=1, upper=2 * each.upper) for each in two()]]
    axes = plot_latency(both).axes[0]
    points = {
        (x, round(y, 9))
        for line in axes.lines
        for x, y in zip(*line.get_data(), strict=True)
        if line.get_marker() in "os"
    }
    assert {(t.macs, round(t.median / t.batch, 9)) for t in both} <= points
    bars = [path.vertices[:, 1] for each in axes.collections for path in each.get_paths()]
    assert any(bar == pytest.approx([hand.lower / 4, hand.upper / 4]) for bar in bars)
    assert [text.get_text() for text in axes.texts if text.get_text() in ("a", "another")] == ["a", "another"]
    assert plot_latency(both)._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("latencies", "sentence"),
    [
        ([], "empty"),
        ([hand, replace(hand, threads=2)], "differ in threads"),
        ([hand, replace(hand, dtype="float16")], "differ in dtype"),
        ([replace(hand, macs=None)], "multiply-adds are not known"),
        ([replace(hand, batch=n) for n in range(1, 9)], "8 batch sizes"),
    ],
    ids=["none", "threads", "dtype", "macs", "batches"],
)
def test_figure_refuses_what_does_not_belong_on_one_axis(latencies, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot_latency(latencies)
