"""`marginal`: what more of each knob costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnlab.arch.bases import base_of
from cnnlab.arch.scaling import MOST_TIMES
from cnnlab.arch.space import KINDS, STEPS
from cnnlab.arch.stairs import turned
from cnnlab.arch.whole import check_real, is_array

if TYPE_CHECKING:
    import pandas as pd


def marginal(arch: Any, times: float = 2.0) -> pd.DataFrame:
    """What it costs to turn each knob alone from where it is to `times` as much: one row for each knob.

    Columns: knob; from and to (multipliers of depth and width; px); dmacs, dparams, dactivations: how much the cost
    rises; and elasticity_macs, elasticity_params, elasticity_activations: percent of cost for a percent of the knob,
    log(cost to / cost from) / log(knob to / knob from). In a network of convolutions alone the macs would have 1 for
    depth and 2 for width and resolution; stem, head, depthwise convolutions and rounding make the difference. A
    small step shows the stairs: depth=1.1 adds a whole block to every stage.

    arch: an Architecture, or the name of a family or of a network. times: above 1, at most 50.

    >>> marginal("resnet")[["knob", "to", "dmacs", "elasticity_macs"]].round(2)
             knob     to        dmacs  elasticity_macs
    0       depth    2.0   3493855232             0.89
    1       width    2.0  12027428864             1.98
    2  resolution  448.0  12261408768             2.00
    """
    import pandas as pd

    arch = base_of(arch)
    if is_array(times):
        raise TypeError(f"times={times!r}: it must be one number")
    times = float(check_real("times", times, above=1, most=MOST_TIMES))
    before = vars(arch.cost())
    rows = []
    for knob in STEPS:
        start = int(arch.resolution) if knob == "resolution" else 1.0
        to = round(start * times) if knob == "resolution" else times
        after = vars(turned(arch, knob, to).cost())
        row: dict[str, Any] = {"knob": knob, "from": start, "to": to}
        row |= {f"d{what}": after[what] - before[what] for what in KINDS}
        # A step too small to change the resolution by a pixel changes nothing, by no percent of the knob.
        percent = math.log(to / start) or math.nan
        row |= {f"elasticity_{what}": math.log(after[what] / before[what]) / percent for what in KINDS}
        rows.append(row)
    return pd.DataFrame(rows)
