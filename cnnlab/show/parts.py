"""What the Explorer's page consists of, and which of it a teacher may leave out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cnnlab.show import state as states

PARTS: Mapping[str, str] = {
    "depth": "the slider",
    "width": "the slider",
    "resolution": "the slider",
    "phi": "the compound slider",
    "coefficients": "alpha, beta and gamma",
    "accuracy": "published, measured and predicted figures of the network at the sliders",
    "budget": "the budget, and the best network under it",
    "plot": "accuracy against cost",
    "bars": "cost by stage and by role",
    "network": "the network to scale",
    "plane": "depth against width, with lines of equal cost",
    "rows": "the table of rows, to edit",
    "layers": "the table of layers",
    "compare": "pinned networks side by side",
    "training": "train the network, measure its latency",
    "takeaway": "source, state, tables and pictures to save",
}
"""part -> what it is."""

_TOOLS = ("coefficients", "rows", "layers", "compare", "training", "takeaway")
_KNOBS = ("depth", "width", "resolution", "phi")

PRESETS: Mapping[str, tuple[str, ...]] = {
    "simple": _TOOLS,
    "cost": (*_TOOLS, "plot", "accuracy", "plane"),
    **{knob: (*_TOOLS, "plane", "budget", *(k for k in _KNOBS if k != knob)) for knob in _KNOBS[:3]},
    "compound": ("rows", "layers", "compare", "training", "takeaway"),
    "pictures": (*_TOOLS, *_KNOBS, "budget"),
}
"""preset -> the parts that it hides. "depth", "width" and "resolution" leave one slider each."""


def hidden(hide: str | Iterable[str]) -> tuple[str, ...]:
    """The parts that are left out: those named, or those of a preset.

    Raises ValueError or TypeError, as a sentence, for what is neither.

    >>> hidden("compound"), hidden(["rows"])
    (('rows', 'layers', 'compare', 'training', 'takeaway'), ('rows',))
    """
    if isinstance(hide, str):
        if hide not in (*PRESETS, *PARTS):
            raise ValueError(f"hide={hide!r}: it must be a preset, {states.choices(PRESETS)}, or a list of parts")
        return PRESETS.get(hide, (hide,))
    if not isinstance(hide, Iterable):
        raise TypeError(f"hide={hide!r}: it must be a preset, {states.choices(PRESETS)}, or a list of parts")
    parts = tuple(hide)
    for part in parts:
        if not isinstance(part, str) or part not in PARTS:
            raise ValueError(f"hide has {part!r}: a part is one of {states.choices(PARTS)}")
    return parts
