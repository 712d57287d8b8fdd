"""GoogLeNet and Inception v3, as functions: ways of different kinds side by side, no two modules alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cnnlab.arch.blocks import act, avg_pool, branches, concat, conv, max_pool, norm, pool_head
from cnnlab.arch.graph import Image
from cnnlab.arch.layers import Affine, BatchNorm, Sides, Slice
from cnnlab.arch.network import Network


def unit(x: Image, width: int, kernel: Sides = 1, stride: int = 1, *, padding: Sides | None = None) -> Image:
    """Convolution, norm, activation."""
    return act(norm(conv(x, width, kernel, stride, padding=padding)))


def inception(x: Image, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> Image:
    """1x1, 3x3, "5x5" and pooling side by side (Szegedy et al. 2015, figure 2b). Like torchvision's and its weights,
    the 5x5 is a 3x3."""
    return branches(
        x,
        lambda y: unit(y, one),
        lambda y: unit(unit(y, three[0]), three[1], 3),
        lambda y: unit(unit(y, five[0]), five[1], 3),
        lambda y: unit(max_pool(y, 3, 1, 1, ceil=True), pool),
    )


MODULES = (  # 1x1, 3x3 and what reduces to it, 5x5 likewise, pooling: Szegedy et al. 2015, Table 1
    ("3a", 64, (96, 128), (16, 32), 32),
    ("3b", 128, (128, 192), (32, 96), 64),
    ("4a", 192, (96, 208), (16, 48), 64),
    ("4b", 160, (112, 224), (24, 64), 64),
    ("4c", 128, (128, 256), (24, 64), 64),
    ("4d", 112, (144, 288), (32, 64), 64),
    ("4e", 256, (160, 320), (32, 128), 128),
    ("5a", 256, (160, 320), (32, 128), 128),
    ("5b", 384, (192, 384), (48, 128), 128),
)


def recentred(x: Image) -> Image:
    """An image normalised with ImageNet's mean and deviation, as if normalised with 0.5 and 0.5."""
    x = x.at("input")
    channels = enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))
    images = [
        x.apply("channel", Slice(i, i + 1)).apply("centre", Affine(deviation / 0.5, (mean - 0.5) / 0.5))
        for i, (mean, deviation) in channels
    ]
    return concat(*images)


def googlenet(x: Image, classes: int, *, drop: float = 0.2, transform_input: bool = False) -> Image:
    """GoogLeNet (Szegedy et al. 2015, Table 1) with batch normalisation, and without the two heads that only training
    uses.

    transform_input: take images as torchvision normalises them to a network that wants them otherwise. torchvision's
    pretrained weights need it, as they do there: `replace(arch, options={"transform_input": True})`.
    """
    x = recentred(x) if transform_input else x
    x = max_pool(unit(x.at("stem"), 64, 7, 2), 3, 2, ceil=True)
    x = max_pool(unit(unit(x, 64), 192, 3), 3, 2, ceil=True)
    for name, *widths in MODULES:
        x = inception(x.at(f"inception{name[0]}.{name[1]}"), *widths)  # type: ignore[arg-type]
        if name in ("3b", "4e"):
            x = max_pool(x, 3 if name == "3b" else 2, 2, ceil=True)
    return pool_head(x.at("head"), classes, drop=drop)


def mixed_5(x: Image, pool: int) -> Image:
    """Figure 5 of Szegedy et al. 2016 at 35 px."""
    return branches(
        x,
        lambda y: unit(y, 64),
        lambda y: unit(unit(y, 48), 64, 5),
        lambda y: unit(unit(unit(y, 64), 96, 3), 96, 3),
        lambda y: unit(avg_pool(y, 3, 1, 1), pool),
    )


def mixed_6(x: Image, width: int) -> Image:
    """Figure 6 of the same paper at 17 px: 7x7 convolutions as 1x7 and 7x1."""

    def sevens(y: Image, *widths: int, high: bool) -> Image:
        for n in widths:
            y = unit(y, n, (7, 1) if high else (1, 7))
            high = not high
        return y

    return branches(
        x,
        lambda y: unit(y, 192),
        lambda y: sevens(unit(y, width), width, 192, high=False),
        lambda y: sevens(unit(y, width), width, width, width, 192, high=True),
        lambda y: unit(avg_pool(y, 3, 1, 1), 192),
    )


def mixed_7(x: Image) -> Image:
    """Figure 7 of the same paper at 8 px: 1x3 and 3x1 side by side."""

    def split(y: Image) -> Image:
        return branches(y, lambda z: unit(z, 384, (1, 3)), lambda z: unit(z, 384, (3, 1)))

    return branches(
        x,
        lambda y: unit(y, 320),
        lambda y: split(unit(y, 384)),
        lambda y: split(unit(unit(y, 448), 384, 3)),
        lambda y: unit(avg_pool(y, 3, 1, 1), 192),
    )


def reduction(x: Image, *ways: Callable[[Image], Image]) -> Image:
    """Ways that halve the size, and max pooling beside them (section 5 of the same paper)."""
    return branches(x, *ways, lambda y: max_pool(y, 3, 2))


def inception_v3(x: Image, classes: int, *, drop: float = 0.5, transform_input: bool = False) -> Image:
    """Inception v3 (Szegedy et al. 2016, Table 1, as the authors' code and torchvision have it), without the head that
    only training uses. transform_input: see `googlenet`."""
    x = recentred(x) if transform_input else x
    x = unit(unit(x.at("stem"), 32, 3, 2, padding=0), 32, 3, padding=0)
    x = unit(max_pool(unit(x, 64, 3), 3, 2), 80)
    x = max_pool(unit(x, 192, 3, padding=0), 3, 2)
    for name, pool in (("5b", 32), ("5c", 64), ("5d", 64)):
        x = mixed_5(x.at(f"mixed{name[0]}.{name[1]}"), pool)
    x = reduction(
        x.at("mixed6.a"),
        lambda y: unit(y, 384, 3, 2, padding=0),
        lambda y: unit(unit(unit(y, 64), 96, 3), 96, 3, 2, padding=0),
    )
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        x = mixed_6(x.at(f"mixed{name[0]}.{name[1]}"), width)
    x = reduction(
        x.at("mixed7.a"),
        lambda y: unit(unit(y, 192), 320, 3, 2, padding=0),
        lambda y: unit(unit(unit(unit(y, 192), 192, (1, 7)), 192, (7, 1)), 192, 3, 2, padding=0),
    )
    for name in ("7b", "7c"):
        x = mixed_7(x.at(f"mixed{name[0]}.{name[1]}"))
    return pool_head(x.at("head"), classes, drop=drop)


INCEPTIONS: Mapping[str, Callable[[str], Network]] = {
    "googlenet": partial(Network, forward=googlenet, norm=BatchNorm(1e-3)),
    "inception_v3": partial(Network, forward=inception_v3, resolution=299, norm=BatchNorm(1e-3)),
}
"""name -> a function that makes the network of that name."""
