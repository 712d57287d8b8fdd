"""`Guess`: predict, then reveal. A guess is committed before the result is known, and the gap is shown after it."""

from __future__ import annotations

import html
import math
import threading
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets


class Guess(widgets.VBox):
    """A question with a slider, or a list of choices, and a button that commits to the guess.

    low, high: the ends of the slider; step: between its positions. unit: of the number. choices: instead of a slider.
    `.committed` is the guess, or None before the button was pressed. `reveal(truth)`, in a later cell, tells the gap.
    Without a kernel the question is there as text.

    >>> guess = Guess("Twice as wide: how many times the multiply-adds?", 1, 8, unit="times")
    >>> guess.commit(2)
    >>> guess.reveal(3.94)
    3.94 times. You had said 2 times: the truth is 1.97 times as much.
    """

    def __init__(
        self,
        question: str,
        low: float | None = None,
        high: float | None = None,
        *,
        step: float = 1,
        unit: str = "",
        choices: Sequence[str] = (),
    ) -> None:
        if bool(choices) == (low is not None and high is not None):
            raise ValueError(f"guess({question!r}): give the ends of a slider, low and high, or choices, and not both")
        self.question, self.unit, self.choices = question, unit, tuple(choices)
        self.committed: float | str | None = None
        self._lock = threading.RLock()  # a button's messages may arrive on several threads (JupyterLab's subshells)
        self._control = self._made_control(low, high, step)
        self._button = widgets.Button(description="Commit", tooltip=f"Commit to this guess: {question}")
        self._button.on_click(self._pressed)
        self._told = widgets.HTML()
        super().__init__(
            [
                widgets.HTML(f"<b>Predict.</b> {html.escape(question)}"),
                widgets.HBox([self._control, widgets.Label(unit), self._button]),
                self._told,
            ]
        )

    def _made_control(self, low: float | None, high: float | None, step: float) -> Any:
        wide = widgets.Layout(width="26em")
        if self.choices:
            return widgets.Dropdown(options=["choose ...", *self.choices], layout=wide)
        assert low is not None and high is not None
        whole = all(float(each).is_integer() for each in (low, high, step))
        make = widgets.IntSlider if whole else widgets.FloatSlider
        return make(value=low, min=low, max=high, step=step, layout=wide)

    def commit(self, value: float | str) -> None:
        """Commit to a guess, as the button does. Only the first one counts."""
        with self._lock:
            if self.choices and value not in self.choices:
                raise ValueError(f"{value!r} is none of the choices: {', '.join(self.choices)}")
            if self.committed is not None:
                return
            self.committed = value
            self._control.value = value
            self._control.disabled = self._button.disabled = True
            self._button.description = "Committed"

    def _pressed(self, _button: Any) -> None:
        if self._control.value == "choose ...":
            self._told.value = "Choose first."
        else:
            self._told.value = ""
            self.commit(self._control.value)

    def reveal(self, truth: float | str) -> None:
        """Print the truth, and how far the guess was from it; it is shown beside the guess as well."""
        with self._lock:
            answer = truth if isinstance(truth, str) else f"{_number(truth)} {self.unit}".strip()
            gap = "No guess was committed." if self.committed is None else self._gap(truth)
            text = f"{answer[:1].upper()}{answer[1:]}. {gap}"
            self._told.value = html.escape(text)
        print(text)

    def _gap(self, truth: float | str) -> str:
        said = self.committed
        if isinstance(said, str) or isinstance(truth, str):
            return f"You had said {said}: {'so it is' if said == truth else 'not so'}."
        assert said is not None
        had = f"You had said {_number(said)} {self.unit}".strip()
        if math.isclose(said, truth, rel_tol=0.05):
            return f"{had}: within 5 %."
        if said * truth > 0:
            times = truth / said
            return f"{had}: the truth is {_number(times)} times as much."
        return f"{had}: off by {_number(truth - said)}."

    def __repr__(self) -> str:
        how = " / ".join(self.choices) or f"{_number(self._control.min)} to {_number(self._control.max)} {self.unit}"
        return f"Predict: {self.question} ({how.strip()})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle: Any = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/plain": repr(self), "text/html": f"<p><b>{html.escape(repr(self))}</b></p>"}


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
