"""Lesson 11: answers worked by hand or with PyTorch alone, and wrong ones with what is said to them."""

from torch import nn

import cnnlab as cl
from cnnlab.arch.blocks import basic, conv, mbconv


def _thin(x, width, stride=1):
    return conv(x, width, 1, stride)


RIGHT = {
    "11.1": 250,
    "11.2": 9216 + 1024 + 128,
    "11.3": 12,
    "11.4": nn.Sequential(
        nn.Conv2d(3, 8, 5, 4),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.Conv2d(16, 10, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ),
    "11.5": lambda x, width, stride=1: mbconv(x, width, stride, expand=1) if stride == 1 else mbconv(x, width, stride),
}
TOLD = [
    ("11.1", 500, "Came: 500 pictures. Likely: that is validation and test together"),
    ("11.1", 300, "Came: 300 pictures, which is too large"),
    ("11.2", 10240, "Likely: the convolutions are right, but each batch norm"),
    ("11.2", 18560, "Likely: that is the basic block's"),
    ("11.3", 18, "Likely: that is the whole grid"),
    ("11.3", 2, "Came: 2 networks, which is too small"),
    ("11.4", nn.Conv2d(3, 10, 3), "1 convolutions, 243,000 multiply-adds, an image, not logits"),
    ("11.4", cl.architecture("cifar_resnet20").graph().module(seed=0), "19 convolutions, 40,551,040"),
    ("11.4", 3, "which cannot be judged (module=int: trace takes a torch.nn.Module)"),
    ("11.5", basic, "multiply-adds where at most"),
    ("11.5", _thin, "no shortcut that is added, no convolution larger than 1x1"),
    ("11.5", lambda x, width, stride=1: conv(x, 64, 3), "64 channels at 28 px with width 128 and stride 2"),
    ("11.5", 3, "which cannot be judged"),
]
