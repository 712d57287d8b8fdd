"""cnnlab: explore convolutional networks. Vary depth, width and resolution; see accuracy against cost.

An architecture is written once; its cost, its table, its module and its picture are computed from it:

>>> import cnnlab as cl
>>> arch = cl.scaled(cl.architecture("efficientnet_b0"), depth=1.1, width=1.0, resolution=240)
>>> arch.cost().macs
686802832
>>> model = arch.graph().module(seed=0)

Names load when they are first used, so `import cnnlab` is quick and brings no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from cnnlab import prune
    from cnnlab.arch import blocks
    from cnnlab.arch.architecture import Architecture, Head, Stage
    from cnnlab.arch.cost import Cost
    from cnnlab.arch.diff import diff
    from cnnlab.arch.graph import Graph, Image, Layer, image
    from cnnlab.arch.marginal import marginal
    from cnnlab.arch.memory import Memory
    from cnnlab.arch.network import Network
    from cnnlab.arch.pareto import pareto
    from cnnlab.arch.scaling import compound, fast, scaled
    from cnnlab.arch.solve import isocost, solve
    from cnnlab.arch.space import Space
    from cnnlab.arch.zoo import architecture, names
    from cnnlab.arch.zoo.regnet import regnet
    from cnnlab.run import data
    from cnnlab.run.count import count
    from cnnlab.run.evidence import published
    from cnnlab.run.grid import grid
    from cnnlab.run.latency import latency
    from cnnlab.run.measured import measured
    from cnnlab.run.predict import predict
    from cnnlab.run.recipe import History, Recipe
    from cnnlab.run.roofline import roofline
    from cnnlab.run.sweep import sweep
    from cnnlab.run.trace import trace
    from cnnlab.run.train import fit
    from cnnlab.run.trial import Trial
    from cnnlab.show import lesson
    from cnnlab.show.curves import plot_scaling
    from cnnlab.show.diagram import diagram
    from cnnlab.show.explorer import Explorer
    from cnnlab.show.groupchooser import group_chooser
    from cnnlab.show.groupview import group_diagram
    from cnnlab.show.prunecurves import plot_pruning, plot_sensitivity
    from cnnlab.show.roofplot import plot_latency, plot_roofline
    from cnnlab.show.waterfall import isocost_lines, waterfall

_HOMES = {
    "cnnlab": ("prune",),
    "cnnlab.arch": ("blocks",),
    "cnnlab.arch.architecture": ("Architecture", "Head", "Stage"),
    "cnnlab.arch.cost": ("Cost",),
    "cnnlab.arch.diff": ("diff",),
    "cnnlab.arch.graph": ("Graph", "Image", "Layer", "image"),
    "cnnlab.arch.marginal": ("marginal",),
    "cnnlab.arch.memory": ("Memory",),
    "cnnlab.arch.network": ("Network",),
    "cnnlab.arch.pareto": ("pareto",),
    "cnnlab.arch.scaling": ("compound", "fast", "scaled"),
    "cnnlab.arch.solve": ("isocost", "solve"),
    "cnnlab.arch.space": ("Space",),
    "cnnlab.arch.zoo": ("architecture", "names"),
    "cnnlab.arch.zoo.regnet": ("regnet",),
    "cnnlab.run": ("data",),
    "cnnlab.run.count": ("count",),
    "cnnlab.run.evidence": ("published",),
    "cnnlab.run.grid": ("grid",),
    "cnnlab.run.latency": ("latency",),
    "cnnlab.run.measured": ("measured",),
    "cnnlab.run.predict": ("predict",),
    "cnnlab.run.recipe": ("History", "Recipe"),
    "cnnlab.run.roofline": ("roofline",),
    "cnnlab.run.sweep": ("sweep",),
    "cnnlab.run.trace": ("trace",),
    "cnnlab.run.train": ("fit",),
    "cnnlab.run.trial": ("Trial",),
    "cnnlab.show": ("lesson",),
    "cnnlab.show.curves": ("plot_scaling",),
    "cnnlab.show.diagram": ("diagram",),
    "cnnlab.show.explorer": ("Explorer",),
    "cnnlab.show.groupchooser": ("group_chooser",),
    "cnnlab.show.groupview": ("group_diagram",),
    "cnnlab.show.prunecurves": ("plot_pruning", "plot_sensitivity"),
    "cnnlab.show.roofplot": ("plot_latency", "plot_roofline"),
    "cnnlab.show.waterfall": ("isocost_lines", "waterfall"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Architecture",
    "Cost",
    "Explorer",
    "Graph",
    "Head",
    "History",
    "Image",
    "Layer",
    "Memory",
    "Network",
    "Recipe",
    "Space",
    "Stage",
    "Trial",
    "architecture",
    "blocks",
    "compound",
    "count",
    "data",
    "diagram",
    "diff",
    "fast",
    "fit",
    "grid",
    "group_chooser",
    "group_diagram",
    "image",
    "isocost",
    "isocost_lines",
    "latency",
    "lesson",
    "marginal",
    "measured",
    "names",
    "pareto",
    "plot_latency",
    "plot_pruning",
    "plot_roofline",
    "plot_scaling",
    "plot_sensitivity",
    "predict",
    "prune",
    "published",
    "regnet",
    "roofline",
    "scaled",
    "solve",
    "sweep",
    "trace",
    "waterfall",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"cnnlab has no {name!r}; its names are {', '.join(__all__)}")
    home = import_module(_HOME[name])
    # A name is a thing in its home, or (`blocks`, `data`, `prune`) a module or room in it.
    inside = home.__name__ == __name__ or not hasattr(home, name)
    value = import_module(f"{home.__name__}.{name}") if inside else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
