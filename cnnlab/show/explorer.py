"""`Explorer`: move depth, width and resolution; see at once what the network costs and what accuracy that buys."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.bases import FAMILIES
from cnnlab.arch.cost import Cost
from cnnlab.arch.scaling import multipliers, scaled
from cnnlab.arch.zoo import names
from cnnlab.show import state as states
from cnnlab.show.bands import band
from cnnlab.show.chores import Chores
from cnnlab.show.contents import Contents
from cnnlab.show.lattice import ALL_KINDS, KINDS, MEMORY, STEPS, Lattice, lattice_of, nearest, packed
from cnnlab.show.page import page
from cnnlab.show.parts import hidden
from cnnlab.show.points import YOURS, given_points
from cnnlab.show.scripts import bundle
from cnnlab.show.settings import (
    AXES,
    USUAL,
    SettingError,
    checked_budgets,
    checked_coefficients,
    classes_of,
    lettered,
    numbered,
    on_slider,
    source_of,
)
from cnnlab.show.sources import SOURCES
from cnnlab.show.still import with_still

HERE = Path(__file__).parent / "js"
STYLES = ("explorer.css", "parts.css")
PHIS = tuple(k / 2 for k in range(15))


class Explorer(anywidget.AnyWidget):
    """Sliders for depth, width, resolution and the compound coefficient; cost and accuracy follow as you move them.

    base: one of the families (`cnnlab.arch.bases.FAMILIES`: "efficientnet", "resnet", "mobilenet_v2", ...), a name of
    `cl.names()` or any Architecture of your own. depth, width, resolution: where the sliders start (resolution: the
    base's own). edits: rows of the table that are changed, {3: {"kernel": 5}}; see `cnnlab.arch.edits`.
    points: a DataFrame with accuracy, macs and params (see `cnnlab.show.points`), axis: what its accuracy is; or None
    for what is known of `data`, one of `cnnlab.show.sources.SOURCES`: "imagenet" (published; the default of all but the
    small measured families), "glyphs", "fashion_mnist", "cifar10" (measured).
    against: the cost on the x axis, "macs", "params", "activations", "fvcore" and other tools' counts, "inference" or
    "training" (bytes of memory), "latency". budget: multiply-adds at most, or {kind: at most}; what is over is shaded.
    hide: parts of the page to leave out, or the name of a preset (`cnnlab.show.parts`). projector: large type.
    store: where "Train this" keeps its rows (an SQLite file as of `cl.sweep`), and whose rows are shown as points;
    default: one in cnnlab's cache folder, whose rows are not shown.

    `.architecture` is the network at the sliders, `.cost` its exact cost, `.state` the view as a string. All numbers
    are exact; an accuracy is shown only where one was measured, or as predicted, with its interval. Raises ValueError,
    as a sentence, for a setting that is not on the sliders.

    >>> import cnnlab as cl
    >>> cl.Explorer("efficientnet", depth=1.4, width=1.2, resolution=300, points=[])
    Explorer(efficientnet, depth 1.4, width 1.2, 300 px): 1,827,141,392 MACs, 12,233,232 params
    """

    _esm = bundle(HERE)
    _css = "\n".join((HERE / name).read_text(encoding="utf-8") for name in STYLES)

    family = traitlets.Unicode().tag(sync=True)
    depth = traitlets.Float().tag(sync=True)
    width = traitlets.Float().tag(sync=True)
    resolution = traitlets.Int().tag(sync=True)
    edits: traitlets.Dict[Any, Any] = traitlets.Dict().tag(sync=True)
    coefficients: traitlets.List[float] = traitlets.List(list(USUAL.values())).tag(sync=True)
    against = traitlets.Enum(AXES, "macs").tag(sync=True)
    logarithmic = traitlets.Bool(True).tag(sync=True)
    data = traitlets.Enum(tuple(SOURCES)).tag(sync=True)
    budgets: traitlets.Dict[str, float] = traitlets.Dict().tag(sync=True)
    pins: traitlets.List[Any] = traitlets.List().tag(sync=True)
    hidden: traitlets.List[str] = traitlets.List().tag(sync=True)
    projector = traitlets.Bool(False).tag(sync=True)
    _families: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _sources: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _trainable: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _lattice: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    _evidence: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    _costs: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    _bands: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    _training: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    _latencies: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    _taken = traitlets.Unicode().tag(sync=True)  # the last message of a page whose sliders were taken, or refused

    def __init__(
        self,
        base: str | Architecture = "efficientnet",
        *,
        depth: float = 1.0,
        width: float = 1.0,
        resolution: int | None = None,
        edits: Mapping[int, Mapping[str, Any]] | None = None,
        coefficients: Mapping[str, float] | None = None,
        points: Any = None,
        axis: str | None = None,
        data: str | None = None,
        against: str = "macs",
        budget: float | Mapping[str, float] | None = None,
        hide: str | Iterable[str] = (),
        projector: bool = False,
        store: str | os.PathLike[str] | None = None,
    ) -> None:
        # Messages may arrive on several threads at once (JupyterLab's subshells), so one lock guards the traits.
        self._lock = threading.RLock()
        self._chores = Chores(self, store)  # first: what is refused below is closed as well
        own = lattice_of(base)
        given = None if points is None else given_points(points)
        first = source_of(data, points, own.key)
        self._contents = Contents(base, own.key, given, first, axis)
        self._kinds: tuple[str, ...] = KINDS
        self._moving = True  # while several traits change that only together are a network
        self._told_edits = False  # whether the message that is taken has edits
        self._added: dict[str, list[dict[str, Any]]] = {}
        network = self._contents.lattice(own.key, numbered(edits or {}), first)
        pixels = network.base.resolution if resolution is None else resolution
        settings = {k: on_slider(network, k, v) for k, v in zip(STEPS, (depth, width, pixels), strict=True)}
        super().__init__(
            family=own.key,
            edits=lettered(numbered(edits or {})),
            **settings,
            coefficients=checked_coefficients(coefficients or {}),
            data=first,
            against=against,
            budgets=checked_budgets(budget),
            hidden=list(hidden(hide)),
            projector=projector,
            _families=[list(each) for each in self._contents.families().items()],
            _sources=[list(each) for each in self._contents.sources().items()],
            _trainable=self._chores.trainable(),
            _lattice=packed(network),
            _evidence=self._contents.sent(first, {}),
        )
        self._moving = False
        self._show_kind()
        self._chores.stored(first)
        self._predict()
        self.on_msg(self._chores.heard)

    @classmethod
    def from_state(cls, state: str, base: str | Architecture | None = None, **options: Any) -> Explorer:
        """The explorer of a `.state` string, such as "resnet,d=2,w=1.25,r=160,3.block=basic". What is left out is the
        base's own.

        base: the Architecture that the state was of, if it was one of your own. options: as for `Explorer`.
        Raises ValueError for a string that is no state, naming the field, its value and what is allowed.
        """
        view = states.read(state)
        if base is None and view.family not in (*FAMILIES, *names()):
            known = states.choices([*FAMILIES, "a name of cl.names()"])
            raise ValueError(f"state {state!r}: family={view.family!r} is unknown; it must be {known}")
        more = {"edits": view.edits, "coefficients": view.coefficients}
        return cls(view.family if base is None else base, **{**view.sliders, **more, **options})

    @property
    def state(self) -> str:
        """The view as a string that `from_state` restores."""
        with self._lock:
            text = states.write(self.family, self.depth, self.width, self.resolution)
            words = states.coefficient_words(dict(zip(USUAL, self.coefficients, strict=True)), USUAL)
            return ",".join([text, *words, *states.edit_words(numbered(self.edits))])

    @property
    def network(self) -> str:
        """The state of the network alone, whatever the compound coefficients."""
        with self._lock:
            return states.write(self.family, self.depth, self.width, self.resolution, numbered(self.edits))

    @property
    def architecture(self) -> Architecture:
        """The network at the sliders."""
        chosen, depth, width, resolution = self.settings()
        return scaled(chosen.base, depth=depth, width=width, resolution=resolution)

    @property
    def cost(self) -> Cost:
        """The exact cost of the network at the sliders."""
        return self.architecture.cost()

    @property
    def phi(self) -> float | None:
        """The compound coefficient whose place on the sliders this is, or None off its path."""
        chosen, *settings = self.settings()
        at = [chosen.index(k, v) for k, v in zip(STEPS, settings, strict=True)]
        start = [chosen.header[k][i] for k, i in zip(STEPS, chosen.header["base"], strict=True)]
        for phi in PHIS:
            grown = [value * times for value, times in zip(start, multipliers(phi, *self.coefficients), strict=True)]
            if at == [nearest(chosen.header[k], round(value, 6)) for k, value in zip(STEPS, grown, strict=True)]:
                return phi
        return None

    def settings(self) -> tuple[Lattice, float, float, int]:
        """The lattice of the network and the sliders' values, of one moment."""
        with self._lock:
            return self._now(), self.depth, self.width, self.resolution

    def add(self, name: Any, accuracy: float | None = None, architecture: Architecture | None = None) -> None:
        """Put a point of your own on the plot of the present data: its name, its accuracy (percent) and architecture.

        Or several: add(frame), with the columns name, accuracy, macs and params (activations if known).
        """
        if not isinstance(name, str):
            rows: Any = name
        elif isinstance(architecture, Architecture):
            rows = [{"name": name, "accuracy": accuracy, **vars(architecture.cost())}]
        else:
            raise TypeError(f"add({name!r}): architecture={architecture!r}; it must be an Architecture")
        self.put(self.data, given_points(rows, kind=YOURS))

    def put(self, source: str, points: list[dict[str, Any]]) -> None:
        """Add points to a source, in place of those of the same names that were added before."""
        with self._lock:
            new = {point["name"] for point in points}
            kept = [point for point in self._added.get(source, []) if point["name"] not in new]
            self._added[source] = [*kept, *points]
            self._offer(source)
            if source == self.data:
                self._show_source()

    def train(self, data: str = "glyphs", *, epochs: int = 4, limit: int | None = 6000) -> None:
        """Train the present network in the background, as the button does; `.training` tells how far it is.

        data, limit: as `cl.data.load` takes them. When it is done, its row is in the store and its point on the plot.
        """
        self._chores.train(data, epochs, limit)

    def stop(self) -> None:
        """End the training, or timing, that runs in the background; nothing, if none does."""
        self._chores.stop()

    def measure_latency(self) -> None:
        """Measure how long one image takes through the present network on this machine, in the background."""
        self._chores.latency()

    @property
    def training(self) -> dict[str, Any]:
        """The last report of the training in the background: state, message, epochs, network; {} before one."""
        return dict(self._training)

    def tell(self, trait: str, value: Any) -> None:
        """Let the page know of what happens in the background."""
        with self._lock:
            setattr(self, trait, value)

    def timed(self, network: str, told: dict[str, Any]) -> None:
        """Note how far the timing of a network is, or what came out."""
        with self._lock:
            self._latencies = {**self._latencies, network: told}

    def png(self) -> bytes:
        """The view as a PNG, for places without JavaScript."""
        from cnnlab.show.plots import explorer_png

        with self._lock:
            chosen, *settings = self.settings()
            start = [chosen.header[k][i] for k, i in zip(STEPS, chosen.header["base"], strict=True)]
            anchor = {kind: chosen.total(kind, *start) for kind in chosen.header["kinds"]}
            found = self._contents.evidence(self.data, self._added, [anchor], self.against)
            against, budget, place = self.against, self.budgets.get(self.against), self.network
        return explorer_png(chosen, settings, found, against, budget, place=place)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Write the view as one page that needs neither server nor network; all its sliders live, families included.

        What needs Python is switched off there: edits of rows, training, timing.
        """
        with self._lock:
            shown = self._contents.lattice(self.family, numbered(self.edits), self.data, ALL_KINDS)
            answers, bands = self._contents.answers(shown, self.data, self._added)
            costs = self._contents.costs(self.data, self._added, ALL_KINDS)
            state = {**self.get_state(), "_lattice": packed(shown), "_costs": costs, "_bands": bands, "_training": {}}
        text = page(title=repr(self), esm=self._esm, css=self._css, state=state, answers=answers)
        Path(path).write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Stop what runs in the background, and take the widget off every page."""
        self._chores.close()
        super().close()

    def __repr__(self) -> str:
        chosen, depth, width, resolution = self.settings()
        cost = scaled(chosen.base, depth=depth, width=width, resolution=resolution).cost()
        where = f"{chosen.header['id']}, depth {depth:g}, width {width:g}, {resolution} px"
        return f"Explorer({where}): {cost.macs:,} MACs, {cost.params:,} params"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), self.png(), repr(self))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the front end sends; one message at a time. Edits are of one family: others than those that come with it
        are dropped."""
        with self._lock:
            if sync_data.get("family", self.family) != self.family:
                sync_data = {"edits": {}, **sync_data}
            self._told_edits = "edits" in sync_data
            try:
                with self.hold_sync():
                    super().set_state(sync_data)
            finally:
                self._told_edits = False

    def __setattr__(self, name: str, value: Any) -> None:
        if self.has_trait(name):  # traitlets holds back what changes while it takes a message
            with self._lock:
                super().__setattr__(name, value)
        else:
            super().__setattr__(name, value)

    def go(self, network: str) -> None:
        """To another network: a family or a name of `cl.names()`, and edits: "resnet,3.kernel=5". The sliders stay
        where they are as far as it has them. Raises ValueError, as a sentence, for what there is not."""
        view = states.read(network)
        self._check_family(view.family)
        with self._lock, self.hold_sync():
            chosen = self._contents.lattice(view.family, view.edits, self.data, self._kinds)
            self._moving = True
            try:
                with self.hold_trait_notifications():  # who observes one trait finds the others moved as well
                    self.family, self.edits = view.family, lettered(view.edits)
                    for knob, value in self._kept(chosen).items():
                        setattr(self, knob, value)
                    self._lattice = packed(chosen)
            finally:
                self._moving = False
            self._predict()

    def answer(self, asked: str) -> None:
        """The same for a page, which is told with which words it asked."""
        with self._lock, self.hold_sync():
            self.go(asked)
            self._lattice = {**self._lattice, "asked": asked}

    def take(self, network: str, settings: Mapping[str, Any], name: str = "") -> None:
        """The sliders of a page, if they are those of the present network: a page may not have heard of it yet.
        name: of its message; the page hears it together with all that came of it."""
        with self._lock, self.hold_sync():
            self._taken = name
            if network != self._lattice["id"]:
                return
            with self.hold_trait_notifications():
                for knob in (*STEPS, "coefficients"):
                    if knob in settings:
                        setattr(self, knob, settings[knob])

    def _now(self) -> Lattice:
        return self._contents.lattice(self.family, numbered(self.edits), self.data, self._kinds)

    def _arrive(self) -> None:
        """Another network brings its own sliders: what is not on them becomes the network's own."""
        chosen = self._now()
        with self.hold_sync():  # a page hears of it at once
            self._lattice = packed(chosen)
            for knob, value in self._kept(chosen).items():
                setattr(self, knob, value)
        self._predict()

    def _kept(self, chosen: Lattice) -> dict[str, Any]:
        """The sliders' values as far as this network has them, else its own."""
        found = {}
        for knob, own in zip(STEPS, chosen.header["base"], strict=True):
            try:
                found[knob] = chosen.header[knob][chosen.index(knob, getattr(self, knob))]
            except ValueError:
                found[knob] = chosen.header[knob][own]
        return found

    def _offer(self, source: str) -> None:
        if source not in dict(self._sources):  # a user's own points, of which the first has come
            self._sources = [*self._sources, [source, SOURCES[source].label]]

    def _show_source(self) -> None:
        self._offer(self.data)
        self._evidence = self._contents.sent(self.data, self._added)
        self._costs = {}
        self._show_kind()

    def _show_kind(self) -> None:
        """Fill in what the x axis needs: costs of the lattice, and of the points."""
        kind = self.against
        if kind in ALL_KINDS and kind not in self._kinds:
            more = MEMORY if kind in MEMORY else (kind,)
            self._kinds = tuple(each for each in ALL_KINDS if each in {*self._kinds, *more})
            self._lattice = packed(self._now())
        if kind not in (*KINDS, "latency") and kind not in self._costs:
            self._costs = {**self._costs, **self._contents.costs(self.data, self._added, [kind])}

    def _predict(self) -> None:
        """Fill in what is predicted for the family on the data, on a thread: fitting takes seconds the first time."""
        source, key, header = self.data, self.family, self._lattice
        place = f"{source}|{key}"
        if self.edits or place in self._bands or classes_of(key, source) is None:
            return

        def fill() -> None:
            found = band(source, key, header)
            with self._lock:
                self._bands = {**self._bands, place: found or {}}

        threading.Thread(target=fill, name="cnnlab band", daemon=True).start()

    def _check_family(self, key: str) -> None:
        if key not in (*FAMILIES, *names(), self._contents.key):
            raise SettingError(f"family={key!r}: it must be {', '.join(self._contents.families())}, or of cl.names()")

    @traitlets.validate("family")
    def _valid_family(self, proposal: Any) -> str:
        self._check_family(proposal["value"])
        return proposal["value"]

    @traitlets.validate(*STEPS)
    def _valid_step(self, proposal: Any) -> float:
        try:
            chosen = self._now()
        except (TypeError, ValueError) as error:
            raise SettingError(str(error)) from None
        return on_slider(chosen, proposal["trait"].name, proposal["value"])

    @traitlets.validate("budgets")
    def _valid_budgets(self, proposal: Any) -> dict[str, float]:
        return checked_budgets(proposal["value"])

    @traitlets.validate("edits")
    def _valid_edits(self, proposal: Any) -> dict[str, dict[str, Any]]:
        edits = numbered(proposal["value"])
        try:
            self._contents.lattice(self.family, edits, self.data)
        except (TypeError, ValueError) as error:
            raise SettingError(str(error)) from None
        return lettered(edits)

    @traitlets.validate("coefficients")
    def _valid_coefficients(self, proposal: Any) -> list[float]:
        return checked_coefficients(proposal["value"])

    @traitlets.observe("family", "edits")
    def _another_network(self, change: Any) -> None:
        if self._moving:
            return
        with self._lock:
            if change["name"] == "family" and self.edits and not self._told_edits:
                self.edits = {}  # of another network's rows; this comes back here
            else:
                self._arrive()

    @traitlets.observe("against")
    def _another_kind(self, change: Any) -> None:
        if not self._moving:
            with self._lock:
                self._show_kind()

    @traitlets.observe("data")
    def _another_source(self, change: Any) -> None:
        if self._moving:
            return
        with self._lock:
            self._show_source()
            self._lattice = packed(self._now())
        self._chores.stored(self.data)
        self._predict()
