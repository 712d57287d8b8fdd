# %% [markdown]
# # 02 · Depth: what more layers cost, and what they buy
#
# ## Goals
#
# * Work out on paper what a stage costs: its first block, and each block that is added to it.
# * Follow how far a layer sees, layer by layer, and check it with gradients.
# * Say what depth costs beside multiply-adds: memory in training, and time that no parallel machine gets back.
# * Read from measured and published tables what depth buys, and where it stops.
#
# ## Before
#
# Lesson 01: the residual block, and why deep networks need it. You should know the words stem, stage, block and head: a network
# is a *stem*, then *stages* of like *blocks*, then a *head* that names the class.

# %% [markdown]
# ## The idea
#
# To make a network deeper is to repeat its blocks. The *depth multiplier* says how often: at depth 2 each stage has twice as many.
# Stem and head stay as they are, and so does the first block of a stage, which halves the image and changes the number of channels.
# One call does it:

# %%
import numpy as np
import torch

import cnnlab as cl

resnet50 = cl.architecture("resnet50")
twice = cl.scaled(resnet50, depth=2)
for arch in (resnet50, twice):
    print(f"{arch.name}: {' + '.join(str(stage.depth) for stage in arch.stages)} = {arch.blocks} blocks")

# %%
dearer = cl.lesson.guess(
    "Twice the blocks in every stage of ResNet-50: how many times the multiply-adds?", 1, 4, step=0.05, unit="times"
)
dearer

# %%
times = twice.cost().macs / resnet50.cost().macs
assert 1.8 < times < 1.9
dearer.reveal(round(times, 3))
resnet50.graph().table(by="block").query("block.str.startswith('stage3')")[["block", "channels", "size", "macs"]]

# %% [markdown]
# A little less than twice, because what is there only once is not doubled. In the table, one block of the third stage differs from
# the others: the first. In ResNet-50 it is the dearest: its first layer still works on the larger image of the stage before, and
# its shortcut has a convolution of its own (the projection of lesson 01). To see exactly what a first block costs, take a simpler
# network.
#
# ## On paper: the first block and the others
#
# The third stage of ResNet-18 has two *basic* blocks: two 3×3 convolutions with 256 channels, on a feature map of 14×14 pixels. A
# k×k convolution takes k · k · channels in · channels out multiply-adds for each pixel that it puts out. So:
#
# * a repeated block: 2 · (9 · 256 · 256) for each of 14 · 14 pixels;
# * the first block: 9 · 128 · 256 (from the 128 channels of the stage before), 9 · 256 · 256, and a 1×1 projection for the shortcut,
#   128 · 256, again for each of 14 · 14 pixels.

# %%
from torch.utils.flop_counter import FlopCounterMode

pixels = 14 * 14
repeated = 2 * 9 * 256 * 256 * pixels
first = (9 * 128 * 256 + 9 * 256 * 256 + 128 * 256) * pixels
byblock = cl.architecture("resnet18").graph().table(by="block").set_index("block")["macs"]

model = cl.architecture("resnet18").graph().module(seed=0).eval()
with FlopCounterMode(display=False) as counter, torch.no_grad():
    model(torch.zeros(1, 3, 224, 224))
flops = counter.get_flop_counts()
for name, hand in (("stage3.0", first), ("stage3.1", repeated)):
    executed = next(sum(ops.values()) for path, ops in flops.items() if path.endswith(name)) // 2
    print(f"{name}: by hand {hand:,}, cnnlab {byblock[name]:,}, counted while it ran {executed:,}")
    assert hand == byblock[name] == executed
print(f"first / repeated = {first / repeated:.3f}")

# %% [markdown]
# Three counts, one number. (PyTorch's counter counts a multiply-add as two operations, so its figure was halved.) The first block of
# these stages is *cheaper* than the others: its first convolution has half the channels to read, and the projection costs little. A
# stage of n blocks therefore costs `first + (n - 1) · repeated`: a straight line in n. Each further block costs the same.
#
# There is one catch. A stage has a whole number of blocks, so `depth=1.1` must be rounded. EfficientNet rounds *up*: n blocks become
# ceil(depth · n) (Tan and Le 2019). EfficientNet-B0 has stages of 1, 2, 2, 3, 3, 4 and 1 blocks.

# %%
rounded = cl.lesson.guess("EfficientNet-B0 has 16 blocks. How many has it at depth 1.1?", 16, 32, unit="blocks")
rounded

# %%
b0 = cl.architecture("efficientnet_b0")
bit = cl.scaled(b0, depth=1.1)
assert [stage.depth for stage in bit.stages] == [-(-11 * stage.depth // 10) for stage in b0.stages]
assert cl.scaled(b0, depth=1.2).blocks == bit.blocks
bit_dearer = bit.cost().macs / b0.cost().macs
rounded.reveal(bit.blocks)

# %% [markdown]
# Every stage got one more block, so "10 % deeper" is {bit.blocks / b0.blocks - 1:.0%} more blocks and {bit_dearer - 1:.0%} more
# multiply-adds. Depth 1.2 makes the very same network. `scaled` takes an array of depths as well and costs all of them in one
# call, so the whole staircase can be drawn.

# %%
depths = np.round(np.arange(1, 4.0001, 0.01), 2)
figure, (left, right) = cl.lesson.panels(2, height=3.7)
for name, title, colour, marker in (
    ("efficientnet_b0", "EfficientNet-B0", "vermilion", "^"),
    ("resnet50", "ResNet-50", "blue", "o"),
):
    arch = cl.scaled(cl.architecture(name), depth=depths)
    look = {"color": cl.lesson.COLOURS[colour], "lw": 1.8}
    macs, memory = arch.cost().macs, arch.memory(batch=32)
    saved, peak = (np.broadcast_to(each, depths.shape) for each in (memory.saved, memory.peak))
    assert saved[-1] > 2.5 * saved[0] and np.all(peak == peak[0])
    left.plot(depths, macs / macs[0], marker=marker, markevery=50, ms=5, label=title, **look)
    right.plot(depths, saved / saved[0], marker=marker, markevery=50, ms=5, **look)
    right.plot(depths, peak / peak[0], "--", **look)
left.plot(depths, depths, ":", color=cl.lesson.COLOURS["ink"], label="proportional")
left.legend(frameon=False, loc="upper left")
left.set(xlabel="depth multiplier", ylabel="times those at depth 1", title="Multiply-adds")
right.annotate("kept for the backward pass", (2.7, 2.6), (-160, 14), textcoords="offset points")
right.annotate("peak at inference", (2.2, 1), (0, 8), textcoords="offset points")
right.set(xlabel="depth multiplier", title="Bytes of feature maps, 32 images")
cl.lesson.show(
    figure,
    f"Multiply-adds climb in steps; EfficientNet, with stages of few blocks, jumps to {bit_dearer:.2f} times at once. "
    f"What training keeps grows with depth as well; the peak at inference does not grow at all.",
)

# %% [markdown]
# The right panel holds a second lesson. To learn, a network keeps the feature maps of the way forward until the way back has used
# them, and every block adds its own. So memory in *training* grows with depth. At *inference* a map is thrown away once the next
# layer has read it; the most that is alive at one time is in an early stage, and more blocks do not raise it at all. (The weights
# themselves do grow with depth, in both cases.)
#
# ## How far a layer sees
#
# One pixel of a feature map depends on a square of the image, its *receptive field*. It can be followed by hand with two numbers:
# `field`, the side of the square, and `jump`, how many image pixels lie between two neighbours of the map. A k×k layer with stride s
# does this:
#
#     field = field + (k - 1) · jump
#     jump  = jump · s
#
# The networks that this repository has measured, `small_resnet` and its kin, have a 3×3 stem of stride 2 and two stages of basic
# blocks; the second stage starts with stride 2. At depth 1 the stages have one and two blocks.

# %%
from cnnlab.arch.field import receptive_field

small = cl.architecture("small_resnet", resolution=96)


def field_by_hand(arch):
    one, two = (int(stage.depth) for stage in arch.stages)
    field, jump = 1, 1
    for kernel, stride in [(3, 2), *[(3, 1)] * (2 * one), (3, 2), *[(3, 1)] * (2 * two - 1)]:
        field, jump = field + (kernel - 1) * jump, jump * stride
    return field


def gradient_map(arch):
    """The gradient of the last map's middle pixel in the image; the weights of a layer are equal, so none cancels."""
    model, maps = arch.graph().module(seed=0).double().eval(), []
    for weight in model.parameters():
        if weight.dim() == 4:  # of a convolution
            torch.nn.init.constant_(weight, 1 / weight[0].numel())
    last = model.get_submodule(f"stage2.{int(arch.stages[1].depth) - 1}")
    last.register_forward_hook(lambda module, inputs, output: maps.append(output))
    image = torch.ones(1, 3, 96, 96, dtype=torch.float64, requires_grad=True)
    model(image)
    maps[0][0, :, 12, 12].sum().backward()
    return image.grad[0].sum(0)


# %%
figure, axes = cl.lesson.panels(3, height=3.5)
fields = {}
for panel, depth in zip(axes, (0.5, 1.0, 2.0), strict=True):
    arch = cl.scaled(small, depth=depth)
    grad = gradient_map(arch)
    touched = int((grad.sum(0) > 0).sum())
    fields[depth] = field_by_hand(arch)
    asked = receptive_field(arch.graph())
    print(f"depth {depth}: {arch.blocks} blocks; by hand {fields[depth]} px, by cnnlab {asked}, by gradients {touched}")
    core = slice(48 - touched // 4, 48 + touched // 4)
    inner = float(grad[core, core].sum() / grad.sum())
    assert touched == asked == fields[depth] and inner > 0.6
    panel.imshow(grad / grad.max(), cmap="cividis")
    edge = int((grad.sum(0) > 0).nonzero()[0]) - 0.5
    panel.plot(edge + np.array([0, 0, 1, 1, 0]) * touched, edge + np.array([0, 1, 1, 0, 0]) * touched, "w--", lw=1.2)
    panel.grid(False)
    panel.set(xlabel="image, px", xticks=[0, 48, 96], yticks=[0, 48, 96], title=f"depth {depth:g}: {touched} px")
cl.lesson.show(
    figure,
    f"How strongly one pixel of the last map depends on each pixel of the image. The dashed square is the receptive field: "
    f"{fields[0.5]}, {fields[1.0]} and {fields[2.0]} px. At depth 2, {inner:.0%} of the influence sits in the middle quarter.",
)

# %% [markdown]
# The hand calculation is right to the pixel. But the picture says more: the pixels near the edge of the square hardly count. Luo et
# al. (2016) call the bright part the *effective* receptive field; it grows more slowly than the square. Keep the numbers in mind: if
# a letter fills 42 px and the last layer sees {fields[0.5]} px, no pixel of it sees the whole letter, and the head only averages what
# they saw. Lesson 04 needs this.
#
# ## Time: depth is serial
#
# A layer can start only when the one before it has finished. The work *inside* a layer can be split between many cores; the layers
# cannot. So of two networks with as many multiply-adds, the deeper one should be slower. Take CIFAR's ResNet-20, once with twice the
# channels, once with four times the blocks.

# %%
base = cl.architecture("cifar_resnet20")
wide, deep = cl.scaled(base, width=2), cl.scaled(base, depth=4)
for arch in (wide, deep):
    cost = arch.cost()
    print(f"{arch.name}: {cost.macs:,} multiply-adds, {arch.blocks} blocks, {cost.activations:,} activations")
equal = deep.cost().macs / wide.cost().macs
assert 0.95 < equal < 1.05

# %% tags=["nbval-ignore-output"]
clock = {arch.name: cl.latency(arch, batch=1, threads=1, seconds=1.0) for arch in (wide, deep)}
for name, timing in clock.items():
    print(f"{name}: {1000 * timing.median:.2f} ms, {timing.macs / timing.median / 1e9:.1f} G multiply-adds a second")
slower = clock[deep.name].median / clock[wide.name].median
print(f"deep / wide: {slower:.2f}")

# %%
print("the deep network takes more than 1.1 times as long:", slower > 1.1)
assert slower > 1.1

# %% [markdown]
# The multiply-adds agree within {abs(equal - 1):.0%}; the times do not, though here one core did all the work. Each layer has a fixed
# price, being started. And each has traffic: the deep network writes {deep.cost().activations / wide.cost().activations:.1f} times as many activations (the numbers that its
# convolutions put out), and each must be carried to memory and back. With many cores the wide network can be helped further, and the
# chain of layers cannot.
#
# ## What depth buys: measured
#
# The table `glyphs` holds networks of three families, each at depths 0.5, 1, 1.5 and 2, with three seeds or more (42 classes of
# letters and digits, 3 epochs). `plain` has no shortcuts, `resnet` has them, `mbconv` is built of EfficientNet's blocks.

# %%
gain = cl.lesson.guess(
    "Residual networks gain about 17 points from depth 0.5 to 1. And from 1 to 2?", 0, 20, step=0.5, unit="points"
)
gain

# %%
from cnnlab.run.findings import curve

rise = {family: curve("depth", family, "glyphs").set_index("depth") for family in ("plain", "resnet", "mbconv")}
resnet = rise["resnet"]["accuracy"]
early, late = resnet[1.0] - resnet[0.5], resnet[2.0] - resnet[1.0]
assert 16.5 < early < 17.5 and late < early / 4
gain.reveal(round(late, 1))

# %%
LOOKS = {"plain": ("ink", "s"), "resnet": ("blue", "o"), "mbconv": ("vermilion", "^")}


def line(axes, data, family, dashes="-"):
    frame, (colour, marker) = curve("depth", family, data), LOOKS[family]
    look = {
        "color": cl.lesson.COLOURS[colour],
        "marker": marker,
        "ls": dashes,
        "capsize": 3,
        "label": f"{family}, {data}",
    }
    axes.errorbar(frame["depth"], frame["accuracy"], frame["high"] - frame["accuracy"], **look)


# %%
figure, (left, right) = cl.lesson.panels(2, height=3.9)
for family in LOOKS:
    line(left, "glyphs", family)
for family in ("resnet", "mbconv"):
    line(right, "fashion_mnist", family)
    line(right, "cifar10", family, "--")
left.set(xlabel="depth multiplier", ylabel="test accuracy, %", xticks=[0.5, 1, 1.5, 2], title="glyphs")
right.set(xlabel="depth multiplier", xticks=[0.5, 1, 2], title="the other data sets")
left.legend(frameon=False, loc="lower right")
right.legend(frameon=False, loc="center right")
bend = rise["plain"]["accuracy"]
cl.lesson.show(
    figure,
    f"Mean and 95 % interval of the seeds, the other knobs at their middle. On glyphs residual networks gain {early:.1f} "
    f"points and then {late:.1f}; plain ones are best at depth {bend.idxmax():g}. Elsewhere depth buys little.",
)

# %%
print("best depth of the plain networks:", bend.idxmax())
print(
    "plain, depth 2: below depth 1, and the intervals do not overlap:",
    rise["plain"]["high"][2.0] < rise["plain"]["low"][1.0],
)
overlap = rise["resnet"]["high"][1.0] > rise["resnet"]["low"][2.0]
print("resnet, depth 2 against 1: do the intervals overlap?", overlap)
fashion = curve("depth", "resnet", "fashion_mnist").set_index("depth")["accuracy"]
little = fashion[2.0] - fashion[0.5]
paid = rise["resnet"]["macs"][2.0] / rise["resnet"]["macs"][1.0]
assert (
    1.9 < paid < 2.3
    and bend.idxmax() == 1.0
    and rise["plain"]["high"][2.0] < rise["plain"]["low"][1.0]
    and overlap
    and little < 1.5
)

# %% [markdown]
# Three things to read:
#
# * **Diminishing returns.** The first doubling gives residual networks {early:.1f} points, the second {late:.1f}, each at about twice the cost.
#   The intervals at depth 1 and 2 overlap, so this table alone does not even settle that the second gain is real.
# * **Plain networks turn down** after depth 1: they can be made deeper, but not trained deeper. That is lesson 01 seen from the side.
# * **It depends on the task.** From depth 0.5 to 2, FashionMNIST gives residual networks {little:.1f} points. Two blocks
#   seem to be enough for most of what so short a training finds there.
#
# ## Repeat it here
#
# A short version of two of those settings, on your machine: 2,500 images, 20 px, two seeds each.

# %% tags=["nbval-ignore-output"]
accuracy = {}
for depth in (0.5, 1.5):
    arch = cl.scaled(cl.architecture("small_resnet", classes=42), depth=depth, resolution=20)
    for seed in (0, 1):
        accuracy[depth, seed] = cl.lesson.repeat(arch, limit=2500, seed=seed).test_accuracy
    print(f"depth {depth}: {arch.blocks} blocks,", *(f"{accuracy[depth, seed]:.1f} %" for seed in (0, 1)))

# %%
gap = np.mean([accuracy[1.5, seed] - accuracy[0.5, seed] for seed in (0, 1)])
print("the deeper one is ahead by more than 3 points, on average of the seeds:", gap > 3)
assert gap > 3

# %% [markdown]
# ## What depth buys: published
#
# On ImageNet the same bend shows, at a far larger scale. The installed torchvision knows the accuracy of five ResNets that were trained
# with one recipe (its first weights, `IMAGENET1K_V1`), and of three of them with a longer, newer one (`IMAGENET1K_V2`). Radosavovic et
# al. (2020) trained the same three with a recipe of their own, five runs each. Only compare along a line: the recipe changes more than
# the depth does.

# %%
published = cl.published()
torchvision = published[
    published["source"].str.startswith("torchvision") & published["name"].str.fullmatch(r"resnet\d+")
]
lines = {
    f"torchvision, {which}": torchvision[torchvision["weights"] == which]
    for which in ("IMAGENET1K_V1", "IMAGENET1K_V2")
}
others = published["source"].str.startswith("Radosavovic et al. 2020") & published["model"].str.fullmatch(r"ResNet-\d+")
lines["Radosavovic et al. 2020"] = published[others]
one = lines["torchvision, IMAGENET1K_V1"].set_index("name")
assert one["recipe"].nunique() == 1 and len(one) == 5
steps = one[["macs", "accuracy"]].astype(float).diff().dropna()
per_billion = steps["accuracy"] / (steps["macs"] / 1e9)
paper = published[published["model"].isin(["plain-18", "plain-34"])].set_index("model")["accuracy"]
assert paper["plain-34"] < paper["plain-18"]
per_billion.round(2).rename("points for each further billion multiply-adds").to_frame()

# %%
figure, (axes,) = cl.lesson.panels(1, height=3.9)
for (label, frame), marker, colour in zip(lines.items(), "os^", ("blue", "vermilion", "green"), strict=True):
    axes.plot(frame["macs"] / 1e9, frame["accuracy"], marker=marker, color=cl.lesson.COLOURS[colour], label=label)
for name, row in one.iterrows():
    place = {"textcoords": "offset points", "ha": "left"}
    axes.annotate(name.replace("resnet", "ResNet-"), (row["macs"] / 1e9, row["accuracy"]), (6, -15), **place)
axes.set(xlabel="multiply-adds, billions", ylabel="ImageNet top-1, %", xlim=(1, 13), ylim=(68, 84))
axes.legend(frameon=False, loc="lower right")
cl.lesson.show(
    figure,
    f"ResNets at 224 px, one line a recipe. With the first recipe a further billion multiply-adds buys "
    f"{per_billion['resnet34']:.1f} points from 18 to 34 layers, and {per_billion['resnet152']:.2f} from 101 to 152.",
)

# %% [markdown]
# From 34 to 50 layers the curve looks steep for little cost: there the *kind* of block changes, from basic to bottleneck. Depth alone
# is compared only inside a kind, 18 with 34 and 50 with 101 and 152. And a shortcut is needed for any of it: without, He et al. (2015)
# saw ImageNet accuracy *fall* from {paper['plain-18']:.1f} to {paper['plain-34']:.1f} % as plain networks went from 18 to 34 layers (mean of 10 crops).
#
# ## Move it
#
# One slider, depth, on EfficientNet-B0 and the published figures. Try this:
#
# 1. Move from 1 to 1.1. Watch the bars of the stages: which stages grow most, relative to what they had?
# 2. Move from 1.1 to 1.2. Why does nothing happen?
# 3. Point at the last stage of the drawing: how far does it see? Then choose the family *small ResNet* and do the same.

# %%
explorer = cl.Explorer("efficientnet", depth=1.4, hide="depth")
explorer

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in [solutions](solutions/02_depth.ipynb).
#
# **02.1** (warm-up) How many multiply-adds has a *repeated* basic block with 512 channels on a 7×7 feature map? Do it on paper first.

# %% tags=["exercise"]
# Your answer:
answer = 2 * 9 * 512 * 512 * 7 * 7
cl.lesson.check("02.1", answer)

# %% [markdown] tags=["solution"]
# Twice 9 · 512 · 512 for each of 49 pixels. It is the number of every other stage of ResNet-18: when the image is halved, a quarter of
# the pixels is left, and twice the channels cost four times as much. ResNets keep the cost of a block constant on purpose.

# %% [markdown]
# **02.2** How many blocks has EfficientNet-B0 at depth 1.4, the depth of B3? Its stages have 1, 2, 2, 3, 3, 4 and 1.

# %% tags=["exercise"]
# Your answer:
import math

answer = sum(math.ceil(1.4 * blocks) for blocks in (1, 2, 2, 3, 3, 4, 1))
cl.lesson.check("02.2", answer)

# %% [markdown] tags=["solution"]
# Each stage is rounded up by itself: 2 + 3 + 3 + 5 + 5 + 6 + 2. Rounding the total would give 23.

# %% [markdown]
# **02.3** How large is the receptive field of ResNet-18's last feature map, in pixels? Its stem is a 7×7 convolution of stride 2 and a
# 3×3 max pool of stride 2; then come four stages of two basic blocks, and stages 2, 3 and 4 begin with stride 2.

# %% tags=["exercise"]
# Your answer:
field, jump = 1, 1
stage1, later = [(3, 1)] * 4, [(3, 2), (3, 1), (3, 1), (3, 1)]
for kernel, stride in [(7, 2), (3, 2), *stage1, *later, *later, *later]:
    field, jump = field + (kernel - 1) * jump, jump * stride
answer = field
cl.lesson.check("02.3", answer)

# %% [markdown] tags=["solution"]
# Pooling counts like a convolution of its size and stride. The field is wider than the image of 224 px: each pixel of the last map may
# see all of it, and the last stage alone contributes more than half.

# %% [markdown]
# **02.4** With torchvision's newer weights (`IMAGENET1K_V2`), how many points does a further *billion* multiply-adds buy from ResNet-50
# to ResNet-101? Use `cl.published()`.

# %% tags=["exercise"]
# Your answer:
rows = cl.published().query("weights == 'IMAGENET1K_V2'").set_index("name")
small, large = rows.loc["resnet50"], rows.loc["resnet101"]
answer = (large["accuracy"] - small["accuracy"]) / ((large["macs"] - small["macs"]) / 1e9)
cl.lesson.check("02.4", answer)

# %% [markdown] tags=["solution"]
# {large['accuracy'] - small['accuracy']:.1f} points for {(large['macs'] - small['macs']) / 1e9:.1f} billion. The recipe itself, at no cost at inference, bought ResNet-50
# {small["accuracy"] - cl.published().query("name == 'resnet50' and weights == 'IMAGENET1K_V1'")["accuracy"].item():.1f} points.

# %% [markdown]
# **02.5** (open) Make two networks from `cifar_resnet20` whose multiply-adds agree within 5 %, one with at least three times as many
# blocks as the other. Answer with the pair `(deep, shallow)`. Then time both with `cl.latency`, with batch 1 and 64: does the
# difference shrink?

# %% tags=["exercise"]
# Your answer:
base = cl.architecture("cifar_resnet20")
deep = cl.scaled(base, depth=3)
shallow = cl.solve(base, macs=deep.cost().macs)
answer = deep, shallow
cl.lesson.check("02.5", answer)

# %% [markdown] tags=["solution"]
# `cl.solve` finds the widest network that keeps to a budget, here what the deep one costs. With more images at a time there is more to
# split inside each layer, so the waiting counts for less; the deep network's larger activations still have to be carried.

# %% [markdown]
# ## Summary
#
# * A stage costs its first block and then the same for each further one: multiply-adds are a straight line in depth.
# * Depths are whole numbers. EfficientNet rounds them up, stage by stage, so a small multiplier can cost a lot.
# * Every block widens the receptive field; its middle counts most.
# * Depth costs memory in training and time in sequence; the peak of memory at inference stays.
# * Each doubling buys less than the one before. Without shortcuts it soon buys nothing, or less.
#
# ### Further reading
#
# * He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015 (arXiv:1512.03385), section 4.1.
# * Luo, Li, Urtasun, Zemel: *Understanding the Effective Receptive Field in Deep Convolutional Neural Networks*, 2016
#   (arXiv:1701.04128).
# * Radosavovic, Kosaraju, Girshick, He, Dollár: *Designing Network Design Spaces*, 2020 (arXiv:2003.13678).
