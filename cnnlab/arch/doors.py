"""The doors that lead from arch/ to later rooms, opened late: thinking loads neither torch nor pictures."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnlab.arch.graph import Graph


def module(graph: Graph, weights: Any, seed: int | None) -> Any:
    """See `cnnlab.run.module.module`."""
    return import_module("cnnlab.run.module").module(graph, weights, seed=seed)


def html(thing: Any) -> str:
    """An architecture, a graph or a cost as a notebook shows it; see `cnnlab.show.html`."""
    return str(import_module("cnnlab.show.html").html(thing))
