"""The drawing of a network: to scale, legible, complete, and the same every time."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.show.columns import columns
from cnnlab.show.diagram import diagram

SVG = "{http://www.w3.org/2000/svg}"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans: of the usual fonts the widest
TRACED = {
    "densenet121": 224,
    "densenet201": 224,
    "googlenet": 224,
    "mobilenet_v3_large": 224,
    "resnet152": 224,
    "squeezenet1_1": 224,
    "vgg16": 224,
    "vgg19_bn": 64,
    "alexnet": 224,
    "mnasnet0_5": 224,
    "efficientnet_b7": 600,
}


@lru_cache
def traced(name):
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    with torch.device("meta"):
        module = models.get_model(name, **options)
    return cl.trace(module, TRACED[name], name=name)


class Block(nn.Module):
    """Two convolutions and a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(8, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, padding=1)
        self.way = nn.Sequential(nn.Conv2d(8, 16, 1, 2))

    def forward(self, x):
        return self.two(self.one(x)) + self.way(x)


class Written(nn.Module):
    """A student's network: a sum outside the stage it belongs to, a block with a projection, no common container."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.left = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.block = Block()
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Linear(16, 10)

    def forward(self, x):
        x = self.first(x)
        x = self.left(x) + x
        return self.last(self.pool(self.block(x)).mean((2, 3)))


def network(name):
    return cl.architecture(name) if name in cl.names() else traced(name.removeprefix("traced "))


ALL = [*cl.names(), *(f"traced {name}" for name in TRACED)]


def drawn(name):
    return ElementTree.fromstring(diagram(network(name)).svg)


def graph_of(name):
    net = network(name)
    return net if isinstance(net, cl.Graph) else net.graph(folded=True)


def of_class(tree, tag, kind):
    return [node for node in tree.iter(SVG + tag) if kind in node.get("class", "").split()]


@lru_cache
def font(size, bold):
    return ImageFont.truetype(str(FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)


def text_boxes(tree):
    """(words, left, top, right, bottom) of every text, with the true widths of DejaVu Sans."""
    found = []
    for node in tree.iter(SVG + "text"):
        style = node.get("class", "").split()
        size = 15 if "big" in style else 12
        width = font(size, "name" in style).getlength(node.text or "")
        left = float(node.get("x")) - (0 if "lead" in style else width / 2)
        y = float(node.get("y"))
        found.append((node.text, left, y - 0.8 * size, left + width, y + 0.22 * size))
    return found


@pytest.mark.parametrize("name", ALL)
def test_no_text_lies_on_another_or_outside(name):
    tree = drawn(name)
    _, _, width, height = map(float, tree.get("viewBox").split())
    boxes = text_boxes(tree)
    assert len(boxes) > 10
    for words, left, top, right, bottom in boxes:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, words
    for a, b in combinations(boxes, 2):
        apart = a[3] + 2 <= b[1] or b[3] + 2 <= a[1] or a[4] <= b[2] or b[4] <= a[2]
        assert apart, (a, b)


@pytest.mark.parametrize("name", ALL)
def test_slabs_and_bars_lie_on_no_text_nor_on_each_other(name):
    tree = drawn(name)
    width = float(tree.get("viewBox").split()[2])
    rects = [[float(r.get(k)) for k in ("x", "y", "width", "height")] for r in of_class(tree, "rect", "slab")]
    for x, y, w, h in rects:
        assert x >= 0 and x + w <= width and y >= 0
        for words, left, top, right, bottom in text_boxes(tree):
            assert x + w <= left or right <= x or y + h <= top or bottom <= y, words
    for (x, y, w, h), (x2, y2, w2, h2) in combinations(rects, 2):
        assert x + w < x2 + 0.01 or x2 + w2 < x + 0.01 or y + h < y2 or y2 + h2 < y


@pytest.mark.parametrize("name", ALL)
def test_it_is_to_scale(name):
    """Heights in proportion to resolution, thickness to channels, as far as a hundredth and the least sizes allow."""
    rects = [r for r in of_class(drawn(name), "rect", "slab") if r.get("data-size")]
    sizes, tall, channels, thick = (
        np.array([float(r.get(key)) for r in rects]) for key in ("data-size", "height", "data-channels", "width")
    )
    np.testing.assert_allclose(tall, np.maximum(1, sizes * tall.max() / sizes.max()), atol=0.011)
    order = np.argsort(channels, kind="stable")
    assert (np.diff(thick[order]) >= 0).all()
    np.testing.assert_allclose(thick, np.maximum(1.5, channels * thick.max() / channels.max()), atol=0.011)


@pytest.mark.parametrize("name", ALL)
def test_the_costs_in_the_drawing_are_those_of_the_network(name):
    tree, cost = drawn(name), network(name).cost()
    stages = of_class(tree, "g", "stage")
    assert sum(int(g.get("data-macs")) for g in stages) == cost.macs
    assert sum(int(g.get("data-params")) for g in stages) == cost.params
    bars = np.array([float(r.get("width")) for r in of_class(tree, "rect", "share")])
    macs = np.array([int(g.get("data-macs")) for g in stages], dtype=float)
    np.testing.assert_allclose(bars, 48 * macs / macs.max(), atol=0.006)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        # the tables of the papers: (stage, px, channels, blocks)
        (
            "resnet152",
            [("stem", 56, 64, 1), ("stage1", 56, 256, 3), ("stage2", 28, 512, 8), ("stage3", 14, 1024, 36),
             ("stage4", 7, 2048, 3), ("head", None, 1000, 1)],
        ),
        (
            "traced resnet152",
            [("stem", 56, 64, 1), ("layer1", 56, 256, 3), ("layer2", 28, 512, 8), ("layer3", 14, 1024, 36),
             ("layer4", 7, 2048, 3), ("head", None, 1000, 1)],
        ),
        (
            "traced densenet121",
            [("stem", 56, 64, 1), ("features.denseblock1", 56, 256, 6), ("features.transition1", 28, 128, 1),
             ("features.denseblock2", 28, 512, 12), ("features.transition2", 14, 256, 1),
             ("features.denseblock3", 14, 1024, 24), ("features.transition3", 7, 512, 1),
             ("features.denseblock4", 7, 1024, 16), ("head", None, 1000, 1)],
        ),
        (
            "traced googlenet",
            [("conv1", 112, 64, 1), ("conv2", 56, 64, 1), ("conv3", 56, 192, 1), ("inception3a", 28, 256, 1),
             ("inception3b", 28, 480, 1), ("inception4a–4c", 14, 512, 3), ("inception4d", 14, 528, 1),
             ("inception4e", 14, 832, 1), ("inception5a", 7, 832, 1), ("inception5b", 7, 1024, 1),
             ("head", None, 1000, 1)],
        ),
        (
            "traced vgg16",
            [("features.0–2", 224, 64, 2), ("features.5–7", 112, 128, 2), ("features.10–14", 56, 256, 3),
             ("features.17–21", 28, 512, 3), ("features.24–28", 14, 512, 3), ("classifier", None, 1000, 3)],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "rows",
)  # fmt: skip
def test_columns_are_the_rows_of_the_paper(name, rows):
    found = columns(graph_of(name))
    assert [(c.name, s.size, s.channels, c.depth) for c in found for s in [c.map or c.slabs[-1]]] == rows


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b7", "cifar_resnet110", "cifar_resnet20_b"])
def test_folded_and_unfolded_are_drawn_alike(name):
    arch = cl.architecture(name)
    pictures = [re.sub(r"<style>.*?</style>", "", diagram(net).svg, flags=re.S) for net in (arch, arch.graph())]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    ("name", "arcs"),
    [
        ("resnet50", {"identity": 12, "projection": 4}),
        ("plain34", {}),
        ("cifar_resnet20", {"identity": 9}),  # option A has no convolution on its shortcuts
        ("cifar_resnet20_b", {"identity": 7, "projection": 2}),
        ("efficientnet_b0", {"identity": 9}),  # of 16 blocks; the first of each of the 7 stages has none
    ],
)
def test_arcs_are_shortcuts(name, arcs):
    kinds = [node.get("class").removeprefix("arc ") for node in of_class(drawn(name), "path", "arc")]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == arcs
    legend = " ".join(node.text for node in drawn(name).iter(SVG + "text"))
    assert ("arc: shortcut" in legend) == ("identity" in arcs) and ("dashed" in legend) == ("projection" in arcs)


def test_a_students_network():
    graph = cl.trace(Written(), 32)
    found = columns(graph)
    assert [(c.name, c.slabs[-1].size, c.slabs[-1].channels, c.slabs[-1].shortcut) for c in found] == [
        ("stem", 32, 8, ""),
        ("left", 32, 8, "identity"),
        ("block", 16, 16, "projection"),
        ("head", None, 10, ""),
    ]
    assert sum((c.cost for c in found), cl.Cost()) == graph.cost()


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "a\"b'c&d", "x\x00\x1b\ud800", "名前" * 50, "n" * 500, ""],
    ids=["script", "quotes", "control", "wide", "long", "empty"],
)
def test_names_cannot_break_the_drawing(name):
    graph = cl.Graph(name, cl.architecture("resnet18").graph().layers)
    layers = tuple(layer._replace(name=f"{name}.{layer.name}") for layer in graph.layers)
    for net in (graph, cl.Graph(name, layers)):
        svg = diagram(net).svg
        svg.encode("utf-8")
        tree = ElementTree.fromstring(svg)
        assert not list(tree.iter(SVG + "script")) and "<script" not in svg
        width = float(tree.get("viewBox").split()[2])
        assert all(right <= width for *_, right, _ in text_boxes(tree) if name != "名前" * 50)  # DejaVu has no 名


def test_the_same_network_gives_the_same_bytes():
    assert diagram(cl.architecture("resnet50")) == diagram(cl.architecture("resnet50"))
    assert repr(diagram(cl.architecture("resnet50"))) == "Diagram(name='resnet50')"


def test_two_drawings_share_no_ids_and_are_accessible():
    tree = drawn("resnet50")
    assert not [node for node in tree.iter() if node.get("id")]  # nothing to clash
    assert tree.get("role") == "img" and tree.get("aria-label").startswith("resnet50: 224 px, 4.09 G multiply-adds")
    assert tree.find(f"{SVG}title").text == tree.get("aria-label")
    told = "stage3: 14 px, 1,024 channels, 6 blocks, 1,464,336,384 multiply-adds (35.8 %)"
    assert told in tree.find(f"{SVG}desc").text
    assert tree.get("width") == "100%" and tree.get("viewBox")
    assert len(tree.findall(f"{SVG}g/{SVG}title")) == 7  # what a pointer reads


def test_it_follows_the_theme():
    style = drawn("resnet50").find(f"{SVG}style").text
    assert "var(--jp-ui-font-color1, currentColor)" in style and "prefers-color-scheme: dark" in style
    # every rule is for drawings alone: the style of an SVG in a page holds for the whole page
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@media[^{]*\{", "", style))
    assert rules and all(rule.strip().startswith(".cnnlab-diagram") for rule in rules)
    assert min(float(size) for size in re.findall(r"([\d.]+)px", " ".join(re.findall(r"font[^;]*", style)))) >= 12


def test_it_saves_and_shows(tmp_path):
    picture = diagram(cl.architecture("cifar_resnet20"))
    path = picture.save(tmp_path / "net.svg")
    assert ElementTree.parse(path).getroot().get("viewBox") == drawn("cifar_resnet20").get("viewBox")
    assert picture._repr_svg_() == picture.svg and picture.svg in picture._repr_html_()


@pytest.mark.parametrize(
    ("network", "error", "words"),
    [
        (cl.scaled(cl.architecture("resnet18"), width=np.array([1.0, 2.0])), ValueError, "resnet18.*one picture"),
        (nn.Conv2d(3, 8, 3), TypeError, r"not a Conv2d; .*cnnlab.trace\(module\)"),
        ("resnet18", TypeError, "not a str"),
    ],
    ids=["arrays", "module", "name"],
)
def test_what_cannot_be_drawn_is_refused(network, error, words):
    with pytest.raises(error, match=words):
        diagram(network)


def test_an_empty_graph_and_one_without_multiply_adds():
    assert len(of_class(ElementTree.fromstring(diagram(cl.image().graph("empty")).svg), "g", "stage")) == 0
    idle = cl.blocks.act(cl.blocks.max_pool(cl.image(size=32), 2, 2)).graph("idle")
    (only,) = of_class(ElementTree.fromstring(diagram(idle).svg), "g", "stage")
    assert (only.get("data-size"), only.get("data-macs")) == ("16", "0")


@given(
    depths=st.lists(st.integers(1, 60), min_size=1, max_size=24),
    width=st.integers(1, 4096),
    resolution=st.integers(1, 640),
)
def test_any_network_is_legible(depths, width, resolution):
    stages = tuple(cl.Stage(cl.blocks.plain, depth, 1 + width * (i % 5)) for i, depth in enumerate(depths))
    arch = cl.Architecture("any", cl.Stage(cl.blocks.conv_stem, 1, width), stages, resolution=resolution)
    tree = ElementTree.fromstring(diagram(arch).svg)
    boxes = text_boxes(tree)
    for a, b in combinations(boxes, 2):
        assert a[3] + 2 <= b[1] or b[3] + 2 <= a[1] or a[4] <= b[2] or b[4] <= a[2], (a, b)
    assert max(right for *_, right, _ in boxes) <= 740
    assert max(float(r.get("x")) + float(r.get("width")) for r in of_class(tree, "rect", "slab")) <= 740
    assert sum(int(g.get("data-depth")) for g in of_class(tree, "g", "stage")) == sum(depths) + 2
