"""How long each layer of a network takes, in whole runs: caches and queues are as they are when the network runs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from cnnlab.arch.graph import Graph
from cnnlab.run.clock import quiet, synchronize
from cnnlab.run.latency import LAYOUTS


def layer_seconds(
    graph: Graph,
    device: torch.device,
    dtype: torch.dtype,
    batch: int,
    layout: str,
    threads: int,
    seconds: float,
) -> np.ndarray:
    """Seconds of each layer of a graph in whole runs of its module: (runs, layers), the input 0."""
    # Each layer in a container of its own, called after its place in the graph, however many calls it is written as.
    apart = tuple(each._replace(name=f"layer{i}.it") for i, each in enumerate(graph.layers))
    model = Graph(graph.name, apart).module(seed=0).eval().to(device, dtype).to(memory_format=LAYOUTS[layout])
    shape = batch, int(graph.input.channels), int(graph.input.size or 1), int(graph.input.size or 1)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = x.to(device, dtype, memory_format=LAYOUTS[layout])
    runs: list[dict[str, float]] = []
    with quiet(device, threads):
        for _ in range(2):
            _Timed(model, device).seconds(x)
        start = time.perf_counter()
        while len(runs) < 5 or time.perf_counter() - start < seconds:
            runs.append(_Timed(model, device).seconds(x))
    return np.array([[0.0, *(run[f"layer{i}"] for i in range(1, len(graph.layers)))] for run in runs])


class _Timed(fx.Interpreter):
    """One run of a module, with the clock beside each of its direct submodules."""

    def __init__(self, model: fx.GraphModule, device: torch.device) -> None:
        super().__init__(model)
        self.device = device
        self.marks: list[tuple[str, Any, Any]] = []

    def seconds(self, x: Tensor) -> dict[str, float]:
        """The time of each submodule, by its name."""
        synchronize(self.device)
        self.run(x)
        synchronize(self.device)
        if self.device.type == "cuda":
            return {name: start.elapsed_time(end) / 1e3 for name, start, end in self.marks}
        return {name: end - start for name, start, end in self.marks}

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        start = self.mark()
        y = super().call_module(target, args, kwargs)
        self.marks.append((str(target), start, self.mark()))
        return y

    def mark(self) -> Any:
        """The time; on a GPU an event in its queue, so that the queue does not run dry for the clock."""
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
            return event
        synchronize(self.device)
        return time.perf_counter()
