"""Random graphs: lawful layers on an image, in containers that nest, come back, and take and give several images."""

from __future__ import annotations

from hypothesis import strategies as st

from cnnlab.arch import layers as op
from cnnlab.arch.graph import Graph, Image, image

SCOPES = ("", "a", "a.0", "a.1", "b", "b.c", "b.c.d", "0", "x-y")


@st.composite
def ops(draw: st.DrawFn, x: Image, others: list[Image]) -> tuple[op.Op, list[Image]]:
    """An op that x can go into, and the other images that go in with it."""
    same = [y for y in others if (y.channels, y.size) == (x.channels, x.size)]
    channels, number = int(x.channels), st.integers
    if x.size is None:
        found = [op.Linear(draw(number(1, 6)), draw(st.booleans())), op.Unflatten()]
    else:
        gates = [y for y in others if y.channels == x.channels and y.size in (1, x.size)]
        stack = [y for y in others if y.size == x.size]
        groups = draw(st.sampled_from([g for g in (1, 2, 3, channels) if channels % g == 0]))
        kernel, more = draw(st.sampled_from([1, 2, 3, (1, 3), (3, 1)])), draw(number(0, 2))
        tall = isinstance(kernel, tuple)
        padding = tuple(k // 2 for k in kernel) if tall else draw(number(0, kernel // 2))
        dilation, stride = (1, 1) if tall else draw(st.tuples(number(1, 2), number(1, 2)))
        start = draw(number(0, channels - 1))
        window = draw(number(1, 3))
        pool = (window, draw(number(1, 3)), draw(number(0, window // 2)), draw(st.booleans()))
        found = [
            op.Conv(groups * draw(number(1, 3)), kernel, stride, padding, groups, dilation, draw(st.booleans())),
            *(op.MaxPool(*pool), op.AvgPool(*pool), op.AdaptivePool(draw(number(1, 3))), op.Flatten()),
            *(
                op.Linear(draw(number(1, 6)), draw(st.booleans()), each_pixel=True),
                op.LayerScale(draw(st.floats(0.5, 2))),
            ),
            *(op.PadChannels(channels + draw(number(0, 2))), op.Slice(start, draw(number(start + 1, channels)))),
            *(op.Shuffle(groups), op.Pad(draw(number(0, 2)), more)),
        ]
        if channels % 2 == 0:
            found += [op.Slice(0, channels // 2), op.Slice(channels // 2, channels)]
        if gates:
            found.append((op.Multiply(), [draw(st.sampled_from(gates))]))
        if stack:
            found.append((op.Concat(), draw(st.lists(st.sampled_from(stack), max_size=2))))
    found += [op.Act(draw(st.sampled_from(op.ACTIVATIONS))), op.Dropout(draw(st.floats(0, 0.9))), op.DropPath(0.25)]
    found += [op.BatchNorm(draw(st.sampled_from([1e-5, 1e-3]))), op.LayerNorm(draw(st.sampled_from([1e-5, 1e-6])))]
    found += [op.Affine(draw(st.floats(-2, 2)), draw(st.floats(-2, 2)))]
    if same:
        found.append((op.Add(), draw(st.lists(st.sampled_from(same), min_size=1, max_size=2))))
    chosen = draw(st.sampled_from(found))
    return chosen if isinstance(chosen, tuple) else (chosen, [])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph of up to twelve layers."""
    seen = [image(draw(st.integers(1, 6)), draw(st.integers(4, 9)))]
    x = seen[0]
    for number in range(draw(st.integers(1, 12))):
        x = draw(st.sampled_from([seen[-1], seen[-1], *seen]))
        layer, others = draw(ops(x, seen))
        scope = draw(st.sampled_from(SCOPES))
        name = f"{type(layer).__name__.lower()}{number}"
        try:
            x = x.write(f"{scope}.{name}" if scope else name, layer, *others)
        except ValueError:  # a window that does not fit: this layer is left out
            continue
        seen.append(x)
    if len(seen) == 1:
        seen.append(x.write("act", op.Act()))
    return seen[-1].graph("drawn")
