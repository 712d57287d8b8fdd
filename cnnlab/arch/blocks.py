"""Blocks: functions from a symbolic image to a symbolic image, each written once.

The small ones (`conv`, `norm`, `act`, ...) write one layer; the others are the blocks of the papers. A block of your
own is a function `block(x, width, stride=1, **options)`; put it in a `Stage` and everything works on it.
"""

from __future__ import annotations

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Image
from cnnlab.arch.whole import Truth, Whole, at_least, check_int, check_real, floor, some

# One layer each.


def conv(
    x: Image,
    width: Whole,
    kernel: int = 3,
    stride: int = 1,
    *,
    groups: Whole = 1,
    dilation: int = 1,
    padding: int | None = None,
    bias: bool = False,
) -> Image:
    """Convolution to `width` channels. The default padding keeps the size at stride 1 (odd kernels)."""
    padding = dilation * (check_int("kernel", kernel) - 1) // 2 if padding is None else padding
    return x.apply("conv", op.Conv(width, kernel, stride, padding, groups, dilation, bias))


def norm(x: Image) -> Image:
    """The architecture's normalisation (batch normalisation unless it says otherwise)."""
    return x.apply("norm", x.tape.norm)


def act(x: Image, kind: str = "relu") -> Image:
    """Activation function; see `cnnlab.arch.layers.ACTIVATIONS`."""
    return x.apply("act", op.Act(kind))


def max_pool(x: Image, kernel: int, stride: int, padding: int = 0) -> Image:
    """The largest value of each window."""
    return x.apply("pool", op.MaxPool(kernel, stride, padding))


def avg_pool(x: Image, kernel: int, stride: int, padding: int = 0) -> Image:
    """The mean of each window."""
    return x.apply("pool", op.AvgPool(kernel, stride, padding))


def global_pool(x: Image) -> Image:
    """The mean of each channel: an image of one pixel."""
    return x.apply("pool", op.AdaptivePool(1))


def flatten(x: Image) -> Image:
    """The image as one flat vector."""
    return x.apply("flatten", op.Flatten())


def linear(x: Image, width: Whole, *, bias: bool = True) -> Image:
    """Fully connected layer from a flat vector to `width` numbers."""
    return x.apply("linear", op.Linear(width, bias))


def add(x: Image, *others: Image) -> Image:
    """The sum of images of one shape."""
    return x.apply("add", op.Add(), *others)


def multiply(x: Image, gate: Image) -> Image:
    """The image times a gate of as many channels."""
    return x.apply("multiply", op.Multiply(), gate)


def concat(x: Image, *others: Image) -> Image:
    """Images of one size stacked along the channels."""
    return x.apply("concat", op.Concat(), *others)


def dropout(x: Image, rate: float) -> Image:
    """Dropout of single numbers while training; no layer at rate 0."""
    return x.apply("dropout", op.Dropout(rate)) if rate else x


def drop_path(x: Image) -> Image:
    """Stochastic depth at the rate that the architecture gives this block; no layer at rate 0."""
    return x.apply("drop", op.DropPath(x.drop)) if x.drop else x


# Shortcuts.


def keeps(x: Image, width: Whole, stride: int) -> Truth:
    """Whether an image of `width` channels at this stride has the shape of x, so that x can just be added to it."""
    return (x.channels == width) & (stride == 1)


def changes(x: Image, width: Whole, stride: int) -> Truth:
    """The opposite of `keeps`."""
    return (x.channels != width) | (stride != 1)


def shortcut(x: Image, width: Whole, stride: int = 1, option: str = "B") -> Image:
    """The way round a block: x itself where its shape is kept, else the option of He et al. 2015, section 4.1.

    option "A": every stride-th pixel, and zeros for the new channels, free of parameters;
    option "B": a projection, a 1x1 convolution with norm.
    """
    changed = changes(x, width, stride)
    if option not in ("A", "B"):
        raise ValueError(f"option={option!r}: the shortcut must be 'A' (zero padding) or 'B' (projection)")
    if not some(changed):
        return x
    y = x.only(changed).inside("shortcut")
    if option == "B":
        return norm(conv(y, width, 1, stride))
    y = avg_pool(y, 1, stride) if stride != 1 else y
    return y.apply("pad", op.PadChannels(width)) if some(x.channels != width) else y


def residual(y: Image, x: Image, stride: int = 1) -> Image:
    """y + x where x keeps its shape, else y: the shortcut of MBConv, which is never a projection."""
    kept = keeps(x, y.channels, stride)
    if not some(kept):
        return y
    # In the settings where the shapes differ the sum has count 0: there x may pass for an image of y's shape.
    x = x._replace(channels=y.channels, size=y.size)
    return add(drop_path(y.only(kept)), x)._replace(count=y.count)


# The blocks of the papers.


def plain(x: Image, width: Whole, stride: int = 1) -> Image:
    """Two 3x3 convolutions and no shortcut: the plain network of He et al. 2015."""
    y = act(norm(conv(x, width, 3, stride)))
    return act(norm(conv(y, width, 3)))


def basic(x: Image, width: Whole, stride: int = 1, *, option: str = "B") -> Image:
    """Two 3x3 convolutions and a shortcut: ResNet-18 and -34, CIFAR ResNets (He et al. 2015)."""
    y = act(norm(conv(x, width, 3, stride)))
    y = norm(conv(y, width, 3))
    return act(add(drop_path(y), shortcut(x, width, stride, option)))


def bottleneck(x: Image, width: Whole, stride: int = 1, *, groups: int = 1, group_width: int = 64) -> Image:
    """1x1 down, 3x3, 1x1 up to 4 width (He et al. 2015; stride in the 3x3, as torchvision's V1.5).

    The 3x3 has hidden = width * group_width / 64 * groups channels: ResNeXt-50 32x4d has 32 groups of width 4 at
    width 64 (Xie et al. 2017), Wide-ResNet-50-2 one group of width 128 (Zagoruyko and Komodakis 2016).
    """
    hidden = width * group_width // 64 * groups
    y = act(norm(conv(x, hidden, 1)))
    y = act(norm(conv(y, hidden, 3, stride, groups=groups)))
    y = norm(conv(y, 4 * width, 1))
    return act(add(drop_path(y), shortcut(x, 4 * width, stride)))


def squeeze_excite(x: Image, squeeze: Whole, kind: str = "silu", gate: str = "sigmoid") -> Image:
    """Each channel times a gate in (0, 1) computed from all channels' means by way of `squeeze` channels."""
    y = act(conv(global_pool(x.inside("se")), squeeze, 1, bias=True), kind)
    return multiply(x, act(conv(y, x.channels, 1, bias=True), gate))


def mbconv(
    x: Image, width: Whole, stride: int = 1, *, kernel: int = 3, expand: int = 6, se: float = 0.25, kind: str = "silu"
) -> Image:
    """1x1 up to expand * channels, depthwise, squeeze-excite to se * channels, 1x1 down; no activation after it
    (Sandler et al. 2018; Tan and Le 2019)."""
    hidden = expand * x.channels
    y = act(norm(conv(x, hidden, 1)), kind) if expand != 1 else x
    y = act(norm(conv(y, hidden, kernel, stride, groups=hidden)), kind)
    y = squeeze_excite(y, at_least(floor(check_real("se", se, above=0, most=16) * x.channels), 1), kind) if se else y
    y = norm(conv(y, width, 1))
    return residual(y, x, stride)


def fused_mbconv(
    x: Image, width: Whole, stride: int = 1, *, kernel: int = 3, expand: int = 4, kind: str = "silu"
) -> Image:
    """MBConv with its 1x1 and its depthwise convolution fused into one, no squeeze-excite (Tan and Le 2021)."""
    if expand == 1:
        return residual(act(norm(conv(x, width, kernel, stride)), kind), x, stride)
    y = act(norm(conv(x, expand * x.channels, kernel, stride)), kind)
    return residual(norm(conv(y, width, 1)), x, stride)


# Stems and heads.


def conv_stem(x: Image, width: Whole, stride: int = 1, *, kernel: int = 3, kind: str = "relu") -> Image:
    """One convolution with norm and activation: the stem of CIFAR ResNets (stride 1) and EfficientNets (stride 2)."""
    return act(norm(conv(x, width, kernel, stride)), kind)


def resnet_stem(x: Image, width: Whole, stride: int = 4) -> Image:
    """7x7 convolution at half the stride, then 3x3 max pooling at stride 2."""
    return max_pool(act(norm(conv(x, width, 7, stride // 2))), 3, 2, padding=1)


def pool_head(x: Image, classes: Whole, *, drop: float = 0.0) -> Image:
    """Global average pooling and one fully connected layer."""
    return linear(dropout(flatten(global_pool(x)), drop), classes)


def conv_head(x: Image, classes: Whole, *, width: Whole, drop: float = 0.0, kind: str = "silu") -> Image:
    """1x1 convolution to `width`, then `pool_head`: EfficientNet."""
    return pool_head(act(norm(conv(x, width, 1)), kind), classes, drop=drop)
