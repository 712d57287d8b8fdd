"""The families: networks that are there to be scaled, and what they start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.whole import is_array
from cnnlab.arch.zoo import architecture, names

FAMILIES: Mapping[str, tuple[str, str]] = {
    "efficientnet": ("EfficientNet (MBConv, squeeze-excite)", "efficientnet_b0"),
    "resnet": ("ResNet (bottleneck blocks)", "resnet50"),
    "resnet_basic": ("ResNet (basic blocks)", "resnet18"),
}
"""key -> what the family is called, and its base in the zoo."""


def base_of(network: Any) -> Architecture:
    """The architecture that a family's name, a name of `cl.names()` or an Architecture stands for.

    Raises ValueError or TypeError, as a sentence, for anything else, and for an architecture that holds arrays.
    """
    if isinstance(network, str):
        if network not in FAMILIES and network not in names():
            families = ", ".join(FAMILIES)
            raise ValueError(
                f"base={network!r} is unknown; it must be {families}, a name of cl.names(), or an Architecture"
            )
        network = architecture(FAMILIES[network][1] if network in FAMILIES else network)
    if not isinstance(network, Architecture):
        raise TypeError(
            f"base={getattr(network, 'name', repr(network))} is a {type(network).__name__}, whose depth and width "
            "nothing says; it must be an Architecture (rows of stages), or the name of a family or of such a network"
        )
    rows = [network.stem, *network.stages]
    if any(map(is_array, [network.resolution, network.head.width, *(n for s in rows for n in (s.depth, s.width))])):
        raise ValueError(f"{network.name} holds arrays, so it is many networks; start from one, of numbers")
    return network
