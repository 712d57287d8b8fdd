# %% [markdown]
# # 03 · Width: what more channels cost, and what they buy
#
# ## Goals
#
# * Work out what twice the channels cost: in multiply-adds, in parameters, in memory.
# * Say which layers follow the rule and which do not.
# * See the staircase that rounding to multiples of 8 makes, and find the widest network under a budget.
# * Read what width buys, measured here and published, and compare it with depth at equal cost.
#
# ## Before
#
# Lesson 02, or at least its rule for the cost of a convolution: k · k · channels in · channels out, for each pixel that it puts out.

# %% [markdown]
# ## The idea
#
# The *width* of a layer is its number of channels: how many different things it can say about each pixel. The *width multiplier*
# scales them all; the number of layers and the size of the feature maps stay. (For ResNet-50 the rows below give the inner width
# of its blocks; each puts out four times as many channels.)

# %%
import numpy as np
import pandas as pd
import torch
from torch import nn

import cnnlab as cl

resnet50 = cl.architecture("resnet50")
twice = cl.scaled(resnet50, width=2)
for arch in (resnet50, twice):
    print(f"{arch.name}: stem {arch.stem.width}, stages {[stage.width for stage in arch.stages]}, {arch.blocks} blocks")

# %%
dearer = cl.lesson.guess(
    "Twice the channels everywhere in ResNet-50: how many times the multiply-adds?", 1, 8, step=0.05, unit="times"
)
dearer

# %% [markdown]
# First on paper, for one convolution: 3×3, 64 channels in and out, on a map of 56×56 pixels, and then with 128 channels in and out.
# PyTorch's own layer is counted by `cl.count`, a second engine that shares no code with the first: it watches what is executed.

# %%
for channels in (64, 128):
    hand = 3 * 3 * channels * channels * 56 * 56
    ours = cl.blocks.conv(cl.image(channels, 56), channels, 3).graph("conv").cost()
    layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    counted = cl.count(layer, torch.empty(1, channels, 56, 56)).macs
    print(
        f"{channels} channels: by hand {hand:,}, cnnlab {ours.macs:,}, counted {counted:,}; {ours.activations:,} numbers out"
    )
    assert hand == ours.macs == counted
times = twice.cost().macs / resnet50.cost().macs
assert 3.9 < times < 4
dearer.reveal(round(times, 3))

# %% [markdown]
# Each of the output channels reads each of the input channels, so the work is a product of the two. Doubling one doubles it; doubling
# both makes it four times as much. The same holds for the parameters, because every pair of channels has its own k×k weights. But
# the layer only puts out twice as many numbers, its *activations*.

# %%
kept = cl.lesson.guess(
    "And the bytes of feature maps that training keeps for the backward pass?",
    choices=["about as many", "about twice as many", "about four times as many"],
)
kept

# %%
rows = {}
for name in ("resnet50", "mobilenet_v1", "efficientnet_b0"):
    arch = cl.architecture(name)
    wider = cl.scaled(arch, width=2)
    old, new = (each.memory(batch=32, optimizer="momentum") for each in (arch, wider))
    costs = {
        what: getattr(wider.cost(), what) / getattr(arch.cost(), what) for what in ("macs", "params", "activations")
    }
    rows[name] = costs | {"kept for backward": new.saved / old.saved, "all of training": new.training / old.training}
ratios = pd.DataFrame(rows).T
assert ratios["kept for backward"].between(1.95, 2).all() and ratios["activations"].between(1.999, 2).all()
others = [cl.scaled(resnet50, depth=4).memory(32).saved, cl.scaled(resnet50, resolution=448).memory(32).saved]
assert min(others) > 3 * resnet50.memory(32).saved
kept.reveal("about twice as many")
ratios.round(2)

# %% [markdown]
# So width is the knob that adds the most multiply-adds for the least memory: for ResNet-50, four times the depth or twice the
# resolution, which also cost about four times the multiply-adds, keep more than three times as much (lessons 02 and 04). With 32 images at a time a step of training ResNet-50
# takes {ratios.loc["resnet50", "all of training"]:.1f} times the memory at twice the width, between two (the feature maps) and four (the
# weights, their gradients and the optimizer's state). Lesson 05 shows why that matters for time.
#
# ## Where it is not four
#
# The table above already has an exception: EfficientNet-B0 at twice the width has {ratios.loc["efficientnet_b0", "macs"]:.2f} times the
# multiply-adds. By the role of its layers:

# %%
b0 = cl.architecture("efficientnet_b0")
old, new = (cl.scaled(b0, width=w).graph().table(by="role").set_index("role")["macs"] for w in (1, 2))
roles = pd.DataFrame(
    {"width 1": old, "width 2": new, "times": (new / old).round(2), "share at 1": (old / old.sum()).round(3)}
)
assert roles["times"]["stem"] == roles["times"]["depthwise"] == 2 and roles["times"]["pointwise"] == 4
roles

# %% [markdown]
# * The **stem** reads three channels, red, green and blue, however wide the network is. Only its output doubles.
# * A **depthwise** convolution reads one channel for each that it puts out (k · k · channels): nothing is multiplied.
# * The last linear layer of the **head** puts out the classes, and their number is fixed; the 1×1 convolution before it does grow
#   four times.
# * **Pointwise** (1×1) and other full convolutions multiply channels in by channels out: exactly four.
#
# ## Whole numbers again: the staircase
#
# A layer has a whole number of channels, and most families go further: they round to multiples of 8, and never below 90 % of what was
# asked for (Tan and Le 2019; the MobileNets use the same rule). At width 1.1 EfficientNet-B0's stages become:

# %%
for stage, wider in zip(b0.stages, cl.scaled(b0, width=1.1).stages, strict=True):
    print(f"{stage.width:3d} · 1.1 = {1.1 * stage.width:5.1f} -> {wider.width}")

# %% [markdown]
# Some stages do not change at all. `scaled` takes an array of widths too. Below is the exact cost of all widths from 0.25 to 2 in steps
# of a thousandth, from one call, against the square law: the cost at width 1, times width².

# %%
widths = np.round(np.arange(0.25, 2.0001, 0.001), 3)
figure, (left, right) = cl.lesson.panels(2, height=3.7)
for name, title, colour in (("efficientnet_b0", "EfficientNet-B0", "vermilion"), ("resnet50", "ResNet-50", "blue")):
    arch, look = cl.architecture(name), {"color": cl.lesson.COLOURS[colour], "lw": 1.5}
    relative = cl.scaled(arch, width=widths).cost().macs / arch.cost().macs
    over = 100 * (relative / widths**2 - 1)
    left.plot(widths, relative, ls="-" if name == "resnet50" else "--", label=title, **look)
    right.plot(widths, over, ls="-" if name == "resnet50" else "--", **look)
    right.annotate(title, (0.42, -14) if name == "resnet50" else (0.6, 45), color=look["color"])
    if name == "efficientnet_b0":
        stairs = over
left.plot(widths, widths**2, ":", color=cl.lesson.COLOURS["ink"], label="width²")
left.set(xlabel="width multiplier", ylabel="multiply-adds, times those at 1", title="Close to the square")
left.legend(frameon=False, loc="upper left")
right.axhline(0, ls=":", color=cl.lesson.COLOURS["ink"])
right.set(xlabel="width multiplier", ylabel="more than the square law, %", title="How far off", ylim=(-20, 100))
cl.lesson.show(
    figure,
    f"At a quarter of the width EfficientNet-B0 costs {stairs[0]:.0f} % more than the square law says, at twice the width "
    f"{-stairs[-1]:.0f} % less. The teeth are the rounding, which lets no layer go below 8 channels.",
)

# %%
assert len(widths) == 1751 and stairs[0] > 20 and stairs[-1] < -5
mobile = cl.architecture("mobilenet_v1")
for multiplier in (0.75, 0.5, 0.25):
    share = cl.scaled(mobile, width=multiplier).cost().macs / mobile.cost().macs
    print(
        f"MobileNetV1 x {multiplier}: square law {multiplier**2:.3f}, exact {share:.3f}, {share / multiplier**2 - 1:+.0%}"
    )

# %% [markdown]
# Howard et al. (2017) introduced the width multiplier with MobileNet and say that it lowers cost by *roughly* its square. Now you
# know the size of "roughly". MobileNetV1's channels need no rounding here: what is over is the layers that only grow in proportion, which
# weigh more in a thin network.
#
# ### The widest network under a budget
#
# Because of the stairs, a budget is not met by taking a square root. `cl.solve` costs every different network that a knob can
# make, and returns the largest that fits; `cl.isocost` also says what the next step would cost.

# %%
widest = cl.solve("efficientnet_b0", macs=2e8)
print(f"{widest.name}: {widest.cost().macs:,} multiply-adds")
step = cl.isocost("efficientnet_b0", macs=2e8, depth=[1], resolution=[224])[["width", "macs", "next"]]
guess_by_root = (2e8 / b0.cost().macs) ** 0.5
assert widest.cost().macs == step["macs"][0] <= 2e8 < step["next"][0]
print(
    f"by the square root: width {guess_by_root:.3f}, {cl.scaled(b0, width=guess_by_root).cost().macs:,} multiply-adds"
)
step

# %% [markdown]
# ## Why multiples of 8: what hardware likes
#
# Processors do not multiply one number at a time but 8, 16 or more side by side, and the tensor cores of GPUs take small matrices.
# Channels that do not fill the last group leave part of it idle; NVIDIA's guide to performance asks for multiples of 8 (for 16-bit
# numbers). More important is a wide layer as such: it does more work for each number that it has to fetch. So time should grow more
# slowly than multiply-adds. ResNet-20 of CIFAR, 8 images, at four widths, on one core:

# %% tags=["nbval-ignore-output"]
cifar = cl.architecture("cifar_resnet20")
speed = {}
for width in (0.5, 1, 2, 4):
    timing = cl.latency(cl.scaled(cifar, width=width), batch=8, threads=1, seconds=0.4)
    speed[width] = 8 * timing.macs / timing.median / 1e9
    print(f"width {width}: {1000 * timing.median:6.1f} ms a batch, {speed[width]:5.1f} G multiply-adds a second")

# %%
print("at width 4 a second does more than 1.5 times the multiply-adds of width 0.5:", speed[4] > 1.5 * speed[0.5])
assert speed[4] > 1.5 * speed[0.5]

# %% [markdown]
# At equal multiply-adds a wide network is usually the faster one: lesson 02 saw the same from the other side.
#
# ## What width buys: measured
#
# On `glyphs` the three families were trained at several widths, with depth and resolution at their middle, three seeds or more each.

# %%
gain = cl.lesson.guess(
    "Residual networks, width 0.75 to 1.5 (about four times the cost): how many points?", 0, 30, unit="points"
)
gain

# %%
from cnnlab.run.findings import curve

rise = {family: curve("width", family, "glyphs").set_index("width") for family in ("plain", "resnet", "mbconv")}
resnet = rise["resnet"]
early, late = resnet["accuracy"][1.0] - resnet["accuracy"][0.75], resnet["accuracy"][1.5] - resnet["accuracy"][1.25]
whole = resnet["accuracy"][1.5] - resnet["accuracy"][0.75]
paid = resnet["macs"][1.5] / resnet["macs"][0.75]
assert 3.9 < paid < 4.1 and 11 < whole < 13 and late < early
gain.reveal(round(whole, 1))

# %%
LOOKS = {"plain": ("ink", "s"), "resnet": ("blue", "o"), "mbconv": ("vermilion", "^")}
figure, (left, right) = cl.lesson.panels(2, height=3.9)
for family, frame in rise.items():
    colour, marker = LOOKS[family]
    style = {"color": cl.lesson.COLOURS[colour], "marker": marker, "capsize": 3}
    left.errorbar(frame.index, frame["accuracy"], frame["high"] - frame["accuracy"], label=family, **style)
left.legend(frameon=False, loc="lower right")
left.set(xlabel="width multiplier", ylabel="test accuracy, %", title="glyphs")
for data, line in (("fashion_mnist", "-"), ("cifar10", "--")):
    frame = curve("width", "resnet", data).set_index("width")
    style = {"color": cl.lesson.COLOURS["blue"], "marker": "o", "ls": line, "capsize": 3}
    right.errorbar(frame.index, frame["accuracy"], frame["high"] - frame["accuracy"], **style)
    right.annotate(f"resnet, {data}", (1.0, frame["accuracy"][1.0]), (-30, 18), textcoords="offset points")
right.set(xlabel="width multiplier", title="the other data sets", ylim=(35, 90))
cl.lesson.show(
    figure,
    f"Mean and 95 % interval of the seeds. On glyphs residual networks gain {early:.1f} points from width 0.75 to 1 and "
    f"{late:.1f} from 1.25 to 1.5; no family turns down.",
)

# %%
assert all(frame["accuracy"].is_monotonic_increasing for frame in rise.values())
clear = resnet["low"][1.5] > resnet["high"][0.75]
open_ = resnet["low"][1.5] < resnet["high"][1.25]
print("resnet, width 1.5 above 0.75, intervals apart:", clear)
print("resnet, width 1.5 and 1.25, intervals overlap:", open_)
assert clear and open_

# %% [markdown]
# The curve rises all along and flattens: {whole:.1f} points for {paid:.1f} times the multiply-adds, most of them at the beginning. Unlike
# depth (lesson 02), width does not break plain networks: their curve rises as the others do. The last step is not certain, its
# intervals overlap.
#
# ## Repeat it here
#
# Two of those widths in short: 2,400 images of 20 px, two seeds each.

# %% tags=["nbval-ignore-output"]
accuracy = {}
for width in (0.5, 1.5):
    arch = cl.scaled(cl.architecture("small_resnet", classes=42), width=width, resolution=20)
    for seed in (0, 1):
        accuracy[width, seed] = cl.lesson.repeat(arch, limit=2400, seed=seed).test_accuracy
    print(f"width {width}: {arch.cost().macs:,} multiply-adds,", *(f"{accuracy[width, s]:.1f} %" for s in (0, 1)))

# %%
gap = np.mean([accuracy[1.5, seed] - accuracy[0.5, seed] for seed in (0, 1)])
print("the wider one is ahead by more than 8 points, on average of the seeds:", gap > 8)
assert gap > 8

# %% [markdown]
# ## What width buys: published, and against depth
#
# Zagoruyko and Komodakis (2016) asked whether residual networks should be wide rather than deep. Their Table 7 has ResNet-18 and ResNet-34
# at several widths on ImageNet, one recipe for all: exactly what is needed to compare the two knobs at equal cost. Howard et al.
# (2017) compare a thin MobileNet with a shallow one (Tables 5 and 6).

# %%
published = cl.published()
wide = published[published["source"].str.endswith("Komodakis 2016, Table 7")]
figure, (axes,) = cl.lesson.panels(1, height=3.7)
for layers, marker, colour, place in ((18, "o", "blue", (8, -13, "left")), (34, "s", "vermilion", (-8, 7, "right"))):
    frame, look = wide[wide["layers"] == layers], {"color": cl.lesson.COLOURS[colour]}
    axes.plot(frame["macs"] / 1e9, frame["accuracy"], marker=marker, **look)
    for macs, accuracy, width in zip(frame["macs"] / 1e9, frame["accuracy"], frame["width"], strict=True):
        text = f"{layers} layers × {width:g}"
        axes.annotate(text, (macs, accuracy), place[:2], textcoords="offset points", ha=place[2], **look)
axes.set(xlabel="multiply-adds, billions", ylabel="ImageNet top-1, %", xlim=(0, 17), ylim=(68.5, 78))
cl.lesson.show(
    figure,
    "Wide ResNets (Zagoruyko and Komodakis 2016): ResNet-18 made 1.5 times as wide reaches about what ResNet-34 does, at about "
    "its cost.",
)

# %%
thin = published[published["source"].str.match(r"Howard et al. 2017, Table [56]")]
is_shallow = thin["model"].str.startswith("Shallow")
shallow, line = thin[is_shallow].iloc[0], thin[~is_shallow]
figure, (axes,) = cl.lesson.panels(1, height=3.4)
axes.plot(line["macs"] / 1e6, line["accuracy"], marker="o", color=cl.lesson.COLOURS["blue"])
for macs, accuracy, width in zip(line["macs"] / 1e6, line["accuracy"], line["width"], strict=True):
    axes.annotate(
        f"× {width:g}", (macs, accuracy), (8, -13), textcoords="offset points", color=cl.lesson.COLOURS["blue"]
    )
axes.plot(shallow["macs"] / 1e6, shallow["accuracy"], "X", ms=9, color=cl.lesson.COLOURS["vermilion"])
place = (shallow["macs"] / 1e6, shallow["accuracy"]), (12, -5)
axes.annotate("five layers fewer", *place, textcoords="offset points", color=cl.lesson.COLOURS["vermilion"])
axes.set(xlabel="multiply-adds, millions", ylabel="ImageNet top-1, %", xlim=(0, 620), ylim=(47, 73))
cl.lesson.show(
    figure,
    "MobileNetV1 at four widths, and a shallow one (Howard et al. 2017): of about the same cost, the thinner is the better.",
)

# %%
from cnnlab.run.findings import equal_cost

points = wide.set_index("model")["accuracy"]
costs = wide.set_index("model")["macs"]
behind = points["WRN-34-1.0"] - points["WRN-18-1.5"]
cost_ratio = costs["WRN-18-1.5"] / costs["WRN-34-1.0"]
assert abs(behind) < 0.5 and 1 < cost_ratio < 1.1
three_quarters = line[line["width"] == 0.75].iloc[0]
lead = three_quarters["accuracy"] - shallow["accuracy"]
assert lead > 3 and three_quarters["macs"] / shallow["macs"] < 1.1
for family, knob in (("plain", "width"), ("resnet", "width"), ("mbconv", "depth")):
    rows = equal_cost(family).query("scaled != 'start'")
    assert rows["scaled"].tolist()[:2] == ["all three", knob] and not rows["certain"].iloc[1]
print(f"34 layers are {behind:.2f} points ahead of 18 layers x 1.5, which cost {cost_ratio:.2f} times as much")
print(f"MobileNetV1 x 0.75 is {lead:.1f} points ahead of the shallow one")

# %% [markdown]
# So neither knob wins always. From 18 layers, 1.5 times the width does about as well as twice the layers ({behind:.2f} points between
# them, one figure each and no interval, so not to be ordered). For MobileNetV1 taking away channels hurts less than taking away layers, by {lead:.1f}
# points. On our glyphs, from a small start, width is the best single knob for plain and residual networks and depth for `mbconv`, but
# the lead of all three together over it is not certain: see the data card, `data/measured/README.md`, and lesson 07.
#
# ## Move it
#
# One slider, width. Try this:
#
# 1. Move slowly from 1 to 1.2. Which stages change at which step?
# 2. Set 0.5. Which share of the cost have stem and head now, and at width 2?
# 3. Choose the family *small ResNet*: measured points and a predicted band appear. Where do they flatten?

# %%
explorer = cl.Explorer("efficientnet", width=1.2, hide="width")
explorer

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in [solutions](solutions/03_width.ipynb).
#
# **03.1** (warm-up) A 5×5 *depthwise* convolution with 240 channels on a map of 28×28 pixels becomes twice as wide. How many
# multiply-adds has it then?

# %% tags=["exercise"]
# Your answer:
answer = 5 * 5 * 480 * 28 * 28
cl.lesson.check("03.1", answer)

# %% [markdown] tags=["solution"]
# Each of the 480 channels is filtered by itself: 25 multiply-adds for each of 784 pixels. It is twice what it was, not four times.

# %% [markdown]
# **03.2** To how many channels does EfficientNet round a stage of 112 channels at width 1.4? (The nearest multiple of 8; a half is
# rounded up; not below 90 %.)

# %% tags=["exercise"]
# Your answer:
answer = int(1.4 * 112 + 4) // 8 * 8
cl.lesson.check("03.2", answer)

# %% [markdown] tags=["solution"]
# 1.4 · 112 = {1.4 * 112:.1f}; the multiples of 8 around it are 152 and 160, and 160 is nearer.

# %% [markdown]
# **03.3** What fraction of MobileNetV1's multiply-adds is left at width 0.5? Give a number such as 0.5, to three digits or better.

# %% tags=["exercise"]
# Your answer:
mobile = cl.architecture("mobilenet_v1")
answer = cl.scaled(mobile, width=0.5).cost().macs / mobile.cost().macs
cl.lesson.check("03.3", answer)

# %% [markdown] tags=["solution"]
# A little more than a quarter: stem, depthwise layers and head are halved, not quartered.

# %% [markdown]
# **03.4** Training `resnet50` with 16 images and momentum takes some memory. What is the largest width multiplier for which
# a training step (`arch.memory(...).training`) stays within 4 GB, 4e9 bytes? Use `cl.solve`; the name of its result says the width.

# %% tags=["exercise"]
# Your answer:
widest = cl.solve("resnet50", memory=4e9, batch=16, optimizer="momentum")
answer = float(widest.name.split("w=")[1])
cl.lesson.check("03.4", answer)

# %% [markdown] tags=["solution"]
# Width doubles the feature maps and quadruples weights, gradients and momentum, so the budget is met between the two laws.

# %% [markdown]
# **03.5** (open) Halve the depth of ResNet-50 and spend what is saved on width. Build a network for 224 px with depth multiplier 0.5,
# at most ResNet-50's multiply-adds and at least 95 % of them. What happens to activations and parameters? Which of the two would you
# train, and what would you need to know?

# %% tags=["exercise"]
# Your answer:
base = cl.architecture("resnet50")
answer = cl.solve(cl.scaled(base, depth=0.5), macs=base.cost().macs)
cl.lesson.check("03.5", answer)

# %% [markdown] tags=["solution"]
# The wide, shallow network writes fewer activations, so it is likely to be faster; it has more parameters. Which is more accurate only
# training tells: at equal cost the published figures above are about even, for other sizes.

# %% [markdown]
# ## Summary
#
# * A convolution costs channels in times channels out: twice as wide is four times the multiply-adds and parameters.
# * Activations, and so the memory of feature maps, only double.
# * Stem, depthwise layers and the last linear layer double too: thin networks cost more than the square law says.
# * Widths are rounded to multiples of 8; a budget is met by costing the stairs, not by a square root.
# * Wide layers use hardware better than deep stacks. What width buys flattens, as depth's does.
#
# ### Further reading
#
# * Zagoruyko, Komodakis: *Wide Residual Networks*, 2016 (arXiv:1605.07146).
# * Howard et al.: *MobileNets*, 2017 (arXiv:1704.04861), section 3.3.
# * Dollár, Singh, Girshick: *Fast and Accurate Model Scaling*, 2021 (arXiv:2103.06877): why to scale mostly width.
