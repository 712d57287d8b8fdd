"""`group_chooser`: choose a layer in a notebook, and see all that must go with its channels."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from cnnlab.arch.widths import widths
from cnnlab.prune.grouping import graph_of, group_of, why_not
from cnnlab.show.diagram import Diagram
from cnnlab.show.explorer import SettingError
from cnnlab.show.groupview import first_group, group_diagram
from cnnlab.show.raster import raster
from cnnlab.show.still import with_still

HERE = Path(__file__)


class GroupChooser(anywidget.AnyWidget):
    """A list of a network's layers, and the picture of the width group of the one chosen, `.layer`.

    Without a kernel (on GitHub, in an HTML export) it is the picture as it was when the cell ran.
    """

    _esm = HERE.with_suffix(".js")
    _css = HERE.with_suffix(".css")

    layer = traitlets.Unicode().tag(sync=True)
    _layers: traitlets.List[Any] = traitlets.List().tag(sync=True)
    _picture = traitlets.Unicode().tag(sync=True)

    def __init__(self, network: Any, layer: str | None = None, *, resolution: int = 224, channels: int = 3) -> None:
        self._lock = threading.RLock()  # messages may arrive on several threads at once (JupyterLab's subshells)
        self._graph = graph_of(network, resolution, channels)
        found = widths(self._graph)
        if layer is not None:
            group_of(found, layer)  # raises for one that is not there
        chosen = first_group(found).name if layer is None else layer
        layers = dict.fromkeys([*(each.name for each in self._graph.layers), *found.by_name])
        super().__init__(layer=chosen, _layers=[(name, self._told(name)) for name in layers])

    @property
    def diagram(self) -> Diagram:
        """The picture of the layer chosen."""
        return group_diagram(self._graph, self.layer)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """What the front end sends; one message at a time."""
        with self._lock:
            super().set_state(sync_data)

    def _told(self, name: str) -> str:
        """A layer as the list has it: with its group, if that is named after another, and whether that is locked."""
        group = group_of(widths(self._graph), name)
        about = f" → {group.name}" if name != group.name else ""
        return f"{name}{about}{' (locked)' if why_not(group) else ''}"

    @traitlets.validate("layer")
    def _valid_layer(self, proposal: Any) -> str:
        try:
            group_of(widths(self._graph), proposal["value"])
        except ValueError as error:
            raise SettingError(str(error)) from None
        return proposal["value"]

    @traitlets.observe("layer")
    def _draw(self, _change: Any) -> None:
        with self._lock:
            self._picture = self.diagram._repr_html_()

    def __repr__(self) -> str:
        return f"GroupChooser({self._graph.name}: {self.layer})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_still(super()._repr_mimebundle_(**kwargs), raster(self.diagram.svg), repr(self))


def group_chooser(network: Any, layer: str | None = None, *, resolution: int = 224, channels: int = 3) -> GroupChooser:
    """Choose a layer from a list, and see its width group: `group_diagram` that follows the choice.

    The arguments are those of `cnnlab.show.groupview.group_diagram`, and so is what it raises. `.layer` is the layer
    chosen; setting it changes the picture.

    >>> import cnnlab as cl
    >>> group_chooser(cl.architecture("mobilenet_v2"), "stage2.1.conv2")
    GroupChooser(mobilenet_v2: stage2.1.conv2)
    """
    return GroupChooser(network, layer, resolution=resolution, channels=channels)
