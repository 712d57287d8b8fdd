"""Batches for training: which images, how each is moved, and how bytes become numbers of mean 0 and spread 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

SAMPLE = 2000  # images whose mean and spread stand for the whole data set
EACH = (1, 2, 3)  # the dimensions of one image in a batch
REGISTER = 16  # float32 numbers in an AVX-512 register


def memory_layout(model: nn.Module, device: torch.device) -> torch.memory_format:
    """channels_last, with which a CPU trains up to 1.8 times as fast, unless it would crash.

    On a CPU, oneDNN's gradient of a strided 1x1 convolution in this layout writes past its workspace when there are
    fewer channels than fill a register (github.com/uxlfoundation/oneDNN/issues/6035; seen here with torch 2.15, AVX-512
    and up to 15 channels). Such narrow networks are about as fast in the plain layout.

    >>> memory_layout(nn.Conv2d(8, 16, 3), torch.device("cpu"))
    torch.channels_last
    """
    narrow = (
        isinstance(conv, nn.Conv2d)
        and conv.kernel_size == (1, 1)
        and max(conv.stride) > 1
        and conv.in_channels // conv.groups < REGISTER
        for conv in model.modules()
    )
    return torch.contiguous_format if device.type == "cpu" and any(narrow) else torch.channels_last


def preparation(
    images: Tensor, normalize: str, device: torch.device, layout: torch.memory_format = torch.channels_last
) -> Callable[[Tensor], Tensor]:
    """A function: images, uint8 (n, C, H, W) -> the same as float32 on the device, in the layout, mean 0 and spread 1.

    images: the training images.  normalize: "data": channel by channel, the mean and spread of their first 2,000;
    "image": each image its own, over all its channels. A spread below 1 of the 256 levels counts as 1, so that an
    image of one colour becomes 0.

    >>> prepare = preparation(torch.full((1, 3, 8, 8), 90, dtype=torch.uint8), "image", torch.device("cpu"))
    >>> prepare(torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)).flatten()
    tensor([-0.7071,  0.7071])
    """
    sample = images[:SAMPLE].float()
    mean = sample.mean(dim=(0, 2, 3), keepdim=True).to(device)
    spread = sample.std(dim=(0, 2, 3), keepdim=True).clamp(min=1.0).to(device)

    def by_data(batch: Tensor) -> Tensor:
        return batch.to(device).contiguous(memory_format=layout).float().sub_(mean).div_(spread)

    def by_image(batch: Tensor) -> Tensor:
        x = batch.to(device).contiguous(memory_format=layout).float()
        x.sub_(x.mean(dim=EACH, keepdim=True))  # with the norm, 11 times as fast as torch.std_mean on a CPU
        spread = torch.linalg.vector_norm(x, dim=EACH, keepdim=True) / math.sqrt(x[0].numel() - 1)
        return x.div_(spread.clamp_(min=1.0))

    return by_image if normalize == "image" else by_data


def reach(height: int, augment: str) -> int:
    """By how many pixels an image of so many is shifted at most: 1/16 of its side, and not at all by "none".

    >>> reach(48, "shift"), reach(8, "shift"), reach(48, "none")
    (3, 1, 0)
    """
    return 0 if augment == "none" else max(1, height // 16)


def edged(images: Tensor, reach: int) -> Tensor:
    """Images (N, C, H, W) as pixels (N, H + 2 reach, W + 2 reach, C), with the outermost ones repeated all around.

    So a shifted image is a window of them, whose rows lie in one piece.

    >>> edged(torch.tensor([[[[1, 2], [3, 4]]]]), 1)[0, :, :, 0].tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    """
    height, width = images.shape[2:]
    rows, columns = (torch.arange(-reach, side + reach).clamp(0, side - 1) for side in (height, width))
    return images.permute(0, 2, 3, 1)[:, rows][:, :, columns].contiguous()


def plan(count: int, steps: int, *, reach: int, augment: str, generator: Generator) -> Tensor:
    """One epoch of so many images, decided before it begins: int64 (4, count), on the CPU.

    The rows: which image; how many pixels its window lies below and to the right of its middle, from -reach to reach;
    1 if it is mirrored. The columns are in the order of training, and `.tensor_split(steps, dim=1)` gives the steps:
    even parts, never a batch of one. A GPU gets it in one piece, because each transfer would make it wait.

    >>> planned = plan(100, 4, reach=2, augment="shift", generator=Generator().manual_seed(0))
    >>> planned[0].sort().values.tolist() == list(range(100)), planned[1].unique().tolist()
    (True, [-2, -1, 0, 1, 2])
    """
    planned = torch.zeros(4, count, dtype=torch.int64)
    planned[0] = torch.randperm(count, generator=generator)
    if augment == "none":
        return planned
    for part in planned.tensor_split(steps, dim=1):
        size = part.shape[1]
        part[1:3] = torch.randint(-reach, reach + 1, (2, size, 1), generator=generator)[..., 0]
        if augment == "shift+flip":
            part[3] = torch.randint(2, (size, 1), generator=generator)[:, 0]
    return planned


def take(pixels: Tensor, planned: Tensor, *, reach: int, augment: str) -> Tensor:
    """The images of one step (n, C, H, W), channels_last, out of what `edged` gave, as planned (4, n).

    Both tensors lie on one device.
    """
    count, height, width, channels = pixels.shape
    height, width, places = height - 2 * reach, width - 2 * reach, 2 * reach + 1
    image, row, column, _ = pixels.stride()
    windows = pixels.as_strided((count, places, places, height, width * channels), (image, row, column, row, 1))
    chosen, down, right, mirrored = planned
    taken = windows[chosen, down + reach, right + reach].view(-1, height, width, channels)
    if augment == "shift+flip":
        taken = torch.where(mirrored[:, None, None, None] > 0, taken.flip(2), taken)
    return taken.permute(0, 3, 1, 2)
