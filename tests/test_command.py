"""`python -m cnnlab`: all its commands; what goes wrong is a sentence on standard error and an exit status."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cnnlab.run.command import main
from cnnlab.run.store import Store
from cnnlab.run.sweep import sweep
from tests import sweeping
from tests.sweeping import outcome, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid, its data, and a store that holds one trial of each seed but the last, and one that diverged."""
    folder = tmp_path_factory.mktemp("command")
    trials = sweeping.trials(sweeping.toy(folder / "toy.npz"))
    (folder / "grid.toml").write_text(sweeping.GRID)
    wild = replace(trials[0], recipe=replace(trials[0].recipe, lr=1e30))
    sweep([*trials[:-4:4], wild], folder / "runs.sqlite", progress=False)
    return folder


def test_a_sweep_from_the_shell(folder, tmp_path):
    """In another process: all of it, as a person runs it. One grid has an impossible resolution too."""
    (tmp_path / "grid.toml").write_text(
        sweeping.GRID.replace("resolution = 8", "resolution = [8, 16]").replace("0, 1, 2, 3, 4, 5", "0")
    )
    words = ["sweep", "grid.toml", "--root", str(folder), "--store", "new/runs.sqlite", "--workers", "2"]
    (tmp_path / "new").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "cnnlab", *words], cwd=tmp_path, capture_output=True, text=True,
        timeout=sweeping.DEADLINE, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    assert "8/8" in done.stderr and "Traceback" not in done.stderr and "Warning" not in done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith(
        "cnnlab: 4 of 8 trials failed; the others are in new/runs.sqlite, the next sweep tries again. "
    )
    assert "16 px, toy, seed 0: ValueError: load: resolution=16" in said
    expected = sweep(sweeping.trials(folder / "toy.npz", seeds=1), tmp_path / "here.sqlite", progress=False)
    with Store(tmp_path / "new" / "runs.sqlite") as store:
        assert outcome(store.frame()) == outcome(expected)


def test_a_sweep_that_is_finished_says_what_it_has(folder, tmp_path, capsys):
    grid = tmp_path / "grid.toml"
    grid.write_text(
        sweeping.GRID.replace("0, 1, 2, 3, 4, 5", "0, 1").replace("[0.5, 1]", "0.5").replace("[0.25, 0.5]", "0.25")
    )
    store = folder / "runs.sqlite"
    before = rows(store)
    assert main(["sweep", str(grid), "--root", str(folder), "--store", str(store)]) == 0
    out, err = capsys.readouterr()
    two = [row for row in before.values() if row[6] in (0, 1) and row[15] is None]
    low, high = sorted(row[11] for row in two)
    hours = sum(row[16] for row in two) / 3600
    assert out == (
        f"toy small_plain: 2 networks, 2 seeds, accuracy {low:.1f} to {high:.1f} %, {hours:.2f} h\n"
        f"in all 2 networks, {hours:.2f} hours of one process\n"
    )
    assert "2/2" in err and rows(store) == before


def test_status_counts(folder, capsys):
    store = str(folder / "runs.sqlite")
    assert main(["status", store]) == 0
    assert "toy small_plain: 6 networks, 5 seeds, accuracy " in (out := capsys.readouterr().out)
    assert "in all 6 networks, " in out and out.endswith(", 1 stopped early (column `stopped`)\n")
    assert main(["status", store, str(folder / "grid.toml")]) == 0
    assert capsys.readouterr() == (f"{out}5 of the 24 trials of {folder / 'grid.toml'} are finished\n", "")
    assert main(["status", store, str(folder / "grid.toml"), "--root", "/"]) == 1
    assert capsys.readouterr().err.startswith("cnnlab: load: name='/toy.npz': there is no such file or folder")


def test_status_and_export_of_a_store_without_rows(tmp_path, capsys):
    Store(tmp_path / "runs.sqlite").close()
    assert main(["status", str(tmp_path / "runs.sqlite")]) == 0
    assert capsys.readouterr().out == "in all 0 networks, 0.00 hours of one process\n"
    assert main(["export", str(tmp_path / "runs.sqlite")]) == 0
    assert capsys.readouterr().out.strip() == ""


def test_export_gives_what_pandas_reads_back(folder, tmp_path, capsys):
    """Oracle: the store's own rows."""
    store, path = folder / "runs.sqlite", tmp_path / "runs.csv"
    assert main(["export", str(store), str(path)]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["export", str(store)]) == 0
    assert capsys.readouterr().out == path.read_text()
    table = pd.read_csv(io.StringIO(path.read_text()))
    with Store(store) as book:
        frame = book.frame(table.key)
        assert set(table.key) == book.keys() and len(table) == 6
    plain = ["data", "base", "depth", "width", "resolution", "seed", "epochs", "macs", "params", "device", "finished"]
    pd.testing.assert_frame_equal(table[plain], frame[plain], check_dtype=False)
    for name in ("accuracy", "validation_accuracy", "train_loss", "seconds"):
        assert table[name].tolist() == pytest.approx(frame[name].tolist(), abs=1e-5, nan_ok=True)
    recipes = pd.DataFrame([settings["recipe"] for settings in frame.settings])
    for name in ("batch", "lr", "momentum", "augment", "optimizer"):
        assert table[name].tolist() == recipes[name].tolist()
    assert table.fingerprint.unique().tolist() == [frame.settings[0]["data"]]
    assert table.torch.tolist() == [versions["torch"] for versions in frame.versions]
    curves = [float(number) for number in table.curve.dropna()]
    measured = [epoch["validation_accuracy"] for history in frame.history for epoch in history]
    assert curves == pytest.approx(measured, abs=1e-4) and len(curves) == 5
    assert table.stopped.notna().sum() == 1 == table.accuracy.isna().sum()


def test_a_store_can_be_made_of_what_another_exports(folder, tmp_path, capsys):
    (tmp_path / "tables").mkdir()
    assert main(["export", str(folder / "runs.sqlite"), str(tmp_path / "tables")]) == 0
    files = [str(path) for path in (tmp_path / "tables").iterdir()]
    assert files == [str(tmp_path / "tables" / "toy.csv")]
    again = str(tmp_path / "again.sqlite")
    assert main(["import", *files, "--store", again]) == 0 and main(["import", *files, "--store", again]) == 0
    assert capsys.readouterr().out == f"6 rows added; {again} holds 6\n0 rows added; {again} holds 6\n"
    assert rows(Path(again)).keys() == rows(folder / "runs.sqlite").keys()


def test_the_card_can_be_printed(capsys):
    assert main(["card"]) == 0
    assert capsys.readouterr().out.startswith("### What was measured\n\n| data | family |")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["import", "grid.toml", "--store", "new.sqlite"], "grid.toml: "),
        (["import", "none.csv", "--store", "new.sqlite"], "none.csv"),
        (["status", "none.sqlite"], "none.sqlite: there is no such store"),
        (["export", "none.sqlite"], "none.sqlite: there is no such store"),
        (["status", "grid.toml"], "grid.toml is not an SQLite file; it was left as it is"),
        (["export", "runs.sqlite", "no/folder.csv"], "no"),
        (["sweep", "none.toml", "--store", "new.sqlite"], "none.toml"),
        (["sweep", "runs.sqlite", "--store", "new.sqlite"], "runs.sqlite: 'utf-8' codec"),
        (["sweep", "grid.toml", "--store", "grid.toml"], "grid.toml is not an SQLite file; it was left as it is"),
        (["sweep", "grid.toml", "--store", "."], "is a folder; a store is a file"),
        (["sweep", "grid.toml", "--store", "new.sqlite", "--workers", "0"], "processes: workers=0"),
        (["sweep", "grid.toml", "--store", "new.sqlite", "--threads", "0"], "processes: threads=0"),
        (
            ["sweep", "grid.toml", "--store", "new.sqlite", "--root", "/"],
            "load: name='/toy.npz': there is no such file",
        ),
        (
            ["sweep", "grid.toml", "--store", "new.sqlite", "--scheduler", "tcp://127.0.0.1:1"],
            "no Dask scheduler answers",
        ),
        (["sweep", "grid.toml", "--store", "new.sqlite", "--scheduler", "nonsense"], "no Dask scheduler answers"),
        (["sweep", "grid.toml", "--store", "new.sqlite", "--scheduler", "odd://x:1"], "no Dask scheduler answers"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_goes_wrong_is_a_sentence(words, sentence, folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".toml", ".sqlite", ".npz")}
    assert main(words) == 1
    out, err = capfd.readouterr()
    assert out == "" and sentence in err and err.startswith("cnnlab: ") and err.count("\n") == 1
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".toml", ".sqlite", ".npz")}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("words", [[], ["train"], ["sweep"], ["sweep", "grid.toml"], ["status"]], ids=" ".join)
def test_other_words_show_the_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2 and "usage: python -m cnnlab" in capsys.readouterr().err
