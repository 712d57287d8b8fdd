"""`sweep`: train many networks, on any executor, into one store; what is finished is kept and never done again."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from cnnlab.run.store import Store
from cnnlab.run.trial import Trial, run

if TYPE_CHECKING:
    import pandas as pd

Outcome: TypeAlias = tuple[Trial, "dict[str, Any] | BaseException"]
"""A trial, and its row or what went wrong."""


def sweep(
    trials: Iterable[Trial],
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
    and RuntimeError, after all others have been trained, if trials failed, with the error of the first.

    >>> import tempfile
    >>> from cnnlab.run.recipe import Recipe
    >>> quick = Trial("small_plain", 0.5, 0.5, 16, "digits", recipe=Recipe(epochs=1))  # doctest: +SKIP
    >>> sweep([quick], tempfile.mkdtemp() + "/runs.sqlite").loc[0, "epochs"]  # doctest: +SKIP
    1
    """
    wanted = {trial.key: trial for trial in trials}
    path = os.fspath(store)
    with _sole_writer(path), Store(path) as book:
        done = book.keys()
        todo = [trial for key, trial in wanted.items() if key not in done]
        failed: list[tuple[Trial, BaseException]] = []
        with (
            tqdm(total=len(wanted), initial=len(wanted) - len(todo), disable=not progress, unit="network") as bar,
            closing(_outcomes(todo, executor, device)) as outcomes,
        ):
            for trial, outcome in outcomes:
                if isinstance(outcome, BaseException):
                    _stop_if_hopeless(outcome)
                    failed.append((trial, outcome))
                else:
                    book.add(outcome)
                bar.update()
                bar.set_postfix_str(str(trial) + (", failed" if isinstance(outcome, BaseException) else ""))
        if failed:
            trial, error = failed[0]
            raise RuntimeError(
                f"{len(failed)} of {len(todo)} trials failed; the others are in {path}, the next sweep tries again. "
                f"The first was {trial}: {type(error).__name__}: {error}"
            ) from error
        return book.frame(wanted)


def _sole_writer(path: str) -> FileLock:
    """A lock that the system gives back when the process ends, however it ends."""
    lock = FileLock(f"{path}-lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BlockingIOError(f"another sweep is writing to {path}; wait for it, or give another store") from None
    return lock


def _outcomes(trials: list[Trial], executor: Executor | None, device: str) -> Generator[Outcome, None, None]:
    """Each trial with its outcome, as they finish; what has not begun is cancelled if nobody asks on."""
    if executor is None:
        for trial in trials:
            try:
                yield trial, run(trial, device)
            except Exception as error:
                yield trial, error
        return
    futures: dict[Future[dict[str, Any]], Trial] = {executor.submit(run, trial, device): trial for trial in trials}
    try:
        for future in as_completed(futures):
            yield futures[future], future.exception() or future.result()
    finally:
        for future in futures:
            future.cancel()


def _stop_if_hopeless(error: BaseException) -> None:
    """An interrupt, or workers that are gone, ends the sweep; any other error is that trial's own."""
    if isinstance(error, BrokenExecutor):
        raise RuntimeError("a worker of the sweep was killed; what was finished is stored: call it again") from error
    if not isinstance(error, Exception):
        raise error
