"""The tables that the project ships: CSV files of the folder data/, at the top level of the repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FOLDERS = (
    Path(__file__).parents[2] / "data",  # a checkout
    Path(__file__).parents[1] / "tables",  # an installed wheel, into which pyproject.toml puts data/
)


def shipped(name: str) -> Path:
    """The path of a table in data/, such as "published.csv" or "measured/glyphs.csv".

    Raises FileNotFoundError, as a sentence, where there is none.
    """
    for folder in FOLDERS:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"data/{name} is not in this installation of cnnlab; install it from a whole checkout")


def read(name: str) -> pd.DataFrame:
    """A shipped table. Lines that begin with # are remarks."""
    import pandas as pd

    return pd.read_csv(shipped(name), comment="#")
