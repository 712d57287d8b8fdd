"""`python -m cnnlab sweep | status | export`: sweeps from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cnnlab.run import grid
from cnnlab.run.store import Store
from cnnlab.run.sweep import sweep
from cnnlab.run.workers import processes

if TYPE_CHECKING:
    import pandas as pd


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words say; what goes wrong is one sentence on standard error, and exit status 1."""
    choice = _parser().parse_args(words)
    try:
        if choice.command == "sweep":
            _sweep(choice)
        elif choice.command == "status":
            _status(choice)
        else:
            _export(choice)
    except KeyboardInterrupt:
        print("interrupted; what was finished is in the store: the same command goes on", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"cnnlab: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cnnlab", description="Sweeps: train every network of a grid.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("sweep", help="train what the store does not hold yet; call it again to go on")
    run.add_argument("grid", help="TOML file with tables [[grid]] (see cnnlab.run.grid.read)")
    run.add_argument("--store", required=True, help="SQLite file of results; made if there is none")
    run.add_argument("--root", help="folder that paths of data are relative to (default: that of the grid)")
    run.add_argument("--workers", type=int, default=1, help="processes on this machine (default 1)")
    run.add_argument("--threads", type=int, default=1, help="threads of each process (default 1)")
    run.add_argument("--scheduler", help="address of a Dask scheduler, such as tcp://host:8786, instead of --workers")
    run.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1 ...")
    status = commands.add_parser("status", help="what a store holds, and how much of a grid")
    status.add_argument("store")
    status.add_argument("grid", nargs="?", help="TOML file to compare with")
    status.add_argument("--root")
    export = commands.add_parser("export", help="write a store's rows as CSV")
    export.add_argument("store")
    export.add_argument("csv", nargs="?", default="-", help="file to write (default: standard output)")
    return parser


def _sweep(choice: argparse.Namespace) -> None:
    trials = grid.read(choice.grid, root=choice.root)
    with _executor(choice) as executor:
        frame = sweep(trials, choice.store, executor, device=choice.device)
    print(summary(frame))


def _executor(choice: argparse.Namespace) -> AbstractContextManager[Executor]:
    if choice.scheduler is None:
        return processes(choice.workers, threads=choice.threads)
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("--scheduler needs Dask: pip install distributed") from None
    return cast("AbstractContextManager[Executor]", Client(choice.scheduler, timeout=10).get_executor())


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
    table = flat(frame)
    table.to_csv(sys.stdout if choice.csv == "-" else choice.csv, index=False)


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


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a store as a table of plain cells: the recipe and the versions each a column, the curve one cell."""
    import pandas as pd

    recipes = pd.DataFrame([{**s["recipe"], "limit": s["limit"], "training": s["training"]} for s in frame.settings])
    fingerprints = frame.settings.map(lambda s: s["data"])
    curve = frame.history.map(lambda h: " ".join(f"{epoch['validation_accuracy']:.2f}" for epoch in h))
    versions = pd.DataFrame(list(frame.versions))
    plain = frame.drop(columns=["settings", "history", "versions"])
    parts = [plain, recipes.drop(columns=["seed", "epochs"], errors="ignore"), versions]
    return pd.concat(parts, axis=1).assign(fingerprint=fingerprints, curve=curve)
