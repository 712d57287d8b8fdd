"""What becomes of a channel that is set to 0: where it is written last, and what turns its 0 into something else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnnlab.arch.graph import Layer
from cnnlab.arch.layers import Act, Add, Affine, Concat, Conv, LayerNorm, Linear, Multiply, Op
from cnnlab.arch.storage import LEARNED

AT_ZERO = {"sigmoid": 0.5, "hardsigmoid": 0.5}
"""Activations that turn 0 into something else, and into what."""


def mixes(op: Op) -> bool:
    """Whether each channel that leaves it depends on all that enter."""
    return isinstance(op, Linear) or (isinstance(op, Conv) and op.groups == 1)


def revived(layers: Sequence[Layer]) -> list[int | None]:
    """For each layer the one that has turned a removed channel's 0 into something else by there; None if it is 0."""
    found: list[int | None] = []
    for i, layer in enumerate(layers):
        op, before = layer.op, [found[j] for j in layer.inputs]
        if isinstance(op, LEARNED) or not before:
            found.append(None)
        elif (isinstance(op, Act) and op.kind in AT_ZERO) or (isinstance(op, Affine) and op.shift != 0):
            found.append(i)
        elif isinstance(op, Multiply):
            found.append(None if None in before else before[0])
        else:
            found.append(next((cause for cause in before if cause is not None), None))
    return found


def locks(layers: Sequence[Layer]) -> Iterable[tuple[int, str]]:
    """Layers whose channels must stay, each with the reason."""
    yield 0, "it is the image that enters"
    yield len(layers) - 1, "it is the network's output"
    causes = revived(layers)
    for layer in layers:
        if isinstance(layer.op, LayerNorm):
            told = f"{layer.name} normalises over all channels together: without one the others change"
            yield layer.inputs[0], told
        if mixes(layer.op) and (cause := causes[layer.inputs[0]]) is not None:
            told = f"{layers[cause].name} turns 0 into {_at_zero(layers[cause].op):g}"
            yield layer.inputs[0], f"{told}, so a masked channel would still reach {layer.name}"


def _at_zero(op: Op) -> float:
    return AT_ZERO[op.kind] if isinstance(op, Act) else op.shift if isinstance(op, Affine) else 0.0


def last_writers(layers: Sequence[Layer]) -> list[frozenset[int]]:
    """For each layer those whose numbers wrote its channels last: itself, or those before it.

    Of a product one factor counts, the first that is 0 for a removed channel: where it is 0, the product is.
    """
    causes = revived(layers)
    found: list[frozenset[int]] = []
    for i, layer in enumerate(layers):
        if isinstance(layer.op, LEARNED):
            found.append(frozenset({i}))
        elif isinstance(layer.op, (Add, Concat)):
            found.append(frozenset().union(*(found[j] for j in layer.inputs)))
        else:
            clear = [j for j in layer.inputs if causes[j] is None]
            found.append(found[(clear or layer.inputs)[0]] if layer.inputs else frozenset())
    return found
