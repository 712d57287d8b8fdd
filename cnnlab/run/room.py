"""Whether something fits into memory, said before it is allocated: an out-of-memory foretold in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn

from cnnlab.arch.graph import Graph
from cnnlab.run.standin import on_meta, stand_in
from cnnlab.run.undisturbed import undisturbed

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
LESS = "use a smaller batch, width or resolution"


def available(device: torch.device | str = "cpu") -> int | None:
    """Bytes that can still be allocated on a device; None where nothing is known (and on "meta", which needs none).

    CPU: the main memory that is free or can be freed without swapping, or what the process's cgroup (a container, a
    batch job) leaves of its limit, if that is less. CUDA: what the GPU has free, and what torch holds there unused.
    """
    device = torch.device(device)
    if device.type == "cpu":
        left = _left_in_cgroup()
        free = int(psutil.virtual_memory().available)
        return free if left is None else min(free, left)
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    return None


def check(needed: int, device: torch.device | str, what: str, change: str = LESS) -> None:
    """Raise MemoryError, as a sentence, if a device has not so many bytes left.

    what: what needs them, the sentence's subject. change: what to do about it.

    >>> check(1_000, "cpu", "resnet18: its weights")
    >>> check(10**18, "cpu", "resnet18: its weights")
    Traceback (most recent call last):
    MemoryError: resnet18: its weights need 1,000,000,000.00 GB, and cpu has ... GB left; use a smaller batch, ...
    """
    there = available(device)
    if there is not None and needed > there:
        raise MemoryError(f"{what} need {needed / 1e9:,.2f} GB, and {device} has {there / 1e9:,.2f} GB left; {change}")


def check_module(graph: Graph, device: torch.device | str = "cpu") -> None:
    """Raise MemoryError if the float32 weights of a graph do not fit on the device where its module is made.

    It costs one walk over the layers (under a millisecond), and no memory.
    """
    check(4 * int(graph.cost().params), device, f"{graph.name}: its weights", "use a smaller width or fewer layers")


def check_training(
    model: nn.Module,
    shape: tuple[int, int, int, int],
    *,
    device: torch.device | str = "cpu",
    momentum: bool = True,
    half: bool = False,
) -> None:
    """Raise MemoryError if one training step on a batch of this shape (n, channels, height, width) does not fit.

    The model lies on the device already; momentum: whether the optimizer keeps one number per parameter; half: whether
    activations are bfloat16 (autocast). Passes where nothing is known, see `training_bytes`.
    """
    needed = training_bytes(model, shape, momentum=momentum, half=half)
    if needed is not None:
        n, _, height, width = shape
        batch = f"{n} images of {height} x {width} px"
        check(needed, device, f"fit: gradients, optimizer state and what a step keeps of a batch of {batch}")


def training_bytes(
    model: nn.Module, shape: tuple[int, int, int, int], *, momentum: bool = True, half: bool = False
) -> int | None:
    """Bytes that training needs beside the model itself: gradients, optimizer state, what autograd saves of a batch.

    A stand-in of the model, on meta tensors, which have a shape and no content, runs forward once, while
    `saved_tensors_hooks` notes each storage that autograd keeps. So any module can be asked, at any batch, in the time
    of some hundred Python calls and without memory, where `Graph.memory` would have to trace it first, and refuse what
    has no graph. The model itself is not run.

    half: activations count 2 bytes per number, and the bfloat16 copies of the weights that autocast makes are added.
    Returns None where the model cannot run on meta tensors (its path depends on their values, or it holds tensors that
    are neither parameters nor buffers).

    >>> model = nn.Sequential(nn.Linear(10, 5), nn.ReLU())
    >>> training_bytes(model, (8, 1, 1, 10)) == 4 * (2 * 55 + 8 * 10 + 8 * 5)  # weights twice, input, output of ReLU
    True
    """
    learned = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    saved = _saved(model, shape, half=half)
    if saved is None:
        return None
    copies = learned // 2 if half else 0
    return learned * (2 if momentum else 1) + saved + copies


def _saved(model: nn.Module, shape: tuple[int, int, int, int], *, half: bool) -> int | None:
    twin = stand_in(model, on_meta).train()
    own = {t.untyped_storage()._cdata for tensors in (twin.parameters(), twin.buffers()) for t in tensors}
    kept: dict[int, Tensor] = {}  # holds each tensor, so that no address of a storage is given out twice

    def note(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage()._cdata
        if address not in own:
            kept[address] = tensor
        return tensor

    first = next(model.parameters(), None)
    images = torch.empty(shape, dtype=None if first is None else first.dtype, device="meta")
    try:
        with undisturbed(training=True), torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
            twin(images)
    except Exception:  # whatever a stranger's forward raises: the real run will say it better
        return None
    return sum(_bytes(tensor, half=half) for tensor in kept.values())


def _bytes(tensor: Tensor, *, half: bool) -> int:
    whole = tensor.untyped_storage().nbytes()
    return whole * 2 // tensor.element_size() if half and tensor.is_floating_point() else whole


def _left_in_cgroup() -> int | None:
    """Bytes that the process's cgroups (version 2, or 1) leave it, the tightest of them; None without a limit.

    The cache of files that were read once counts as free: the kernel gives it up before it refuses memory.
    """
    lefts = [left for folder in _cgroups() if (left := _left(folder)) is not None]
    return min(lefts, default=None)


def _cgroups() -> Iterator[Path]:
    """The folders of the process's cgroup and of all those around it."""
    try:
        lines = OWN_CGROUP.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            root = CGROUPS / controllers
            folder = root / path.lstrip("/")
            yield from (place for place in (folder, *folder.parents) if place.is_relative_to(root))


def _left(folder: Path) -> int | None:
    for limit, usage, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except OSError:  # another version, or the outermost group, which has no limit
            continue
        return None if most == "max" else max(int(most) - used + int(stat.get(cache, 0)), 0)
    return None
