"""What limits each layer, the processor or the memory: time bounds from its work, its traffic and measured speeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cnnlab.arch.graph import Graph
from cnnlab.arch.traffic import Group, groups
from cnnlab.arch.whole import check_int
from cnnlab.run.device import Speeds, speeds, torch_device, torch_dtype
from cnnlab.run.latency import LAYOUTS, as_graph
from cnnlab.run.layertime import layer_seconds
from cnnlab.run.timing import seconds_text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Bound:
    """The least time of one group of layers that run as one, named after the first of them.

    kind: "spatial", "pointwise", "depthwise", "linear" or "other"; see `cnnlab.arch.traffic.kind`. layers: how many
    run as one. flops, bytes: for the whole batch; a multiply-add is two operations, and nothing else is counted.
    compute, traffic: seconds that the operations take at the peak, and the bytes at the full bandwidth. share: of the
    time bound of the whole network. measured: seconds that its layers took, None if not measured.
    """

    name: str
    kind: str
    layers: int
    flops: int
    bytes: int
    compute: float
    traffic: float
    share: float
    measured: float | None = None

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.flops / self.bytes

    @property
    def seconds(self) -> float:
        """The time bound: the longer of `compute` and `traffic`, as if the two overlapped perfectly."""
        return max(self.compute, self.traffic)

    @property
    def limit(self) -> str:
        """What takes longer: "compute" or "bandwidth"."""
        return "compute" if self.compute >= self.traffic else "bandwidth"

    @property
    def ratio(self) -> float | None:
        """Measured time over time bound."""
        return None if self.measured is None else self.measured / self.seconds


@dataclass(frozen=True)
class Roofline:
    """The time bounds of a network's layers on one machine: `table()` lists them, `cnnlab.plot_roofline` draws them.

    speeds: the machine's peak and bandwidth, as measured. layers: the groups, in the order they run.
    """

    name: str
    batch: int
    resolution: int
    dtype: str
    speeds: Speeds
    layers: tuple[Bound, ...]

    @property
    def seconds(self) -> float:
        """The time bound of the whole batch: the sum over the groups, which run one after the other."""
        return sum(each.seconds for each in self.layers)

    @property
    def measured(self) -> float | None:
        """The measured seconds of all groups together, None if not measured."""
        times = [each.measured for each in self.layers if each.measured is not None]
        return sum(times) if times else None

    @property
    def flops(self) -> int:
        """Operations of the whole batch."""
        return sum(each.flops for each in self.layers)

    @property
    def bytes(self) -> int:
        """Bytes that the whole batch moves at least."""
        return sum(each.bytes for each in self.layers)

    def table(self, by: str = "layer") -> pd.DataFrame:
        """One row for each group of layers ("layer"), or for each kind of them ("kind").

        Columns: flops, bytes; intensity (operations per byte); compute, traffic and bound (seconds); limit ("compute"
        or "bandwidth"); share of the bound of the whole (0 to 1); where measured, the measured seconds, their ratio to
        the bound, and the share of the peak that was reached (0 to 1). For a kind, the bound is the sum of its
        groups' bounds, and the limit is what binds for most of that time.
        """
        import pandas as pd

        if by not in ("layer", "kind"):
            raise ValueError(f"by={by!r}: choose 'layer' or 'kind'")
        frame = pd.DataFrame(
            {
                "layer": each.name,
                "kind": each.kind,
                **{what: getattr(each, what) for what in ("flops", "bytes", "compute", "traffic")},
                "bound": each.seconds,
                "computing": each.seconds if each.limit == "compute" else 0.0,
                "measured": each.measured,
            }
            for each in self.layers
        )
        if by == "kind":
            frame = frame.drop(columns="layer").groupby("kind", sort=False).sum().reset_index()
        frame = frame.assign(
            intensity=frame["flops"] / frame["bytes"],
            limit=np.where(2 * frame["computing"] >= frame["bound"], "compute", "bandwidth"),
            share=frame["bound"] / self.seconds,
        )
        order = [*(["layer"] if by == "layer" else []), "kind", "flops", "bytes", "intensity"]
        order += ["compute", "traffic", "bound", "limit", "share"]
        if self.measured is not None:
            ratios = {"ratio": frame["measured"] / frame["bound"]}
            ratios["of_peak"] = frame["flops"] / frame["measured"] / self.speeds.peak
            frame, order = frame.assign(**ratios), [*order, "measured", "ratio", "of_peak"]
        return frame[order]

    def __repr__(self) -> str:
        memory = sum(each.seconds for each in self.layers if each.limit == "bandwidth") / self.seconds
        seen = "" if self.measured is None else f", measured {seconds_text(self.measured)}"
        return (
            f"Roofline({self.name}, batch {self.batch}, {self.resolution} px: at least {seconds_text(self.seconds)}, "
            f"{memory:.0%} of it bound by bandwidth{seen}; {self.speeds})"
        )


def roofline(
    network: Graph | Any,
    device: str | torch.device | None = None,
    batch: int = 1,
    dtype: str | torch.dtype = "float32",
    *,
    threads: int | None = None,
    layout: str = "contiguous",
    measure: bool = False,
    seconds: float = 1.0,
) -> Roofline:
    """The least time that each layer of a network can take at inference: flops / peak or bytes / bandwidth.

    network: a Graph or an Architecture. device, dtype, threads, layout: as for `latency`. batch: images.
    measure: also run the network eagerly with random weights for so many seconds, and take each layer's own time.

    The peak and the bandwidth are measured (`cnnlab.run.device.speeds`); the bytes are the compulsory traffic of
    fused groups (`cnnlab.arch.traffic`, where every assumption stands). Two things may make a measured time shorter
    than the bound: images that still lie in a cache when they are read (small ones, at small batches), and
    algorithms that do less than the multiply-adds (Winograd). Everything else makes it longer.
    Raises ValueError for a folded graph and for what cannot be measured.
    Source: Williams, Waterman and Patterson 2009, "Roofline".
    """
    graph = as_graph(network, "roofline takes a Graph or an Architecture (cnnlab.trace(module) of a torch module)")
    place, number = torch_device(device), torch_dtype(dtype)
    batch = check_int("batch", batch)
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r}: choose one of {', '.join(LAYOUTS)}")
    parts = groups(graph)
    limits = speeds(device, dtype, threads=threads)
    times = layer_seconds(graph, place, number, batch, layout, limits.threads, seconds) if measure else None
    return bounded(graph, parts, limits, batch, None if times is None else _by_group(parts, times))


def bounded(
    graph: Graph, parts: tuple[Group, ...], limits: Speeds, batch: int, measured: Mapping[str, float] | None = None
) -> Roofline:
    """The bounds of these groups at these speeds: pure arithmetic. measured: seconds by the groups' names."""
    size = torch_dtype(limits.dtype).itemsize
    work = [(2 * part.macs * batch, part.traffic(batch, size)) for part in parts]
    least = [max(flops / limits.peak, moved / limits.bandwidth) for flops, moved in work]
    layers = [
        Bound(part.name, part.kind, len(part.members), flops, moved, flops / limits.peak, moved / limits.bandwidth,
              bound / sum(least), None if measured is None else measured[part.name])
        for part, (flops, moved), bound in zip(parts, work, least, strict=True)
    ]  # fmt: skip
    return Roofline(graph.name, batch, int(graph.input.size or 1), limits.dtype, limits, tuple(layers))


def _by_group(parts: tuple[Group, ...], times: np.ndarray) -> dict[str, float]:
    """For each group the median over the runs of the time of its layers together. times: (runs, layers)."""
    return {part.name: float(np.median(times[:, list(part.members)].sum(1))) for part in parts}
