"""The full cost of a network: cnnlab from its knobs and by trace, beside the counters people use.

The peers get a built module and, where they run it, a real input of one image: building is not charged to them.
Each figure is the best of several calls in this one process; read the ratios, not the milliseconds.
"""

from __future__ import annotations

import contextlib
import io
import logging
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

import cnnlab as cl

NETWORKS = {  # name -> (its base, knobs)
    "resnet50": ("resnet50", {}),
    "efficientnet_b0": ("efficientnet_b0", {}),
    "efficientnet_b7": ("efficientnet_b0", {"depth": 3.1, "width": 2.0, "resolution": 600}),
}


def best(call: Callable[[], int], *, seconds: float = 2.0, most: int = 200) -> tuple[float, int]:
    """The shortest time of a call (ms), repeated for so many seconds but at least twice, and what it returns."""
    times: list[float] = []
    result = 0
    while len(times) < 2 or (sum(times) < seconds and len(times) < most):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3, result


def counters(name: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """Each counter as a call that returns the multiply-adds that it finds."""
    base, knobs = NETWORKS[name]
    arch = cl.architecture(base)
    model = models.get_model(name).eval()
    resolution = cl.scaled(arch, **knobs).resolution
    x = torch.randn(1, 3, resolution, resolution)
    with torch.device("meta"):
        hollow, nothing = models.get_model(name).eval(), torch.empty(1, 3, resolution, resolution)

    def from_knobs() -> int:
        return cl.scaled(arch, **knobs).cost().macs

    def traced() -> int:
        return cl.trace(hollow, resolution).cost().macs

    def fvcore() -> int:
        from fvcore.nn import FlopCountAnalysis

        return int(FlopCountAnalysis(model, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())

    def torchinfo() -> int:
        from torchinfo import summary

        return int(summary(model, input_data=x, verbose=0).total_mult_adds)

    def ptflops() -> int:
        from ptflops import get_model_complexity_info

        size = (3, resolution, resolution)
        return int(get_model_complexity_info(model, size, as_strings=False, print_per_layer_stat=False)[0])

    def thop() -> int:
        from thop import profile

        return int(profile(model, (x,), verbose=False)[0])

    def flop_counter(module: nn.Module, image: torch.Tensor) -> int:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(image)
        return counter.get_total_flops() // 2

    yield "cnnlab, from knobs", from_knobs
    yield "cnnlab, trace + cost", traced
    yield "FlopCounterMode, meta", lambda: flop_counter(hollow, nothing)
    yield "FlopCounterMode, real", lambda: flop_counter(model, x)
    yield "fvcore", fvcore
    yield "torchinfo", torchinfo
    yield "ptflops", ptflops
    yield "thop", thop  # last: it leaves buffers behind in the module


def one_million() -> str:
    """One million EfficientNet settings as a grid, in one call on one thread."""
    arch = cl.architecture("efficientnet_b0")
    grid = {
        "depth": np.linspace(0.5, 3.2, 100)[:, None, None],
        "width": np.linspace(0.5, 2.2, 100)[None, :, None],
        "resolution": np.arange(128, 528, 4)[None, None, :],
    }
    milliseconds, settings = best(lambda: cl.scaled(arch, **grid).cost().macs.size)
    return f"{settings:,} EfficientNet settings (a grid, one call): {milliseconds / 1e3:.2f} s"


def main() -> None:
    """Print, for each network, every counter's time, its ratio to cnnlab's, and its total."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    for name in NETWORKS:
        rows = []
        for counter, call in counters(name):
            with contextlib.redirect_stdout(io.StringIO()):
                milliseconds, macs = best(call)
            rows.append({"counter": counter, "ms": milliseconds, "MACs it finds": macs})
        frame = pd.DataFrame(rows)
        frame.insert(2, "x cnnlab", frame["ms"] / frame["ms"][0])
        print(f"\n{name}, {cl.architecture(name).resolution} px")
        print(
            frame.to_string(
                index=False,
                formatters={"ms": "{:.2f}".format, "x cnnlab": "{:.0f}".format, "MACs it finds": "{:,}".format},
            )
        )
    print("\n" + one_million())


if __name__ == "__main__":
    main()
