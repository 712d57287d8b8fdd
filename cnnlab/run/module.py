"""Graph -> torch.nn.Module, by torch.fx, with one real submodule for each block."""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.overrides import TorchFunctionMode

from cnnlab.arch import layers as op
from cnnlab.arch.containers import runs
from cnnlab.arch.graph import Graph, check_written_out
from cnnlab.arch.storage import overwriting
from cnnlab.run.parts import BATCH_NORMS, submodule
from cnnlab.run.room import check_module
from cnnlab.run.weights import load


def module(graph: Graph, weights: Any = None, *, seed: int | None = None) -> fx.GraphModule:
    """The network as a module: (N, channels, size, size) float -> (N, classes), one submodule for each block.

    weights: a torchvision weights enum (downloaded by torchvision, if need be), or a state dict of the same network,
    by name where the names agree, else in the order of registration; every shape is checked first.
    Without weights: He et al. 2015's normal initialisation by fan-out for convolutions, norms at 1 and 0, linear
    layers uniform within 1 / sqrt(inputs), biases 0; with a seed, the same numbers each time.

    Raises ValueError for a folded graph, and for weights of another network or of other input; MemoryError, before
    anything is allocated, for weights that do not fit into memory. Nothing half-built is returned.
    """
    check_written_out(graph, "a module")
    check_module(graph)
    model = skeleton(graph).to_empty(device="cpu")
    for part in model.modules():
        if isinstance(part, BATCH_NORMS):
            part.reset_running_stats()
    if weights is not None:
        _check_input(graph, weights)
        load(model, weights, name=graph.name)
    else:
        initialise(model, seed)
        for layer in graph.layers:
            if isinstance(layer.op, op.LayerScale):
                nn.init.constant_(model.get_parameter(layer.name), layer.op.initial)
    return model.train()


def skeleton(graph: Graph) -> fx.GraphModule:
    """The module of a graph on the meta device: all of it but the numbers."""
    with torch.device("meta"), _Unfilled():  # no memory is touched, and nothing initialised
        return _Builder(graph).build()


class _Unfilled(TorchFunctionMode):
    """Inside, torch's initialisers leave tensors as they are: what has no numbers need not be filled."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _check_input(graph: Graph, weights: Any) -> None:
    """torchvision's weights of GoogLeNet and Inception are for images in another scale, which the graph must change."""
    transformed = type(weights).__name__ in ("GoogLeNet_Weights", "Inception_V3_Weights")
    if transformed and not any(isinstance(layer.op, op.Affine) for layer in graph.layers):
        raise ValueError(
            f"weights: {weights} are for images in the scale of the authors' code, and {graph.name} takes them in "
            'torchvision\'s; dataclasses.replace(arch, options={"transform_input": True}) makes the network change it'
        )


@torch.no_grad()
def initialise(model: nn.Module, seed: int | None = None) -> None:
    """Fill the parameters of convolutions, norms and linear layers as `module` says. In place."""
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    for part in model.modules():
        match part:
            case nn.Conv2d():
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            case nn.Linear():
                bound = part.in_features**-0.5
                nn.init.uniform_(part.weight, -bound, bound, generator=generator)
            case nn.BatchNorm2d() | nn.BatchNorm1d() | nn.LayerNorm():
                nn.init.ones_(part.weight)
        if isinstance(part, (nn.Conv2d, nn.Linear, nn.LayerNorm, *BATCH_NORMS)) and part.bias is not None:
            nn.init.zeros_(part.bias)


class _Builder:
    """Writes a graph as nested GraphModules that follow the dots in the layers' names."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.layers = graph, graph.layers
        self.overwriting = overwriting(graph.layers)
        self.users: list[list[int]] = [[] for _ in graph.layers]
        for i, layer in enumerate(graph.layers):
            for j in layer.inputs:
                self.users[j].append(i)

    def build(self) -> fx.GraphModule:
        model, _, _ = self.container(range(1, len(self.layers)), 0, re.sub(r"\W", "_", self.graph.name))
        return model

    def container(self, members: Sequence[int], depth: int, name: str) -> tuple[fx.GraphModule, list[int], list[int]]:
        """A module of these consecutive layers, whose paths agree up to `depth`; the layers it takes and gives."""
        inside = range(members[0], members[-1] + 1)
        takes = list(dict.fromkeys(j for i in members for j in self.layers[i].inputs if j not in inside))
        last = len(self.layers) - 1
        gives = [i for i in members if i == last or any(user not in inside for user in self.users[i])]
        root, graph, children = nn.Module(), fx.Graph(), dict[str, fx.GraphModule]()
        nodes = {j: graph.placeholder("x" if len(takes) == 1 else f"x{n}") for n, j in enumerate(takes)}
        for path, run in runs(self.layers, members, depth):
            target, below = ".".join(path), depth + len(path)
            if self.layers[run[0]].name.count(".") + 1 == below:
                nodes[run[0]] = self.leaf(root, graph, run[0], target, [nodes[j] for j in self.layers[run[0]].inputs])
                continue
            kind = "Stage" if self.nested(run, below) else "Block"
            children[target], args, results = self.container(run, below, kind)
            _attach(root, target, nn.Module())  # in its place, because fx would write the child's code once more
            out = graph.call_module(target, tuple(nodes[j] for j in args))
            if len(results) == 1:
                nodes[results[0]] = out
            else:
                nodes |= {i: graph.call_function(operator.getitem, (out, n)) for n, i in enumerate(results)}
        graph.output(nodes[gives[0]] if len(gives) == 1 else tuple(nodes[i] for i in gives))
        whole = fx.GraphModule(root, graph, class_name=name)
        for target, child in children.items():
            _attach(whole, target, child)
        return whole, takes, gives

    def nested(self, members: Sequence[int], depth: int) -> bool:
        """Whether any of these layers lies in a container of its own below this depth."""
        return any(len(self.layers[i].name.split(".")) > depth + 1 for i in members)

    def leaf(self, root: nn.Module, graph: fx.Graph, i: int, name: str, inputs: list[fx.Node]) -> fx.Node:
        """Write one layer: a submodule if it has settings, else a call."""
        layer = self.layers[i]
        x = self.layers[layer.inputs[0]]
        everything = slice(None)
        match layer.op:
            case op.Add():
                return reduce(lambda a, b: graph.call_function(operator.add, (a, b)), inputs)
            case op.Multiply():
                return reduce(lambda a, b: graph.call_function(operator.mul, (a, b)), inputs)
            case op.Concat():
                return graph.call_function(torch.cat, (inputs, 1))
            case op.Flatten():
                return graph.call_function(torch.flatten, (inputs[0], 1))
            case op.Unflatten():
                return graph.call_function(operator.getitem, (inputs[0], (everything, everything, None, None)))
            case op.Slice(start, stop):
                return graph.call_function(operator.getitem, (inputs[0], (everything, slice(start, stop))))
            case op.PadChannels():
                return graph.call_function(F.pad, (inputs[0], (0, 0, 0, 0, 0, int(layer.channels - x.channels))))
            case op.Pad(before, after):
                return graph.call_function(F.pad, (inputs[0], (before, after, before, after)))
            case op.Affine(scale, shift):
                y = graph.call_function(operator.mul, (inputs[0], scale)) if scale != 1 else inputs[0]
                return graph.call_function(operator.add, (y, shift)) if shift != 0 or scale == 1 else y
            case op.LayerScale():
                shape = (int(x.channels), 1, 1) if x.size is not None else (int(x.channels),)
                _attach(root, name, nn.Parameter(torch.empty(shape)))
                return graph.call_function(operator.mul, (graph.get_attr(name), inputs[0]))
        _attach(root, name, submodule(layer, x, inplace=i in self.overwriting))
        if isinstance(layer.op, (op.LayerNorm, op.Linear)) and layer.size is not None:
            last = graph.call_method("permute", (inputs[0], 0, 2, 3, 1))  # torch's own work on the last dimension
            return graph.call_method("permute", (graph.call_module(name, (last,)), 0, 3, 1, 2))
        return graph.call_module(name, tuple(inputs))


def _attach(root: nn.Module, path: str, thing: nn.Module | nn.Parameter) -> None:
    """Make this the submodule or parameter of that dotted name, within empty modules where there are none yet."""
    *holders, name = path.split(".")
    if keyword.iskeyword(name):
        raise ValueError(f"{path}: {name!r} is a word of Python and cannot name a submodule; rename the layer")
    for holder in holders:
        if not hasattr(root, holder):
            root.add_module(holder, nn.Module())
        root = getattr(root, holder)
    before = getattr(root, name, None)
    if isinstance(before, nn.Module) and isinstance(thing, nn.Module):  # a layer named like the container before it
        for part, child in before.named_children():
            thing.add_module(part, child)
    setattr(root, name, thing)
