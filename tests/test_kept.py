"""What is kept is what was made, whole, and only for the code, the tables and the packages that made it."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlab.run import kept as module
from cnnlab.run.disk import cache_folder, replace_file
from cnnlab.run.kept import kept

VALUE = {"name": "β 1", "numbers": b"\x00\xff\x01", "rows": [[1, 2.5, None, True], {"empty": b"", "own": []}]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "kept"


class Maker:
    """Makes a value, and counts how often."""

    def __init__(self, value: Any = VALUE) -> None:
        self.value, self.times = value, 0

    def __call__(self) -> Any:
        self.times += 1
        return self.value


def never() -> Any:
    raise AssertionError("it was made again")


def test_it_is_made_once(folder):
    make = Maker()
    assert kept("one", make) == kept("one", make) == kept("one", never) == VALUE and make.times == 1
    assert kept("two", Maker(3)) == 3 and kept("one", never) == VALUE
    assert len(list(folder.iterdir())) == 2 and cache_folder() == folder.parent
    text = next(folder.glob("one-*.json")).read_text()
    assert json.loads(text)["numbers"] == {"bytes as base64": base64.b64encode(b"\x00\xff\x01").decode()}


@pytest.mark.parametrize("value", [None, [], {}, b"", 0, False, "", 1e-300, 2**60, "\u2028 \U0001f600"])
def test_whatever_json_and_bytes_can_be(value):
    assert kept("value", Maker(value)) == value
    found = kept("value", never)
    assert found == value and type(found) is type(value)


json_and_bytes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("aé\0\n\"")
    | st.binary(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_and_bytes)
def test_what_is_read_is_what_was_made(tmp_path, value):
    for path in (tmp_path / "cache").rglob("*.json"):
        path.unlink()
    assert kept("value", Maker(value)) == value == kept("value", never)


def test_what_is_neither_json_nor_bytes_is_told():
    for value in ({1}, [object()], float("nan")):
        with pytest.raises((TypeError, ValueError)):
            kept("value", Maker(value))
    assert kept("value", Maker(1)) == 1  # nothing half-made was left


def test_an_error_is_not_kept():
    with pytest.raises(LookupError):
        kept("value", lambda: {}[1])
    assert kept("value", Maker(1)) == 1


def test_a_name_with_bars_is_a_file():
    assert kept("imagenet|resnet", Maker(1)) == kept("imagenet|resnet", never) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b'{"name": "', b"\xff\xfe\x00", b'{"bytes as base64": "%"}', None])
def test_a_file_that_cannot_be_read_is_made_anew(folder, damage):
    kept("one", Maker())
    (path,) = folder.iterdir()
    path.unlink()
    if damage is None:
        path.mkdir()
    else:
        path.write_bytes(damage)
    make = Maker()
    assert kept("one", make) == VALUE and make.times == 1
    if damage is not None:
        assert kept("one", never) == VALUE
    assert [each.name for each in folder.iterdir()] == [path.name]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "file"))
    make = Maker()
    assert kept("one", make) == kept("one", make) == VALUE and make.times == 2
    assert (tmp_path / "file").read_text() == "no folder"


# For whom it is kept.


def test_another_code_another_table_or_another_package_makes_it_anew(tmp_path, monkeypatch):
    package, data = tmp_path / "cnnlab", tmp_path / "data"
    (package / "run").mkdir(parents=True)
    (data / "measured").mkdir(parents=True)
    code, table = package / "run" / "kept.py", data / "measured" / "glyphs.csv"
    for path in (code, table, data / "published.csv"):
        path.write_text("as it was")
    monkeypatch.setattr(module, "__file__", str(code))
    monkeypatch.setattr(module, "find", lambda name: data / name)
    versions = {name: "1" for name in module.PACKAGES}
    monkeypatch.setattr(module, "version", versions.__getitem__)

    def origin() -> str:
        module._origin.cache_clear()
        return module._origin()

    try:
        seen = [origin()]
        assert origin() == seen[0] and len(seen[0]) == 16 and int(seen[0], 16) >= 0
        (package / "notes.txt").write_text("neither code nor table")
        assert origin() == seen[0]
        for change in (
            lambda: code.write_text("other code"),
            lambda: (package / "new.py").write_text(""),
            lambda: table.write_text("other rows"),
            lambda: (data / "new.csv").write_text(""),
            *(lambda name=name: versions.update({name: "2"}) for name in module.PACKAGES),
        ):
            change()
            seen.append(origin())
        assert len(set(seen)) == len(seen)
    finally:
        module._origin.cache_clear()


def test_another_origin_has_a_file_of_its_own(monkeypatch):
    kept("one", Maker(1))
    monkeypatch.setattr(module, "_origin", lambda: "0" * 16)
    assert kept("one", Maker(2)) == 2
    monkeypatch.undo()


# Files appear whole.


def test_many_at_once_read_it_whole(folder):
    value = {"numbers": bytes(range(256)) * 400}
    found, errors = [], []

    def ask() -> None:
        try:
            found.append(kept("one", lambda: time.sleep(0.002) or value))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(found) == 24 and all(each == value for each in found)
    assert kept("one", never) == value and len(list(folder.iterdir())) == 1


def test_replaced_files_are_whole_or_as_they_were(tmp_path, monkeypatch):
    path = tmp_path / "file"
    assert replace_file(path, b"one") == path and path.read_bytes() == b"one"
    replace_file(str(path), b"two")
    assert path.read_bytes() == b"two"

    def full(_descriptor: int) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        replace_file(path, b"three")
    assert path.read_bytes() == b"two" and list(tmp_path.iterdir()) == [path]
    assert kept("one", Maker(1)) == 1  # and this goes on without
