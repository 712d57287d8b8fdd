"""What a notebook shows of an Architecture, a Graph and a Cost: HTML that reads well in light and dark themes."""

from __future__ import annotations

import re
from collections.abc import Collection
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.cost import Cost, layer_cost
from cnnlab.arch.graph import Graph
from cnnlab.arch.layers import Input
from cnnlab.arch.network import Network
from cnnlab.arch.table import describe, paper_frame, stages
from cnnlab.arch.whole import is_array, short, text
from cnnlab.show.columns import holds_arrays
from cnnlab.show.diagram import diagram, percent

CSS = Path(__file__).parent / "html.css"
LAYERS = 60  # of a graph's layers the first so many are listed
LETTERS = 120  # of a word in a table
TITLES = {
    "macs": "multiply-adds",
    "params": "parameters",
    "size": "size (px)",
    "share": "share of multiply-adds",
    "params_share": "share of parameters",
}


def html(thing: Architecture | Network | Graph | Cost) -> str:
    """What a notebook shows for one of these."""
    if isinstance(thing, Cost):
        return cost_html(thing)
    return graph_html(thing) if isinstance(thing, Graph) else architecture_html(thing)


def architecture_html(arch: Architecture | Network) -> str:
    """The network drawn, the table of its paper with each stage's share of the multiply-adds, and its cost.

    Of an architecture that holds arrays of settings the tables show ranges, and a sentence stands for the drawing; of
    one whose layers do not fit together, only the sentence that says so.
    """
    if not isinstance(arch, (Architecture, Network)):
        return graph_html(arch.graph())
    try:
        graph = arch.graph(folded=True)
        frame = paper_frame(arch)
    except (TypeError, ValueError) as error:
        return _card(_title(arch.name), _sentence(str(error)))
    shares = dict(zip(*(_stages(graph)[column] for column in ("stage", "share")), strict=True))
    if shares.keys() == set(frame["stage"]):  # the rows of a function may be parts of its stages
        frame.insert(1, "share", [shares[stage] for stage in frame["stage"]])  # first, where a narrow page shows it
    return _card(_picture(graph), _frame(frame, bars=["share"]), _cost(graph.cost()))


def graph_html(graph: Graph) -> str:
    """The graph drawn, the cost of its stages, and folded away its first layers."""
    frame = _layers(graph)
    head = f"{len(graph):,} layers" if len(graph) <= LAYERS else f"the first {LAYERS} of {len(graph):,} layers"
    layers = f"<details><summary>{head}</summary>{_frame(frame)}</details>"
    return _card(_picture(graph), _frame(_stages(graph), bars=["share", "params_share"]), _cost(graph.cost()), layers)


def cost_html(cost: Cost) -> str:
    """The three numbers of a cost, exact and in readable units (G, M and k are decimal); ranges of arrays."""
    return _card(_cost(cost))


def _card(*parts: str) -> str:
    style = f"<style>{CSS.read_text(encoding='utf-8')}</style>"
    return "\n".join(['<div class="cnnlab-card">', style, *filter(None, parts), "</div>"])


def _title(name: str) -> str:
    return f'<p class="title">{_escape(name)}</p>'


def _sentence(words: str) -> str:
    return f"<p>{_escape(words)}</p>"


def _escape(words: str) -> str:
    """Text as HTML, without control characters, and cut where it is endless."""
    words = re.sub(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", "\ufffd", words)
    return escape(words if len(words) <= 400 else words[:399] + "…")


def _picture(graph: Graph) -> str:
    if holds_arrays(graph):
        return _title(graph.name) + _sentence(
            f"It holds arrays of settings and is {np.size(graph.cost().macs):,} networks at once: "
            "the tables show the least and the most of each number, and there is no one drawing."
        )
    return diagram(graph)._repr_html_()


def _stages(graph: Graph) -> pd.DataFrame:
    """As `graph.table(by="stage")`, but for arrays of settings too, and with both shares."""
    rows: dict[str, dict[str, Any]] = {}
    for layer, stage in zip(graph.layers, stages(graph), strict=True):
        if not isinstance(layer.op, Input):
            row = rows.setdefault(stage, {"stage": stage, "cost": Cost()})
            row |= {"cost": row["cost"] + layer_cost(layer, graph.layers), "channels": layer.channels}
            row["size"] = "flat" if layer.size is None else layer.size
    total = graph.cost()
    return pd.DataFrame(
        [
            {
                "stage": row["stage"],
                "size": row["size"],
                "channels": row["channels"],
                "macs": row["cost"].macs,
                "share": _share(row["cost"].macs, total.macs),
                "params": row["cost"].params,
                "params_share": _share(row["cost"].params, total.params),
            }
            for row in rows.values()
        ],
        columns=["stage", "size", "channels", "macs", "share", "params", "params_share"],
    )


def _share(part: Any, total: Any) -> Any:
    return part / np.maximum(total, 1)


def _layers(graph: Graph) -> pd.DataFrame:
    rows = []
    for layer in graph.layers[:LAYERS]:
        cost = layer_cost(layer, graph.layers)
        size = "flat" if layer.size is None else layer.size
        row = {"layer": layer.name, "operation": describe(layer.op), "size": size, "channels": layer.channels}
        rows.append({**row, "count": layer.count, "macs": cost.macs, "params": cost.params})
    return pd.DataFrame(rows)


def _cost(cost: Cost) -> str:
    exact = {TITLES.get(name, name): [text(number, ","), _readable(number)] for name, number in vars(cost).items()}
    return _frame(pd.DataFrame({"cost of one image": ["exact", "about"], **exact}))


def _readable(number: Any) -> str:
    if is_array(number):
        return f"{short(number.min())} to {short(number.max())}"
    return short(number)


def _frame(frame: pd.DataFrame, *, bars: Collection[str] = ()) -> str:
    """A DataFrame as a table: words to the left, numbers to the right, shares with a bar."""
    words = {
        name: name in bars or all(isinstance(cell, str) and not _numeric(cell) for cell in frame[name])
        for name in frame
    }
    head = "".join(
        f'<th scope="col"{_class(words[name])}>{_escape(TITLES.get(str(name), str(name)))}</th>' for name in frame
    )
    body = []
    for row in frame.itertuples(index=False):
        cells = (_cell(cell, bar=name in bars, word=words[name]) for name, cell in zip(frame, row, strict=True))
        body.append(f"<tr>{''.join(cells)}</tr>")
    return (
        '<div class="scroll"><table class="cnnlab-table"><thead><tr>'
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _class(word: bool, long: bool = False) -> str:
    return f' class="word{" long" if long else ""}"' if word else ""


def _numeric(cell: str) -> bool:
    """Whether a word is one of the numbers that our tables write as text, such as "56x56", "16-40" and "1.2 G"."""
    return cell == "flat" or re.fullmatch(r"[\d,.x–-]+( [kMG])?( to [\d.]+( [kMG])?)?", cell) is not None


def _cell(cell: Any, *, bar: bool, word: bool) -> str:
    if bar:
        return f'<td class="word">{_bar(cell)}</td>'
    shown = _shown(cell)
    if len(shown) > LETTERS:
        shown = shown[: LETTERS - 1] + "…"
    return f"<td{_class(word, len(shown) > 40)}>{_escape(shown)}</td>"


def _bar(share: Any) -> str:
    if is_array(share):
        return _escape(f"{percent(float(share.min()))} to {percent(float(share.max()))}")
    length = f"{100 * min(1.0, max(0.0, share)):.1f}%"
    return f'<span class="bar"><i style="width:{length}"></i></span>{_escape(percent(share))}'


def _shown(cell: Any) -> str:
    if isinstance(cell, str) or cell is None:
        return cell or ""
    if isinstance(cell, (bool, np.bool_)):
        return str(cell)
    if isinstance(cell, (float, np.floating)):
        return "" if np.isnan(cell) else f"{cell:,.4g}"
    if is_array(cell) and cell.min() == cell.max():
        return text(cell.min(), ",")
    if isinstance(cell, (int, np.integer, np.ndarray)):
        return text(cell, ",")
    return str(cell)
