"""A graph as the nested containers that the paths of its layers spell: what `to_pytorch` writes classes for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeAlias

from cnnlab.arch.containers import runs
from cnnlab.arch.graph import Graph, Layer
from cnnlab.arch.layers import Concat, Slice


@dataclass(frozen=True, eq=False)
class Leaf:
    """A layer; or the slices, side by side, that split an image into equal parts (torch's `chunk`).

    attribute: its name in the container, with dots if what lies between could not be one call.
    takes, gives: positions of the layers whose images it takes and gives.
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
    return replace(whole, takes=(0,), gives=(len(layers) - 1,), star=False)


def _container(
    layers: Sequence[Layer], readers: list[list[int]], members: Sequence[int], depth: int, attribute: str
) -> Part:
    """These consecutive layers, whose paths agree up to `depth`."""
    inside = range(members[0], members[-1] + 1) if members else range(0)
    takes = tuple(dict.fromkeys(j for i in members for j in layers[i].inputs if j not in inside))
    last = len(layers) - 1
    gives = tuple(i for i in members if i == last or any(reader not in inside for reader in readers[i]))
    steps: list[Step] = []
    for path, run in runs(layers, members, depth):
        name, below = ".".join(path), depth + len(path)
        if layers[run[0]].name.count(".") + 1 == below:
            steps.append(Leaf(name, layers[run[0]].inputs, (run[0],)))
        else:
            steps.append(_container(layers, readers, run, below, name))
    joined = [step for step in steps if isinstance(step, Leaf) and set(step.takes) & set(takes)]
    others = [step for step in steps if isinstance(step, Part) and set(step.takes) & set(takes)]
    star = len(joined) == 1 and not others and joined[0].takes == takes and _is(layers, joined[0], Concat)
    return Part(attribute, takes, gives, tuple(_chunks(layers, steps)), star)


def _is(layers: Sequence[Layer], step: Step, kind: type) -> bool:
    return isinstance(step, Leaf) and bool(step.gives) and isinstance(layers[step.gives[0]].op, kind)


def _chunks(layers: Sequence[Layer], steps: list[Step]) -> list[Step]:
    """The steps, with each run of slices that splits one image into equal parts as one step."""
    found: list[Step] = []
    for _, group in groupby(steps, lambda s: s.takes if _is(layers, s, Slice) else s.attribute):
        run = list(group)
        if not all(_is(layers, step, Slice) for step in run):
            found += run
            continue
        cuts = [layers[step.gives[0]].op for step in run]
        each = int(layers[run[0].gives[0]].channels)
        equal = [Slice(each * n, each * (n + 1)) for n in range(len(run))]
        if len(run) > 1 and cuts == equal and each * len(run) == layers[run[0].takes[0]].channels:
            found.append(Leaf(run[0].attribute, run[0].takes, tuple(step.gives[0] for step in run)))
        else:
            found += run
    return found


def dense_prefix(layers: Sequence[Layer], part: Part) -> str:
    """How the layers of a dense block are called, but for their numbers ("denselayer"), or "" if this is none.

    Layer k takes the block's image and all that the k - 1 before it gave; at the end all are concatenated.
    """
    *inner, last = part.steps or (None,)
    match = re.fullmatch(r"([^.]*?[a-zA-Z_])1", inner[0].attribute) if inner and inner[0] else None
    if match is None or len(inner) < 3 or len(part.takes) != 1 or last is None or not _is(layers, last, Concat):
        return ""
    features: tuple[int, ...] = part.takes
    for n, step in enumerate(inner, 1):
        if not isinstance(step, Part) or not step.star or step.takes != features or len(step.gives) != 1:
            return ""
        if step.attribute != f"{match[1]}{n}":
            return ""
        features += step.gives
    return match[1] if last.takes == features and part.gives == last.gives else ""


def is_chain(part: Part) -> bool:
    """Whether each step takes what the one before it gives, and nothing else."""
    opened = any("." in step.attribute for step in part.steps)
    if len(part.takes) != 1 or len(part.gives) != 1 or not part.steps or part.star or opened:
        return False
    at = part.takes
    for step in part.steps:
        if step.takes != at or len(step.gives) != 1:
            return False
        at = step.gives
    return at == part.gives
