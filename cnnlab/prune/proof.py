"""The proof of a plan: the small network computes what the masked one does, and costs what the plan says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cnnlab.arch.cost import Cost
from cnnlab.prune import cutting
from cnnlab.run.count import count
from cnnlab.run.standin import copied, stand_in

if TYPE_CHECKING:
    from cnnlab.prune.plans import Plan


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


def prove(plan: Plan, model: nn.Module, tolerance: float) -> Proof:
    """See `Plan.verify`."""
    original = stand_in(model, copied).cpu().double().eval()
    small = cutting.small(plan.widths, plan.mask, plan.pruned, original)
    twin = cutting.twin(plan.widths, plan.mask, original)
    start = plan.graph.input
    shape = (2, int(start.channels), int(start.size or 1), int(start.size or 1))
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.inference_mode():
        whole, masked, ours = (_logits(network, images) for network in (original, twin, small))
    scale = float(masked.abs().max())
    if not scale > 0:
        raise ArithmeticError(
            f"{plan.graph.name}: all logits of the masked model are 0 or no numbers: nothing is proved"
        )
    found = count(small, images[:1])
    proof = Proof(
        float((ours - masked).abs().max()) / scale,
        float((whole - masked).abs().max()) / scale,
        plan.cost,
        Cost(found.macs, found.params, plan.cost.activations),
    )
    if not proof.difference <= tolerance:
        raise ArithmeticError(
            f"{plan.graph.name}: the small network and the masked one differ by {proof.difference:.1e} of the largest "
            f"logit, more than {tolerance:g}"
        )
    if proof.counted != proof.planned:
        raise ArithmeticError(f"{plan.graph.name}: the plan says {proof.planned}, and {proof.counted} was counted")
    return proof


def _logits(network: nn.Module, images: Tensor) -> Tensor:
    return network.eval()(images)
