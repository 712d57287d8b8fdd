"""The numbers in which the blocks of one kind differ, as few constructor arguments, and the others in terms of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from cnnlab.arch.source.layers import Literal

Key: TypeAlias = tuple[str, ...]
"""Where a number stands: the path of its layer within the block, then the argument's name."""

Values: TypeAlias = Mapping[int, Any]
"""What a number is in each block (by its place in the list of all of the kind) that has it."""

TYPES = {"act": "type[nn.Module]", "eps": "float", "momentum": "float", "rate": "float", "initial": "float"}
TYPES |= {"bias": "bool", "ceil": "bool", "flag": "bool"}
USUAL: Mapping[str, Any] = {
    "stride": 1,
    "dilation": 1,
    "flag": False,
    "rate": 0.0,
    "groups": 1,
    "bias": True,
    "ceil": False,
}


class Column(NamedTuple):
    """One number of a block, over all blocks of its kind."""

    key: Key
    role: str
    values: Values


@dataclass
class Argument:
    """A constructor argument. default: the value that a call may leave out, or None."""

    name: str
    role: str
    values: Values
    default: Any = None

    def __str__(self) -> str:
        """As a signature has it: "stride: int = 1"."""
        kinds = {type(value) for value in self.values.values()}
        kind = TYPES.get(self.role, "int" if tuple not in kinds else "int | tuple[int, int]")
        kind = "tuple[int, ...]" if self.role == "sides" else kind
        return f"{self.name}: {kind}" + (f" = {self.default!r}" if self.default is not None else "")


@dataclass
class Numbers:
    """arguments: of the constructor. named: what it computes first, (name, expression). texts: of every number."""

    blocks: int
    arguments: list[Argument]
    named: list[tuple[str, str]] = field(default_factory=list)
    texts: dict[Key, str] = field(default_factory=dict)


def numbers(columns: Sequence[Column], enters: Values, leaves: Values, taken: set[str]) -> Numbers:
    """Arguments and expressions for these columns. enters, leaves: the channels of the image that each block takes and
    gives, None where there are several. taken: names that are not to be used."""
    ends = [Argument("channels", "channels", enters), Argument("width", "channels", leaves)]
    known = [end for end in ends if None not in end.values.values()]
    made: list[Argument] = []
    forms: dict[Key, tuple[str, tuple[Argument, ...]]] = {}
    for column in columns:
        values = list(column.values.values())
        constant = all(value == values[0] and type(value) is type(values[0]) for value in values)
        # What only some blocks have may be constant there, and yet be the number by another name.
        form = None if constant and len(values) == len(enters) else next(_relations(column, [*known, *made]), None)
        if form is None and constant:
            form = (code(values[0]), ())
        if form is None:
            made.append(Argument("/".join(column.key), column.role, column.values))
            form = ("{}", (made[-1],))
        forms[column.key] = form
    used = {id(argument) for _, arguments in forms.values() for argument in arguments}
    chosen = [argument for argument in [*known, *made] if id(argument) in used]
    _name(chosen, made, {"self", "x", *taken, *(end.name for end in known)})
    blocks = len(enters)
    for argument in chosen:
        usual = USUAL.get(argument.role)
        if len(argument.values) < blocks or usual in argument.values.values():
            argument.default = usual
        if len(argument.values) < blocks and usual is None:
            argument.default = next(iter(argument.values.values()))
    chosen.sort(key=lambda a: (a.default is not None, a.role != "channels"))
    result = Numbers(blocks, chosen)
    result.texts = {key: text.format(*(a.name for a in arguments)) for key, (text, arguments) in forms.items()}
    wide = {column.key for column in columns if column.role in ("channels", "groups")}
    _share(
        result,
        {key for key, (_, arguments) in forms.items() if arguments and key in wide},
        {*taken, *(a.name for a in chosen)},
    )
    return result


def code(value: Any) -> str:
    """A value as Python writes it."""
    return str(value) if isinstance(value, Literal) else repr(value)


def _relations(column: Column, known: Sequence[Argument]) -> Iterator[tuple[str, tuple[Argument, ...]]]:
    """Ways to compute a column from arguments, the simplest first."""
    wide = [a for a in known if column.values.keys() <= a.values.keys()]
    same = [a for a in wide if a.role == column.role]
    pairs = {id(a): [(a.values[i], value) for i, value in column.values.items()] for a in wide}
    yield from (("{}", (a,)) for a in same if all(p == v and type(p) is type(v) for p, v in pairs[id(a)]))
    if column.role == "padding":
        for a in wide:
            if a.role == "kernel" and all(type(p) is int and p // 2 == v for p, v in pairs[id(a)]):
                yield "{} // 2", (a,)
    if column.role == "groups":
        same = [a for a in wide if a.role == "channels"]
        yield from (("{}", (a,)) for a in same if all(p == v for p, v in pairs[id(a)]))
    if column.role not in ("channels", "groups"):
        return
    for a in same:
        first, value = pairs[id(a)][0]
        times, into, more = value // first if first else 0, first // value if value else 0, value - first
        if times > 1 and all(p * times == v for p, v in pairs[id(a)]):
            yield f"{times} * {{}}", (a,)
        if into > 1 and all(p % into == 0 and p // into == v for p, v in pairs[id(a)]):
            yield f"{{}} // {into}", (a,)
        if more and all(p + more == v for p, v in pairs[id(a)]):
            yield f"{{}} {'+' if more > 0 else '-'} {abs(more)}", (a,)
    for n, a in enumerate(same):
        for b in same[n + 1 :]:
            if all(a.values[i] + b.values[i] == v for i, v in column.values.items()):
                yield "{} + {}", (a, b)
            if all(a.values[i] - b.values[i] == v for i, v in column.values.items()):
                yield "{} - {}", (a, b)


def _name(chosen: Sequence[Argument], made: Sequence[Argument], taken: set[str]) -> None:
    """Names for the new arguments: by role; several widths by the layers that they belong to."""
    widths = [a for a in made if a in chosen and a.role == "channels"]
    places = [a.name.rpartition("/")[0] for a in widths]
    for argument in made:
        key = argument.name.split("/")
        name = {"rate": "drop", "initial": "scale"}.get(argument.role, argument.role)
        if argument.role == "channels":
            alone = places.count("/".join(key[:-1])) == 1
            name = "hidden" if len(widths) == 1 else "_".join(key[:-1] if alone else key)
            name = "".join(c if c.isalnum() else "_" for c in name)
            name = name if name.isidentifier() else f"n{name}"
        argument.name = unique(name, taken)


def unique(name: str, taken: set[str]) -> str:
    """The name, or the name with the first number that makes it new; it is then taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}" if name[-1].isdigit() else f"{name}{number}"
    taken.add(free)
    return free


def _share(result: Numbers, computed: set[Key], taken: set[str]) -> None:
    """Name the expressions that occur more than once."""
    texts = [result.texts[key] for key in result.texts if key in computed]
    for text in dict.fromkeys(texts):
        if texts.count(text) > 1 and not text.isidentifier():
            name = unique("hidden", taken)
            result.named.append((name, text))
            for key in computed:
                result.texts[key] = name if result.texts[key] == text else result.texts[key]
