"""`Store`: an SQLite file with a row for every finished trial. It survives `kill -9`, and refuses files not its own."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MARK = 0x636E6E6C  # "cnnl": SQLite's application_id, by which a file is known to be ours
VERSION = 1  # of the columns
COLUMNS: Mapping[str, str] = {
    "key": "TEXT PRIMARY KEY",
    "data": "TEXT NOT NULL",
    "base": "TEXT NOT NULL",
    "depth": "REAL NOT NULL",
    "width": "REAL NOT NULL",
    "resolution": "INTEGER NOT NULL",
    "seed": "INTEGER NOT NULL",
    "epochs": "INTEGER NOT NULL",
    "macs": "INTEGER NOT NULL",
    "params": "INTEGER NOT NULL",
    "activations": "INTEGER NOT NULL",
    "accuracy": "REAL",
    "validation_accuracy": "REAL",
    "train_accuracy": "REAL",
    "train_loss": "REAL",
    "stopped": "TEXT",
    "seconds": "REAL NOT NULL",
    "device": "TEXT NOT NULL",
    "threads": "INTEGER NOT NULL",
    "finished": "TEXT NOT NULL",
    "settings": "TEXT NOT NULL",
    "history": "TEXT NOT NULL",
    "versions": "TEXT NOT NULL",
}
"""column -> its SQL type. Accuracies in percent, seconds of one process, `finished` in UTC; the last three are JSON."""

SCHEMA = f"""
PRAGMA application_id = {MARK};
PRAGMA user_version = {VERSION};
CREATE TABLE trials ({", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())});
"""


class Store:
    """The file, open. A row is on the disk when `add` returns; rows are never changed. One writes, any may read.

    Raises ValueError, as a sentence, and leaves the file as it is, if it is not a store of cnnlab or is damaged;
    OSError if it cannot be read or written.

    >>> with Store(":memory:") as store:
    ...     len(store)
    0
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            if self.path != ":memory:":
                _check(self.path) if _holds_something(self.path) else _create(self.path)
            self._database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            if self.path == ":memory:":
                self._database.executescript(SCHEMA)
        except (sqlite3.Error, UnicodeError) as error:
            raise ValueError(f"{self.path} cannot be used as a store ({error}); it was left as it is") from error
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = FULL")

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one finished trial.

        Raises ValueError for columns that are missing or unknown, for numbers that are not finite, and for a second row
        of one key.
        """
        if row.keys() != COLUMNS.keys():
            odd = ", ".join(sorted(row.keys() ^ COLUMNS.keys()))
            raise ValueError(f"{self.path}: a row must have exactly the columns of cnnlab.run.store; look at {odd}")
        for name, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{self.path}: {name}={value}: what is not a finite number must be None in a row")
        try:
            marks = ", ".join("?" * len(COLUMNS))
            self._run(f"INSERT INTO trials VALUES ({marks})", [row[name] for name in COLUMNS])
        except sqlite3.IntegrityError as error:
            raise ValueError(f"{self.path}: trial {row['key']} cannot be added ({error})") from error

    def keys(self) -> set[str]:
        """The keys of the finished trials."""
        return {key for (key,) in self._run("SELECT key FROM trials")}

    def __len__(self) -> int:
        count: int = self._run("SELECT count(*) FROM trials")[0][0]
        return count

    def frame(self, keys: Iterable[str] | None = None) -> pd.DataFrame:
        """One row for each finished trial, in the order in which they finished, or those of these keys, in their order.

        The columns are those of `COLUMNS`; settings, history and versions are read from JSON, and NaN stands for a
        number that there is not.
        """
        import pandas as pd

        frame = pd.DataFrame(self._run("SELECT * FROM trials ORDER BY rowid"), columns=list(COLUMNS))
        numbers = {"REAL": "float64", "INTEGER": "int64"}  # also where there is none
        types = {name: numbers[kind.split()[0]] for name, kind in COLUMNS.items() if kind.split()[0] in numbers}
        try:
            for name, kind in types.items():
                frame = frame.astype({name: kind})
            for name in ("settings", "history", "versions"):
                frame[name] = frame[name].map(json.loads)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.path} is damaged: a row's {name} cannot be read ({error})") from error
        return frame if keys is None else frame.set_index("key", drop=False).loc[list(keys)].reset_index(drop=True)

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What SQLite answers; OSError for a full disk, a file that fails and their like."""
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise OSError(f"{self.path}: {error}; what was finished before is kept") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _holds_something(path: str) -> bool:
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder; a store is a file")
    return os.path.exists(path) and os.path.getsize(path) > 0


def _check(path: str) -> None:
    """ValueError, as a sentence, unless the file is a whole store. Nothing is written: a foreign file stays as it is.

    What another process writes now, or wrote before it was killed, lies in a second file (-wal): SQLite reads both.
    """
    with open(path, "rb") as file:
        if not file.read(16) == b"SQLite format 3\x00":
            raise ValueError(f"{path} is not an SQLite file; it was left as it is: give the store another name")
    # Without the second file nobody writes: immutable then keeps SQLite from making one.
    mode = "mode=ro" if os.path.exists(f"{path}-wal") else "mode=ro&immutable=1"
    with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?{mode}", uri=True, timeout=60)) as database:
        if database.execute("PRAGMA application_id").fetchone() != (MARK,):
            raise ValueError(f"{path} is another program's SQLite file; it was left as it is: give another name")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise ValueError(f"{path} is a store of version {version}, and this cnnlab reads version {VERSION}")
        if (damage := database.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(f"it is damaged: {damage}")
        columns = [name for _, name, *_ in database.execute("PRAGMA table_info(trials)")]
        if columns != list(COLUMNS):
            raise sqlite3.DatabaseError("its table has other columns")


def _create(path: str) -> None:
    """Make an empty store, which appears whole or, if the process is killed, not at all."""
    new = Path(f"{path}-new")
    for leftover in (new, Path(f"{path}-wal"), Path(f"{path}-shm")):  # of a process killed here, of a store removed
        leftover.unlink(missing_ok=True)
    with closing(sqlite3.connect(new, isolation_level=None)) as database:
        database.executescript("PRAGMA journal_mode = OFF; " + SCHEMA)
    new.replace(path)
