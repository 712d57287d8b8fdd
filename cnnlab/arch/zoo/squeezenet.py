"""SqueezeNet 1.0 and 1.1, as functions: their fire modules differ one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cnnlab.arch.blocks import act, branches, conv, dropout, flatten, global_pool, max_pool
from cnnlab.arch.graph import Image
from cnnlab.arch.network import Network

FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Width of the squeeze and of each expand of fire2 to fire9: Iandola et al. 2016, Table 1."""


def fire(x: Image, squeeze: int, expand: int) -> Image:
    """1x1 to `squeeze` channels, then 1x1 and 3x3 side by side to `expand` each (Iandola et al. 2016, figure 1)."""
    y = act(conv(x, squeeze, 1, bias=True))
    return branches(y, *[lambda z, k=k: act(conv(z, expand, k, bias=True)) for k in (1, 3)])


def squeezenet(x: Image, classes: int, *, stem: tuple[int, int], pools: tuple[int, ...], drop: float = 0.5) -> Image:
    """SqueezeNet (Iandola et al. 2016, Table 1), without shortcuts.

    stem: width and kernel of the first convolution. pools: the numbers of the fires that max pooling follows.
    """
    width, kernel = stem
    x = max_pool(act(conv(x.at("stem"), width, kernel, 2, padding=0, bias=True)), 3, 2, ceil=True)
    stage = 1
    for number, (squeeze, expand) in enumerate(FIRES, 2):
        x = fire(x.at(f"stage{stage}.fire{number}"), squeeze, expand)
        if number in pools:
            x, stage = max_pool(x, 3, 2, ceil=True), stage + 1
    x = act(conv(dropout(x.at("head"), drop), classes, 1, bias=True))
    return flatten(global_pool(x))


SQUEEZENETS: Mapping[str, Callable[[str], Network]] = {
    "squeezenet1_0": partial(Network, forward=squeezenet, options={"stem": (96, 7), "pools": (4, 8)}),
    # "SqueezeNet v1.1" of the authors' repository: 2.4 times cheaper, by pooling earlier.
    "squeezenet1_1": partial(Network, forward=squeezenet, options={"stem": (64, 3), "pools": (3, 5)}),
}
"""name -> a function that makes the network of that name."""
