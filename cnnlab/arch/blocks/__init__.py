"""Blocks: functions from a symbolic image to a symbolic image, each written once.

The small ones (`conv`, `norm`, `act`, ...) write one layer; the others are the blocks of the papers. A block of your
own is a function `block(x, width, stride=1, **options)`; put it in a `Stage` and everything works on it.
"""

from cnnlab.arch.blocks.convnext import convnext_block, norm_head, patch_stem
from cnnlab.arch.blocks.heads import conv_head, conv_stem, hidden_head, pool_head
from cnnlab.arch.blocks.mobile import fused_mbconv, mbconv, mbconv_v3, separable
from cnnlab.arch.blocks.parts import (
    act,
    add,
    avg_pool,
    branches,
    changes,
    concat,
    conv,
    drop_path,
    dropout,
    flatten,
    global_pool,
    keeps,
    layer_scale,
    linear,
    max_pool,
    multiply,
    norm,
    residual,
    shortcut,
    squeeze_excite,
)
from cnnlab.arch.blocks.resnet import basic, bottleneck, deep_stem, plain, regnet_bottleneck, resnet_stem
from cnnlab.arch.blocks.vgg import vgg_conv, vgg_head, vgg_stem

__all__ = [
    "act",
    "add",
    "avg_pool",
    "basic",
    "bottleneck",
    "branches",
    "changes",
    "concat",
    "conv",
    "conv_head",
    "conv_stem",
    "convnext_block",
    "deep_stem",
    "drop_path",
    "dropout",
    "flatten",
    "fused_mbconv",
    "global_pool",
    "hidden_head",
    "keeps",
    "layer_scale",
    "linear",
    "max_pool",
    "mbconv",
    "mbconv_v3",
    "multiply",
    "norm",
    "norm_head",
    "patch_stem",
    "plain",
    "pool_head",
    "regnet_bottleneck",
    "residual",
    "resnet_stem",
    "separable",
    "shortcut",
    "squeeze_excite",
    "vgg_conv",
    "vgg_head",
    "vgg_stem",
]
