# %% [markdown]
# # 01 · Residual connections: why depth needs a way round
#
# ## Goals
#
# * Write the residual block by hand, as an `nn.Module`, and find the same block in `cnnlab`.
# * Measure what depth does to gradients, with and without the shortcut.
# * Train a plain and a residual network of the same cost, and see which of the two learns.
# * Read a measured table: what three seeds say that one cannot.
#
# ## Before
#
# Lesson 00. You should know what a convolution and a batch norm compute.

# %% [markdown]
# ## The idea
#
# A residual block adds its input to what it computes: `y = F(x, W) + x` (He et al. 2015). If the best thing that a block
# can do is nothing, it only has to learn `F = 0`. Without the sum it would have to learn to copy its input through two
# convolutions, which is hard. Here it is by hand, for a block that may also halve the image and change the number of
# channels; then `x` needs a *projection*, a 1×1 convolution, to fit the sum.

# %%
import torch
from torch import nn

import cnnlab as cl


class ResidualBlock(nn.Module):
    def __init__(self, channels, width, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != width:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.shortcut(x))


# %% [markdown]
# Before you run anything: how many parameters has `ResidualBlock(64, 128, stride=2)`? Add them up on paper: two 3×3
# convolutions, a 1×1 projection, three batch norms.

# %%
parameters = cl.lesson.guess("How many parameters has ResidualBlock(64, 128, stride=2)?", 0, 400_000, step=1000)
parameters

# %%
byhand = ResidualBlock(64, 128, stride=2).eval()
traced = cl.trace(byhand, resolution=56, channels=64)
on_paper = 9 * 64 * 128 + 9 * 128 * 128 + 64 * 128 + 3 * 2 * 128
counted = sum(p.numel() for p in byhand.parameters())
print(f"on paper {on_paper:,}, by PyTorch {counted:,}, by cnnlab {traced.cost().params:,}, ratio {counted / on_paper}")
assert on_paper == counted == traced.cost().params
parameters.reveal(counted)

# %% [markdown]
# `cl.trace` runs anyone's module once, without computing anything, and writes down its layers. So the class above already
# has a table of costs, and everything else that the lessons do with a network works on it:

# %%
traced.table()[["layer", "operation", "channels", "size", "params", "macs"]]

# %% [markdown]
# In `cnnlab` the same block is a function of four lines, from a symbolic image to a symbolic image. It becomes a module,
# too. With the weights of the class moved into it, the two must compute the same numbers.

# %%
from cnnlab.arch.blocks import basic

ours = basic(cl.image(64, 56), 128, stride=2).graph("basic").module(weights=byhand.state_dict()).eval()
x = torch.randn(4, 64, 56, 56, generator=torch.Generator().manual_seed(0))
difference = float((ours(x) - byhand(x)).abs().max().detach())
print("largest difference:", difference)
assert difference == 0.0

# %% [markdown]
# ## What depth does to gradients
#
# Learning needs a gradient that reaches the first layer, neither vanished nor exploded. Take networks as they are at the
# start, before any training, 20 to 110 layers deep: once *plain* (the same layers, no sum) and once residual.

# %%
direction = cl.lesson.guess(
    "From 20 to 110 layers, what happens to the gradient at the first convolution of the plain networks?",
    choices=["it vanishes", "it stays about the same", "it explodes"],
)
direction


# %%
def gradients(name):
    """The norm of the loss's gradient at each convolution of an untrained network, first to last."""
    model = cl.architecture(name).graph().module(seed=0).train()
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(16, 3, 32, 32, generator=draw)
    nn.functional.cross_entropy(model(images), torch.arange(16) % 10).backward()
    return [part.weight.grad.norm().item() for part in model.modules() if isinstance(part, nn.Conv2d)]


torch.set_num_threads(1)  # networks as small as these gain nothing from more
depths = [20, 32, 44, 56, 110]
norms = {(kind, n): gradients(f"cifar_{kind}{n}") for kind in ("plain", "resnet") for n in depths}
growth = {kind: norms[kind, 110][0] / norms[kind, 20][0] for kind in ("plain", "resnet")}
assert growth["plain"] > 1e4 and growth["resnet"] < 50
direction.reveal("it explodes")

# %%
STYLE = {"plain": (cl.lesson.COLOURS["vermilion"], "s"), "resnet": (cl.lesson.COLOURS["blue"], "o")}
figure, (left, right) = cl.lesson.panels(2, height=3.6)
for kind, (colour, marker) in STYLE.items():
    first = [norms[kind, n][0] for n in depths]
    left.semilogy(depths, first, color=colour, marker=marker)
    left.annotate(kind, (depths[-2], first[-2]), (-8, 8), textcoords="offset points", ha="right", color=colour, size=11)
    right.semilogy(norms[kind, 56], color=colour, marker=marker, markersize=4)
left.set(xlabel="layers", ylabel="norm of the gradient", title="At the first convolution")
right.set(xlabel="convolution, from the first to the last", title="All along 56 layers")
powers = {kind: round(torch.log10(torch.tensor(times)).item()) for kind, times in growth.items()}
cl.lesson.show(
    figure,
    f"From 20 to 110 layers the gradient at the first convolution grows about 10 to the power {powers['plain']} times in "
    f"plain networks, and less than 50 times in residual ones. Along 56 layers it grows towards the input.",
)

# %% [markdown]
# Many expect it to *vanish*. With batch normalisation it does the opposite: going back, each plain layer multiplies the
# gradient by a little more than one (Yang et al. 2019 derive about 1.21 for wide layers), and a hundred layers make about
# 10 to the power {powers['plain']} of it. The shortcut carries the gradient past each block unchanged, so that it only adds up.
#
# ## Which one learns?
#
# Two networks with the same layers, the same parameters (these shortcuts pad with zeros and have no weights) and the same
# multiply-adds. The data are `glyphs`: letters and digits in 42 classes, rendered on this machine.

# %%
data = cl.data.load("glyphs", resolution=16, limit=4000, progress=False)
pair = {
    kind: cl.scaled(cl.architecture(f"cifar_{kind}20", classes=len(data.classes)), width=0.5, resolution=16)
    for kind in STYLE
}
for arch in pair.values():
    print(arch.name, arch.cost())
assert pair["plain"].cost() == pair["resnet"].cost()

# %%
lead = cl.lesson.guess(
    "After 3 epochs, how many points of test accuracy is the residual network ahead?", -20, 90, unit="points"
)
lead

# %% tags=["nbval-ignore-output"]
recipe = cl.Recipe(epochs=3, lr=0.1, batch=32, seed=0)
history = {kind: cl.fit(arch.graph().module(seed=0), data, recipe, progress=False) for kind, arch in pair.items()}
ahead = history["resnet"].test_accuracy - history["plain"].test_accuracy
lead.reveal(round(ahead, 1))

figure, (left, right) = cl.lesson.panels(2, height=3.4)
for kind, (colour, marker) in STYLE.items():
    frame = history[kind].frame()
    for axes, column in ((left, "train_loss"), (right, "validation_accuracy")):
        axes.plot(frame[column], color=colour, marker=marker)
        beside = {"xytext": (6, 8)} if axes is left else {"xytext": (-8, 12), "ha": "right"}
        axes.annotate(kind, (2.5, frame[column].iloc[1:].mean()), textcoords="offset points", color=colour, **beside)
        axes.set(xlabel="epoch", xticks=frame.index)
left.set(title="Training loss")
right.set(title="Validation accuracy, %", ylim=(0, 100))
cl.lesson.show(
    figure, f"Trained here, one seed each: the residual network is {ahead:.0f} points ahead on the test images."
)

# %%
loss = {kind: run.epochs[-1].train_loss for kind, run in history.items()}
print("the residual network is ahead by more than 10 points of test accuracy:", ahead > 10)
print("its training loss is lower as well:", loss["resnet"] < loss["plain"])
assert ahead > 10 and loss["resnet"] < loss["plain"]

# %% [markdown]
# The plain network is not too small: it has exactly the parameters of the other. It does not overfit either: its *training*
# loss is the higher one. It is too deep to be trained, which He et al. (2015) called *degradation*.
#
# ## What three seeds say
#
# One seed each is an anecdote. The table `data/measured/glyphs.csv` holds networks of both kinds at several depths, each
# trained with three seeds or more on the same data for the same number of epochs. Its intervals are 95 % and come from the
# spread between seeds.

# %%
from cnnlab.run.findings import residual_gain

gain = residual_gain("glyphs").set_index("depth")
assert gain["low"][2.0] > 0 and gain["low"][1.0] < 0 < gain["high"][1.0]
figure, (axes,) = cl.lesson.panels(1, height=3.6)
axes.errorbar(gain.index, gain["gain"], gain["high"] - gain["gain"], color=STYLE["resnet"][0], marker="o", capsize=4)
axes.axhline(0, color="#444444", linewidth=1)
axes.set(xlabel="depth (times 1 and 2 blocks)", ylabel="residual less plain (points)", xticks=gain.index)
cl.lesson.show(
    figure,
    f"Measured on glyphs: what the shortcut is worth, mean of {gain['pairs'].min()} pairs of networks or more at each depth and its "
    f"95 % interval. At depth 1 the interval holds 0; at depth 2 residual networks are {gain['gain'][2.0]:.1f} points ahead.",
)

# %% [markdown]
# With two or three blocks there is no difference to see. Then residual networks gain from depth and plain ones lose, until
# the gap is {gain["gain"][2.0]:.1f} points (95 % interval {gain["low"][2.0]:.1f} to {gain["high"][2.0]:.1f}). Each pair has the same
# width, resolution and seed. He et al. (2015) saw the same on ImageNet, at 18 against 34 layers. Here the networks are far
# smaller and their training far shorter, so the size of the gap is this table's, and no law.
#
# ## Move it
#
# One slider, depth; the points are those of the table, and the band is predicted from them. Try this:
#
# 1. Choose the family *small_plain*, and move depth to its end. Where does the band turn down?
# 2. Choose *small_resnet* at the same depth. What does the second block of a stage cost, and what does the first?

# %%
explorer = cl.Explorer("small_resnet", data="glyphs", depth=1.5, hide="depth")
explorer

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in
# [solutions](solutions/01_residual_connections.ipynb).
#
# **01.1** (warm-up) How many parameters has `basic(x, 64)` on an image of 64 channels, where no projection is needed?

# %% tags=["exercise"]
# Your answer:
from cnnlab.arch.blocks import basic

answer = basic(cl.image(64, 56), 64).graph("block").cost().params
cl.lesson.check("01.1", answer)

# %% [markdown] tags=["solution"]
# Two 3×3 convolutions, 2 · 9 · 64 · 64, and two batch norms with a scale and a shift for each of 64 channels.

# %% [markdown]
# **01.2** CIFAR ResNets have 6n + 2 layers. How many blocks has each of the three stages of the 56-layer one?

# %% tags=["exercise"]
# Your answer:
answer = (56 - 2) // 6
cl.lesson.check("01.2", answer)

# %% [markdown] tags=["solution"]
# The first convolution and the last linear layer are not in blocks; three stages of n blocks with two layers each remain.

# %% [markdown]
# **01.3** What part of the block `ResidualBlock(64, 128, stride=2)`'s multiply-adds is its projection? Give a fraction, such as 0.25.

# %% tags=["exercise"]
# Your answer:
from cnnlab.arch.blocks import basic

table = basic(cl.image(64, 56), 128, stride=2).graph("block").table()
convs = table[table["macs"] > 0].set_index("operation")["macs"]
answer = convs["conv 1x1 /2"] / convs.sum()
cl.lesson.check("01.3", answer)

# %% [markdown] tags=["solution"]
# Each output pixel and channel takes 64 multiply-adds in the projection, 9 · 64 in the first convolution and 9 · 128 in the
# second: 64 / (64 + 576 + 1152) = 1/28.

# %% [markdown]
# **01.4** (open) Build a residual network of basic blocks for 32 px and 10 classes with at least 30 convolutions and at most 20 million
# multiply-adds. Start from `cl.architecture("cifar_resnet56")` and `cl.scaled`.

# %% tags=["exercise"]
# Your answer:
answer = cl.scaled(cl.architecture("cifar_resnet56"), width=0.375)
cl.lesson.check("01.4", answer)

# %% [markdown] tags=["solution"]
# Any that keeps to both numbers is right. Width buys most: cost falls with its square, and no layer is lost.

# %% [markdown]
# ## Summary
#
# * A residual block computes `F(x) + x`; where shapes differ, `x` is projected or padded.
# * In plain networks with batch norm the gradient of the first layers explodes with depth; shortcuts tame it.
# * At equal parameters and multiply-adds, the deep plain network trains badly: degradation, not overfitting.
# * On small data the gap grows with depth, and three seeds show it.
# * Depth is free to use once there is a way round. What it buys is lesson 02.
#
# ### Further reading
#
# * He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015 (arXiv:1512.03385), sections 3 and 4.2.
# * Yang, Pennington, Rao, Sohl-Dickstein, Schoenholz: *A Mean Field Theory of Batch Normalization*, 2019 (arXiv:1902.08129).
# * Veit, Wilber, Belongie: *Residual Networks Behave Like Ensembles of Relatively Shallow Networks*, 2016 (arXiv:1605.06431).
