"""Networks as their papers print them, where `cnnlab.names()` has another form of them or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from cnnlab.arch.architecture import Architecture, Block, Head, Stage
from cnnlab.arch.blocks import act, add, basic, conv, conv_stem, keeps, norm, pool_head, shortcut
from cnnlab.arch.graph import Image
from cnnlab.arch.network import Network
from cnnlab.arch.whole import Whole, check_int
from cnnlab.arch.zoo import architecture, names
from cnnlab.arch.zoo.efficientnet import efficientnet_v2
from cnnlab.arch.zoo.mobilenet import mobilenet_v1
from cnnlab.arch.zoo.regnet import NUMBERS, regnet
from cnnlab.arch.zoo.resnet import DEPTHS, cifar, resnet


def first_bottleneck(x: Image, width: Whole, stride: int = 1) -> Image:
    """The bottleneck of He et al. 2015 itself: the stride is in the first 1x1, where torchvision has it in the 3x3."""
    y = act(norm(conv(x, width, 1, stride)))
    y = act(norm(conv(y, width, 3)))
    return act(add(norm(conv(y, 4 * width, 1)), shortcut(x, 4 * width, stride)))


def projected(x: Image, width: Whole, stride: int = 1) -> Image:
    """Two 3x3 convolutions and a projection round every block: option C of He et al. 2015, section 4.1."""
    y = act(norm(conv(x, width, 3, stride)))
    y = norm(conv(y, width, 3))
    return act(add(y, norm(conv(x.inside("shortcut"), width, 1, stride))))


def preactivated(x: Image, width: Whole, stride: int = 1) -> Image:
    """norm, activation, 3x3, twice, and a shortcut without norm (He et al. 2016; the B(3, 3) of Wide ResNet)."""
    y = act(norm(x))
    around = x if keeps(x, width, stride) else conv(y.inside("shortcut"), width, 1, stride)
    y = act(norm(conv(y, width, 3, stride)))
    return add(conv(y, width, 3), around)


def bare_stem(x: Image, width: Whole, stride: int = 1) -> Image:
    """A 3x3 convolution; its norm and activation stand in the block that follows."""
    return conv(x, width, 3, stride)


def activated_head(x: Image, classes: Whole) -> Image:
    """The norm and activation that the last block leaves open, then `pool_head`."""
    return pool_head(act(norm(x)), classes)


def thin_wrn(depth: int) -> Architecture:
    """WRN-`depth`-1 (Zagoruyko and Komodakis 2016, Table 1), at 32 px for 10 classes; `cl.scaled(..., width=k)` widens.

    Raises TypeError or ValueError, as a sentence, for a depth that is not 6n + 4.

    >>> import cnnlab as cl
    >>> cl.scaled(thin_wrn(28), width=10).cost().params
    36479194
    """
    if (check_int("depth", depth) - 4) % 6 or depth < 10:
        raise ValueError(f"depth={depth}: a Wide ResNet of two 3x3 to a block has 6n + 4 layers, such as 16, 28 or 40")
    stages = tuple(Stage(preactivated, (depth - 4) // 6, 16 * 2**i, 2 if i else 1) for i in range(3))
    stem = Stage(bare_stem, 1, 16, fixed=("width",))
    return Architecture(f"wrn{depth}", stem, stages, Head(activated_head), resolution=32, classes=10, divisor=1)


def _fixed_stem(name: str, layers: int) -> Architecture:
    """ResNet-18 or -34 whose stem keeps its 64 channels when the blocks are widened (Wide ResNet, Table 7)."""
    arch = resnet(name, *DEPTHS[layers])
    return replace(arch, stem=replace(arch.stem, fixed=("width",)))


def _full_mobilenet(name: str) -> Architecture:
    """MobileNetV1 with a full 3x3 convolution in place of each separable one (Howard et al. 2017, Table 4)."""
    arch = mobilenet_v1(name)
    return replace(arch, stages=tuple(replace(stage, block=conv_stem) for stage in arch.stages))


def _shallow_mobilenet(name: str) -> Architecture:
    """MobileNetV1 without its five layers of 512 channels at 14 px (Howard et al. 2017, Table 5)."""
    arch = mobilenet_v1(name)
    return replace(arch, stages=tuple(replace(s, depth=1) if s.width == 512 else s for s in arch.stages))


V2_BASE = [(1, 1, 1, 16, 1), (1, 4, 2, 32, 2), (1, 4, 2, 48, 2), (0, 4, 2, 96, 3), (0, 6, 1, 112, 5), (0, 6, 2, 192, 8)]
"""fused, expand, stride, channels, layers: v2_base_block of the authors' effnetv2_configs.py."""


def _v2_base(name: str) -> Architecture:
    """What EfficientNetV2-B0 to -B3 are multiples of (the same file)."""
    arch = efficientnet_v2(name, V2_BASE, 224, 0.2)
    first, *others = arch.stages
    # Their rounding lacks the 90 % rule of version 1: of the four networks it shows in B3 alone, where 16 stays 16.
    return replace(arch, stem=replace(arch.stem, width=32), stages=(replace(first, fixed=("width",)), *others))


def _pycls(name: str, of: str, se: float = 0.0) -> Architecture:
    """A RegNet whose widths pycls rounds otherwise than torchvision, which has its name."""
    d, w0, wa, wm, group_width = NUMBERS[of]
    return regnet(name, d=d, w0=w0, wa=wa, wm=wm, group_width=group_width, se=se)


def _resnet(name: str, layers: int, block: Block | None = None, **options: object) -> Architecture:
    usual, depths = DEPTHS[layers]
    return resnet(name, block or usual, depths, **options)


PRINTED: Mapping[str, Callable[[str], Architecture]] = {
    "resnet18_a": partial(_resnet, layers=18, option="A"),
    "resnet34_a": partial(_resnet, layers=34, option="A"),
    "resnet34_c": partial(_resnet, layers=34, block=projected),
    **{f"resnet{n}_first": partial(_resnet, layers=n, block=first_bottleneck) for n in (50, 101, 152)},
    "resnext101_32x4d": partial(_resnet, layers=101, groups=32, group_width=4),
    "resnext152_32x4d": partial(_resnet, layers=152, groups=32, group_width=4),
    "cifar_resnet1202": partial(cifar, block=basic, depth=1202, option="A"),
    **{f"wrn{n}": lambda name: thin_wrn(int(name[3:])) for n in (16, 22, 28, 40, 52)},
    "wrn18_imagenet": partial(_fixed_stem, layers=18),
    "wrn34_imagenet": partial(_fixed_stem, layers=34),
    "mobilenet_v1_full": _full_mobilenet,
    "mobilenet_v1_shallow": _shallow_mobilenet,
    "efficientnet_v2_base": _v2_base,
    "regnetx_004": partial(_pycls, of="regnet_x_400mf"),
    "regnety_008": partial(_pycls, of="regnet_y_800mf", se=0.25),
    "regnety_080": partial(_pycls, of="regnet_y_8gf", se=0.25),
}
"""name, as `data/published.csv` has it in its column base -> a function that makes the architecture of that name."""


def printed(name: str) -> Architecture | Network:
    """The network of that name, from `cnnlab.names()` or from `PRINTED`.

    Raises ValueError, as a sentence, for a name that is in neither.

    >>> printed("mobilenet_v1_full").cost().macs
    4867293184
    """
    if name in PRINTED:
        return PRINTED[name](name)
    if name in names():
        return architecture(name)
    raise ValueError(f"base {name!r} is neither in cnnlab.names() nor one of {', '.join(PRINTED)}")
