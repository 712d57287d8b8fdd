"""What a live view leaves where there is no JavaScript and no kernel: a picture, and its words."""

from __future__ import annotations

import base64
from typing import Any

Bundle = tuple[dict[str, Any], dict[str, Any]]
"""Data and metadata by mime type, as Jupyter displays them."""


def still(picture: bytes, words: str) -> Bundle:
    """A PNG and a line of text, which is also its alt text: for GitHub, an HTML export and nbval.

    >>> still(b"png", "A curve.")
    ({'image/png': 'cG5n', 'text/plain': 'A curve.'}, {'image/png': {'alt': 'A curve.'}})
    """
    data = {"image/png": base64.b64encode(picture).decode(), "text/plain": words}
    return data, {"image/png": {"alt": words}}


def with_still(live: Bundle | None, picture: bytes, words: str) -> Bundle:
    """A live view's bundle, with what is left of it elsewhere. None: where there is nothing to show it live."""
    data, about = still(picture, words)
    shown, told = live or ({}, {})
    return {**shown, **data}, {**told, **about}
