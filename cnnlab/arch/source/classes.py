"""One class of the source: its constructor, and its `forward`."""

from __future__ import annotations

import keyword
import re

from cnnlab.arch import layers as ops
from cnnlab.arch.source.blueprint import LEARNED, Blueprint
from cnnlab.arch.source.forward import Forward
from cnnlab.arch.source.kinds import Kind, Optional
from cnnlab.arch.source.numbers import Key, unique
from cnnlab.arch.source.parts import Leaf, Part, Step
from cnnlab.arch.source.text import WIDTH, arguments, folded, reference, wrap


class ClassText:
    """Writes the class of one kind."""

    def __init__(self, plan: Blueprint, kind: Kind) -> None:
        self.plan, self.kind, self.full = plan, kind, kind.full
        self.name, self.numbers = plan.names[id(kind)], plan.numbers[id(kind)]
        self.texts, self.conditions = self.numbers.texts, plan.conditions[id(kind)]

    def write(self) -> str:
        """The class."""
        full, plan = self.full, self.plan
        if id(full) in plan.forms.dense:
            return self.loop()
        given = "".join(f", {a}" for a in self.numbers.arguments)
        signature = wrap(f"def __init__(self{given}) -> None:", 4)
        named = [f"        {name} = {text}" for name, text in self.numbers.named]
        if plan.forms.inlined(full) and full is not plan.root and not self.kind.options:
            sequence = self.sequential(full, ())
            if "OrderedDict" not in sequence:
                call = wrap(f"super().__init__{sequence.removeprefix('nn.Sequential')}", 8)
                return "\n".join([f"class {self.name}(nn.Sequential):", *signature, *named, *call]) + "\n"
        lines = [f"class {self.name}(nn.Module):", *signature, "        super().__init__()", *named]
        return "\n".join([*lines, *self.init(), "", *self.forward()]) + "\n"

    def forward(self) -> list[str]:
        """The method of that name."""
        optional = [(o, f"self.{self.switch(o)}") for o in self.conditions if not self.plan.alone(self.kind, o)]
        header, body = Forward(self.plan.layers, self.full, optional).write(self.called)
        many = len(self.full.gives)
        result = "Tensor" if many < 2 else f"tuple[{', '.join(['Tensor'] * many)}]"
        return [
            *wrap(f"def forward(self, {header}) -> {result}:", 4),
            *(text for line in body for text in wrap(line, 8)),
        ]

    def loop(self) -> str:
        """The class of a dense block."""
        prefix, inner = self.plan.forms.dense[id(self.full)], self.plan.made(self.full.steps[0])
        texts = dict(self.texts)
        for slot in inner.slots:
            more = texts[(prefix, f"{slot.name} more")]
            texts[(prefix, slot.name)] += "" if more == "0" else f" + {more} * i"
        made = f"{inner.callee}({', '.join(arguments(inner, (prefix,), texts))})"
        given = "".join(f", {a}" for a in self.numbers.arguments)
        return (
            f"class {self.name}(nn.Module):\n"
            f"    def __init__(self{given}) -> None:\n        super().__init__()\n"
            f"        for i in range({texts[(prefix, 'layers')]}):\n"
            f'            self.add_module(f"{prefix}{{i + 1}}", {made})\n\n'
            "    def forward(self, x: Tensor) -> Tensor:\n        features = [x]\n"
            "        for layer in self.children():\n            features.append(layer(*features))\n"
            "        return torch.cat(features, 1)\n"
        )

    def switch(self, option: Optional) -> str:
        """The attribute that says whether a block has an option."""
        text = self.conditions[option]
        return unique(text if text.isidentifier() else "residual", {step.attribute for step in self.full.steps})

    def init(self) -> list[str]:
        """The lines that make the submodules."""
        single = {o: self.plan.alone(self.kind, o) for o in self.conditions}
        lines = [f"        self.{self.switch(o)} = {text}" for o, text in self.conditions.items() if not single[o]]
        holders, done = self.holders(), set[str]()
        for step in self.full.steps:
            name = self.called(step)
            if name in done or (isinstance(step, Leaf) and not self.plan.made(step).callee):
                continue
            done.add(name)
            path = step.attribute.split(".")
            within = [".".join(path[: n + 1]) for n in range(len(path) - 1)]
            lines += [f"        {holders.pop(holder)}" for holder in within if holder in holders]
            lines += self.member(step, name)
        return lines

    def member(self, step: Step, name: str) -> list[str]:
        """The lines that make one submodule."""
        made = self.one(step, (step.attribute,))
        option = next((o for o in self.conditions if step.attribute in o.names), None)
        alone = option is not None and self.plan.alone(self.kind, option)
        free = isinstance(step, Leaf) and not isinstance(self.plan.op(step), LEARNED)
        if option is None or (free and not alone):
            return self.assigned(name, step, made, 8)
        if not alone:
            return [f"        if self.{self.switch(option)}:", *self.assigned(name, step, made, 12)]
        condition = self.conditions[option]
        if len(name) + len(made) + len(condition) + 34 <= WIDTH and "." not in step.attribute:
            return [f"        {name} = {made} if {condition} else nn.Identity()"]
        lines = [*self.assigned(name, step, "nn.Identity()", 8), f"        if {condition}:"]
        return [*lines, *self.assigned(name, step, made, 12)]

    def assigned(self, name: str, step: Step, made: str, indent: int) -> list[str]:
        holder, _, last = step.attribute.rpartition(".")
        if name.endswith("]"):
            return wrap(f"self.{holder}.append({made})", indent)
        if name.startswith("self.get_"):
            owner = f'self.get_submodule("{holder}")' if holder else "self"
            add = "register_parameter" if isinstance(self.plan.op(step), ops.LayerScale) else "add_module"
            return wrap(f'{owner}.{add}("{last}", {made})', indent)
        return wrap(f"{name} = {made}", indent)

    def holders(self) -> dict[str, str]:
        """Containers that are opened, so that their parts are called one by one -> the line that makes each."""
        steps = [step for step in self.full.steps if isinstance(step, Part) or self.plan.made(step).callee]
        steps = [step for step in steps if not isinstance(self.plan.op(step), ops.Act)]
        found: dict[str, str] = {}
        for step in steps:
            path = step.attribute.split(".")[:-1]
            for holder in (".".join(path[: n + 1]) for n in range(len(path))):
                if any(other.attribute == holder for other in steps) or holder in found:
                    continue
                inside = [other.attribute.removeprefix(f"{holder}.") for other in steps]
                inside = [rest for rest, other in zip(inside, steps, strict=True) if rest != other.attribute]
                scales = any(isinstance(self.plan.op(other), ops.LayerScale) for other in steps)
                numbered = not scales and inside == [str(n) for n in range(len(inside))] and holder.isidentifier()
                name = "ModuleList" if numbered else "Module"
                outer, _, last = holder.rpartition(".")
                plain = all(part.isidentifier() and not keyword.iskeyword(part) for part in holder.split("."))
                owner = f'self.get_submodule("{outer}")' if outer else "self"
                found[holder] = (
                    f"self.{holder} = nn.{name}()" if plain else f'{owner}.add_module("{last}", nn.{name}())'
                )
        return found

    def called(self, step: Step) -> str:
        """How `forward` calls a step's submodule. Activations of one kind are one submodule: they hold nothing."""
        steps = self.full.steps
        if isinstance(self.plan.op(step), ops.Act):
            acts = {s.attribute: s for s in steps if isinstance(self.plan.op(s), ops.Act)}
            texts = self.texts
            act = texts[(step.attribute, "act")]
            callees = {self.plan.made(s).callee for s in acts.values() if texts[(s.attribute, "act")] == act}
            name = act.removeprefix("nn.").lower()
            name += "_" if len(callees) > 1 and self.plan.made(step).callee != "inplace" else ""
            return f"self.{unique(name, {s.attribute for s in steps if s.attribute not in acts})}"
        for op, name in ((ops.Shuffle, "shuffle"), (ops.AdaptivePool, "pool")):
            alike = [s for s in steps if isinstance(self.plan.op(s), op)]
            called = alike == [step] and self.plan.layers[step.gives[0]].called
            if called and all(s.attribute != name for s in steps):
                return f"self.{name}"
        holder, _, last = step.attribute.rpartition(".")
        numbered = last.isdigit() and "ModuleList" in self.holders().get(holder, "")
        if numbered:
            return f"self.{holder}[{last}]"
        text = reference(step.attribute)
        return (
            text.replace("get_submodule", "get_parameter") if isinstance(self.plan.op(step), ops.LayerScale) else text
        )

    def one(self, step: Step, path: Key) -> str:
        """The expression that makes a step."""
        if isinstance(step, Part) and id(step) not in self.plan.kinds:
            return self.sequential(step, path)
        what, texts = self.plan.made(step), self.texts
        if isinstance(step, Leaf):
            layer = self.plan.layers[step.gives[0]]
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

    def sequential(self, part: Part, path: Key) -> str:
        """A chain, as nn.Sequential."""
        made = [self.one(step, (*path, step.attribute)) for step in part.steps]
        numbered = [int(s.attribute) if re.fullmatch(r"0|[1-9]\d*", s.attribute) else -1 for s in part.steps]
        if numbered == sorted(set(numbered)) and -1 not in numbered and numbered[-1] < 2 * len(made):
            filled = ["nn.Identity()"] * (numbered[-1] + 1)
            for n, text in zip(numbered, made, strict=True):
                filled[n] = text
            return f"nn.Sequential({', '.join(folded(filled))})"
        names = [step.attribute for step in part.steps]
        if all(name.isidentifier() and not keyword.iskeyword(name) for name in names):
            items = [f"{name}={text}" for name, text in zip(names, made, strict=True)]
            return f"nn.Sequential(OrderedDict({', '.join(items)}))"
        items = [f'("{name}", {text})' for name, text in zip(names, made, strict=True)]
        return f"nn.Sequential(OrderedDict(({', '.join(items)}{',' * (len(items) == 1)})))"
