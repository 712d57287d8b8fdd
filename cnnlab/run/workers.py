"""Processes on this machine, as an executor for `sweep`. Imports no torch: a worker sets its threads before it does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor

from cnnlab.arch.whole import check_int, named


def processes(workers: int, *, threads: int = 1) -> ProcessPoolExecutor:
    """An executor of so many processes, each of so many threads. They end with the process that made them.

    One thread each is best where there are as many workers as cores: two torch processes that each want every core
    slow one another down many times over. Leave it with `with processes(2) as executor:`.

    >>> with processes(1) as executor:
    ...     executor.submit(max, 3, 4).result()
    4
    """
    workers = named("processes", check_int, "workers", workers)
    threads = named("processes", check_int, "threads", threads)
    context = multiprocessing.get_context("spawn")  # a forked child of a process with threads or a GPU may hang
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(threads,))


def _start(threads: int) -> None:
    """In a new worker: few threads, no Ctrl-C of its own, and an end when its parent ends."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()

    import torch

    torch.set_num_threads(threads)


def _follow_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
