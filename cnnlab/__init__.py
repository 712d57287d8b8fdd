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
    from cnnlab.arch import blocks
    from cnnlab.arch.architecture import Architecture, Head, Stage
    from cnnlab.arch.cost import Cost
    from cnnlab.arch.graph import Graph, Image, Layer, image
    from cnnlab.arch.scaling import compound, scaled
    from cnnlab.arch.zoo import architecture, names
    from cnnlab.run import data
    from cnnlab.run.evidence import published
    from cnnlab.run.recipe import History, Recipe
    from cnnlab.run.trace import trace
    from cnnlab.run.train import fit
    from cnnlab.show import lesson
    from cnnlab.show.explorer import Explorer

_HOMES = {
    "cnnlab.arch": ("blocks",),
    "cnnlab.arch.architecture": ("Architecture", "Head", "Stage"),
    "cnnlab.arch.cost": ("Cost",),
    "cnnlab.arch.graph": ("Graph", "Image", "Layer", "image"),
    "cnnlab.arch.scaling": ("compound", "scaled"),
    "cnnlab.arch.zoo": ("architecture", "names"),
    "cnnlab.run": ("data",),
    "cnnlab.run.evidence": ("published",),
    "cnnlab.run.recipe": ("History", "Recipe"),
    "cnnlab.run.trace": ("trace",),
    "cnnlab.run.train": ("fit",),
    "cnnlab.show": ("lesson",),
    "cnnlab.show.explorer": ("Explorer",),
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
    "Recipe",
    "Stage",
    "architecture",
    "blocks",
    "compound",
    "data",
    "fit",
    "image",
    "lesson",
    "names",
    "published",
    "scaled",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"cnnlab has no {name!r}; its names are {', '.join(__all__)}")
    home = import_module(_HOME[name])
    # A name is a thing in its home, or (`blocks`, `data`) a module of that room.
    value = getattr(home, name) if hasattr(home, name) else import_module(f"{home.__name__}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
