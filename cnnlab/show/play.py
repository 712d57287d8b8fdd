"""`Play`: a picture that follows sliders, drawn in place, so that nothing flickers and nbval can run it."""

from __future__ import annotations

import base64
import html
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from cnnlab.show.plots import png
from cnnlab.show.still import with_still

Draw = Callable[..., tuple[Figure, str]]


class Play(widgets.VBox):
    """Controls above a picture, and a sentence below it that says the same in words.

    draw: of the controls' values by name, makes a matplotlib Figure (never pyplot's: any thread may draw) and the
    sentence. It should take well under 100 ms. controls: name -> (low, high, step), a slider, or a list of choices.
    start: where they stand at first, if not at their first position. Without a kernel the first picture is shown.

    An exception of `draw` is told in place of the sentence; the picture before it stays.
    """

    def __init__(
        self,
        draw: Draw,
        controls: Mapping[str, Sequence[Any]],
        start: Mapping[str, Any] | None = None,
    ) -> None:
        self._draw, self._lock = draw, threading.RLock()
        self.controls = {name: _control(name, spec, (start or {}).get(name)) for name, spec in controls.items()}
        self._png, self.sentence = self._drawn()
        self._picture, self._words = widgets.HTML(), widgets.HTML()
        self._show()
        for control in self.controls.values():
            control.observe(self._moved, "value")
        super().__init__([*self.controls.values(), self._picture, self._words])

    @property
    def values(self) -> dict[str, Any]:
        """name -> value of each control"""
        return {name: control.value for name, control in self.controls.items()}

    def _drawn(self) -> tuple[bytes, str]:
        figure, sentence = self._draw(**self.values)
        return png(figure), sentence

    def _moved(self, _change: Any) -> None:
        with self._lock:
            try:
                self._png, self.sentence = self._drawn()
            except Exception as error:
                self._words.value = f'<p role="alert">{html.escape(f"{type(error).__name__}: {error}")}</p>'
                return
            self._show()

    def _show(self) -> None:
        words = html.escape(self.sentence)
        data = base64.b64encode(self._png).decode()
        self._picture.value = f'<img src="data:image/png;base64,{data}" alt="{words}" style="max-width: 100%">'
        self._words.value = f'<p aria-live="polite">{words}</p>'

    def __repr__(self) -> str:
        return f"Play({', '.join(f'{name}={value}' for name, value in self.values.items())}): {self.sentence}"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        with self._lock:
            return with_still((super()._repr_mimebundle_(**kwargs), {}), self._png, repr(self))


def _control(name: str, spec: Sequence[Any], value: Any) -> Any:
    shape = {"description": name, "layout": widgets.Layout(width="34em"), "style": {"description_width": "10em"}}
    if isinstance(spec, tuple) and len(spec) == 3:
        low, high, step = spec
        make = widgets.IntSlider if all(isinstance(each, int) for each in spec) else widgets.FloatSlider
        return make(value=low if value is None else value, min=low, max=high, step=step, **shape)
    return widgets.Dropdown(options=list(spec), value=spec[0] if value is None else value, **shape)
