"""`sweep`: train many networks, on any executor, into one store; what is finished is kept and never done again."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from cnnlab.run.store import Store
from cnnlab.run.trial import Job, run

if TYPE_CHECKING:
    import pandas as pd

Row: TypeAlias = dict[str, Any]

Outcome: TypeAlias = tuple[str, Row | Exception]
"""The key of a trial, and its row or what went wrong."""

LOST = (BrokenExecutor, CancelledError)
"""What a trial gets whose workers are gone: it is as good as never begun."""


class WorkersLost(BrokenExecutor):
    """A worker was killed. left: the trials that it took down, in the order in which they were given to the workers."""

    def __init__(self, sentence: str, left: Sequence[Job]) -> None:
        super().__init__(sentence)
        self.left = left


def sweep(
    trials: Iterable[Job],
    store: str | os.PathLike[str],
    executor: Executor | None = None,
    *,
    device: str = "cpu",
    progress: bool = True,
) -> pd.DataFrame:
    """Train every trial that the store does not hold yet, and give the rows of all of them, in the order of `trials`.

    store: an SQLite file, made if there is none. Each row is on the disk before the next is taken up, so a sweep that
    is interrupted or killed, or whose machine fails, loses only the trials that were running; call it again to go on.
    executor: any `concurrent.futures.Executor`: `cnnlab.run.workers.processes(2)`, Dask's `Client.get_executor()`;
    None trains here, one after another.  device: of the workers, such as "cuda"; several processes may share a GPU.
    progress: draw a progress bar on standard error.  Columns: see `cnnlab.run.store`.

    Raises ValueError if the file is no store (it is left as it is), BlockingIOError if another sweep is writing to it,
    WorkersLost if a worker was killed, and RuntimeError, after all others have been trained, if trials failed, with
    the error of the first.

    >>> import tempfile
    >>> import cnnlab as cl
    >>> quick = cl.Trial("small_plain", 0.5, 0.5, 8, "digits", limit=100, recipe=cl.Recipe(epochs=1))
    >>> sweep([quick], tempfile.mkdtemp() + "/runs.sqlite", progress=False).epochs.tolist()
    [1]
    """
    wanted = _by_key(trials)
    path = os.fspath(store)
    with sole_writer(path), Store(path) as book:
        done = book.keys()
        todo = {key: trial for key, trial in wanted.items() if key not in done}
        errors: dict[str, Exception] = {}
        with (
            tqdm(total=len(wanted), initial=len(wanted) - len(todo), disable=not progress, unit="network") as bar,
            closing(_outcomes(todo, executor, device)) as outcomes,
        ):
            for key, outcome in outcomes:
                if isinstance(outcome, Exception):
                    errors[key] = outcome
                else:
                    book.add(outcome)
                if not isinstance(outcome, LOST):
                    bar.update()
                    bar.set_postfix_str(f"{todo[key]}{', failed' if key in errors else ''}")
        _raise_first([(trial, errors[key]) for key, trial in todo.items() if key in errors], len(todo), path)
        return book.frame(wanted)


def _by_key(trials: Iterable[Job]) -> dict[str, Job]:
    wanted = {}
    for trial in trials:
        if not hasattr(type(trial), "row"):
            raise TypeError(
                f"sweep: trials holds {trial!r}; each must be a Trial, such as Trial('small_resnet', width=2)"
            )
        wanted[trial.key] = trial
    return wanted


@contextmanager
def sole_writer(path: str) -> Iterator[None]:
    """A lock that the system gives back when the process ends, however it ends."""
    if path == ":memory:":
        yield
        return
    lock = FileLock(f"{os.path.realpath(path)}-lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BlockingIOError(f"another sweep is writing to {path}; wait for it, or give another store") from None
    try:
        yield
    finally:
        lock.release()


def _outcomes(trials: Mapping[str, Job], executor: Executor | None, device: str) -> Generator[Outcome, None, None]:
    """Each key with what came out, as they finish; what has not begun is cancelled if nobody asks on."""
    if executor is None:
        for key, trial in trials.items():
            yield key, _answer(key, partial(run, trial, device))
        return
    futures: dict[Future[Row], str] = {}
    try:
        for key, trial in trials.items():
            futures[_submitted(executor, trial, device)] = key
        for future in as_completed(futures):
            yield futures[future], _answer(futures[future], future.result)
    finally:
        for future in futures:
            future.cancel()


def _submitted(executor: Executor, trial: Job, device: str) -> Future[Row]:
    try:
        return executor.submit(run, trial, device)
    except BrokenExecutor as error:  # it broke while it was given work; what is finished is still to be fetched
        future: Future[Row] = Future()
        future.set_exception(error)
        return future


def _answer(key: str, result: Callable[[], Row]) -> Row | Exception:
    """The row, or what went wrong with this trial; an interrupt goes through."""
    try:
        row = result()
    except Exception as error:
        return error
    if row["key"] == key:
        return row
    return ValueError(
        f"its worker trained something else, with the settings {row['settings']}: it has other data or another cnnlab, "
        "or the data have changed since the sweep began"
    )


def _raise_first(errors: Sequence[tuple[Job, Exception]], count: int, path: str) -> None:
    """Say what went wrong, if anything did."""
    if left := [trial for trial, error in errors if isinstance(error, LOST)]:
        raise WorkersLost(
            f"a worker was killed (out of memory?) or the cluster is gone; {len(left)} of {count} trials are left, the "
            f"first of them {left[0]}; what was finished is in {path}, and the next sweep goes on",
            left,
        )
    if errors:
        trial, error = errors[0]
        raise RuntimeError(
            f"{len(errors)} of {count} trials failed; the others are in {path}, the next sweep tries again. "
            f"The first was {trial}: {type(error).__name__}: {error}"
        ) from error
