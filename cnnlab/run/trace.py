"""nn.Module -> Graph: anyone's plain CNN, followed through one forward call in which no number is computed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.overrides import TorchFunctionMode
from torchvision.ops import StochasticDepth

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Graph, Image, image
from cnnlab.run.parts import DropPath
from cnnlab.run.rules import FUNCTIONS
from cnnlab.run.standin import on_meta, stand_in, wrapped
from cnnlab.run.undisturbed import undisturbed
from cnnlab.run.values import Refused, Value, sides


def trace(module: nn.Module, resolution: int = 224, *, channels: int = 3, name: str | None = None) -> Graph:
    """The graph of a plain CNN, as it runs in evaluation, on (N, channels, resolution, resolution) images.

    A copy of the module that shares no tensor with it runs once, on stand-ins for images that know their shape and hold
    no numbers; each torch function that is called on them is written down. Layers keep the names of the module's own
    submodules, so `trace(m).module(weights=m.state_dict())` is m again. The module is left as it was. Raises
    ValueError, with the layer's path and what to do, for what the closed set of layers does not have; nothing is
    skipped or guessed.

    >>> import torchvision
    >>> trace(torchvision.models.resnet18())
    Graph(ResNet, 224 px: 70 layers, 1,814,073,344 MACs, 11,689,512 params)
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module={type(module).__name__}: trace takes a torch.nn.Module")
    while (inner := wrapped(module)) is not None:
        module = inner
    name = name or type(module).__name__
    twin = stand_in(module, on_meta).eval()  # its forward may change what it likes
    follower = _Follower(twin)
    x = follower.stand_in(Value(image(channels, resolution)))
    with undisturbed(training=False), follower.watching(), follower:
        try:
            y = twin(x)
        except Refused:
            raise
        except Exception as error:
            raise ValueError(
                f"{follower.place() or name}: its forward fails on images of {tuple(x.shape)} ({error}); it must take "
                "one batch of images, and its path must not depend on the values of tensors"
            ) from error
    value = follower.value(y)
    if not isinstance(value, Value) or value.order not in ("image", "flat"):
        raise ValueError("output: the module returns several things or none; trace takes modules of one output")
    return value.image.graph(name)


class _Follower(TorchFunctionMode):
    """Stands between the module's code and torch: what is called on stand-ins is written as layers, and not run."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.paths = {part: path for path, part in module.named_modules()}
        self.tensors = {id(tensor): path for path, tensor in module.named_parameters()}
        self.values: dict[int, Value] = {}
        self.kept: list[Tensor] = []  # a tensor that is gone could leave its id to another
        self.views: dict[int, set[int]] = {}  # the stand-ins that share their numbers with this one
        self.stale: set[int] = set()
        self.running: list[nn.Module] = []
        self.names: set[str] = set()
        self.written: set[str] = set()

    # Stand-ins.

    def stand_in(self, value: Value) -> Tensor:
        """A tensor of the value's shape that holds no numbers."""
        tensor = torch.empty(sides(value), device="meta")
        self.kept.append(tensor)
        self.values[id(tensor)] = value
        return tensor

    def value(self, argument: Any) -> Any:
        """What a stand-in stands for; anything else as it is."""
        if isinstance(argument, Tensor):
            if id(argument) in self.stale:
                raise ValueError("reads an image after another view of it was changed in place; copy it first")
            return self.values.get(id(argument), argument)
        if isinstance(argument, (list, tuple)) and any(isinstance(part, Tensor) for part in argument):
            return [self.value(part) for part in argument]
        return argument

    # Calls.

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func))
        try:
            values = [self.value(argument) for argument in args]
            named = {key: self.value(argument) for key, argument in kwargs.items()}
            if not any(isinstance(v, (Value, list)) and _images(v) for v in (*values, *named.values())):
                return func(*args, **kwargs)  # parameters and numbers among themselves
            rule = FUNCTIONS.get(func)
            if rule is None:
                return self.question(func, name, args, kwargs)
            result = rule(_Writer(self, name, SPELT.get(func, name.strip("_"))), *values, **named)
        except Refused:
            raise
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            where = self.place(name)
            why = str(error).removeprefix(f"{where}: ")
            if not isinstance(error, ValueError):
                why = f"is called with arguments that trace does not know ({why})"
            raise Refused(f"{where}: {why}") from error
        if _in_place(name, args, kwargs):  # whoever holds the tensor sees the change; other views of it would too
            self.values[id(args[0])] = result
            self.stale |= self.views.get(id(args[0]), set()) - {id(args[0])}
            return args[0]
        made = [self.stand_in(value) for value in (result if isinstance(result, list) else [result])]
        if name in VIEWS:
            self.share(args[0], made)
        return tuple(made) if isinstance(result, list) else made[0]

    def share(self, base: Tensor, made: list[Tensor]) -> None:
        """Remember that these stand-ins share their numbers with the base; several parts do not with each other."""
        together = self.views.setdefault(id(base), {id(base)})
        for tensor in made:
            self.views[id(tensor)] = together if len(made) == 1 else {*together, id(tensor)}
        together |= {id(tensor) for tensor in made}

    def question(self, func: Any, name: str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """A call that no rule is for: lawful if it only asks a stand-in for what it knows (its shape, its type)."""
        name = func.__self__.__name__ if name in ("__get__", "__set__") else name
        if name in NUMBERS:
            raise ValueError(
                f"calls {name}, which needs the numbers in a tensor; a forward whose path depends on them has no graph"
            )
        try:
            answer = func(*args, **kwargs)
        except Exception as error:  # it does not run on stand-ins, so it does not ask for a shape
            raise ValueError(f"calls {name}, which trace does not know; see cnnlab.arch.layers") from error
        if isinstance(answer, Tensor) or answer is None or (isinstance(answer, (list, tuple)) and _tensors(answer)):
            raise ValueError(f"calls {name}, which trace does not know; see cnnlab.arch.layers for what it knows")
        return answer

    # Names.

    def place(self, function: str = "") -> str:
        """Where in the module the code is: the path of the layer that runs, or that of the function it calls."""
        path = self.paths.get(self.running[-1], "") if self.running else ""
        if path and (not function or not any(True for _ in self.running[-1].children())):
            return path
        return f"{path}.{function.strip('_')}" if path else function.strip("_")

    def name(self, path: str) -> str:
        """A name of its own for a layer at this path: the path, or numbered if it runs more than once."""
        name, again = path, 1
        while name in self.names:
            again += 1
            name = f"{path}_{again}"
        self.names.add(name)
        return name

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keeps `running` up to date with hooks on all modules of this process, for this thread only."""
        thread = threading.get_ident()

        def enter(part: nn.Module, args: Any) -> None:
            if threading.get_ident() == thread:
                self.running.append(part)

        def leave(part: nn.Module, args: Any, output: Any) -> Any:
            if threading.get_ident() != thread:
                return None
            rate, value = _drop_rate(part), self.value(output)
            if rate and isinstance(value, Value):
                dropped = _Writer(self, "drop", "")(op.DropPath(rate), value.image)
                output = self.stand_in(value._replace(image=dropped))
            while self.running and self.running.pop() is not part:
                pass
            return output

        handles = [hooks.register_module_forward_pre_hook(enter), hooks.register_module_forward_hook(leave)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class _Writer:
    """What a rule writes layers with: write(op, *images), with the layer's parameters if it has some."""

    def __init__(self, follower: _Follower, function: str, called: str) -> None:
        self.follower, self.function, self.called = follower, function, called

    def __call__(self, layer: op.Op, x: Image, *others: Image, weight: Any = None, bias: Any = None) -> Image:
        follower = self.follower
        part = follower.running[-1] if follower.running else None
        plain = part is not None and type(part).__module__.startswith("torch.nn.modules")
        path = follower.place(self.function) if weight is None else self.owner(weight, bias)
        called = "" if plain else self.called
        return x.write(follower.name(path), layer, *others, called=called)

    def owner(self, weight: Any, bias: Any) -> str:
        """The path of the layer that holds these parameters, or of the parameter if it is no layer's weight."""
        tensors = self.follower.tensors
        weight = weight if id(weight) in tensors else getattr(weight, "_base", None)  # a view of a parameter
        if id(weight) not in tensors or not (bias is None or id(bias) in tensors):
            raise ValueError("uses a tensor that is no parameter of the module, or is computed from one")
        path = tensors[id(weight)]
        if path in self.follower.written:
            raise ValueError("runs twice with the same parameters; give each place a layer of its own")
        self.follower.written.add(path)
        return path.removesuffix(".weight") if path != "weight" else self.function


def _drop_rate(part: nn.Module) -> float:
    """The rate of a module that does stochastic depth by image (torchvision's, timm's, ours), 0 for any other."""
    match part:
        case StochasticDepth():
            return part.p if part.mode == "row" else 0.0
        case DropPath():
            return part.rate
    return float(getattr(part, "drop_prob", 0.0) or 0.0) if type(part).__name__ == "DropPath" else 0.0


def _images(value: Any) -> bool:
    return isinstance(value, Value) or any(isinstance(part, Value) for part in value)


def _tensors(answer: Any) -> bool:
    return any(isinstance(part, Tensor) for part in answer)


def _in_place(name: str, args: Any, kwargs: Mapping[str, Any]) -> bool:
    inplace = kwargs.get("inplace", name in INPLACE_LAST and args[-1] is True)
    return bool(inplace) or (name.endswith("_") and not name.endswith("__"))


SPELT: dict[Any, str] = dict.fromkeys((torch.relu, torch.relu_, Tensor.relu, Tensor.relu_), "torch.relu")
SPELT |= {torch.add: "torch.add", torch.mul: "torch.mul"}
"""Functions that some counter tells from others of the same name (F.relu, +, *): what a layer says was called."""

VIEWS = frozenset(
    ("view", "reshape", "flatten", "squeeze", "unsqueeze", "permute", "transpose", "expand", "expand_as")
    + ("chunk", "split", "__getitem__", "contiguous", "detach", "to", "float", "dropout")
)
"""Functions whose result may share its numbers with their first argument (dropout does, in evaluation)."""

NUMBERS = frozenset(("item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__", "__array__"))

INPLACE_LAST = ("relu", "relu6", "silu", "hardswish", "hardsigmoid", "mish", "elu", "selu", "leaky_relu", "hardtanh")
"""Functions whose last argument is `inplace`."""
