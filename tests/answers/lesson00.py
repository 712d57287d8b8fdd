"""Lesson 00: answers worked by hand, and wrong ones with what is said to them."""

import cnnlab as cl

RIGHT = {
    "00.1": (50 - 2) / 3,
    "00.2": 320**2 / 224**2,
    "00.3": 1_810_522_464 / 385_814_752,  # both by torch's FlopCounterMode
    "00.4": cl.scaled(cl.architecture("resnet50"), resolution=128),  # (128 / 224)^2 = 0.33
}
TOLD = [
    ("00.1", 50, "Likely: 50 counts layers"),
    ("00.1", 18, "Likely: stem and head"),
    ("00.2", 320 / 224, "Likely: an image that is taller is wider"),
    ("00.3", 4, r"Came: 4 times. Likely: 2^phi is what the paper aims at"),
    ("00.3", "4", "as a number, in times. Came: '4'"),
    ("00.4", cl.architecture("resnet50"), "1.000 of ResNet-50's"),
    ("00.4", cl.architecture("resnet18"), "but of other blocks"),
    ("00.4", 0.5, "which cannot be judged"),
]
