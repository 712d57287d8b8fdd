"""What changes the weights, and how fast: the optimizer and the learning rate's schedule that a recipe asks for."""

from __future__ import annotations

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from cnnlab.run.recipe import Recipe

WARM_UP = 0.2  # share of the steps in which the learning rate rises; then it falls along a cosine to about 0
FUSED = ("cpu", "cuda")  # devices that have fused optimizers since torch 2.4
LEAST_CYCLE = 6  # steps: of five, the share that rises is the first alone, and OneCycleLR divides by zero


def optimizer(model: nn.Module, recipe: Recipe, steps: int) -> tuple[Optimizer, LRScheduler]:
    """The recipe's optimizer over all weights that are to be trained, and its schedule over so many steps.

    Weights of one dimension (biases, scales and shifts) do not decay. Where torch has it, the optimizer is the fused
    one: a narrow network has many small tensors, which it changes four times as fast on a CPU.
    """
    learned = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
    ]
    lr, momentum = float(recipe.lr), float(recipe.momentum)
    fused = True if learned and all(p.device.type in FUSED for p in learned) else None
    chosen: Optimizer
    if recipe.optimizer == "sgd":
        chosen = SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=fused)
    else:
        chosen = AdamW(groups, lr=lr, betas=(momentum, 0.99), fused=fused)
    if recipe.schedule == "constant":
        return chosen, ConstantLR(chosen, factor=1.0)
    total = max(steps + 1, LEAST_CYCLE)
    return chosen, OneCycleLR(chosen, max_lr=lr, total_steps=total, pct_start=WARM_UP, cycle_momentum=False)
