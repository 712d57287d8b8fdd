"""DenseNet, as a function: each layer of a block adds channels, so no two of them are alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cnnlab.arch.blocks import act, avg_pool, concat, conv, norm, pool_head, resnet_stem
from cnnlab.arch.graph import Image
from cnnlab.arch.network import Network


def dense(x: Image, growth: int, squeeze: int = 4) -> Image:
    """norm, 1x1 to squeeze * growth, norm, 3x3 to growth new channels, stacked after those that came in
    (DenseNet-B: Huang et al. 2017, section 3)."""
    y = conv(act(norm(x)), squeeze * growth, 1)
    return concat(x, conv(act(norm(y)), growth, 3))


def densenet(x: Image, classes: int, *, growth: int, depths: tuple[int, ...], stem: int) -> Image:
    """DenseNet-BC (Huang et al. 2017, Table 1): dense blocks of these depths, and between them transitions that halve
    the channels (compression 0.5) and the size."""
    x = resnet_stem(x.at("stem"), stem)
    for i, depth in enumerate(depths, 1):
        for j in range(depth):
            x = dense(x.at(f"dense{i}.{j}"), growth)
        if i < len(depths):
            x = act(norm(x.at(f"transition{i}")))
            x = avg_pool(conv(x, x.channels // 2, 1), 2, 2)
    return pool_head(act(norm(x.at("head"))), classes)


def _densenet(name: str, growth: int, depths: tuple[int, ...], stem: int) -> Network:
    return Network(name, densenet, options={"growth": growth, "depths": depths, "stem": stem})


DENSENETS: Mapping[str, Callable[[str], Network]] = {
    "densenet121": partial(_densenet, growth=32, depths=(6, 12, 24, 16), stem=64),
    "densenet161": partial(_densenet, growth=48, depths=(6, 12, 36, 24), stem=96),
    "densenet169": partial(_densenet, growth=32, depths=(6, 12, 32, 32), stem=64),
    "densenet201": partial(_densenet, growth=32, depths=(6, 12, 48, 32), stem=64),
}
"""name -> a function that makes the network of that name."""
