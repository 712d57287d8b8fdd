"""The receptive field: how many pixels of the image, on a side, one pixel of a feature map depends on."""

from __future__ import annotations

from cnnlab.arch.graph import Graph


def receptive_field(graph: Graph) -> int:
    """Of the last feature map, in px; it may be wider than the image. The widest over all ways to it.

    A layer with kernel k and dilation d widens the field by d·(k - 1) steps of its input, and its stride s makes every
    later step s times as long (Araujo, Norris and Sim 2019). Pooling to one pixel is left out: it sees the whole image.

    >>> import cnnlab as cl
    >>> receptive_field(cl.architecture("vgg16").graph())
    212
    """
    seen: list[tuple[int, int]] = []  # of each layer the field, and the step: how far apart two neighbours look
    for layer in graph.layers:
        field, step = max((seen[i] for i in layer.inputs), default=(1, 1))
        kernel, stride = getattr(layer.op, "kernel", 1), getattr(layer.op, "stride", 1)
        side = max(kernel) if isinstance(kernel, tuple) else kernel
        seen.append((field + (side - 1) * getattr(layer.op, "dilation", 1) * step, step * stride))
    return seen[-1][0]
