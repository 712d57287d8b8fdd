"""Lesson 02: answers worked by hand and from torchvision's metadata, and wrong ones with what is said to them."""

from torchvision import models

import cnnlab as cl


def _known(name: str) -> tuple[float, float]:
    meta = models.get_model_weights(name)["IMAGENET1K_V2"].meta
    return meta["_metrics"]["ImageNet-1K"]["acc@1"], meta["_ops"]


(SMALL, OPS), (LARGE, MORE) = _known("resnet50"), _known("resnet101")
BASE = cl.architecture("cifar_resnet20")

RIGHT = {
    "02.1": 231_211_008,
    "02.2": 2 + 3 + 3 + 5 + 5 + 6 + 2,
    "02.3": 435,
    "02.4": (LARGE - SMALL) / (MORE - OPS),
    "02.5": (cl.scaled(BASE, depth=4), cl.scaled(BASE, width=2)),
}
TOLD = [
    ("02.1", 115_605_504, "Likely: that is one of the two convolutions"),
    ("02.1", 179_830_784, "Likely: that is the first block of the stage"),
    ("02.2", 23, "Likely: the total was rounded"),
    ("02.2", 22.4, "Likely: a stage has a whole number"),
    ("02.3", 224, "Likely: the field may be wider"),
    ("02.3", 219, "Came: 219 px"),
    ("02.4", 1.028, "Likely: those are the points in all"),
    ("02.5", (BASE, BASE), "9 and 9 blocks"),
    ("02.5", (cl.scaled(BASE, depth=3), BASE), "27 and 9 blocks"),
    ("02.5", BASE, "which cannot be judged"),
]
