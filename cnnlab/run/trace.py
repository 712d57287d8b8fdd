"""nn.Module -> Graph: anyone's plain CNN, followed by torch.fx without running it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import fx, nn
from torchvision.ops import StochasticDepth

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Graph, Image, image
from cnnlab.run.module import DropPath
from cnnlab.run.rules import FUNCTIONS, Write, layer_of


def trace(module: nn.Module, resolution: int = 224, *, channels: int = 3, name: str | None = None) -> Graph:
    """The graph of a plain CNN, as it runs in evaluation, on (N, channels, resolution, resolution) images.

    Layers keep the names of the module's own submodules, so `trace(m).module(weights=m.state_dict())` is m again.
    The module is left as it was. Raises ValueError, with the layer's path and what to do, for a layer that the closed
    set does not have; nothing is skipped or guessed.

    >>> import torchvision
    >>> trace(torchvision.models.resnet18())
    Graph(ResNet, 224 px: 70 layers, 1,814,073,344 MACs, 11,689,512 params)
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module={type(module).__name__}: trace takes a torch.nn.Module")
    name = name or type(module).__name__
    start = image(channels, resolution)
    with _evaluating(module):
        try:
            graph = _Tracer().trace(module)
        except Exception as error:
            raise ValueError(
                f"{name}: torch.fx cannot follow its forward ({error}); a forward whose path depends on the values "
                "of tensors has no single graph"
            ) from error
    return _Interpreter(module, start).run(graph).graph(name)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (StochasticDepth, DropPath)) or super().is_leaf_module(m, module_qualified_name)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode, and afterwards each part in its own mode again."""
    modes = {part: part.training for part in module.modules()}
    try:
        module.eval()
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


class _Interpreter:
    """Walks an fx graph with symbolic images in place of tensors."""

    def __init__(self, module: nn.Module, start: Image) -> None:
        self.parts, self.start = dict(module.named_modules()), start
        self.values: dict[fx.Node, Any] = {}
        self.names: set[str] = set()

    def run(self, graph: fx.Graph) -> Image:
        for node in graph.nodes:
            try:
                value = self.step(node)
            except ValueError as error:
                path = self.path(node)
                text = str(error).removeprefix(f"{path}: ")
                raise ValueError(f"{path}: {text}") from error.__cause__
            if node.op == "output":
                return value
            self.values[node] = value
        raise ValueError("the module returns nothing")

    def step(self, node: fx.Node) -> Any:
        """What a node computes: an image, or a number that leads to one."""
        args: tuple[Any, ...] = fx.node.map_arg(node.args, self.values.__getitem__)
        kwargs: dict[str, Any] = fx.node.map_arg(node.kwargs, self.values.__getitem__)

        def write(layer: op.Op, x: Image, *others: Image) -> Image:
            for argument in (x, *others):
                if not isinstance(argument, Image):
                    raise ValueError(f"takes {argument!r} where trace expects an image; see cnnlab.arch.layers")
            return x.write(self.name(self.path(node)), layer, *others)

        match node.op:
            case "placeholder":
                if self.values:
                    raise ValueError("is a second input; trace takes modules of one image")
                return self.start
            case "call_module" if kwargs or len(args) != 1 or not isinstance(args[0], Image):
                raise ValueError("is called with something else than one image; trace follows self.layer(x)")
            case "call_module":
                return self.submodule(str(node.target), write, args[0])
            case "output" if not isinstance(args[0], Image):
                raise ValueError("the module returns several things or none; trace takes modules of one output")
            case "output":
                return args[0]
            case "get_attr":
                raise ValueError(f"uses the tensor {node.target} directly, not through a layer")
            case _ if node.target in FUNCTIONS:
                return _call(FUNCTIONS[node.target], write, args, kwargs)
            case _:
                called = getattr(node.target, "__name__", node.target)
                raise ValueError(f"calls {called}, which trace does not know; see cnnlab.arch.layers for what it knows")

    def submodule(self, path: str, write: Write, x: Image) -> Image:
        part = self.parts[path]
        if path in self.names and any(True for _ in part.parameters()):
            raise ValueError("runs twice with the same parameters; give each place a layer of its own")
        if isinstance(part, nn.Identity):
            return x
        wants = getattr(part, "in_channels", getattr(part, "in_features", getattr(part, "num_features", x.channels)))
        if wants != x.channels:
            raise ValueError(f"takes {wants} channels and gets {x.channels}; check trace's resolution and channels")
        return write(layer_of(part), x)

    def path(self, node: fx.Node) -> str:
        """Where in the module a node is: its own path for a submodule, else one inside the module that calls it."""
        if node.op == "call_module":
            return str(node.target)
        stack = list(node.meta.get("nn_module_stack", {}).values())
        outside = stack[-1][0] if stack else ""
        return f"{outside}.{node.name}" if outside else node.name

    def name(self, path: str) -> str:
        """A name of its own for a layer at this path: the path, or numbered if it runs more than once."""
        name, again = path, 1
        while name in self.names:
            again += 1
            name = f"{path}_{again}"
        self.names.add(name)
        return name


def _call(rule: Callable[..., Any], write: Write, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    try:
        return rule(write, *args, **kwargs)
    except (TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"is called with arguments that trace does not know ({error})") from error
