"""Lesson 08: answers worked by hand, and wrong ones with what is said to them."""

import cnnlab as cl

RESNET18 = cl.architecture("resnet18").graph()
RIGHT = {
    "08.1": (16 * 32 + 32 * 64 - 16 * 31 - 31 * 64) * 9 * 28**2,
    "08.2": 1 + 3,  # the stem, and the last convolution of three blocks
    "08.3": (1.5**2 + 0.5**2 + 2**2) / 4 - 2 * 0.5**2 / 4,
    "08.4": 9,  # data/pruned/README.md
    "08.5": cl.prune.plan(RESNET18, "random", budget={"macs": 0.4, "params": 0.4}, round_to=16),
}
TOLD = [
    ("08.1", 112_896, "Likely: that is what making the channel costs"),
    ("08.1", 720, "Likely: that is saved at each place"),
    ("08.2", 3, "Likely: one for each block of the first stage is right"),
    ("08.2", 7, "Likely: the first convolution of a block is inside it"),
    ("08.3", 0.125, "which the article's formula gives for every weight"),
    ("08.3", 1.625, "Likely: that is the mean squared error without w2"),
    ("08.4", 12, "which is too large"),
    ("08.5", cl.prune.plan(RESNET18, "random", budget=0.5), "groups without a multiple of 8 channels"),
    ("08.5", cl.prune.plan(RESNET18, "random", ratio=0.1, round_to=8), "% of the multiply-adds and"),
    ("08.5", 0.5, "which cannot be judged"),
]
