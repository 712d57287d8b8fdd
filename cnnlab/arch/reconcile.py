"""Why five tools give five costs for one network: a table of what each charges for what, and the same in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from cnnlab.arch.conventions import COMPONENTS, CONVENTIONS, Entry, elements, entries
from cnnlab.arch.whole import is_array

if TYPE_CHECKING:
    import pandas as pd

    from cnnlab.arch.graph import Graph


def reconcile(graph: Graph) -> pd.DataFrame:
    """What each convention charges one image for each component of the network.

    Rows: the components that the network has, 0 where no tool charges for one, and last the "total", which is
    `graph.cost(convention).macs`. Columns: "macs" and the four tools. The differences in words, as `explain` gives
    them, are in `.attrs["explanation"]`. Raises ValueError for a graph of many settings (arrays), and for a layer that
    has no rule.

    >>> import cnnlab as cl
    >>> cl.architecture("resnet18").graph().reconcile()
                          macs      fvcore   torchinfo     ptflops        thop
    component
    convolution     1813561344  1813561344  1813561344  1813561344  1813561344
    linear              512000      512000      512000      512000      512000
    bias                     0           0        1000        1000           0
    batch norm               0     4967424        9600     4967424     9934848
    activation               0           0           0     4616192           0
    pooling                  0           0           0     1605632           0
    global pooling           0       25088           0       50176       25600
    residual add             0           0           0           0           0
    total           1814073344  1819065856  1814083944  1825313768  1824033792
    """
    import pandas as pd

    ledger = _ledger(graph)
    frame = pd.DataFrame({tool: _sums(entered) for tool, entered in ledger.items()}, dtype="int64")
    frame = frame.reindex([part for part in COMPONENTS if part in frame.index]).rename_axis("component")
    frame.loc["total"] = frame.sum()
    frame.attrs["explanation"] = _sentences(ledger)
    return frame


def explain(graph: Graph) -> str:
    """The differences in words: for each tool a sentence that says how far it is from the macs, and what makes that up.

    Where a tool charges all layers of a kind at one rate (those that it charges at all), the rate stands in brackets:
    "4 per input" is 4 operations for each number that enters such a layer, "per output" for each that leaves it, "per
    channel" for each channel. G, M and k are decimal. Raises ValueError as `reconcile`.

    >>> import cnnlab as cl
    >>> print(explain(cl.architecture("resnet50").graph()))
    macs: 4.0892 G multiply-adds.
    fvcore says 4.1115 G: 22.33 M more than macs: batch norm 22.23 M (2 per input), global pooling 100.35 k (1 per
    input).
    torchinfo says 4.0892 G: 54.12 k more than macs: bias 1.00 k (1 per output), batch norm 53.12 k (2 per channel).
    ...
    """
    return _sentences(_ledger(graph))


Ledger: TypeAlias = "dict[str, list[Entry]]"
"""convention -> what it charges, layer by layer"""


def _ledger(graph: Graph) -> Ledger:
    if any(map(is_array, [n for layer in graph.layers for n in (layer.count, layer.channels, layer.size)])):
        raise ValueError(
            f"{graph.name} holds arrays, so it is many networks and has no single table; "
            "use .cost(convention) for their totals, or reconcile one of them"
        )
    return {tool: list(entries(graph, tool)) for tool in CONVENTIONS}


def _sums(entered: Iterable[Entry]) -> dict[str, int]:
    """The charges of all layers, by component."""
    found: dict[str, int] = {}
    for entry in entered:
        found[entry.component] = found.get(entry.component, 0) + int(entry.layer.count * entry.charge)
    return found


def _sentences(ledger: Ledger) -> str:
    macs = _sums(ledger["macs"])
    lines = [f"macs: {_amount(sum(macs.values()), 4)} multiply-adds."]
    for tool, entered in ledger.items():
        if tool == "macs":
            continue
        charged = _sums(entered)
        says = f"{tool} says {_amount(sum(charged.values()), 4)}"
        apart = {
            part: charged[part] - macs[part] for part in COMPONENTS if part in macs and charged[part] != macs[part]
        }
        more = sum(apart.values())
        parts = ", ".join(f"{part} {_amount(n)}{_rate(entered, part)}" for part, n in apart.items())
        far = f"{_amount(abs(more))} {'more' if more >= 0 else 'less'} than macs"
        lines.append(f"{says}: {far}: {parts}." if apart else f"{says}, as macs does.")
    return "\n".join(lines)


def _rate(entered: Iterable[Entry], part: str) -> str:
    """The one rate, as " (2 per input)", at which a tool charges such layers, or "" if it has no such."""
    if part in ("convolution", "linear"):
        return ""
    charged = [entry for entry in entered if entry.component == part and entry.charge]
    for unit, rates in (
        ("input", {e.charge / elements(e.input) for e in charged}),
        ("input and output", {e.charge / (elements(e.input) + elements(e.layer)) for e in charged}),
        ("output", {e.charge / elements(e.layer) for e in charged}),
        ("channel", {e.charge / e.layer.channels for e in charged}),
    ):
        if len(rates) == 1 and (rate := rates.pop()) == int(rate):
            return f" ({rate:.0f} per {unit})"
    return ""


def _amount(number: int, digits: int = 2) -> str:
    """A count in G, M or k (decimal): 44.46 M."""
    for power, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if abs(number) >= power:
            return f"{number / power:.{digits}f} {unit}"
    return str(number)
