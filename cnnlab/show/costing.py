"""What the networks of points cost by any kind of cost, and where they stand on the sliders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.bases import FAMILIES
from cnnlab.arch.network import Network
from cnnlab.arch.scaling import scaled
from cnnlab.arch.zoo import architecture, names
from cnnlab.arch.zoo.efficientnet import EFFICIENTNETS
from cnnlab.show import state as states
from cnnlab.show.lattice import DEPTHS, PIXELS, WIDTHS
from cnnlab.show.points import COUNTED, KINDS, Point

BATCH = 32
"""Images in the batch of the cost "training"."""

ALONE = ("latency", *COUNTED)
"""Costs that nothing computes here: they are measured, or the points have them from the start."""

COMPOUND = tuple(name for name in EFFICIENTNETS if name.startswith("efficientnet_b"))
"""B0 to B7, which are B0 scaled."""


def costs_of(points: Sequence[Point], kind: str) -> list[float | None]:
    """The cost of this kind (see `KINDS`) of every point, in their order; None where it is not known.

    It is known where the point has it already, and where its `network` can be built: published networks that are in
    `cl.names()` or in a paper's table, and measured ones. Settings of one base are computed in one call.

    >>> from cnnlab.show.sources import points_of
    >>> costs_of(points_of("cifar10")[:2], "training")
    [2086048, 4625568]
    """
    if kind not in KINDS:
        raise ValueError(f"against={kind!r}: it must be {states.choices(KINDS)}")
    found: list[float | None] = [p["costs"].get(kind) for p in points]
    groups: dict[tuple[str, int], list[int]] = {}
    for i, p in enumerate(points):
        if found[i] is None and p["network"] and kind not in ALONE:
            groups.setdefault((p["network"][0], p["classes"]), []).append(i)
    for (base, classes), members in groups.items():
        settings, which = np.unique([points[i]["network"][1:] for i in members], axis=0, return_inverse=True)
        values = _values(_built(base, classes), settings, kind)
        for i, at in zip(members, which.reshape(-1), strict=True):
            found[i] = values[at]
    return found


def with_costs(points: Sequence[Point], kind: str) -> list[Point]:
    """The same points, with this kind among their costs."""
    filled = zip(points, costs_of(points, kind), strict=True)
    return [{**p, "costs": {**p["costs"], kind: cost}} for p, cost in filled]


def _built(base: str, classes: int) -> Architecture | Network:
    from cnnlab.run.printed import printed

    return replace(printed(base), classes=classes)


def _values(base: Architecture | Network, settings: NDArray[Any], kind: str) -> list[int]:
    """The cost of each setting, a row of depth, width and resolution."""
    if len(settings) == 1 or isinstance(base, Network):
        return [
            int(_cost(scaled(base, depth=float(d), width=float(w), resolution=int(r)), kind)) for d, w, r in settings
        ]
    depth, width, px = settings.T
    values = _cost(scaled(base, depth=depth, width=width, resolution=px.astype(int)), kind)
    return [int(value) for value in np.broadcast_to(values, depth.shape)]


def _cost(network: Architecture | Network, kind: str) -> Any:
    if kind == "inference":
        return network.memory().inference
    if kind == "training":
        return network.memory(BATCH, optimizer="momentum").training
    return network.cost(kind).macs


def outputs(base: str, row: Mapping[Any, Any]) -> int:
    """How many classes the network of a row of `cl.measured()` tells apart: each adds its parameters to the head.

    Raises ValueError for a row that is not this base scaled, whatever its classes.
    """
    start = architecture(base)
    network = scaled(start, depth=row["depth"], width=row["width"], resolution=row["resolution"])
    few, more = (replace(network, classes=start.classes + n).cost().params for n in (0, 1))
    extra, rest = divmod(int(row["params"]) - few, more - few)
    if rest:
        raise ValueError(
            f"{network.name} of cl.measured() has {row['params']:,} params, which no number of classes gives"
        )
    return int(start.classes + extra)


def place(base: str, depth: float, width: float, px: int | None) -> str | None:
    """The state string of the slider setting that makes this network, or None where there is none.

    The networks B0 to B7 stand on the sliders of "efficientnet", the bases of other families on those of their family.

    >>> place("efficientnet_b3", 1, 1, 300), place("resnet50", 1, 2, 224), place("small_resnet", 1, 0.625, 28)
    ('efficientnet,d=1.4,w=1.2,r=300', 'resnet,d=1,w=2,r=224', None)
    """
    start = architecture(base) if base in names() else None
    if px is None or not isinstance(start, Architecture):
        return None
    if base in COMPOUND and depth == width == 1:
        made = EFFICIENTNETS[base]
        assert isinstance(made, partial)
        base, depth, width = COMPOUND[0], made.keywords["depth"], made.keywords["width"]
        start = architecture(base)
        assert isinstance(start, Architecture)
    d, w = (_on(steps, value) for steps, value in ((DEPTHS, depth), (WIDTHS, width)))
    own = int(start.resolution)
    ends = max(start.stride, round(own / 4 / PIXELS) * PIXELS), 3 * own
    if d is None or w is None or not (px == own or (px % PIXELS == 0 and ends[0] <= px <= ends[1])):
        return None
    family = next((key for key, (_, of) in FAMILIES.items() if of == base), base)
    return states.write(family, d, w, px)


def _on(steps: Sequence[float], value: float) -> float | None:
    """The slider's own number for this value."""
    near = min(steps, key=lambda step: abs(step - value))
    return near if abs(near - value) < 1e-6 else None
