"""`Store`: an SQLite file with a row for every finished trial. It survives `kill -9`, and refuses files not its own."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
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


class Store:
    """The file, open. A row is on the disk when `add` returns; rows are never changed.

    Raises ValueError, as a sentence, and leaves the file as it is, if it is not a store of cnnlab or is damaged.

    >>> with Store(":memory:") as store:
    ...     len(store)
    0
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._check_header()
        try:
            self._database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._open()
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path} cannot be used as a store ({error}); it was left as it is") from error

    def _check_header(self) -> None:
        """Look before SQLite does: opening a file for writing may change it."""
        path = Path(self.path)
        if self.path == ":memory:" or not path.exists() or path.stat().st_size == 0:
            return
        with path.open("rb") as file:
            header = file.read(100)
        if not header.startswith(b"SQLite format 3\x00"):
            raise ValueError(f"{self.path} is not an SQLite file; it was left as it is: give the store another name")
        if int.from_bytes(header[68:72], "big") != MARK:
            raise ValueError(f"{self.path} is another program's SQLite file; it was left as it is: give another name")
        if (version := int.from_bytes(header[60:64], "big")) != VERSION:
            raise ValueError(f"{self.path} is a store of version {version}, and this cnnlab reads version {VERSION}")

    def _open(self) -> None:
        run = self._database.execute
        if (damage := run("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(f"it is damaged: {damage}")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        # One transaction: a file that a killed process left behind has the mark and the table, or is empty.
        run("BEGIN IMMEDIATE")
        run(f"PRAGMA application_id = {MARK}")
        run(f"PRAGMA user_version = {VERSION}")
        run(f"CREATE TABLE IF NOT EXISTS trials ({columns})")
        run("COMMIT")

    def add(self, row: Mapping[str, Any]) -> None:
        """Write one finished trial. Raises ValueError for columns that are missing or unknown, and for a second row
        of one key."""
        if row.keys() != COLUMNS.keys():
            odd = ", ".join(sorted(row.keys() ^ COLUMNS.keys()))
            raise ValueError(f"{self.path}: a row must have exactly the columns of cnnlab.run.store; look at {odd}")
        marks = ", ".join("?" * len(COLUMNS))
        try:
            self._database.execute(f"INSERT INTO trials VALUES ({marks})", [row[name] for name in COLUMNS])
        except sqlite3.IntegrityError as error:
            raise ValueError(f"{self.path}: trial {row['key']} cannot be added ({error})") from error

    def keys(self) -> set[str]:
        """The keys of the finished trials."""
        return {key for (key,) in self._database.execute("SELECT key FROM trials")}

    def __len__(self) -> int:
        count: int = self._database.execute("SELECT count(*) FROM trials").fetchone()[0]
        return count

    def frame(self, keys: Iterable[str] | None = None) -> pd.DataFrame:
        """One row for each finished trial, in the order in which they finished, or those of these keys, in their order.

        The columns are those of `COLUMNS`; settings, history and versions are read from JSON.
        """
        import pandas as pd

        frame = pd.DataFrame(self._database.execute("SELECT * FROM trials ORDER BY rowid"), columns=list(COLUMNS))
        for name in ("settings", "history", "versions"):
            frame[name] = frame[name].map(json.loads)
        return frame if keys is None else frame.set_index("key", drop=False).loc[list(keys)].reset_index(drop=True)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
