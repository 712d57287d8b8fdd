"""The tables that the project ships: CSV files of the folder data/, at the top level of the repository."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PLACES = (
    Path(__file__).parents[2] / "data",  # a checkout
    Path(sysconfig.get_path("data")) / "share" / "cnnlab",  # where a wheel puts them (pyproject.toml)
)


def find(name: str) -> Path:
    """The folder or file of that name in data/. Raises FileNotFoundError, as a sentence, where there is none."""
    for place in PLACES:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f"data/{name} is not in this installation of cnnlab; install it from a whole checkout")


def read(name: str) -> pd.DataFrame:
    """A table in data/, such as "published.csv". Lines that begin with # are remarks."""
    import pandas as pd

    return pd.read_csv(find(name), comment="#")
