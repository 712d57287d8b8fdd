"""`plan`: which units go, by their scores, until a ratio or a budget is met."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from cnnlab.arch.channels import Ints
from cnnlab.arch.graph import Graph
from cnnlab.arch.whole import check_int, check_real, named
from cnnlab.arch.widths import Bools, Group, Widths, widths
from cnnlab.prune.budgets import fewest, limits
from cnnlab.prune.criteria import Criterion, Scores, criterion_of
from cnnlab.prune.examples import examples
from cnnlab.prune.plans import Plan
from cnnlab.run.trace import trace


def plan(
    network: nn.Module | Graph,
    importance: str | Criterion | Mapping[str, Sequence[float]] = "l1",
    *,
    budget: float | Mapping[str, float] | None = None,
    ratio: float | None = None,
    remove: Mapping[str, Iterable[int]] | None = None,
    data: Any = None,
    scope: str = "global",
    round_to: int = 1,
    least: int = 1,
    skip: Iterable[str] = (),
    resolution: int = 224,
    channels: int = 3,
) -> Plan:
    """Choose what to remove from a network; nothing is changed. One of budget, ratio and remove says how much.

    network: a module that `cl.trace` accepts, with its weights; or a graph, for scores that need none.
    importance: "l1", "l2", "bn_scale", "fpgm", "taylor", "fisher", "leave_one_out", "squared_error" (the article's),
    "random"; a criterion, as those of `cnnlab.prune.criteria`; or scores: name of a group -> a number for each unit.
    The lowest go first.
    budget: multiply-adds after pruning, a share of those before (0.5) or a number (2e9); or of several things, each so:
    {"macs": 0.5, "params": 1e7}, also "activations", and bytes of activation memory for one float32 image: "peak" (at
    inference) and "saved" (for training). All are met, by as few units as possible; the last unit may overshoot.
    ratio: the share of units to remove, 0 to below 1.  remove: group -> units, and nothing else goes.
    data: for a criterion that needs some: what `cl.data.load` gives, of which 512 training images are taken, and
    prepared as by `Recipe()`; if the model was trained otherwise, `cl.prune.examples(data, normalize="image")`; or
    images and labels.  scope: "global": all units of the network compete; "local": each group loses the same share.
    round_to: the channels that stay are a multiple of it, rounded up, where the group has as many.
    least: units that every group keeps.  skip: groups, or layers, to leave as they are.
    resolution, channels: of the images that the module takes.

    Equal scores go in the order of the channels. Raises ValueError or TypeError, as a sentence, for a budget above the
    present cost or below the least reachable, which it names; for scores of the wrong length or that are no numbers;
    for names that the network has not; and for what `cl.trace` refuses.

    >>> import cnnlab as cl
    >>> plan(cl.architecture("resnet18").graph(), "random", budget={"macs": 1e9}, round_to=8).cost.macs
    989182976
    """
    graph = network if isinstance(network, Graph) else trace(network, resolution, channels=channels)
    found = widths(graph)
    if sum(how is not None for how in (budget, ratio, remove)) != 1:
        raise ValueError("plan: give one of budget=, ratio= and remove=")
    if remove is not None:
        return _by_hand(found, remove)
    round_to = named("plan", check_int, "round_to", round_to)
    least = named("plan", check_int, "least", least)
    if scope not in ("global", "local"):
        raise ValueError(f"plan: scope={scope!r}: choose global or local")
    skipped, scores = _skipped(found, skip), _scores(found, network, importance, data)
    reasons = _left_out(found, scores, skipped, least)
    groups = [group for group in found.free if group.name not in reasons]
    line = _line(found, groups, scores, scope=scope, round_to=round_to, least=least)
    if ratio is not None:
        steps = _by_ratio(line, float(named("plan", check_real, "ratio", ratio, least=0, below=1)), scope)
    else:
        budget = limits(graph, budget)
        steps = fewest(len(line), line.graph, budget)
    kept, before = line.kept(steps), line.removed(steps)
    for group in groups:
        if len(kept[group.name]) == len(group):
            rounded = f"rounding up to {round_to} gives back what would go"
            reasons[group.name] = rounded if before[group.name] else "its units rank high"
    name = importance if isinstance(importance, str) else getattr(importance, "__name__", "scores given")
    how = {"importance": name, "scope": scope, "round_to": round_to, "least": least}
    how |= {"budget": budget} if ratio is None else {"ratio": ratio}
    cut = {name: units for name, units in kept.items() if len(units) < len(found.by_name[name])}
    told = {group.name: tuple(scores[group.name].tolist()) for group in groups}
    return Plan(graph, cut, told, reasons, how)


def _left_out(found: Widths, scores: Scores, skipped: Sequence[Group], least: int) -> dict[str, str]:
    """Groups of which nothing may go though they are not locked, and why."""
    reasons = {group.name: "it was to be left (skip)" for group in skipped}
    for group in found.free:
        if group.name in reasons:
            continue
        if group.name not in scores:
            reasons[group.name] = "the criterion cannot rank it"
        elif len(group) <= least:
            reasons[group.name] = f"it has {_units(len(group))}, and at least {least} must stay"
    return reasons


@dataclass(frozen=True)
class _Line:
    """The units that may go, in the order in which they go. group: of each the number of its group; ranks: for each
    group its units, the lowest score first; grain: for each group, of how many units the kept ones are a multiple."""

    found: Widths
    groups: Sequence[Group]
    group: Ints
    ranks: Sequence[Ints]
    grain: Sequence[int]

    def __len__(self) -> int:
        return len(self.group)

    def removed(self, steps: int) -> dict[str, int]:
        """How many units of each group the first steps take, before rounding."""
        gone = np.bincount(self.group[:steps], minlength=len(self.groups))
        return {group.name: int(n) for group, n in zip(self.groups, gone, strict=True)}

    def kept(self, steps: int) -> dict[str, tuple[int, ...]]:
        """The units of each group that stay."""
        parts = zip(self.groups, self.ranks, self._gone(steps), strict=True)
        return {group.name: tuple(sorted(rank[gone:].tolist())) for group, rank, gone in parts}

    def _gone(self, steps: int) -> list[int]:
        """How many units of each group go, the lowest scores first: what rounding up leaves of `removed`."""
        return [
            len(group) - min(len(group), -(-(len(group) - gone) // grain) * grain)
            for group, grain, gone in zip(self.groups, self.grain, self.removed(steps).values(), strict=True)
        ]

    def graph(self, steps: int) -> Graph:
        """The network without those that go."""
        if not steps:
            return self.found.graph
        mask: Bools = np.ones(self.found.count, bool)
        for group, rank, gone in zip(self.groups, self.ranks, self._gone(steps), strict=True):
            mask[group.units[rank[:gone]]] = False
        return self.found.narrowed(mask)


def _line(found: Widths, groups: Sequence[Group], scores: Scores, *, scope: str, round_to: int, least: int) -> _Line:
    ranks = [np.argsort(scores[group.name], kind="stable") for group in groups]
    free = [rank[: len(rank) - least] for rank in ranks]
    keys = [
        (np.arange(len(part)) + 1) / len(group) if scope == "local" else scores[group.name][part]
        for group, part in zip(groups, free, strict=True)
    ]
    owner = np.repeat(np.arange(len(groups)), list(map(len, free)))
    order = np.argsort(np.concatenate(keys), kind="stable") if groups else np.empty(0, np.int64)
    # As many units as make a multiple of channels, of which a unit of a convolution in groups has several.
    grains = [round_to // math.gcd(round_to, found.share(group, group.layers[0])) for group in groups]
    return _Line(found, groups, owner[order], ranks, grains)


def _by_ratio(line: _Line, ratio: float, scope: str) -> int:
    """How many units go."""
    sizes = list(map(len, line.groups))
    if scope == "local":
        free = np.bincount(line.group, minlength=len(sizes)).tolist()
        return sum(min(most, math.floor(ratio * size + 1e-9)) for size, most in zip(sizes, free, strict=True))
    return min(len(line), math.floor(ratio * sum(sizes) + 1e-9))


def _scores(found: Widths, network: nn.Module | Graph, importance: Any, data: Any) -> Scores:
    free = {group.name: len(group) for group in found.free}
    if isinstance(importance, Mapping):
        scores = {name: np.asarray(values, dtype=float) for name, values in importance.items()}
        _check_names(found, scores)
    else:
        criterion = criterion_of("plan", importance)
        if isinstance(network, Graph) and importance != "random" and isinstance(importance, str):
            raise ValueError(f"plan: {importance} needs weights, and a graph has none; give the module")
        given = None if data is None else examples(data)
        scores = dict(criterion(None if isinstance(network, Graph) else network, found.graph, given))  # type: ignore[arg-type]
    for name, values in scores.items():
        if name in free and values.shape != (free[name],):
            raise ValueError(
                f"plan: {name} has scores of shape {values.shape}, and {_units(free[name])}; give one each"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"plan: a score of {name} is not a finite number, so its units have no order")
    return scores


def _by_hand(found: Widths, remove: Mapping[str, Iterable[int]]) -> Plan:
    _check_names(found, remove)
    kept = {}
    for name, units in remove.items():
        gone, size = set(units), len(found.by_name[name])
        if odd := sorted(unit for unit in gone if type(unit) is not int or not 0 <= unit < size):
            raise ValueError(f"plan: remove has {odd[0]!r} of {name}, whose units are 0 to {size - 1}")
        if gone:
            kept[name] = tuple(unit for unit in range(size) if unit not in gone)
    return Plan(found.graph, kept, how={"importance": "by hand"})


def _skipped(found: Widths, skip: Iterable[str]) -> list[Group]:
    chosen = [skip] if isinstance(skip, str) else list(skip)
    groups: list[Group] = []
    for name in chosen:
        if name in found.by_name:
            groups.append(found.by_name[name])
            continue
        try:
            groups += found.holding(name)
        except KeyError:
            _check_names(found, [name])
    return groups


def _check_names(found: Widths, chosen: Iterable[str]) -> None:
    for name in chosen:
        if name not in found.by_name:
            near = difflib.get_close_matches(str(name), found.by_name, n=3) or list(found.by_name)
            raise ValueError(f"plan: {found.graph.name} has no group {name!r}; is it {' or '.join(near)}?")


def _units(count: int) -> str:
    return f"{count} unit{'s' if count != 1 else ''}"
