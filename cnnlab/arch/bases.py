"""The families: networks that are there to be scaled, and what they start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.arch.architecture import Architecture
from cnnlab.arch.whole import is_array
from cnnlab.arch.zoo import architecture, names

FAMILIES: Mapping[str, tuple[str, str]] = {
    "efficientnet": ("EfficientNet (MBConv, squeeze-excite)", "efficientnet_b0"),
    "resnet": ("ResNet (bottleneck blocks)", "resnet50"),
    "resnet_basic": ("ResNet (basic blocks)", "resnet18"),
    "plain": ("Plain network (no shortcuts)", "plain18"),
    "resnet_d": ("ResNet-D (pooled shortcuts)", "resnet50d"),
    "resnet_rs": ("ResNet-RS", "resnetrs50"),
    "seresnet": ("SE-ResNet (squeeze-excite)", "seresnet50"),
    "resnext": ("ResNeXt (32 groups)", "resnext50_32x4d"),
    "wide_resnet": ("Wide ResNet", "wide_resnet50_2"),
    "regnet_x": ("RegNetX", "regnet_x_1_6gf"),
    "regnet_y": ("RegNetY (squeeze-excite)", "regnet_y_1_6gf"),
    "efficientnet_v2": ("EfficientNetV2 (fused MBConv)", "efficientnet_v2_s"),
    "efficientnet_lite": ("EfficientNet-Lite (no squeeze-excite)", "efficientnet_lite0"),
    "mobilenet_v1": ("MobileNetV1 (separable)", "mobilenet_v1"),
    "mobilenet_v2": ("MobileNetV2 (MBConv)", "mobilenet_v2"),
    "mobilenet_v3": ("MobileNetV3 large", "mobilenet_v3_large"),
    "mnasnet": ("MNASNet (MBConv)", "mnasnet1_0"),
    "convnext": ("ConvNeXt", "convnext_tiny"),
    "vgg": ("VGG (plain, no norm)", "vgg16"),
    "vgg_bn": ("VGG with batch norm", "vgg16_bn"),
    "cifar_resnet": ("CIFAR ResNet (32 px)", "cifar_resnet20"),
    "cifar_plain": ("CIFAR plain network (32 px)", "cifar_plain20"),
    "small_resnet": ("small ResNet, measured here", "small_resnet"),
    "small_mbconv": ("small MBConv net, measured here", "small_mbconv"),
    "small_plain": ("small plain net, measured here", "small_plain"),
}
"""key -> what the family is called, and its base in the zoo."""


def base_of(network: Any) -> Architecture:
    """The architecture that a family's name, a name of `cl.names()` or an Architecture stands for.

    Raises ValueError or TypeError, as a sentence, for anything else, and for an architecture that holds arrays.
    """
    if isinstance(network, str):
        if network not in FAMILIES and network not in names():
            families = ", ".join(FAMILIES)
            raise ValueError(
                f"base={network!r} is unknown; it must be {families}, a name of cl.names(), or an Architecture"
            )
        network = architecture(FAMILIES[network][1] if network in FAMILIES else network)
    if not isinstance(network, Architecture):
        raise TypeError(
            f"base={getattr(network, 'name', repr(network))} is a {type(network).__name__}, whose depth and width "
            "nothing says; it must be an Architecture (rows of stages), or the name of a family or of such a network"
        )
    rows = [network.stem, *network.stages]
    if any(map(is_array, [network.resolution, network.head.width, *(n for s in rows for n in (s.depth, s.width))])):
        raise ValueError(f"{network.name} holds arrays, so it is many networks; start from one, of numbers")
    return network
