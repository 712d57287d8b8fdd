"""sweep on a Dask cluster: a scheduler and workers, each a process of its own, of which one is killed on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from cnnlab.run.command import main
from cnnlab.run.store import Store
from cnnlab.run.sweep import WorkersLost, sweep
from cnnlab.run.trial import Trial
from tests import sweeping
from tests.sweeping import DEADLINE, outcome, rows, wait

ROOT = Path(__file__).parents[1]

Process = subprocess.Popen[bytes]


@contextmanager
def started(folder: Path, name: str, *words: str) -> Iterator[Process]:
    """`dask scheduler` or `dask worker`, until the block is left; what they log goes to a file."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *words], stdout=log, stderr=log, cwd=folder, env=environment
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster_of(workers: int, folder: Path) -> Iterator[tuple[str, Process, list[Process]]]:
    """A scheduler on loopback, its address, and workers, each a single process of one thread."""
    where = folder / "scheduler.json"
    local = ["--host", "127.0.0.1", "--scheduler-file", str(where)]
    with ExitStack() as stack:
        words = ["scheduler", "--port", "0", "--no-dashboard", *local]
        scheduler = stack.enter_context(started(folder, "scheduler", *words))
        words = ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", *local]
        hands = [stack.enter_context(started(folder, f"worker{n}", *words, "--name", str(n))) for n in range(workers)]
        wait(lambda: where.exists() and where.read_text(), "the scheduler")
        yield json.loads(where.read_text())["address"], scheduler, hands


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One of two workers."""
    with cluster_of(2, tmp_path_factory.mktemp("dask")) as (address, _, workers):
        yield {"address": address, "workers": workers}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweeping.toy(tmp_path_factory.mktemp("toy") / "toy.npz")


def test_a_worker_is_killed_and_every_row_arrives(cluster, toy, tmp_path):
    """Also that of a network of one's own; a trial that fails is named; the rows are those of a sweep without Dask."""
    own = Trial(sweeping.own(sweeping.wide), data=str(toy), recipe=sweeping.RECIPE)
    trials = [*sweeping.trials(toy), own]
    expected = outcome(sweep(trials, tmp_path / "here.sqlite", progress=False))
    store, seen = tmp_path / "dask.sqlite", []

    def kill() -> None:
        wait(lambda: len(rows(store)) >= 2, "two rows")
        cluster["workers"][0].kill()
        seen.append(rows(store))

    killer = threading.Thread(target=kill)
    with Client(cluster["address"], timeout=DEADLINE) as client:
        client.wait_for_workers(2, timeout=DEADLINE)
        killer.start()
        with client.get_executor() as executor, pytest.raises(RuntimeError, match=r"1 of 26 trials failed.* 16 px"):
            sweep([replace(trials[0], resolution=16), *trials], store, executor, progress=False)
        killer.join()
        assert len(client.scheduler_info()["workers"]) == 1
        before = rows(store)
        with client.get_executor() as executor:
            whole = sweep(trials, store, executor, progress=False)
    assert 2 <= len(seen[0]) < 25 and {key: before[key] for key in seen[0]} == seen[0]
    assert outcome(whole) == expected and rows(store) == before


def test_the_command_runs_on_the_cluster(cluster, toy, tmp_path, capsys):
    shutil.copy(toy, tmp_path / "toy.npz")
    (tmp_path / "grid.toml").write_text(sweeping.GRID)
    store = tmp_path / "runs.sqlite"
    words = ["sweep", str(tmp_path / "grid.toml"), "--store", str(store), "--scheduler", cluster["address"]]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "toy small_plain: 24 networks, 6 seeds" in out and "24/24" in err
    assert "Traceback" not in err and "distributed" not in err
    expected = outcome(sweep(sweeping.trials(toy), tmp_path / "here.sqlite", progress=False))
    with Store(store) as book:
        assert outcome(book.frame()) == expected


def test_a_cluster_that_goes_away_ends_the_sweep(toy, tmp_path):
    """Its scheduler is killed in the middle: what has arrived is kept."""
    store = tmp_path / "runs.sqlite"
    with cluster_of(1, tmp_path) as (address, scheduler, _), ThreadPoolExecutor(1) as aside:
        gone = aside.submit(lambda: (wait(lambda: len(rows(store)) >= 2, "two rows"), scheduler.kill()))
        with (
            Client(address, timeout=2, set_as_default=False) as client,
            pytest.raises(WorkersLost, match="cluster is gone"),
        ):
            sweep(sweeping.trials(toy), store, client.get_executor(), progress=False)
        gone.result()
    assert 2 <= len(rows(store)) < 24
