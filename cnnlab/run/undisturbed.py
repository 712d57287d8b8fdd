"""A run that leaves the process as it was: its random numbers, its switches, its modes."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def undisturbed(training: bool) -> Iterator[None]:
    """Inside: fixed seeds, gradients as asked, no fused attention, no compiler. Afterwards: all as it was before."""
    python, legacy, generator = random.getstate(), np.random.get_state(), torch.default_generator
    state = generator.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(training))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            torch.backends.mha.set_fastpath_enabled(False)
            seed()
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            random.setstate(python)
            np.random.set_state(legacy)
            generator.set_state(state)
            if cuda is not None:
                torch.cuda.set_rng_state_all(cuda)


def seed() -> None:
    """So that a count is the same each time, also of a network that throws dice."""
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)
