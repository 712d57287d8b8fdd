"""How long images live: in whose storage each layer's output lies, until when somebody holds it, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnnlab.arch.containers import containers
from cnnlab.arch.layers import square
from cnnlab.arch.storage import LEARNED, Layout, is_view, kept, layouts, overwriting, temporary
from cnnlab.arch.whole import Whole

if TYPE_CHECKING:
    from cnnlab.arch.graph import Layer


def saved_by_layer(layers: Sequence[Layer], batch: int, number: int) -> list[Whole]:
    """Bytes that autograd keeps because of each layer, all its occurrences together."""
    layout, over = layouts(layers, training=True), overwriting(layers)
    root = _roots(layers, over, layout, training=True)
    needs: list[bool] = []  # whether a gradient flows back to what leaves a layer
    further: list[Whole] = []
    roots: set[int] = set()
    for i, layer in enumerate(layers):
        gradients = [needs[j] for j in layer.inputs]
        needs.append(isinstance(layer.op, LEARNED) or any(gradients))
        if not layer.inputs:
            further.append(0)
            continue
        before = layer.inputs[0]
        keeps = kept(
            layer,
            layers[before],
            layout[before],
            gradients,
            overwrites=i in over,
            batch=batch,
            number=number,
        )
        roots |= {root[layer.inputs[k]] for k in keeps.inputs} | ({root[i]} if keeps.output else set())
        further.append(keeps.further)
    image = [batch * number * (layer.channels * square(layer)) for layer in layers]
    return [layer.count * (further[i] + image[i] * (i in roots)) for i, layer in enumerate(layers)]


def live_by_layer(layers: Sequence[Layer], batch: int, number: int) -> list[Whole]:
    """Bytes that images inside the network take while each layer runs, in evaluation; the input is not counted."""
    layout = layouts(layers, training=False)
    root = _roots(layers, overwriting(layers), layout, training=False)
    dies = _last_use(layers, root)
    ends: list[list[Whole]] = [[] for _ in layers]
    now: Whole = 0
    live: list[Whole] = []
    for i, layer in enumerate(layers):
        if not layer.inputs:
            live.append(0)
            continue
        if root[i] == i:
            image = batch * number * (layer.channels * square(layer))
            now = now + image  # not +=: arrays may broadcast
            ends[dies[i]].append(image)
        x = layer.inputs[0]
        live.append(now + temporary(layer, layers[x], layout[x], batch=batch, number=number))
        for image in ends[i]:
            now = now - image
    return live


def _roots(layers: Sequence[Layer], over: frozenset[int], layout: Sequence[Layout], *, training: bool) -> list[int]:
    """For each layer the one in whose storage its output lies: itself, or the layer that it views or overwrites."""
    root: list[int] = []
    for i, layer in enumerate(layers):
        if not layer.inputs:
            root.append(i)
            continue
        x = layer.inputs[0]
        shares = i in over or is_view(layer, layers[x], layout[x], training=training)
        root.append(root[x] if shares else i)
    return root


def _last_use(layers: Sequence[Layer], root: Sequence[int]) -> list[int]:
    """For each storage the layer after which nobody holds it any more."""
    around = containers(layers)
    dies = list(range(len(layers)))
    for i, layer in enumerate(layers):
        for j in layer.inputs:
            # The container that takes an image from outside is called with it, and so holds it until it returns.
            until = next((inside[-1] for inside in around[i] if inside[0] > j), i)
            dies[root[j]] = max(dies[root[j]], until, i)
    dies[root[-1]] = len(layers) - 1
    return dies
