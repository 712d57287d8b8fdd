"""What `fit` keeps on the disk and goes on from: written whole or not at all, and read without running code."""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cnnlab.run.disk import replace_file
from cnnlab.run.identity import Facts, difference
from cnnlab.run.recipe import Epoch

MARK = "cnnlab checkpoint, version 1"
PERIOD = 3.0  # seconds at least between two writes, so that short epochs do not wait for the disk


@dataclass(frozen=True)
class Training:
    """All that training changes: kept together, and brought back together.

    generator: of the order of the images and of how they are moved. epochs: those that are over; the list grows.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    generator: torch.Generator
    device: torch.device
    epochs: list[Epoch]

    def state(self) -> dict[str, Any]:
        """What `restore` takes: tensors, numbers and text. The tensors are no copies: the next step changes them."""
        gpu = self.device.type == "cuda"
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if gpu else None,
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` was taken of, random numbers included."""
        self.model.load_state_dict(state["model"])
        for group, saved in zip(self.optimizer.param_groups, state["optimizer"]["param_groups"], strict=True):
            saved["fused"] = group["fused"]  # follows the device, which may be another now
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])
        if self.device.type == "cuda" and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self.device)
        self.epochs[:] = [Epoch(**epoch) for epoch in state["epochs"]]


class Checkpoint:
    """The file of one run. With path None nothing is kept and nothing found.

    state: what was found, or None. Raises ValueError, and leaves the file as it is, if that is no checkpoint, is
    damaged, or is another run's; OSError if it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str] | None, facts: Facts | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._facts = facts or {}
        self._waiting: bytes | None = None
        self._written: float | None = None
        self.state: Mapping[str, Any] | None = None
        content = None if self._path is None else _read(self._path)
        if content is not None:
            if said := difference(content["facts"], self._facts):
                raise ValueError(
                    f"fit: {path} is the checkpoint of another {said}; it was left as it is: give another path, or "
                    "call fit with what it was made with"
                )
            self.state = content["state"]

    def keep(self, state: Mapping[str, Any], *, at_once: bool = False) -> None:
        """Remember a state as it is now; write it now, or if the last one has been on the disk for some seconds."""
        if self._path is None:
            return
        content = {"mark": MARK, "facts": self._facts, "state": state}
        self._waiting = _packed(content, check=self._written is None)
        if at_once or self._written is None or time.monotonic() - self._written >= PERIOD:
            self.flush()

    def flush(self) -> None:
        """Write the state remembered last, unless it is on the disk. Raises OSError if that cannot be done."""
        if self._path is None or self._waiting is None:
            return
        try:
            replace_file(self._path, self._waiting)
        except OSError as error:
            raise type(error)(
                f"fit: the checkpoint {self._path} cannot be written ({error.strerror or error}); give a path in a "
                "folder that exists, can be written to and has room"
            ) from error
        self._waiting, self._written = None, time.monotonic()


def _read(path: Path) -> Mapping[str, Any] | None:
    """What `keep` wrote, None if there is no file."""
    left = "it was left as it is: give another path"
    try:
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:  # torch does not compare the check sums
                raise ValueError(f"the check sum of {damaged} disagrees")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["mark"] != MARK or not all(isinstance(facts, dict) for facts in content["facts"].values()):
            raise ValueError("it is of another version")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise type(error)(f"fit: the checkpoint {path} cannot be read ({error.strerror or error}); {left}") from error
    except Exception as error:  # whatever comes of bytes that anyone may have written
        raise ValueError(f"fit: {path} is no checkpoint of fit, or is damaged ({_short(error)}); {left}") from error
    found: Mapping[str, Any] = content
    return found


def _packed(content: Mapping[str, Any], *, check: bool) -> bytes:
    """As bytes. check: make sure that `_read` will take it, before hours of training depend on it."""
    buffer = io.BytesIO()
    try:
        torch.save(content, buffer)
        if check:
            buffer.seek(0)
            torch.load(buffer, weights_only=True)
    except Exception as error:  # pickle raises many kinds
        raise ValueError(
            "fit: the model's state dict holds something that cannot be kept in a checkpoint: only tensors, numbers "
            f"and text can ({_short(error)})"
        ) from error
    return buffer.getvalue()


def _short(error: Exception) -> str:
    """The first line of what torch says in twenty."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:100]}"
