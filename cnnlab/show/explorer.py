"""`Explorer`: move depth, width and resolution; see at once what the network costs and what accuracy that buys."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.cost import Cost
from cnnlab.arch.scaling import scaled
from cnnlab.arch.zoo import names
from cnnlab.show import state as states
from cnnlab.show.lattice import FAMILIES, PHIS, STEPS, Lattice, family, lattice_of, packed
from cnnlab.show.points import YOURS, evidence, given_points, published_points
from cnnlab.show.tables import KINDS

HERE = Path(__file__).parent
SYNCED = ("family", *STEPS)


class SettingError(ValueError, traitlets.TraitError):
    """A setting that is not on the sliders. traitlets takes back what it has set when it meets a TraitError."""


class Explorer(anywidget.AnyWidget):
    """Sliders for depth, width, resolution and the compound coefficient; cost and accuracy follow as you move them.

    base: "efficientnet" (from B0), "resnet" (from ResNet-50), "resnet_basic" (from ResNet-18), a name of `cl.names()`
    or any Architecture of your own. depth, width, resolution: where the sliders start (resolution: the base's own).
    points: a DataFrame with accuracy, macs and params (see `cnnlab.show.points`); default: the published ImageNet
    accuracies of convolutional networks trained on ImageNet alone. axis: what the accuracy is. budget: multiply-adds
    at most; what is over it is shaded.

    `.architecture` is the network at the sliders, `.cost` its exact cost, `.state` the view as a string. All numbers
    are exact; an accuracy is shown only where one was measured. Raises ValueError, as a sentence, for a setting that
    is not on the sliders.

    >>> import cnnlab as cl
    >>> cl.Explorer("efficientnet", depth=1.4, width=1.2, resolution=300, points=[])
    Explorer(efficientnet, depth 1.4, width 1.2, 300 px): 1,827,141,392 MACs, 12,233,232 params
    """

    _esm = HERE / "explorer.js"
    _css = HERE / "explorer.css"

    family = traitlets.Unicode().tag(sync=True)
    depth = traitlets.Float().tag(sync=True)
    width = traitlets.Float().tag(sync=True)
    resolution = traitlets.Int().tag(sync=True)
    against = traitlets.Enum(KINDS, "macs").tag(sync=True)
    budget = traitlets.Float(None, allow_none=True).tag(sync=True)
    _lattices: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _numbers = traitlets.Bytes().tag(sync=True)
    _evidence: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        base: str | Architecture = "efficientnet",
        *,
        depth: float = 1.0,
        width: float = 1.0,
        resolution: int | None = None,
        points: Any = None,
        axis: str = "ImageNet top-1, %",
        budget: float | None = None,
    ) -> None:
        # Slider messages may arrive on several threads at once (JupyterLab's subshells), so one lock guards the knobs.
        self._lock = threading.RLock()
        chosen = lattice_of(base)
        self._families = {key: family(key) for key in FAMILIES} | {chosen.key: chosen}
        self._axis = axis
        self._points = published_points() if points is None else given_points(points)
        # The cost axis reaches the families' bases, or, for points of one's own, only the network they are about.
        reach = self._families.values() if points is None else [chosen]
        self._anchors = [vars(each.base.cost()) for each in reach]
        pixels = chosen.base.resolution if resolution is None else resolution
        settings = {k: _on_slider(chosen, k, v) for k, v in zip(STEPS, (depth, width, pixels), strict=True)}
        headers, numbers = packed(list(self._families.values()))
        super().__init__(
            family=chosen.key,
            **settings,
            budget=None if budget is None else _checked_budget(budget),
            _lattices=headers,
            _numbers=numbers,
            _evidence=self._gathered(),
        )

    @classmethod
    def from_state(cls, state: str, base: str | Architecture | None = None, **options: Any) -> Explorer:
        """The explorer of a `.state` string, such as "resnet,d=2,w=1.25,r=160". What is left out is the base's own.

        base: the Architecture that the state was of, if it was one of your own. options: as for `Explorer`.
        Raises ValueError for a string that is no state, naming the field, its value and what is allowed.
        """
        key, settings = states.read(state)
        if base is None and key not in (*FAMILIES, *names()):
            known = states.choices([*FAMILIES, "a name of cl.names()"])
            raise ValueError(f"state {state!r}: family={key!r} is unknown; it must be {known}")
        return cls(key if base is None else base, **settings, **options)

    @property
    def state(self) -> str:
        """The view as a string that `from_state` restores."""
        chosen, depth, width, resolution = self._settings()
        return states.write(chosen.key, depth, width, resolution)

    @property
    def architecture(self) -> Architecture:
        """The network at the sliders."""
        chosen, depth, width, resolution = self._settings()
        return scaled(chosen.base, depth=depth, width=width, resolution=resolution)

    @property
    def cost(self) -> Cost:
        """The exact cost of the network at the sliders."""
        return self.architecture.cost()

    @property
    def phi(self) -> float | None:
        """The compound coefficient whose place on the sliders this is, or None off its path."""
        chosen, *settings = self._settings()
        at = [chosen.index(k, v) for k, v in zip(STEPS, settings, strict=True)]
        path = chosen.header["phi"]
        return PHIS[path.index(at)] if at in path else None

    def add(self, name: Any, accuracy: float | None = None, architecture: Architecture | None = None) -> None:
        """Put a point of your own on the plot: its name, its accuracy (in percent) and its architecture.

        Or several: add(frame), with the columns name, accuracy, macs and params (activations if known).
        """
        if not isinstance(name, str):
            rows: Any = name
        elif isinstance(architecture, Architecture):
            rows = [{"name": name, "accuracy": accuracy, **vars(architecture.cost())}]
        else:
            raise TypeError(f"add({name!r}): architecture={architecture!r}; it must be an Architecture")
        with self._lock:
            self._points = [*self._points, *given_points(rows, kind=YOURS)]
            self._evidence = self._gathered()

    def png(self) -> bytes:
        """The view as a PNG, for places without JavaScript."""
        from cnnlab.show.plots import explorer_png

        chosen, *settings = self._settings()
        return explorer_png(chosen, settings, self._evidence, self.against, self.budget)

    def __repr__(self) -> str:
        chosen, depth, width, resolution = self._settings()
        cost = scaled(chosen.base, depth=depth, width=width, resolution=resolution).cost()
        where = f"{chosen.key}, depth {depth:g}, width {width:g}, {resolution} px"
        return f"Explorer({where}): {cost.macs:,} MACs, {cost.params:,} params"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # A picture and a line of text, so that GitHub, an HTML export and nbval have something to show.
        bundle: Any = super()._repr_mimebundle_(**kwargs)
        bundle[0]["image/png"] = base64.b64encode(self.png()).decode()
        bundle[0]["text/plain"] = repr(self)
        return bundle

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the front end sends; one message at a time."""
        with self._lock:
            super().set_state(sync_data)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in SYNCED:
            with self._lock:
                super().__setattr__(name, value)
        else:
            super().__setattr__(name, value)

    def _settings(self) -> tuple[Lattice, float, float, int]:
        """The lattice and the sliders' values, of one moment."""
        with self._lock:
            return self._families[self.family], self.depth, self.width, self.resolution

    def _gathered(self) -> dict[str, Any]:
        return evidence(self._points, self._axis, self._anchors)

    @traitlets.validate("family")
    def _valid_family(self, proposal: Any) -> str:
        if proposal["value"] not in self._families:
            raise SettingError(f"family={proposal['value']!r}: it must be one of {', '.join(self._families)}")
        return proposal["value"]

    @traitlets.validate(*STEPS)
    def _valid_step(self, proposal: Any) -> float:
        return _on_slider(self._families[self.family], proposal["trait"].name, proposal["value"])

    @traitlets.validate("budget")
    def _valid_budget(self, proposal: Any) -> float | None:
        return None if proposal["value"] is None else _checked_budget(proposal["value"])

    @traitlets.observe("family")
    def _keep_on_sliders(self, change: Any) -> None:
        """A family set in Python brings its own sliders: what is not on them becomes the new base's own."""
        chosen = self._families[change["new"]]
        for knob, own in zip(STEPS, chosen.header["base"], strict=True):
            try:
                chosen.index(knob, getattr(self, knob))
            except ValueError:
                setattr(self, knob, chosen.header[knob][own])


def _on_slider(chosen: Lattice, knob: str, value: Any) -> Any:
    """The slider's own number for this value."""
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{knob}={value!r}: it must be a number, not a {type(value).__name__}")
    try:
        return chosen.header[knob][chosen.index(knob, float(value))]
    except ValueError as error:
        raise SettingError(str(error)) from None


def _checked_budget(value: Any) -> float:
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)) or not 0 < value < 2**53:
        raise SettingError(f"budget={value!r}: it must be a number of multiply-adds above 0")
    return float(value)
