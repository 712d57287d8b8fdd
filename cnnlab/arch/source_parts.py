"""A graph as the nested containers that the paths of its layers spell: what `to_pytorch` writes classes for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeAlias

from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import Concat, Slice


@dataclass(frozen=True, eq=False)
class Leaf:
    """A layer; or the slices, side by side, that split an image into equal parts (torch's `chunk`).

    attribute: its name in the container. takes, gives: positions of the layers whose images it takes and gives.
    """

    attribute: str
    takes: tuple[int, ...]
    gives: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """A container: its steps in the order they run. `star`: all it takes goes, at once, into one concatenation."""

    attribute: str
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    steps: tuple[Step, ...]
    star: bool = False


Step: TypeAlias = Leaf | Part


def tree(graph: Graph) -> Part:
    """The whole network as one container, with the same names for everything as the module of `Graph.module`."""
    layers = graph.layers
    readers: list[list[int]] = [[] for _ in layers]
    for i, layer in enumerate(layers):
        for j in layer.inputs:
            readers[j].append(i)
    whole = _container(layers, readers, range(1, len(layers)), 0, "")
    return replace(whole, takes=(0,), gives=(len(layers) - 1,))


def _container(
    layers: Sequence[Layer], readers: list[list[int]], members: Sequence[int], depth: int, attribute: str
) -> Part:
    """These consecutive layers, whose paths agree up to `depth`."""
    inside = range(members[0], members[-1] + 1) if members else range(0)
    takes = tuple(dict.fromkeys(j for i in members for j in layers[i].inputs if j not in inside))
    last = len(layers) - 1
    gives = tuple(i for i in members if i == last or any(reader not in inside for reader in readers[i]))
    steps: list[Step] = []
    taken: set[str] = set()
    for (name, leaves), group in groupby(members, lambda i: _place(layers[i], depth)):
        run = list(group)
        while name in taken:  # the path comes back after an interruption, or is a layer's as well
            name += "_again"
        taken.add(name)
        if leaves:
            steps.append(Leaf(name, layers[run[0]].inputs, tuple(run)))
        else:
            steps.append(_container(layers, readers, run, depth + 1, name))
    joined = [step for step in steps if isinstance(step, Leaf) and set(step.takes) & set(takes)]
    others = [step for step in steps if isinstance(step, Part) and set(step.takes) & set(takes)]
    star = len(joined) == 1 and not others and joined[0].takes == takes and _is(layers, joined[0], Concat)
    return Part(attribute, takes, gives, tuple(_chunks(layers, steps)), star)


def _place(layer: Layer, depth: int) -> tuple[str, bool]:
    """The part of a layer's path at this depth, and whether it is the last."""
    path = layer.name.split(".")
    return path[depth], len(path) == depth + 1


def _is(layers: Sequence[Layer], step: Step, kind: type) -> bool:
    return isinstance(step, Leaf) and isinstance(layers[step.gives[0]].op, kind)


def _chunks(layers: Sequence[Layer], steps: list[Step]) -> list[Step]:
    """The steps, with each run of slices that splits one image into equal parts as one step."""
    found: list[Step] = []
    for _, group in groupby(steps, lambda s: s.takes if _is(layers, s, Slice) else s.attribute):
        run = list(group)
        cuts = [layers[step.gives[0]].op for step in run]
        each = run[0].takes and layers[run[0].gives[0]].channels
        equal = [Slice(int(each) * n, int(each) * (n + 1)) for n in range(len(run))] if each else []
        if len(run) > 1 and cuts == equal and each * len(run) == layers[run[0].takes[0]].channels:
            found.append(Leaf(run[0].attribute, run[0].takes, tuple(step.gives[0] for step in run)))
        else:
            found += run
    return found


def is_chain(part: Part) -> bool:
    """Whether each step takes what the one before it gives, and nothing else."""
    if len(part.takes) != 1 or len(part.gives) != 1 or not part.steps or part.star:
        return False
    at = part.takes
    for step in part.steps:
        if step.takes != at or len(step.gives) != 1:
            return False
        at = step.gives
    return at == part.gives
