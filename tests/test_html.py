"""What notebooks show of an Architecture, a Graph and a Cost."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision import models

import cnnlab as cl
from cnnlab.arch.table import paper_frame
from cnnlab.show.html import _frame, architecture_html, cost_html, graph_html

MANY = cl.scaled(
    cl.architecture("efficientnet_b0"),
    depth=np.array([1.0, 2.0]),
    width=np.array([[1.0], [1.5]]),
    resolution=np.array([224, 300]),
)
VOID = {"br", "hr", "img", "input", "meta", "link", "col"}


class Page(HTMLParser):
    """Tables as lists of rows of cells, all words outside styles, and the names of all elements. Unclosed tags fail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.bars: list[float] = []
        self.words = ""
        self.tags: set[str] = set()
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "i":
            self.bars.append(float(re.fullmatch(r"width:([\d.]+)%", dict(attrs)["style"]).group(1)))

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.words += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


ROWS_ARE_PARTS = ("squeezenet1_0", "squeezenet1_1", "googlenet", "inception_v3")  # of stages


@pytest.mark.parametrize("name", cl.names())
def test_an_architecture_shows_its_papers_table_and_its_cost(name):
    arch = cl.architecture(name)
    html = architecture_html(arch)
    assert len(html) < 60_000
    page = Page(html)
    table, cost = page.tables
    frame = paper_frame(arch)
    assert [row[0] for row in table[1:]] == list(frame["stage"])
    if name not in ROWS_ARE_PARTS:
        assert table[0] == ["stage", "share of multiply-adds", *list(frame.columns)[1:]]
        shares = [float(re.search(r"[\d.]+", row[1]).group()) for row in table[1:] if not row[1].startswith("<")]
        assert sum(shares) == pytest.approx(100, abs=1)
    exact = vars(arch.cost()).values()
    assert [number(cell) for cell in cost[1][1:]] == list(exact)
    assert {"svg", "table"} <= page.tags


def test_a_graph_shows_its_stages_and_first_layers():
    graph = cl.architecture("resnet50").graph()
    page = Page(graph_html(graph))
    stages, cost, layers = page.tables
    told = graph.table(by="stage")
    assert [row[0] for row in stages[1:]] == list(told["stage"])
    assert [number(row[3]) for row in stages[1:]] == list(told["macs"])
    assert [number(row[5]) for row in stages[1:]] == list(told["params"])
    np.testing.assert_allclose(page.bars[::2], 100 * told["share"], atol=0.051)
    np.testing.assert_allclose(page.bars[1::2], 100 * told["params"] / 25_557_032, atol=0.051)
    assert cost[1][1:] == ["4,089,184,256", "25,557,032", "11,114,984"]
    assert cost[2][1:] == ["4.09 G", "25.6 M", "11.1 M"]
    assert "the first 60 of 176 layers" in page.words and len(layers) == 61
    assert layers[2][:4] == ["stem.conv1", "conv 7x7 /2", "112", "64"]


@pytest.mark.parametrize("name", ["densenet201", "resnet152", "googlenet", "vgg16", "mobilenet_v3_large"])
def test_a_traced_graph_stays_small(name):
    options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    with torch.device("meta"):
        module = models.get_model(name, **options)
    graph = cl.trace(module)
    html = graph_html(graph)
    assert len(html) < 60_000
    macs = [number(row[3]) for row in Page(html).tables[0][1:]]
    assert sum(macs) == graph.cost().macs


def test_many_settings_are_shown_as_ranges():
    cost = MANY.cost()
    for html in (architecture_html(MANY), graph_html(MANY.graph(folded=True))):
        page = Page(html)
        assert "svg" not in page.tags
        assert "It holds arrays of settings and is 4 networks at once" in page.words
        assert f"{cost.macs.min():,}-{cost.macs.max():,}" in page.words
        assert "386 M to 3.35 G" in page.words
    assert "0-0" not in [cell for table in page.tables for row in table for cell in row]


def test_a_cost_is_exact_and_readable():
    (table,) = Page(cost_html(cl.Cost(4_089_184_256, 25_557_032, 11_114_984))).tables
    assert table == [
        ["cost of one image", "multiply-adds", "parameters", "activations"],
        ["exact", "4,089,184,256", "25,557,032", "11,114,984"],
        ["about", "4.09 G", "25.6 M", "11.1 M"],
    ]
    (table,) = Page(cost_html(cl.Cost(np.array([5, 2_000]), 7, 0))).tables
    assert table[1:] == [["exact", "5-2,000", "7", "0"], ["about", "5 to 2.00 k", "7", "0"]]


@dataclass(frozen=True)
class Rows:
    """A network that is a function and no table of stages."""

    name: str = "<b>rows</b>"

    def graph(self):
        return cl.Graph(self.name, cl.architecture("cifar_resnet20").graph().layers)


def test_a_network_without_rows_shows_its_graph():
    page = Page(architecture_html(Rows()))
    assert "b" not in page.tags and "<b>rows</b>" in page.words
    assert page.tables[0][1][0] == "stem"


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "a\"b'c&d</div>", "x\x00\ud800", "n" * 5_000, ""],
    ids=["script", "quotes", "control", "long", "empty"],
)
def test_names_cannot_break_the_page(name):
    graph = cl.Graph(name, cl.architecture("resnet18").graph().layers)
    layers = tuple(layer._replace(name=f"{name}.{layer.name}") for layer in graph.layers)
    arch = replace(cl.architecture("resnet18"), name=name)
    for html in (architecture_html(arch), graph_html(graph), graph_html(cl.Graph(name, layers))):
        html.encode("utf-8")
        page = Page(html)
        assert "script" not in page.tags
        assert len(html) < 60_000


def test_an_architecture_that_does_not_fit_together_says_so():
    """Lawful data whose layers do not fit: the sentence stands where the drawing would, and nothing is raised."""
    stages = (cl.Stage(cl.blocks.bottleneck, 2, 10, 2, {"groups": 3, "group_width": 64}),)
    stem = cl.Stage(cl.blocks.conv_stem, 1, 8)
    assert "svg" in Page(architecture_html(cl.Architecture("<i>fits</i>", stem, stages))).tags

    def picky(x, width, stride=1):
        raise ValueError("<i>picky</i> takes no image")

    page = Page(architecture_html(cl.Architecture("odd", stem, (cl.Stage(picky, 1, 8),))))
    assert "<i>picky</i> takes no image" in page.words and not page.tables


def test_any_frame_is_a_table():
    frame = pd.DataFrame({"<op>": ["a<b", "c"], "macs": [1_234_567, 8], "share": [0.25, np.nan], "yes": [True, False]})
    (table,) = Page(_frame(frame)).tables
    assert table == [
        ["<op>", "multiply-adds", "share of multiply-adds", "yes"],
        ["a<b", "1,234,567", "0.25", "True"],
        ["c", "8", "", "False"],
    ]
    assert Page(_frame(frame.head(1), bars=["share"])).bars == [25.0]


def test_the_same_bytes_every_time_and_both_themes():
    arch = cl.architecture("efficientnet_b0")
    assert architecture_html(arch) == architecture_html(arch)
    style = re.search(r"<style>(.*?)</style>", cost_html(arch.cost()), re.S).group(1)
    assert "var(--jp-ui-font-color1, currentColor)" in style
    rules = re.findall(r"([^{}]+)\{", style)
    assert all(rule.strip().startswith(".cnnlab-card") for rule in rules)
