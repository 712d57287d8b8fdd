"""Graph <-> JSON: one layer a line, every argument written out, every shape checked when it is read again.

    {
    "format": "cnnlab.graph",
    "version": 1,
    "name": "tiny",
    "layers": [
    {"name": "input", "op": "Input", "arguments": {"channels": 3, "size": 32}, "inputs": [], "channels": 3, ...},
    {"name": "conv1", "op": "Conv", "arguments": {"width": 16, "kernel": 3, ...}, "inputs": ["input"], ...}
    ]
    }

`inputs` are names of earlier layers. `channels` and `size` (null for a flat vector) could be computed, and are: a file
in which they disagree with the layer's own formula is damaged, and is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from cnnlab.arch import layers as ops
from cnnlab.arch.graph import Graph, Layer, check_written_out

FORMAT, VERSION = "cnnlab.graph", 1

OPS: Mapping[str, type[ops.Op]] = {
    kind.__name__: kind
    for kind in (
        *(ops.Input, ops.Conv, ops.BatchNorm, ops.LayerNorm, ops.LayerScale, ops.Affine, ops.Act),
        *(ops.MaxPool, ops.AvgPool, ops.AdaptivePool, ops.Flatten, ops.Unflatten, ops.Linear),
        *(ops.Add, ops.Multiply, ops.Concat, ops.PadChannels, ops.Slice, ops.Shuffle, ops.Pad),
        *(ops.Dropout, ops.DropPath),
    )
}
"""What may stand in a file: the name of an op -> its class."""

FILE = ("format", "version", "name", "layers")
LINE = ("name", "op", "arguments", "inputs", "channels", "size", "count", "called")


def to_json(graph: Graph) -> str:
    """The graph as text, the same text each time; `from_json` gives an equal graph.

    Raises ValueError for a folded graph or one that holds arrays, for two layers of one name, and for whatever
    `from_json` would refuse.
    """
    check_written_out(graph, "JSON")
    names = [layer.name for layer in graph.layers]
    lines = [json.dumps(_line(layer, names), ensure_ascii=False) for layer in graph.layers]
    head = [f'"format": "{FORMAT}"', f'"version": {VERSION}', f'"name": {json.dumps(graph.name, ensure_ascii=False)}']
    text = "{\n" + ",\n".join(head) + ',\n"layers": [\n' + ",\n".join(lines) + "\n]\n}\n"
    from_json(text)  # what could not be read again is not written
    return text


def from_json(text: str) -> Graph:
    """The graph that `to_json` wrote.

    Raises TypeError for what is no text, and ValueError, as a sentence that names the layer, for a damaged file:
    no JSON, another format or version, a field too many or too few or of the wrong type, an op that is unknown, inputs
    that do not come before the layer, or a shape that is not what the op's own formula gives.

    >>> import cnnlab as cl
    >>> graph = cl.architecture("resnet18").graph()
    >>> from_json(to_json(graph)) == graph
    True
    """
    if not isinstance(text, str):
        raise TypeError(f"text={type(text).__name__}: from_json takes the text of a file, a str; read the file first")
    try:
        file = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is no graph in JSON: {error}") from None
    if not isinstance(file, dict) or file.get("format") != FORMAT:
        raise ValueError(f'this JSON is no graph: a file that to_json wrote has "format": "{FORMAT}"')
    if type(file.get("version")) is not int or file["version"] != VERSION:
        raise ValueError(
            f"the file has version {file.get('version')!r} of {FORMAT}, and this cnnlab reads version {VERSION}; "
            "use a newer cnnlab, or write the file again with this one"
        )
    _same_fields("the file", file, FILE)
    name = _checked("the file", "name", file["name"], str)
    layers: list[Layer] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(_checked("the file", "layers", file["layers"], list)):
        layer = _layer(number, line, layers, seen)
        seen[layer.name] = len(layers)
        layers.append(layer)
    if not layers:
        raise ValueError("the file has no layers; a graph has at least its input")
    return Graph(name, tuple(layers))


def _data(op: ops.Op) -> Any:
    """The op, as the dataclass that every op is."""
    if OPS.get(type(op).__name__) is not type(op):
        raise ValueError(f"the op {type(op).__name__} is unknown; the ops are {', '.join(OPS)}")
    return op


def _line(layer: Layer, names: list[str]) -> dict[str, Any]:
    arguments = {field.name: _plain(getattr(layer.op, field.name)) for field in fields(_data(layer.op))}
    inputs = [names[i] for i in layer.inputs]
    shape = (_plain(layer.channels), _plain(layer.size), _plain(layer.count))
    line = (layer.name, type(layer.op).__name__, arguments, inputs, *shape, layer.called)
    return dict(zip(LINE, line, strict=True))


def _plain(value: Any) -> Any:
    """A number as Python's own: NumPy has others."""
    return value.item() if hasattr(value, "item") else value


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is no number here")


# Reading a layer.


def _layer(number: int, line: Any, layers: list[Layer], seen: Mapping[str, int]) -> Layer:
    place = f"layer {number}"
    if not isinstance(line, dict):
        raise ValueError(f"{place} is {line!r}; a layer is an object with {', '.join(LINE)}")
    place = f"{place} ({line['name']})" if isinstance(line.get("name"), str) else place
    _same_fields(place, line, LINE)
    for field, kind in (("name", str), ("op", str), ("arguments", dict), ("inputs", list), ("called", str)):
        _checked(place, field, line[field], kind)
    if line["name"] in seen or not all(line["name"].split(".")):
        raise ValueError(
            f"{place}: its name is taken by another layer, or has an empty part; each needs a name of its own"
        )
    if type(line["count"]) is not int or line["count"] != 1:
        raise ValueError(f"{place}: count={line['count']!r}: a graph in a file has each layer written out, once")
    op = _op(place, line["op"], line["arguments"])
    if isinstance(op, ops.Input) != (number == 0):
        raise ValueError(f"{place} is {line['op']}; the first layer, and no other, is Input")
    inputs = _inputs(place, op, line["inputs"], seen)
    try:
        shape = op.shape(*[layers[i] for i in inputs])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{place}: {error}") from None
    if [line["channels"], line["size"]] != [*shape] or bool in (type(line["channels"]), type(line["size"])):
        raise ValueError(
            f"{place}: the file gives it channels={line['channels']!r}, size={line['size']!r}, and {line['op']} gives "
            f"channels={shape[0]}, size={shape[1]}; the file is damaged"
        )
    return Layer(line["name"], op, inputs, *shape, called=line["called"])


def _inputs(place: str, op: ops.Op, names: list[Any], seen: Mapping[str, int]) -> tuple[int, ...]:
    for name in names:
        if not isinstance(name, str) or name not in seen:
            raise ValueError(f"{place}: it takes {name!r}, and no layer before it has that name")
    least, most = _arity(op)
    if not least <= len(names) <= most:
        wanted = f"{least}" if least == most else f"{least} or more"
        raise ValueError(f"{place}: {type(op).__name__} takes {wanted} images, and the file gives it {len(names)}")
    return tuple(seen[name] for name in names)


def _arity(op: ops.Op) -> tuple[int, float]:
    """The least and the most images that it takes."""
    match op:
        case ops.Input():
            return 0, 0
        case ops.Add() | ops.Multiply():
            return 2, math.inf
        case ops.Concat():
            return 1, math.inf
    return 1, 1


def _op(place: str, name: str, arguments: Mapping[str, Any]) -> ops.Op:
    if name not in OPS:
        raise ValueError(f"{place}: the op {name!r} is unknown; the ops are {', '.join(OPS)}")
    kind: Any = OPS[name]
    _same_fields(f"{place}: {name}", arguments, tuple(field.name for field in fields(kind)))
    values = {}
    for field in fields(kind):
        words, fits = TYPES[str(field.type)]
        value = arguments[field.name]
        if not fits(value):
            raise ValueError(f"{place}: {field.name}={value!r}: it must be {words}")
        values[field.name] = tuple(value) if isinstance(value, list) else value
    op: ops.Op = kind(**values)
    return op


def _whole(value: Any) -> bool:
    return type(value) is int and value >= 0


TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "Whole": ("a whole number", _whole),
    "int": ("a whole number", _whole),
    "bool": ("true or false", lambda value: type(value) is bool),
    "float": ("a number", lambda value: type(value) in (int, float) and math.isfinite(value)),
    "str": ("a text", lambda value: type(value) is str),
    "Sides": (
        "a whole number, or two in a list (height, width)",
        lambda value: _whole(value) or (type(value) is list and len(value) == 2 and all(map(_whole, value))),
    ),
}
"""How an op declares the type of an argument -> that type in words, and whether a value has it."""


def _checked(place: str, field: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        words = "a text" if kind is str else "a list" if kind is list else "an object"
        raise ValueError(f"{place}: {field}={value!r}: it must be {words}")
    return value


def _same_fields(place: str, found: Mapping[str, Any], wanted: tuple[str, ...]) -> None:
    missing = [field for field in wanted if field not in found]
    extra = [field for field in found if field not in wanted]
    if missing or extra:
        parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(map(repr, extra))}"] * bool(extra)
        raise ValueError(f"{place} {' and '.join(parts)}; its fields are {', '.join(wanted) or 'none'}")
