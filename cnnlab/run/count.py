"""`count`: what any module at all costs, by running it on tensors without numbers and booking every operation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.run.counted import Count, Part, Row
from cnnlab.run.standin import Change, copied, mapped, on_meta, stand_in, tensors, wrapped
from cnnlab.run.tally import Tally
from cnnlab.run.undisturbed import seed, undisturbed


def count(module: nn.Module, *inputs: Any, training: bool = False, **kwargs: Any) -> Count:
    """The multiply-adds, parameters and operations of any module, run once on these inputs.

    module: any nn.Module, in the mode it is in (train or eval); inputs and kwargs: what its forward takes. Their
    numbers do not matter, only shapes: torch.empty(1, 3, 224, 224) will do, on any device.
    training: count the backward pass too: gradients of all parameters that require one, and of inputs that do. The
    loss and the optimizer are no part of it. (A keyword of the forward's own that is named training cannot be given.)

    The run is on the meta device, which does no arithmetic; a module that must see numbers runs on copies of the real
    ones, and `Count.device` and `.note` say so. Either way a stand-in runs, under a fixed seed: the module, its
    statistics, its mode and the random state stay as they were, whatever happens. Attention and recurrent layers are
    counted by their matrix products, whichever fused kernel a machine would choose.

    `Count.macs` is for all inputs together. `Count.images` is the first size of the first tensor, 1 if that is one
    unbatched image (or a sequence that no convolution sees).

    Raises TypeError for what is no module; ValueError, with the path of the part that failed, if the forward fails.

    >>> count(nn.Conv2d(8, 16, 3, padding=1), torch.empty(1, 8, 8, 8))
    Count(Conv2d: 73,728 MACs, 1,168 params)
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module={type(module).__name__}: count takes a torch.nn.Module, and then what its forward takes"
        )
    while (inner := wrapped(module)) is not None:
        module = inner
    with undisturbed(training):
        try:
            return _counted(module, inputs, kwargs, training, on_meta, "")
        except _Failure as failure:
            first = failure
        if any(t.is_meta for t in _state(module)):
            raise first.told("it lives on the meta device, so there are no numbers to fall back on") from first.error
        why = f"meta tensors cannot run it ({_first_line(first.error)}), so copies of the real ones did"
        seed()
        try:
            return _counted(module, inputs, kwargs, training, copied, why)
        except _Failure as failure:
            raise failure.told("") from failure.error


class _Failure(Exception):
    """A forward that raised `error` in the part at `path`, of class `kind`, called with tensors of these shapes."""

    def __init__(self, error: Exception, path: str, kind: str, shapes: list[tuple[int, ...]]) -> None:
        super().__init__(path)
        self.error, self.path, self.kind, self.shapes = error, path, kind, shapes

    def told(self, why: str) -> ValueError:
        """The failure as a sentence."""
        got = " and ".join(map(str, self.shapes)) or "no tensor"
        advice = "check the shape of the inputs, or run the module on them by hand"
        if "more than 1 value per channel" in str(self.error):
            advice = "its BatchNorm trains and sees one value per channel: count two images, or module.eval()"
        place = f"{self.path} ({self.kind})" if self.path else self.kind
        said = f"{type(self.error).__name__}: {_first_line(self.error)}"
        return ValueError(f"{place}: its forward fails on {got} ({said}); " + (f"{why}; " if why else "") + advice)


def _first_line(error: BaseException) -> str:
    line = str(error).strip().partition("\n")[0]
    return (line if len(line) <= 200 else f"{line[:200]} ...") or "no message"


def _state(module: nn.Module) -> Iterator[Tensor]:
    """Parameters and buffers; not those that a lazy layer has still to make."""
    return (t for t in chain(module.parameters(), module.buffers()) if not nn.parameter.is_lazy(t))


def _counted(module: nn.Module, inputs: Any, kwargs: Any, training: bool, change: Change, note: str) -> Count:
    """One run of a stand-in for the module."""
    tally = Tally(list(_state(module)))
    fake, args = module, inputs
    try:
        fake = stand_in(module, change)
        home = next(iter(_state(fake)), None)
        args, more = mapped((inputs, kwargs), lambda t: _at(change(t), home))
        tally.watch(fake)
        with tally:
            result = fake(*args, **more)
        if training:
            _go_back(tally, result, module)
    except Exception as error:
        tally.failed(error, "", args, kwargs)
        _, path, shapes = tally.failure  # type: ignore[misc]
        raise _Failure(error, path, type(fake.get_submodule(path)).__name__, shapes) from error
    return _value(fake, tally, (args, more), training, note)


def _at(tensor: Tensor, home: Tensor | None) -> Tensor:
    """An input on the device of the module's own tensors."""
    if home is None or home.device == tensor.device or home.is_meta or tensor.is_meta:
        return tensor
    return tensor.detach().to(home.device).requires_grad_(tensor.requires_grad)


def _go_back(tally: Tally, result: Any, module: nn.Module) -> None:
    """The backward pass, from gradients of 1. What reaches the original through a closure leaves no gradient there."""
    roots = [t for t in tensors(result) if t.requires_grad]
    if not roots:
        return
    ones = [torch.ones_like(t) for t in roots]
    before = [(p, p.grad) for p in module.parameters() if not nn.parameter.is_lazy(p)]
    for parameter, _ in before:
        parameter.grad = None
    tally.turn()
    try:
        with tally:
            torch.autograd.backward(roots, ones)
    finally:
        for parameter, gradient in before:
            parameter.grad = gradient


def _value(fake: nn.Module, tally: Tally, inputs: Any, training: bool, note: str) -> Count:
    places = list(tally.top.walk())
    calls = dict.fromkeys((place.path for place in places), 0)
    for place in places:
        calls[place.path] += place.calls
    calls[""] = 1
    parts, resting, trainable = [], [], 0
    seen: set[int] = set()
    for path, part in fake.named_modules():
        own = [p for p in part.parameters(recurse=False) if id(p) not in seen]
        seen.update(map(id, own))
        parts.append(Part(path, type(part).__name__, calls.get(path, 0), sum(p.numel() for p in own)))
        trainable += sum(p.numel() for p in own if p.requires_grad)
        if own and not calls.get(path) and all(id(p) in tally.resting for p in own):
            resting.append(path)
    modes = {part.training for part in fake.modules()}
    shapes = tuple(tuple(t.shape) for t in tensors(inputs))
    home = next(iter(_state(fake)), None)
    return Count(
        name=type(fake).__name__,
        rows=tuple(_rows(tally)),
        parts=tuple(parts),
        images=_images(shapes, tally.conv_dims),
        shapes=shapes,
        mode="mixed" if len(modes) > 1 else "train" if modes.pop() else "eval",
        trained=training,
        trainable=trainable,
        unused=tuple(resting),
        device=str(home.device) if note and home is not None else "cpu" if note else "meta",
        note=note,
    )


def _rows(tally: Tally) -> Iterator[Row]:
    """Overloads of one operation in one place make one row."""
    for place in tally.top.walk():
        within = _within(place)
        for phase, entries in enumerate(place.entries):
            merged: dict[str, Row] = {}
            for entry in entries.values():
                name, bucket, kind = entry.rule[:3]
                old = merged.get(name)
                numbers = (entry.calls, entry.macs, entry.biases, entry.elements)
                if old is not None:
                    numbers = tuple(a + b for a, b in zip(numbers, old[5:], strict=True))  # type: ignore[assignment]
                merged[name] = Row(within, name, kind, bucket, bool(phase), *numbers)
            yield from merged.values()


def _within(place: Any) -> tuple[str, ...]:
    paths = []
    while place is not None:
        paths.append(place.path)
        place = place.above
    return tuple(reversed(paths))


def _images(shapes: tuple[tuple[int, ...], ...], conv_dims: int) -> int:
    first = shapes[0] if shapes else ()
    batched = len(first) == conv_dims if conv_dims else len(first) in (2, 4, 5)
    return first[0] if batched and first[0] else 1
