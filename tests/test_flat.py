"""flat and rows: a store's rows survive a CSV file, and a row that was changed there is found out."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from cnnlab.run.flat import fill, read, rows, table, write
from cnnlab.run.recipe import Recipe
from cnnlab.run.store import COLUMNS, Store
from cnnlab.run.trial import Trial, run

QUICK = Recipe(epochs=2, batch=64, lr=0.1, label_smoothing=0.1, seed=3)
TRIALS = {  # in the order of a table
    "limited": Trial("small_mbconv", 0.5, 0.25, 8, "digits", limit=300, recipe=QUICK),
    "diverged": Trial("small_plain", 0.5, 0.25, 8, "digits", limit=400, recipe=Recipe(epochs=2, lr=1e30)),
    "whole data set": Trial("small_plain", 0.5, 0.25, 8, "digits", recipe=QUICK),
}


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    with Store(":memory:") as store:
        for trial in TRIALS.values():
            store.add(run(trial))
        return store.frame()


def through_csv(cells: pd.DataFrame) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(cells.to_csv(index=False)))


@pytest.mark.parametrize("which", range(3), ids=list(TRIALS))
def test_a_row_comes_back_from_a_csv_file(frame: pd.DataFrame, which: int) -> None:
    found = list(rows(through_csv(table(frame))))[which]
    assert set(found) == set(COLUMNS)
    for name, value in frame.iloc[which].items():
        back = json.loads(found[name]) if name in ("settings", "history", "versions") else found[name]
        if name == "history":
            assert [e["epoch"] for e in back] == [e["epoch"] for e in value]
            for one, other in zip(back, value, strict=True):
                assert one == pytest.approx(other, abs=1e-5, rel=1e-5)
        elif isinstance(value, float):
            assert (back is None and math.isnan(value)) or back == pytest.approx(value, abs=1e-5)
        else:
            assert back == value, name


def test_a_store_can_be_filled_from_it(frame: pd.DataFrame) -> None:
    with Store(":memory:") as store:
        for row in rows(through_csv(table(frame))):
            store.add(row)
        assert store.keys() == {trial.key for trial in TRIALS.values()}
        again = table(store.frame())
    pd.testing.assert_frame_equal(through_csv(again), through_csv(table(frame)))


def test_a_folder_gets_a_file_for_each_data_set(frame: pd.DataFrame, tmp_path: Path) -> None:
    other = frame.assign(data="other")
    shuffled = pd.concat([other, frame]).sample(frac=1, random_state=0)
    assert sorted(write(shuffled, tmp_path)) == [tmp_path / "digits.csv", tmp_path / "other.csv"]
    first = (tmp_path / "digits.csv").read_bytes()
    write(frame, tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_bytes() == first  # whatever the order of the rows was


def test_a_sweep_can_start_from_files(frame: pd.DataFrame, tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    write(frame.iloc[:2], one)
    write(frame.iloc[1:], two)
    with Store(":memory:") as store:
        assert fill(store, read([one])) == 2 and fill(store, read([one, two])) == 1
        assert store.keys() == set(frame["key"])


def test_a_bad_file_is_named(frame: pd.DataFrame, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    write(frame, good)
    for text in ("", "a,b\n1,2\n", "no table\n\x00", good.read_text().replace("0.1", "0.3")):
        bad.write_text(text)
        with pytest.raises(ValueError, match=f"^{re.escape(str(bad))}: ") as caught:
            read([good, bad])
        assert "\n" not in str(caught.value)


def test_every_cell_is_plain(frame: pd.DataFrame) -> None:
    cells = table(frame)
    kinds = {type(value).__name__ for value in cells.to_numpy().ravel()}
    assert kinds <= {"str", "int", "float", "NoneType"}
    curve = [float(n) for n in str(cells.loc[0, "curve"]).split()]
    assert curve == pytest.approx([epoch["validation_accuracy"] for epoch in frame.loc[0, "history"]], abs=1e-3)
    assert cells["planned"].tolist() == [2, 2, 2] and cells.loc[1, "epochs"] < 2


@pytest.mark.parametrize(
    ("column", "value"),
    [("lr", 0.2), ("depth", 1.0), ("seed", 4), ("fingerprint", "glyphs-2"), ("limit", 100), ("graph", "0")],
)
def test_a_changed_setting_is_found_out(frame: pd.DataFrame, column: str, value: object) -> None:
    cells = through_csv(table(frame))
    cells[column] = cells[column].astype(object)
    cells.loc[0, column] = value
    with pytest.raises(ValueError, match=f"row {frame.loc[0, 'key']} has been changed: its settings have the key "):
        list(rows(cells))


@pytest.mark.parametrize("column", ["lr", "curve", "commit", "accuracy", "planned"])
def test_a_table_that_lacks_a_column_is_refused(frame: pd.DataFrame, column: str) -> None:
    with pytest.raises(ValueError, match=f"the table is none of finished trials: '{column}' is wrong or missing"):
        list(rows(table(frame).drop(columns=column)))
