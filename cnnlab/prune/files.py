"""A network in one file: its graph as JSON beside its tensors, in the format of safetensors. Nothing in it is code."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as pack
from torch import nn

from cnnlab.arch.graph import Graph
from cnnlab.prune.cutting import names
from cnnlab.run.disk import replace_file
from cnnlab.run.module import skeleton

KEY = "cnnlab.graph"


def save(model: nn.Module, graph: Graph, path: str | os.PathLike[str]) -> Path:
    """Write a network to a .safetensors file: the model's tensors, and its graph in the file's header.

    model: of the graph, such as `plan.apply` gives for `plan.pruned`, fine-tuned or not.  The file appears whole or not
    at all. Raises ValueError if the model's tensors are not the graph's.

    >>> import tempfile
    >>> import cnnlab as cl
    >>> model = cl.architecture("cifar_resnet20").graph().module(seed=0)
    >>> plan = cl.prune.plan(model, budget=0.5, resolution=32)
    >>> path = save(plan.apply(model), plan.pruned, tempfile.mkdtemp() + "/small.safetensors")
    >>> graph, small = load(path)
    >>> graph == plan.pruned
    True
    """
    called, state = names(graph, model), model.state_dict()
    shapes = {key: empty.shape for key, empty in skeleton(graph).state_dict().items()}
    tensors = {key: state[called[key]].detach().cpu().contiguous() for key in shapes if key in called}
    for key, tensor in tensors.items():
        if tensor.numel() != shapes[key].numel():
            raise ValueError(
                f"save: {called[key]} is {tuple(tensor.shape)}, in place of {tuple(shapes[key])} of {graph.name}; the "
                "model is of another network"
            )
    shaped = {key: tensor.reshape(shapes[key]) for key, tensor in tensors.items()}
    return replace_file(path, pack(shaped, {KEY: graph.to_json()}))


def load(path: str | os.PathLike[str]) -> tuple[Graph, nn.Module]:
    """The graph and the module that `save` wrote, in evaluation, on the CPU.

    Raises ValueError, as a sentence, for a file that holds none or is damaged; OSError if it cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no dict
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)} cannot be read as a network ({error}); is it whole?") from error
    if KEY not in about:
        raise ValueError(f"{os.fspath(path)} holds no graph: it was not written by cnnlab.prune.save")
    graph = Graph.from_json(about[KEY])
    model = skeleton(graph)
    try:
        model.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{os.fspath(path)}: its tensors are not those of its graph ({error})") from error
    return graph, model.eval()
