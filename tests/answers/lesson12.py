"""Lesson 12: answers worked by hand, with math and PyTorch alone, and wrong ones with what is said to them."""

from math import exp

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck


class Theirs(Bottleneck):
    """torchvision's block, with its way round."""

    def __init__(self, channels, width, stride=1):
        way = None
        if stride != 1 or channels != 4 * width:
            way = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))
        super().__init__(channels, width, stride, way)


class Late(Theirs):
    """With the stride in the last convolution."""

    def __init__(self, channels, width, stride=1):
        super().__init__(channels, width, stride)
        self.conv2.stride, self.conv3.stride = (1, 1), (stride, stride)


RIGHT = {
    "12.1": 11_689_512 - 11_685_672,
    "12.2": 1 / (1 + 9 * exp(-6)),
    "12.3": 31104,
    "12.4": [0, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0, 0, 0, -1, 0, 0],
    "12.5": Theirs,
}
TOLD = [
    ("12.1", 1920, "Likely: a batch norm has a scale and a shift, and each stage has two blocks; one factor"),
    ("12.1", 7680, "Likely: the running mean and variance are no parameters"),
    ("12.2", 0.9758, "Likely: the class itself is one of the ten"),
    ("12.2", 97.82, "Likely: that is in percent"),
    ("12.3", 144, "Likely: that is after one block"),
    ("12.3", 7, "Came: 7 channels, which is too small"),
    ("12.4", [3, 4, 6, 3], "Came: stages of 4 blocks"),
    ("12.4", [1, 1, -1, 1, -1, 1, -1, 1], "Came: stages of 2, 2, 2, 2 blocks"),
    ("12.4", [-1, 1, 1, -1, 1, 1, 1, -1, 1, 1, 1, 1, 1, -1, 1, 1], "halves the image a third time"),
    ("12.4", 3, "which cannot be judged"),
    ("12.5", BasicBlock, "Came: expansion = 1"),
    ("12.5", Late, "with 256 channels, width 128 and stride 2"),
    ("12.5", 3, "which cannot be judged"),
]
