"""What runs, where: a dispatch mode that books every operation under the module that called it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cnnlab.run.formulas import Rule, rule
from cnnlab.run.shapes import SHAPES
from cnnlab.run.standin import mapped, tensors

FORWARD, BACKWARD = 0, 1
_LAST = 2**63  # from here on, autograd's numbers say "when all else is done": the adding up of gradients


class Entry:
    """One operation in one place, all its calls together."""

    __slots__ = ("biases", "calls", "elements", "macs", "rule", "shape", "writes")

    def __init__(self, operation: Any) -> None:
        self.rule: Rule = rule(operation)
        self.shape: Callable[..., Any] | None = SHAPES.get(operation)
        self.writes = _writes(operation, self.rule)
        self.calls = self.macs = self.biases = self.elements = 0


class Place:
    """A module where it is called: the same module called by another is another place."""

    __slots__ = ("above", "below", "calls", "entries", "path")

    def __init__(self, path: str, above: Place | None) -> None:
        self.path, self.above = path, above
        self.below: dict[str, Place] = {}
        self.entries: tuple[dict[Any, Entry], dict[Any, Entry]] = ({}, {})
        self.calls = 0

    def into(self, path: str) -> Place:
        """The place of a module that is called from here."""
        if path not in self.below:
            self.below[path] = Place(path, self)
        return self.below[path]

    def walk(self) -> Iterator[Place]:
        """This place and all below it, in the order in which they were first called."""
        yield self
        for place in self.below.values():
            yield from place.walk()


class Tally(TorchDispatchMode):
    """Books each operation that runs inside it. `watch` first tells it which modules there are.

    original: the tensors that must not be written to, whoever tries.
    """

    supports_higher_order_operators = True

    def __init__(self, original: Iterable[Tensor]) -> None:
        super().__init__()
        self.original = original
        self.storages: set[int] | None = None
        self.top = Place("", None)
        self.place: Place | None = self.top
        self.phase = FORWARD
        self.marks: list[int] = []  # autograd's running number whenever the place changes, and the places
        self.places: list[Place] = []
        self.resting: set[int] = set()  # parameters that no operation has taken yet
        self.vectors: set[int] = set()  # parameters that are biases where they are added
        self.conv_dims = 0  # dimensions of the first convolution's input
        self.failure: tuple[BaseException, str, list[Any]] | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or each operation goes through torch._dynamo, which takes a second to load

    # Places.

    def watch(self, module: nn.Module) -> None:
        """Follow every call of this module's parts. It is changed for good: watch only a stand-in."""
        for path, part in module.named_modules():
            for parameter in part.parameters(recurse=False):
                self.resting.add(id(parameter))
                if not nn.parameter.is_lazy(parameter) and parameter.dim() == 1:
                    self.vectors.add(id(parameter))
            if path and not isinstance(part, torch.jit.ScriptModule):
                part.__dict__["forward"] = self._followed(part.forward, path)

    def _followed(self, forward: Callable[..., Any], path: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            above = self.place
            here = (above or self._origin()).into(path)
            here.calls += 1
            self._move(here)
            try:
                return forward(*args, **kwargs)
            except BaseException as error:
                self.failed(error, path, args, kwargs)
                raise
            finally:
                self._move(above)

        call.__wrapped__ = forward  # type: ignore[attr-defined]  # for those who ask for its signature
        return call

    def failed(self, error: BaseException, path: str, args: Any, kwargs: Any) -> None:
        """Remember where an error came from: the innermost call that it left."""
        if self.failure is None or self.failure[0] is not error:
            self.failure = error, path, [tuple(t.shape) for t in tensors((args, kwargs))]

    def _move(self, place: Place | None) -> None:
        self.place = place
        if torch.is_grad_enabled():
            self.marks.append(_step())
            self.places.append(place or self.top)

    def _origin(self) -> Place:
        """The place whose forward made the step that autograd now takes back."""
        node = torch._C._current_autograd_node()
        step = _LAST if node is None else node._sequence_nr()
        at = bisect_right(self.marks, step) - 1
        return self.places[at] if at >= 0 and step < _LAST else self.top

    def turn(self) -> None:
        """From now on, backward."""
        self.phase = BACKWARD
        self._move(None)

    # Operations.

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        place = self.place
        if place is None:
            place = self._origin()
        entries = place.entries[self.phase]
        entry = entries.get(func)
        if entry is None:
            entry = entries[func] = Entry(func)
        result = None
        if entry.shape is not None and not kwargs:
            result = entry.shape(*args)
        if result is None:
            result = self._run(entry, func, args, kwargs or {})
        self._book(entry, args, result)
        return result

    def _book(self, entry: Entry, args: Any, result: Any) -> None:
        known = entry.rule
        entry.calls += 1
        if self.resting and args:
            self.resting.difference_update(map(id, args[0] if args[0].__class__ is list else args))
        if known.macs is not None:
            entry.macs += known.macs(args, result)
            if known.biases is not None:
                entry.biases += known.biases(args, result)
            if known.kind == "conv" and not self.conv_dims:
                self.conv_dims = args[1].dim()
        if known.kind != "view":
            entry.elements += _elements(result)
            if known.kind == "elementwise" and len(args) > 1 and id(args[1]) in self.vectors:
                entry.biases += _elements(result)

    def _run(self, entry: Entry, func: Any, args: Any, kwargs: Any) -> Any:
        if entry.writes:
            args = mapped(args, self._guarded)
        try:
            return func(*args, **kwargs)
        except (RuntimeError, NotImplementedError) as error:
            if not any(t.is_meta for t in tensors((args, kwargs))):
                raise
            # A tensor that the module makes on its own device meets one on meta, or one is sent to a device.
            elsewhere = {**kwargs, "device": torch.device("meta")} if kwargs.get("device") else kwargs
            try:
                return func(*mapped(args, _to_meta), **mapped(elsewhere, _to_meta))
            except (RuntimeError, NotImplementedError):
                raise error from None

    def _guarded(self, tensor: Tensor) -> Tensor:
        """The tensor, or a copy of it if it is one of the original's."""
        if tensor.is_meta:
            return tensor
        if self.storages is None:
            self.storages = {t.untyped_storage()._cdata for t in self.original if not t.is_meta}
        return tensor.clone() if tensor.untyped_storage()._cdata in self.storages else tensor


def _to_meta(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else tensor.to("meta")


def _elements(result: Any) -> int:
    """Numbers in the first tensor of a result."""
    if result.__class__ is not Tensor:
        result = next(iter(tensors(result)), None)
    return 0 if result is None else result.numel()


def _writes(operation: Any, known: Rule) -> bool:
    """Whether an operation may change its arguments; batch norm does, and its signature is silent about it."""
    schema = getattr(operation, "_schema", None)
    return known.kind == "norm" or schema is None or schema.is_mutable


def _step() -> int:
    """Autograd's running number: the next operation that it records gets it."""
    return torch._C._autograd._get_sequence_nr()
