"""The tables of the data card: what data/measured holds and says, as Markdown. `python -m cnnlab card` prints them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cnnlab.run.findings import EQUAL_COST, equal_cost, residual_gain, rises
from cnnlab.run.measured import SETTING, measured
from cnnlab.run.predict import predictor

if TYPE_CHECKING:
    import pandas as pd

FULL = "glyphs"
"""The data set with the full grid of three families, on which the two questions are asked."""


def card() -> str:
    """The data card's tables, computed from data/measured."""
    parts = [
        ("What was measured", _counts()),
        ("How well it is predicted", _errors()),
        (f"How accuracy rises along each knob ({FULL}, the other two at their middle)", _rises()),
        (f"At equal MACs: one knob, or all three? ({FULL})", _equal_cost()),
        (f"Plain against residual as depth grows ({FULL})", _residual()),
    ]
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts) + "\n"


def _counts() -> str:
    rows = []
    for (data, family), part in measured().groupby(["data", "family"]):
        rows.append((data, family, *_extent(part), f"{part['seconds'].sum() / 3600:.2f}"))
    everything = measured()
    total = ("all", "", *_extent(everything), f"{everything['seconds'].sum() / 3600:.2f}")
    heads = ("data", "family", "settings", "seeds", "networks", "M MACs", "accuracy (%)", "hours of one thread")
    return markdown(heads, [*rows, total])


def _extent(part: pd.DataFrame) -> tuple[object, ...]:
    """How many settings, seeds of each and networks, and from where to where MACs and accuracies reach."""
    seeds = part.groupby(SETTING)["seed"].nunique()
    accuracy, macs = part["accuracy"], part["macs"] / 1e6
    often = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    ends = (f"{macs.min():.2f} to {macs.max():.1f}", f"{accuracy.min():.1f} to {accuracy.max():.1f}")
    return len(seeds), often, len(part), *ends


def _errors() -> str:
    rows = []
    for (data, family), part in measured().groupby(["data", "family"]):
        if part.groupby(SETTING).ngroups < 8:
            continue
        found = predictor(str(family), str(data))
        ratio, covered = found.error / found.noise, 100 * found.covered
        rows.append((data, family, f"{found.error:.2f}", f"{found.noise:.2f}", f"{ratio:.2f}", f"{covered:.0f}"))
    heads = ("data", "family", "error of settings left out (points)", "seed noise (points)", "ratio", "covered (%)")
    return markdown(heads, rows)


def _rises() -> str:
    rows = []
    for family in _families():
        for row in rises(family, FULL).to_dict("records"):
            moved = f"{row['from']:g} to {row['to']:g}"
            rows.append((family, row["knob"], moved, f"{row['rise']:.1f}", f"{row['times']:.1f}"))
    return markdown(("family", "knob", "from, to the best", "rise (points)", "times the seed noise"), rows)


def _equal_cost() -> str:
    rows = []
    for family in EQUAL_COST:
        for row in equal_cost(family, FULL).to_dict("records"):
            setting = f"{row['depth']:g}, {row['width']:g}, {row['resolution']} px"
            interval = f"{row['accuracy']:.1f} ({row['low']:.1f} to {row['high']:.1f})"
            behind = "" if not row["behind"] else f"{row['behind']:.1f}{'' if row['certain'] else ', not certain'}"
            rows.append((family, row["scaled"], setting, f"{row['macs'] / 1e6:.2f}", row["networks"], interval, behind))
    heads = ("family", "scaled", "depth, width, resolution", "M MACs", "seeds", "accuracy (95 %)", "behind the best")
    return markdown(heads, rows)


def _residual() -> str:
    rows = [
        (f"{row['depth']:g}", row["pairs"], f"{row['plain']:.1f}", f"{row['resnet']:.1f}")
        + (f"{row['gain']:+.1f} ({row['low']:+.1f} to {row['high']:+.1f})",)
        for row in residual_gain(FULL).to_dict("records")
    ]
    return markdown(("depth", "pairs", "plain (%)", "residual (%)", "gain (points, 95 %)"), rows)


def _families() -> list[str]:
    frame: pd.DataFrame = measured(FULL)
    return sorted(frame["family"].unique())


def markdown(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table.

    >>> print(markdown(("a", "b"), [(1, "x")]))
    | a | b |
    | --- | --- |
    | 1 | x |
    """
    heads = tuple(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
