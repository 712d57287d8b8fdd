"""The closed set of layers. Each says its output shape, its parameters and its multiply-adds: every formula, once.

A formula takes the images that enter the layer, then the image that leaves it; an image is anything with `channels`
and `size` (height = width, in pixels; None after `Flatten`). Numbers are ints or NumPy arrays alike, so one formula
costs one network or a million. Counts are for one image; a multiply-add counts once, a bias not at all
(the convention of torchvision's `_ops`, and half of FlopCounterMode's FLOPs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from cnnlab.arch.whole import Whole, check_int, check_real, check_whole, some, text


class Sized(Protocol):
    """What a formula needs to know of an image: its channels, and its height = width in pixels (None if flat)."""

    @property
    def channels(self) -> Whole: ...
    @property
    def size(self) -> Whole | None: ...


Shape: TypeAlias = tuple[Whole, Whole | None]
"""(channels, size)"""

Sides: TypeAlias = int | tuple[int, int]
"""A setting of height and width: one number for both, or (height, width)."""

ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "silu", "gelu", "mish"),
    *("sigmoid", "tanh", "hardswish", "hardsigmoid"),
)
"""Each with PyTorch's default constants."""


class Op:
    """What a layer does. The default keeps the shape of its first input and costs nothing."""

    __slots__ = ()

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        """(channels, size) that leave the layer. Raises ValueError, as a sentence, for images that do not fit."""
        return x.channels, x.size

    def params(self, x: Sized, /, *others: Sized) -> Whole:
        """Learned numbers."""
        return 0

    def macs(self, y: Sized, x: Sized, /, *others: Sized) -> Whole:
        """Multiply-adds for one image; `y` is what leaves the layer."""
        return 0


def square(x: Sized) -> Whole:
    """Pixels of one channel: size^2, or 1 for a flat vector."""
    return 1 if x.size is None else x.size * x.size


def area(sides: Sides) -> int:
    """Height times width."""
    return sides * sides if isinstance(sides, int) else sides[0] * sides[1]


def _window(
    size: Whole | None, kernel: Sides, stride: int, padding: Sides, dilation: int = 1, *, ceil: bool = False
) -> Whole:
    """Positions of a sliding window, in one direction; the same in both, because images are square."""
    if isinstance(kernel, tuple) or isinstance(padding, tuple):
        kernels = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        paddings = padding if isinstance(padding, tuple) else (padding, padding)
        high, wide = (_window(size, k, stride, p, dilation, ceil=ceil) for k, p in zip(kernels, paddings, strict=True))
        if some(high != wide):
            raise ValueError(
                f"leaves an image of {text(high)} x {text(wide)} px (kernel {kernel}, padding {padding}), and images "
                "are square here; pad the longer side of the kernel more"
            )
        return high
    if size is None:
        raise ValueError("needs an image, and gets a flat vector; put it before flatten")
    check_int("kernel", kernel)
    check_int("stride", stride)
    check_int("padding", padding, least=0)
    check_int("dilation", dilation)
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    # Rounded up, a last window may hang over the edge, but must begin inside the image or its left padding.
    out = (room + stride - 1) // stride + 1 if ceil else room // stride + 1
    out = out - ((out - 1) * stride >= size + padding) if ceil else out
    if some(out < 1):
        raise ValueError(
            f"its window of {dilation * (kernel - 1) + 1} px does not fit the image of {text(size)} px "
            f"with padding {padding}; use a larger resolution"
        )
    return out


@dataclass(frozen=True, slots=True)
class Input(Op):
    """The image that enters the network."""

    channels: Whole
    size: Whole

    def shape(self, *inputs: Sized) -> Shape:
        return check_whole("channels", self.channels), check_whole("resolution", self.size)


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """Convolution to `width` channels; kernel and padding may differ in height and width, as in Inception's 1x7.

    params = width * (channels / groups) * kernel^2 (+ width with a bias); macs = size^2 * that, without the bias.
    """

    width: Whole
    kernel: Sides
    stride: int = 1
    padding: Sides = 0
    groups: Whole = 1
    dilation: int = 1
    bias: bool = False

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        width, groups = check_whole("width", self.width), check_whole("groups", self.groups)
        if groups.__class__ is not int or groups != 1:
            for what, channels in (("input channels", x.channels), ("output channels", width)):
                if some(channels % groups != 0):
                    raise ValueError(f"groups={groups} does not divide its {channels} {what}; choose a divisor of both")
        return width, _window(x.size, self.kernel, self.stride, self.padding, self.dilation)

    def params(self, x: Sized, /, *others: Sized) -> Whole:
        return self.width * (self._fan_in(x) + self.bias)

    def macs(self, y: Sized, x: Sized, /, *others: Sized) -> Whole:
        # Channels first: over a grid of settings they vary along other axes than the pixels do, and stay small.
        return self.width * self._fan_in(x) * square(y)

    def _fan_in(self, x: Sized) -> Whole:
        channels: Whole = x.channels // self.groups
        return channels * area(self.kernel)


@dataclass(frozen=True, slots=True)
class BatchNorm(Op):
    """Batch normalisation with a learned scale and shift for each channel: params = 2 * channels."""

    eps: float = 1e-5
    momentum: float = 0.1

    def params(self, x: Sized, /, *others: Sized) -> Whole:
        return 2 * x.channels


BATCH_NORM = BatchNorm()
"""The usual one: PyTorch's constants."""


@dataclass(frozen=True, slots=True)
class LayerNorm(Op):
    """Normalisation over the channels of each pixel (or of a flat vector), with a learned scale and shift for each:
    params = 2 * channels. ConvNeXt's norm."""

    eps: float = 1e-6

    def params(self, x: Sized, /, *others: Sized) -> Whole:
        return 2 * x.channels


@dataclass(frozen=True, slots=True)
class LayerScale(Op):
    """Each channel times a learned factor that begins at `initial`: params = channels (Touvron et al. 2021)."""

    initial: float = 1e-6

    def params(self, x: Sized, /, *others: Sized) -> Whole:
        return x.channels


@dataclass(frozen=True, slots=True)
class Affine(Op):
    """Every number times `scale`, plus `shift`: two constants, nothing learned."""

    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Act(Op):
    """An activation function, one of `ACTIVATIONS`."""

    kind: str = "relu"

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if self.kind not in ACTIVATIONS:
            raise ValueError(f"kind={self.kind!r} is no activation known here; choose one of {', '.join(ACTIVATIONS)}")
        return x.channels, x.size


@dataclass(frozen=True, slots=True)
class Pool(Op):
    """A sliding window over each channel: what `MaxPool` and `AvgPool` share.

    ceil: a last window that hangs over the edge counts too (torch's ceil_mode), from the pixels that it still covers.
    """

    kernel: int
    stride: int
    padding: int = 0
    ceil: bool = False

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        return x.channels, _window(x.size, self.kernel, self.stride, self.padding, ceil=self.ceil)


@dataclass(frozen=True, slots=True)
class MaxPool(Pool):
    """The largest value of each window."""


@dataclass(frozen=True, slots=True)
class AvgPool(Pool):
    """The mean of each window; with kernel 1 it keeps every stride-th pixel."""


@dataclass(frozen=True, slots=True)
class AdaptivePool(Op):
    """The mean of each of size x size equal parts; size 1 is global average pooling."""

    size: int = 1

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if x.size is None:
            raise ValueError("needs an image, and gets a flat vector; put it before flatten")
        return x.channels, self.size


@dataclass(frozen=True, slots=True)
class Flatten(Op):
    """An image as one vector of channels * size^2 numbers."""

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        return x.channels * square(x), None


@dataclass(frozen=True, slots=True)
class Unflatten(Op):
    """A flat vector as an image of one pixel: what a gate of fully connected layers ends with."""

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if x.size is not None:
            raise ValueError(f"needs a flat vector, and gets an image of {text(x.size)} px")
        return x.channels, 1


@dataclass(frozen=True, slots=True)
class Linear(Op):
    """Fully connected layer: params = channels * width (+ width with a bias), macs = pixels * channels * width.

    It takes a flat vector (one pixel) or, with each_pixel, the channels of each pixel of an image: a 1x1 convolution
    by another name, and how ConvNeXt writes it.
    """

    width: Whole
    bias: bool = True
    each_pixel: bool = False

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if x.size is not None and not self.each_pixel:
            raise ValueError(f"needs a flat vector, and gets an image of {text(x.size)} px; put flatten before it")
        return check_whole("width", self.width), x.size

    def params(self, x: Sized, /, *others: Sized) -> Whole:
        return (x.channels + self.bias) * self.width

    def macs(self, y: Sized, x: Sized, /, *others: Sized) -> Whole:
        return x.channels * self.width * square(y)


@dataclass(frozen=True, slots=True)
class Add(Op):
    """The sum of images of one shape: where a residual connection ends."""

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        for other in others:
            _agree("channels", x.channels, other.channels)
            _agree("size", x.size, other.size)
        return x.channels, x.size


@dataclass(frozen=True, slots=True)
class Multiply(Op):
    """The product of an image and a gate with as many channels and either as many pixels or one."""

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        for gate in others:
            _agree("channels", x.channels, gate.channels)
            if gate.size is None or some(gate.size != 1):
                _agree("size", x.size, gate.size)
        return x.channels, x.size


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """Images of one size, stacked along the channels."""

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        channels = x.channels
        for other in others:
            _agree("size", x.size, other.size)
            channels = channels + other.channels
        return channels, x.size


@dataclass(frozen=True, slots=True)
class PadChannels(Op):
    """Zeros after the last channel, up to `width`: the parameter-free shortcut (option A) of He et al. 2015."""

    width: Whole

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if some(check_whole("width", self.width) < x.channels):
            raise ValueError(f"cannot pad {x.channels} channels to width={self.width}; it must be at least as many")
        return self.width, x.size


@dataclass(frozen=True, slots=True)
class Slice(Op):
    """Channels from `start` up to, and without, `stop`."""

    start: int
    stop: int

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        check_int("start", self.start, least=0)
        check_int("stop", self.stop, least=self.start + 1)
        if some(x.channels < self.stop):
            raise ValueError(f"takes channels {self.start} to {self.stop}, and gets an image of {text(x.channels)}")
        return self.stop - self.start, x.size


@dataclass(frozen=True, slots=True)
class Shuffle(Op):
    """The channels in another order: the first of each group, then the second of each, ... (Zhang et al. 2018)."""

    groups: int

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if some(x.channels % check_int("groups", self.groups) != 0):
            raise ValueError(f"groups={self.groups} does not divide its {text(x.channels)} channels")
        return x.channels, x.size


@dataclass(frozen=True, slots=True)
class Pad(Op):
    """Zeros around an image: `before` rows and columns at the top and left, `after` at the bottom and right."""

    before: int
    after: int

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if x.size is None:
            raise ValueError("needs an image, and gets a flat vector; put it before flatten")
        check_int("before", self.before, least=0)
        check_int("after", self.after, least=0)
        return x.channels, x.size + self.before + self.after


@dataclass(frozen=True, slots=True)
class Dropout(Op):
    """Zeroes single numbers at this rate while training; free."""

    rate: float = 0.5

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        check_real("rate", self.rate, least=0, most=1)
        return x.channels, x.size


@dataclass(frozen=True, slots=True)
class DropPath(Op):
    """Stochastic depth: zeroes the whole branch of an image at this rate while training; free."""

    rate: float  # the architecture has checked its drop_path


def _agree(what: str, a: Any, b: Any) -> None:
    if (a is None) != (b is None) or (a is not None and some(a != b)):
        raise ValueError(f"its inputs disagree in {what}: {a} and {b}; make them equal first")
