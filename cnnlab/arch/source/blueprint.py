"""What the source of a network is to say, before it is said: its classes in order, their names and arguments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnnlab.arch import layers as ops
from cnnlab.arch.graph import Graph
from cnnlab.arch.source.kinds import Forms, Kind, Optional
from cnnlab.arch.source.layers import HELPERS, Literal, Made, Slot, made
from cnnlab.arch.source.names import kind_name, network_name
from cnnlab.arch.source.numbers import Argument, Column, Key, Numbers, numbers, unique
from cnnlab.arch.source.parts import Leaf, Part, Step
from cnnlab.arch.storage import overwriting

LEARNED = (ops.Conv, ops.Linear, ops.BatchNorm, ops.LayerNorm, ops.LayerScale)
"""Layers with parameters."""


class NotSo(Exception):
    """Blocks with options, or of any number of layers, cannot be one kind here: each form needs a class of its own."""


class Blueprint:
    """The kinds of a network, those within others first, with all that their classes need to know.

    merge: whether blocks that differ by an option, or by their number of layers, may be one kind. Raises NotSo if then
    a kind would stand within itself, or its numbers follow no rule.
    """

    def __init__(self, graph: Graph, root: Part, *, merge: bool) -> None:
        self.layers, self.root = graph.layers, root
        self.inplace = overwriting(graph.layers)
        self.forms = Forms(graph.layers, self.made, root, loops=merge)
        self.kinds = self.forms.kinds(merge)
        self.place = {id(part): n for kind in self.kinds.values() for n, part in enumerate(kind.parts)}
        self.numbers: dict[int, Numbers] = {}
        self.conditions: dict[int, dict[Optional, str]] = {}
        self.taken = {"Tensor", "OrderedDict", "nn", "torch", *HELPERS}
        self.network = unique(network_name(graph.name), self.taken)
        self.names: dict[int, str] = {id(self.kinds[id(root)]): self.network}
        self.order: list[Kind] = []
        self.visit(self.kinds[id(root)], ())

    def visit(self, kind: Kind, within: tuple[int, ...]) -> None:
        """Name and solve this kind, after those that it needs."""
        if id(kind) in self.numbers:
            return
        if id(kind) in within:
            raise NotSo
        for part in kind.parts:
            for child in self.children(part):
                self.visit(self.kinds[id(child)], (*within, id(kind)))
        if id(kind) not in self.names:
            self.names[id(kind)] = unique(kind_name(kind.full, kind.parts, self.layers), self.taken)
        self.solve(kind)
        self.order.append(kind)

    def children(self, part: Part) -> Iterator[Part]:
        """The containers within this one that have a class."""
        for step in part.steps:
            if isinstance(step, Part):
                if id(step) in self.kinds:
                    yield step
                else:
                    yield from self.children(step)

    def made(self, step: Step) -> Made:
        """How a leaf, or a container with a class, is made."""
        if isinstance(step, Leaf):
            layer = self.layers[step.gives[0]]
            inputs = [self.layers[i] for i in layer.inputs]
            return made(layer, inputs, inplace=step.gives[0] in self.inplace)
        kind, at = self.kinds[id(step)], self.place[id(step)]
        slots = []
        for a in self.numbers[id(kind)].arguments:
            value = a.values.get(at, a.default)
            named = a.role != "channels" or a.default is not None
            slots.append(
                Slot(a.name, a.role, value, (Literal("") if a.default is None else a.default) if named else None)
            )
        return Made(self.names[id(kind)], tuple(slots))

    def slots(self, part: Part, path: Key = ()) -> Iterator[tuple[Key, Slot]]:
        """Every number in this container, down to the containers that have a class."""
        if id(part) in self.forms.dense:
            yield from self.progression(part)
            return
        for step in part.steps:
            here = (*path, step.attribute)
            if isinstance(step, Part) and id(step) not in self.kinds:
                yield from self.slots(step, here)
                continue
            yield from (((*here, slot.name), slot) for slot in self.made(step).slots)

    def progression(self, part: Part) -> Iterator[tuple[Key, Slot]]:
        """The numbers of a dense block: how many layers, and each number of the first with its step to the next."""
        prefix, layers = self.forms.dense[id(part)], part.steps[:-1]
        yield (prefix, "layers"), Slot("layers", "layers", len(layers))
        for first, *others in zip(*(self.made(layer).slots for layer in layers), strict=True):
            more = others[0].value - first.value if type(first.value) is int else 0
            if any(other.value != first.value + more * n for n, other in enumerate(others, 1)):
                raise NotSo
            yield (prefix, first.name), first
            yield (prefix, f"{first.name} more"), Slot("more", "more", more)

    def solve(self, kind: Kind) -> None:
        """The arguments of a kind's constructor."""
        values: dict[Key, dict[int, Any]] = {}
        roles: dict[Key, str] = {}
        for n, part in enumerate([kind.full, *kind.parts]):  # the fullest first: its order is the order of all
            for key, slot in self.slots(part):
                roles[key] = slot.role
                values.setdefault(key, {})
                if n:
                    values[key][n - 1] = slot.value
        for key in values:
            if roles[key] == "rate":  # a block without stochastic depth has it at rate 0
                values[key] |= {n: values[key].get(n, 0.0) for n in range(len(kind.parts))}
        columns = [Column(key, roles[key], found) for key, found in values.items()]
        ends = [
            {n: self.channels(images) for n, images in enumerate(sides)}
            for sides in ([self.entry(p) for p in kind.parts], [p.gives for p in kind.parts])
        ]
        solved = numbers(columns, ends[0], ends[1], set())
        self.conditions[id(kind)] = {o: self.condition(kind, o, solved, ends) for o in kind.options}
        self.numbers[id(kind)] = solved

    def entry(self, part: Part) -> tuple[int, ...]:
        """What a container takes; what it concatenates first of all, if it takes any number."""
        return next(step.gives for step in part.steps if step.takes == part.takes) if part.star else part.takes

    def channels(self, images: tuple[int, ...]) -> int | None:
        return int(self.layers[images[0]].channels) if len(images) == 1 else None

    def condition(self, kind: Kind, option: Optional, solved: Numbers, ends: list[Any]) -> str:
        """When a block has an option: a condition on its arguments, or an argument of its own, which is added."""
        has = {n: any(s.attribute == option.result for s in part.steps) for n, part in enumerate(kind.parts)}
        for text, holds in self.tests(solved, ends):
            if holds == has:
                return text
            if all(holds[n] != has[n] for n in has):
                return text.replace("!=", "==").replace(" or ", " and ")
        adds = any(isinstance(self.op(s), ops.Add) for s in kind.full.steps if s.attribute in option.names)
        name = "residual" if adds else option.names[0] if self.alone(kind, option) else f"with_{option.names[0]}"
        taken = {s.attribute for s in kind.full.steps if s.attribute != option.names[0]}
        name = unique(name if name.isidentifier() else "option", {*taken, *(a.name for a in solved.arguments)})
        solved.arguments.append(Argument(name, "flag", has, False))
        return name

    def tests(self, solved: Numbers, ends: list[Any]) -> Iterator[tuple[str, dict[int, bool]]]:
        """Conditions that a class can put to its arguments, and in which blocks they hold; the usual one first."""
        stride = next((a for a in solved.arguments if a.name == "stride" and len(a.values) == solved.blocks), None)
        moved = {n: stride.values[n] != 1 for n in ends[0]} if stride else {}
        changed = {n: ends[0][n] != ends[1][n] for n in ends[0]}
        if {"channels", "width"} <= {a.name for a in solved.arguments}:
            if stride:
                yield "stride != 1 or channels != width", {n: changed[n] or moved[n] for n in changed}
            yield "channels != width", changed
        if stride:
            yield "stride != 1", moved

    def alone(self, kind: Kind, option: Optional) -> bool:
        """Whether an option is one submodule, so that nn.Identity can stand in its place."""
        steps = [step for step in kind.full.steps if step.attribute in option.names]
        step = steps[0]
        one = len(steps) == 1 and len(step.takes) == 1 and len(step.gives) == 1
        return one and (isinstance(step, Part) or (bool(self.made(step).callee) and self.made(step).module))

    def op(self, step: Step) -> ops.Op | None:
        """What a leaf does; None for a container."""
        return self.layers[step.gives[0]].op if isinstance(step, Leaf) else None
