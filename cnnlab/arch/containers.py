"""Which layers stand together in one submodule: the tree that the dots in their names describe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnlab.arch.graph import Layer


def runs(layers: Sequence[Layer], members: Sequence[int], depth: int) -> list[tuple[tuple[str, ...], list[int]]]:
    """Consecutive layers of one container each, with its path below `depth`; a single layer is a run as well.

    members: positions of consecutive layers whose paths agree up to `depth`. A container that the network leaves and
    enters again cannot be one call: its parts are called one by one.

    >>> from cnnlab.arch.blocks import act, conv
    >>> from cnnlab.arch.graph import image
    >>> x = conv(conv(image().at("stage1.0"), 8).at("stage1.1"), 8)
    >>> graph = act(act(x.at("")).at("stage2")).graph("three runs")
    >>> runs(graph.layers, range(1, 5), 0)
    [(('stage1',), [1, 2]), (('act1',), [3]), (('stage2',), [4])]
    """
    paths = {i: tuple(layers[i].name.split(".")[depth:]) for i in members}
    opened = dict.fromkeys(members, 1)
    while True:
        keyed = groupby(members, lambda i: (paths[i][: opened[i]], len(paths[i]) <= opened[i]))
        groups = [(path, list(run)) for (path, _), run in keyed]
        times = Counter(path for path, _ in groups)
        again = [i for path, run in groups if times[path] > 1 for i in run if len(paths[i]) > opened[i]]
        if not again:
            return groups
        for i in again:
            opened[i] += 1


def containers(layers: Sequence[Layer]) -> list[list[range]]:
    """For each layer the containers that it stands in, outermost first, as positions of the layers in them."""
    found: list[list[range]] = [[] for _ in layers]

    def look(members: Sequence[int], depth: int) -> None:
        for path, run in runs(layers, members, depth):
            below = depth + len(path)
            if layers[run[0]].name.count(".") + 1 > below:
                for i in run:
                    found[i].append(range(run[0], run[-1] + 1))
                look(run, below)

    look(range(1, len(layers)), 0)
    return found
