"""The closed set of layers. Each says its output shape, its parameters and its multiply-adds: every formula, once.

A formula takes the images that enter the layer, then the image that leaves it; an image is anything with `channels`
and `size` (height = width, in pixels; None after `Flatten`). Numbers are ints or NumPy arrays alike, so one formula
costs one network or a million. Counts are for one image; a multiply-add counts once, a bias not at all
(the convention of torchvision's `_ops`, and half of FlopCounterMode's FLOPs).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from cnnlab.arch.whole import Whole, check_int, check_real, check_whole, some


class Sized(Protocol):
    """What a formula needs to know of an image: its channels, and its height = width in pixels (None if flat)."""

    @property
    def channels(self) -> Whole: ...
    @property
    def size(self) -> Whole | None: ...


Shape: TypeAlias = tuple[Whole, Whole | None]
"""(channels, size)"""

ACTIVATIONS = ("relu", "relu6", "silu", "gelu", "sigmoid", "hardswish", "hardsigmoid", "tanh")


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


def _window(size: Whole | None, kernel: int, stride: int, padding: int, dilation: int = 1) -> Whole:
    """Positions of a sliding window: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1."""
    if size is None:
        raise ValueError("needs an image, and gets a flat vector; put it before flatten")
    check_int("kernel", kernel)
    check_int("stride", stride)
    check_int("padding", padding, least=0)
    check_int("dilation", dilation)
    out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if some(out < 1):
        raise ValueError(
            f"its window of {dilation * (kernel - 1) + 1} px does not fit the image of {size} px "
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
    """Convolution to `width` channels with a square kernel.

    params = width * (channels / groups) * kernel^2 (+ width with a bias); macs = size^2 * that, without the bias.
    """

    width: Whole
    kernel: int
    stride: int = 1
    padding: int = 0
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
        return channels * (self.kernel * self.kernel)


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
class Act(Op):
    """An activation function, one of `ACTIVATIONS`."""

    kind: str = "relu"

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if self.kind not in ACTIVATIONS:
            raise ValueError(f"kind={self.kind!r} is no activation known here; choose one of {', '.join(ACTIVATIONS)}")
        return x.channels, x.size


@dataclass(frozen=True, slots=True)
class Pool(Op):
    """A sliding window over each channel: what `MaxPool` and `AvgPool` share."""

    kernel: int
    stride: int
    padding: int = 0

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        return x.channels, _window(x.size, self.kernel, self.stride, self.padding)


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
class Linear(Op):
    """Fully connected layer: params = channels * width (+ width with a bias), macs = channels * width."""

    width: Whole
    bias: bool = True

    def shape(self, x: Sized, /, *others: Sized) -> Shape:
        if x.size is not None:
            raise ValueError(f"needs a flat vector, and gets an image of {x.size} px; put flatten before it")
        return check_whole("width", self.width), None

    def params(self, x: Sized, /, *others: Sized) -> Whole:
        return (x.channels + self.bias) * self.width

    def macs(self, y: Sized, x: Sized, /, *others: Sized) -> Whole:
        return x.channels * self.width


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
