"""Every torchvision CNN by every counter: whose total is reproduced, and how long each takes beside cnnlab.

trace and count get torchvision's module on the meta device, and so does FlopCounterMode; the others run it on an image
of one float batch, as their users do, and are called once (after one call on a small network, which loads them).
RegNets cannot be built on meta; they are built once and moved there. Read the ratios, not the milliseconds.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models
from tqdm import tqdm

import cnnlab as cl

OTHERS = ("vit", "swin", "maxvit")  # transformers
LARGEST = 200e6  # parameters; the real forward of a larger one takes minutes with every counter
QUIET = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
PEERS = ("fvcore", "torchinfo", "ptflops", "thop")


def networks() -> Iterator[tuple[str, int, nn.Module]]:
    """Each CNN of torchvision: its name, the resolution that it is evaluated at, and the module, with its weights."""
    for name in models.list_models(module=models):
        weights = next(iter(models.get_model_weights(name)))
        if name.startswith(OTHERS) or weights.meta["num_params"] > LARGEST:
            continue
        yield name, weights.transforms().crop_size[0], models.get_model(name, **QUIET.get(name, {})).eval()


def flop_counter(module: nn.Module, x: torch.Tensor) -> int:
    """Half the FLOPs of torch's FlopCounterMode."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return counter.get_total_flops() // 2


def fvcore(module: nn.Module, x: torch.Tensor) -> int:
    from fvcore.nn import FlopCountAnalysis

    return int(FlopCountAnalysis(module, x).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def torchinfo(module: nn.Module, x: torch.Tensor) -> int:
    from torchinfo import summary

    return int(summary(module, input_data=x, verbose=0).total_mult_adds)


def ptflops(module: nn.Module, x: torch.Tensor) -> int:
    from ptflops import get_model_complexity_info

    return int(get_model_complexity_info(module, tuple(x.shape[1:]), as_strings=False, print_per_layer_stat=False)[0])


def thop(module: nn.Module, x: torch.Tensor) -> int:
    from thop import profile

    return int(profile(module, (x,), verbose=False)[0])


def timed(call: Callable[[], int], repeats: int) -> tuple[float, int]:
    """The shortest time of a call (ms), and what it returns."""
    shortest, result = float("inf"), 0
    for _ in range(repeats):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            result = call()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest * 1e3, result


def measure(name: str, resolution: int, module: nn.Module) -> dict[str, object]:
    """One network: the milliseconds of each counter, and which totals are equal."""
    x = torch.zeros(1, 3, resolution, resolution)
    hollow, nothing = copy.deepcopy(module).to("meta"), x.to("meta")
    row: dict[str, object] = {"network": name, "px": resolution}
    trace_ms, macs = timed(lambda: cl.trace(hollow, resolution).cost().macs, 5)
    count_ms, counted = timed(lambda: cl.count(hollow, nothing).macs, 3)
    flops_ms, reference = timed(lambda: flop_counter(hollow, nothing), 3)
    row |= {"MACs": macs, "trace": trace_ms, "count": count_ms, "FlopCounterMode": flops_ms}
    row["macs ="] = macs == counted == reference
    graph = cl.trace(hollow, resolution)
    for peer in PEERS:
        theirs = copy.deepcopy(module)  # they leave hooks and buffers behind
        row[peer], total = timed(lambda peer=peer, theirs=theirs: globals()[peer](theirs, x), 1)
        row[f"{peer} ="] = total == graph.cost(convention=peer).macs
    return row


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """For each peer: on how many networks its total is reproduced, and how many times longer than trace + cost."""
    rows = []
    for peer in ("count", "FlopCounterMode", *PEERS):
        for ours in ("trace", "count")[: 1 if peer == "count" else 2]:
            ratio = frame[peer] / frame[ours]
            equal = frame[f"{peer} =" if peer in PEERS else "macs ="].sum()
            row = {"counter": peer, "equal": f"{equal} of {len(frame)}", "beside": ours}
            rows.append(row | {"median x": ratio.median(), "least x": ratio.min(), "of": frame["network"][ratio.argmin()]})
    return pd.DataFrame(rows)


def main() -> None:
    """Print a row for each network, then the ratios' median and worst."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    measure("warm-up", 64, models.get_model("resnet18").eval())
    total = sum(1 for n in models.list_models(module=models) if not n.startswith(OTHERS))
    rows = [measure(*network) for network in tqdm(networks(), total=total, file=sys.stderr, leave=False)]
    frame = pd.DataFrame(rows)
    marks = {column: frame[column].map({True: "yes", False: "NO"}) for column in frame if column.endswith("=")}
    numbers = {"MACs": "{:,}".format} | {c: "{:.1f}".format for c in ("trace", "count", "FlopCounterMode", *PEERS)}
    print("milliseconds, and whether the total is equal to the last unit (macs: trace, count and FlopCounterMode / 2)")
    print(frame.assign(**marks).to_string(index=False, formatters=numbers))
    print("\ntimes as long as cnnlab's trace + cost, or its count")
    print(summary(frame).to_string(index=False, formatters=dict.fromkeys(("median x", "least x"), "{:.1f}".format)))


if __name__ == "__main__":
    main()
