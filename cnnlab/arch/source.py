"""Graph -> the source of an ordinary PyTorch module: one file to take away, which needs nothing but torch."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from itertools import pairwise
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
SHORT = 60
"""Characters of what may stand in a comprehension."""


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
    except _NotSo:
        return _Writer(graph, root, merge=False).file()


class _NotSo(Exception):
    """Blocks with options, or of any number of layers, cannot be one kind here: each form needs a class of its own."""


class _Writer:
    """Writes the classes of one network, those within others first."""

    def __init__(self, graph: Graph, root: Part, *, merge: bool) -> None:
        self.graph, self.layers, self.root = graph, graph.layers, root
        self.inplace = overwriting(graph.layers)
        self.forms = Forms(graph.layers, self.made, root, loops=merge)
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
            raise _NotSo
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
                raise _NotSo
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
        taken = {name for name in (step.attribute for step in kind.full.steps) if name in ("torch", "nn")}
        solved = numbers(columns, ends[0], ends[1], taken)
        self.flags[id(kind)] = [self.flag(kind, option, solved, ends) for option in kind.options]
        self.numbers[id(kind)] = solved

    def entry(self, part: Part) -> tuple[int, ...]:
        """What a container takes; what it concatenates first of all, if it takes any number."""
        return next(step.gives for step in part.steps if step.takes == part.takes) if part.star else part.takes

    def channels(self, images: tuple[int, ...]) -> int | None:
        return int(self.layers[images[0]].channels) if len(images) == 1 else None

    def flag(self, kind: Kind, option: Optional, solved: Numbers, ends: list[Any]) -> tuple[Optional, str, bool]:
        """When a block has an option: a condition on its arguments, or an argument of its own (then True)."""
        has = {n: any(s.attribute == option.result for s in part.steps) for n, part in enumerate(kind.parts)}
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
        name = name if self.alone(kind, option) or name == "residual" else f"with_{name}"
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
        if id(kind.full) in self.forms.dense:
            return self.loop(kind)
        solved, full = self.numbers[id(kind)], kind.full
        arguments = "".join(f", {a}" for a in solved.arguments)
        signature = wrap(f"def __init__(self{arguments}) -> None:", 4)
        named = [f"        {name} = {text}" for name, text in solved.named]
        if self.forms.inlined(full) and full is not self.root and not kind.options:
            sequence = self.sequential(kind, full, ())
            if "OrderedDict" not in sequence:
                call = wrap(f"super().__init__{sequence.removeprefix('nn.Sequential')}", 8)
                return "\n".join([f"class {self.names[id(kind)]}(nn.Sequential):", *signature, *named, *call]) + "\n"
        lines = [f"class {self.names[id(kind)]}(nn.Module):", *signature, "        super().__init__()", *named]
        lines += self.init(kind)
        whole = [(o, self.alone(kind, o)) for o, _, _ in self.flags[id(kind)]]
        optional = [(o, f"self.{self.switch(kind, o)}") for o, single in whole if not single]
        forward = Forward(self.layers, full, optional)
        header, body = forward.write(lambda step: self.called(kind, step))
        lines += ["", f"    def forward(self, {header}) -> Tensor:"]
        if len(full.gives) > 1:
            lines[-1] = f"    def forward(self, {header}) -> tuple[{', '.join(['Tensor'] * len(full.gives))}]:"
        for line in body:
            lines += wrap(line, 8)
        return "\n".join(lines) + "\n"

    def loop(self, kind: Kind) -> str:
        """The class of a dense block."""
        solved, prefix = self.numbers[id(kind)], self.forms.dense[id(kind.full)]
        inner = self.made(kind.full.steps[0])
        texts = dict(solved.texts)
        for slot in inner.slots:
            more = texts[(prefix, f"{slot.name} more")]
            texts[(prefix, slot.name)] += "" if more == "0" else f" + {more} * i"
        made = f"{inner.callee}({', '.join(arguments(inner, (prefix,), texts))})"
        signature = "".join(f", {a}" for a in solved.arguments)
        return (
            f"class {self.names[id(kind)]}(nn.Module):\n"
            f"    def __init__(self{signature}) -> None:\n        super().__init__()\n"
            f"        for i in range({texts[(prefix, 'layers')]}):\n"
            f'            self.add_module(f"{prefix}{{i + 1}}", {made})\n\n'
            "    def forward(self, x: Tensor) -> Tensor:\n        features = [x]\n"
            "        for layer in self.children():\n            features.append(layer(*features))\n"
            "        return torch.cat(features, 1)\n"
        )

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
        holders = self.holders(kind)
        for step in kind.full.steps:
            name = self.called(kind, step)
            if name in done or (isinstance(step, Leaf) and not self.made(step).callee):
                continue
            path = step.attribute.split(".")
            within = [".".join(path[: n + 1]) for n in range(len(path) - 1)]
            lines += [f"        {holders.pop(holder)}" for holder in within if holder in holders]
            done.add(name)
            made = self.one(kind, step, (step.attribute,))
            option, condition = conditions.get(step.attribute, (None, ""))
            if option is None or (not self.alone(kind, option) and self.free(step)):
                lines += self.assigned(name, step, made, 8)
            elif not self.alone(kind, option):
                lines += [f"        if self.{self.switch(kind, option)}:", *self.assigned(name, step, made, 12)]
            else:
                ternary = f"        {name} = {made} if {condition} else nn.Identity()"
                if len(ternary) <= WIDTH:
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
        holder, _, last = step.attribute.rpartition(".")
        if name.endswith("]"):
            return wrap(f"self.{holder}.append({made})", indent)
        if name.startswith("self.get_"):
            owner = f'self.get_submodule("{holder}")' if holder else "self"
            add = "register_parameter" if isinstance(self.op(step), ops.LayerScale) else "add_module"
            return wrap(f'{owner}.{add}("{last}", {made})', indent)
        return wrap(f"{name} = {made}", indent)

    def holders(self, kind: Kind) -> dict[str, str]:
        """Containers that are opened, so that their parts are called one by one -> the line that makes each."""
        steps = [step for step in kind.full.steps if isinstance(step, Part) or self.made(step).callee]
        steps = [step for step in steps if not isinstance(self.op(step), ops.Act)]
        found: dict[str, str] = {}
        for step in steps:
            path = step.attribute.split(".")[:-1]
            for holder in (".".join(path[: n + 1]) for n in range(len(path))):
                if any(other.attribute == holder for other in steps) or holder in found:
                    continue
                inside = [other.attribute.removeprefix(f"{holder}.") for other in steps]
                inside = [rest for rest, other in zip(inside, steps, strict=True) if rest != other.attribute]
                scales = any(isinstance(self.op(other), ops.LayerScale) for other in steps)
                numbered = not scales and inside == [str(n) for n in range(len(inside))] and holder.isidentifier()
                name = "ModuleList" if numbered else "Module"
                outer, _, last = holder.rpartition(".")
                plain = all(part.isidentifier() and not keyword.iskeyword(part) for part in holder.split("."))
                owner = f'self.get_submodule("{outer}")' if outer else "self"
                found[holder] = (
                    f"self.{holder} = nn.{name}()" if plain else f'{owner}.add_module("{last}", nn.{name}())'
                )
        return found

    def called(self, kind: Kind, step: Step) -> str:
        """How `forward` calls a step's submodule. Activations of one kind are one submodule: they hold nothing."""
        steps = kind.full.steps
        if isinstance(self.op(step), ops.Act):
            acts = {s.attribute: s for s in steps if isinstance(self.op(s), ops.Act)}
            texts = self.numbers[id(kind)].texts
            act = texts[(step.attribute, "act")]
            callees = {self.made(s).callee for s in acts.values() if texts[(s.attribute, "act")] == act}
            name = act.removeprefix("nn.").lower()
            name += "_" if len(callees) > 1 and self.made(step).callee != "inplace" else ""
            return f"self.{unique(name, {s.attribute for s in steps if s.attribute not in acts})}"
        for op, name in ((ops.Shuffle, "shuffle"), (ops.AdaptivePool, "pool")):
            alike = [s for s in steps if isinstance(self.op(s), op)]
            called = alike == [step] and self.layers[step.gives[0]].called
            if called and all(s.attribute != name for s in steps):
                return f"self.{name}"
        holder, _, last = step.attribute.rpartition(".")
        numbered = last.isdigit() and "ModuleList" in self.holders(kind).get(holder, "")
        if numbered:
            return f"self.{holder}[{last}]"
        text = reference(step.attribute)
        return text.replace("get_submodule", "get_parameter") if isinstance(self.op(step), ops.LayerScale) else text

    def op(self, step: Step) -> ops.Op | None:
        """What a leaf does; None for a container."""
        return self.layers[step.gives[0]].op if isinstance(step, Leaf) else None

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
        return f"nn.Sequential(OrderedDict(({', '.join(items)}{',' * (len(items) == 1)})))"


def reference(attribute: str) -> str:
    """How a class calls its submodule of this name, which may be a path."""
    plain = all(part.isidentifier() and not keyword.iskeyword(part) for part in attribute.split("."))
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
    """The texts; three or more equal ones in a row, or four whose one number grows evenly, as a comprehension."""
    n = 0
    while n < len(texts):
        m = n
        while m < len(texts) and texts[m] == texts[n]:
            m += 1
        growing, pattern = _growing(texts[n:])
        if m - n >= 3 and texts[n] != "nn.Identity()" and len(texts[n]) <= SHORT:
            yield f"*[{texts[n]} for _ in range({m - n})]"
        elif growing >= 4 and len(pattern) <= SHORT:
            yield f"*[{pattern} for i in range({growing})]"
            m = n + growing
        else:
            yield from texts[n:m]
        n = m


def _growing(texts: list[str]) -> tuple[int, str]:
    """How many of the texts, from the first, differ only in one number that grows evenly, and their pattern in i."""
    pieces = [re.split(r"(?<![\w.])(\d+)(?![\w.])", text) for text in texts[:2]]
    if len(pieces) < 2 or len(pieces[0]) != len(pieces[1]):
        return 0, ""
    places = [k for k, (a, b) in enumerate(zip(*pieces, strict=True)) if a != b]
    if len(places) != 1 or places[0] % 2 == 0:
        return 0, ""
    at, (first, second) = places[0], (piece[places[0]] for piece in pieces)
    more, count = int(second) - int(first), 0
    head, tail = "".join(pieces[0][:at]), "".join(pieces[0][at + 1 :])
    while more > 0 and count < len(texts) and texts[count] == f"{head}{int(first) + more * count}{tail}":
        count += 1
    return count, f"{head}{first} + {more} * i{tail}"


def wrap(line: str, indent: int) -> list[str]:
    """A line of code as lines that fit: what stands in its last brackets gets a line for each item."""
    start, items, end = _brackets(line)
    if indent + len(line) <= WIDTH or not items:
        return [" " * indent + line]
    inner = [wrapped for text in items for wrapped in wrap(f"{text},", indent + 4)]
    return [" " * indent + line[: start + 1], *inner, " " * indent + line[end:]]


def _brackets(line: str) -> tuple[int, list[str], int]:
    """Where the last brackets of a line that stand in no others open, what they hold, and where they close."""
    start, end, depth = 0, 0, 0
    commas: list[int] = []
    for at, character in enumerate(line):
        if character in "([":
            if depth == 0:
                start, end, commas = at, at, [at]
            depth += 1
        elif character in ")]":
            depth -= 1
            end = at if depth == 0 else end
        elif character == "," and depth == 1:
            commas.append(at)
    commas.append(end)
    if len(commas) == 2 and not re.match(r"\w", line[start - 1 : start]):
        return start, [], end  # a comma would make a tuple of it
    items = [line[a + 1 : b].strip() for a, b in pairwise(commas)]
    return start, [item for item in items if item], end
