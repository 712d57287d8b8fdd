"""`Child`: a process that does one errand, which whoever has it hears, answers and ends."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from cnnlab.run.errands import Errand, begin

SPAWN = multiprocessing.get_context("spawn")  # a forked child of a process with threads or a GPU may hang
PATIENCE = 10.0  # seconds for the system to clear a killed process away


class Child:
    """A process that is made when there is an errand, and does no other. Any thread may end it.

    over: it has ended, or will not begin. stopped: that was because somebody wanted it. silent: and wants to hear no
    more.
    """

    def __init__(self, threads: int | None) -> None:
        self.over = self.stopped = self.silent = False
        self._threads = threads
        self._lock = threading.RLock()  # the garbage collector may call `leave` on a thread that has it
        self._process: SpawnProcess | None = None
        self._ours: Connection | None = None

    def said(self, errand: Errand, *words: Any) -> Iterator[tuple[str, Any]]:
        """Start the process; what it says, the last of it ("done", what the errand returned).

        Raises RuntimeError with its sentence if it failed, or with ours if it ended before it was done.
        """
        self._ours, theirs = SPAWN.Pipe()
        with self._ours:
            with theirs:
                self._start(SPAWN.Process(target=begin, args=(errand, theirs, self._threads, *words), daemon=True))
            while True:
                try:
                    kind, value = self._ours.recv()
                except (EOFError, OSError):
                    raise RuntimeError(self._why()) from None
                if kind == "failed":
                    raise RuntimeError(value)
                yield kind, value
                if kind == "done":
                    return

    def answer(self, value: Any) -> None:
        """Give it what it waits for."""
        assert self._ours is not None
        self._ours.send(value)

    def _start(self, process: SpawnProcess) -> None:
        with self._lock:
            if not self.over:
                process.start()
                self._process = process
            if self.over:  # before, or meanwhile
                self.end()
                raise RuntimeError("the process was ended before it began")

    def _why(self) -> str:
        """Of an end that nobody wanted."""
        with self._lock:
            if self._process is None:
                return "the process was ended"
            self._process.join(PATIENCE)
            code = self._process.exitcode
        if code is not None and code < 0:
            return f"its process was killed by signal {-code}; the machine may be out of memory: try a smaller network"
        return f"its process ended with status {code} before it was done"

    def stop(self) -> None:
        """End it at once, if it has not ended."""
        with self._lock:
            self.stopped = self.stopped or not self.over
            self.end()

    def leave(self) -> None:
        """As `stop`; and nobody listens any more."""
        self.silent = True
        self.stop()

    def end(self) -> None:
        """Leave no process behind."""
        with self._lock:
            self.over = True
            if (process := self._process) is not None:
                self._process = None
                process.kill()
                process.join(PATIENCE)
                process.close()
