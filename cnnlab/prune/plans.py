"""`Plan`: which channels a network keeps, as a value; applied, masked, proved, and written down as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from cnnlab.arch.cost import Cost
from cnnlab.arch.graph import Graph
from cnnlab.arch.whole import short
from cnnlab.arch.widths import Bools, Group, Widths, widths
from cnnlab.prune import cutting
from cnnlab.prune.proof import Proof, prove
from cnnlab.run.disk import replace_file
from cnnlab.run.trace import trace
from cnnlab.run.trial import key_of

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "cnnlab.plan", 1


@dataclass(frozen=True)
class Plan:
    """Which units of each width group a network keeps; nothing is changed before `apply`.

    graph: the network before.  kept: name of a group -> the units that stay, rising, of those 0, 1, ... of the group;
    a group that is not there keeps all of them.  scores: name of a group -> a score for each unit.  reasons: name of a
    group of which nothing is removed -> why.  how: what the plan was made with.

    >>> import cnnlab as cl
    >>> model = cl.architecture("cifar_resnet20").graph().module(seed=0)
    >>> plan = cl.prune.plan(model, budget=0.5, resolution=32)
    >>> plan
    Plan(cifar_resnet20, l1: 40.6 M -> 19.6 M MACs (48.3 %), 270 k -> 133 k params (49.2 %), 12 of 12 groups cut)
    >>> small = plan.apply(model)
    >>> plan.verify(model).difference < 1e-9
    True
    """

    graph: Graph
    kept: Mapping[str, tuple[int, ...]] = field(hash=False)
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    reasons: Mapping[str, str] = field(default_factory=dict, hash=False)
    how: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        groups = widths(self.graph).by_name
        for name, units in self.kept.items():
            _check_kept(groups, name, units)
        for name, scores in self.scores.items():
            if name not in groups or len(scores) != len(groups[name]):
                raise ValueError(f"plan: {name} has {len(scores)} scores; {_told(groups, name)}")

    @cached_property
    def widths(self) -> Widths:
        """The width groups of the network before."""
        return widths(self.graph)

    @cached_property
    def mask(self) -> Bools:
        """For each unit, as `Widths` numbers them, whether it stays."""
        mask = np.ones(self.widths.count, bool)
        for name, units in self.kept.items():
            own = self.widths.by_name[name].units
            mask[own] = False
            mask[own[list(units)]] = True
        return mask

    @cached_property
    def pruned(self) -> Graph:
        """The network after, as a graph."""
        return self.widths.narrowed(self.mask)

    @property
    def before(self) -> Cost:
        """What the network costs before."""
        return self.graph.cost()

    @cached_property
    def cost(self) -> Cost:
        """What it costs after: exact, and counted again by `verify`."""
        return self.pruned.cost()

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change with the network and with every unit kept."""
        return key_of({"graph": self.graph.to_json(), "kept": dict(self.kept)})

    def table(self) -> pd.DataFrame:
        """One row for each group. Columns: group (its first layer), layers (how many of its layers have numbers of
        their own for each channel), units, kept, removed (share, 0 to 1), and why nothing is removed, where it is so.
        """
        import pandas as pd

        rows = []
        for group in self.widths.groups:
            kept = len(self.kept.get(group.name, group.units))
            row = {"group": group.name, "layers": len(group.writers), "units": len(group), "kept": kept}
            rows.append(row | {"removed": 1 - kept / len(group), "why": self.reasons.get(group.name, group.locked)})
        return pd.DataFrame(rows)

    def apply(self, model: nn.Module) -> nn.Module:
        """A new, smaller module, without the removed channels; the model is left as it is.

        Its layers keep their names, numbers, type, device and mode. Raises ValueError, as a sentence, for a model of
        another network than the plan's.
        """
        self.check(model)
        return cutting.small(self.widths, self.mask, self.pruned, model)

    def masked(self, model: nn.Module) -> nn.Module:
        """The full-size twin: a copy of the model in which the removed channels are 0 (see `cnnlab.prune.cutting`).

        In evaluation it computes what `apply` gives. Raises ValueError for a model of another network.
        """
        self.check(model)
        return cutting.twin(self.widths, self.mask, model)

    def verify(self, model: nn.Module, *, tolerance: float = 1e-5) -> Proof:
        """Proof that the smaller module computes what the masked one does, and costs what the plan says.

        Both run on two random images, in float64 on the CPU; the multiply-adds and parameters of the smaller one are
        counted as it runs, by `cnnlab.count`. Raises ArithmeticError, as a sentence, if the logits differ by more than
        the tolerance (relative to the largest) or a count by anything; ValueError for a model of another network.
        """
        self.check(model)
        return prove(self.widths, self.mask, self.pruned, model, tolerance=tolerance)

    def check(self, model: nn.Module) -> None:
        """ValueError, as a sentence, unless the model is of the plan's network."""
        if not isinstance(model, nn.Module):
            raise TypeError(f"model={type(model).__name__}: a plan is for a torch.nn.Module")
        start = self.graph.input
        found = trace(model, int(start.size or 1), channels=int(start.channels))
        if (said := _difference(self.graph, found)) is not None:
            raise ValueError(
                f"the plan is for {self.graph.name}, and the model is another network: {said}; make a plan of this "
                "model (the model is unchanged)"
            )

    def to_json(self) -> str:
        """The plan as text; `Plan.from_json` gives an equal plan."""
        groups = [
            {
                "name": group.name,
                "units": len(group),
                "kept": list(self.kept.get(group.name, range(len(group)))),
                "scores": list(self.scores.get(group.name, ())),
                "why": self.reasons.get(group.name, ""),
            }
            for group in self.widths.groups
        ]
        content = {"format": FORMAT, "version": VERSION, "how": dict(self.how), "groups": groups}
        return json.dumps(content | {"graph": json.loads(self.graph.to_json())}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The plan that `to_json` wrote. Raises ValueError, as a sentence, for anything else."""
        try:
            content = json.loads(text)
            if content.get("format") != FORMAT or content.get("version") != VERSION:
                raise ValueError(f'its format is not "{FORMAT}", version {VERSION}')
            graph = Graph.from_json(json.dumps(content["graph"]))
            groups = {group["name"]: group for group in content["groups"]}
            if {n: g["units"] for n, g in groups.items()} != {g.name: len(g) for g in widths(graph).groups}:
                raise ValueError("its groups are not those of its graph")
            cut = {name: tuple(g["kept"]) for name, g in groups.items() if len(g["kept"]) < g["units"]}
            scores = {name: tuple(g["scores"]) for name, g in groups.items() if g["scores"]}
            reasons = {name: g["why"] for name, g in groups.items() if g["why"]}
            return cls(graph, cut, scores, reasons, content["how"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no plan, or a damaged one: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the plan to a file, as JSON, and give its path; the file appears whole or not at all."""
        return replace_file(path, self.to_json().encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Plan:
        """The plan that `save` wrote."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    def __repr__(self) -> str:
        before, after = self.before, self.cost
        parts = [
            f"{short(int(a))} -> {short(int(b))} {name} ({100 * b / a:.1f} %)"
            for a, b, name in ((before.macs, after.macs, "MACs"), (before.params, after.params, "params"))
        ]
        free = self.widths.free
        cut = sum(len(self.kept.get(group.name, group.units)) < len(group) for group in free)
        how = f", {self.how['importance']}" if "importance" in self.how else ""
        return f"Plan({self.graph.name}{how}: {', '.join(parts)}, {cut} of {len(free)} groups cut)"


def _check_kept(groups: Mapping[str, Group], name: str, units: Sequence[int]) -> None:
    if name not in groups or groups[name].locked:
        raise ValueError(f"plan: nothing can be removed of {name}: {_told(groups, name)}")
    whole = all(type(unit) is int for unit in units)
    rising = whole and all(a < b for a, b in pairwise(units))
    if not units or not rising or units[0] < 0 or units[-1] >= len(groups[name]):
        raise ValueError(
            f"plan: {name} keeps {str(units)[:60]}: it must be one or more of 0 to {len(groups[name]) - 1}, rising"
        )


def _told(groups: Mapping[str, Group], name: str) -> str:
    if name not in groups:
        return f"there is no such group; the groups are {', '.join(groups)}"
    return groups[name].locked or f"the group has {len(groups[name])} units"


def _difference(mine: Graph, theirs: Graph) -> str | None:
    """The first layer in which two networks differ, as the end of a sentence; None if they are the same."""
    for a, b in zip(mine.layers, theirs.layers, strict=False):
        if a._replace(called="") != b._replace(called=""):
            ours, other = (f"{layer.name}, {layer.op} with {layer.channels} channels" for layer in (a, b))
            return f"there is {other}, where the plan has {ours}"
    if len(mine) != len(theirs):
        return f"it has {len(theirs)} layers, where the plan has {len(mine)}"
    return None
