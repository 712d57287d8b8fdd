"""What the Explorer does beside the sliders: training and timing in the background, and files to take away."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import TraitError

from cnnlab.arch.bases import FAMILIES
from cnnlab.show.points import YOURS, given_points
from cnnlab.show.sources import SOURCES
from cnnlab.show.state import key as plain
from cnnlab.show.state import write

if TYPE_CHECKING:
    from cnnlab.run.background import Background
    from cnnlab.show.explorer import Explorer

TRAINABLE = {"glyphs": "glyphs (rendered here)", "digits": "digits (8 px)"}
DOWNLOADED = {"fashion_mnist": "FashionMNIST", "cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
MOST_EPOCHS, MOST_IMAGES = 1000, 10**7


class Chores:
    """The messages that a page sends, and the process that they may start. One explorer has one of these."""

    def __init__(self, explorer: Explorer, store: str | os.PathLike[str] | None) -> None:
        self._explorer = explorer
        self._store = store
        self._read: set[str] = set()
        self._background: Background | None = None

    def trainable(self) -> list[list[str]]:
        """The data sets that a network can be trained on: name, and what a menu calls it."""
        return [list(each) for each in {**TRAINABLE, **DOWNLOADED}.items()]

    def heard(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        """Do what a page asks for; what cannot be done is told there as a sentence."""
        try:
            match message:
                case {"do": "go", "id": str(network)}:
                    self._explorer.answer(network)
                case {"do": "set", "id": str(network), "as": str(name), **settings}:
                    self._explorer.take(network, settings, name)
                case {"do": "train", "data": str(data), "epochs": int(epochs)}:
                    self.train(data, epochs, message.get("limit"))
                case {"do": "stop"}:
                    self.stop()
                case {"do": "latency"}:
                    self.latency()
                case {"do": "source"}:
                    self._explorer.send({"file": self._source()})
        except (TraitError, TypeError, ValueError, RuntimeError, OSError, OverflowError) as error:
            self._explorer.send({"refused": str(error), **{name: message.get(name) for name in ("do", "id")}})

    def train(self, data: str, epochs: int, limit: int | None) -> None:
        """Start to train the network at the sliders."""
        from cnnlab.run.recipe import Recipe
        from cnnlab.run.trial import Trial

        chosen, depth, width, resolution = self._explorer.settings()
        recipe = Recipe(epochs=min(epochs, MOST_EPOCHS))
        limit = None if limit is None else min(int(limit), MOST_IMAGES)
        trial = Trial(chosen.base, depth, width, resolution, data, limit, recipe)
        network = self._explorer.network

        def report(told: dict[str, Any]) -> None:
            self._explorer.tell("_training", {**told, "row": None, "data": data, "network": network})
            if told["state"] == "done" and told.get("row"):
                self._put(data, network, told["row"])

        self._process().train(trial, self._path(), report)

    def latency(self) -> None:
        """Start to time the network at the sliders."""
        network = self._explorer.network

        def report(told: dict[str, Any]) -> None:
            timed = {name: told.get(name) for name in ("state", "message", "median", "low", "high", "threads")}
            self._explorer.timed(network, timed)

        self._process().latency(self._explorer.architecture, report)

    def stop(self) -> None:
        """End what runs."""
        if self._background is not None:
            self._background.stop()

    def close(self) -> None:
        """End what runs, for good."""
        if self._background is not None:
            self._background.close()

    def stored(self, source: str) -> None:
        """Show the rows of the store that the user named: those of this source, once."""
        if self._store is None or source in self._read or not Path(self._store).exists():
            return
        from cnnlab.run.store import Store

        self._read.add(source)
        with Store(self._store) as book:
            frame = book.frame()
        for row in frame[frame["data"] == source].astype(object).to_dict("records"):
            self._put(source, _place(row), row)

    def _put(self, data: str, network: str, row: Mapping[Any, Any]) -> None:
        accuracy = row.get("accuracy")
        if accuracy is None or accuracy != accuracy:
            return
        costs = {kind: row[kind] for kind in ("macs", "params", "activations")}
        seed = f"{row['epochs']} epochs, seed {row['seed']}"
        (point,) = given_points(
            [{"name": f"{network} (trained here, {seed})", "accuracy": accuracy, **costs}], kind=YOURS
        )
        point |= {"label": "trained here", "place": network, "note": f"trained on {data}, {seed}, {row['device']}"}
        self._explorer.put(data if data in SOURCES else "own", [point])

    def _source(self) -> dict[str, str]:
        arch = self._explorer.architecture
        name = plain(arch.name.replace("=", "").replace(".", "_"))
        graph = replace(arch, name=name).graph()
        return {"name": f"{name}.py", "mime": "text/x-python", "text": graph.to_pytorch()}

    def _process(self) -> Background:
        from cnnlab.run.background import Background

        if self._background is None:
            self._background = Background()
        return self._background

    def _path(self) -> str:
        from cnnlab.run.disk import cache_folder

        if self._store is not None:
            return os.fspath(self._store)
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder / "explorer.sqlite")


def _place(row: Mapping[Any, Any]) -> str:
    """The state of a row's network: its base is a family's, or of another name, with the edits that it was given."""
    words = str(row["base"]).split(" ")
    edits = [word for word in words[1:] if re.fullmatch(r"\d+\.\w+=\S+", word)]
    base = " ".join(word for word in words if word not in edits)
    family = next((key for key, (_, of) in FAMILIES.items() if of == base), plain(base))
    numbers = [word.replace("=True", "=1").replace("=False", "=0") for word in edits]
    return ",".join([write(family, row["depth"], row["width"], row["resolution"]), *numbers])
