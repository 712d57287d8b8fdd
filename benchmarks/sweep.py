"""Sweeps: networks per minute with one process, with two, and with two Dask workers on this machine.

The same trials each time, into a new store. Starting the workers and the import of torch are left out, which are paid
once a sweep and not once a network: each way trains six trials more, before the clock starts. The rows that they
write are compared: they must agree in every accuracy.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pandas as pd

import cnnlab as cl
from cnnlab.run.workers import processes

RECIPE = cl.Recipe(epochs=2, batch=32, lr=0.1, normalize="image")
LIMIT = 2000  # glyphs
SEEDS = 8


def trials(seeds: int = SEEDS) -> list[cl.Trial]:
    """Networks of equal size, so that no way waits for a last one that is long."""
    return cl.grid("small_resnet", resolution=32, limit=LIMIT, seed=range(seeds), recipe=RECIPE)


@contextmanager
def dask(workers: int) -> Iterator[Executor]:
    """So many workers of one thread, with a scheduler, on the loopback."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor(pure=False)


WAYS: dict[str, Callable[[], AbstractContextManager[Executor]]] = {
    "1 process": partial(processes, 1),
    "2 processes": partial(processes, 2),
    "2 Dask workers": partial(dask, 2),
}


def measure(executors: Callable[[], AbstractContextManager[Executor]], seeds: int) -> tuple[float, list[float]]:
    """Networks per minute, and their accuracies."""
    with tempfile.TemporaryDirectory() as folder, executors() as executor:
        store = Path(folder) / "runs.sqlite"
        warm = cl.grid("small_resnet", resolution=32, limit=LIMIT, seed=range(100, 106), recipe=RECIPE)
        cl.sweep(warm, store, executor, progress=False)
        begin = time.perf_counter()
        frame = cl.sweep(trials(seeds), store, executor, progress=False)
        return 60 * len(frame) / (time.perf_counter() - begin), frame["accuracy"].tolist()


def main() -> None:
    """Print networks per minute, and how many times those of one process they are."""
    found = {way: measure(executors, SEEDS) for way, executors in WAYS.items()}
    speeds = {way: speed for way, (speed, _) in found.items()}
    first = speeds["1 process"]
    rows = [
        {"way": way, "networks/min": f"{s:.1f}", "times 1 process": f"{s / first:.2f}"} for way, s in speeds.items()
    ]
    print(pd.DataFrame(rows).to_string(index=False))
    same = len({tuple(accuracies) for _, accuracies in found.values()}) == 1
    print(f"{SEEDS} trials each; the accuracies of all ways are {'equal' if same else 'NOT EQUAL'}")


if __name__ == "__main__":
    main()
