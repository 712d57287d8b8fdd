"""An explorer without a browser: the page that hears it, and whether all that it tells agrees."""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd

import cnnlab as cl
from cnnlab.arch.edits import FIELDS
from cnnlab.show.lattice import KINDS, STEPS

EDITED = {1: {"width": 16}, 2: {"block": "mbconv", "depth": 3, "se": 0}}
FRAME = pd.DataFrame(
    {
        "family": ["resnet", "mbconv", "resnet"],
        "depth": [1.0, 1.0, 2.0],
        "width": [1.0, 0.5, 1.0],
        "resolution": [32, 32, 32],
        "accuracy": [91.5, 92.0, 93.25],
        "macs": [40_551_040, 10_000_000, 80_000_000],
        "params": [269_722, 60_000, 500_000],
        "activations": [188_426, None, 400_000],
    }
)
Explorer = functools.partial(cl.Explorer, points=[])


class Heard:
    """An explorer's page: what Python sends it, and what it may ask for."""

    def __init__(self, explorer: cl.Explorer) -> None:
        self.explorer, self.said = explorer, []
        explorer.send = lambda content, buffers=None: self.said.append(content)

    def ask(self, **message: Any) -> Any:
        """The answer to a message, if there is one."""
        before = len(self.said)
        self.explorer._handle_custom_msg(message, [])
        assert len(self.said) <= before + 1
        return self.said[-1] if len(self.said) > before else None


def consistent(explorer: cl.Explorer) -> None:
    """All that the page knows is of the network at the sliders, and of the source and the costs that are shown."""
    chosen, *sliders = explorer.settings()
    arch = explorer.architecture
    assert explorer.cost == arch.cost() and [chosen.total(kind, *sliders) for kind in KINDS] == [
        *vars(arch.cost()).values()
    ]
    sent = explorer._lattice
    assert sent["id"] == chosen.header["id"] == ",".join([explorer.family, *words(explorer.edits)])
    assert sent["numbers"] == chosen.numbers.tobytes() and sent["kinds"] == chosen.header["kinds"]
    assert all(getattr(explorer, knob) in sent[knob] for knob in STEPS)
    shown = explorer._evidence
    assert shown["source"] == explorer.data and explorer._costs.get("source", explorer.data) == explorer.data
    if explorer.against not in (*KINDS, "latency"):
        assert explorer.against in sent["kinds"]
        assert len(explorer._costs[explorer.against]) == len(shown["points"])


def words(edits: dict[str, Any]) -> list[str]:
    """Edits as a state has them: floats in as many digits as tell them apart."""
    return [f"{n}.{f}={int(v[f]) if v[f] in (0, 1) else v[f]}"
            for n, v in sorted(edits.items()) for f in FIELDS if f in v]  # fmt: skip
