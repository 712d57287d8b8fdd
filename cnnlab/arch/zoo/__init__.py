"""The networks of the papers. `names()` lists them, `architecture(name)` gives one.

One file for each family: rows of the paper's table (`Architecture`), or a function where no rows say it (`Network`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.network import Network
from cnnlab.arch.zoo.convnext import CONVNEXTS
from cnnlab.arch.zoo.densenet import DENSENETS
from cnnlab.arch.zoo.efficientnet import EFFICIENTNETS
from cnnlab.arch.zoo.inception import INCEPTIONS
from cnnlab.arch.zoo.mobilenet import MOBILENETS
from cnnlab.arch.zoo.regnet import REGNETS
from cnnlab.arch.zoo.resnet import RESNETS
from cnnlab.arch.zoo.small import SMALL
from cnnlab.arch.zoo.squeezenet import SQUEEZENETS
from cnnlab.arch.zoo.vgg import VGGS

ZOO: Mapping[str, Callable[[str], Architecture | Network]] = {
    **RESNETS,
    **EFFICIENTNETS,
    **MOBILENETS,
    **REGNETS,
    **CONVNEXTS,
    **VGGS,
    **SQUEEZENETS,
    **DENSENETS,
    **INCEPTIONS,
    **SMALL,
}
"""name -> a function that makes the network of that name."""


def names() -> tuple[str, ...]:
    """The names that `architecture` knows: torchvision's where torchvision has the network, else timm's."""
    return tuple(ZOO)


def architecture(name: str, *, resolution: Any = None, classes: int | None = None) -> Architecture | Network:
    """The network of that name, for another resolution (px) or number of classes if given.

    An `Architecture` where rows of like blocks say it, and a `Network` (whose depth and width cannot be scaled) where
    they do not: AlexNet, SqueezeNet, DenseNet, GoogLeNet and Inception. Raises ValueError, with the nearest names, for
    a name that is not in `names()`.

    >>> architecture("cifar_resnet20").cost()
    Cost(macs=40,551,040, params=269,722, activations=188,426)
    """
    if name not in ZOO:
        near = difflib.get_close_matches(str(name), ZOO, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the names are {', '.join(ZOO)}"
        raise ValueError(f"architecture {name!r} is unknown; {hint}")
    network = ZOO[name](name)
    network = network if resolution is None else replace(network, resolution=resolution)
    return network if classes is None else replace(network, classes=classes)
