"""The counters that people use, each as a function (module, one image) -> multiply-adds; and how calls are timed."""

from __future__ import annotations

import contextlib
import io
import logging
import time
import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

Counter = Callable[[nn.Module, Tensor], int]


def flop_counter(module: nn.Module, x: Tensor) -> int:
    """Half the FLOPs of torch's FlopCounterMode."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return counter.get_total_flops() // 2


def fvcore(module: nn.Module, x: Tensor) -> int:
    from fvcore.nn import FlopCountAnalysis

    return int(FlopCountAnalysis(module, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def torchinfo(module: nn.Module, x: Tensor) -> int:
    from torchinfo import summary

    return int(summary(module, input_data=x, verbose=0).total_mult_adds)


def ptflops(module: nn.Module, x: Tensor) -> int:
    from ptflops import get_model_complexity_info

    return int(get_model_complexity_info(module, tuple(x.shape[1:]), as_strings=False, print_per_layer_stat=False)[0])


def thop(module: nn.Module, x: Tensor) -> int:
    """It leaves buffers behind in the module."""
    from thop import profile

    return int(profile(module, (x,), verbose=False)[0])


TOOLS: Mapping[str, Counter] = {"fvcore": fvcore, "torchinfo": torchinfo, "ptflops": ptflops, "thop": thop}
"""Those whose conventions `Graph.cost` knows, under the same names."""


def quietly() -> None:
    """Keep the tools' warnings out of the tables."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def best(call: Callable[[], int], *, seconds: float = 2.0, least: int = 2, most: int = 200) -> tuple[float, int]:
    """The shortest time of a call (ms), repeated for so many seconds and so many times, and what it returns."""
    times: list[float] = []
    result = 0
    while len(times) < least or (sum(times) < seconds and len(times) < most):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            result = call()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3, result
