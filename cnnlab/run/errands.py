"""What a process in the background does: it trains, or takes the time, and says so through a pipe.

Imports no torch by itself: a process sets its threads before it does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from cnnlab.arch.graph import Graph
from cnnlab.run.recipe import Epoch, Recipe

Errand: TypeAlias = Callable[..., Any]
"""errand(said, *words): what it sends through `said` are pairs (kind, value); what it returns is sent as "done"."""

PERIOD = 0.5  # seconds between two looks whether the parent is still there
SAID = (ValueError, TypeError, OSError, MemoryError, RuntimeError)
"""Errors whose text is a sentence by itself."""


def begin(errand: Errand, said: Connection, threads: int | None, *words: Any) -> None:
    """In a new process: do the errand, and say what came of it, "done" or, with a sentence, "failed".

    It never prints, has no Ctrl-C of its own, and ends when its parent does. threads: None leaves them to torch.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a notebook's stop button interrupts every process of the kernel
    threading.Thread(target=_follow, daemon=True).start()
    _hush()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if threads is not None else ():
        os.environ[variable] = str(threads)
    try:
        import torch
        from tqdm import tqdm

        if threads is not None:
            torch.set_num_threads(threads)
        tqdm.set_lock(threading.RLock())  # its own lock is one of the system, which a process that is ended leaves
        value = errand(said, *words)
    except Exception as error:
        said.send(("failed", sentence(error)))
    else:
        said.send(("done", value))


def _follow() -> None:
    """End this process when the parent has ended, however it did.

    The pipe between them says so at once, unless the parent left a forked process that holds the other end open: so the
    system is asked as well. Windows forks nothing, and keeps the number of a parent that is gone.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    while parent.is_alive() and (os.name != "posix" or os.getppid() == parent.pid):
        parent.join(PERIOD)
    os._exit(1)


def _hush() -> None:
    """Nothing reaches the cell of a notebook that happens to run."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def sentence(error: Exception) -> str:
    """What went wrong, in one line; with the kind of error where the text alone would say little.

    >>> sentence(ValueError("load: there is no such data set")), sentence(KeyError("digits"))
    ('load: there is no such data set', "KeyError: 'digits'")
    """
    text = str(error).strip().partition("\n")[0]
    return text if text and isinstance(error, SAID) else f"{type(error).__name__}: {text}".removesuffix(": ")


def train(said: Connection, settings: Mapping[str, Any], data: str, store: str, device: str) -> None:
    """Train the trial of these settings, unless the store holds it, and put its row there.

    Says ("message", sentence), then ("classes", number), which is answered with the columns and the text of the graph,
    and ("epoch", mapping) after each. Raises what `sweep` raises, and what it says of a trial.
    """
    from cnnlab.run.store import Store
    from cnnlab.run.sweep import sole_writer
    from cnnlab.run.trial import key_of, run

    key = key_of(settings)
    with sole_writer(store):
        with Store(store) as book:  # not kept open, so that a process that is ended leaves no files of SQLite's
            done = book.keys()
        if key not in done:  # as it was a moment ago
            row = run(Sent(settings, data, said), device)
            if row["key"] != key:
                raise ValueError(f"{data} has changed since the training was asked for; ask again")
            with Store(store) as book:
                book.add(row)


@dataclass(frozen=True)
class Sent:
    """A trial whose architecture stayed with the parent, who draws it: its blocks may be functions of a notebook.

    asked: the trial's settings. data: their name or path. said: to the parent.
    """

    asked: Mapping[str, Any]
    data: str
    said: Connection

    @property
    def settings(self) -> dict[str, Any]:
        """Those of the trial, with the data as they are now."""
        from cnnlab.run.data import fingerprint

        return {**self.asked, "data": fingerprint(self.data)}

    @property
    def key(self) -> str:
        """16 hexadecimal digits: the trial's, unless its data have changed."""
        from cnnlab.run.trial import key_of

        return key_of(self.settings)

    def row(self, device: str) -> dict[str, Any]:
        """As `Trial.row`."""
        from cnnlab.run.data import load
        from cnnlab.run.train import fit
        from cnnlab.run.trial import outcome

        self.said.send(("message", f"Getting the data: {self.data} at {self.asked['resolution']} px."))
        data = load(self.data, resolution=self.asked["resolution"], limit=self.asked["limit"], progress=False)
        self.said.send(("classes", len(data.classes)))
        columns, text = self.said.recv()
        recipe = Recipe(**self.asked["recipe"])
        model = Graph.from_json(text).module(seed=recipe.seed).to(device)
        history = fit(model, data, recipe, progress=False, watch=self._watch)
        return {"data": data.name} | columns | outcome(history)

    def _watch(self, epoch: Epoch) -> None:
        self.said.send(("epoch", asdict(epoch)))


def take_time(said: Connection, text: str, device: str) -> dict[str, Any]:
    """The time of one image in the network of a graph, written as JSON: a last report."""
    from cnnlab.run.latency import latency
    from cnnlab.run.timing import seconds_text

    said.send(("message", "The network runs again and again, for about a second."))
    found = latency(Graph.from_json(text), batch=1, device=device)
    median, low, high = map(seconds_text, (found.median, found.lower, found.upper))
    return {
        "median": found.median,
        "low": found.lower,
        "high": found.upper,
        "runs": found.runs,
        "threads": found.threads,
        "device": found.device,
        "message": f"One image takes {median}; half of {found.runs:,} runs took {low} to {high}.",
    }
