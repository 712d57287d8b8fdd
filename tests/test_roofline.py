"""Traffic by hand and by what torch passes around; bounds by hand; measured time where it belongs; the figure."""

import math
from dataclasses import dataclass, replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import cnnlab as cl
from cnnlab.arch import layers as op
from cnnlab.arch import traffic
from cnnlab.arch.blocks import act, add, avg_pool, concat, conv, global_pool, linear, max_pool, multiply, norm
from cnnlab.arch.graph import Image, image
from cnnlab.arch.traffic import groups
from cnnlab.run.device import Machine, Speeds, machine, speeds
from cnnlab.run.layertime import layer_seconds
from cnnlab.run.roofline import Roofline, bounded, roofline
from cnnlab.show.roofplot import plot_roofline

HAND = Speeds(Machine("cpu", "a CPU", 2, 10**9, "2"), "float32", 1, 1e9, 1e8, "a product", "a copy", 0.0, 0.0)


def gate(x: Image) -> Image:
    """A squeeze-excite of 2."""
    return multiply(x, act(conv(act(conv(global_pool(x), 2, 1, bias=True)), x.channels, 1, bias=True), "sigmoid"))


# On images of 16 channels and 8 px (1024 numbers): each group as (kind, macs, read, weights, written).
CONV = ("spatial", 32 * 16 * 9 * 64, 1024, 32 * 16 * 9, 2048)
BY_HAND = {
    "conv": (lambda x: conv(x, 32), [CONV]),
    "conv with bias": (lambda x: conv(x, 32, bias=True), [(*CONV[:3], 32 * 16 * 9 + 32, 2048)]),
    "conv norm act": (lambda x: act(norm(conv(x, 32))), [(*CONV[:3], 32 * 16 * 9 + 64, 2048)]),
    "stride 2": (lambda x: conv(x, 32, 3, 2), [("spatial", 32 * 16 * 9 * 16, 1024, 32 * 16 * 9, 512)]),
    "pointwise": (lambda x: conv(x, 8, 1), [("pointwise", 8 * 16 * 64, 1024, 128, 512)]),
    "depthwise": (lambda x: conv(x, 16, 5, groups=16), [("depthwise", 16 * 25 * 64, 1024, 400, 1024)]),
    "depthwise, twice as many": (
        lambda x: conv(x, 32, 3, groups=16), [("depthwise", 32 * 9 * 64, 1024, 288, 2048)]),
    "4 groups": (lambda x: conv(x, 32, 3, groups=4), [("spatial", 32 * 4 * 9 * 64, 1024, 32 * 4 * 9, 2048)]),
    "1x7": (lambda x: x.apply("conv", op.Conv(16, (1, 7), padding=(0, 3))),
            [("spatial", 16 * 16 * 7 * 64, 1024, 16 * 16 * 7, 1024)]),
    "head": (lambda x: linear(cl.blocks.flatten(global_pool(x)), 10),
             [("other", 0, 1024, 0, 16), ("linear", 160, 16, 170, 10)]),
    "dropout is nothing": (lambda x: linear(cl.blocks.dropout(cl.blocks.flatten(x), 0.5), 10),
                           [("linear", 10240, 1024, 10250, 10)]),
    "linear on each pixel": (lambda x: x.apply("linear", op.Linear(8, each_pixel=True)),
                             [("pointwise", 8 * 16 * 64, 1024, 136, 512)]),
    "read twice, so written": (
        lambda x: (lambda y: add(act(y), y))(conv(x, 16, 1)),
        [("pointwise", 256 * 64, 1024, 256, 1024), ("other", 0, 1024, 0, 1024), ("other", 0, 2048, 0, 1024)]),
    "residual": (
        lambda x: act(add(norm(conv(x, 16, 1)), x)),
        [("pointwise", 256 * 64, 1024, 288, 1024), ("other", 0, 2048, 0, 1024)]),
    "x + x reads x once": (lambda x: add(x, x), [("other", 0, 1024, 0, 1024)]),
    "gate": (gate, [("other", 0, 1024, 0, 16), ("linear", 32, 16, 34, 2), ("linear", 32, 2, 48, 16),
                    ("other", 0, 1040, 0, 1024)]),
    "concat": (lambda x: norm(concat(x, conv(x, 4, 1))),
               [("pointwise", 64 * 64, 1024, 64, 256), ("other", 0, 1280, 40, 1280)]),
    "slices": (
        lambda x: concat(conv(x.apply("a", op.Slice(0, 4)), 4, 1), x.apply("b", op.Slice(4, 16))),
        [("pointwise", 16 * 64, 256, 16, 256), ("other", 0, 1024, 0, 1024)]),
    "pools": (lambda x: avg_pool(max_pool(x, 2, 2), 2, 2), [("other", 0, 1024, 0, 256), ("other", 0, 256, 0, 64)]),
    "pads and shuffle": (
        lambda x: x.apply("p", op.Pad(0, 1)).apply("c", op.PadChannels(20)).apply("s", op.Shuffle(2)),
        [("other", 0, 1024, 0, 16 * 81), ("other", 0, 16 * 81, 0, 20 * 81), ("other", 0, 20 * 81, 0, 20 * 81)]),
    "ConvNeXt": (
        lambda x: (
            conv(x, 16, 7, groups=16).apply("n", op.LayerNorm()).apply("l", op.Linear(8, each_pixel=True))
            .apply("g", op.Act("gelu")).apply("s", op.LayerScale()).apply("a", op.Affine(2.0, 1.0))
        ),
        [("depthwise", 16 * 49 * 64, 1024, 784, 1024), ("other", 0, 1024, 32, 1024),
         ("pointwise", 8 * 16 * 64, 1024, 144, 512)]),
    "alone": (lambda x: x.apply("s", op.LayerScale()), [("other", 0, 1024, 16, 1024)]),
}  # fmt: skip


@pytest.mark.parametrize(("write", "expected"), BY_HAND.values(), ids=list(BY_HAND))
def test_traffic_by_hand(write, expected):
    found = groups(write(image(16, 8)).graph("hand"))
    assert [(g.kind, g.macs, g.read, g.weights, g.written) for g in found] == expected
    for g, (_, _, read, weights, written) in zip(found, expected, strict=True):
        assert g.traffic() == 4 * (read + weights + written)
        assert g.traffic(batch=32, number=2) == 2 * (32 * read + weights + 32 * written)


class Passed(TorchDispatchMode):
    """Counts the numbers that enter and leave each operation that cannot be fused into the one before it."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        y = func(*args, **(kwargs or {}))
        name = func.__name__.partition(".")[0]
        if name in ("convolution", "mean", "max_pool2d_with_indices", "_adaptive_avg_pool2d", "avg_pool2d"):
            images = [args[0]]
        elif name in ("add", "mul", "add_", "mul_"):
            images = [each for each in args if isinstance(each, torch.Tensor)]
        elif name == "addmm":
            images = [args[1]]
        elif name == "constant_pad_nd":
            images = [args[0]]
        else:
            assert name in FUSED, f"{name}: the oracle does not know it"
            return y
        out = y[0] if isinstance(y, tuple) else y
        self.numbers += out.numel() + sum(each.numel() for each in images)
        return y


FUSED = ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "relu_", "relu", "silu_",
         "silu", "sigmoid", "sigmoid_", "view", "t", "detach", "empty", "flatten", "_unsafe_view", "relu6_", "clone",
         "hardtanh_", "hardtanh", "native_dropout", "alias", "batch_norm")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "batch"),
    [("resnet18", 1), ("resnet50", 2), ("efficientnet_b0", 3), ("cifar_resnet20", 5), ("efficientnet_v2_s", 1)],
)
def test_total_traffic_is_what_torch_passes_between_operations(name, batch):
    arch = cl.architecture(name, resolution=64)
    model = arch.graph().module(seed=0).eval()
    x, passed = torch.zeros(batch, 3, 64, 64), Passed()
    with torch.no_grad(), passed:
        model(x)
    found = groups(arch.graph())
    assert batch * sum(g.read + g.written for g in found) == passed.numbers
    assert sum(g.weights for g in found) == sum(p.numel() for p in model.parameters())
    assert sum(g.macs for g in found) == arch.cost().macs


def test_every_layer_stands_in_one_group_or_costs_nothing():
    graph = cl.architecture("efficientnet_b0").graph()
    members = [i for g in groups(graph) for i in g.members]
    assert len(members) == len(set(members))
    free = [layer.op for i, layer in enumerate(graph.layers) if i not in members]
    assert [type(each) for each in free] == [op.Input]


def test_every_operation_of_the_closed_set_has_a_place():
    def leaves(kind):
        below = kind.__subclasses__()
        return [leaf for each in below for leaf in leaves(each)] if below else [kind]

    placed = (*traffic.HEADS, *traffic.FOLLOWERS, *traffic.NOTHING, op.Slice, op.Input)
    # A dataclass with slots is made twice, and the module holds the second.
    ours = [leaf for leaf in leaves(op.Op) if getattr(op, leaf.__name__, None) is leaf]
    assert len(ours) > 20 and not [leaf.__name__ for leaf in ours if not issubclass(leaf, placed)]


@dataclass(frozen=True)
class Unheard(op.Op):
    """Of no known kind."""


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: groups(image(16, 8).apply("odd", Unheard()).graph("g")), ValueError, "odd1: what Unheard moves"),
        (lambda: roofline(cl.architecture("resnet50").graph(folded=True)), ValueError, "stands for several layers"),
        (lambda: roofline(torch.nn.Conv2d(3, 3, 1)), TypeError, "roofline takes .* not Conv2d"),
        (lambda: roofline(cl.architecture("resnet18"), batch=0), ValueError, "batch=0"),
        (lambda: roofline(cl.architecture("resnet18"), dtype="int4"), ValueError, "dtype='int4'"),
        (lambda: roofline(cl.architecture("resnet18"), layout="rows"), ValueError, "layout='rows'"),
        (lambda: roofline(cl.architecture("resnet18"), "tpu"), ValueError, "device='tpu'"),
        (lambda: roofline(cl.architecture("resnet18"), threads=-1), ValueError, "threads=-1"),
    ],
    ids=["unknown op", "folded", "module", "batch", "dtype", "layout", "device", "threads"],
)
def test_bad_input_gets_a_sentence(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


# Bounds, at a peak of 1 GFLOP/s and a bandwidth of 0.1 GB/s: the ridge is at 10.


def by_hand(batch: int = 1, measured: dict[str, float] | None = None) -> Roofline:
    x = conv(image(16, 8), 32)  # 589,824 flops and 4 x 7,680 bytes: intensity 19.2
    x = max_pool(conv(x, 32, 3, groups=32), 2, 2)  # 36,864 flops and 4 x 4,384 bytes: 2.1; then 4 x 2,560 bytes
    graph = x.graph("hand")
    return bounded(graph, groups(graph), HAND, batch, measured)


def test_bounds_by_hand():
    line = by_hand()
    first, second, pool = line.layers
    assert (first.flops, first.bytes, first.limit) == (589_824, 30_720, "compute")
    assert (second.flops, second.bytes, second.limit) == (36_864, 17_536, "bandwidth")
    assert (pool.flops, pool.bytes, pool.limit, pool.intensity) == (0, 10_240, "bandwidth", 0)
    assert [each.seconds for each in line.layers] == pytest.approx([589.824e-6, 175.36e-6, 102.4e-6])
    assert (first.intensity, second.intensity) == pytest.approx((19.2, 36_864 / 17_536))
    assert line.seconds == pytest.approx(867.584e-6)
    assert [each.share for each in line.layers] == pytest.approx([589.824 / 867.584, 175.36 / 867.584, 102.4 / 867.584])
    assert (line.flops, line.bytes, HAND.ridge) == (626_688, 58_496, 10)
    assert line.measured is None and first.ratio is None
    # Weights are read once for the batch: at batch 10 the first moves 4 x (10 x 3,072 + 4,608) bytes.
    assert by_hand(10).layers[0].bytes == 141_312
    assert by_hand(10).layers[0].flops == 5_898_240


def test_table_by_hand():
    table = by_hand(measured={"conv1": 1.179648e-3, "conv2": 1e-3, "pool1": 1e-4}).table()
    assert list(table["layer"]) == ["conv1", "conv2", "pool1"]
    assert list(table["limit"]) == ["compute", "bandwidth", "bandwidth"]
    assert table["share"].sum() == pytest.approx(1)
    assert list(table["ratio"]) == pytest.approx([2, 1e3 / 175.36, 100 / 102.4])
    assert list(table["of_peak"]) == pytest.approx([0.5, 0.036864, 0])
    kinds = by_hand(measured={"conv1": 2e-3, "conv2": 1e-3, "pool1": 1e-4}).table(by="kind").set_index("kind")
    assert list(kinds.index) == ["spatial", "depthwise", "other"]
    assert kinds["measured"].sum() == pytest.approx(3.1e-3)
    assert "measured" not in by_hand().table() and "measured" not in by_hand().table(by="kind")
    with pytest.raises(ValueError, match="by='stage'"):
        by_hand().table(by="stage")


# Measured.


def test_speeds_are_measured_once_and_make_sense():
    found = speeds(threads=1)
    assert speeds("cpu", torch.float32, threads=1) is found
    assert 1e8 < found.peak < 1e16 and 1e8 < found.bandwidth < 1e14
    assert 0 <= found.peak_spread < 1 and 0 <= found.bandwidth_spread < 1
    assert found.ridge == found.peak / found.bandwidth
    assert found.machine == machine() and found.machine.torch == torch.__version__
    assert found.machine.cores >= 1 and found.machine.memory > 1e8
    assert found.machine.name in str(found) and "1 thread, float32" in str(found)
    assert HAND.steady and "busy" not in str(HAND)
    assert "the machine was busy" in str(replace(HAND, bandwidth_spread=0.4))


def test_time_lands_on_the_layer_that_takes_it():
    """Layers that are written as two calls, or none, stand before and after the one that does nearly all the work."""
    x = image(3, 16).apply("s", op.LayerScale()).apply("a", op.Affine(2.0, 1.0)).apply("b", op.Affine(1.0, 0.5))
    x = x.apply("d", op.Dropout(0.5)).apply("n", op.LayerNorm())
    x = act(conv(conv(x.inside("deep"), 512, 1), 512, 7)).apply("c", op.Affine(0.5, 0.0)).apply("t", op.LayerScale())
    graph = global_pool(add(x, x)).graph("uneven")
    times = layer_seconds(graph, torch.device("cpu"), torch.float32, 1, "contiguous", 1, 0.1)
    assert times.shape[0] >= 5 and times.shape[1] == len(graph.layers)
    assert (times[:, 1:] > 0).all() and (times[:, 0] == 0).all()
    assert graph.layers[int(times.min(0).argmax())].name == "deep.conv2"


def test_roofline_of_a_network_measured():
    arch = cl.architecture("cifar_resnet20")
    before = torch.get_num_threads(), torch.get_rng_state()
    line = roofline(arch, batch=2, threads=1, measure=True, seconds=0.1)
    assert torch.get_num_threads() == before[0] and torch.equal(torch.get_rng_state(), before[1])
    assert line.flops == 2 * 2 * arch.cost().macs
    assert line.measured == pytest.approx(sum(each.measured for each in line.layers))
    assert all(each.measured > 0 for each in line.layers)
    assert line.seconds == pytest.approx(
        sum(max(each.flops / line.speeds.peak, each.bytes / line.speeds.bandwidth) for each in line.layers)
    )
    assert "cifar_resnet20, batch 2, 32 px: at least" in repr(line) and "measured" in repr(line)
    assert line.speeds == speeds(threads=1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_roofline_on_a_gpu():
    line = roofline(cl.architecture("resnet18"), "cuda", batch=64, dtype="bfloat16", measure=True, seconds=0.2)
    assert line.speeds.machine.name == torch.cuda.get_device_name()
    assert line.measured > 0 and line.speeds.peak > 1e11 and line.speeds.bandwidth > 1e10


# The figure.


def overlaps(a, b) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0"])
@pytest.mark.parametrize("slower", [None, 3.0], ids=["bounds", "measured"])
def test_figure(name, slower):
    graph = cl.architecture(name).graph()
    parts = groups(graph)
    plain = bounded(graph, parts, HAND, 1)
    times = None if slower is None else {each.name: slower * each.seconds for each in plain.layers}
    line = bounded(graph, parts, HAND, 1, times)
    figure = plot_roofline(line)
    axes = figure.axes[0]
    dots = sorted(tuple(point) for each in axes.collections for point in each.get_offsets())
    roof = [(each.intensity, min(1e9, 1e8 * each.intensity) / (slower or 1)) for each in line.layers if each.flops]
    assert [x for dot in dots for x in dot] == pytest.approx([x for dot in sorted(roof) for x in dot])
    markers = {tuple(map(tuple, each.get_paths()[0].vertices)) for each in axes.collections}
    assert len(markers) == len({each.kind for each in line.layers if each.flops})  # a shape for each kind
    assert axes.get_xscale() == axes.get_yscale() == "log"
    words = [text.get_text() for text in axes.texts]
    assert "ridge 10" in words and any("peak 1 GFLOP/s" in word for word in words)
    assert any(each.name in words for each in line.layers)
    assert figure._repr_png_().startswith(b"\x89PNG")
    boxes = [text.get_window_extent() for text in (*axes.texts, *figure.texts)]
    straight = [box for text, box in zip((*axes.texts, *figure.texts), boxes, strict=True) if not text.get_rotation()]
    assert not [1 for i, a in enumerate(straight) for b in straight[:i] if overlaps(a, b)]
    assert all(b.x0 >= 0 and b.x1 <= figure.bbox.x1 and b.y0 >= 0 and b.y1 <= figure.bbox.y1 for b in boxes)
    time_shares = [text.get_text() for text in figure.texts if math.isclose(text.get_position()[0], 0.985)]
    assert sum(int(word[:-1]) for word in time_shares if word.endswith("%")) in range(97, 104)


def test_figure_of_nothing_to_draw_is_refused():
    graph = max_pool(image(16, 8), 2, 2).graph("pool")
    with pytest.raises(ValueError, match="no multiply-adds"):
        plot_roofline(bounded(graph, groups(graph), HAND, 1))
