"""What multiply-adds hide: how much less time fewer of them take, and how little of the peak each kind of layer gets.

Every figure is a ratio of two that were measured in this one process; read those, not the milliseconds. Where two
spreads overlap the ratio says so. A GPU is measured too, where torch finds one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import torch

import cnnlab as cl
from cnnlab.run.device import speeds
from cnnlab.run.latency import latency
from cnnlab.run.roofline import Roofline, roofline
from cnnlab.run.timing import Latency

PAIRS = (("resnet50", "efficientnet_b0"), ("resnet18", "efficientnet_b0"), ("resnet50", "resnext50_32x4d"))
NETWORKS = ("resnet50", "efficientnet_b0")  # whose layers are timed one by one
SECONDS = 1.0


def batches(device: str) -> tuple[int, ...]:
    """A small batch and a large one for the device."""
    return (1, 256) if device == "cuda" else (1, 8)


def times(device: str) -> dict[tuple[str, int], Latency]:
    """The latency of each network at each batch size."""
    names = dict.fromkeys(name for pair in PAIRS for name in pair)
    return {
        (name, batch): latency(cl.architecture(name), batch, device=device, seconds=SECONDS)
        for name in names
        for batch in batches(device)
    }


def ratios(found: dict[tuple[str, int], Latency], device: str) -> Iterator[dict[str, object]]:
    """For each pair and batch: how many times the multiply-adds, and how many times the time."""
    for one, other in PAIRS:
        for batch in batches(device):
            a, b = found[one, batch], found[other, batch]
            ratio = a.ratio(b)
            assert a.macs and b.macs
            yield {
                "networks": f"{one} / {other}",
                "batch": batch,
                "x MACs": a.macs / b.macs,
                "x time": ratio.value,
                "from": ratio.low,
                "to": ratio.high,
                "ordered": ratio.ordered,
                "ms": f"{a.median * 1e3:.1f} / {b.median * 1e3:.1f}",
            }


def kinds(line: Roofline) -> pd.DataFrame:
    """Each kind of layer: its share of the multiply-adds, of the time bound and of the measured time, in percent."""
    frame = line.table(by="kind")
    return pd.DataFrame(
        {
            "layers": frame["kind"],
            "% of MACs": 100 * frame["flops"] / line.flops,
            "FLOP/byte": frame["intensity"],
            "% of bound": 100 * frame["share"],
            "% of time": 100 * frame["measured"] / frame["measured"].sum(),
            "% of peak": 100 * frame["of_peak"],
            "x bound": frame["ratio"],
        }
    )


def kept() -> pd.DataFrame:
    """What training keeps of one image for the backward pass, beside the multiply-adds; computed, not measured."""
    rows = []
    for one, other in PAIRS:
        a, b = (cl.architecture(name) for name in (one, other))
        saved = [arch.memory().saved / 1e6 for arch in (a, b)]
        rows.append(
            {
                "networks": f"{one} / {other}",
                "x MACs": a.cost().macs / b.cost().macs,
                "x saved": saved[0] / saved[1],
                "MB an image": "{:.1f} / {:.1f}".format(*saved),
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Print what training keeps and, for the CPU and for a GPU if there is one, what takes the time."""
    print(kept().to_string(index=False, float_format="{:.2f}".format))
    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        print(f"\n{speeds(device)}\n")
        rows = pd.DataFrame(ratios(times(device), device))
        print(rows.to_string(index=False, float_format="{:.2f}".format))
        for name in NETWORKS:
            line = roofline(cl.architecture(name), device, batch=batches(device)[0], measure=True, seconds=SECONDS)
            print(
                f"\n{line.name}, batch {line.batch}: measured {1e3 * (line.measured or 0):.1f} ms layer by layer, ",
                end="",
            )
            print(f"{(line.measured or 0) / line.seconds:.1f} times the bound")
            print(kinds(line).to_string(index=False, float_format="{:.1f}".format))


if __name__ == "__main__":
    main()
