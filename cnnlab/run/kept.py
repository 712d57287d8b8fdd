"""`kept`: what takes seconds to compute and always comes out the same, computed once on a machine. Imports no torch."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cnnlab.run.disk import cache_folder, replace_file
from cnnlab.run.tables import find

PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn")
BYTES = "bytes as base64"


def kept(name: str, make: Callable[[], Any]) -> Any:
    """What `make()` gives: JSON, with bytes anywhere in it. It is read from cnnlab's cache folder, if it was made there
    by the same cnnlab, with the same tables and the same torch, torchvision, NumPy and scikit-learn.

    A file that cannot be read is made anew; where nothing can be written, nothing is kept.
    """
    path = cache_folder() / "kept" / f"{name.replace('|', '-')}-{_origin()}.json"
    try:
        return json.loads(path.read_bytes(), object_hook=_with_bytes)
    except (OSError, ValueError):
        pass
    made = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(made, default=_without_bytes, allow_nan=False)
        replace_file(path, text.encode())
    except OSError:
        pass
    return made


@lru_cache(maxsize=1)
def _origin() -> str:
    """16 hexadecimal digits that stand for all that decides what comes out: code, tables and versions."""
    digest = hashlib.sha256(" ".join(version(package) for package in PACKAGES).encode())
    code, tables = Path(__file__).parents[1].rglob("*.py"), find("published.csv").parent.rglob("*.csv")
    for path in sorted([*code, *tables]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _without_bytes(value: Any) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is neither JSON nor bytes")
    return {BYTES: base64.b64encode(value).decode()}


def _with_bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value[BYTES], validate=True) if value.keys() == {BYTES} else value
