"""VGG as rows, and AlexNet as a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cnnlab.arch.architecture import Architecture, Head, Stage
from cnnlab.arch.blocks import act, conv, dropout, flatten, global_pool, linear, max_pool, vgg_conv, vgg_head, vgg_stem
from cnnlab.arch.graph import Image
from cnnlab.arch.network import Network


def vgg(name: str, depths: tuple[int, ...], *, batch_norm: bool = False) -> Architecture:
    """VGG (Simonyan and Zisserman 2015, Table 1): five groups of 3x3 convolutions with pooling between them.

    The first group is the stem; each later one begins with the pooling that ends the group before it.
    """
    options = {"batch_norm": batch_norm}
    first, *others = depths
    return Architecture(
        name,
        stem=Stage(vgg_stem, 1, 64, 1, {"layers": first, **options}),
        stages=tuple(Stage(vgg_conv, d, w, 2, options) for d, w in zip(others, (128, 256, 512, 512), strict=True)),
        head=Head(vgg_head, 4096, stride=2),
    )


def alexnet(x: Image, classes: int, *, drop: float = 0.5) -> Image:
    """AlexNet on one column (Krizhevsky 2014, "One weird trick", the network that torchvision has)."""
    x = max_pool(act(conv(x.at("stage1"), 64, 11, 4, padding=2, bias=True)), 3, 2)
    x = max_pool(act(conv(x.at("stage2"), 192, 5, bias=True)), 3, 2)
    for stage, width in (("stage3", 384), ("stage4", 256), ("stage5", 256)):
        x = act(conv(x.at(stage), width, 3, bias=True))
    x = flatten(global_pool(max_pool(x, 3, 2).at("head"), 6))
    for _ in range(2):
        x = act(linear(dropout(x, drop), 4096))
    return linear(x, classes)


VGGS: Mapping[str, Callable[[str], Architecture | Network]] = {
    "alexnet": partial(Network, forward=alexnet),
    **{
        f"vgg{n}{'_bn' if bn else ''}": partial(vgg, depths=depths, batch_norm=bn)
        for bn in (False, True)
        for n, depths in ((11, (1, 1, 2, 2, 2)), (13, (2, 2, 2, 2, 2)), (16, (2, 2, 3, 3, 3)), (19, (2, 2, 4, 4, 4)))
    },
}
"""name -> a function that makes the network of that name."""
