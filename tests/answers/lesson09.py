"""Lesson 09: answers worked by hand, and wrong ones with what is said to them."""

import cnnlab as cl

RIGHT = {
    "09.1": 3,
    "09.2": 0.65,
    "09.3": 352,
    "09.4": "efficientnet_b2",
    "09.5": cl.scaled(cl.architecture("small_mbconv", classes=42), depth=1, width=1, resolution=28),
}
TOLD = [
    ("09.1", 4, "Likely: (3, 74) costs more than (2, 74)"),
    ("09.2", 0.7, "Likely: that is the square law"),
    ("09.2", 0.6, "which is too small"),
    ("09.3", 360, "Likely: that is the square law"),
    ("09.4", "efficientnet_b7", "Likely: its weights would fit"),
    ("09.4", 2, "as a word in quotes"),
    ("09.5", cl.architecture("small_resnet"), "% predicted"),
    ("09.5", cl.architecture("resnet50"), "which cannot be judged"),
]
