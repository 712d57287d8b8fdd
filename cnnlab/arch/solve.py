"""Budgets: the largest setting of a knob that keeps to them, and all the settings of equal cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.bases import base_of
from cnnlab.arch.space import STEPS, Space
from cnnlab.arch.stairs import Settings, settings, turned
from cnnlab.arch.whole import Whole, check_real, is_array

if TYPE_CHECKING:
    import pandas as pd

Spent: TypeAlias = Mapping[str, NDArray[Any]]
"""What each setting costs, by the name of the budget."""

MULTIPLIERS = tuple(k / 10 for k in range(5, 31))
"""Depths or widths of an iso-cost line, where none are given."""


def solve(
    arch: Any,
    *,
    macs: float | None = None,
    params: float | None = None,
    activations: float | None = None,
    memory: float | None = None,
    knob: str = "width",
    batch: int = 1,
    dtype: str = "float32",
    optimizer: str = "sgd",
) -> Architecture:
    """The architecture at the largest setting of one knob that keeps to every budget given.

    arch: an Architecture, or the name of a family or of a network. macs, params, activations: absolute numbers, such
    as 4e8, for one image; memory: bytes that a training step holds, with this batch, dtype and optimizer
    (`Memory.training`). At least one. knob: "width", "depth", "resolution" or "phi" (compound scaling); the others stay
    as they are.

    Exact: every different network that the knob makes is costed, because rounded widths and projections that come and
    go make the cost a staircase that need not always rise. Settings have at most six significant digits, and the name
    of what is returned tells the setting. Settings that the network refuses are passed over.

    Raises ValueError, as a sentence, for a budget below the least reachable cost, which it names, and for one that even
    the largest setting allowed does not use up; ValueError or TypeError for a budget that is no positive number.

    >>> import cnnlab as cl
    >>> small = solve("efficientnet_b0", macs=2e8)
    >>> small.name, small.cost().macs
    ('efficientnet_b0 w=0.666', 195251152)
    >>> solve("resnet50", macs=2e9, knob="resolution").resolution
    152
    """
    arch, budgets = base_of(arch), _budgets(macs=macs, params=params, activations=activations, memory=memory)

    def spend(network: Architecture) -> Mapping[str, Whole]:
        held = {} if memory is None else {"memory": network.memory(batch, dtype=dtype, optimizer=optimizer).training}
        return vars(network.cost()) | held

    tried, spent = _tried(arch, knob, spend)
    fits = np.all([spent[what] <= budget for what, budget in budgets.items()], axis=0)
    if not fits.any():
        raise ValueError(f"{arch.name}: no {knob} keeps to {_told(budgets)}; {_least(budgets, spent, tried, knob)}")
    if fits[-1]:
        used = ", ".join(f"{what}={spent[what][-1]:,}" for what in budgets)
        raise ValueError(
            f"{arch.name}: {_told(budgets)} is more than the {knob} can use: at {knob}={tried[-1]:g}, the largest "
            f"allowed, the cost is {used}; give a smaller budget or another knob"
        )
    value = tried[np.flatnonzero(fits)[-1]].item()
    found = turned(arch, knob, value)
    return replace(found, name=f"{arch.name} phi={value:g}") if knob == "phi" else found


def isocost(
    arch: Any,
    *,
    macs: float | None = None,
    params: float | None = None,
    activations: float | None = None,
    knob: str = "width",
    depth: Any = None,
    width: Any = None,
    resolution: Any = None,
) -> pd.DataFrame:
    """The settings of depth, width and resolution that cost the same: a line of constant cost through the space.

    For each combination of the values of the other two knobs, the largest setting of `knob` ("width", "depth" or
    "resolution") that keeps to the one budget. Values not given: multipliers from 0.5 to 3, the network's resolution.

    Returns the columns depth, width, resolution, macs, params, activations and `next`: what the next larger setting of
    the knob costs, of what the budget is in. The budget lies on that stair: cost <= budget < next. A combination in
    which no setting keeps to the budget, or the largest one allowed still does, has no row.

    >>> line = isocost("resnet", macs=4e9, depth=[1, 2, 3])
    >>> line[["depth", "width", "macs", "next"]]
       depth  width        macs        next
    0    1.0  0.980  3977030848  4067222208
    1    2.0  0.711  3926765568  4097966080
    2    3.0  0.590  3916185856  4122509568
    """
    arch, budgets = base_of(arch), _budgets(macs=macs, params=params, activations=activations)
    what, budget = _one(budgets)
    given = {"depth": depth, "width": width, "resolution": resolution}
    if knob not in STEPS or given[knob] is not None:
        raise ValueError(f"knob={knob!r}: choose one of {', '.join(STEPS)} to solve for, and give that one no values")
    tried, _ = _tried(arch, knob, lambda network: vars(network.cost()))
    usual = {"depth": MULTIPLIERS, "width": MULTIPLIERS, "resolution": arch.resolution, knob: tried}
    space = Space(arch, **{k: usual[k] if values is None else values for k, values in given.items()})
    shape, axis = [getattr(space, k).size for k in STEPS], STEPS.index(knob)
    spent = np.moveaxis(getattr(space.cost(), what).reshape(shape), axis, -1)
    rows = np.moveaxis(np.arange(len(space)).reshape(shape), axis, -1)
    fits = spent <= budget
    last = tried.size - 1 - np.argmax(fits[..., ::-1], axis=-1)  # the largest that fits, where any does
    within = np.any(fits, axis=-1) & (last < tried.size - 1)
    if not within.any():
        raise ValueError(
            f"{arch.name}: at none of these settings can a {knob} cost {_told(budgets)}; they cost from "
            f"{spent.min():,} to {spent.max():,} {what}"
        )
    place, last = np.nonzero(within), last[within]
    frame: pd.DataFrame = space.frame().iloc[rows[(*place, last)]].reset_index(drop=True)
    return frame.assign(next=spent[(*place, last + 1)])


def _budgets(**given: Any) -> dict[str, float]:
    """The budgets that are given, checked."""
    budgets = {what: check_real(what, budget, above=0) for what, budget in given.items() if budget is not None}
    for what, budget in budgets.items():
        if is_array(budget):
            raise TypeError(f"{what}={budget!r}: a budget is one number, not an array")
    if not budgets:
        raise ValueError(f"no budget is given; give at least one of {', '.join(given)}, such as macs=4e8")
    return {what: float(budget) for what, budget in budgets.items()}


def _one(budgets: Mapping[str, float]) -> tuple[str, float]:
    if len(budgets) > 1:
        raise ValueError(f"{_told(budgets)}: settings of equal cost have one budget; give one of {', '.join(budgets)}")
    return next(iter(budgets.items()))


def _tried(
    arch: Architecture, knob: str, spend: Callable[[Architecture], Mapping[str, Whole]]
) -> tuple[Settings, Spent]:
    """The settings of the knob that the network accepts, and what each costs."""
    spend(arch)  # what is refused here is no setting's fault
    tried, parts = [], []
    waiting = [settings(arch, knob)]
    while waiting:
        some = waiting.pop()
        try:
            spent = spend(turned(arch, knob, some if some.size > 1 else some.item()))
        except (TypeError, ValueError):
            # Refused for one of them, or the blocks cannot be asked about many at once: halve until that one is left.
            waiting += [some[some.size // 2 :], some[: some.size // 2]] if some.size > 1 else []
        else:
            tried.append(some)
            parts.append({what: np.broadcast_to(number, some.size) for what, number in spent.items()})
    return np.concatenate(tried), {what: np.concatenate([part[what] for part in parts]) for what in parts[0]}


def _told(budgets: Mapping[str, float]) -> str:
    return ", ".join(f"{what}={budget:,.12g}" for what, budget in budgets.items())


def _least(budgets: Mapping[str, float], spent: Spent, tried: Settings, knob: str) -> str:
    """The least that can be reached of each budget, and where."""
    where = {what: int(np.argmin(spent[what])) for what in budgets}
    parts = [f"{what}={spent[what][i]:,} (at {knob}={tried[i]:g})" for what, i in where.items()]
    return f"the least reachable is {', '.join(parts)}"
