"""Names for the classes of a network: from the paths of its layers, or from what a block is made of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnnlab.arch import layers as ops
from cnnlab.arch.graph import Layer
from cnnlab.arch.source.parts import Leaf, Part

ROLES = {
    **{ops.Conv: "Conv", ops.BatchNorm: "Norm", ops.LayerNorm: "Norm", ops.Act: "Act", ops.Linear: "Linear"},
    **{ops.MaxPool: "Pool", ops.AvgPool: "Pool", ops.AdaptivePool: "Pool", ops.Dropout: "Dropout"},
    **{ops.Flatten: "Flatten", ops.PadChannels: "Pad", ops.Pad: "Pad", ops.Shuffle: "Shuffle"},
}
"""What a layer is in the name of a chain of them."""


SPELLINGS = {"googlenet": "GoogLeNet", "convnext": "ConvNeXt", "vgg": "VGG", "mnasnet": "MNASNet"}
"""Names whose capitals no rule gives."""


def network_name(name: str) -> str:
    """The name of a network as that of a class.

    >>> network_name("efficientnet_b0"), network_name("resnet50"), network_name("squeezenet1_1")
    ('EfficientNetB0', 'ResNet50', 'SqueezeNet1_1')
    """
    for plain, theirs in SPELLINGS.items():
        name = re.sub(rf"^{plain}", theirs, name)
    name = re.sub(r"net(?=\d|_|$)", "Net", re.sub(r"\W", "_", name))
    name = re.sub(r"(?<=\d)_(?=\d)", "\0", name)
    name = "".join(word[:1].upper() + word[1:] for word in name.split("_")).replace("\0", "_")
    return name if name.isidentifier() else f"Network{name}"


def kind_name(full: Part, parts: Sequence[Part], layers: Sequence[Layer]) -> str:
    """The name for a kind of container."""
    inside = [layers[i] for i in _positions(full)]
    chain = all(isinstance(step, Leaf) for step in full.steps)
    return _structure(inside) or _path(parts) or (_words(inside) if chain else "") or "Block"


def _structure(inside: list[Layer]) -> str:
    """The papers' name of a block with these layers, or "" if none is plain."""
    kernels = [layer.op.kernel for layer in inside if isinstance(layer.op, ops.Conv)]
    add = any(isinstance(layer.op, ops.Add) for layer in inside)
    gate = any(isinstance(layer.op, ops.Multiply) for layer in inside)
    depthwise = [
        isinstance(layer.op, ops.Conv) and layer.op.groups == layer.channels and layer.channels > 1 for layer in inside
    ]
    main = [
        layer.op.kernel
        for layer in inside
        if isinstance(layer.op, ops.Conv) and not {"shortcut", "downsample"} & set(layer.name.split("."))
    ]
    if gate and any(isinstance(layer.op, ops.AdaptivePool) for layer in inside) and kernels in ([1, 1], []):
        return "SqueezeExcite"
    if any(depthwise) and len(kernels) >= 2 and any(isinstance(layer.op, ops.Concat) for layer in inside) is False:
        first = depthwise[next(i for i, layer in enumerate(inside) if isinstance(layer.op, ops.Conv))]
        if main[-1] == 1:
            return "SeparableConv" if first else "MBConv" if gate else "InvertedResidual"
    if add and main == [1, 3, 1]:
        return "Bottleneck"
    if main == [3, 1] and add:
        return "FusedMBConv"
    if add and main == [3, 3]:
        return "BasicBlock"
    return "PlainBlock" if main == [3, 3] == kernels and len(inside) == 6 else ""


def _path(parts: Sequence[Part]) -> str:
    """What the containers' own names have in common."""
    stems = {re.split(r"[^a-zA-Z]", re.sub(r"(\.\d+)+$", "", part.attribute).split(".")[-1])[0] for part in parts}
    stem = stems.pop() if len(stems) == 1 else ""
    stem = {"se": "SqueezeExcite"}.get(stem, stem)
    return "" if len(stem) < 3 or stem in ("branch", "conv", "block", "layer", "stage") else stem[0].upper() + stem[1:]


def _words(inside: list[Layer]) -> str:
    words = [ROLES.get(type(layer.op), "") for layer in inside]
    return "".join(words) if all(words) and len(words) <= 4 else ""


def _positions(part: Part) -> list[int]:
    found: list[int] = []
    for step in part.steps:
        found += _positions(step) if isinstance(step, Part) else step.gives
    return found
