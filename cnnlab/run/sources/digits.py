"""The source `digits`: 1,797 handwritten digits of 8 x 8 px that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from cnnlab.run.sources.pictures import Pictures

SIDE = 8  # px
WHITE = 16  # scikit-learn's brightest pixel


def digits() -> Pictures:
    """The digits in grey, 0 to 255; see sklearn.datasets.load_digits.

    >>> digits().images.shape, digits().images.max()
    ((1797, 1, 8, 8), np.uint8(255))
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = np.rint(found.images * (255 / WHITE)).astype(np.uint8)
    return Pictures(grey[:, None], found.target.astype(np.int64), tuple(map(str, found.target_names)))
