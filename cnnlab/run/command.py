"""`python -m cnnlab sweep | status | export | import | card`: sweeps and their tables from the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.run import flat, grid
from cnnlab.run.store import Store
from cnnlab.run.sweep import WorkersLost, sole_writer, sweep
from cnnlab.run.trial import Job
from cnnlab.run.workers import processes

if TYPE_CHECKING:
    import pandas as pd

MOST_DEADLY = 3  # trials that each have their worker killed even when it has the machine to itself


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words say; see `obeyed`."""
    return obeyed(_parser(), words)


def obeyed(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> int:
    """Do what the words say, and give the exit status; what goes wrong is one sentence on standard error, and 1."""
    choice = parser.parse_args(words)
    try:
        choice.act(choice)
    except KeyboardInterrupt:
        print("interrupted; what was finished is in the store: the same command goes on", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"cnnlab: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cnnlab", description="Sweeps: train every network of a grid.")
    commands = parser.add_subparsers(required=True)

    def command(name: str, act: Callable[[argparse.Namespace], None], about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(act=act)
        return added

    run = command("sweep", _sweep, "train what the store does not hold yet; call it again to go on")
    run.add_argument("grid", help="TOML file with tables [[grid]] (see cnnlab.run.grid.read)")
    run.add_argument("--store", required=True, help="SQLite file of results; made if there is none")
    run.add_argument("--root", help="folder that paths of data are relative to (default: that of the grid)")
    run.add_argument("--workers", type=int, default=1, help="processes on this machine (default 1)")
    run.add_argument("--threads", type=int, default=1, help="threads of each process (default 1)")
    run.add_argument("--scheduler", help="address of a Dask scheduler, such as tcp://host:8786, instead of --workers")
    run.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1 ...")
    status = command("status", _status, "what a store holds, and how much of a grid")
    status.add_argument("store")
    status.add_argument("grid", nargs="?", help="TOML file to compare with")
    status.add_argument("--root")
    export = command("export", _export, "write a store's rows as CSV")
    export.add_argument("store")
    export.add_argument("csv", nargs="?", default="-", help="a file, or a folder for a file for each data set")
    filling = command("import", _import, "add the rows of exported CSV files to a store; made if there is none")
    filling.add_argument("csv", nargs="+")
    filling.add_argument("--store", required=True)
    command("card", _card, "print the tables of the data card: what data/measured holds and says")
    return parser


def _sweep(choice: argparse.Namespace) -> None:
    trials = grid.read(choice.grid, root=choice.root)
    if choice.scheduler is None:
        frame = on_processes(trials, choice.store, choice.workers, threads=choice.threads, device=choice.device)
    else:
        with _cluster(choice.scheduler) as executor:
            frame = sweep(trials, choice.store, executor, device=choice.device)
    print(summary(frame))


def on_processes(
    trials: Sequence[Job], store: str | os.PathLike[str], workers: int, *, threads: int = 1, device: str = "cpu"
) -> pd.DataFrame:
    """`sweep` on processes of this machine; when one of them is killed, it goes on with new ones.

    The trials that ran when a worker was killed then run one at a time, which they may well survive: often it was their
    memory together. One whose worker is killed again is left out; after three of those the sweep ends, because what
    kills workers has to do with more than a trial. RuntimeError at the end says what was left out.
    """
    rest = list({trial.key: trial for trial in trials}.values())
    apart: list[tuple[Job, RuntimeError]] = []
    while sum(isinstance(error, WorkersLost) for _, error in apart) < MOST_DEADLY:
        try:
            with processes(workers, threads=threads) as executor:
                frame = sweep(rest, store, executor, device=device)
            break
        except WorkersLost as error:
            print(f"\ncnnlab: {error}", file=sys.stderr)
            for trial in error.left[:workers]:  # an executor takes them in order, so these are the ones that ran
                if (wrong := _alone(trial, store, threads=threads, device=device)) is not None:
                    apart.append((trial, wrong))
                    rest.remove(trial)
    if apart:
        first, wrong = apart[0]
        raise RuntimeError(
            f"{len(apart)} trials were left out: each ran when a worker was killed, and then failed alone as well; "
            f"what was finished is in {store}. The first was {first}: {wrong}"
        ) from wrong
    return frame


def _alone(trial: Job, store: str | os.PathLike[str], *, threads: int, device: str) -> RuntimeError | None:
    """Train one trial, and say what went wrong, if anything did."""
    print(f"cnnlab: one worker alone for {trial}", file=sys.stderr)
    try:
        with processes(1, threads=threads) as executor:
            sweep([trial], store, executor, device=device, progress=False)
    except RuntimeError as error:
        return error
    return None


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("--scheduler needs Dask: pip install distributed") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, AssertionError) as error:  # the last where its event loop takes over 10 s to start
        raise OSError(f"--scheduler {address}: no Dask scheduler answers there ({error})") from error
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)  # nothing runs any more, or nobody waits for it


def _status(choice: argparse.Namespace) -> None:
    with _existing(choice.store) as store:
        print(summary(store.frame()))
        if choice.grid:
            wanted = {trial.key for trial in grid.read(choice.grid, root=choice.root)}
            print(f"{len(wanted & store.keys()):,} of the {len(wanted):,} trials of {choice.grid} are finished")


def _existing(path: str) -> Store:
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: there is no such store")
    return Store(path)


def _export(choice: argparse.Namespace) -> None:
    with _existing(choice.store) as store:
        frame = store.frame()
    if choice.csv == "-":
        flat.table(frame).to_csv(sys.stdout, index=False)
    else:
        flat.write(frame, choice.csv)


def _import(choice: argparse.Namespace) -> None:
    found = flat.read(choice.csv)
    with sole_writer(choice.store), Store(choice.store) as store:
        added = flat.fill(store, found)
        print(f"{added:,} rows added; {choice.store} holds {len(store):,}")


def _card(choice: argparse.Namespace) -> None:
    from cnnlab.run.card import card

    print(card(), end="")


def summary(frame: pd.DataFrame) -> str:
    """A line for each data set and base: networks, seeds, accuracies, hours; and one line for all."""
    lines = []
    for (data, base), part in frame.groupby(["data", "base"], sort=True):
        seeds, accuracy = part.seed.nunique(), part.accuracy.dropna()
        reached = f"accuracy {accuracy.min():.1f} to {accuracy.max():.1f} %" if len(accuracy) else "no accuracy"
        lines.append(
            f"{data} {base}: {len(part):,} networks, {seeds} seeds, {reached}, {part.seconds.sum() / 3600:.2f} h"
        )
    stopped = int(frame.stopped.notna().sum())
    total = f"in all {len(frame):,} networks, {frame.seconds.sum() / 3600:.2f} hours of one process"
    return "\n".join([*lines, total + (f", {stopped} stopped early (column `stopped`)" if stopped else "")])
