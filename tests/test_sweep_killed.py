"""`python -m cnnlab sweep`, killed again and again: no row is lost or changes, no trial runs twice, and all come in."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from cnnlab.run.command import main, on_processes
from cnnlab.run.store import Store
from cnnlab.run.sweep import sweep
from cnnlab.run.trial import Trial
from tests import sweeping
from tests.sweeping import DEADLINE, outcome, rows, wait


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    sweeping.toy(folder / "toy.npz")
    (folder / "grid.toml").write_text(sweeping.GRID)
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, Any]:
    """What a sweep gives that nobody disturbs, in this process."""
    return outcome(sweep(sweeping.trials(folder / "toy.npz"), folder / "here.sqlite", progress=False))


class Sweep:
    """The command, running in a session of its own."""

    def __init__(self, folder: Path, store: Path, workers: int = 2) -> None:
        command = [sys.executable, "-m", "cnnlab", "sweep", folder / "grid.toml", "--store", store]
        self.log = store.with_suffix(".log")
        with self.log.open("w") as log:
            self.process = psutil.Popen(
                [*map(str, command), "--workers", str(workers)], stdout=log, stderr=log, start_new_session=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        self.seen: dict[int, psutil.Process] = {}

    def workers(self) -> list[psutil.Process]:
        """Those that run now."""
        try:
            found = [child for child in self.process.children() if "spawn_main" in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:
            found = []
        self.seen |= {worker.pid: worker for worker in found}
        return found

    def end(self, allowed: float = DEADLINE) -> int:
        """Its exit status, once it and all its workers are gone."""
        status = self.process.wait(allowed)
        _, alive = psutil.wait_procs(self.seen.values(), timeout=20)
        assert not alive, f"{alive} outlived their parent"
        return status


@contextmanager
def running(folder: Path, store: Path) -> Iterator[Sweep]:
    begun = Sweep(folder, store)
    try:
        yield begun
    finally:
        for process in [begun.process, *begun.seen.values()]:
            if process.is_running():
                process.kill()


def test_a_sweep_that_is_killed_at_any_moment_goes_on_where_it_was(folder, expected, tmp_path):
    """The parent alone is killed: as soon as it has workers, then at random numbers of rows; its workers end with it.

    Every row that was once seen stays as it was, to the second when it was finished, so its trial was not run again.
    """
    store = tmp_path / "runs.sqlite"
    known: dict[str, Any] = {}
    moments = random.Random(4)
    for target in (0, *sorted(moments.sample(range(2, 21), 2))):
        with running(folder, store) as begun:
            wait(lambda begun=begun: begun.workers() or begun.process.poll() is not None, "workers")
            wait(lambda target=target: len(rows(store)) >= target, f"{target} rows")
            begun.workers()
            begun.process.send_signal(signal.SIGKILL)
            assert begun.end() == -signal.SIGKILL
        now = rows(store)
        assert {key: now[key] for key in known} == known and len(now) >= target
        known = now
    with running(folder, store) as begun:
        wait(lambda: begun.workers() or begun.process.poll() is not None, "workers")
        assert begun.end() == 0, begun.log.read_text()
    now = rows(store)
    assert {key: now[key] for key in known} == known and 0 < len(known) < len(now) == 24
    with Store(store) as book:
        assert outcome(book.frame()) == expected
    assert f"{24 - len(known)}/" not in begun.log.read_text().split("toy small_plain")[1]
    assert "toy small_plain: 24 networks, 6 seeds" in begun.log.read_text()


def test_a_killed_worker_is_replaced(folder, expected, tmp_path):
    """As by a machine that is short of memory; the sweep goes on by itself, and its rows are those of any other."""
    store = tmp_path / "runs.sqlite"
    with running(folder, store) as begun:
        wait(lambda: len(rows(store)) >= 2, "two rows")
        for worker in begun.workers()[:1]:
            worker.kill()
        before = rows(store)
        wait(lambda: len(rows(store)) == 24 or begun.workers() or begun.process.poll() is not None, "new workers")
        assert begun.end() == 0, begun.log.read_text()
    after = rows(store)
    assert {key: after[key] for key in before} == before and len(after) == 24 > len(before) >= 2
    with Store(store) as book:
        assert outcome(book.frame()) == expected
    said = begun.log.read_text()
    assert said.count("a worker was killed (out of memory?)") == 1 and 1 <= said.count("one worker alone for") <= 2


def test_ctrl_c_ends_it_with_a_sentence(folder, tmp_path, capsys):
    """As the terminal does it: the interrupt goes to parent and workers. Before, a second command is refused."""
    store = tmp_path / "runs.sqlite"
    with running(folder, store) as begun:
        wait(lambda: len(rows(store)) >= 2, "two rows")
        assert main(["sweep", str(folder / "grid.toml"), "--store", str(store)]) == 1
        refused = f"cnnlab: another sweep is writing to {store}; wait for it, or give another store\n"
        assert capsys.readouterr() == ("", refused)
        assert len(begun.workers()) == 2
        os.killpg(begun.process.pid, signal.SIGINT)
        assert begun.end() == 130, begun.log.read_text()
    said = begun.log.read_text()
    assert said.endswith("interrupted; what was finished is in the store: the same command goes on\n")
    assert "Traceback" not in said
    assert 2 <= len(rows(store)) < 24


def test_a_trial_that_kills_its_worker_each_time_is_left_out(folder, expected, tmp_path, capsys):
    """And those that ran beside it are not."""
    trials = sweeping.trials(folder / "toy.npz", seeds=1)
    killer = Trial(sweeping.own(sweeping.deadly), data=trials[0].data, recipe=sweeping.RECIPE)
    store = tmp_path / "runs.sqlite"
    with pytest.raises(RuntimeError) as caught:
        on_processes([killer, *trials, killer], store, 2)
    said = str(caught.value)
    assert said.startswith("1 trials were left out: each ran when a worker was killed, and then failed alone as well; ")
    assert "The first was own, depth 1, width 1, 8 px, toy, seed 0: a worker was killed (out of memory?)" in said
    assert rows(store).keys() == {trial.key for trial in trials}
    with Store(store) as book:
        assert outcome(book.frame()) == {trial.key: expected[trial.key] for trial in trials}


def test_workers_that_always_die_end_the_sweep(folder, tmp_path):
    """After three trials, not after all."""
    data = str(folder / "toy.npz")
    killers = [
        Trial(sweeping.own(sweeping.deadly), data=data, recipe=replace(sweeping.RECIPE, seed=n)) for n in range(40)
    ]
    with pytest.raises(RuntimeError, match=r"^3 trials were left out"):
        on_processes(killers, tmp_path / "runs.sqlite", 3)
    assert rows(tmp_path / "runs.sqlite") == {}
