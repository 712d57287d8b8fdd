# %% [markdown]
# # 00 · Start here: move a network, see what it costs
#
# ## Goals
#
# * Know that this room is ready: versions, data, and how fast this machine trains.
# * Read an architecture as the rows of its paper's table, and ask what it costs.
# * Say, before you look, what doubling its depth, width or resolution does.
# * Find your way around the four nouns of `cnnlab`, the Explorer, and the thirteen lessons.
#
# ## Before
#
# Nothing. If you have never met a convolution, read the first half of lesson 05 next. On Colab, first run
# `%pip install git+https://github.com/cnnlab/cnnlab` in a cell of its own; on Binder and after `make lab` all is there.

# %%
import cnnlab as cl

resnet50 = cl.architecture("resnet50")
print(resnet50)

# %% [markdown]
# That is Table 1 of *Deep Residual Learning* (He et al. 2015), and it is all that `cnnlab` knows of ResNet-50. A network is a
# *stem*, a few *stages*, and a *head*. A stage repeats one *block*: how often is its **depth**. The **channels** of a stage
# are its **width**: how many numbers describe each place of the image. The **resolution** is the size of the image that
# goes in. Each stage but the first starts by halving the image.
#
# These three, depth, width and resolution, are what this suite varies. Everything below is computed from those rows.
#
# ## Predict, then reveal
#
# The cost of a network is counted in *multiply-adds*: one multiplication and one addition, `flops = 2 * macs`. (Many papers and
# tools say FLOPs and mean multiply-adds; lesson 05 takes that apart.) ResNet-50 needs {resnet50.cost().macs / 1e9:.1f} billion of
# them for one image.
#
# Suppose you make it **twice as deep** (twice the blocks in every stage), **twice as wide** (twice the channels everywhere), or
# give it **twice the resolution** (448 px). How many times as much will each cost? Move the sliders and commit, *then* run the
# cell after them. Every lesson has such guesses: a wrong one that you committed to is worth more than a right one that you read.

# %%
deeper = cl.lesson.guess("Twice as deep: how many times the multiply-adds?", 1, 8, step=0.25, unit="times")
deeper

# %%
wider = cl.lesson.guess("Twice as wide: how many times the multiply-adds?", 1, 8, step=0.25, unit="times")
wider

# %%
sharper = cl.lesson.guess("448 px in place of 224: how many times the multiply-adds?", 1, 8, step=0.25, unit="times")
sharper

# %%
import pandas as pd

doubled = {
    "depth": cl.scaled(resnet50, depth=2),
    "width": cl.scaled(resnet50, width=2),
    "resolution": cl.scaled(resnet50, resolution=448),
}
before = vars(resnet50.cost())
times = pd.DataFrame({knob: {k: v / before[k] for k, v in vars(arch.cost()).items()} for knob, arch in doubled.items()})
deeper.reveal(times["depth"]["macs"])
wider.reveal(times["width"]["macs"])
sharper.reveal(times["resolution"]["macs"])
times.round(2)

# %%
assert 1.8 < times["depth"]["macs"] < 2 and times["resolution"]["params"] == 1
assert all(3.9 < times[knob]["macs"] <= 4 for knob in ("width", "resolution"))
figure, (axes,) = cl.lesson.panels(1, height=3.2)
for place, (cost, hatch, colour) in enumerate(
    (("macs", "", "vermilion"), ("params", "//", "sky"), ("activations", "..", "green"))
):
    bars = axes.bar([k + 0.27 * (place - 1) for k in range(3)], times.loc[cost], 0.25, hatch=hatch)
    for bar in bars:
        bar.set(facecolor=cl.lesson.COLOURS[colour], edgecolor="white")
    axes.bar_label(bars, fmt="%.1f", fontsize=10)
    bars.set_label({"macs": "multiply-adds", "params": "parameters"}.get(cost, cost))
axes.set_xticks(range(3), [f"twice the {knob}" for knob in times])
axes.set(ylabel="times the cost of ResNet-50", ylim=(0, 4.9))
figure.legend(loc="outside upper center", ncols=3, frameon=False)
cl.lesson.show(
    figure,
    f"Twice the depth costs {times['depth']['macs']:.2f} times the multiply-adds, twice the width {times['width']['macs']:.2f} "
    f"times, twice the resolution {times['resolution']['macs']:.2f} times; only resolution leaves the parameters as they are.",
)

# %% [markdown]
# Width acts twice: every convolution has twice the inputs *and* twice the outputs. Resolution acts twice as well, in height and
# in width, but leaves the parameters alone. Depth alone is nearly fair, and not quite: stem and head are not repeated, and the
# first block of a stage, which also halves the image, is not like the others. *Activations*, the numbers that flow between
# layers, are what fills the memory in training; they tell another story again. Lessons 02, 03 and 04 take one knob each.
#
# ## Is this room ready?
#
# One cell for the teacher: versions, data, and how fast this machine trains. The data set `glyphs`, letters and digits in 42
# classes, is rendered on this machine from the fonts that matplotlib brings; nothing is downloaded.

# %% tags=["nbval-ignore-output"]
cl.lesson.room()

# %% [markdown]
# ## The four nouns
#
# ```
# Architecture  --graph()-->  Graph  --module()-->  nn.Module
# rows of a table             layers  <--trace()--  anyone's
#                               |
#                               +--> cost, tables, pictures
# ```
#
# A **graph** is the architecture written out, layer by layer. It says where the cost is. Check one number by hand: the stem is one
# 7×7 convolution from 3 colours to 64 channels, and puts out 112×112 places, so it takes 7 · 7 · 3 · 64 · 112 · 112 multiply-adds.

# %%
graph = resnet50.graph()
stages = graph.table(by="stage")
by_hand = 7 * 7 * 3 * 64 * 112 * 112
print(f"the stem by hand {by_hand:,}, by cnnlab {stages['macs'][0]:,}, ratio {stages['macs'][0] / by_hand}")
assert by_hand == stages["macs"][0]
stages.round(3)

# %% [markdown]
# A **module** is an ordinary `torch.nn.Module`, ready to train, with one submodule for each block. And **trace** goes the other
# way: anyone's network comes back as a graph. Torchvision wrote its ResNet-50 by hand, as classes. Three ways to the same
# numbers: by formula from the rows, by PyTorch's own count of the module's parameters, and from torchvision's code.

# %%
import torch
import torchvision

model = graph.module(seed=0)
theirs = cl.trace(torchvision.models.resnet50(), resolution=224)
print("logits:        ", tuple(model.eval()(torch.zeros(1, 3, 224, 224)).shape))
print("by formula:    ", graph.cost())
print("by PyTorch:    ", f"{sum(p.numel() for p in model.parameters()):,} parameters")
print("torchvision's: ", theirs.cost())
assert theirs.cost() == graph.cost() and graph.cost().params == sum(p.numel() for p in model.parameters())

# %% [markdown]
# The network can be drawn to scale, too: a slab for each block, as high as its image, as thick as its channels.

# %%
cl.lesson.show(
    cl.diagram(graph),
    "ResNet-50 from left to right: images get smaller, channels more; stage 3 has the most blocks and the largest share of the cost.",
)
shares = graph.table(by="stage").set_index("stage")["share"]
assert shares.idxmax() == "stage3"

# %% [markdown]
# ## A block of your own
#
# A block is a function from an image to an image. Write one, and the cost, the table, the module and the sliders all work on
# it at once. This one squeezes the width by half, and uses a *depthwise* convolution, which looks at each channel alone:

# %%
from cnnlab.arch.blocks import act, add, conv, conv_stem, norm, shortcut


def thrifty(x, width, stride=1):
    y = act(norm(conv(x, width // 2, 1)))
    y = act(norm(conv(y, width // 2, 5, stride, groups=width // 2)))
    y = norm(conv(y, width, 1))
    return act(add(y, shortcut(x, width, stride)))


mine = cl.Architecture(
    "mine",
    stem=cl.Stage(conv_stem, depth=1, width=32, stride=2),
    stages=[cl.Stage(thrifty, depth=2, width=64 * 2**i, stride=2) for i in range(4)],
)
print(mine)
ratio = resnet50.cost().macs / mine.cost().macs
assert ratio > 5

# %% [markdown]
# Your network needs {mine.cost().macs / 1e6:.0f} million multiply-adds, {ratio:.0f} times fewer than ResNet-50. What accuracy that buys,
# no formula says; it must be measured. Lesson 11 does that with a block of yours.
#
# ## The Explorer
#
# Every slider position below is exact, and none waits for Python. The points are published ImageNet accuracies; where your
# network *is* one of them, its accuracy is shown, and nowhere is one invented. Try this:
#
# 1. Move **compound φ** from 0 to 7 and watch the path through the plot. Where do EfficientNet-B1 to B7 lie?
# 2. Set the budget to 1 G. How deep can EfficientNet be at 224 px before it is over?
# 3. Hover over the stages: where is the cost, and where are the parameters?
# 4. Choose the family *resnet*. Which of the two has the better network under 5 G multiply-adds?

# %%
explorer = cl.Explorer("efficientnet")
explorer

# %% [markdown]
# The sliders are Python, too: what they show is `explorer.architecture`, an architecture like any other.

# %%
print(explorer.state)
print(explorer.cost)

# %% [markdown]
# ## The thirteen lessons
#
# | | question |
# |---|---|
# | [01](01_residual_connections.ipynb) residual connections | why does depth need a way round? |
# | [02](02_depth.ipynb) depth, [03](03_width.ipynb) width, [04](04_resolution.ipynb) resolution | what does each knob cost, and what does it buy? |
# | [05](05_what_does_it_cost.ipynb) cost | why do five counters give five numbers, and what has time to do with it? |
# | [06](06_from_resnet_block_to_mbconv.ipynb) blocks | what is EfficientNet's block made of? |
# | [07](07_compound_scaling.ipynb) compound scaling | are three knobs at once better than one? |
# | [08](08_pruning.ipynb) pruning | what can be cut from a trained network? |
# | [09](09_accuracy_against_cost.ipynb) choosing | which network for this task, these data, this budget? |
# | [10](10_resnet_scaled_the_efficientnet_way.ipynb) combining | can ResNet be scaled the EfficientNet way? |
# | [11](11_your_own_data_your_own_block.ipynb) your own | how do I do all this with my pictures and my block? |
# | [12](12_the_article_checked.ipynb) the article | what is right, and what is wrong, in a widely read introduction? |
#
# They can be read in this order. Who has an hour reads 00, 01, 07 and 09; teachers find plans in [TEACHING](TEACHING.md).

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None` and run the cell; the check says what was expected, what came, and what probably went
# wrong. Worked answers are in [solutions](solutions/00_start_here.ipynb).
#
# **00.1** (warm-up) How many blocks has ResNet-50 in its four stages together?

# %% tags=["exercise"]
# Your answer:
answer = 3 + 4 + 6 + 3
cl.lesson.check("00.1", answer)

# %% [markdown] tags=["solution"]
# The column *depth* of `print(resnet50)`: 3, 4, 6 and 3. Three convolutions each, with the first one and the last linear
# layer, make the 50.

# %% [markdown]
# **00.2** How many times as many multiply-adds does ResNet-50 need at 320 px as at 224 px?

# %% tags=["exercise"]
# Your answer:
resnet50 = cl.architecture("resnet50")
answer = cl.scaled(resnet50, resolution=320).cost().macs / resnet50.cost().macs
cl.lesson.check("00.2", answer)

# %% [markdown] tags=["solution"]
# (320 / 224)² = {(320 / 224) ** 2:.2f}: the cost follows the area of the image.

# %% [markdown]
# **00.3** Compound scaling promises about 2^φ times the cost. How many times the multiply-adds of EfficientNet-B0 does
# `cl.compound(b0, phi=2)` truly need?

# %% tags=["exercise"]
# Your answer:
b0 = cl.architecture("efficientnet_b0")
answer = cl.compound(b0, phi=2).cost().macs / b0.cost().macs
cl.lesson.check("00.3", answer)

# %% [markdown] tags=["solution"]
# Not 4, and not (1.2 · 1.1² · 1.15²)² = {(1.2 * 1.1**2 * 1.15**2) ** 2:.2f} either, with the multipliers of Tan and Le (2019): depths
# are rounded up and widths to multiples of 8. Lesson 07 follows every step of the rounding.

# %% [markdown]
# **00.4** (open) Scale ResNet-50 to at most half of its multiply-adds, with any of the three knobs or all.

# %% tags=["exercise"]
# Your answer:
answer = cl.scaled(cl.architecture("resnet50"), width=0.75, resolution=192)
cl.lesson.check("00.4", answer)

# %% [markdown] tags=["solution"]
# Many are right. Half the depth is not enough: {cl.scaled(resnet50, depth=0.5).cost().macs / resnet50.cost().macs:.2f} of the cost
# is left, as depths are rounded up. 152 px is ({cl.scaled(resnet50, resolution=152).cost().macs / resnet50.cost().macs:.3f}), while at
# 158 px, half of the area, feature maps rounded up make it {cl.scaled(resnet50, resolution=158).cost().macs / resnet50.cost().macs:.3f}.
# Which of the many keeps the most accuracy is the subject of the rest of this suite.

# %% [markdown]
# ## Summary
#
# * An architecture is the rows of a table: stem, stages of repeated blocks, head.
# * Its cost is a formula, exact at every depth, width and resolution.
# * Twice the depth costs about 2 times, twice the width or the resolution about 4 times as much.
# * `architecture -> graph -> module`, and `trace` back: formula, PyTorch and torchvision agree to the last unit.
# * Cost is computed; accuracy is measured.
#
# ### Further reading
#
# * He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015 (arXiv:1512.03385): Table 1.
# * Tan, Le: *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, 2019 (arXiv:1905.11946): Figure 2.
# * The [README](https://github.com/cnnlab/cnnlab#readme) of this project: all that the package does, in one page.
#
# Next: [01, residual connections](01_residual_connections.ipynb).
