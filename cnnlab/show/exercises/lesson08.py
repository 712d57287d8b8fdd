"""Lesson 08: pruning."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cnnlab.arch.zoo import architecture
from cnnlab.show.exercises.exercise import Exercise, Task

if TYPE_CHECKING:
    import pandas as pd

MACS, PARAMS, MULTIPLE = 0.5, 0.6, 8  # shares that may stay; what channels must be a multiple of


@lru_cache(maxsize=1)
def _tried() -> pd.DataFrame:
    """What leave one out reached, in all settings of the table."""
    import pandas as pd

    from cnnlab.prune.evidence import compared

    rows = pd.concat([compared(family, data) for family in ("resnet", "mbconv") for data in ("glyphs", "cifar10")])
    return rows[rows["importance"] == "leave_one_out"]


def _made_by_stem() -> int:
    from cnnlab.prune.grouping import groups

    made_by = groups(architecture("resnet34")).set_index("group")["made_by"]
    return len(made_by["stem.conv1"])


def _kept_to_both(plan: Any) -> tuple[bool, str]:
    start = architecture("resnet18").graph().cost()
    if plan.before != start:
        return False, f"a plan of a network with {plan.before.macs:,} multiply-adds, where ResNet-18 has {start.macs:,}"
    table = plan.table()
    free = {group.name for group in plan.widths.free}
    odd = [row["group"] for _, row in table.iterrows() if row["group"] in free and row["kept"] % MULTIPLE]
    macs, params = plan.cost.macs / start.macs, plan.cost.params / start.params
    came = f"{100 * macs:.1f} % of the multiply-adds and {100 * params:.1f} % of the parameters, "
    came += f"{len(odd)} groups without a multiple of {MULTIPLE} channels"
    return macs <= MACS and params <= PARAMS and not odd, came


EXERCISES: Mapping[str, Exercise | Task] = {
    "08.1": Exercise(
        "the multiply-adds saved in both convolutions",
        lambda: 9 * (16 + 64) * 28 * 28,
        "multiply-adds",
        mistakes={
            lambda: 9 * 16 * 28 * 28: "that is what making the channel costs; the next convolution reads it as well",
            lambda: 9 * 64 * 28 * 28: "that is what reading the channel costs; the first convolution makes it as well",
            lambda: (
                9 * (16 + 64)
            ): "that is saved at each place (and it is the weights that go); there are 28×28 places",
            lambda: 9 * 64 * 32 * 28 * 28 + 9 * 16 * 32 * 28 * 28: "that is all 32 channels; one of them goes",
        },
    ),
    "08.2": Exercise(
        "the convolutions that make the channels of the group stem.conv1",
        _made_by_stem,
        "convolutions",
        mistakes={
            lambda: 3: "one for each block of the first stage is right, and the stem itself is the fourth",
            lambda: 7: "the first convolution of a block is inside it and is added to nothing, so its width is free",
        },
    ),
    "08.3": Exercise(
        "the mean squared error without w2 minus that with it",
        lambda: 1.5,
        close=1e-6,
        mistakes={
            lambda: 0.125: "that is the mean squared error with w2, which the article's formula gives for every weight",
            lambda: 1.625: "that is the mean squared error without w2; take off what it is with w2",
            lambda: 0.5: "that is the size of w2, which is L1",
            lambda: 6.0: "that is the sum over the examples; take the mean",
            lambda: -1.5: "the loss rises without w2, so the rise is positive",
        },
    ),
    "08.4": Exercise(
        "the settings, of 12, in which the interval of over_random lies above 0",
        lambda: int((_tried()["over_random_low"] > 0).sum()),
        "settings",
        mistakes={
            lambda: int(
                (_tried()["over_random"] > 0).sum()
            ): "in so many the mean is better; certain is where the lower "
            "end of the interval, over_random_low, is above 0",
            lambda: int((_tried()["over_thin_low"] > 0).sum()): "that is against the thin network",
        },
    ),
    "08.5": Task(
        f"a plan for ResNet-18 that keeps at most {100 * MACS:g} % of the multiply-adds and {100 * PARAMS:g} % of the "
        f"parameters, in multiples of {MULTIPLE} channels",
        _kept_to_both,
    ),
}
