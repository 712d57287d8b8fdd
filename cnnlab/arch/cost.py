"""What a network costs: one walk over its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlab.arch import doors
from cnnlab.arch.layers import Conv, Linear, square
from cnnlab.arch.whole import Whole, text

if TYPE_CHECKING:
    from cnnlab.arch.graph import Layer


@dataclass(frozen=True)
class Cost:
    """The cost of one image through a network, or through a part of one. Costs add up with `+` and `sum`.

    macs: multiply-adds of convolutions and linear layers, without biases.
    params: learned numbers (weights, biases, norm scale and shift).
    activations: numbers that convolutions and linear layers put out (as in Radosavovic et al. 2020 and timm).

    Each is an int, or an array with one entry per setting.

    >>> Cost(macs=2, params=1, activations=1) + Cost(macs=3, params=0, activations=1)
    Cost(macs=5, params=1, activations=2)
    """

    macs: Whole = 0
    params: Whole = 0
    activations: Whole = 0

    @property
    def flops(self) -> Whole:
        """Floating-point operations: a multiply-add is two."""
        return 2 * self.macs

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(self.macs + other.macs, self.params + other.params, self.activations + other.activations)

    def __radd__(self, zero: int) -> Cost:
        return self if zero == 0 else NotImplemented  # sum() starts from 0

    def _repr_html_(self) -> str:
        return doors.html(self)

    def __repr__(self) -> str:
        parts = [f"{name}={text(number, ',')}" for name, number in vars(self).items()]
        return f"Cost({', '.join(parts)})"


def layer_cost(layer: Layer, layers: Sequence[Layer]) -> Cost:
    """The cost of one layer, all its occurrences together; `layers` are those of the graph that it stands in."""
    return Cost(*_terms(layer, layers))


def walk(layers: Sequence[Layer]) -> Cost:
    """The cost of all these layers together: the sum of `layer_cost`, without an object for each."""
    macs: Whole = 0
    params: Whole = 0
    activations: Whole = 0
    for layer in layers:
        more = _terms(layer, layers)
        macs, params, activations = macs + more[0], params + more[1], activations + more[2]
    return Cost(macs, params, activations)


def _terms(layer: Layer, layers: Sequence[Layer]) -> tuple[Whole, Whole, Whole]:
    op, count, inputs = layer.op, layer.count, [layers[i] for i in layer.inputs]
    if not isinstance(op, (Conv, Linear)):
        return 0, count * op.params(*inputs) if inputs else 0, 0
    return count * op.macs(layer, *inputs), count * op.params(*inputs), count * (layer.channels * square(layer))
