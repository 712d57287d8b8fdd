"""Lesson 06: answers worked by hand and by torchvision, and wrong ones with what is said to them."""

import torchvision
from torchvision.models.efficientnet import MBConv
from torchvision.ops import SqueezeExcitation

import cnnlab as cl
from cnnlab.arch.blocks import bottleneck, mbconv

RIGHT = {
    "06.1": 0.055625,
    "06.2": 25 * 480 * 196 / ((80 + 25 + 80) * 480 * 196 + 2 * 480 * 20),
    "06.3": sum(p.numel() for p in SqueezeExcitation(672, 28).parameters()),
    "06.4": sum(
        part.use_res_connect
        for part in torchvision.models.efficientnet_b0(weights=None).modules()
        if isinstance(part, MBConv)
    ),
    "06.5": mbconv(cl.image(64, 14), 64, kernel=5, expand=2).graph("mine"),
}
TOLD = [
    ("06.1", 0.04, "Likely: that is the pointwise part alone"),
    ("06.1", 17.98, "how many times fewer"),
    ("06.2", 0.0532, "Likely: that is with the default kernel"),
    ("06.2", 0.5, "which is too large"),
    ("06.3", 37_632, "each of the two has a bias"),
    ("06.3", 226_632, "a quarter of what enters the block"),
    ("06.4", 7, "that is how many have none"),
    ("06.4", 16, "MBConv never projects"),
    ("06.5", mbconv(cl.image(64, 14), 64, kernel=5).graph("mine"), "a depthwise 5x5 convolution, a sum"),
    ("06.5", bottleneck(cl.image(64, 14), 16).graph("mine"), "no depthwise convolution, a sum"),
    ("06.5", mbconv, "which cannot be judged"),
]
