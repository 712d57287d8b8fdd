"""What machine this is, and how fast it is: measured, not looked up."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import psutil
import torch
import torch.nn.functional as F

from cnnlab.arch.whole import check_int
from cnnlab.run.clock import once, quiet, settled

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}


@dataclass(frozen=True)
class Machine:
    """What runs a network: kind "cpu", "cuda" or "mps"; name of the processor or GPU; memory in bytes; cores that
    this process may use (of the CPU, also where a GPU computes)."""

    kind: str
    name: str
    cores: int
    memory: int
    torch: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}, {self.memory / 1e9:.0f} GB, torch {self.torch})"


@dataclass(frozen=True)
class Speeds:
    """How fast a machine is at most, as measured by `speeds`.

    peak: floating-point operations per second, two for each multiply-add, of a matrix product or a dense 3x3
    convolution, whichever was faster (`peak_by`). bandwidth: bytes per second from and to memory, read and
    written together, of a copy, a triad a + 2 b or a sum of arrays beyond the caches (`bandwidth_by`).
    Each is the best of `runs`, because a limit is wanted, and everything that disturbs makes it slower.
    peak_spread, bandwidth_spread: by what share of the best the median run was slower.
    """

    machine: Machine
    dtype: str
    threads: int
    peak: float
    bandwidth: float
    peak_by: str
    bandwidth_by: str
    peak_spread: float
    bandwidth_spread: float

    @property
    def ridge(self) -> float:
        """Operations per byte from which on the processor, and no longer the memory, is the limit."""
        return self.peak / self.bandwidth

    @property
    def steady(self) -> bool:
        """Whether the median run came within a quarter of the best, so that the machine seems to have been quiet."""
        return max(self.peak_spread, self.bandwidth_spread) < 0.25

    def __str__(self) -> str:
        doubt = "" if self.steady else "; the machine was busy, so the true limits may be higher"
        return (
            f"{self.machine.name}, {plural(self.threads, 'thread')}, {self.dtype}: {self.peak / 1e9:,.1f} GFLOP/s "
            f"({self.peak_by}, spread {self.peak_spread:.0%}), {self.bandwidth / 1e9:,.1f} GB/s "
            f"({self.bandwidth_by}, spread {self.bandwidth_spread:.0%}), ridge at {self.ridge:.1f} FLOP/byte{doubt}"
        )


def machine(device: str | torch.device | None = None) -> Machine:
    """The machine behind a device, the CPU by default.

    >>> machine("cpu").kind
    'cpu'
    """
    device = torch_device(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if device.type == "cuda":
        gpu = torch.cuda.get_device_properties(device)
        return Machine("cuda", gpu.name, cores, gpu.total_memory, torch.__version__)
    return Machine(device.type, _processor(), cores, psutil.virtual_memory().total, torch.__version__)


def torch_device(device: str | torch.device | None) -> torch.device:
    """The device of that name, the CPU by default. Raises ValueError for one that this machine does not have."""
    if isinstance(device, torch.device):
        device = str(device)
    if device is not None and not isinstance(device, str):
        raise TypeError(f"device={device!r}: name a device, such as 'cpu' or 'cuda'")
    try:
        found = torch.device(device or "cpu")
    except RuntimeError:
        raise ValueError(f"device={device!r} is no device of torch; use 'cpu', 'cuda', 'cuda:1' or 'mps'") from None
    if found.type == "cuda":
        count = torch.cuda.device_count()
        if (found.index or 0) >= count:
            raise ValueError(f"device={device!r}: torch finds {plural(count, 'such GPU')} on this machine; use 'cpu'")
        return torch.device("cuda", found.index or 0)
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device={device!r}: torch finds none on this machine; use 'cpu'")
    if found.type not in ("cpu", "mps"):
        raise ValueError(f"device={device!r}: time can be measured on 'cpu', 'cuda' and 'mps'")
    return torch.device(found.type)


def torch_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """The dtype of that name. Raises ValueError for one that networks are not run in."""
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise ValueError(f"dtype={dtype!r}: choose one of {', '.join(DTYPES)}")
    return DTYPES[name]


def thread_count(threads: int | None, device: torch.device) -> int:
    """So many threads, by default as many as torch uses now. Raises ValueError beyond the cores of this process."""
    if threads is None:
        return torch.get_num_threads()
    cores = machine("cpu").cores
    if check_int("threads", threads) > cores:
        raise ValueError(
            f"threads={threads}: this process may use {plural(cores, 'core')}, and more threads than cores only "
            f"wait for each other; use at most {cores}"
        )
    return threads


def speeds(
    device: str | torch.device | None = None, dtype: str | torch.dtype = "float32", *, threads: int | None = None
) -> Speeds:
    """The measured peak and bandwidth of a machine; a few seconds the first time, then remembered in this process.

    Raises ValueError for a device, dtype or number of threads that this machine does not have.
    """
    place = torch_device(device)
    name = str(torch_dtype(dtype)).removeprefix("torch.")
    return _speeds(str(place), name, thread_count(threads, place))


@lru_cache(maxsize=32)
def _speeds(device: str, dtype: str, threads: int) -> Speeds:
    place = torch.device(device)
    with quiet(place, threads):
        peak, peak_by, peak_spread = _fastest(_products(place, DTYPES[dtype]), place)
        bandwidth, bandwidth_by, bandwidth_spread = _fastest(_moves(place), place)
    return Speeds(
        *(machine(device), dtype, threads, peak, bandwidth, peak_by, bandwidth_by, peak_spread, bandwidth_spread)
    )


Work = tuple[str, float, Callable[[], object]]
"""What it is called, how much it does (operations or bytes), and a call that does it."""


def _fastest(works: Iterator[Work], device: torch.device) -> tuple[float, str, float]:
    """The highest rate, what reached it, and by what share the median run of that was slower."""
    results = []
    for name, amount, call in works:
        times = settled(call, device)
        results.append((amount / min(times), name, 1 - min(times) / float(np.median(times))))
    return max(results)


def _products(device: torch.device, dtype: torch.dtype) -> Iterator[Work]:
    """A matrix product, and a 3x3 convolution in both layouts. Their libraries differ, and so do their speeds."""

    def product(size: int) -> Work:
        a, b, c = (torch.ones(size, size, device=device, dtype=dtype) / size for _ in range(3))
        return f"matrix product of {size}", 2.0 * size**3, lambda: torch.mm(a, b, out=c)

    def convolution(batch: int, layout: torch.memory_format = torch.contiguous_format) -> Work:
        width, pixels = 128, 28
        x = torch.ones(batch, width, pixels, pixels, device=device, dtype=dtype).to(memory_format=layout)
        weight = (torch.ones(width, width, 3, 3, device=device, dtype=dtype) / (9 * width)).to(memory_format=layout)
        name = f"3x3 convolution of {batch} x {width} x {pixels} x {pixels}"
        name += ", channels_last" if layout == torch.channels_last else ""
        return name, 18.0 * batch * (width * pixels) ** 2, lambda: F.conv2d(x, weight, padding=1)

    yield _grown(product, 256, 8192, device)
    yield _grown(convolution, 1, 2048, device)
    yield _grown(lambda batch: convolution(batch, torch.channels_last), 1, 2048, device)


def _grown(work: Callable[[int], Work], size: int, most: int, device: torch.device) -> Work:
    """The work of the least size, doubled as often as need be, that takes 2 ms: long for a clock, but short enough
    for some of its runs to pass undisturbed on a busy machine."""
    while True:
        made = work(size)
        if min(once(made[2], device) for _ in range(4)) >= 0.002 or 2 * size > most:
            return made
        size *= 2


def _moves(device: torch.device) -> Iterator[Work]:
    """A copy, a triad and a sum of arrays of four times the largest cache, or less where memory is short."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    numbers = min(max(16_000_000, _cache(device)), int(free) // 32)
    a, b, c = (torch.ones(numbers, device=device) for _ in range(3))
    yield "copy", 2 * 4.0 * numbers, lambda: b.copy_(a)
    yield "triad", 3 * 4.0 * numbers, lambda: torch.add(a, b, alpha=2, out=c)
    yield "sum", 4.0 * numbers, a.sum


def _cache(device: torch.device) -> int:
    """Bytes of the largest cache, as far as the system tells; else 64 MB."""
    if device.type == "cuda":
        return int(getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 64_000_000))
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max((1024 * int(size[:-1]) for size in sizes if size[:-1].isdigit() and size[-1] == "K"), default=64_000_000)


def _processor() -> str:
    """The processor's name as its maker writes it, where the system tells it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip().lower() in ("model name", "hardware", "cpu model") and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown processor"


def plural(number: int, thing: str) -> str:
    """The number and the thing, with an s where there is not one of it."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
