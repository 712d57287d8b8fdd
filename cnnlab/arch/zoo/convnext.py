"""ConvNeXt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cnnlab.arch.architecture import Architecture, Head, Stage
from cnnlab.arch.blocks import convnext_block, norm_head, patch_stem
from cnnlab.arch.layers import LayerNorm


def convnext(name: str, depths: tuple[int, ...], width: int, drop_path: float) -> Architecture:
    """ConvNeXt (Liu et al. 2022, section 3). drop_path: the rate of stochastic depth of the last block (appendix A)."""
    blocks = sum(depths)
    return Architecture(
        name,
        stem=Stage(patch_stem, 1, width, 4),
        stages=tuple(Stage(convnext_block, d, width * 2**i, 2 if i else 1) for i, d in enumerate(depths)),
        head=Head(norm_head),
        norm=LayerNorm(1e-6),
        drop_path=drop_path * blocks / (blocks - 1),
    )


CONVNEXTS: Mapping[str, Callable[[str], Architecture]] = {
    "convnext_tiny": partial(convnext, depths=(3, 3, 9, 3), width=96, drop_path=0.1),
    "convnext_small": partial(convnext, depths=(3, 3, 27, 3), width=96, drop_path=0.4),
    "convnext_base": partial(convnext, depths=(3, 3, 27, 3), width=128, drop_path=0.5),
    "convnext_large": partial(convnext, depths=(3, 3, 27, 3), width=192, drop_path=0.5),
}
"""name -> a function that makes the architecture of that name."""
