"""sweep: each trial once, on any executor, with the same figures; what goes wrong costs that trial and no other."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from cnnlab.run.store import Store
from cnnlab.run.sweep import WorkersLost, sweep
from cnnlab.run.trial import Trial
from cnnlab.run.workers import processes
from tests import sweeping
from tests.sweeping import outcome, rows, wait


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweeping.toy(tmp_path_factory.mktemp("toy") / "toy.npz")


@pytest.fixture(scope="module")
def mixed(toy: Path) -> list[Trial]:
    """Four that are plain, one of an architecture of one's own, one that diverges, and two that cannot be trained."""
    four = sweeping.trials(toy, seeds=1)
    wild = replace(four[0], recipe=replace(four[0].recipe, lr=1e30))
    own = Trial(sweeping.own(sweeping.wide), data=str(toy), recipe=sweeping.RECIPE)
    large = [replace(four[0], resolution=size) for size in (16, 32)]
    return [four[0], large[0], own, wild, large[1], *four[1:]]


@pytest.fixture(scope="module")
def expected(mixed: list[Trial], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Those that can be trained, one after another in this process."""
    good = [trial for trial in mixed if trial.resolution == 8]
    return outcome(sweep(good, tmp_path_factory.mktemp("here") / "runs.sqlite", progress=False))


EXECUTORS: dict[str, Callable[[], Executor]] = {
    "threads": lambda: ThreadPoolExecutor(3),
    "processes": lambda: processes(2),
}


def test_each_trial_once_and_in_the_order_asked_for(mixed, expected, tmp_path, capsys):
    path = tmp_path / "runs.sqlite"
    good = [trial for trial in mixed if trial.resolution == 8]
    first = sweep(good[:3], path, progress=False)
    before = rows(path)
    whole = sweep([*reversed(good), *good], path, progress=False)
    assert first.key.tolist() == [trial.key for trial in good[:3]]
    assert whole.key.tolist() == [trial.key for trial in reversed(good)]
    after = rows(path)
    assert {key: after[key] for key in before} == before
    assert outcome(whole) == expected
    again = sweep(iter(good), path, progress=False)
    assert rows(path) == after and again.key.tolist() == [trial.key for trial in good]
    assert capsys.readouterr() == ("", "")
    diverged = whole[whole.stopped.notna()]
    assert len(diverged) == 1 and diverged.accuracy.isna().all()
    assert "the loss is not a number" in diverged.stopped.item()
    assert whole[whole.base == "own"].macs.item() > 0


@pytest.mark.parametrize("kind", EXECUTORS)
def test_every_executor_gives_the_same_and_a_failure_costs_only_its_trial(kind, mixed, expected, tmp_path):
    path = tmp_path / "runs.sqlite"
    with EXECUTORS[kind]() as executor:
        with pytest.raises(RuntimeError) as caught:
            sweep(mixed, path, executor, progress=False)
        said = str(caught.value)
        assert said.startswith(f"2 of 8 trials failed; the others are in {path}, the next sweep tries again. ")
        assert (
            "The first was small_plain, depth 0.5, width 0.25, 16 px, toy, seed 0: ValueError: load: resolution=16"
            in said
        )
        assert outcome(frame(path)) == expected
        before = rows(path)
        with pytest.raises(RuntimeError, match="2 of 2 trials failed"):
            sweep(mixed, path, executor, progress=False)
    assert rows(path) == before


def frame(path: Path) -> pd.DataFrame:
    with Store(path) as store:
        return store.frame()


def test_no_trials(tmp_path):
    assert len(sweep([], tmp_path / "runs.sqlite", progress=False)) == 0
    assert rows(tmp_path / "runs.sqlite") == {}


def test_a_store_in_memory(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(sweep(sweeping.trials(toy, seeds=1)[:1], ":memory:", progress=False)) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("odd", ["small_resnet", None, ("small_resnet", 1)])
def test_what_is_no_trial_is_named(odd, tmp_path):
    with pytest.raises(TypeError, match=r"sweep: trials holds .*each must be a Trial"):
        sweep([odd], tmp_path / "runs.sqlite")
    assert not list(tmp_path.iterdir())


def test_the_bar_is_drawn_on_standard_error_alone(toy, tmp_path, capsys):
    two = sweeping.trials(toy, seeds=1)[:2]
    sweep(two[:1], tmp_path / "runs.sqlite", progress=False)
    sweep([*two, replace(two[0], resolution=16)][:2], tmp_path / "runs.sqlite")
    out, err = capsys.readouterr()
    assert out == "" and "2/2" in err and "1/2" in err and "0/2" not in err
    assert "small_plain, depth 0.5, width 0.5, 8 px, toy, seed 0" in err
    with pytest.raises(RuntimeError):
        sweep([replace(two[0], resolution=16)], tmp_path / "runs.sqlite")
    assert "16 px, toy, seed 0, failed" in capsys.readouterr().err


# ---- one at a time


class Then(Executor):
    """Runs everything at once, after something else."""

    def __init__(self, first: Callable[[int], object]) -> None:
        self.first, self.count = first, 0

    def submit(self, fn: Callable[..., Any], /, *words: Any, **more: Any) -> Future[Any]:
        self.count += 1
        self.first(self.count)
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*words, **more))
        except Exception as error:
            future.set_exception(error)
        return future


def test_a_second_sweep_on_the_same_store_is_refused(toy, tmp_path):
    """Also under another name of the file; and both before and after, the store is free."""
    trials = sweeping.trials(toy, seeds=1)[:2]
    path = tmp_path / "runs.sqlite"
    sweep(trials[:1], path, progress=False)
    (tmp_path / "link.sqlite").symlink_to(path)
    refused: list[str] = []

    def again(count: int) -> None:
        if count > 1:
            return
        for name in (path, tmp_path / "link.sqlite", os.path.relpath(path)):
            with pytest.raises(BlockingIOError) as caught:
                sweep(trials, name, progress=False)
            refused.append(str(caught.value))

    sweep(trials, path, Then(again), progress=False)
    assert len(refused) == 3 and refused[0] == f"another sweep is writing to {path}; wait for it, or give another store"
    assert len(sweep(trials, path, progress=False)) == 2


def test_a_sweep_that_fails_leaves_the_store_free(toy, tmp_path):
    """Even while its error, which holds all that it knew, is looked at."""
    trial = sweeping.trials(toy, seeds=1)[0]
    with pytest.raises(RuntimeError) as caught:
        sweep([replace(trial, resolution=16)], tmp_path / "runs.sqlite", progress=False)
    assert caught.value.__cause__ is not None
    assert len(sweep([trial], tmp_path / "runs.sqlite", progress=False)) == 1


def test_a_file_that_is_no_store_is_left_as_it_is(toy, tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("accuracy\n1\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="is not an SQLite file"):
            sweep(sweeping.trials(toy), path, progress=False)
    assert path.read_text() == "accuracy\n1\n"


def test_a_worker_with_other_data_is_found_out(tmp_path):
    """The file changes while the sweep runs: what is trained then is not what was asked for."""
    toy = sweeping.toy(tmp_path / "toy.npz")
    trials = sweeping.trials(toy, seeds=1)[:2]
    changing = Then(lambda count: sweeping.toy(toy, seed=count - 1))
    with pytest.raises(
        RuntimeError, match=r"1 of 2 .* width 0\.5.*its worker trained something else, with the settings"
    ):
        sweep(trials, tmp_path / "runs.sqlite", changing, progress=False)
    sweeping.toy(toy)
    assert rows(tmp_path / "runs.sqlite").keys() == {trials[0].key}


# ---- interrupted, killed


def test_ctrl_c_keeps_what_is_finished(toy, tmp_path):
    trials, path = sweeping.trials(toy), tmp_path / "runs.sqlite"

    def press() -> None:
        wait(lambda: len(finished(path)) >= 2, "two rows")
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        sweep(trials, path, progress=False)
    presser.join()
    before = rows(path)
    assert 2 <= len(before) < len(trials) and all(row[-8] is None for row in before.values())  # none is half trained
    assert len(sweep(trials[: len(before) + 1], path, progress=False)) == len(before) + 1
    after = rows(path)
    assert {key: after[key] for key in before} == before


def finished(path: Path) -> dict[str, Any]:
    return rows(path) if path.exists() and path.stat().st_size else {}


def test_an_exception_ends_the_workers_at_once():
    """Ctrl-C must not wait for trials that take an hour."""
    with pytest.raises(KeyboardInterrupt), processes(2) as executor:
        future = executor.submit(os.getpid)
        worker = psutil.Process(future.result())
        sleeping = executor.submit(signal.pause)
        wait(sleeping.running, "the worker to sleep")
        raise KeyboardInterrupt
    psutil.wait_procs([worker], timeout=20)
    assert not worker.is_running()


def test_a_killed_worker_costs_only_what_ran(toy, tmp_path):
    trials, path = sweeping.trials(toy), tmp_path / "runs.sqlite"

    def kill() -> None:
        wait(lambda: len(finished(path)) >= 3, "three rows")
        wait(lambda: [child.kill() or True for child in psutil.Process().children() if is_worker(child)], "a worker")

    killer = threading.Thread(target=kill)
    with processes(2) as executor:
        killer.start()
        with pytest.raises(WorkersLost) as caught:
            sweep(trials, path, executor, progress=False)
        killer.join()
        before = rows(path)
        left = [trial for trial in trials if trial.key not in before]
        assert list(caught.value.left) == left and 3 <= len(before) < len(trials)
        said = f"a worker was killed (out of memory?) or the cluster is gone; {len(left)} of 24 trials are left"
        assert said in str(caught.value) and f"the first of them {left[0]}" in str(caught.value)
        with pytest.raises(WorkersLost):  # the executor stays broken
            sweep(trials, path, executor, progress=False)
    assert rows(path) == before
    sweep(trials[:-2], path, progress=False)
    after = rows(path)
    assert {key: after[key] for key in before} == before and len(after) >= 22


def is_worker(process: psutil.Process) -> bool:
    return "spawn_main" in " ".join(process.cmdline())


def test_an_executor_that_breaks_while_it_is_given_work(toy, tmp_path):
    """What it has finished by then is stored."""

    def breaks(count: int) -> None:
        if count == 3:
            raise BrokenExecutor("broken")

    trials = sweeping.trials(toy, seeds=1)
    with pytest.raises(WorkersLost) as caught:
        sweep(trials, tmp_path / "runs.sqlite", Then(breaks), progress=False)
    assert list(caught.value.left) == [trials[2]]  # the fourth it took
    assert rows(tmp_path / "runs.sqlite").keys() == {trials[n].key for n in (0, 1, 3)}


class Gone(Executor):
    """As Dask's executor when the scheduler is gone: what was submitted is cancelled."""

    def submit(self, fn: Callable[..., Any], /, *words: Any, **more: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_a_cluster_that_is_gone(toy, tmp_path):
    trials = sweeping.trials(toy, seeds=1)
    with pytest.raises(WorkersLost, match="the cluster is gone; 4 of 4 trials are left") as caught:
        sweep(trials, tmp_path / "runs.sqlite", Gone(), progress=False)
    assert list(caught.value.left) == trials


def test_an_architecture_that_no_other_process_can_find_is_named(toy, tmp_path):
    local = Trial(sweeping.own(lambda x, width, stride=1: sweeping.wide(x, width, stride)), data=str(toy))
    with (
        processes(1) as executor,
        pytest.raises(RuntimeError, match=r"1 of 1 trials failed.*own, depth 1.*(?i:pickle)"),
    ):
        sweep([local], tmp_path / "runs.sqlite", executor, progress=False)


class Kept(ThreadPoolExecutor):
    """Keeps what it was given."""

    def submit(self, fn: Callable[..., Any], /, *words: Any, **more: Any) -> Future[Any]:
        self.futures = [*getattr(self, "futures", []), super().submit(fn, *words, **more)]
        return self.futures[-1]


def test_an_error_of_the_store_cancels_what_has_not_begun(toy, tmp_path):
    """A disk that is full, say: nothing more is trained, for its row could not be kept."""
    path = tmp_path / "runs.sqlite"
    Store(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON trials BEGIN SELECT RAISE(FAIL, 'no more rows'); END")
    with Kept(1) as executor, pytest.raises(ValueError, match="no more rows"):
        sweep(sweeping.trials(toy), path, executor, progress=False)
    assert sum(future.cancelled() for future in executor.futures) >= 20 and rows(path) == {}
