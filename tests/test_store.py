"""Store: rows that stay, in a file that survives; all else is refused and left as it was. Oracle: sqlite3 itself."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlab.run.store import COLUMNS, MARK, VERSION, Store
from tests.sweeping import DEADLINE

REALS = [name for name, kind in COLUMNS.items() if kind.startswith("REAL")]


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row as `run` gives it."""
    filled = {"TEXT": "x", "REAL": 0.5, "INTEGER": 7}
    whole = {name: filled[kind.split()[0]] for name, kind in COLUMNS.items()}
    packed = {"settings": '{"depth": 1.0}', "history": "[]", "versions": "{}", "stopped": None}
    return whole | packed | {"key": f"{number:016x}"} | changes


def stored(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM trials ORDER BY rowid").fetchall()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_columns_and_the_version_are_what_they_always_were():
    """Stores of measured results have them: a change that is meant must raise VERSION."""
    assert VERSION == 1 and MARK.to_bytes(4, "big") == b"cnnl"
    assert list(COLUMNS) == [
        "key", "data", "base", "depth", "width", "resolution", "seed", "epochs", "macs", "params", "activations",
        "accuracy", "validation_accuracy", "train_accuracy", "train_loss", "stopped", "seconds", "device", "threads",
        "finished", "settings", "history", "versions",
    ]  # fmt: skip


def test_a_row_is_on_the_disk_when_add_returns_and_is_given_back(tmp_path):
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        for number in range(3):
            store.add(row(number, macs=2**62, accuracy=None if number else 12.5))
            assert len(stored(path)) == len(store) == number + 1
        with closing(sqlite3.connect(path)) as database:
            said = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "application_id")]
            assert said == ["wal", MARK]
        assert store._run("PRAGMA synchronous") == [(2,)]  # FULL: a commit waits for the disk
    assert [dict(zip(COLUMNS, found, strict=True)) for found in stored(path)] == [
        row(number, macs=2**62, accuracy=None if number else 12.5) for number in range(3)
    ]
    with Store(path) as store:
        assert store.keys() == {f"{number:016x}" for number in range(3)}
        frame = store.frame()
        assert list(frame.columns) == list(COLUMNS) and frame.macs.tolist() == [2**62] * 3
        assert frame.settings[0] == {"depth": 1.0} and frame.history[0] == [] and frame.stopped[0] is None
        assert frame.accuracy[0] == 12.5 and frame.accuracy[1:].isna().all()
        assert store.frame([row(2)["key"], row(0)["key"]]).key.tolist() == [row(2)["key"], row(0)["key"]]
    assert contents(tmp_path).keys() == {"runs.sqlite"}


def test_columns_of_numbers_hold_numbers_also_if_there_are_none():
    """A sweep of networks that all diverge has no accuracy, and one of no trials no rows."""
    with Store(":memory:") as store:
        assert all(store.frame()[name].dtype == np.float64 for name in REALS)
        store.add(row(accuracy=None, train_loss=None))
        assert math.isnan(store.frame().accuracy.mean()) and store.frame().train_loss.dtype == np.float64


FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(FINITE, st.none() | FINITE, st.integers(0, 2**63 - 1), TEXTS), max_size=5))
def test_what_goes_in_comes_out(values):
    rows = [row(i, depth=d, accuracy=a, macs=m, device=t) for i, (d, a, m, t) in enumerate(values)]
    with Store(":memory:") as store:
        for one in rows:
            store.add(one)
        frame = store.frame()
    for one, found in zip(rows, frame.to_dict("records"), strict=True):
        assert (found["depth"], found["macs"], found["device"]) == (one["depth"], one["macs"], one["device"])
        assert found["accuracy"] == one["accuracy"] or (one["accuracy"] is None and math.isnan(found["accuracy"]))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (row(0), "cannot be added (UNIQUE"),
        (row(0, accuracy=99.0), "cannot be added (UNIQUE"),
        (row(1, data=None), "cannot be added (NOT NULL"),
        ({name: value for name, value in row(1).items() if name != "device"}, "look at device"),
        (row(1, colour="red"), "look at colour"),
        ({}, "look at accuracy, "),
        *((row(1, **{name: value}), f"{name}={value}") for name in REALS for value in (math.nan, math.inf, -math.inf)),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_a_row_that_is_none_is_refused_and_changes_nothing(wrong, sentence, tmp_path):
    with Store(tmp_path / "runs.sqlite") as store:
        store.add(row(0))
        with pytest.raises(ValueError) as caught:
            store.add(wrong)
        assert sentence in str(caught.value) and "runs.sqlite" in str(caught.value)
        store.add(row(2))
    assert stored(tmp_path / "runs.sqlite") == [tuple(row(number)[name] for name in COLUMNS) for number in (0, 2)]


def test_one_reads_what_another_writes(tmp_path):
    """`status` while a sweep runs, and after one was killed: the rows are still in the second file."""
    path = tmp_path / "runs.sqlite"
    with Store(path) as store:
        store.add(row(0))
        with Store(path) as other:
            assert len(other) == 1
            store.add(row(1))
            assert len(other) == 2
        store.add(row(2))
    assert len(stored(path)) == 3


# ---- killed


def python(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)


KILLED = """
import json, os, signal, sys
from cnnlab.run.store import Store
store = Store(sys.argv[1])
for row in json.loads(sys.argv[2]):
    store.add(row)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("count", [0, 1, 40])
def test_a_killed_process_leaves_its_rows_and_a_store(count, tmp_path):
    done = python(KILLED, tmp_path / "runs.sqlite", json.dumps([row(number) for number in range(count)]))
    assert done.returncode == -9, done.stderr
    with Store(tmp_path / "runs.sqlite") as store:
        assert store.keys() == {row(number)["key"] for number in range(count)}
        store.add(row(count))


CREATED = """
import os, pathlib, signal, sys
from cnnlab.run import store
real = {"replace": pathlib.Path.replace, "closing": store.closing}
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "before it is named":
    pathlib.Path.replace = die
elif sys.argv[2] == "after it is named":
    pathlib.Path.replace = lambda *words: (real["replace"](*words), die())
else:
    store.closing = lambda database: (database.execute("CREATE TABLE half (x)"), die())
store.Store(sys.argv[1])
"""


@pytest.mark.parametrize("moment", ["half made", "before it is named", "after it is named"])
def test_a_process_killed_while_it_makes_a_store_leaves_a_whole_one_or_none(moment, tmp_path):
    done = python(CREATED, tmp_path / "runs.sqlite", moment)
    assert done.returncode == -9, done.stderr
    with Store(tmp_path / "runs.sqlite") as store:
        assert len(store) == 0
        store.add(row(0))
    assert len(stored(tmp_path / "runs.sqlite")) == 1


def test_what_a_removed_store_left_behind_does_not_come_back(tmp_path):
    path = tmp_path / "runs.sqlite"
    python(KILLED, path, json.dumps([row(number) for number in range(3)]))
    path.unlink()
    assert contents(tmp_path).keys() == {"runs.sqlite-wal", "runs.sqlite-shm"}
    with Store(path) as store:
        assert len(store) == 0


# ---- refused


def foreign(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in ("CREATE TABLE mine (x)", "INSERT INTO mine VALUES (1)", *statements):
            database.execute(statement)


def ours(path: Path, *statements: str, rows: int = 30) -> None:
    with Store(path) as store:
        for number in range(rows):
            store.add(row(number))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def left_open(path: Path) -> None:
    """Another program's, killed while it wrote."""
    code = "import os, sqlite3, sys\n"
    code += "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    code += "database.execute('PRAGMA journal_mode = WAL')\n"
    code += "database.execute('CREATE TABLE mine (x)')\n"
    code += "os.kill(os.getpid(), 9)"
    assert python(code, path).returncode == -9


def truncated(path: Path, share: float) -> None:
    ours(path)
    os.truncate(path, int(path.stat().st_size * share))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("key,accuracy\n1,2\n"), "is not an SQLite file"),
    "one byte": (lambda path: path.write_bytes(b"S"), "is not an SQLite file"),
    "the head alone": (lambda path: path.write_bytes(b"SQLite format 3\0"), "cannot be used as a store"),
    "another program's": (foreign, "another program's"),
    "another program's WAL": (lambda path: foreign(path, "PRAGMA journal_mode = WAL"), "another program's"),
    "another program's, left open": (left_open, "another program's"),
    "another version": (
        lambda path: ours(path, "PRAGMA user_version = 2"),
        "version 2, and this cnnlab reads version 1",
    ),
    "other columns": (lambda path: ours(path, "ALTER TABLE trials ADD COLUMN colour"), "its table has other columns"),
    "no table": (lambda path: ours(path, "DROP TABLE trials"), "its table has other columns"),
    "a quarter": (lambda path: truncated(path, 0.25), "cannot be used as a store"),
    "half": (lambda path: truncated(path, 0.5), "cannot be used as a store"),
    "nearly all": (lambda path: truncated(path, 0.95), "cannot be used as a store"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_is_no_store_is_refused_and_left_as_it_was(kind, tmp_path):
    make, sentence = REFUSED[kind]
    path = tmp_path / "runs.sqlite"
    make(path)
    before = contents(tmp_path)
    with pytest.raises(ValueError) as caught:
        Store(path)
    assert sentence in str(caught.value) and str(path) in str(caught.value)
    after = contents(tmp_path)
    shared = "runs.sqlite-shm"  # the memory that readers of a file left open share is theirs to write
    assert {**after, shared: b""} == {**before, shared: b""}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "runs.sqlite"
    ours(path)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(place=st.floats(0, 1, exclude_max=True), junk=st.binary(min_size=1, max_size=64))
def test_damage_is_refused_or_is_none_and_is_never_written_to(place, junk, whole, tmp_path):
    """SQLite keeps no checksums, so a changed digit goes unseen; but no row gets lost, and no other error comes."""
    path = tmp_path / "runs.sqlite"
    sound = whole.read_bytes()
    at = int(place * len(sound))
    path.write_bytes((sound[:at] + junk + sound[at + len(junk) :])[: len(sound)])
    before = contents(tmp_path)
    try:
        with Store(path) as store:
            assert store.keys() == {row(number)["key"] for number in range(30)}
            store.frame()
    except (ValueError, OSError) as error:
        assert str(path) in str(error)
    assert contents(tmp_path) == before


def test_json_that_is_damaged_is_named(tmp_path):
    ours(tmp_path / "runs.sqlite", "UPDATE trials SET history = '[1' WHERE rowid = 3")
    with Store(tmp_path / "runs.sqlite") as store, pytest.raises(ValueError, match="a row's history cannot be read"):
        store.frame()


@contextmanager
def nobody() -> Iterator[None]:
    """Root may write anywhere: be nobody for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("place", ["folder", "missing/runs.sqlite", "locked/runs.sqlite", "file/runs.sqlite"])
def test_a_place_where_no_store_can_be_is_named(place, tmp_path):
    for folder in ("folder", "locked"):
        (tmp_path / folder).mkdir()
    (tmp_path / "locked").chmod(0o555)
    (tmp_path / "file").write_text("")
    with pytest.raises((ValueError, OSError)) as caught, nobody():
        Store(tmp_path / place)
    assert place in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "locked"]


def test_a_disk_that_fails_is_named(tmp_path):
    """Full, for example: SQLite is told that it may have no more pages."""
    with Store(tmp_path / "runs.sqlite") as store:
        store.add(row(0))
        store._run("PRAGMA max_page_count = 4")
        with pytest.raises(OSError, match=r"runs\.sqlite: database or disk is full; what was finished before is kept"):
            for number in range(1, 50):
                store.add(row(number, settings=json.dumps("x" * 1000)))
        kept = len(store)
    assert kept == len(stored(tmp_path / "runs.sqlite")) > 0


def test_a_copy_is_a_store(whole, tmp_path):
    with Store(shutil.copy(whole, tmp_path / "copy.sqlite")) as store:
        assert len(store) == 30
