"""The full cost of a network: cnnlab from its knobs and by trace, beside the counters people use.

The peers get a built module and, where they run it, a real input of one image: building is not charged to them.
Each figure is the best of several calls in this one process; read the ratios, not the milliseconds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from torchvision import models

import cnnlab as cl
from benchmarks.peers import TOOLS, best, flop_counter, quietly

NETWORKS = {  # name -> (its base, knobs)
    "resnet50": ("resnet50", {}),
    "efficientnet_b0": ("efficientnet_b0", {}),
    "efficientnet_b7": ("efficientnet_b0", {"depth": 3.1, "width": 2.0, "resolution": 600}),
}
MILLION = 1_000_000


def counters(name: str) -> Iterator[tuple[str, Callable[[], int]]]:
    """Each counter as a call that returns the multiply-adds that it finds."""
    base, knobs = NETWORKS[name]
    arch = cl.architecture(base)
    model = models.get_model(name).eval()
    resolution = cl.scaled(arch, **knobs).resolution
    x = torch.randn(1, 3, resolution, resolution)
    with torch.device("meta"):
        hollow, nothing = models.get_model(name).eval(), torch.empty(1, 3, resolution, resolution)
    yield "cnnlab, from knobs", lambda: cl.scaled(arch, **knobs).cost().macs
    yield "cnnlab, trace + cost", lambda: cl.trace(hollow, resolution).cost().macs
    yield "cnnlab, count", lambda: cl.count(hollow, nothing).macs
    yield "FlopCounterMode, meta", lambda: flop_counter(hollow, nothing)
    yield "FlopCounterMode, real", lambda: flop_counter(model, x)
    for tool, counter in TOOLS.items():
        yield tool, partial(counter, model, x)


def one_million() -> pd.DataFrame:
    """One million settings of a family in one call on one thread: as a grid, and drawn at random."""
    draw = np.random.default_rng(0)
    rows = []
    for base in ("efficientnet", "resnet", "mobilenet_v2", "regnet_y_400mf"):
        grid = cl.Space(base, np.linspace(0.5, 3.2, 100), np.linspace(0.5, 2.2, 100), np.arange(128, 528, 4))
        random = cl.Space(
            base,
            depth=draw.uniform(0.5, 3.2, MILLION),
            width=draw.uniform(0.5, 2.2, MILLION),
            resolution=draw.integers(128, 528, MILLION),
            paired=True,
        )
        for what, space in (("a grid", grid), ("random triples", random)):
            milliseconds, settings = best(lambda: len(space.frame()))  # noqa: B023  # called at once
            rows.append({"family": base, "settings": f"{settings:,}", "as": what, "seconds": milliseconds / 1e3})
    return pd.DataFrame(rows)


IMPORT = """
import sys, time
start = time.perf_counter()
import cnnlab
print(time.perf_counter() - start, "torch" in sys.modules)
"""


def import_seconds() -> tuple[float, bool]:
    """The shortest time that `import cnnlab` takes in a fresh interpreter, and whether it brings torch."""
    command = [sys.executable, "-c", IMPORT]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(5)]
    times, torches = zip(*map(str.split, said), strict=True)
    return min(map(float, times)), "True" in torches


def main() -> None:
    """Print, for each network, each counter's time, its ratio to cnnlab's and its total; then the million settings."""
    quietly()
    for name in NETWORKS:
        rows = []
        for counter, call in counters(name):
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
    seconds, brings_torch = import_seconds()
    print(f"\nimport cnnlab: {seconds:.3f} s, {'with' if brings_torch else 'without'} torch")
    print("\n" + one_million().to_string(index=False, formatters={"seconds": "{:.2f}".format}))


if __name__ == "__main__":
    main()
