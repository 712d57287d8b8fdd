"""How long a network takes: the median of many runs with its spread, under conditions that are stated."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.graph import Graph
from cnnlab.arch.whole import check_int, check_real
from cnnlab.run.clock import quiet, repeated
from cnnlab.run.device import machine, thread_count, torch_device, torch_dtype
from cnnlab.run.timing import Latency
from cnnlab.run.trace import trace

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def latency(
    model: nn.Module | Graph | Architecture | Any,
    batch: int = 1,
    *,
    resolution: int | None = None,
    channels: int | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype = "float32",
    layout: str = "contiguous",
    threads: int | None = None,
    seconds: float = 1.0,
    name: str | None = None,
) -> Latency:
    """The time of one call at inference, on a batch of random images: the median of `seconds` of runs, at least five.

    model: a module on (N, channels, resolution, resolution), of which a copy is timed, so that yours stays as it is;
    or a Graph or an Architecture, which get random weights. batch: images. resolution (px), channels: of the input;
    by default the Graph's or Architecture's own, for a module 224 and 3. device: "cpu" (default), "cuda", "mps".
    dtype: "float32", "float16", "bfloat16" or "float64". layout: "contiguous" or "channels_last". threads: of the
    CPU, by default as many as torch uses now.

    The clock stops when the device is done; before it there is a warm-up, and meanwhile denormals are flushed to zero
    and no garbage is collected (see `cnnlab.run.clock`). Raises ValueError or TypeError for what cannot be measured.

    >>> import cnnlab as cl
    >>> t = latency(cl.architecture("cifar_resnet20"), threads=1, seconds=0.05)
    >>> t.runs >= 5, t.lower <= t.median <= t.upper, t.batch, t.resolution, t.macs
    (True, True, 1, 32, 40551040)
    """
    place, number = torch_device(device), torch_dtype(dtype)
    threads = thread_count(threads, place)
    check_int("batch", batch)
    check_real("seconds", seconds, above=0, most=3600)
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r}: choose one of {', '.join(LAYOUTS)}")
    module, own, resolution, channels, macs = _network(model, resolution, channels)
    name = own if name is None else name
    shape = batch, channels, resolution, resolution
    with _explained(f"{name}: it does not run on images of {shape}, {dtype}, {layout}, on {place}"):
        run = _call(module, place, number, layout, shape)
        with quiet(place, threads):
            times = repeated(run, place, seconds=seconds)
    lower, median, upper = np.quantile(times, [0.25, 0.5, 0.75]).tolist()
    here = machine(place)
    conditions = (batch, resolution, channels, f"{here.name} ({here.kind})", threads)
    more = (str(number).removeprefix("torch."), layout, "inference", here.torch)
    return Latency(name, median, lower, upper, len(times), macs, *conditions, *more)


def _network(model: Any, resolution: int | None, channels: int | None) -> tuple[nn.Module, str, int, int, int | None]:
    """A module that may be changed at will, its name, the resolution and channels it takes, and its multiply-adds."""
    if isinstance(model, nn.Module):
        resolution = 224 if resolution is None else check_int("resolution", resolution)
        channels = 3 if channels is None else check_int("channels", channels)
        return _copied(model), *_known(model, resolution, channels)
    graph = as_graph(model, "latency takes a torch.nn.Module, a Graph or an Architecture", resolution)
    if resolution is not None and resolution != graph.input.size:
        raise ValueError(
            f"resolution={resolution}: the graph {graph.name} is drawn for {graph.input.size} px; "
            "draw another from its architecture, or time its module"
        )
    if channels is not None and channels != graph.input.channels:
        raise ValueError(f"channels={channels}: {graph.name} takes images of {graph.input.channels}; leave it out")
    module = graph.module(seed=0)
    return module, graph.name, int(graph.input.size or 1), int(graph.input.channels), int(graph.cost().macs)


def as_graph(model: Any, what: str, resolution: int | None = None) -> Graph:
    """The graph of an architecture, at another resolution if given, or the graph itself.

    Raises TypeError for anything else; what: what is wanted, and by whom, the sentence's beginning.
    """
    if isinstance(model, Graph):
        return model
    if not (hasattr(model, "graph") and hasattr(model, "cost")):
        raise TypeError(f"{what}, not {type(model).__name__}")
    drawn = model if resolution is None else replace(model, resolution=check_int("resolution", resolution))
    graph = drawn.graph()
    assert isinstance(graph, Graph)
    return graph


def _copied(model: nn.Module) -> nn.Module:
    """A copy of the module that shares nothing with it."""
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise ValueError(
            f"{type(model).__name__} cannot be copied ({error}), and a copy is what is timed, so that yours stays as "
            "it is; let it keep no tensors of former calls, and nothing that Python cannot copy"
        ) from error


def _known(model: nn.Module, resolution: int, channels: int) -> tuple[str, int, int, int | None]:
    """The name, resolution, channels and, where the module can be traced, the multiply-adds."""
    try:
        macs = int(trace(model, resolution, channels=channels).cost().macs)
    except (ValueError, TypeError):
        macs = None
    return type(model).__name__, resolution, channels, macs


def _call(
    module: nn.Module, device: torch.device, dtype: torch.dtype, layout: str, shape: tuple[int, int, int, int]
) -> Callable[[], Tensor]:
    """A call of the module, moved and in evaluation mode, on one batch of random images."""
    module = module.to(device, dtype).to(memory_format=LAYOUTS[layout]).eval()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = x.to(device, dtype, memory_format=LAYOUTS[layout])
    return lambda: module(x)


@contextmanager
def _explained(sentence: str) -> Iterator[None]:
    """An error in here becomes the cause of a ValueError that begins with the sentence; an interrupt stays one."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{sentence} ({type(error).__name__}: {error})") from error
