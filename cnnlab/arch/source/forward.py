"""The `forward` of a container, as a student would write it: calls nested as long as nothing else needs the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Layer
from cnnlab.arch.source.kinds import Optional, outputs, references
from cnnlab.arch.source.layers import applied
from cnnlab.arch.source.parts import Leaf, Part, Step

LONG = 80
"""Characters of an expression that is given a name before more is done to it."""

STARTS = (op.Conv, op.Linear)
"""Layers that begin a new line: what they take has a name."""


@dataclass
class Held:
    """An image: as an expression, or as a variable once it has been assigned. reads: variables' images in it."""

    text: str
    loose: bool = False
    reads: tuple[str, ...] = ()
    variable: bool = False


class Forward:
    """Writes one `forward`. call: how it calls a step's submodule."""

    def __init__(self, layers: Sequence[Layer], part: Part, options: Sequence[tuple[Optional, str]]) -> None:
        self.layers, self.part = layers, part
        self.names = references(part)
        self.options = {option.result: (option, flag) for option, flag in options}
        self.skipped = {name: option for option, _ in options for name in option.names}
        self.held: dict[str, Held] = {}
        self.lines: list[str] = []
        self.left = self.count()

    def count(self) -> dict[str, int]:
        """How many steps still read each image, the return included."""
        left = dict.fromkeys(self.names.values(), 0)
        for step in self.part.steps:
            for i in step.takes:
                left[self.names[i]] += 1
        for option, _ in self.options.values():
            left[option.source] += 1
        for i in self.part.gives:
            left[self.names[i]] += 1
        return left

    def write(self, call: Callable[[Step], str]) -> tuple[str, list[str]]:
        """The arguments after self, and the lines."""
        takes = [self.names[i] for i in self.part.takes]
        variables = ["x"] if len(takes) == 1 else [f"x{n}" for n in range(len(takes))]
        for name, variable in zip(takes, variables, strict=True):
            self.held[name] = Held(variable, reads=(name,), variable=True)
        header = "*features: Tensor" if self.part.star else ", ".join(f"{v}: Tensor" for v in variables)
        if not self.part.gives:  # nobody calls it: it is there for its parameters
            return header, ["raise NotImplementedError"]
        for step in self.part.steps:
            if any(self.left[name] for name in outputs(step)):
                self.step(step, call(step))
        given = [self.held[self.names[i]].text for i in self.part.gives]
        self.lines.append(f"return {', '.join(given)}")
        return header, self.lines

    def step(self, step: Step, name: str) -> None:
        """Hold what this step gives; write the lines that it needs before it."""
        takes = [self.names[i] for i in step.takes]
        layer = self.layers[step.gives[0]] if isinstance(step, Leaf) else None
        for take in takes:
            if self.must_assign(take, layer):
                self.assign((take,))
        while sum(len(self.held[take].text) for take in takes) > LONG:
            longest = max((take for take in takes if not self.held[take].variable), key=self.length, default=None)
            if longest is None:
                break
            self.assign((longest,))
        images = [self.operand(take, layer, n) for n, take in enumerate(takes)]
        reads = tuple(read for take in takes for read in self.held[take].reads)
        for take in takes:  # an expression is used once
            if not self.held[take].variable:
                del self.held[take]
        if layer is None:
            text, loose = f"{name}({', '.join(images)})", False
        else:
            images = ["*features"] if self.part.star and step.takes == self.part.takes else images
            text, loose = applied(layer, name, images, len(step.gives))
        gives = outputs(step)
        if gives[0] in self.options:
            option, flag = self.options[gives[0]]
            source = self.held[option.source]
            text, loose, reads = f"{text} if {flag} else {source.text}", True, (*reads, *source.reads)
        for give in gives:
            self.held[give] = Held(text, loose, reads)
        if len(gives) > 1 or (self.left[gives[0]] != 1 and gives[0] not in self.skipped):
            self.assign(gives)

    def must_assign(self, name: str, layer: Layer | None) -> bool:
        """Whether this image needs a variable before the next step can use it."""
        held = self.held[name]
        if held.variable:
            return False
        if " if " in held.text:
            return True
        if isinstance(layer, Layer) and isinstance(layer.op, (op.Slice, op.Unflatten)):
            return True
        starts = layer is None or isinstance(layer.op, STARTS)
        return starts and not (held.text.endswith("]") and not held.loose) and name not in self.skipped

    def length(self, name: str) -> int:
        return len(self.held[name].text)

    def operand(self, name: str, layer: Layer | None, n: int) -> str:
        held = self.held[name]
        if not held.loose or layer is None:
            return held.text
        tight = isinstance(layer.op, (op.Multiply, op.Affine, op.LayerScale)) or (isinstance(layer.op, op.Add) and n)
        return f"({held.text})" if tight else held.text

    def assign(self, names: tuple[str, ...]) -> None:
        """Give these images (one, or all that a step gives) variables: those no longer needed, or new ones."""
        held = self.held[names[0]]
        for read in held.reads:
            self.left[read] -= 1
        free = [self.held[r].text for r in dict.fromkeys(held.reads) if not self.left[r] and self.held[r].variable]
        busy = {h.text for name, h in self.held.items() if h.variable and self.left[name]}
        waiting = [h for h in self.held.values() if not h.variable and h is not held]
        busy |= {self.held[r].text for h in waiting for r in h.reads}
        free = [variable for variable in free if variable not in busy]
        variables = []
        for name in names:
            if not self.left[name]:
                variables.append("_")
                continue
            variable = free.pop(0) if free else self.fresh(name, busy)
            busy.add(variable)
            variables.append(variable)
        self.lines.append(f"{', '.join(variables)} = {held.text}")
        for name, variable in zip(names, variables, strict=True):
            self.held[name] = Held(variable, reads=(name,), variable=True)

    def fresh(self, name: str, busy: set[str]) -> str:
        """A new variable: y, z, or the name of what made it."""
        stem = name.split("#")[0]
        stem = stem if stem.isidentifier() and stem not in RESERVED else "y"
        choices = ["y", "z"] if len(self.part.takes) == 1 else []
        later = [f"{stem}_{n}" for n in range(2, 9 + len(busy))]
        return next(v for v in [*choices, stem, *later] if v not in busy)


RESERVED = frozenset(("self", "torch", "nn", "Tensor", "features"))
"""Names that mean something else in `forward`."""
