"""`Background`: one training or timing at a time, in a process beside this one, which stays free for other things."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.graph import Graph
from cnnlab.arch.network import Network
from cnnlab.arch.whole import check_int, named
from cnnlab.run import errands
from cnnlab.run.child import Child
from cnnlab.run.errands import sentence

if TYPE_CHECKING:
    from cnnlab.run.trial import Trial

Told: TypeAlias = dict[str, Any]
"""What a report is called with: JSON can hold it."""

Report: TypeAlias = Callable[[Told], None]

FINAL = ("done", "stopped", "failed")
"""The states of a last report."""

STARTING = "Python and torch are starting in a process of their own."


class Background:
    """A training, or a timing, in a process of its own; one at a time.

    Both return at once, and `report` is then called, on another thread, with one mapping after another. `state` is
    "preparing" or "running", and in the last one "done", "stopped" or "failed"; `name` says of what; `message` is a
    sentence. Whatever goes wrong is told as "failed", and an exception of `report` itself ends the job. The first
    report comes at once, the next in seconds, when torch has started. `busy` is False already when the last one comes,
    so that it may begin the next job; reports of two jobs never mix.

    The process ends with `stop`, when this object is collected, and when this interpreter ends, however it ends. A
    `report` that holds on to the object, such as a method of its owner, keeps it from being collected while a job runs.
    As with all processes that Python spawns, a script (a notebook is none) needs its `if __name__ == "__main__":`.

    threads: of the process; by default as many as torch takes.  device: "cpu", "cuda" ...

    >>> with Background() as background:
    ...     background.busy
    False
    """

    def __init__(self, *, threads: int | None = None, device: str = "cpu") -> None:
        self._threads = None if threads is None else named("Background", check_int, "threads", threads)
        self._device = device
        self._lock = threading.Lock()
        self._closed = False
        self._child: Child | None = None
        self._thread: threading.Thread | None = None
        self._leave: weakref.finalize[..., Background] | None = None

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._child is not None and not self._child.over

    def train(self, trial: Trial, store: str | os.PathLike[str], report: Report) -> None:
        """Begin to train a trial as `sweep([trial], store)` would; its row will be in the store, an SQLite file.

        The network goes to the process as a drawn graph, so its blocks may be functions of a notebook. Reports also
        have `total`, the recipe's epochs; `epochs`, a list with the fields of each `Epoch` so far; and, when it is
        done, `row`: the one of `sweep`'s frame, with None for a number that there is not. A trial that the store holds
        is done at once. One whose loss is no longer a number is done, with accuracy None and the reason in `message`.

        Raises RuntimeError while another job runs; TypeError or ValueError for what is no trial or no file's name.
        """
        from cnnlab.run.trial import Trial

        if not isinstance(trial, Trial):
            raise TypeError(
                f"Background: trial={trial!r}: trial must be a Trial, such as Trial('small_resnet', width=2)"
            )
        if os.fspath(store) == ":memory:":
            raise ValueError("Background: store=':memory:': processes share no memory; give the name of a file")
        first: Told = {"state": "preparing", "name": str(trial), "message": STARTING}
        path, device = os.path.abspath(store), self._device
        first |= {"total": trial.recipe.epochs, "epochs": []}
        self._begin(lambda child: _training(first, child, trial, path, device), report)

    def latency(self, network: Architecture | Network | Graph | str, report: Report) -> None:
        """Begin to take the time of one image, as `cl.latency(network, batch=1)` would.

        network: an Architecture, a Graph, or the text that `Graph.to_json` gives. Reports also have `median`, `low` and
        `high` (the quartiles), in seconds, `runs`, `threads` and `device`: None until it is done.

        Raises RuntimeError while another job runs; TypeError for what is no network.
        """
        if not isinstance(network, Architecture | Network | Graph | str):
            raise TypeError(
                f"Background: network is a {type(network).__name__}; it must be an Architecture, a Graph, or its JSON"
            )
        first: Told = {"state": "preparing", "name": getattr(network, "name", ""), "message": STARTING}
        first |= dict.fromkeys(("median", "low", "high", "runs", "threads", "device"))
        device = self._device
        self._begin(lambda child: _timing(first, child, network, device), report)

    def stop(self) -> None:
        """End the job at once; the last report says "stopped". Nothing, if none runs."""
        if self._child is not None:
            self._child.stop()

    def close(self) -> None:
        """Stop, and take no more jobs."""
        with self._lock:
            self._closed = True
        self.stop()

    def _begin(self, steps: Callable[[Child], Iterator[Told]], report: Report) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("Background: it is closed and takes no more jobs; make another")
            if self.busy:
                raise RuntimeError("Background: a job is running; wait for its last report, or call stop() before")
            self._child = child = Child(self._threads)
            if self._leave is not None:
                self._leave.detach()
            self._leave = weakref.finalize(self, child.leave)  # it also runs when the interpreter ends
            words = (steps(child), child, report, self._thread)
            self._thread = threading.Thread(target=_tell, args=words, name="cnnlab background", daemon=True)
            self._thread.start()

    def __enter__(self) -> Background:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _tell(steps: Iterator[Told], child: Child, report: Report, before: threading.Thread | None) -> None:
    """Report a job's steps, after the last report of the job before."""
    try:
        if before is not None:
            before.join()
        for told in _to_the_end(steps, child):
            if told["state"] in FINAL:
                child.end()
            if not child.silent and (told["state"] in FINAL or not child.stopped):
                report(told)
    finally:
        child.end()


def _to_the_end(steps: Iterator[Told], child: Child) -> Iterator[Told]:
    """Each step on top of what was told before; the last says how it ended."""
    told: Told = {}
    try:
        for step in steps:
            told = told | step
            yield told
    except Exception as error:
        if child.stopped:
            so_far = f" after {len(told['epochs'])} of {told['total']} epochs" if "total" in told else ""
            yield told | {"state": "stopped", "message": f"Stopped{so_far}."}
        else:
            yield told | {"state": "failed", "message": sentence(error)}


def _training(first: Told, child: Child, trial: Trial, store: str, device: str) -> Iterator[Told]:
    """What is new, step by step."""
    from cnnlab.run.trial import figures, key_of

    yield first
    settings, epochs = trial.settings, []
    key, total = key_of(settings), trial.recipe.epochs
    row = _stored(store, key)
    for kind, value in child.said(errands.train, settings, trial.data, store, device) if row is None else ():
        match kind:
            case "message":
                yield {"message": value}
            case "classes":
                graph = replace(trial.architecture, classes=value).graph()
                child.answer((figures(trial, graph.cost()), graph.to_json()))
                yield {"state": "running", "message": f"Training: 0 of {total} epochs are over."}
            case "epoch":
                epochs.append(value)
                so_far = f"the validation accuracy is {value['validation_accuracy']:.1f} %"
                message = f"Training: {len(epochs)} of {total} epochs are over; {so_far}."
                yield {"epochs": list(epochs), "message": message}
    if row is None and (row := _stored(store, key)) is None:
        raise RuntimeError(f"{store} does not hold the row that was just written; was the file moved or replaced?")
    yield {"state": "done", "epochs": row["history"], "row": row, "message": _result(row)}


def _result(row: Told) -> str:
    if row["stopped"] is not None:
        return f"Training broke off: {row['stopped']}."
    return f"The test accuracy is {row['accuracy']:.1f} %, after {row['epochs']} epochs and {row['seconds']:.1f} s."


def _stored(path: str, key: str) -> Told | None:
    """The store's row of a key, as JSON can hold it; None if there is no such row or no store."""
    from cnnlab.run.store import Store

    if not os.path.exists(path) or (os.path.isfile(path) and not os.path.getsize(path)):
        return None
    with Store(path) as book:
        done = book.keys()
        if key not in done:
            return None
        frame = book.frame([key])
    row = frame.astype(object).where(frame.notna(), None).iloc[0].to_dict()
    return {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()}


def _timing(first: Told, child: Child, network: Architecture | Network | Graph | str, device: str) -> Iterator[Told]:
    """What is new, step by step."""
    yield first
    drawn = Graph.from_json(network) if isinstance(network, str) else network
    graph = drawn if isinstance(drawn, Graph) else drawn.graph()
    if not first["name"]:
        yield {"name": graph.name}
    for kind, value in child.said(errands.take_time, graph.to_json(), device):
        if kind == "message":
            yield {"state": "running", "message": value}
        elif kind == "done":
            yield value | {"state": "done"}
