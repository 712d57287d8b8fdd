"""Graph -> torch.nn.Module, by torch.fx, with one real submodule for each block."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.whole import is_array
from cnnlab.run.weights import load

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
    "tanh": nn.Tanh,
}

IN_PLACE = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Hardsigmoid)
OVERWRITABLE = (op.Conv, op.BatchNorm, op.Linear, op.Add)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training, an image's whole branch is zeroed at this rate, and the
    others are scaled by 1 / (1 - rate)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, ...) -> the same shape."""
        if not self.training:
            return x
        kept = torch.empty(x.shape[0], *[1] * (x.dim() - 1), dtype=x.dtype, device=x.device).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def module(graph: Graph, weights: Any = None, *, seed: int | None = None) -> fx.GraphModule:
    """The network as a module: (N, channels, size, size) float -> (N, classes), one submodule for each block.

    weights: a torchvision weights enum (downloaded by torchvision, if need be), or a state dict of the same network,
    by name where the names agree, else in the order of registration; every shape is checked first.
    Without weights: He et al. 2015's normal initialisation by fan-out for convolutions, norms at 1 and 0, linear
    layers uniform within 1 / sqrt(inputs), biases 0; with a seed, the same numbers each time.

    Raises ValueError for a folded graph, and for weights of another network; nothing half-built is returned.
    """
    for layer in graph.layers:
        if is_array(layer.count) or layer.count != 1 or is_array(layer.channels) or is_array(layer.size):
            raise ValueError(
                f"{graph.name}: {layer.name} stands for several layers or settings (folded, or arrays), "
                "and a module needs each written out; use arch.graph() of an architecture of plain numbers"
            )
    with torch.device("meta"):  # no memory is touched, and nothing initialised twice
        model = _Builder(graph).build()
    model = model.to_empty(device="cpu")
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
    if weights is not None:
        load(model, weights, name=graph.name)
    else:
        initialise(model, seed)
    return model.train()


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
            case nn.BatchNorm2d():
                nn.init.ones_(part.weight)
        if isinstance(part, (nn.Conv2d, nn.Linear, nn.BatchNorm2d)) and part.bias is not None:
            nn.init.zeros_(part.bias)


class _Builder:
    """Writes a graph as nested GraphModules that follow the dots in the layers' names."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.layers = graph, graph.layers
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
        root, graph = nn.Module(), fx.Graph()
        nodes = {j: graph.placeholder("x" if len(takes) == 1 else f"x{n}") for n, j in enumerate(takes)}
        for part, group in groupby(members, lambda i: self.part(i, depth)):
            run, attribute = list(group), part
            if len(self.layers[run[0]].name.split(".")) == depth + 1:
                for i in run:
                    nodes[i] = self.leaf(root, graph, i, part, [nodes[j] for j in self.layers[i].inputs])
                continue
            while hasattr(root, attribute):  # the path comes back after an interruption
                attribute += "_again"
            child, args, results = self.container(run, depth + 1, "Stage" if self.nested(run, depth + 1) else "Block")
            root.add_module(attribute, child)
            out = graph.call_module(attribute, tuple(nodes[j] for j in args))
            if len(results) == 1:
                nodes[results[0]] = out
            else:
                nodes |= {i: graph.call_function(operator.getitem, (out, n)) for n, i in enumerate(results)}
        graph.output(nodes[gives[0]] if len(gives) == 1 else tuple(nodes[i] for i in gives))
        return fx.GraphModule(root, graph, class_name=name), takes, gives

    def part(self, i: int, depth: int) -> str:
        return self.layers[i].name.split(".")[depth]

    def nested(self, members: Sequence[int], depth: int) -> bool:
        """Whether any of these layers lies in a container of its own below this depth."""
        return any(len(self.layers[i].name.split(".")) > depth + 1 for i in members)

    def leaf(self, root: nn.Module, graph: fx.Graph, i: int, name: str, inputs: list[fx.Node]) -> fx.Node:
        """Write one layer: a submodule if it has settings, else a call."""
        layer = self.layers[i]
        x = self.layers[layer.inputs[0]]
        match layer.op:
            case op.Add():
                return graph.call_function(operator.add, tuple(inputs))
            case op.Multiply():
                return graph.call_function(operator.mul, tuple(inputs))
            case op.Concat():
                return graph.call_function(torch.cat, (inputs, 1))
            case op.Flatten():
                return graph.call_function(torch.flatten, (inputs[0], 1))
            case op.PadChannels():
                return graph.call_function(F.pad, (inputs[0], (0, 0, 0, 0, 0, int(layer.channels - x.channels))))
        # In place only where nobody else reads the image, and what made it does not need it for its own gradient.
        alone = self.users[layer.inputs[0]] == [i]
        root.add_module(name, _submodule(layer, x, inplace=alone and isinstance(x.op, OVERWRITABLE)))
        return graph.call_module(name, tuple(inputs))


def _submodule(layer: Layer, x: Layer, *, inplace: bool) -> nn.Module:
    """The torch module of one layer that takes the image x."""
    channels = int(x.channels)
    match layer.op:
        case op.Conv() as c:
            return nn.Conv2d(
                channels, int(c.width), c.kernel, c.stride, c.padding, c.dilation, int(c.groups), bias=c.bias
            )
        case op.BatchNorm() as n:
            return nn.BatchNorm2d(channels, n.eps, n.momentum)
        case op.Linear() as n:
            return nn.Linear(channels, int(n.width), n.bias)
        case op.Act() as a:
            kind = ACTIVATIONS[a.kind]
            return kind(inplace=inplace) if kind in IN_PLACE else kind()
        case op.MaxPool() as p:
            return nn.MaxPool2d(p.kernel, p.stride, p.padding)
        case op.AvgPool() as p:
            return nn.AvgPool2d(p.kernel, p.stride, p.padding)
        case op.AdaptivePool() as p:
            return nn.AdaptiveAvgPool2d(p.size)
        case op.Dropout() as d:
            return nn.Dropout(d.rate)
        case op.DropPath() as d:
            return DropPath(d.rate)
        case _:
            raise ValueError(f"{layer.name}: no module is known for {layer.op}")
