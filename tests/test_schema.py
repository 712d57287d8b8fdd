"""Graphs as JSON: every op goes there and back, and a damaged file is refused with a sentence."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given

import cnnlab as cl
from cnnlab.arch import layers as op
from cnnlab.arch.graph import Graph, image
from cnnlab.arch.schema import OPS
from tests.lawful import graphs


def all_ops() -> set[type]:
    """Every class in `layers` that is an op and no mere base of others."""
    kinds = {kind for kind in vars(op).values() if isinstance(kind, type) and issubclass(kind, op.Op)}
    return {kind for kind in kinds if not any(other is not kind and issubclass(other, kind) for other in kinds)}


def every_op() -> Graph:
    """A graph in which each op occurs, with arguments that are not its defaults."""
    x = image(4, 12)
    y = x.write("a.conv", op.Conv(8, (1, 3), 1, (0, 1), 2, 1, True))
    y = y.write("a.b.norm", op.BatchNorm(1e-3, 0.01))
    y = y.write("a.b.layer_norm", op.LayerNorm(1e-5), called="layer_norm")
    y = y.write("a.scale", op.LayerScale(0.1)).write("a.affine", op.Affine(0.5, -1.25)).write("act", op.Act("silu"))
    y = y.write("max", op.MaxPool(3, 2, 1, True)).write("avg", op.AvgPool(2, 1, 0, True)).write("pad", op.Pad(1, 0))
    left, right = y.write("left", op.Slice(0, 4), called="chunk"), y.write("right", op.Slice(4, 8))
    gate = right.write("pool", op.AdaptivePool(1)).write("drop", op.Dropout(0.25)).write("flat", op.Flatten())
    gate = gate.write("fc", op.Linear(4, False)).write("unflatten", op.Unflatten())
    z = left.write("multiply", op.Multiply(), gate).write("add", op.Add(), right).write("path", op.DropPath(0.1))
    z = z.write("more", op.PadChannels(6)).write("cat", op.Concat(), y).write("shuffle", op.Shuffle(2))
    return z.write("pixels", op.Linear(3, each_pixel=True)).graph("every op")


def test_every_op_goes_there_and_back():
    graph = every_op()
    assert {type(layer.op) for layer in graph.layers} == all_ops() == set(OPS.values())
    assert Graph.from_json(graph.to_json()) == graph


@pytest.mark.parametrize("kind", sorted(all_ops(), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_argument_is_in_the_file(kind):
    lines = [json.loads(line.rstrip(",")) for line in every_op().to_json().splitlines() if line.startswith('{"name"')]
    line = next(line for line in lines if line["op"] == kind.__name__)
    assert list(line["arguments"]) == [field.name for field in fields(kind)]


@given(graphs())
def test_random_graphs_go_there_and_back(graph):
    text = graph.to_json()
    assert Graph.from_json(text) == graph
    assert Graph.from_json(text).to_json() == text


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_v2_s", "densenet121", "convnext_tiny"])
def test_architectures_go_there_and_back(name):
    graph = cl.architecture(name).graph()
    again = Graph.from_json(graph.to_json())
    assert again == graph
    assert again.cost() == graph.cost()


def test_the_text_is_one_layer_a_line_in_a_fixed_order():
    graph = image(3, 8).write("a.conv", op.Conv(np.int64(2), 3, padding=1), called="conv2d").graph("tiny")
    assert graph.to_json() == (
        '{\n"format": "cnnlab.graph",\n"version": 1,\n"name": "tiny",\n"layers": [\n'
        '{"name": "input", "op": "Input", "arguments": {"channels": 3, "size": 8}, "inputs": [], "channels": 3, '
        '"size": 8, "count": 1, "called": ""},\n'
        '{"name": "a.conv", "op": "Conv", "arguments": {"width": 2, "kernel": 3, "stride": 1, "padding": 1, '
        '"groups": 1, "dilation": 1, "bias": false}, "inputs": ["input"], "channels": 2, "size": 8, "count": 1, '
        '"called": "conv2d"}\n]\n}\n'
    )


def edited(layer: str = "", **changes: object) -> str:
    """The file of a small graph with these fields of one layer (or of the file) changed; None takes a field out."""
    x = image(4, 8)
    y = x.write("a.conv", op.Conv(4, 3, padding=1)).write("a.act", op.Act())
    graph = y.write("add", op.Add(), x).write("pool", op.AdaptivePool(1)).graph("small")
    file = json.loads(graph.to_json())
    target = next(line for line in file["layers"] if line["name"] == layer) if layer else file
    target |= changes
    for key in [key for key, value in changes.items() if value is None]:
        del target[key]
    return json.dumps(file)


CONV = {"width": 4, "kernel": 3, "stride": 1, "padding": 1, "groups": 1, "dilation": 1, "bias": False}

DAMAGED = {
    "no JSON": ("graph", "no graph in JSON"),
    "cut off": (edited()[:-40], "no graph in JSON"),
    "nested without end": ("[" * 100_000, "no graph in JSON"),
    "NaN": (edited("add", size=float("nan")), "NaN is no number"),
    "a list": ("[]", '"format": "cnnlab.graph"'),
    "another format": (edited(format="onnx"), '"format": "cnnlab.graph"'),
    "newer": (edited(version=2), "version 2 .* reads version 1"),
    "version as text": (edited(version="1"), "version '1'"),
    "version true": (edited(version=True), "version True"),
    "no name": (edited(name=None), "the file lacks name"),
    "one field more": (edited(author="me"), "the file has 'author'"),
    "name a number": (edited(name=3), "name=3: it must be a text"),
    "no layers": (edited(layers=[]), "has no layers"),
    "layers an object": (edited(layers={}), r"layers=\{\}: it must be a list"),
    "layer a number": (edited(layers=[1]), "layer 0 is 1"),
    "unknown op": (edited("a.act", op="Swish"), r"layer 2 \(a.act\): the op 'Swish' is unknown"),
    "base of ops": (edited("a.act", op="Pool"), "the op 'Pool' is unknown"),
    "no op": (edited("a.act", op=None), r"layer 2 \(a.act\) lacks op"),
    "no inputs": (edited("a.act", inputs=None), r"layer 2 \(a.act\) lacks inputs"),
    "field of a layer more": (edited("a.act", cost=0), r"layer 2 \(a.act\) has 'cost'"),
    "argument missing": (edited("a.act", arguments={}), r"layer 2 \(a.act\): Act lacks kind"),
    "argument more": (edited("a.act", arguments={"kind": "relu", "slope": 1}), "Act has 'slope'"),
    "arguments a list": (edited("a.act", arguments=[]), r"arguments=\[\]: it must be an object"),
    "unknown kind": (edited("a.act", arguments={"kind": "swish"}), "a.act.*'swish' is no activation"),
    "kind a number": (edited("a.act", arguments={"kind": 1}), "kind=1: it must be a text"),
    "width a text": (
        edited("a.conv", arguments={**CONV, "width": "4"}),
        "a.conv.*width='4': it must be a whole number",
    ),
    "width true": (edited("a.conv", arguments={**CONV, "width": True}), "width=True"),
    "width an array": (edited("a.conv", arguments={**CONV, "width": [4, 8]}), r"width=\[4, 8\]"),
    "stride half": (edited("a.conv", arguments={**CONV, "stride": 1.5}), "stride=1.5"),
    "kernel of three": (
        edited("a.conv", arguments={**CONV, "kernel": [3, 3, 3]}),
        r"kernel=\[3, 3, 3\].*two in a list",
    ),
    "bias 0": (edited("a.conv", arguments={**CONV, "bias": 0}), "bias=0: it must be true or false"),
    "groups": (edited("a.conv", arguments={**CONV, "groups": 3}), "a.conv.*groups=3 does not divide"),
    "stride 0": (edited("a.conv", arguments={**CONV, "stride": 0}), "a.conv.*stride=0"),
    "wrong channels": (edited("a.conv", channels=8), "a.conv.*channels=8, size=8, and Conv gives channels=4, size=8"),
    "wrong size": (edited("pool", size=2), "pool.*size=2, and AdaptivePool gives channels=4, size=1"),
    "size null": (edited("pool", size=None), "pool.* lacks size"),
    "size true": (edited("pool", size=True), "pool.*size=True"),
    "later layer": (edited("a.conv", inputs=["a.act"]), "a.conv.*takes 'a.act', and no layer before it"),
    "itself": (edited("a.act", inputs=["a.act"]), "a.act.*takes 'a.act', and no layer before it"),
    "nobody": (edited("add", inputs=["a.act", "b"]), "add.*takes 'b'"),
    "input a number": (edited("add", inputs=[1, 2]), "add.*takes 1"),
    "two for one": (edited("a.act", inputs=["a.conv", "input"]), "a.act.*Act takes 1 images, and the file gives it 2"),
    "one for two": (edited("add", inputs=["input"]), "add.*Add takes 2 or more images"),
    "none": (edited("pool", inputs=[]), "pool.*takes 1 images, and the file gives it 0"),
    "input of the input": (edited("input", inputs=["pool"]), "input.*takes 'pool'"),
    "two inputs": (edited("a.act", op="Input", arguments={"channels": 4, "size": 8}), "the first layer, and no other"),
    "no input": (edited("input", op="Act", arguments={"kind": "relu"}), "the first layer, and no other"),
    "same name": (edited("a.act", name="a.conv"), "a.conv.*taken by another layer"),
    "empty part": (edited("a.act", name="a..act"), "empty part"),
    "folded": (edited("a.act", count=3), "a.act.*count=3"),
    "counts": (edited("a.act", count=[1, 2]), r"a.act.*count=\[1, 2\]"),
    "called a number": (edited("a.act", called=0), "a.act.*called=0"),
}


@pytest.mark.parametrize(("text", "sentence"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        Graph.from_json(text)


@pytest.mark.parametrize("given", [b"{}", None, {}])
def test_what_is_no_text_is_refused(given):
    with pytest.raises(TypeError, match="takes the text of a file"):
        Graph.from_json(given)


def test_what_cannot_be_read_again_is_not_written():
    resnet = cl.architecture("resnet50")
    with pytest.raises(ValueError, match=r"stage1.1.*folded"):
        resnet.graph(folded=True).to_json()
    with pytest.raises(ValueError, match=r"resnet18: input .*arrays"):
        cl.architecture("resnet18", resolution=np.array([64, 128])).graph(folded=True).to_json()
    twice = image(3, 8).write("a", op.Act()).write("a", op.Act()).graph("twice")
    with pytest.raises(ValueError, match="taken by another"):
        twice.to_json()
    with pytest.raises(ValueError, match="no number"):
        image(3, 8).write("a", op.Affine(float("inf"))).graph("infinite").to_json()


def test_an_op_that_is_not_in_the_closed_set_is_refused():
    class Blur(op.Op):
        __slots__ = ()

    graph = image(3, 8).write("blur", Blur()).graph("blurred")
    with pytest.raises(ValueError, match="Blur is unknown"):
        graph.to_json()
