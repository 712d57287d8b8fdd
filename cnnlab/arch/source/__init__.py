"""Graph -> the source of an ordinary PyTorch module: one file to take away, which needs nothing but torch.

`source.parts` reads the containers off the layers' names, `source.kinds` finds those of one kind, `source.numbers` the
numbers in which they differ; `source.blueprint` puts that together, `source.classes` and `source.forward` write it.
"""

from __future__ import annotations

from cnnlab.arch.graph import Graph, check_written_out
from cnnlab.arch.source.blueprint import Blueprint, NotSo
from cnnlab.arch.source.classes import ClassText
from cnnlab.arch.source.layers import HELPERS
from cnnlab.arch.source.parts import tree


def to_pytorch(graph: Graph) -> str:
    """The network as one standalone .py file: a class for each kind of block, and one for the whole.

    `model.load_state_dict(graph.module().state_dict())` moves weights over by name; the logits are then the same.
    Repeated blocks are one class, whose constructor takes the numbers in which they differ. Raises ValueError for a
    folded graph, arrays, two layers of one name, and an op that has no PyTorch source.

    >>> import cnnlab as cl
    >>> print(cl.architecture("resnet18").graph().to_pytorch())  # doctest: +ELLIPSIS
    \"""resnet18: 224 x 224 px, 11,689,512 parameters, 1,814,073,344 multiply-adds.
    ...
    class BasicBlock(nn.Module):
    ...
    """
    check_written_out(graph, "PyTorch source")
    names = [layer.name for layer in graph.layers]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{graph.name}: two layers are called {twice}; give each a name of its own")
    root = tree(graph)
    try:
        plan = Blueprint(graph, root, merge=True)
    except NotSo:
        plan = Blueprint(graph, root, merge=False)
    body = "\n\n".join(ClassText(plan, kind).write() for kind in plan.order)
    helpers = [text for name, text in HELPERS.items() if f"{name}(" in body]
    imports = ["from collections import OrderedDict\n"] if "OrderedDict(" in body else []
    imports += ["import torch"] if "torch." in body else []
    head = "\n".join([*imports, "from torch import Tensor, nn"])
    return f"{_docstring(graph, plan.network)}\n\n{head}\n\n\n" + "\n\n".join([*helpers, body])


def _docstring(graph: Graph, network: str) -> str:
    cost, size = graph.cost(), graph.input.size
    return (
        f'"""{graph.name}: {size} x {size} px, {cost.params:,} parameters, {cost.macs:,} multiply-adds.\n\n'
        "Written by cnnlab from its description of the network; it needs only torch. Weights go over by name:\n\n"
        f"    model = {network}()\n"
        '    model.load_state_dict(torch.load("weights.pt"))  # of torch.save(graph.module().state_dict(), ...)\n'
        '"""'
    )
