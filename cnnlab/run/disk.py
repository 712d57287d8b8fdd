"""Files that appear whole or not at all, and the folder for those that can be made again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def replace_file(path: str | os.PathLike[str], content: bytes) -> Path:
    """Replace the file as a whole, and give its path: whoever is killed in here leaves the old one, or the new one."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return path


def cache_folder() -> Path:
    """Where what was rendered, downloaded or trained once is kept: CNNLAB_CACHE, else the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("CNNLAB_CACHE") or platformdirs.user_cache_dir("cnnlab"))
