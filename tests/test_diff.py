"""`diff`: every step adds up to both networks, to the last unit; stages meet by a rule; the pictures show it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.arch.blocks import act, add, conv, norm, shortcut
from cnnlab.arch.diff import KINDS, diff
from cnnlab.arch.solve import isocost
from cnnlab.show.waterfall import isocost_lines, waterfall
from tests import oracles

COLUMNS = [f"{kind}_{when}" for kind in KINDS for when in ("before", "after", "change")]


def depthwise(x, width, stride=1):
    """ResNet's bottleneck with a depthwise 3x3: the step between ResNet and MBConv."""
    y = act(norm(conv(x, width, 1)))
    y = act(norm(conv(y, width, 3, stride, groups=width)))
    y = norm(conv(y, 4 * width, 1))
    return act(add(y, shortcut(x, 4 * width, stride)))


def thin():
    stages = [cl.Stage(depthwise, d, 64 * 2**i, 2 if i else 1) for i, d in enumerate((3, 4, 6, 3))]
    return cl.Architecture("depthwise50", cl.architecture("resnet50").stem, stages)


def chain():
    return [cl.architecture("resnet50"), cl.architecture("seresnet50"), thin(), cl.architecture("efficientnet_b0")]


def totals(network):
    graph = network if isinstance(network, cl.Graph) else network.graph()
    cost = graph.cost()
    return [cost.macs, cost.params, cost.activations, graph.memory().saved]


NETWORKS = {
    "two depths": lambda: [cl.architecture("resnet18"), cl.architecture("resnet34")],
    "two families": lambda: [cl.architecture("resnet50"), cl.architecture("efficientnet_b0")],
    "another resolution": lambda: [cl.architecture("resnet18"), cl.architecture("resnet18", resolution=225)],
    "chain": chain,
    "traced": lambda: [cl.trace(models.resnet50()), cl.architecture("resnet50")],
    "traced, other stages": lambda: [cl.trace(models.efficientnet_b0()), cl.architecture("efficientnet_b0")],
    "functions": lambda: [cl.architecture("densenet121"), cl.architecture("vgg16"), cl.architecture("googlenet")],
    "there and back": lambda: [cl.architecture(n) for n in ("resnet18", "resnet34", "resnet18", "resnet34")],
    "small images": lambda: [cl.architecture("cifar_resnet20"), cl.architecture("cifar_resnet56")],
}


@pytest.mark.parametrize("networks", NETWORKS.values(), ids=NETWORKS)
def test_every_step_adds_up_to_both_networks(networks):
    networks = networks()
    table = diff(*networks)
    steps = len(networks) - 1
    assert len(table) % steps == 0
    for i in range(steps):
        rows = table.iloc[i * len(table) // steps : (i + 1) * len(table) // steps]
        a, b = networks[i : i + 2]
        assert (rows["step"] == f"{a.name} -> {b.name}").all()
        assert rows["stage"].is_unique
        assert [rows[f"{kind}_before"].sum() for kind in KINDS] == totals(a)
        assert [rows[f"{kind}_after"].sum() for kind in KINDS] == totals(b)
        for kind in KINDS:
            assert (rows[f"{kind}_after"] - rows[f"{kind}_before"] == rows[f"{kind}_change"]).all()
    assert list(table) == ["step", "stage", *COLUMNS]
    assert (table[COLUMNS].dtypes == np.int64).all()


def test_stages_cost_what_torch_says_of_their_modules():
    """ResNet-18 to -34, stage by stage: parameters of torchvision's own modules, macs of each on its own."""
    table = diff(cl.architecture("resnet18"), cl.architecture("resnet34")).set_index("stage")
    a, b = models.resnet18(), models.resnet34()
    for i, (channels, pixels) in enumerate([(64, 56), (64, 56), (128, 28), (256, 14)], 1):
        one, other = getattr(a, f"layer{i}"), getattr(b, f"layer{i}")
        change = oracles.numel(other) - oracles.numel(one)
        macs = oracles.macs(nn.Sequential(other), pixels, channels) - oracles.macs(nn.Sequential(one), pixels, channels)
        assert table.loc[f"stage{i}", ["params_change", "macs_change"]].tolist() == [change, macs]
    assert table.loc["stem", [c for c in COLUMNS if c.endswith("change")]].tolist() == [0, 0, 0, 0]


def test_squeeze_excite_adds_two_layers_a_block():
    """By hand: each block gets c -> c/16 -> c with biases, c = 4 times its width; one pixel each."""
    table = diff(cl.architecture("resnet50"), cl.architecture("seresnet50")).set_index("stage")
    for i, depth in enumerate((3, 4, 6, 3)):
        c = 256 * 2**i
        assert table.loc[f"stage{i + 1}", "macs_change"] == depth * 2 * c * (c // 16)
        assert table.loc[f"stage{i + 1}", "params_change"] == depth * (2 * c * (c // 16) + c // 16 + c)
        assert table.loc[f"stage{i + 1}", "activations_change"] == depth * (c // 16 + c)


def test_saved_bytes_are_what_autograd_keeps():
    a, b = cl.architecture("cifar_resnet20"), cl.architecture("cifar_resnet32")
    kept = []
    for arch in (a, b):
        module, storages = arch.graph().module().train(), {}
        own = {p.untyped_storage().data_ptr() for p in [*module.parameters(), *module.buffers()]}

        def pack(x, storages=storages, own=own):
            if x.untyped_storage().data_ptr() not in own:
                storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            out = module(torch.randn(1, 3, 32, 32))
        kept.append(sum(storages.values()))
        del out
    table = diff(a, b)
    assert [table["saved_before"].sum(), table["saved_after"].sum()] == kept


@pytest.mark.parametrize(
    ("networks", "by", "stages"),
    [
        (("resnet18", "resnet34"), None, "stem stage1 stage2 stage3 stage4 head"),
        (("resnet18", "resnet34"), "size", "stem 1/4 1/8 1/16 1/32 head"),
        (("resnet50", "efficientnet_b0"), None, "stem 1/2 1/4 1/8 1/16 1/32 head"),
        (("cifar_resnet20", "cifar_resnet56"), "size", "stem 1/1 1/2 1/4 head"),
        (("efficientnet_b0", "efficientnet_b7"), None, "stem stage1 stage2 stage3 stage4 stage5 stage6 stage7 head"),
    ],
    ids=["order", "size", "other numbers", "small images", "many"],
)
def test_which_stages_meet(networks, by, stages):
    table = diff(*map(cl.architecture, networks), by=by)
    assert table["stage"].tolist() == stages.split()


def test_stages_of_one_size_stand_together():
    """EfficientNet-B0's stages 4 and 5 work at 14 px, as does ResNet-50's third."""
    b0 = cl.architecture("efficientnet_b0")
    table = diff(cl.architecture("resnet50"), b0).set_index("stage")
    own = b0.graph().table("stage").set_index("stage")["macs"]
    assert table.loc["1/16", "macs_after"] == own["stage4"] + own["stage5"]
    assert table.loc["1/32", "macs_after"] == own["stage6"] + own["stage7"]
    assert table.loc["1/2", "macs_before"] == 0
    odd = diff(cl.architecture("resnet50", resolution=225), b0).set_index("stage")  # 57, 29, 15, 8 px
    assert (odd["macs_before"] > 0).tolist() == (table["macs_before"] > 0).tolist()


def test_names_that_differ_are_both_told():
    table = diff(cl.trace(models.resnet18()), cl.architecture("resnet18"))
    assert table["stage"].tolist() == ["stem", *(f"layer{i} / stage{i}" for i in range(1, 5)), "head"]
    assert not table[[c for c in COLUMNS if c.endswith("change")]].any(axis=None)


ARRAYS = cl.scaled(cl.architecture("resnet18"), width=np.array([1.0, 2.0]))
FOLDED = cl.architecture("resnet34").graph(folded=True)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda a: diff(a, "resnet50"), TypeError, r"and str is none of them; of a torch module give cnnlab.trace"),
        (lambda a: diff(a, 3), TypeError, r"int is none of them"),
        (lambda a: diff(a, ARRAYS), ValueError, r"resnet18 holds arrays, so it is many networks"),
        (lambda a: diff(a, FOLDED), ValueError, r"resnet34: .* stands for several layers or settings"),
        (lambda a: diff(a, a, by="name"), ValueError, r"by='name': choose one of order, size, or None"),
        (
            lambda a: diff(a, cl.architecture("efficientnet_b0"), by="order"),
            ValueError,
            r"by='order' needs networks of as many stages each, and resnet18 has 6, efficientnet_b0 has 9; use by",
        ),
        (lambda a: waterfall(a, a, kind="flops"), ValueError, r"kind='flops': choose one of macs, params, activations"),
        (lambda a: waterfall(a, 3), TypeError, r"int is none of them"),
    ],
    ids=["name", "number", "arrays", "folded", "by", "order", "kind", "picture"],
)
def test_bad_questions_are_refused(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call(cl.architecture("resnet18"))


def apart(figure):
    """No two texts of the figure overlap, and all stand inside it."""
    FigureCanvasAgg(figure).draw()
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent() for text in texts]
    inside = all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= figure.bbox.x1 and b.y1 <= figure.bbox.y1 for b in boxes)
    return inside and not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


@pytest.mark.parametrize("kind", KINDS)
def test_the_waterfall_shows_every_change(kind):
    networks = chain()
    figure = waterfall(*networks, kind=kind)
    table = diff(*networks)
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label for label in labels if label in {n.name for n in networks}] == [n.name for n in networks]
    changes = table[f"{kind}_change"]
    assert len(axes.patches) == len(labels) == len(networks) + (changes != 0).sum()
    widths = [patch.get_width() for patch in axes.patches]
    wholes = [w for w, label in zip(widths, labels, strict=True) if label in {n.name for n in networks}]
    assert wholes == [totals(n)[KINDS.index(kind)] for n in networks]
    rest = [w for w, label in zip(widths, labels, strict=True) if label not in {n.name for n in networks}]
    assert rest == pytest.approx(changes[changes != 0].abs().tolist())
    assert apart(figure)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_lines_show_every_setting():
    line = isocost("resnet_basic", macs=1.5e9, depth=[0.5, 1, 1.5, 2], resolution=[160, 192, 224])
    figure = isocost_lines(line)
    drawn = [xy for each in figure.axes[0].lines if len(each.get_xdata()) == 4 for xy in each.get_xydata().tolist()]
    assert sorted(drawn) == sorted(line[["depth", "width"]].to_numpy().tolist())
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert {"160 px", "192 px", "224 px"} <= set(texts)
    assert apart(figure)
    assert apart(isocost_lines(line, x="resolution", y="width"))


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"x": "phi"}, ValueError, r"x='phi', y='width': choose two of depth, width, resolution"),
        ({"x": "width"}, ValueError, r"x='width', y='width': choose two"),
        ({"kind": "saved"}, ValueError, r"kind='saved': choose one of macs, params, activations"),
        (
            {"line": [1]},
            TypeError,
            r"line must be what isocost gives, with the columns depth, width, resolution and macs",
        ),
    ],
    ids=["phi", "twice", "kind", "list"],
)
def test_bad_lines_are_refused(arguments, error, sentence):
    line = isocost("resnet_basic", macs=1e9, depth=[1])
    with pytest.raises(error, match=sentence):
        isocost_lines(arguments.get("line", line), **{k: v for k, v in arguments.items() if k != "line"})
