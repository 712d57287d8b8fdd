"""The small blocks: one layer each, the ways round a block, and the gate of squeeze-excite."""

from __future__ import annotations

from collections.abc import Callable

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Image
from cnnlab.arch.whole import Truth, Whole, check_int, some

# One layer each.


def conv(
    x: Image,
    width: Whole,
    kernel: op.Sides = 3,
    stride: int = 1,
    *,
    groups: Whole = 1,
    dilation: int = 1,
    padding: op.Sides | None = None,
    bias: bool = False,
) -> Image:
    """Convolution to `width` channels; kernel and padding are one number, or (height, width).

    The default padding keeps the size at stride 1 (odd kernels).
    """
    padding = _same(kernel, dilation) if padding is None else padding
    return x.apply("conv", op.Conv(width, kernel, stride, padding, groups, dilation, bias))


def _same(kernel: op.Sides, dilation: int) -> op.Sides:
    """The padding that keeps the size at stride 1."""
    if isinstance(kernel, tuple):
        return dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2
    return dilation * (check_int("kernel", kernel) - 1) // 2


def norm(x: Image) -> Image:
    """The architecture's normalisation (batch normalisation unless it says otherwise)."""
    return x.apply("norm", x.tape.norm)


def act(x: Image, kind: str = "relu") -> Image:
    """Activation function; see `cnnlab.arch.layers.ACTIVATIONS`."""
    return x.apply("act", op.Act(kind))


def max_pool(x: Image, kernel: int, stride: int, padding: int = 0, *, ceil: bool = False) -> Image:
    """The largest value of each window; ceil: also of a last one that hangs over the edge."""
    return x.apply("pool", op.MaxPool(kernel, stride, padding, ceil))


def avg_pool(x: Image, kernel: int, stride: int, padding: int = 0, *, ceil: bool = False) -> Image:
    """The mean of each window; ceil: also of a last one that hangs over the edge."""
    return x.apply("pool", op.AvgPool(kernel, stride, padding, ceil))


def global_pool(x: Image, size: int = 1) -> Image:
    """The mean of each channel: an image of one pixel, or of size x size equal parts."""
    return x.apply("pool", op.AdaptivePool(size))


def flatten(x: Image) -> Image:
    """The image as one flat vector."""
    return x.apply("flatten", op.Flatten())


def linear(x: Image, width: Whole, *, bias: bool = True, each_pixel: bool = False) -> Image:
    """Fully connected layer to `width` numbers, from a flat vector or (each_pixel) from each pixel's channels."""
    return x.apply("linear", op.Linear(width, bias, each_pixel))


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


def layer_scale(x: Image, initial: float = 1e-6) -> Image:
    """Each channel times a learned factor that begins at `initial`."""
    return x.apply("scale", op.LayerScale(initial))


# Ways round a block, and side by side.


def keeps(x: Image, width: Whole, stride: int) -> Truth:
    """Whether an image of `width` channels at this stride has the shape of x, so that x can just be added to it."""
    return (x.channels == width) & (stride == 1)


def changes(x: Image, width: Whole, stride: int) -> Truth:
    """The opposite of `keeps`."""
    return (x.channels != width) | (stride != 1)


def shortcut(x: Image, width: Whole, stride: int = 1, option: str = "B") -> Image:
    """The way round a block: x itself where its shape is kept, else one of these options.

    "A": every stride-th pixel, and zeros for the new channels, free of parameters (He et al. 2015, section 4.1);
    "B": a projection, a 1x1 convolution with norm (the same section);
    "D": the mean of each stride x stride window, then the projection, so that no pixel is ignored (He et al. 2019).
    """
    changed = changes(x, width, stride)
    if option not in ("A", "B", "D"):
        raise ValueError(
            f"option={option!r}: the shortcut must be 'A' (zero padding), 'B' (projection) or 'D' (pooled projection)"
        )
    if not some(changed):
        return x
    y = x.only(changed).inside("shortcut")
    if option == "B":
        return norm(conv(y, width, 1, stride))
    if option == "D":
        return norm(conv(avg_pool(y, stride, stride, ceil=True) if stride != 1 else y, width, 1))
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


def branches(x: Image, *ways: Callable[[Image], Image]) -> Image:
    """Several ways from x, each in a scope of its own ("branch1", ...), their images stacked along the channels."""
    ends = [way(x.inside(f"branch{i}"))._replace(scope=x.scope) for i, way in enumerate(ways, 1)]
    return concat(*ends)


def squeeze_excite(x: Image, squeeze: Whole, kind: str = "silu", gate: str = "sigmoid") -> Image:
    """Each channel times a gate in (0, 1) computed from all channels' means by way of `squeeze` channels
    (Hu et al. 2018)."""
    y = act(conv(global_pool(x.inside("se")), squeeze, 1, bias=True), kind)
    return multiply(x, act(conv(y, x.channels, 1, bias=True), gate))
