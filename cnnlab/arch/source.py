"""Graph -> the source of an ordinary PyTorch module: one file to take away, which needs nothing but torch."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Any

from cnnlab.arch import layers as ops
from cnnlab.arch.graph import Graph
from cnnlab.arch.schema import unfolded
from cnnlab.arch.source_forward import Forward
from cnnlab.arch.source_kinds import Forms, Kind, Optional
from cnnlab.arch.source_layers import HELPERS, Literal, Made, Slot, made
from cnnlab.arch.source_names import kind_name, network_name
from cnnlab.arch.source_numbers import Argument, Column, Key, Numbers, code, numbers, unique
from cnnlab.arch.source_parts import Leaf, Part, Step, tree
from cnnlab.arch.storage import overwriting

WIDTH = 120
CALL = 100
"""Columns of a call in `__init__` before its arguments get a line each."""


def to_pytorch(graph: Graph) -> str:
    """The network as one standalone .py file: a class for each kind of block, and one for the whole.

    `model.load_state_dict(graph.module().state_dict())` moves weights over by name; the logits are then the same.
    Repeated blocks are one class, whose constructor takes the numbers in which they differ. Raises ValueError for a
    folded graph, arrays, two layers of one name, and an op that has no PyTorch source.

    >>> import cnnlab as cl
    >>> print(cl.architecture("resnet18").graph().to_pytorch())  # doctest: +ELLIPSIS
    \"""resnet18: 224 x 224 px, 11,689,512 parameters, 1,814,073,344 multiply-adds.
    ...
    class BasicBlock(nn.Module):
    ...
    """
    unfolded(graph, "PyTorch source")
    names = [layer.name for layer in graph.layers]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{graph.name}: two layers are called {twice}; give each a name of its own")
    root = tree(graph)
    try:
        return _Writer(graph, root, merge=True).file()
    except RecursionError:  # two kinds that stand within each other, because blocks with options are one kind
        return _Writer(graph, root, merge=False).file()


class _Writer:
    """Writes the classes of one network, those within others first."""

    def __init__(self, graph: Graph, root: Part, *, merge: bool) -> None:
        self.graph, self.layers, self.root = graph, graph.layers, root
        self.inplace = overwriting(graph.layers)
        self.forms = Forms(graph.layers, self.made, root)
        self.kinds = self.forms.kinds(merge)
        self.numbers: dict[int, Numbers] = {}
        self.flags: dict[int, list[tuple[Optional, str, bool]]] = {}
        self.place: dict[int, int] = {id(p): n for kind in self.kinds.values() for n, p in enumerate(kind.parts)}
        self.names: dict[int, str] = {}
        self.taken = {"Tensor", "OrderedDict", "nn", "torch", *HELPERS}
        self.classes: list[str] = []

    def file(self) -> str:
        """The whole text."""
        network = unique(network_name(self.graph.name), self.taken)
        self.names[id(self.kinds[id(self.root)])] = network
        self.write(self.kinds[id(self.root)], ())
        body = "\n\n".join(self.classes)
        helpers = [text for name, text in HELPERS.items() if f"{name}(" in body]
        imports = ["from collections import OrderedDict\n"] * ("OrderedDict(" in body)
        imports.append("import torch" * ("torch." in body.replace("nn.Module", "")))
        imports.append("from torch import Tensor, nn")
        head = "\n".join(line for line in imports if line)
        return f"{self.docstring(network)}\n\n{head}\n\n\n" + "\n\n".join([*helpers, body])

    def docstring(self, network: str) -> str:
        cost, size = self.graph.cost(), self.graph.input.size
        return (
            f'"""{self.graph.name}: {size} x {size} px, {cost.params:,} parameters, {cost.macs:,} multiply-adds.\n\n'
            "Written by cnnlab from its description of the network; it needs only torch. Weights go over by name:\n\n"
            f"    model = {network}()\n"
            '    model.load_state_dict(torch.load("weights.pt"))  # of torch.save(graph.module().state_dict(), ...)\n'
            '"""'
        )

    # Kinds.

    def write(self, kind: Kind, within: tuple[int, ...]) -> None:
        """Write the class of this kind, after those that it needs."""
        if id(kind) in self.numbers:
            return
        if id(kind) in within:
            raise RecursionError
        for part in kind.parts:
            for child in self.children(part):
                self.write(self.kinds[id(child)], (*within, id(kind)))
        if id(kind) not in self.names:
            self.names[id(kind)] = unique(kind_name(kind.full, kind.parts, self.layers), self.taken)
        self.solve(kind)
        self.classes.append(self.text(kind))

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
            slots.append(Slot(a.name, a.role, value, a.default if a.role != "channels" else None))
            if a.role != "channels" and a.default is None:
                slots[-1] = Slot(a.name, a.role, value, Literal("always"))
        return Made(self.names[id(kind)], tuple(slots))

    def slots(self, part: Part, path: Key = ()) -> Iterator[tuple[Key, Slot]]:
        """Every number in this container, down to the containers that have a class."""
        for step in part.steps:
            here = (*path, step.attribute)
            if isinstance(step, Part) and id(step) not in self.kinds:
                yield from self.slots(step, here)
                continue
            yield from (((*here, slot.name), slot) for slot in self.made(step).slots)

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
        columns = [Column(key, roles[key], found) for key, found in values.items()]
        ends = [
            {n: self.channels(ends) for n, ends in enumerate(sides)}
            for sides in ([p.takes for p in kind.parts], [p.gives for p in kind.parts])
        ]
        taken = {name for name in (step.attribute for step in kind.full.steps) if name in ("torch", "nn")}
        solved = numbers(columns, ends[0], ends[1], taken)
        self.flags[id(kind)] = [self.flag(kind, option, solved, ends) for option in kind.options]
        self.numbers[id(kind)] = solved

    def channels(self, images: tuple[int, ...]) -> int | None:
        return int(self.layers[images[0]].channels) if len(images) == 1 else None

    def flag(self, kind: Kind, option: Optional, solved: Numbers, ends: list[Any]) -> tuple[Optional, str, bool]:
        """When a block has an option: a condition on its arguments, or an argument of its own (then True)."""
        has = {n: any(s.attribute == option.names[0] for s in part.steps) for n, part in enumerate(kind.parts)}
        by_name = {a.name: a for a in solved.arguments}
        stride = [
            a for a in solved.arguments if a.role == "stride" and a.name == "stride" and len(a.values) == len(has)
        ]
        wide = {"channels", "width"} <= by_name.keys()
        changed = {n: ends[0][n] != ends[1][n] for n in has}
        moved = {n: stride[0].values[n] != 1 for n in has} if stride else {}
        tests = [("channels != width", changed)] * wide + [("stride != 1", moved)] * bool(stride)
        if wide and stride:
            tests.insert(0, ("stride != 1 or channels != width", {n: changed[n] or moved[n] for n in has}))
        for text, holds in tests:
            if holds == has:
                return option, text, False
            if all(holds[n] != has[n] for n in has):
                return option, text.replace("!=", "==").replace(" or ", " and "), False
        name = "residual" if self.adds(kind.full, option) else option.names[0]
        name = name if name.isidentifier() else "option"
        name = unique(name, {*by_name, *(s.attribute for s in kind.full.steps if s.attribute != option.names[0])})
        solved.arguments.append(Argument(name, "flag", has, False))
        return option, name, True

    def adds(self, part: Part, option: Optional) -> bool:
        leaves = [step for step in part.steps if isinstance(step, Leaf) and step.attribute in option.names]
        return any(isinstance(self.layers[leaf.gives[0]].op, ops.Add) for leaf in leaves)

    # Text.

    def text(self, kind: Kind) -> str:
        """A class."""
        solved, full = self.numbers[id(kind)], kind.full
        arguments = "".join(f", {a}" for a in solved.arguments)
        lines = [f"class {self.names[id(kind)]}(nn.Module):"]
        lines += wrap(f"def __init__(self{arguments}) -> None:", 4, WIDTH)
        lines.append(f"{' ' * 8}super().__init__()")
        for name, text in solved.named:
            lines.append(f"{' ' * 8}{name} = {text}")
        lines += self.init(kind)
        whole = [(o, self.alone(kind, o)) for o, _, _ in self.flags[id(kind)]]
        optional = [(o, f"self.{self.switch(kind, o)}") for o, single in whole if not single]
        forward = Forward(self.layers, full, optional)
        header, body = forward.write(lambda step: self.called(kind, step))
        lines += ["", f"    def forward(self, {header}) -> Tensor:"]
        if len(full.gives) > 1:
            lines[-1] = f"    def forward(self, {header}) -> tuple[{', '.join(['Tensor'] * len(full.gives))}]:"
        for line in body:
            lines += wrap(line, 8, WIDTH)
        return "\n".join(lines) + "\n"

    def alone(self, kind: Kind, option: Optional) -> bool:
        """Whether an option is one submodule, so that nn.Identity can stand in its place."""
        steps = [step for step in kind.full.steps if step.attribute in option.names]
        step = steps[0]
        one = len(steps) == 1 and len(step.takes) == 1 and len(step.gives) == 1
        return one and (isinstance(step, Part) or (bool(self.made(step).callee) and self.made(step).module))

    def switch(self, kind: Kind, option: Optional) -> str:
        """The attribute that says whether a block has an option."""
        text = next(text for o, text, _ in self.flags[id(kind)] if o == option)
        taken = {step.attribute for step in kind.full.steps}
        return unique(text if text.isidentifier() else "residual", taken)

    def init(self, kind: Kind) -> list[str]:
        """The lines that make the submodules."""
        lines: list[str] = []
        conditions = {name: (o, text) for o, text, _ in self.flags[id(kind)] for name in o.names}
        done: set[str] = set()
        for o, text, _ in self.flags[id(kind)]:
            if not self.alone(kind, o):
                lines.append(f"        self.{self.switch(kind, o)} = {text}")
        for step in kind.full.steps:
            name = self.called(kind, step)
            if name in done or (isinstance(step, Leaf) and not self.made(step).callee):
                continue
            done.add(name)
            made = self.one(kind, step, (step.attribute,))
            option, condition = conditions.get(step.attribute, (None, ""))
            if option is None or (not self.alone(kind, option) and self.free(step)):
                lines += self.assigned(name, step, made, 8)
            elif not self.alone(kind, option):
                lines += [f"        if self.{self.switch(kind, option)}:", *self.assigned(name, step, made, 12)]
            else:
                ternary = f"        {name} = {made} if {condition} else nn.Identity()"
                if len(ternary) <= CALL:
                    lines.append(ternary)
                else:
                    lines += [f"        {name} = nn.Identity()", f"        if {condition}:"]
                    lines += self.assigned(name, step, made, 12)
        return lines

    def free(self, step: Step) -> bool:
        """Whether a step has no parameters, so that it may stand in a block that does not use it."""
        kinds = (ops.Conv, ops.Linear, ops.BatchNorm, ops.LayerNorm, ops.LayerScale)
        return isinstance(step, Leaf) and not isinstance(self.layers[step.gives[0]].op, kinds)

    def assigned(self, name: str, step: Step, made: str, indent: int) -> list[str]:
        if name.startswith("self.get_submodule("):
            return wrap(f'self.add_module("{step.attribute}", {made})', indent, CALL)
        return wrap(f"{name} = {made}", indent, CALL)

    def called(self, kind: Kind, step: Step) -> str:
        """How `forward` calls a step's submodule. Activations of one kind are one submodule: they hold nothing."""
        if isinstance(step, Leaf) and isinstance(self.layers[step.gives[0]].op, ops.Act):
            texts = self.numbers[id(kind)].texts
            act = texts[(step.attribute, "act")]
            others = {s.attribute for s in kind.full.steps if not self.is_act(s)}
            name = act.removeprefix("nn.").lower()
            plain = "" if self.made(step).callee == "inplace" or name in ("gelu", "sigmoid", "tanh") else "_"
            same = {
                self.made(s).callee for s in kind.full.steps if self.is_act(s) and texts[(s.attribute, "act")] == act
            }
            name = name if len(same) == 1 else name + plain
            return f"self.{name}" if name not in others else f"self.{name}_act"
        return reference(step.attribute)

    def is_act(self, step: Step) -> bool:
        return isinstance(step, Leaf) and isinstance(self.layers[step.gives[0]].op, ops.Act)

    def one(self, kind: Kind, step: Step, path: Key) -> str:
        """The expression that makes a step."""
        if isinstance(step, Part) and id(step) not in self.kinds:
            return self.sequential(kind, step, path)
        what, texts = self.made(step), self.numbers[id(kind)].texts
        if isinstance(step, Leaf):
            layer = self.layers[step.gives[0]]
            match layer.op:
                case ops.Act():
                    return f"{texts[(*path, 'act')]}({'inplace=True' * (what.callee == 'inplace')})"
                case ops.LayerScale():
                    return (
                        f"nn.Parameter(torch.full(({texts[(*path, 'channels')]}, 1, 1), {texts[(*path, 'initial')]}))"
                    )
                case ops.PadChannels():
                    return f"nn.ZeroPad3d((0, 0, 0, 0, 0, {texts[(*path, 'more')]}))"
                case ops.Flatten():
                    return "nn.Flatten()"
        return f"{what.callee}({', '.join(arguments(what, path, texts))})"

    def sequential(self, kind: Kind, part: Part, path: Key) -> str:
        """A chain, as nn.Sequential."""
        made = [self.one(kind, step, (*path, step.attribute)) for step in part.steps]
        numbered = [int(s.attribute) if re.fullmatch(r"0|[1-9]\d*", s.attribute) else -1 for s in part.steps]
        if numbered == sorted(set(numbered)) and -1 not in numbered and numbered[-1] < 2 * len(made):
            filled = ["nn.Identity()"] * (numbered[-1] + 1)
            for n, text in zip(numbered, made, strict=True):
                filled[n] = text
            return f"nn.Sequential({', '.join(runs(filled))})"
        names = [step.attribute for step in part.steps]
        if all(name.isidentifier() and not keyword.iskeyword(name) for name in names):
            items = [f"{name}={text}" for name, text in zip(names, made, strict=True)]
            return f"nn.Sequential(OrderedDict({', '.join(items)}))"
        items = [f'("{name}", {text})' for name, text in zip(names, made, strict=True)]
        return f"nn.Sequential(OrderedDict(({', '.join(items)},)))"


def reference(attribute: str) -> str:
    plain = attribute.isidentifier() and not keyword.iskeyword(attribute)
    return f"self.{attribute}" if plain else f'self.get_submodule("{attribute}")'


def arguments(made: Made, path: Key, texts: dict[Key, str]) -> Iterator[str]:
    """What stands between the brackets of a call."""
    for slot in made.slots:
        text = texts[(*path, slot.name)]
        if slot.default is None:
            yield text
        elif text != code(slot.default):
            yield f"{slot.name}={text}"


def runs(texts: list[str]) -> Iterator[str]:
    """The texts, with three or more equal ones in a row as a comprehension."""
    n = 0
    while n < len(texts):
        m = n
        while m < len(texts) and texts[m] == texts[n]:
            m += 1
        if m - n >= 3 and texts[n] != "nn.Identity()":
            yield f"*[{texts[n]} for _ in range({m - n})]"
        else:
            yield from texts[n:m]
        n = m


def wrap(line: str, indent: int, limit: int) -> list[str]:
    """A line of code as lines of at most `limit` columns: what stands between brackets gets a line for each item."""
    if indent + len(line) <= limit or "(" not in line:
        return [" " * indent + line]
    start = line.index("(")
    items, depth, item, end = [], 0, "", start
    for end in range(start, len(line)):
        character = line[end]
        depth += (character in "([") - (character in ")]")
        if depth == 0:
            break
        if character == "," and depth == 1:
            items.append(item.strip())
            item = ""
        elif end > start:
            item += character
    items = [text for text in (*items, item.strip()) if text]
    if not items:
        return [" " * indent + line]
    inner = [wrapped for text in items for wrapped in wrap(f"{text},", indent + 4, limit)]
    return [" " * indent + line[: start + 1], *inner, " " * indent + line[end:]]
