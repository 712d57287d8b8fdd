"""A quiet moment to take the time in, and the clock itself. Whatever is changed for it is put back after."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

WARM_UP = 2
"""Calls before the first that counts, at least: they allocate, choose algorithms and fill caches."""


@contextmanager
def quiet(device: torch.device, threads: int | None = None) -> Iterator[None]:
    """Time is taken in here: inference mode, so many threads, denormals flushed to zero, no garbage collection.

    Numbers below 1e-38 cost a processor some hundred times the usual; a network that meets them is timed without.
    Afterwards threads, denormals, garbage collection and the random state are as before, whatever happened inside.
    """
    before, flushed, collecting = torch.get_num_threads(), flushes_denormals(), gc.isenabled()
    cuda = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), torch.inference_mode():
        try:
            gc.disable()
            torch.set_flush_denormal(True)  # and False, below, where a processor has no such switch
            if threads is not None and threads != before:
                torch.set_num_threads(threads)
            yield
        finally:
            if torch.get_num_threads() != before:
                torch.set_num_threads(before)
            torch.set_flush_denormal(flushed)
            if collecting:
                gc.enable()


def flushes_denormals() -> bool:
    """Whether torch computes 0 for numbers too small for a full mantissa. It has a switch for it but no question."""
    return torch.full((1,), 1e-40).mul(1).item() == 0


def synchronize(device: torch.device) -> None:
    """Wait for what the device still computes; a CPU is always done when a call returns."""
    match device.type:
        case "cuda":
            torch.cuda.synchronize(device)
        case "mps":
            torch.mps.synchronize()


def once(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, until the device is done with it."""
    synchronize(device)
    start = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - start


def repeated(
    call: Callable[[], object], device: torch.device, *, seconds: float, least: int = 5, most: int = 100_000
) -> list[float]:
    """Seconds of each call, after a warm-up of a fifth of the time, until so many seconds have been measured.

    least, most: calls that are measured. To be used inside `quiet`.
    """
    warm = [once(call, device) for _ in range(WARM_UP)]
    while sum(warm) < seconds / 5 and len(warm) < most:
        warm.append(once(call, device))
    times: list[float] = []
    total = 0.0
    while len(times) < least or (total < seconds and len(times) < most):
        times.append(once(call, device))
        total += times[-1]
    return times


def settled(
    call: Callable[[], object], device: torch.device, *, still: int = 8, least: float = 0.3, most: float = 2.0
) -> list[float]:
    """Seconds of each call, until the shortest has not become 1 % shorter for so many calls and `least` seconds of
    calls have passed, or `most` seconds. To be used inside `quiet`."""
    for _ in range(WARM_UP):
        once(call, device)
    times = [once(call, device)]
    best, since, total = times[0], 0, times[0]
    while (since < still or total < least) and total < most:
        times.append(once(call, device))
        total += times[-1]
        since = 0 if times[-1] < 0.99 * best else since + 1
        best = min(best, times[-1])
    return times
