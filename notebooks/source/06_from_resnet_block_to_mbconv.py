# %% [markdown]
# # 06 · From the ResNet block to MBConv
#
# ## Goals
#
# * Turn ResNet's bottleneck into EfficientNet's MBConv, one change at a time, and say what each change costs.
# * Derive the price of a depthwise separable convolution by hand, and measure what it saves in time.
# * Explain why MBConv is wide inside and thin outside, and why nothing follows its last convolution.
# * Compare the two kinds of network at equal multiply-adds, on measured tables.
#
# ## Before
#
# Lessons 01 (shortcuts) and 05 (what a convolution costs).

# %% [markdown]
# ## The idea
#
# Two blocks made two famous families: the *bottleneck* of ResNet-50 (He et al. 2015) and *MBConv* of EfficientNet (Tan and Le 2019;
# the block is from MobileNetV2, Sandler et al. 2018). They look unlike, and are five small changes apart. Both are a 1×1
# convolution to a number of *hidden* channels, a 3×3 convolution among those, a 1×1 convolution back, and a sum with the input.
# So one function with a switch for each change writes them both, and all between:

# %%
import cnnlab as cl
from cnnlab.arch.blocks import act, add, bottleneck, conv, mbconv, norm, squeeze_excite


def block(x, hidden, groups=1, last="relu", squeeze=0, kind="relu"):
    """1x1 to `hidden` channels, 3x3 in groups, 1x1 back, and the sum with x."""
    y = act(norm(conv(x.at("first"), hidden, 1)), kind)
    y = act(norm(conv(y.at("middle"), hidden, 3, groups=groups)), kind)
    y = squeeze_excite(y, squeeze, kind) if squeeze else y
    y = add(norm(conv(y.at("last"), x.channels, 1)), x)
    return act(y, last) if last else y


steps = {
    "bottleneck": block(cl.image(256, 14), 64),
    "1 depthwise": block(cl.image(256, 14), 64, groups=64),
    "2 inverted": block(cl.image(64, 14), 384, groups=384),
    "3 linear": block(cl.image(64, 14), 384, groups=384, last=None),
    "4 squeeze-excite": block(cl.image(64, 14), 384, groups=384, last=None, squeeze=16),
    "5 SiLU: MBConv": block(cl.image(64, 14), 384, groups=384, last=None, squeeze=16, kind="silu"),
}
graphs = {name: image.graph(name) for name, image in steps.items()}

# %% [markdown]
# Are the first and the last what they claim to be? They must have the layers and the cost of cnnlab's own two blocks, which are
# those of torchvision.

# %%
first, last = graphs["bottleneck"], graphs["5 SiLU: MBConv"]
theirs = bottleneck(cl.image(256, 14), 64).graph("bottleneck"), mbconv(cl.image(64, 14), 64).graph("mbconv")
for ours, own in zip((first, last), theirs, strict=True):
    assert list(ours.table()["operation"]) == list(own.table()["operation"]) and ours.cost() == own.cost()
    print(f"{own.name}: {', '.join(own.table()['operation'])}")

# %% [markdown]
# All are at 14 px, where ResNet-50 and EfficientNet-B0 each have 6 of their 16 blocks, more than at any other size. The
# bottleneck has 256 channels outside and 64 inside, MBConv 64 outside and 6 · 64 = 384 inside. Before you look:

# %%
change = cl.lesson.guess(
    "All five changes together: how do the multiply-adds of the block change?", -100, 100, step=1, unit="%"
)
change

# %%
macs = {name: graph.cost().macs for name, graph in graphs.items()}
on_paper = {
    "bottleneck": 14**2 * (256 * 64 + 9 * 64 * 64 + 64 * 256),
    "5 SiLU: MBConv": 14**2 * (64 * 384 + 9 * 384 + 384 * 64) + 2 * 384 * 16,
}
assert all(macs[name] == number for name, number in on_paper.items())
total = 100 * (macs["5 SiLU: MBConv"] / macs["bottleneck"] - 1)
assert -30 < total < -20
cl.lesson.show(
    cl.waterfall(*graphs.values()),
    f"Multiply-adds from the bottleneck to MBConv, by the block's first, middle and last convolution. The depthwise "
    f"middle saves {(macs['bottleneck'] - macs['1 depthwise']) / 1e6:.1f} M; inverting gives "
    f"{(macs['2 inverted'] - macs['1 depthwise']) / 1e6:.1f} M back; the other three change nearly nothing.",
)
change.reveal(round(total))

# %% [markdown]
# Only {-total:.0f} % fewer. With the same 64 channels at its thinnest, the block is not much cheaper. But thin at its *ends*, it
# can stand in a network that is thin all along. At 14 px a block of the real ResNet-50 has 1,024 channels outside, one of the real
# EfficientNet-B0 has 80 (and later 112):

# %%
real = bottleneck(cl.image(1024, 14), 256).graph("ResNet-50"), mbconv(cl.image(80, 14), 80).graph("EfficientNet-B0")
real_macs = [graph.cost().macs for graph in real]
print(f"{real_macs[0]:,} and {real_macs[1]:,} multiply-adds: {real_macs[0] / real_macs[1]:.0f} times")
assert real_macs[0] > 10 * real_macs[1]

# %% [markdown]
# Multiply-adds are one cost of four. The same steps, in all of them:

# %%
table = cl.diff(*graphs.values())
columns = [f"{kind}_change" for kind in ("macs", "params", "activations", "saved")]
changes = table.groupby("step", sort=False)[columns].sum()
changes.index = list(graphs)[1:]
assert (changes.loc["3 linear", ["macs_change", "params_change"]] == 0).all()
assert (changes["saved_change"] > 0).sum() == 3 and last.memory().saved > 2.5 * first.memory().saved
changes.rename(columns=lambda name: name.removesuffix("_change"))

# %% [markdown]
# *saved* is what training keeps of one image, in bytes. It grows in three of the five steps, to
# {last.memory().saved / first.memory().saved:.1f} times what it was. Now the steps, one by one.
#
# ## 1. Depthwise: one filter a channel
#
# A 3×3 convolution does two things at once: it looks around, and it mixes channels. A *depthwise separable* convolution
# (Howard et al. 2017) does one after the other: a depthwise convolution, which looks around in each channel by itself, and a
# 1×1 convolution, called *pointwise*, which mixes. For each place of the output:
#
# * dense: `k² · c_in · c_out` multiply-adds
# * separable: `k² · c_in + c_in · c_out`
#
# Divide the one by the other: `1 / c_out + 1 / k²`. For 3×3 that is a little more than a ninth, however many channels.

# %%
from cnnlab.arch.blocks import separable

dense = act(norm(conv(cl.image(128, 28), 128, 3))).graph("dense 3x3")
split = separable(cl.image(128, 28), 128, kind="relu").graph("separable")
by_hand, asked = 1 / 128 + 1 / 9, split.cost().macs / dense.cost().macs
fewer = dense.cost().macs / split.cost().macs
print(f"by hand {by_hand:.6f}, by cnnlab {asked:.6f}; {fewer:.1f} times fewer multiply-adds")
assert abs(by_hand / asked - 1) < 1e-12

# %%
faster = cl.lesson.guess(
    "How many times faster is the separable one, on this machine?", 0.5, 10, step=0.1, unit="times"
)
faster


# %% tags=["nbval-ignore-output"]
def fastest(*graphs):
    """Seconds for one image, one thread: the least of three tries, as other work can only make it slower."""
    tries = [[cl.latency(graph, threads=1, seconds=0.1).lower for graph in graphs] for _ in range(3)]
    return [min(times) for times in zip(*tries, strict=True)]


depthwise = act(norm(conv(cl.image(128, 28), 128, 3, groups=128))).graph("depthwise 3x3")
pointwise = act(norm(conv(cl.image(128, 28), 128, 1))).graph("pointwise 1x1")
parts = (dense, split, depthwise, pointwise)
seconds = fastest(*parts)
rates = {part.name: part.cost().macs / took for part, took in zip(parts, seconds, strict=True)}
for part, took in zip(parts, seconds, strict=True):
    print(f"{part.name:14} {took * 1e6:6,.0f} us, {rates[part.name] / 1e9:5.1f} G multiply-adds a second")
gain = seconds[0] / seconds[1]
faster.reveal(round(gain, 1))

# %%
print(f"{fewer:.1f} times fewer multiply-adds, but less than 7 times faster:", gain < 7)
print("a depthwise multiply-add takes more than twice as long:", rates["dense 3x3"] > 2 * rates["depthwise 3x3"])
assert gain < 7 < fewer and rates["dense 3x3"] > 2 * rates["depthwise 3x3"]

# %% [markdown]
# Fewer multiply-adds, and slower ones: the depthwise part moves as many numbers as before and does little with each (lesson 05,
# arithmetic intensity).
#
# ## 2. Inverted: wide inside, thin outside
#
# In the bottleneck the middle is expensive, so it is made thin. A depthwise middle is nearly free, so it can be wide, and the
# ends, which carry the 1×1 convolutions, thin. Here are both, drawn to scale: the thickness of a slab is its channels.

# %%
cl.lesson.show(cl.diagram(first), "The bottleneck of ResNet: thick at both ends, thin in the middle.")

# %%
cl.lesson.show(cl.diagram(last), "MBConv, the other way round: thin ends and a thick middle.")

# %% [markdown]
# The arc is the shortcut. In the bottleneck it joins the *wide* ends, in MBConv the *thin* ones (Sandler et al. 2018 call it an
# inverted residual). What goes from block to block is then thin, so a network at inference holds little between blocks. In
# training it is the other way round: the wide inside is kept for the backward pass. And MBConv never projects: where the
# number of channels or the size of the image changes, there is no shortcut at all.
#
# ## 3. Linear: nothing after the last convolution
#
# ResNet ends a block with ReLU. MBConv ends with the batch norm and the sum. Why? ReLU puts 0 in place of negative numbers.
# In a thin image that loses something for good. Suppose a point of a plane, two numbers, is turned into *n* channels by random weights
# and passed through ReLU. Each channel that stays positive is one equation for the two numbers; with fewer than two such
# channels the point cannot be told from others. Try *n* = 3:

# %%
lost = cl.lesson.guess("Through 3 channels and ReLU: what part of all points is lost for good?", 0, 100, unit="%")
lost

# %% [markdown]
# By hand: each channel is positive with probability ½, and none or one of *n* is positive in `1 + n` of `2ⁿ` cases. Measured, with
# random weights and random points; for those that should come back, we also bring them back.

# %%
import torch

draw = torch.Generator().manual_seed(0)


def through_relu(channels, trials=20_000):
    """Part of random points lost, and the largest error of those that a least-squares fit brings back."""
    weights = torch.randn(trials, channels, 2, generator=draw, dtype=torch.float64)
    points = torch.randn(trials, 2, 1, generator=draw, dtype=torch.float64)
    seen = torch.relu(weights @ points)
    active = weights * (seen > 0)
    known = (seen > 0).sum(1).squeeze(1) >= 2
    back = torch.linalg.pinv(active[known]) @ seen[known]
    return 1 - known.double().mean().item(), (back - points[known]).abs().max().item()


channels = [2, 3, 4, 6, 8, 12]
measured = {n: through_relu(n) for n in channels}
formula = {n: (n + 1) / 2**n for n in channels}
for n, (part, error) in measured.items():
    print(f"n = {n:2}: by hand {formula[n]:7.2%}, measured {part:7.2%}, the rest comes back: {error < 1e-3}")
    assert abs(part - formula[n]) < 0.02 and error < 1e-3
lost.reveal(round(100 * formula[3]))

# %%
turn = torch.linspace(0.5, 12, 400, dtype=torch.float64)
spiral = torch.stack([turn * torch.cos(turn), turn * torch.sin(turn)]) / 12
figure, (left, *views) = cl.lesson.panels(4, height=2.7)
left.plot(channels, [100 * formula[n] for n in channels], color=cl.lesson.COLOURS["sky"], lw=4)
left.plot(channels, [100 * measured[n][0] for n in channels], "o", color=cl.lesson.COLOURS["ink"])
left.set(xlabel="channels n", ylabel="points lost, %", title="line: (n + 1) / 2ⁿ")
for axes, n in zip(views, (2, 3, 30), strict=True):
    weights, _ = torch.linalg.qr(torch.randn(n, 2, generator=draw, dtype=torch.float64))
    back = 2 * weights.T @ torch.relu(weights @ spiral)
    axes.plot(*spiral, "--", color="#999999", lw=1.2)
    axes.plot(*back, color=cl.lesson.COLOURS["vermilion"], lw=1.8)
    axes.set(title=f"a spiral, n = {n}", xticks=[], yticks=[], xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal")
    axes.spines["bottom"].set_visible(False)
cl.lesson.show(
    figure,
    f"Left: {formula[2]:.0%} of the points are lost through 2 channels, {formula[12]:.2%} through 12. Then a spiral "
    "(grey, dashed), and what comes back of it through random orthogonal weights, ReLU, the transposed weights and a "
    "factor of 2 (red): with 2 or 3 channels parts of it fall together, with 30 its shape comes back, only shifted.",
)

# %% [markdown]
# This is Figure 1 of Sandler et al. (2018) with a formula added. Inside MBConv there are six times as many channels as enter it:
# half of 384 is still far more than 64, so ReLU loses next to nothing there. At the thin ends it would lose much, and is left out.
# That changes no multiply-adds and even saves some memory. Our tables have no networks with and without it; that it gains
# accuracy is the paper's finding (its Figure 6a).
#
# ## 4. Squeeze-excite: look at the whole, then turn each channel up or down
#
# A convolution sees a few pixels. *Squeeze-excite* (Hu et al. 2018) takes the mean of each channel, passes these means
# through two small layers, and multiplies each channel by the result, a number between 0 and 1. By hand, as a module:

# %%
from torch import nn


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeeze):
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeeze, 1)
        self.expand = nn.Conv2d(squeeze, channels, 1)

    def forward(self, x):
        gate = nn.functional.silu(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.expand(gate))


traced = cl.trace(SqueezeExcite(384, 16), resolution=14, channels=384)
roles = last.table(by="role").set_index("role")[["macs", "params"]]
by_hand = 2 * 384 * 16, 2 * 384 * 16 + 16 + 384
print(f"by hand {by_hand}, traced {traced.cost()}")
assert by_hand == (traced.cost().macs, traced.cost().params) == tuple(roles.loc["squeeze-excite"])
parts = (100 * roles / roles.sum()).round(1)
assert parts.loc["squeeze-excite", "macs"] < 0.2 and parts.loc["squeeze-excite", "params"] > 15
parts.rename(columns=lambda name: f"{name}, %")

# %% [markdown]
# Its two layers work on one pixel, so they cost {by_hand[0]:,} multiply-adds at any resolution: next to nothing. But a weight is a
# weight, however often it is used: {parts.loc["squeeze-excite", "params"]:.0f} % of the block's parameters. Cheap in multiply-adds,
# not in parameters, and (see below) not in time.
#
# ## 5. SiLU: a smooth ReLU
#
# SiLU, also called swish, is `x · σ(x)` with the logistic function `σ(x) = 1 / (1 + e⁻ˣ)`. Ramachandran et al. (2017) found it by a
# search; with it they gained 0.9 points on ImageNet with Mobile NASNet-A and 0.6 with Inception-ResNet-v2. For large x it is
# nearly ReLU. Left of 0, where ReLU is flat, it still has a slope.

# %%
x = torch.linspace(-6, 4, 1001, dtype=torch.float64, requires_grad=True)
sigma = torch.sigmoid(x)
by_hand = sigma * (1 + x * (1 - sigma))  # the derivative of x * sigma(x), by the product rule
(slope,) = torch.autograd.grad(nn.functional.silu(x).sum(), x)
assert torch.allclose(slope, by_hand)
with torch.no_grad():
    curves = {"SiLU": (nn.functional.silu(x), slope, "-"), "ReLU": (torch.relu(x), (x > 0).double(), "--")}
lowest = int(curves["SiLU"][0].argmin())
figure, (left, right) = cl.lesson.panels(2, height=3.0)
for (name, (value, slope, style)), colour in zip(curves.items(), ("vermilion", "blue"), strict=True):
    left.plot(x.detach(), value, style, color=cl.lesson.COLOURS[colour], label=name, lw=2)
    right.plot(x.detach(), slope.detach(), style, color=cl.lesson.COLOURS[colour], label=name, lw=2)
left.set(xlabel="x", title="value")
right.set(xlabel="x", title="derivative")
left.legend(frameon=False, fontsize=11)
cl.lesson.show(
    figure,
    f"SiLU falls to {curves['SiLU'][0][lowest]:.2f} at x = {x[lowest]:.2f} and rises again towards 0; "
    "its derivative is smooth, where ReLU's jumps from 0 to 1.",
)

# %% [markdown]
# It costs no multiply-adds either. It does cost memory. ReLU can write over its input, because the output says all that the backward
# pass must know. SiLU cannot: both are kept. Two activations of 384 channels at 14 px, and the small one of squeeze-excite:

# %%
by_hand = 4 * (2 * 384 * 14**2 + 16)
asked = changes.loc["5 SiLU: MBConv", "saved_change"]
print(f"by hand {by_hand:,} bytes, by cnnlab {asked:,}, ratio {asked / by_hand}")
assert by_hand == asked

# %% [markdown]
# ## What each step does to time
#
# Each step again, in multiply-adds and in time. At which steps do the two part company?

# %% tags=["nbval-ignore-output"]
took = dict(zip(graphs, fastest(*graphs.values()), strict=True))
figure, (left, right) = cl.lesson.panels(2, height=3.0)
for axes, values, unit in ((left, macs, 1e-6), (right, took, 1e-3)):
    amounts = [value * unit if axes is left else value / unit for value in values.values()]
    bars = axes.barh(range(len(graphs)), amounts, 0.7, color=cl.lesson.COLOURS["blue" if axes is left else "vermilion"])
    axes.bar_label(bars, fmt="%.2f", fontsize=10, padding=3)
    axes.set(xlim=(0, 1.14 * max(amounts)), yticks=range(len(graphs)))
    axes.invert_yaxis()
left.set(xlabel="multiply-adds, millions", yticklabels=list(graphs))
right.set(xlabel="time for one image, ms", yticklabels=[])
cl.lesson.show(
    figure,
    f"MBConv has {macs['5 SiLU: MBConv'] / macs['bottleneck']:.2f} times the multiply-adds of the bottleneck and took "
    f"{took['5 SiLU: MBConv'] / took['bottleneck']:.2f} times as long here (one thread).",
)

# %%
rate = {name: macs[name] / took[name] for name in graphs}
print("MBConv does fewer multiply-adds a second:", rate["5 SiLU: MBConv"] < rate["bottleneck"])
print("the last two steps, nearly free in multiply-adds, take time:", took["5 SiLU: MBConv"] > took["3 linear"])
assert rate["5 SiLU: MBConv"] < rate["bottleneck"] and took["5 SiLU: MBConv"] > took["3 linear"]
assert macs["5 SiLU: MBConv"] < 1.002 * macs["3 linear"]

# %% [markdown]
# Squeeze-excite and SiLU do little arithmetic, but they read and write every number of the wide inside again, and on a
# processor that is what costs time.
#
# ## Which one learns more from its multiply-adds?
#
# So far: costs. Now two small networks of one frame, one with ResNet's basic blocks (two dense 3×3 convolutions) and one with
# MBConv (four-fold expansion). At three quarters of the width the residual one has the multiply-adds of the other. First a short training here.

# %%
pair = {
    name: cl.scaled(cl.architecture(f"small_{name}", classes=42), width=width, resolution=20)
    for name, width in (("resnet", 0.75), ("mbconv", 1.0))
}
for arch in pair.values():
    print(arch.name, arch.cost())
assert abs(pair["mbconv"].cost().macs / pair["resnet"].cost().macs - 1) < 0.01

# %% tags=["nbval-ignore-output"]
history = {name: cl.lesson.repeat(arch, limit=3000) for name, arch in pair.items()}
for name, run in history.items():
    print(f"{name}: {run.test_accuracy:.1f} % of the test images")

# %%
chance = 100 / 42
for name, run in history.items():
    print(f"{name} has learned something, more than 3 times chance:", run.test_accuracy > 3 * chance)
    assert run.test_accuracy > 3 * chance

# %% [markdown]
# One seed and a short training decide nothing. The committed tables do more: the same pair at depths 1 to 2 and three
# resolutions, two or three seeds each, on three data sets. We take the pairs whose multiply-adds are within 5 %, and the
# 95 % interval of the mean from the spread between pairs.

# %%
import math


def gain(name, width):
    """MBConv (width 1) less residual networks of this width, same depth, resolution and seed: mean, margin, pairs."""
    rows = cl.measured(name).query("depth >= 1")
    ours, theirs = (
        rows.query("family == 'mbconv' and width == 1"),
        rows.query(f"family == 'resnet' and width == {width}"),
    )
    pairs = ours.merge(theirs, on=["depth", "resolution", "seed"], suffixes=("", "_resnet"))
    points = pairs["accuracy"] - pairs["accuracy_resnet"]
    return points.mean(), 1.96 * points.std() / math.sqrt(len(points)), pairs


rows = {f"{name}, equal multiply-adds": gain(name, 0.75) for name in ("glyphs", "cifar10", "fashion_mnist")}
for _, _, pairs in rows.values():
    assert (abs(pairs["macs"] / pairs["macs_resnet"] - 1) < 0.05).all()
rows["glyphs, about equal seconds"] = gain("glyphs", 1.5)
pairs = rows["glyphs, about equal seconds"][2]
times, works = pairs["seconds_resnet"] / pairs["seconds"], pairs["macs_resnet"] / pairs["macs"]
slow = rows["glyphs, equal multiply-adds"][2]
slow = (slow["seconds"] / slow["seconds_resnet"]).mean()
assert times.between(0.8, 1.25).mean() > 0.7 and works.min() > 2

# %%
figure, (axes,) = cl.lesson.panels(1, height=2.6)
for place, (mean, margin, found) in enumerate(rows.values()):
    colour, marker = ("vermilion", "^") if mean > 0 else ("blue", "o")
    axes.errorbar(mean, place, xerr=margin, fmt=marker, color=cl.lesson.COLOURS[colour], capsize=4, ms=8)
    told = f"{mean:+.1f} ± {margin:.1f} ({len(found)} pairs)".replace("-", "−")
    axes.annotate(told, (mean + margin, place), (8, -4), textcoords="offset points")
axes.axvline(0, color="#888888", lw=1)
axes.set_yticks(range(len(rows)), list(rows))
axes.set(xlabel="MBConv ahead, points of test accuracy", xlim=(-6, 16), ylim=(len(rows) - 0.5, -0.5))
lead, behind = rows["glyphs, equal multiply-adds"], rows["glyphs, about equal seconds"]
assert lead[0] - lead[1] > 5 and behind[0] + behind[1] < 0
cl.lesson.show(
    figure,
    f"Measured: at equal multiply-adds MBConv is ahead by {lead[0]:.1f} points on glyphs and by less on the other two "
    f"data sets. Beside residual networks that trained for about as many seconds it is {-behind[0]:.1f} points behind.",
)

# %% [markdown]
# Both sides of the trade in one picture. For each *multiply-add* MBConv learns more: {lead[0]:.1f} ± {lead[1]:.1f} points on glyphs,
# {rows["cifar10, equal multiply-adds"][0]:.1f} ± {rows["cifar10, equal multiply-adds"][1]:.1f} on CIFAR-10,
# {rows["fashion_mnist, equal multiply-adds"][0]:.1f} ± {rows["fashion_mnist, equal multiply-adds"][1]:.1f} on FashionMNIST. But the
# same multiply-adds took it {slow:.1f} times the seconds. A residual network twice as wide, with {works.min():.1f} to
# {works.max():.1f} times the multiply-adds, needed about the seconds of MBConv, and is ahead of it. (Other work ran beside
# these trainings, so the seconds are a rough guide.) These networks are tiny and trained briefly on a CPU; on a telephone's
# processor, for which MobileNets were made, or at ImageNet's scale, the balance may be another one.
#
# ## Move it
#
# Here the blocks can be swapped, in the table of rows. Try this:
#
# 1. In stage 5 choose *fused MBConv*: a dense convolution in place of the first 1×1 and the depthwise one. Then do that in stage 2
#    only. Where is it affordable? (EfficientNetV2 uses it in the first stages, for speed; Tan and Le 2021.)
# 2. Choose the family *resnet*, and MBConv for stage 3. Why does the cost rise four-fold? Now give that stage 128 channels.
# 3. Back at *efficientnet*, set *se* to 0 in every row. What falls, multiply-adds or parameters?


# %%
def cost(family, edits):
    """What a family's network costs with these rows changed, as the Explorer does it."""
    return cl.Explorer(family, edits=edits, points=[]).cost


b0 = cost("efficientnet", {})
fused = {stage: cost("efficientnet", {stage: {"block": "fused_mbconv"}}).macs for stage in (2, 5)}
without = cost("efficientnet", {stage: {"se": 0} for stage in range(1, 8)})
assert fused[2] < 1.5 * b0.macs < 3 * b0.macs < fused[5]
assert cost("resnet", {3: {"block": "mbconv"}}).macs > 4 * cost("resnet", {}).macs
assert without.macs > 0.99 * b0.macs and without.params < 0.9 * b0.params
hide = ["phi", "coefficients", "plane", "budget", "layers", "compare", "training", "takeaway"]
explorer = cl.Explorer("efficientnet", hide=hide)
explorer

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in
# [solutions](solutions/06_from_resnet_block_to_mbconv.ipynb).
#
# **06.1** (warm-up) A 5×5 convolution to 64 channels is replaced by a separable one. What fraction of the multiply-adds remains?

# %% tags=["exercise"]
# Your answer:
answer = 1 / 64 + 1 / 5**2
cl.lesson.check("06.1", answer)

# %% [markdown] tags=["solution"]
# `1 / c_out + 1 / k²`. The larger the kernel, the more a separable convolution saves: MBConv can afford 5×5.

# %% [markdown]
# **06.2** What part of the multiply-adds of `cl.blocks.mbconv(cl.image(80, 14), 80, kernel=5)` is its depthwise convolution? A fraction.

# %% tags=["exercise"]
# Your answer:
table = cl.blocks.mbconv(cl.image(80, 14), 80, kernel=5).graph("block").table().set_index("layer")
answer = table.loc["conv2", "macs"] / table["macs"].sum()
cl.lesson.check("06.2", answer)

# %% [markdown] tags=["solution"]
# For each pixel 25 · 480 multiply-adds in the depthwise convolution and 80 · 480 in each of the two 1×1 convolutions: even at 5×5 the
# 1×1 convolutions do most of the work.

# %% [markdown]
# **06.3** A squeeze-excite stands behind 672 hidden channels of a block that 112 channels enter; it squeezes to a quarter of those 112.
# How many parameters has it, biases included?

# %% tags=["exercise"]
# Your answer:
hidden, squeeze = 672, 112 // 4
answer = hidden * squeeze + squeeze + squeeze * hidden + hidden
cl.lesson.check("06.3", answer)

# %% [markdown] tags=["solution"]
# Two 1×1 convolutions, 672 to 28 and 28 to 672, each with a bias for every output.

# %% [markdown]
# **06.4** EfficientNet-B0 has 16 blocks. How many of them have a shortcut?

# %% tags=["exercise"]
# Your answer:
operations = cl.architecture("efficientnet_b0").graph().table()["operation"]
answer = int((operations == "add").sum())
cl.lesson.check("06.4", answer)

# %% [markdown] tags=["solution"]
# In each of the seven stages the first block changes the channels or the size, and has none: 16 − 7. A ResNet projects there.

# %% [markdown]
# **06.5** (open) Write a block of your own from 64 to 64 channels at 14 px: with a sum, a depthwise convolution of 5×5 or larger, and at
# most 5 million multiply-adds. Answer with its graph, `block(cl.image(64, 14)).graph("mine")`.

# %% tags=["exercise"]
# Your answer:
b = cl.blocks
x = cl.image(64, 14)
y = b.act(b.norm(b.conv(x, 64, 7, groups=64)), "silu")
answer = b.add(b.norm(b.conv(y, 64, 1)), x).graph("mine")
cl.lesson.check("06.5", answer)

# %% [markdown] tags=["solution"]
# A large depthwise kernel at the start, on the thin image, is cheap: 49 · 64 multiply-adds a pixel. ConvNeXt (Liu et al. 2022) does
# so and expands after it. MBConv with kernel 5 fits, too, if it expands only twofold.

# %% [markdown]
# ## Summary
#
# * Bottleneck and MBConv differ by five changes: depthwise, inverted, linear, squeeze-excite, SiLU.
# * A separable convolution costs `1 / c_out + 1 / k²` of a dense one, and saves less time than multiply-adds.
# * Wide inside for ReLU to lose nothing, thin outside to be cheap; no activation where it is thin.
# * Squeeze-excite is cheap in multiply-adds and dear in parameters; SiLU is free in both and dear in memory.
# * At equal multiply-adds MBConv was ahead in all three tables, at about equal seconds on a CPU it was not.
#
# ### Further reading
#
# * Howard et al.: *MobileNets*, 2017 (arXiv:1704.04861), section 3.1: depthwise separable convolutions.
# * Sandler et al.: *MobileNetV2: Inverted Residuals and Linear Bottlenecks*, 2018 (arXiv:1801.04381), section 3.
# * Hu, Shen, Sun: *Squeeze-and-Excitation Networks*, 2018 (arXiv:1709.01507).
# * Tan, Le: *EfficientNetV2: Smaller Models and Faster Training*, 2021 (arXiv:2104.00298), section 3.
