"""What an Explorer has to show: lattices of networks, points of sources and their costs, all that is predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.bases import FAMILIES
from cnnlab.arch.edits import Edits
from cnnlab.run.kept import kept
from cnnlab.show.bands import band
from cnnlab.show.costing import costs_of, with_costs
from cnnlab.show.lattice import ALL_KINDS, KINDS, Lattice, lattice_of, packed
from cnnlab.show.points import Point, evidence, grouped
from cnnlab.show.settings import classes_of
from cnnlab.show.sources import SOURCES, groups_of, points_of

Added = Mapping[str, Sequence[Point]]
"""source -> points that were added while the Explorer was open."""


@dataclass(frozen=True, eq=False)
class Contents:
    """What one Explorer was made of. base: its own network, or the name of its family. given: its user's own points,
    None if there are none. axis: the title of the accuracy axis of `source`, which it shows first, if not the usual."""

    base: str | Architecture
    key: str
    given: Sequence[Point] | None
    source: str
    axis: str | None

    def lattice(self, key: str, edits: Edits, data: str, kinds: Iterable[str] = KINDS) -> Lattice:
        """The lattice of a network, for as many classes as those of its family had that were measured on the data."""
        base = self.base if key == self.key else key
        return lattice_of(base, kinds=kinds, edits=edits, classes=classes_of(key, data))

    def families(self) -> dict[str, str]:
        """key -> what a menu calls it: the families, and the user's own network."""
        known = {key: label for key, (label, _) in FAMILIES.items()}
        return (
            {self.key: self.lattice(self.key, {}, self.source).header["label"]} | known
            if self.key not in known
            else known
        )

    def sources(self) -> dict[str, str]:
        """key -> what a menu calls it: the sources, and the user's own points where there are some."""
        own = self.given is not None or self.source == "own"
        return {key: source.label for key, source in SOURCES.items() if key != "own" or own}

    def points(self, source: str, added: Added) -> tuple[list[Point], list[dict[str, Any]]]:
        """The points of a source, with those that were added to it, and their groups."""
        own = source == "own"
        known = list(self.given or []) if own else points_of(source)
        more = list(added.get(source, []))
        return [*known, *more], [*(grouped(known) if own else groups_of(source)), *grouped(more)]

    def evidence(
        self, source: str, added: Added, anchors: Sequence[Mapping[str, Any]] = (), kind: str = "macs"
    ) -> dict[str, Any]:
        """Points with their costs of a kind, groups, series and axis of a source; see `cnnlab.show.points.evidence`."""
        points, groups = self.points(source, added)
        points = points if kind in KINDS else with_costs(points, kind)
        title = self.axis if self.axis and source == self.source else SOURCES[source].axis
        return {"source": source, **evidence(points, title, anchors, groups)}

    def sent(self, source: str, added: Added) -> dict[str, Any]:
        """The same as the page needs it, which finds axes, front and labels itself, of the points that it shows."""
        found = self.evidence(source, added)
        return {name: found[name] for name in ("source", "axis", "groups", "series", "points")}

    def costs(self, source: str, added: Added, kinds: Iterable[str]) -> dict[str, Any]:
        """The costs of a source's points that they do not come with."""
        asked = [kind for kind in kinds if kind not in (*KINDS, "latency")]
        if source == "own" or added.get(source):
            points = self.points(source, added)[0]
            return {"source": source, **{kind: costs_of(points, kind) for kind in asked}}
        known = {kind: kept(f"costs {source} {kind}", partial(costs_of, points_of(source), kind)) for kind in asked}
        return {"source": source, **known}

    def answers(self, shown: Lattice, data: str, added: Added) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a saved page asks for while there is no Python: the answers, and all that is predicted."""
        every = dict.fromkeys([*self.sources(), *added])
        lattices = {key: self.lattice(key, {}, data, ALL_KINDS) for key in self.families()}
        go = {key: {"_lattice": {**packed(each), "asked": key}} for key, each in lattices.items()}
        go[shown.header["id"]] = {"_lattice": {**packed(shown), "asked": shown.header["id"]}}
        for source in every:
            for key in self.families():
                if source != data and classes_of(key, source) != classes_of(key, data):
                    other = self.lattice(key, {}, source, ALL_KINDS)
                    go[f"{source}|{key}"] = {"_lattice": {**packed(other), "asked": key}}
        sources = {
            key: {"_evidence": self.sent(key, added), "_costs": self.costs(key, added, ALL_KINDS)} for key in every
        }
        bands = {
            f"{source}|{key}": found
            for source in every
            for key, each in lattices.items()
            if classes_of(key, source) and (found := band(source, key, each.header))
        }
        return {"go": go, "data": sources}, bands
