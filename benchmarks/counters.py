"""Every torchvision CNN by every counter: whose total is reproduced, and how long each takes beside cnnlab.

"knobs" is the cost of cnnlab's own architecture, where the zoo has the network (all but ShuffleNet). trace, count and
FlopCounterMode get torchvision's module on the meta device; the tools run it on a real image, as their users do, once
each, after a call on a small network that loads them. Read the ratios, not the milliseconds.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator

import pandas as pd
import torch
from torch import nn
from torchvision import models
from tqdm import tqdm

import cnnlab as cl
from benchmarks.peers import TOOLS, best, flop_counter, quietly

TRANSFORMERS = ("vit", "swin", "maxvit")
LARGEST = 200e6  # parameters; all tools together take minutes to run a larger one
QUIET = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
META = ("knobs", "trace", "count", "FlopCounterMode")


def networks() -> Iterator[tuple[str, int, nn.Module]]:
    """Each CNN of torchvision: its name, the resolution that it is evaluated at, and the module, with real weights."""
    for name in models.list_models(module=models):
        weights = next(iter(models.get_model_weights(name)))
        if not name.startswith(TRANSFORMERS) and weights.meta["num_params"] <= LARGEST:
            yield name, weights.transforms().crop_size[0], models.get_model(name, **QUIET.get(name, {})).eval()


def measure(name: str, resolution: int, module: nn.Module) -> dict[str, object]:
    """One network: the milliseconds of each counter, and which totals are equal to the last unit."""
    x = torch.zeros(1, 3, resolution, resolution)
    hollow, nothing = copy.deepcopy(module).to("meta"), x.to("meta")
    calls = {
        "trace": lambda: cl.trace(hollow, resolution).cost().macs,
        "count": lambda: cl.count(hollow, nothing).macs,
        "FlopCounterMode": lambda: flop_counter(hollow, nothing),
    }
    if name in cl.names():
        arch = cl.architecture(name, resolution=resolution)
        calls = {"knobs": lambda: arch.cost().macs, **calls}
    found = {way: best(call, seconds=0.3, least=3, most=10) for way, call in calls.items()}
    row: dict[str, object] = {"network": name, "px": resolution, "MACs": found["trace"][1]}
    row |= {way: found[way][0] if way in found else float("nan") for way in META}
    row["macs ="] = len({macs for _, macs in found.values()}) == 1
    graph = cl.trace(hollow, resolution)
    for tool, counter in TOOLS.items():
        theirs = copy.deepcopy(module)  # they leave hooks and buffers behind
        row[tool], total = best(lambda: counter(theirs, x), seconds=0, least=1)  # noqa: B023  # called at once
        row[f"{tool} ="] = total == graph.cost(convention=tool).macs
    return row


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """For each counter: on how many networks its total is reproduced, and how many times as long as ours it takes."""
    rows = []
    for peer in ("FlopCounterMode", *TOOLS):
        equal = frame[f"{peer} =" if peer in TOOLS else "macs ="].sum()
        row: dict[str, object] = {"counter": peer, "totals equal": f"{equal} of {len(frame)}"}
        for ours in ("knobs", "trace", "count"):
            ratio = frame[peer] / frame[ours]
            row |= {f"x {ours}, median": ratio.median(), "least": ratio.min(), "on": frame["network"][ratio.idxmin()]}
            row[f"x {ours}, least"] = f"{row.pop('least'):.1f} ({row.pop('on')})"
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Print a row for each network, then the median and the least of the ratios."""
    quietly()
    measure("warm-up", 64, models.get_model("resnet18").eval())
    total = sum(not name.startswith(TRANSFORMERS) for name in models.list_models(module=models))
    frame = pd.DataFrame([measure(*network) for network in tqdm(networks(), total=total, file=sys.stderr, leave=False)])
    marks = {column: frame[column].map({True: "yes", False: "NO"}) for column in frame if column.endswith("=")}
    numbers = {"MACs": "{:,}".format} | {way: "{:.1f}".format for way in (*META, *TOOLS)}
    print("milliseconds of each counter, and whether cnnlab's total equals it to the last unit")
    print("(macs =: knobs, trace, count and half of FlopCounterMode's FLOPs are one number)\n")
    print(frame.assign(**marks).to_string(index=False, formatters=numbers))
    print("\ntimes as long as cnnlab: from knobs, by trace + cost of the module, by count of the module\n")
    medians = {f"x {ours}, median": "{:.1f}".format for ours in ("knobs", "trace", "count")}
    print(summary(frame).to_string(index=False, formatters=medians))


if __name__ == "__main__":
    main()
