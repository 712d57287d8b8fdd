"""Processes on this machine, as an executor for `sweep`. Imports no torch: a worker sets its threads before it does."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from types import TracebackType

from cnnlab.arch.whole import check_int, named

PATIENCE = 10.0  # seconds for workers that are told to end at once
KEEP_BYTES = 2**31 - 1  # the largest that mallopt takes
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's <malloc.h>


def processes(workers: int, *, threads: int = 1) -> ProcessPoolExecutor:
    """An executor of so many processes, each of so many threads. They end with the process that made them.

    One thread each is best where there are as many workers as cores: two torch processes that each want every core
    slow one another down many times over. Leave it with `with processes(2) as executor:`; an exception that leaves the
    block, such as Ctrl-C, ends the workers at once.

    >>> with processes(1) as executor:
    ...     executor.submit(max, 3, 4).result()
    4
    """
    workers = named("processes", check_int, "workers", workers)
    return _Processes(workers, named("processes", check_int, "threads", threads))


class _Processes(ProcessPoolExecutor):
    def __init__(self, workers: int, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # a forked child of a process with threads or a GPU may hang
        heard, self._spoken = context.Pipe(duplex=False)
        super().__init__(workers, mp_context=context, initializer=_start, initargs=(threads, heard))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool | None:
        if kind is None:
            return super().__exit__(kind, error, at)
        manager = getattr(self, "_executor_manager_thread", None)  # there is none before the first task
        self.shutdown(wait=False, cancel_futures=True)  # first: Python 3.11 trips over futures cancelled by others
        self._spoken.close()
        if manager is not None:
            manager.join(PATIENCE)  # or else it may close its pipe just when Python, on its way out, writes to it
        return None


def _start(threads: int, parent: Connection) -> None:
    """In a new worker: few threads, no Ctrl-C of its own, and an end when its parent ends or hangs up."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()

    import torch
    from tqdm import tqdm

    torch.set_num_threads(threads)
    tqdm.set_lock(threading.RLock())  # its own lock is one of the system, which a worker that is ended leaves behind


def keep_memory() -> None:
    """Let the C library keep what is freed: asking the system in every step makes training up to 1.5 times slower.

    Dask's workers ask it for every 64 kB (their MALLOC_TRIM_THRESHOLD_), which made a sweep here 1.7 times slower.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc's
        libc.mallopt(M_MMAP_THRESHOLD, KEEP_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEEP_BYTES)


def _follow(parent: Connection) -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent.poll(None)  # nothing is ever said: there is an answer when the other end is closed
    os._exit(1)
