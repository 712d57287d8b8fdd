"""Width groups shown to a person: the table, the picture and the chooser."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nbconvert import HTMLExporter
from PIL import ImageFont
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.arch.layers import PadChannels
from cnnlab.arch.table import blocks
from cnnlab.arch.widths import widths
from cnnlab.prune.grouping import groups
from cnnlab.run.module import skeleton
from cnnlab.show.groupchooser import group_chooser
from cnnlab.show.groupview import group_diagram
from cnnlab.show.raster import raster
from tests.nets import net
from tests.oracles import counted

SVG = "{http://www.w3.org/2000/svg}"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans: of the usual fonts the widest
STAGES = ("stage1.0", "stage1.1", "stage1.2", "stage2.0", "stage2.1", "stage2.2", "stage3.0", "stage3.1", "stage3.2")


@lru_cache
def graph_of(name, resolution=None):
    if name in cl.names():
        arch = cl.architecture(name)
        return (arch if resolution is None else cl.scaled(arch, resolution=resolution)).graph()
    with torch.device("meta"):
        return cl.trace(models.get_model(name), resolution or 224, name=name)


def row_of(name, group):
    frame = groups(graph_of(name))
    (row,) = frame[frame["group"] == group].to_dict("records")
    return row


def drawn(name, layer=None):
    return ElementTree.fromstring(group_diagram(graph_of(name), layer).svg)


def words(tree):
    return " ".join("".join(node.itertext()) for node in tree.iter(f"{SVG}text"))


def chips(tree):
    """Layer -> (role, what is written on it), of the layers that are spelled out."""
    found = {}
    for node in tree.iter(f"{SVG}g"):
        if node.get("data-layer"):
            texts = ["".join(text.itertext()) for text in node.iter(f"{SVG}text")]
            found[node.get("data-layer")] = (node.get("data-role"), texts[1])
    return found


def with_role(tree, role):
    return [layer for layer, (own, _) in chips(tree).items() if own == role]


# The table


@pytest.mark.parametrize(
    ("name", "group", "expected"),
    [
        # Two sums tie the second convolutions of stage 1 to the stem. Saved: a row of the stem (7*7*3 numbers), rows
        # and columns of four 3x3 convolutions, columns of the next stage's 3x3 and 1x1, three norms.
        (
            "resnet18",
            "stem.conv1",
            {
                "units": 64,
                "channels": 1,
                "made_by": ("stem.conv1", "stage1.0.conv2", "stage1.1.conv2"),
                "also": ("stem.norm1", "stage1.0.norm2", "stage1.1.norm2"),
                "read_by": ("stage1.0.conv1", "stage1.1.conv1", "stage2.0.conv1", "stage2.0.shortcut.conv1"),
                "macs": 147 * 112**2 + 4 * 576 * 56**2 + (9 + 1) * 128 * 28**2,
                "params": 147 + 4 * 576 + (9 + 1) * 128 + 3 * 2,
                "locked": "",
            },
        ),
        (
            "mobilenet_v2",
            "stage2.0.conv1",
            {
                "units": 96,
                "made_by": ("stage2.0.conv1",),
                "also": ("stage2.0.norm1", "stage2.0.conv2", "stage2.0.norm2"),
                "read_by": ("stage2.0.conv3",),
                "macs": 16 * 112**2 + (9 + 24) * 56**2,
                "params": 16 + 9 + 24 + 2 * 2,
            },
        ),
        (
            "efficientnet_b0",
            "stage2.0.conv1",  # the gate is as wide as what it multiplies
            {
                "made_by": ("stage2.0.conv1", "stage2.0.se.conv2"),
                "read_by": ("stage2.0.se.conv1", "stage2.0.conv3"),
                "macs": 16 * 112**2 + (9 + 24) * 56**2 + 4 + 4,
                "params": 16 + 9 + 24 + 2 * 2 + 4 + (4 + 1),
            },
        ),
        (
            "efficientnet_b0",
            "stage2.0.se.conv1",
            {"units": 4, "made_by": ("stage2.0.se.conv1",), "also": (), "read_by": ("stage2.0.se.conv2",),
             "macs": 96 + 96, "params": 96 + 1 + 96, "locked": ""},
        ),
        (
            "densenet121",
            "dense1.2.conv2",  # 32 more channels, for the three blocks to come and the transition
            {
                "units": 32,
                "made_by": ("dense1.2.conv2",),
                "also": ("dense1.3.norm1", "dense1.4.norm1", "dense1.5.norm1", "transition1.norm1"),
                "read_by": ("dense1.3.conv1", "dense1.4.conv1", "dense1.5.conv1", "transition1.conv1"),
                "macs": (128 * 9 + 4 * 128) * 56**2,
                "params": 128 * 9 + 4 * 128 + 4 * 2,
            },
        ),
        (
            "convnext_tiny",
            "stem.conv1",
            {"units": 96, "macs": None, "params": None,
             "locked": "stem.norm1 normalises over all channels together: without one the others change"},
        ),
        (
            "convnext_tiny",
            "stage1.0.block.linear1",
            {"units": 384, "also": (), "read_by": ("stage1.0.block.linear2",), "macs": 2 * 96 * 56**2, "locked": ""},
        ),
        ("cifar_resnet20", "stem.conv1", {"units": 16, "made_by": ("stem.conv1", *(f"{s}.conv2" for s in STAGES))}),
        ("cifar_resnet20", "stage2.0.conv2", {"units": 16, "made_by": tuple(f"{s}.conv2" for s in STAGES[3:])}),
        ("cifar_resnet20", "stage3.0.conv2", {"units": 32, "made_by": tuple(f"{s}.conv2" for s in STAGES[6:])}),
        ("resnext50_32x4d", "stage1.0.conv1", {"units": 32, "channels": 4,
                                               "also": ("stage1.0.norm1", "stage1.0.conv2", "stage1.0.norm2")}),
        ("alexnet", "stage5.conv1", {"channels": 1, "read_by": ("head.linear1",),
                                     "params": 9 * 256 + 1 + 36 * 4096, "macs": 9 * 256 * 13**2 + 36 * 4096}),
        ("resnet18", "input", {"units": 3, "made_by": ("input",), "locked": "it is the image that enters"}),
        ("resnet18", "head.linear1", {"read_by": (), "macs": None, "locked": "it is the network's output"}),
    ],
)  # fmt: skip
def test_rows_as_written_by_hand(name, group, expected):
    row = {key: None if value is pd.NA else value for key, value in row_of(name, group).items()}
    assert {key: row[key] for key in expected} == expected


def test_the_table_is_whole():
    frame = groups(graph_of("efficientnet_b0"))
    assert list(frame) == ["group", "units", "channels", "made_by", "also", "read_by", "macs", "params", "locked"]
    assert frame.dtypes[["macs", "params"]].tolist() == [pd.Int64Dtype(), pd.Int64Dtype()]
    assert (frame["macs"].isna() == (frame["locked"] != "")).all()
    convolutions = [layer.name for layer in graph_of("efficientnet_b0").layers if "conv" in layer.name]
    named = [name for column in ("made_by", "also") for cell in frame[column] for name in cell]
    assert sorted(name for name in named if "conv" in name) == sorted(
        convolutions
    )  # each in one group: nothing is lined up


def test_a_group_of_one_unit_cannot_go():
    x = cl.image(size=8)
    graph = cl.blocks.pool_head(cl.blocks.conv(cl.blocks.conv(x, 1, 3), 4, 3), 5).graph("narrow")
    row = groups(graph).set_index("group").loc["conv1"]
    assert row["units"] == 1 and row["macs"] is pd.NA and row["locked"] == "it has 1 unit, and at least 1 must stay"
    assert "Locked: no unit can go, because it has 1 unit" in words(
        ElementTree.fromstring(group_diagram(graph, "conv1").svg)
    )


@pytest.mark.parametrize(
    ("name", "resolution", "chosen"),
    [
        ("cifar_resnet20", None, None),
        ("small_mbconv", None, None),
        ("resnet18", 64, ["stem.conv1", "stage4.0.conv2"]),
        ("efficientnet_b0", 64, ["stage1.0.conv2", "stage2.0.conv1", "stage3.0.se.conv1"]),
        ("resnext50_32x4d", 64, ["stage1.0.conv1", "stage2.0.conv3"]),
        ("densenet121", 64, ["stem.conv1", "dense1.2.conv2", "transition1.conv1"]),
        ("convnext_tiny", 64, ["stage2.1.block.linear1"]),
        ("alexnet", 128, ["stage5.conv1", "head.linear1"]),
        ("shufflenet_v2_x1_0", 64, ["conv1.0", "stage2.1.branch2.0"]),
    ],
)
def test_savings_are_what_torch_counts_of_the_network_with_a_unit_less(name, resolution, chosen):
    graph = graph_of(name, resolution)
    frame = groups(graph)
    free = frame[frame["locked"] == ""].set_index("group")
    before = counted(skeleton(graph), int(graph.input.size))
    for group in chosen or free.index:
        small = cl.prune.plan(graph, remove={group: [0]}).pruned
        after = counted(skeleton(small), int(graph.input.size))
        assert (free["macs"][group], free["params"][group]) == (before[0] - after[0], before[1] - after[1]), group


@pytest.mark.parametrize("name", ["densenet201", "regnet_y_400mf", "googlenet", "shufflenet_v2_x1_0", "mnasnet0_5"])
def test_savings_are_those_of_the_narrowed_graph(name):
    graph = graph_of(name)
    found, frame = widths(graph), groups(graph).set_index("group")
    for group in [group for group in found.groups if frame["locked"][group.name] == ""][::7]:
        kept = np.ones(found.count, bool)
        kept[group.units[0]] = False
        cost = found.narrowed(kept).cost()
        saved = (graph.cost().macs - cost.macs, graph.cost().params - cost.params)
        assert tuple(frame.loc[group.name, ["macs", "params"]]) == saved


def test_of_a_module_and_of_an_architecture():
    arch = cl.architecture("small_resnet")
    model = arch.graph().module(seed=0).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    frame = groups(model, resolution=int(arch.resolution), channels=int(arch.channels))
    pd.testing.assert_frame_equal(frame, groups(arch))
    assert model.training and all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert group_diagram(model, resolution=int(arch.resolution), channels=int(arch.channels)).svg


# The picture


@lru_cache
def font(size, bold):
    return ImageFont.truetype(str(FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)


def text_boxes(tree):
    """(words, left, top, right, bottom) of every text, with the true widths of DejaVu Sans."""
    found = []
    for node in tree.iter(f"{SVG}text"):
        parts = [(node.text or "", node.get("class", ""))]
        parts += [(part.text or "", part.get("class", "")) for part in node.iter(f"{SVG}tspan")]
        size = 15 if "big" in node.get("class", "") else 12
        width = sum(font(size, "name" in style).getlength(text) for text, style in parts)
        left, y = float(node.get("x")), float(node.get("y"))
        found.append(("".join(node.itertext()), left, y - 0.8 * size, left + width, y + 0.22 * size))
    return found


def frames(tree):
    return [
        [float(node.get(key)) for key in ("x", "y", "width", "height")]
        for node in tree.iter(f"{SVG}rect")
        if node.get("rx") == "3"
    ]


def check_legible(tree):
    _, _, width, height = map(float, tree.get("viewBox").split())
    boxes = text_boxes(tree)
    for said, left, top, right, bottom in boxes:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, said
    for a, b in combinations(boxes, 2):
        assert a[3] + 2 <= b[1] or b[3] + 2 <= a[1] or a[4] <= b[2] or b[4] <= a[2], (a, b)
    rects = frames(tree)
    for x, y, w, h in rects:
        assert x + w <= width and y + h <= height
        for said, left, top, right, bottom in boxes:  # a text is wholly in a frame or wholly outside
            inside = x < left and right < x + w and y < top and bottom < y + h
            assert inside or x + w <= left or right <= x or y + h <= top or bottom <= y, said
    for (x, y, w, h), (x2, y2, w2, h2) in combinations(rects, 2):
        assert x + w < x2 or x2 + w2 < x or y + h < y2 or y2 + h2 < y


VIEWS = [
    ("resnet18", None),
    ("resnet152", "stage3.20.norm3"),
    ("efficientnet_b0", "stage2.0.conv2"),
    ("densenet121", "dense1.2.conv2"),
    ("densenet201", "dense4.20.norm1"),
    ("convnext_tiny", "stage3.8.block.linear2"),
    ("cifar_resnet20", "stage2.0.norm2"),
    ("cifar_resnet110", None),
    ("alexnet", "stage5.conv1"),
    ("shufflenet_v2_x1_0", "stage2.1.branch2.5"),
    ("vgg16", "head.linear1"),
    ("googlenet", "inception3.a.concat1"),
]


@pytest.mark.parametrize(("name", "layer"), VIEWS)
def test_no_text_lies_on_another_or_outside(name, layer):
    check_legible(drawn(name, layer))


@pytest.mark.parametrize(("name", "layer"), VIEWS)
def test_rows_are_the_network_in_order(name, layer):
    tree = drawn(name, layer)
    rows = [node for node in tree.iter(f"{SVG}g") if node.get("class") == "row"]
    places = list(dict.fromkeys(blocks(graph_of(name))[1:]))
    assert sum(int(row.get("data-blocks")) for row in rows) == len(places)
    begun = [places.index(row.get("data-first")) for row in rows]
    assert begun == np.cumsum([0, *(int(row.get("data-blocks")) for row in rows)])[:-1].tolist()
    assert len(rows) <= 14  # however deep the network is


def test_marks_of_resnet18():
    tree = drawn("resnet18")
    assert with_role(tree, "rows") == ["stem.conv1", "stage1.0.conv2"]
    assert with_role(tree, "numbers") == ["stem.norm1", "stage1.0.norm2"]
    assert with_role(tree, "columns") == ["stage1.0.conv1", "stage2.0.conv1", "stage2.0.shortcut.conv1"]
    assert with_role(tree, "add") == ["stage1.0.add1"]
    said = words(tree)
    assert "stage1.0 – stage1.1   2 blocks alike · 56 px" in said
    assert "stage2.1 – head   6 blocks, 42 layers: not touched" in said
    assert "64 units of 1 channel each, made by stem.conv1, stage1.0.conv2 and stage1.1.conv2" in said
    assert "saves 10,072,832 multiply-adds (0.56 %) and 3,737 parameters (0.03 %)" in said
    assert "makes them: its rows go" in said and "locks the group" not in said


@pytest.mark.parametrize(("name", "layer"), VIEWS)
def test_every_layer_of_the_group_is_marked_and_no_other(name, layer):
    """Counted with the blocks that are drawn once."""
    picture = group_diagram(graph_of(name), layer)
    group, tree = (
        widths(graph_of(name)).by_name[picture.name.removeprefix(f"{name}: ")],
        ElementTree.fromstring(picture.svg),
    )
    marked = 0
    for row in (node for node in tree.iter(f"{SVG}g") if node.get("class") == "row"):
        marked += int(row.get("data-blocks")) * sum(1 for node in row.iter(f"{SVG}g") if node.get("data-layer"))
    assert marked == len({*group.layers, *group.readers})


def test_marks_of_a_gate():
    tree = drawn("efficientnet_b0", "stage2.0.conv1")
    found = {layer.removeprefix("stage2.0."): role for layer, (role, _) in chips(tree).items()}
    assert found == {
        "conv1": "rows", "norm1": "numbers", "act1": "passes", "conv2": "numbers", "norm2": "numbers", "act2": "passes",
        "se.pool1": "passes", "se.conv1": "columns", "se.conv2": "rows", "se.act2": "passes", "multiply1": "multiply",
        "conv3": "columns",
    }  # fmt: skip
    assert chips(tree)["stage2.0.conv2"][1] == "depthwise 3x3 /2"
    assert list(chips(drawn("efficientnet_b0", "stage2.0.se.conv1"))) == [
        f"stage2.0.se.{part}" for part in ("conv1", "act1", "conv2")
    ]


def test_offsets_of_densenet():
    """The stem has 64 channels, and each block adds 32."""
    tree = drawn("densenet121", "dense1.2.conv2")
    found = chips(tree)
    assert found["dense1.2.conv2"] == ("rows", "conv 3x3")
    assert found["dense1.2.concat1"] == ("concat", "concat, 128–159")
    assert found["dense1.3.norm1"] == ("numbers", "batch norm, 128–159")
    assert found["transition1.conv1"] == ("columns", "conv 1x1, columns 128–159")
    assert "dense1.3 – dense1.5   3 blocks alike" in words(tree)
    other = words(drawn("densenet121", "dense1.2.norm1"))
    assert "Other channels of dense1.2.norm1 belong to the groups stem.conv1 and" not in other
    assert "It belongs to the group dense1.1.conv2." in other
    assert "Other channels of dense1.2.norm1 belong to the groups stem.conv1, dense1.0.conv2." in other


def test_option_a_has_three_groups_side_by_side():
    places = {"stem.conv1": "0–15", "stage2.0.conv2": "16–31", "stage3.0.conv2": "32–63"}
    for group, place in places.items():
        found = chips(drawn("cifar_resnet20", group))
        assert found["stage3.0.conv2"] == ("rows", f"conv 3x3, rows {place}")
        assert found["head.linear1"] == ("columns", f"linear, columns {place}")
    tree = drawn("cifar_resnet20", "stage2.0.norm2")
    assert "It belongs to the group stage2.0.conv2." in words(tree)
    assert "belong to the group stem.conv1." in words(tree)


def test_a_unit_may_be_several_channels():
    found = chips(drawn("alexnet", "stage5.conv1"))
    assert found["head.linear1"] == ("columns", "linear, 36 columns a unit")
    assert "32 units of 4 channels each" in words(drawn("resnext50_32x4d", "stage1.0.conv1"))


def test_a_layer_may_read_what_it_makes():
    x = cl.blocks.conv(cl.image(size=8), 4, 3)
    graph = cl.blocks.pool_head(cl.blocks.add(cl.blocks.conv(x, 4, 3), x), 5).graph("tied")
    tree = ElementTree.fromstring(group_diagram(graph).svg)
    assert with_role(tree, "both") == ["conv2"] and with_role(tree, "rows") == ["conv1"]
    check_legible(tree)


def test_a_lock_is_shown_and_said():
    tree = drawn("convnext_tiny", "stage1.0.block.conv1")
    said = words(tree)
    assert "Locked: no unit can go, because stem.norm1 normalises over all channels together" in said
    assert "would go" in said and "saves" not in said and "locks the group" in said
    assert tree.get("aria-label") == "convnext_tiny: what goes with stage1.0.block.conv1 (locked)"
    locked = [g.get("data-layer") for g in tree.iter(f"{SVG}g") if [p for p in g if p.get("class") == "lock"]]
    assert [name for name in locked if name] == [
        "stem.norm1", "stage1.0.block.norm1", "stage1.1.block.norm1", "stage2.0.down.norm1"
    ]  # fmt: skip


def test_an_activation_that_locks():
    parts = {"one": nn.Conv2d(3, 8, 3), "act": nn.Sigmoid(), "two": nn.Conv2d(8, 4, 3)}
    graph = cl.trace(net(lambda self, x: self.two(self.act(self.one(x))), **parts), 16)
    tree = ElementTree.fromstring(group_diagram(graph, "one").svg)
    assert "act turns 0 into 0.5" in words(tree)
    assert [g.get("data-layer") for g in tree.iter(f"{SVG}g") if [p for p in g if p.get("class") == "lock"]][
        -1
    ] == "act"


def test_two_groups_named_after_one_layer():
    """Of what one convolution makes, a part is read alone: its two halves are two groups."""

    def forward(self, x):
        y = self.one(x)
        return self.last(torch.cat([self.part(y[:, :4]), y[:, 4:]], 1).mean((2, 3)))

    parts = {"one": nn.Conv2d(3, 8, 3), "part": nn.Conv2d(4, 4, 1), "last": nn.Linear(8, 5)}
    graph = cl.trace(net(forward, **parts), 16)
    names = groups(graph)["group"].tolist()
    assert "one" in names and "one (2)" in names
    first, second = (chips(ElementTree.fromstring(group_diagram(graph, name).svg)) for name in ("one", "one (2)"))
    assert (first["one"][1], second["one"][1]) == ("conv 3x3, rows 0–3", "conv 3x3, rows 4–7")
    assert "part" in first and "part" not in second
    assert "one (2)" in dict(group_chooser(graph)._layers)


def test_the_same_network_gives_the_same_bytes_and_another_of_its_name_does_not():
    graph = graph_of("resnet18")
    assert group_diagram(graph, "stem.conv1") == group_diagram(cl.architecture("resnet18"), "stem.conv1")
    other = cl.Graph("resnet18", graph_of("resnet34").layers)
    assert group_diagram(other, "stem.conv1").svg != group_diagram(graph, "stem.conv1").svg
    assert not groups(other).equals(groups(graph))
    assert repr(group_diagram(graph)) == "Diagram(name='resnet18: stem.conv1')"


def test_it_is_accessible_and_follows_the_theme(tmp_path):
    tree = drawn("resnet18")
    assert tree.get("role") == "img" and tree.get("aria-label") == "resnet18: what goes with stem.conv1"
    assert tree.find(f"{SVG}title").text == tree.get("aria-label")
    about = tree.find(f"{SVG}desc").text
    assert "10,072,832 multiply-adds" in about and "conv2 (conv 3x3) makes them: its rows go" in about
    assert not [node for node in tree.iter() if node.get("id")]  # nothing to clash with a second picture
    style = tree.find(f"{SVG}style").text
    assert "var(--jp-ui-font-color1, currentColor)" in style and "prefers-color-scheme: dark" in style
    # every rule is for these pictures alone: the style of an SVG in a page holds for the whole page
    rules = re.findall(r"([^{}]+)\{", re.sub(r"@media[^{]*\{", "", style))
    assert rules and all(part.strip().startswith(".cnnlab-groups") for rule in rules for part in rule.split(","))
    assert min(float(size) for size in re.findall(r"([\d.]+)px", " ".join(re.findall(r"font[^;]*", style)))) >= 12
    path = group_diagram(graph_of("resnet18")).save(tmp_path / "group.svg")
    assert ElementTree.parse(path).getroot().get("viewBox") == tree.get("viewBox")


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "a\"b'c&d", "x\x00\x1b\ud800", "名前" * 50, "n" * 500, "a b"],
    ids=["script", "quotes", "control", "wide", "long", "space"],
)
def test_names_cannot_break_the_picture(name):
    layers = tuple(layer._replace(name=f"{name}.{layer.name}") for layer in graph_of("resnet18").layers)
    svg = group_diagram(cl.Graph(name, layers), f"{name}.stage1.0.norm2").svg
    svg.encode("utf-8")
    tree = ElementTree.fromstring(svg)
    assert not list(tree.iter(f"{SVG}script")) and "<script" not in svg
    if name != "名前" * 50:  # DejaVu has no 名
        check_legible(tree)


@given(
    plan=st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), min_size=1, max_size=12),
    pick=st.integers(0, 10**6),
)
@settings(max_examples=40)
def test_any_network_is_told_and_drawn(plan, pick):
    """Convolutions with and without shortcuts and concats, of any width: legible, and what is said is what is saved."""
    x = cl.blocks.conv(cl.image(size=8).at("stem"), 4, 3)
    for i, (width, tied, beside) in enumerate(plan):
        y = x.at(f"stage{i}")
        new = cl.blocks.act(cl.blocks.norm(cl.blocks.conv(y, y.channels if tied else width, 3)))
        x = cl.blocks.add(new, y) if tied else cl.blocks.concat(y, new) if beside else new
    graph = cl.blocks.pool_head(x.at("head"), 5).graph("any")
    frame = groups(graph)
    layer = graph.layers[pick % len(graph)].name
    tree = ElementTree.fromstring(group_diagram(graph, layer).svg)
    check_legible(tree)
    chosen = re.search(r"It belongs to the group (\S+)\.", words(tree))
    row = frame.set_index("group").loc[chosen.group(1) if chosen else layer]
    assert f"{row['units']:,} unit" in words(tree)
    assert (row["locked"] or f"saves {row['macs']:,} multiply-adds") in words(tree)


# What is refused


@pytest.mark.parametrize(
    ("network", "layer", "error", "said"),
    [
        ("resnet18", "stage1.0.conv3", ValueError, "resnet18 has no such layer; is it stage1.0.conv[12] or"),
        ("resnet18", "", ValueError, "no such layer"),
        ("resnet18", 3, ValueError, "layer=3"),
        (nn.Linear, None, TypeError, "network=type: .*a Graph, an Architecture or a torch.nn.Module"),
        ("name", None, TypeError, "network=str"),
        (cl.architecture("resnet50").graph(folded=True), None, ValueError, "pruning needs each written out"),
        (cl.scaled(cl.architecture("resnet18"), width=np.array([1.0, 2.0])), None, ValueError, "array"),
    ],
    ids=["near", "empty", "number", "class", "name", "folded", "arrays"],
)
def test_what_is_no_layer_or_no_network_is_refused(network, layer, error, said):
    network = graph_of(network) if network == "resnet18" else network
    for make in (group_diagram, group_chooser, *([groups] if layer is None else [])):
        with pytest.raises(error, match=said):
            make(network, *([layer] if layer is not None else []))


def test_padded_channels_and_an_empty_graph():
    y = cl.blocks.conv(cl.image(size=8), 4, 3).apply("pad", PadChannels(6))
    graph = cl.blocks.pool_head(cl.blocks.conv(y, 8, 3), 5).graph("padded")
    row = groups(graph).set_index("group").loc["pad1"]
    assert row["made_by"] == ("pad1",) and row["locked"] == "no layer has numbers of its own for these channels"
    check_legible(ElementTree.fromstring(group_diagram(graph, "pad1").svg))
    empty = cl.image().graph("empty")
    assert groups(empty)["group"].tolist() == ["input"]
    check_legible(ElementTree.fromstring(group_diagram(empty).svg))


# The chooser


def test_the_chooser_follows_its_list():
    graph = graph_of("resnet18")
    chooser = group_chooser(graph)
    assert repr(chooser) == "GroupChooser(resnet18: stem.conv1)"
    assert chooser._picture == group_diagram(graph, "stem.conv1")._repr_html_()
    chooser.layer = "stage3.0.conv2"
    assert chooser._picture == group_diagram(graph, "stage3.0.conv2")._repr_html_()
    chooser.set_state({"layer": "stage1.1.add1"})  # as the page says it
    assert chooser._picture == group_diagram(graph, "stage1.1.add1")._repr_html_()
    assert repr(chooser) == "GroupChooser(resnet18: stage1.1.add1)"
    assert group_chooser(graph, "stage1.1.norm2").layer == "stage1.1.norm2"


def test_a_layer_that_is_not_there_leaves_the_chooser_as_it_was():
    chooser = group_chooser(graph_of("resnet18"), "stage3.0.conv2")
    before = chooser._picture
    for change in (lambda: setattr(chooser, "layer", "stage9.0.conv2"), lambda: chooser.set_state({"layer": "stage9"})):
        with pytest.raises(ValueError, match="resnet18 has no such layer; is it"):
            change()
        assert (chooser.layer, chooser._picture) == ("stage3.0.conv2", before)


def test_the_list_has_every_layer_and_says_what_is_tied_and_what_is_locked():
    graph = graph_of("convnext_tiny")
    options = dict(group_chooser(graph)._layers)
    assert list(options) == [layer.name for layer in graph.layers]
    assert options["stage1.0.block.linear2"] == "stage1.0.block.linear2 → stem.conv1 (locked)"
    assert options["stage1.0.block.linear1"] == "stage1.0.block.linear1"


def test_without_a_kernel_the_chooser_is_its_picture():
    chooser = group_chooser(graph_of("resnet18"), "stage1.1.norm2")
    data, about = chooser._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert data["text/plain"] == about["image/png"]["alt"] == "GroupChooser(resnet18: stage1.1.norm2)"
    picture = raster(group_diagram(graph_of("resnet18"), "stage1.1.norm2").svg)
    assert data["image/png"] == base64.b64encode(picture).decode()
    output = nbformat.v4.new_output("display_data", data=data, metadata=about)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("chooser", outputs=[output])])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert f"data:image/png;base64,{data['image/png']}" in page
