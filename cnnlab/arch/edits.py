"""Edits: a network with some rows of its table changed, or with another block in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from cnnlab.arch.architecture import Architecture, Block, Stage
from cnnlab.arch.blocks import basic, bottleneck, fused_mbconv, mbconv, plain
from cnnlab.arch.whole import check_int, check_real, is_array, named

Edits: TypeAlias = Mapping[int, Mapping[str, Any]]
"""stage (1 is the first) -> field -> new value."""

BLOCKS: Mapping[str, Block] = {b.__name__: b for b in (plain, basic, bottleneck, mbconv, fused_mbconv)}
"""The blocks that can take another's place."""

FIELDS = ("block", "depth", "width", "kernel", "expand", "se")
"""What can be changed in a row, in the order in which it is done. The last three are options that some blocks take."""

OUT = {bottleneck: 4}
"""Channels that a block puts out for each channel of its width, where that is not one."""

MOST_DEPTH, MOST_WIDTH, MOST_KERNEL, MOST_TIMES = 1_000, 10_000, 31, 64
"""The most blocks and channels, the largest kernel (px) and the largest expansion that an edit may ask for."""

KIN: tuple[frozenset[Block], ...] = (frozenset({mbconv, fused_mbconv}), frozenset({basic, bottleneck}))
"""Blocks that mean the same by an option of the same name."""


def edited(arch: Architecture, edits: Edits) -> Architecture:
    """The architecture with rows changed: edits[3] = {"kernel": 5, "depth": 4} is of the third stage.

    block: one of `BLOCKS`; the stage goes on putting out as many channels (a bottleneck of width 64 becomes a basic
    block of 256), and keeps those options that the new block understands in the same sense. depth: blocks. width:
    channels, of a bottleneck those inside it. kernel, expand, se: options of the block (se: 0 for none).

    Raises ValueError or TypeError, as a sentence, for a stage that the network has not, for a field or a value that
    its block does not take, and for an architecture that holds arrays.

    >>> import cnnlab as cl
    >>> thin = edited(cl.architecture("resnet50"), {4: {"block": "basic", "depth": 2}})
    >>> thin.stages[3].block.__name__, thin.stages[3].width, thin.cost().params
    ('basic', 2048, 144830504)
    """
    stages = list(arch.stages)
    for number, changes in edits.items():
        where = f"stage{number} of {arch.name}"
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"edits[{number!r}] of {arch.name}: a stage goes by its number, from 1 to {len(stages)}")
        if number not in range(1, len(stages) + 1):
            raise ValueError(f"{where}: there is no such stage; it has stages 1 to {len(stages)}")
        if not isinstance(changes, Mapping):
            raise TypeError(f"{where}: {changes!r}: it must be fields with values, such as {{'kernel': 5}}")
        stages[number - 1] = _changed(where, stages[number - 1], changes)
    words = [f"{number}.{field}={value}" for number, changes in edits.items() for field, value in changes.items()]
    return replace(arch, name=" ".join([arch.name, *words]), stages=tuple(stages))


def _changed(where: str, stage: Stage, changes: Mapping[str, Any]) -> Stage:
    odd = [field for field in changes if field not in FIELDS]
    if odd:
        raise ValueError(f"{where}: {odd[0]!r} cannot be edited; it must be one of {', '.join(FIELDS)}")
    if is_array(stage.depth) or is_array(stage.width):
        raise ValueError(f"{where} holds arrays, so it is many stages; edit one of numbers")
    for field in (field for field in FIELDS if field in changes):
        value = changes[field]
        if field == "block":
            stage = _with_block(where, stage, value)
        elif field == "depth":
            stage = replace(stage, depth=named(where, check_int, field, value, most=MOST_DEPTH))
        elif field == "width":
            stage = replace(stage, width=named(where, check_int, field, value, most=MOST_WIDTH))
        else:
            if field not in options_of(stage.block):
                takes = ", ".join(("depth", "width", *options_of(stage.block)))
                name = getattr(stage.block, "__name__", repr(stage.block))
                raise ValueError(f"{where}: its block, {name}, takes no {field}; it takes {takes}")
            stage = replace(stage, options={**stage.options, field: _option(where, stage.block, field, value)})
    return stage


def options_of(block: Block) -> tuple[str, ...]:
    """Which of kernel, expand and se a block takes.

    >>> options_of(mbconv), options_of(plain)
    (('kernel', 'expand', 'se'), ())
    """
    return tuple(field for field in FIELDS[3:] if field in _defaults(block))


def option(stage: Stage, field: str) -> Any:
    """The value of an option in this stage: its own, or the block's default."""
    return stage.options.get(field, _defaults(stage.block)[field])


def _defaults(block: Block) -> dict[str, Any]:
    return getattr(block, "__kwdefaults__", None) or {}


def _with_block(where: str, stage: Stage, name: Any) -> Stage:
    if not isinstance(name, str) or name not in BLOCKS:
        raise ValueError(f"{where}: block={name!r}: it must be one of {', '.join(BLOCKS)}")
    block = BLOCKS[name]
    if block is stage.block:
        return stage
    kin = any({block, stage.block} <= family for family in KIN)
    options = {k: v for k, v in stage.options.items() if kin and k in _defaults(block)}
    width = max(1, stage.width * OUT.get(stage.block, 1) // OUT.get(block, 1))
    return replace(stage, block=block, width=width, options=options)


def _option(where: str, block: Block, field: str, value: Any) -> Any:
    usual = _defaults(block)[field]
    if isinstance(usual, bool):  # MobileNetV3's squeeze-excite is there or is not
        return value if isinstance(value, bool) else bool(named(where, check_real, field, value, least=0, most=1))
    if isinstance(usual, float) or block.__annotations__.get(field) in ("float", float):
        limits = {"least": 0, "most": 1} if field == "se" else {"above": 0, "most": MOST_TIMES}
        return named(where, check_real, field, value, **limits)
    size = named(where, check_int, field, value, most=MOST_KERNEL if field == "kernel" else MOST_TIMES)
    if field == "kernel" and size % 2 == 0:
        raise ValueError(f"{where}: kernel={size}: it must be odd, so that the image keeps its size")
    return size
