"""Lesson 01: answers worked by hand, and wrong ones with what is said to them."""

import cnnlab as cl

RIGHT = {
    "01.1": 2 * 9 * 64 * 64 + 2 * 2 * 64,
    "01.2": 9,
    "01.3": 64 / (64 + 9 * 64 + 9 * 128),
    "01.4": cl.scaled(cl.architecture("cifar_resnet44"), width=0.375),
}
TOLD = [
    ("01.1", 73728, "Came: 73,728 parameters. Likely: the two convolutions are right, but each batch norm"),
    ("01.1", 80000, "Came: 80,000 parameters, which is too large"),
    ("01.2", 3, "Came: 3 blocks, which is too small"),
    ("01.3", 1 / 27, "Likely: that is the projection over the two other"),
    ("01.4", cl.architecture("cifar_plain56"), "without shortcuts"),
    ("01.4", cl.architecture("cifar_resnet20"), "19 convolutions, 40,551,040 multiply-adds"),
    ("01.4", 30, "which cannot be judged"),
]
