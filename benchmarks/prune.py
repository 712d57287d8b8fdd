"""Pruning to half of the multiply-adds: cnnlab beside Torch-Pruning, on torchvision's networks with random weights.

Time, of choosing and cutting; the module is made beforehand. cnnlab: plan and apply. Torch-Pruning, in two ways: the
loop that its users write, and its own reproduce/main_imagenet.py, which prunes by hundredths until its counter says
half; and one step, its most favourable case: the ratio that comes to half is known, and nothing is searched or counted.
Finding that ratio, by a bisection that is not timed, takes `TRIES` such steps. Each way ranks all channels of the
network together, by L2 norms. The ways take turns, and the best of each counts; beside the clock stands the
processors' time, the fairer figure on a busy machine. A loop that has not arrived after `PATIENCE` seconds is stopped:
its time is then too short, and its multiply-adds show how far it came (DenseNet-121 takes it minutes).

Reached: the multiply-adds that torch's FlopCounterMode counts in what comes out, over half of those before.

Groups: the sets of convolutions and linear layers whose output channels are cut together, compared as sets of names.

Latency: what half of the multiply-adds saves. It is not half of the time.
"""

from __future__ import annotations

import copy
import gc
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import pandas as pd
import torch
import torch_pruning as tp
from torch import nn
from torchvision import models
from tqdm import tqdm

import cnnlab as cl
from benchmarks.peers import flop_counter
from cnnlab.arch.widths import _widths, widths
from cnnlab.run.device import plural
from cnnlab.run.latency import latency

NETWORKS = ("resnet50", "mobilenet_v2", "efficientnet_b0", "densenet121")
PIXELS = 224
STEPS = 100  # of Torch-Pruning's loop, from no channel removed to all
PATIENCE = 120.0  # seconds that the loop may take
TRIES = 7  # of the bisection that finds a ratio
SECONDS = 10.0  # each way is repeated for so long, at least once,
MOST = 20  # and at most so often

Way = Callable[[nn.Module], nn.Module]
"""Prunes a network, in place or not, and gives what is left of it."""

APART = {
    "resnext50_32x4d": "groups of a convolution: cnnlab removes whole ones; Torch-Pruning keeps all, and narrows "
    "what each takes and gives alike, apart from each other",
    "convnext_tiny": "channels that a LayerNorm normalises: cnnlab locks them, for the others would change; "
    "Torch-Pruning cuts them",
    "shufflenet_v2_x1_0": "Torch-Pruning cannot follow it",
}
"""Networks whose groups differ, and why."""


def network(name: str) -> nn.Module:
    """torchvision's, with the same random weights each time."""
    torch.manual_seed(0)
    return models.get_model(name).eval()


def macs(module: nn.Module) -> int:
    """As torch counts them, in a copy without numbers."""
    hollow = copy.deepcopy(module).to("meta")
    return flop_counter(hollow, torch.empty(1, 3, PIXELS, PIXELS, device="meta"))


# Ways.


def ours(model: nn.Module, round_to: int) -> nn.Module:
    return cl.prune.plan(model, "l2", budget=0.5, round_to=round_to).apply(model)


def loop(model: nn.Module, round_to: int) -> nn.Module:
    """Torch-Pruning, by small steps, until it counts half."""
    start = time.perf_counter()
    image = torch.randn(1, 3, PIXELS, PIXELS)
    pruner = theirs(model, image, ratio=1.0, steps=STEPS, round_to=round_to)
    before, _ = now, _ = tp.utils.count_ops_and_params(model, image)
    while now > before / 2 and pruner.current_step < STEPS and time.perf_counter() - start < PATIENCE:
        pruner.step()
        now, _ = tp.utils.count_ops_and_params(model, image)
    return model


def one_step(model: nn.Module, ratio: float, round_to: int) -> nn.Module:
    """Torch-Pruning, at once."""
    theirs(model, torch.randn(1, 3, PIXELS, PIXELS), ratio=ratio, steps=1, round_to=round_to).step()
    return model


def theirs(model: nn.Module, image: torch.Tensor, *, ratio: float, steps: int, round_to: int) -> tp.pruner.BasePruner:
    """Its pruner. The dicts are new ones, because its default ones are shared by all pruners of a process."""
    return tp.pruner.BasePruner(
        model,
        image,
        importance=tp.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=ratio,
        iterative_steps=steps,
        round_to=round_to if round_to > 1 else None,
        ignored_layers=[classifier(model)],
        in_channel_groups={},
        out_channel_groups={},
    )


def classifier(model: nn.Module) -> nn.Module:
    """The last linear layer."""
    return [part for part in model.modules() if isinstance(part, nn.Linear)][-1]


def halving_ratio(model: nn.Module, round_to: int) -> float:
    """The ratio at which one step of Torch-Pruning comes to half of the multiply-adds, by bisection."""
    half, low, high = macs(model) / 2, 0.1, 0.7
    for _ in range(TRIES):
        middle = (low + high) / 2
        above = macs(one_step(copy.deepcopy(model), middle, round_to)) > half
        low, high = (middle, high) if above else (low, middle)
    return high


# Time, and what was reached.


class Run(NamedTuple):
    """Of each repetition the seconds by the clock and those of the processors; and what came out."""

    clock: list[float]
    processor: list[float]
    module: nn.Module


def turns(ways: Mapping[str, Way], model: nn.Module) -> dict[str, Run]:
    """All ways in turn, each on a copy of its own, until each has had its time."""
    clocks: dict[str, list[float]] = {name: [] for name in ways}
    processors: dict[str, list[float]] = {name: [] for name in ways}
    modules: dict[str, nn.Module] = {}
    while waiting := [name for name, past in clocks.items() if sum(past) < SECONDS and len(past) < MOST]:
        for name in waiting:
            own = copy.deepcopy(model)
            _widths.cache_clear()  # or cnnlab would know the network from the time before
            gc.collect()
            clock, processor = time.perf_counter(), time.process_time()
            modules[name] = ways[name](own)
            clocks[name].append(time.perf_counter() - clock)
            processors[name].append(time.process_time() - processor)
    return {name: Run(clocks[name], processors[name], modules[name]) for name in ways}


def pruned(model: nn.Module, round_to: int) -> dict[str, Run]:
    """Half of the network, in each way."""
    ratio = halving_ratio(model, round_to)
    ways = {
        "cnnlab, plan + apply": partial(ours, round_to=round_to),
        "Torch-Pruning, loop": partial(loop, round_to=round_to),
        f"Torch-Pruning, one step of {ratio:.3f}": partial(one_step, ratio=ratio, round_to=round_to),
    }
    return turns(ways, model)


def rows(name: str, round_to: int, model: nn.Module, runs: Mapping[str, Run]) -> Iterator[dict[str, object]]:
    """Each way: its time, how many times cnnlab's that is, and the multiply-adds reached over those asked for."""
    half = macs(model) / 2
    first = next(iter(runs.values()))
    for way, run in runs.items():
        yield {
            "network": name,
            "round to": round_to,
            "way": way,
            "runs": len(run.clock),
            "ms": min(run.clock) * 1e3,
            "x cnnlab": min(run.clock) / min(first.clock),
            "x processor time": min(run.processor) / min(first.processor),
            "MACs / asked": macs(run.module) / half,
        }


# Groups.


def our_groups(model: nn.Module) -> set[frozenset[str]]:
    """The layers of each group that can be cut."""
    found, parts = widths(cl.trace(model, PIXELS)), dict(model.named_modules())
    names = [layer.name for layer in found.graph.layers]
    return {
        frozenset(names[i] for i in group.writers if isinstance(parts.get(names[i]), (nn.Conv2d, nn.Linear)))
        for group in found.groups
        if not group.locked
    }


def their_groups(model: nn.Module) -> set[frozenset[str]]:
    """The layers of each group, without that of the classifier."""
    graph = tp.DependencyGraph().build_dependency(model, torch.randn(1, 3, PIXELS, PIXELS))
    names = {part: name for name, part in model.named_modules()}
    return {
        frozenset(
            names[dep.target.module]
            for dep, _ in group
            if graph.is_out_channel_pruning_fn(dep.handler) and isinstance(dep.target.module, (nn.Conv2d, nn.Linear))
        )
        for group in graph.get_all_groups(ignored_layers=[classifier(model)])
    }


def groups(name: str) -> tuple[dict[str, object], str]:
    """How many groups each finds and how many are equal; and why others are not, as a sentence, or ""."""
    model = network(name)
    mine = our_groups(model)
    try:
        other = their_groups(model)
    except Exception as error:  # whatever it raises is what its user sees
        row = {"network": name, "cnnlab": len(mine), "Torch-Pruning": 0, "equal": 0}
        return row, f"{name}: {APART.get(name, 'it fails')} ({type(error).__name__}: {error})"
    row = {"network": name, "cnnlab": len(mine), "Torch-Pruning": len(other), "equal": len(mine & other)}
    if mine == other:
        return row, ""
    only = "; ".join(
        f"{len(sets)} of {who} alone, such as {' + '.join(min(map(sorted, sets)))}"
        for who, sets in (("cnnlab", mine - other), ("Torch-Pruning", other - mine))
        if sets
    )
    return row, f"{name}: {APART.get(name, 'NOT EXPLAINED')} ({only})"


# Latency.


def latencies(name: str, modules: Mapping[str, nn.Module]) -> Iterator[dict[str, object]]:
    """Each pruned network beside the first, whole one: its multiply-adds and its time, as multiples."""
    whole = next(iter(modules.values()))
    for batch in (1, 8):
        before = latency(whole, batch, resolution=PIXELS, name=name)
        for what, module in list(modules.items())[1:]:
            after = latency(module, batch, resolution=PIXELS, name=what)
            ratio = after.ratio(before)
            yield {
                "network": name,
                "pruned": what,
                "batch": batch,
                "x MACs": macs(module) / macs(whole),
                "x time": ratio.value,
                "from": ratio.low,
                "to": ratio.high,
                "ordered": ratio.ordered,
                "ms": f"{before.median * 1e3:.1f} -> {after.median * 1e3:.1f}",
            }


def main() -> None:
    """Print each way's time, ratio and exactness; the groups; and what cnnlab's networks save of the time."""
    warnings.simplefilter("ignore")  # Torch-Pruning's, of parameters that belong to no layer it knows
    for way in (ours, partial(one_step, ratio=0.3)):
        way(network("resnet18"), round_to=1)  # what only the first call does
    pairs = [(name, round_to) for name in NETWORKS for round_to in (1, 8)]
    table: list[dict[str, object]] = []
    kept: dict[str, dict[str, nn.Module]] = {name: {"": network(name)} for name in NETWORKS}
    for name, round_to in tqdm(pairs, file=sys.stderr, leave=False):
        runs = pruned(network(name), round_to)
        table += rows(name, round_to, network(name), runs)
        kept[name][f"rounded to {round_to}" if round_to > 1 else "not rounded"] = next(iter(runs.values())).module
    formats = {"ms": "{:,.0f}".format, "MACs / asked": "{:.4f}".format}
    formats |= dict.fromkeys(("x cnnlab", "x processor time"), "{:.2f}".format)
    print(f"to half of the multiply-adds, {PIXELS} px, {plural(torch.get_num_threads(), 'thread')}\n")
    print(pd.DataFrame(table).to_string(index=False, formatters=formats))
    print("\nsets of layers whose output channels are cut together\n")
    counts, reasons = zip(*map(groups, (*NETWORKS, *APART)), strict=True)
    print(pd.DataFrame(counts).to_string(index=False), *filter(None, reasons), sep="\n")
    print("\ntime of what cnnlab pruned, over that of the whole network\n")
    times = pd.DataFrame([row for name in NETWORKS for row in latencies(name, kept[name])])
    print(times.to_string(index=False, float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
