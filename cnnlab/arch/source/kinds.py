"""Which containers of a network are of one kind, so that one class serves them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cnnlab.arch import layers as ops
from cnnlab.arch.graph import Layer
from cnnlab.arch.source.layers import Made, operation
from cnnlab.arch.source.parts import Leaf, Part, Step, dense_prefix, is_chain

Form: TypeAlias = tuple[Any, ...]
"""A container without its numbers: (star, images taken, steps, names of what is given)."""


@dataclass(frozen=True)
class Optional:
    """Steps that some blocks of a kind do not have. source: what then stands in the place of what they give."""

    names: tuple[str, ...]
    source: str
    result: str


@dataclass
class Kind:
    """Containers that one class serves. full: one of them that has every step."""

    full: Part
    parts: list[Part] = field(default_factory=list)
    options: tuple[Optional, ...] = ()


def outputs(step: Step) -> tuple[str, ...]:
    """The names of what a step gives."""
    return (step.attribute,) if len(step.gives) == 1 else tuple(f"{step.attribute}#{n}" for n in range(len(step.gives)))


def references(part: Part) -> dict[int, str]:
    """Position of a layer -> the name that its image has within this container."""
    names = {i: f"x#{n}" for n, i in enumerate(part.takes)}
    for step in part.steps:
        names |= dict(zip(step.gives, outputs(step), strict=True))
    return names


class Forms:
    """The form of each container, and the kinds that follow from them."""

    def __init__(self, layers: Sequence[Layer], make: Callable[[Leaf], Made], root: Part, *, loops: bool) -> None:
        self.layers, self.make, self.root = layers, make, root
        self.forms: dict[int, Form] = {}
        self.all: dict[Form, list[Part]] = defaultdict(list)
        self.depths: dict[Form, set[int]] = defaultdict(set)
        self.dense: dict[int, str] = {}
        self.loops = loops
        self.read(root)

    def read(self, part: Part, depth: int = 0) -> Form:
        """The form of this container; those within are read too."""
        names = references(part)
        steps: list[Any] = []
        for step in part.steps:
            what = self.read(step, depth + 1) if isinstance(step, Part) else self.leaf(step)
            whole = isinstance(step, Leaf) and part.star and step.takes == part.takes
            steps.append((step.attribute, what, ("*",) if whole else tuple(names[i] for i in step.takes)))
        prefix = dense_prefix(self.layers, part) if self.loops else ""
        inner = {self.forms[id(step)] for step in part.steps[:-1] if isinstance(step, Part)} if prefix else set()
        if len(inner) == 1:  # a dense block: of one kind with others, however many layers it has
            self.dense[id(part)] = prefix
            steps, names = [(prefix, *inner, ())], {i: "dense" for i in part.gives}
        form = (part.star, 1 if part.star else len(part.takes), tuple(steps), tuple(names[i] for i in part.gives))
        self.forms[id(part)] = form
        self.depths[form].add(depth)
        self.all[form].append(part)
        return form

    def leaf(self, leaf: Leaf) -> Form:
        layer, made = self.layers[leaf.gives[0]], self.make(leaf)
        return type(layer.op).__name__, made.callee, len(leaf.gives), operation(layer) if len(leaf.gives) == 1 else ()

    def inlined(self, part: Part) -> bool:
        """Whether nn.Sequential can say it."""
        return is_chain(part) and all(isinstance(step, Part) or self.make(step).module for step in part.steps)

    def kinds(self, merge: bool = True) -> dict[int, Kind]:
        """For each container that is to have a class (by id) its kind."""
        found: dict[Form, Kind] = {}
        for form in sorted(self.all, key=lambda f: -len(f[2])):
            part = self.all[form][0]
            if form in found or part is self.root or self.inlined(part):
                continue
            found[form] = kind = Kind(part, list(self.all[form]))
            for smaller, option in _smaller(form, self.all) if merge and form[:2] == (False, 1) else ():
                beside = self.depths[form] & self.depths[smaller] and self.root not in self.all[smaller]
                if smaller in found or not beside or not self.fits(option, kind):
                    continue
                found[smaller] = kind
                kind.parts += self.all[smaller]
                if option not in kind.options and self.drops(part, option) is None:
                    kind.options += (option,)
        for form, parts in self.all.items():
            if form not in found and self.repeated(form, found):
                found[form] = Kind(parts[0], list(parts))
        found[self.forms[id(self.root)]] = Kind(self.root, [self.root])
        return {id(part): kind for form, kind in found.items() for part in self.all[form]}

    def fits(self, option: Optional, kind: Kind) -> bool:
        """Whether it leaves out no single layer with parameters, and nothing that another option has."""
        steps = [step for step in kind.full.steps if step.attribute in option.names]
        learned = (ops.Conv, ops.Linear, ops.BatchNorm, ops.LayerNorm, ops.LayerScale)
        if any(isinstance(step, Leaf) and isinstance(self.layers[step.gives[0]].op, learned) for step in steps):
            return False
        return all(option == other or not {*option.names} & {*other.names} for other in kind.options)

    def drops(self, part: Part, option: Optional) -> float | None:
        """The rate, if all that the option leaves out is stochastic depth: a block without has it at rate 0."""
        for step in part.steps:
            if option.names == (step.attribute,) and isinstance(step, Leaf):
                op = self.layers[step.gives[0]].op
                return op.rate if isinstance(op, ops.DropPath) else None
        return None

    def repeated(self, form: Form, found: dict[Form, Kind]) -> bool:
        """Whether a chain of layers would otherwise be written out in several places."""
        part = self.all[form][0]
        if not all(isinstance(step, Leaf) for step in part.steps) or len(part.steps) < 2:
            return False
        places = {place for place, inner in self.places(self.root, (), found) if inner == form}
        return len(places) >= 2 and len(places) * len(part.steps) >= 6

    def places(self, part: Part, place: tuple[Any, ...], found: dict[Form, Kind]) -> Iterator[tuple[Any, Form]]:
        """Every container with the class that it is written in and its path there."""
        for step in part.steps:
            if isinstance(step, Part):
                form = self.forms[id(step)]
                yield (*place, step.attribute), form
                kind = found.get(form)
                yield from self.places(step, (id(kind),) if kind else (*place, step.attribute), found)


def _smaller(form: Form, known: Any) -> Iterator[tuple[Form, Optional]]:
    """The known forms that are this one without a few steps in a row."""
    star, takes, steps, gives = form
    for a in range(len(steps)):
        for b in range(a + 1, min(a + 4, len(steps)) + 1):
            inside = [name for name, _, _ in steps[a:b]]
            sources = {ref for _, _, refs in steps[a:b] for ref in refs if ref.split("#")[0] not in inside}
            after = [ref for _, _, refs in steps[b:] for ref in refs] + list(gives)
            results = {ref for ref in after if ref.split("#")[0] in inside}
            inner = [ref for _, _, refs in steps[a:b] for ref in refs if ref in inside]
            if len(results) != 1 or results != {steps[b - 1][0]} or sorted(inner) != sorted(inside[:-1]):
                continue
            for source in sorted(sources):

                def swap(refs: Any, result: str = inside[-1], source: str = source) -> tuple[str, ...]:
                    return tuple(source if ref == result else ref for ref in refs)

                rest = tuple((name, what, swap(refs)) for name, what, refs in (*steps[:a], *steps[b:]))
                smaller = (star, takes, rest, swap(gives))
                if rest and smaller in known:
                    yield smaller, Optional(tuple(inside), source, inside[-1])
