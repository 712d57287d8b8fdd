"""Choosing channels and cutting them: plan, twin, proof.

>>> import cnnlab as cl
>>> model = cl.architecture("cifar_resnet20").graph().module(seed=0)
>>> plan = cl.prune.plan(model, budget=0.5, resolution=32)  # a value: nothing is changed yet
>>> small = plan.apply(model)  # the smaller network
>>> twin = plan.masked(model)  # the whole network with the same channels at 0
>>> plan.verify(model).difference < 1e-9  # they compute the same, and the cost is as planned
True
"""

from cnnlab.prune.criteria import CRITERIA
from cnnlab.prune.evidence import compared, pruned
from cnnlab.prune.examples import Examples, examples
from cnnlab.prune.files import load, save
from cnnlab.prune.grouping import groups
from cnnlab.prune.laboratory import overlaps, rank_correlations, rescaled, scores
from cnnlab.prune.lottery import Lottery, lottery
from cnnlab.prune.masking import Masks, held, magnitude_masks, nm_masks
from cnnlab.prune.planning import plan
from cnnlab.prune.plans import Plan
from cnnlab.prune.proof import Proof
from cnnlab.prune.recovery import Recovery, recalibrate, recover
from cnnlab.prune.sensitivity import sensitivity
from cnnlab.prune.shrinking import Shrunk, shrink

__all__ = [
    "CRITERIA",
    "Examples",
    "Lottery",
    "Masks",
    "Plan",
    "Proof",
    "Recovery",
    "Shrunk",
    "compared",
    "examples",
    "groups",
    "held",
    "load",
    "lottery",
    "magnitude_masks",
    "nm_masks",
    "overlaps",
    "plan",
    "pruned",
    "rank_correlations",
    "recalibrate",
    "recover",
    "rescaled",
    "save",
    "scores",
    "sensitivity",
    "shrink",
]
