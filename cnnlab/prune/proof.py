"""The proof of a plan: the small network computes what the masked one does, and costs what the plan says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from cnnlab.arch.cost import Cost
from cnnlab.arch.graph import Graph
from cnnlab.arch.widths import Bools, Widths
from cnnlab.prune import cutting
from cnnlab.run.count import count
from cnnlab.run.standin import copied, stand_in


@dataclass(frozen=True)
class Proof:
    """What was found. difference: the largest between the logits of the small network and of the masked one, relative
    to the largest logit.  changed: the same between the masked one and the model itself: what pruning does to it.
    planned, counted: the cost that the plan says, and the multiply-adds and parameters that were counted.
    """

    difference: float
    changed: float
    planned: Cost
    counted: Cost

    def __repr__(self) -> str:
        return (
            f"Proof(small and masked differ by {self.difference:.1e} of the largest logit; {self.counted.macs:,} MACs "
            f"and {self.counted.params:,} params, counted as planned)"
        )


def prove(widths: Widths, kept: Bools, pruned: Graph, model: nn.Module, *, tolerance: float) -> Proof:
    """That the pruned graph, with the model's numbers, is the model without the units that are not kept; see
    `Plan.verify`."""
    name, planned = widths.graph.name, pruned.cost()
    original = stand_in(model, copied).cpu().double().eval()
    small = cutting.small(widths, kept, pruned, original)
    twin = cutting.twin(widths, kept, original)
    start = widths.graph.input
    shape = (2, int(start.channels), int(start.size or 1), int(start.size or 1))
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.inference_mode():
        whole, masked, ours = (network(images) for network in (original, twin, small))
    scale = float(masked.abs().max())
    if not scale > 0:
        raise ArithmeticError(f"{name}: all logits of the masked model are 0 or no numbers: nothing is proved")
    found = count(small, images[:1])
    proof = Proof(
        float((ours - masked).abs().max()) / scale,
        float((whole - masked).abs().max()) / scale,
        planned,
        Cost(found.macs, found.params, planned.activations),
    )
    if not proof.difference <= tolerance:
        raise ArithmeticError(
            f"{name}: the small network and the masked one differ by {proof.difference:.1e} of the largest "
            f"logit, more than {tolerance:g}"
        )
    if proof.counted != proof.planned:
        raise ArithmeticError(f"{name}: the plan says {proof.planned}, and {proof.counted} was counted")
    return proof
