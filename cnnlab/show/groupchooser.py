"""`group_chooser`: choose a layer in a notebook, and see all that must go with its channels."""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets

from cnnlab.arch.widths import LEARNED, widths
from cnnlab.prune.grouping import graph_of, group_of, why_not
from cnnlab.show.diagram import Diagram
from cnnlab.show.groupview import first_group, group_diagram


class GroupChooser(ipywidgets.VBox):
    """A list of the layers that have numbers of their own, and the picture of the group of the one chosen.

    Without a kernel (on GitHub, in an HTML export) it is the picture as it was when the cell ran.
    """

    def __init__(self, network: Any, layer: str | None = None, *, resolution: int = 224, channels: int = 3) -> None:
        self._lock = threading.RLock()  # messages may arrive on several threads at once (JupyterLab's subshells)
        self._graph = graph_of(network, resolution, channels)
        found = widths(self._graph)
        chosen = first_group(found) if layer is None else group_of(found, layer)
        names = [each.name for each in self._graph.layers if isinstance(each.op, LEARNED)]
        options = {}
        for name in [*names, *(group.name for group in found.groups if group.name not in names)]:
            group = group_of(found, name)
            about = f" → {group.name}" if name != group.name else ""
            options[f"{name}{about}{' (locked)' if why_not(group) else ''}"] = name
        self.dropdown = ipywidgets.Dropdown(
            options=options,
            value=layer if layer in names else chosen.name,
            description="Layer",
            layout=ipywidgets.Layout(width="auto", max_width="600px"),
        )
        self.picture = ipywidgets.HTML()
        super().__init__([self.dropdown, self.picture])
        self.dropdown.observe(self._draw, "value")
        self._draw()

    @property
    def diagram(self) -> Diagram:
        """The picture of the layer chosen."""
        return group_diagram(self._graph, self.dropdown.value)

    def _draw(self, _change: Any = None) -> None:
        with self._lock:
            self.picture.value = self.diagram._repr_html_()

    def __repr__(self) -> str:
        return f"GroupChooser({self._graph.name}: {self.dropdown.value})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        # A picture and a line of text, so that GitHub, an HTML export and nbval have something to show.
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "image/svg+xml": self.diagram.svg, "text/plain": repr(self)}


def group_chooser(network: Any, layer: str | None = None, *, resolution: int = 224, channels: int = 3) -> GroupChooser:
    """Choose a layer from a list, and see its width group: `group_diagram` that follows the choice.

    The arguments are those of `cnnlab.show.groupview.group_diagram`, and so is what it raises.

    >>> import cnnlab as cl
    >>> group_chooser(cl.architecture("mobilenet_v2"), "stage2.1.conv2")
    GroupChooser(mobilenet_v2: stage2.1.conv2)
    """
    return GroupChooser(network, layer, resolution=resolution, channels=channels)
