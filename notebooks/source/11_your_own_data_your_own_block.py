# %% [markdown]
# # 11 · Your own data, your own block
#
# ## Goals
#
# * Load pictures of your own, from folders or from one file, and read the sentence that comes when something is wrong.
# * Write a block of your own, predict its cost on paper, and put it on the sliders.
# * Bring an `nn.Module` of your own, see what `trace` refuses and why, then mend it, measure it and prune it.
# * Train many networks so that an interruption costs nothing, choose one by a rule, and take it away.
#
# ## Before
#
# Lessons 00 and 01. Lessons 05 (cost) and 08 (pruning) help with the middle part.

# %% [markdown]
# ## Your own pictures
#
# The lessons so far used data and blocks that came with `cnnlab`. Neither is special. A data set is a folder with one
# folder for each class. A block is a short function. Here is the folder first: 100 noisy pictures of each of eight
# signs, drawn with Pillow. Think of them as photographs that you took.

# %%
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import cnnlab as cl

ttf = Path(matplotlib.get_data_path(), "fonts/ttf")
fonts = [ImageFont.truetype(str(ttf / f"DejaVu{kind}.ttf"), 22) for kind in ("Sans", "Serif", "SansMono", "Sans-Bold")]
draw = np.random.default_rng(0)


def picture(sign):
    """A sign in one of four fonts, moved and turned at random, with noise: 32 x 32 px, grey."""
    paper, place = Image.new("L", (32, 32), 255), tuple(16 + draw.uniform(-3, 3, 2))
    ImageDraw.Draw(paper).text(place, sign, fill=0, font=fonts[draw.integers(4)], anchor="mm")
    turned = np.asarray(paper.rotate(draw.uniform(-40, 40), Image.Resampling.BILINEAR, fillcolor=255))
    return Image.fromarray((turned + draw.normal(0, 40, turned.shape)).clip(0, 255).astype(np.uint8))


# %%
folder = tempfile.TemporaryDirectory()  # it goes when the kernel ends
here = Path(folder.name)
SIGNS = dict(zip(["approx", "infinity", "integral", "not", "partial", "plus", "root", "sum"], "≈∞∫≠∂±√∑", strict=True))
for name, sign in SIGNS.items():
    (here / "signs" / name).mkdir(parents=True)
    for number in range(100):
        picture(sign).save(here / "signs" / name / f"{number:03}.png")
print(sorted(path.name for path in (here / "signs").iterdir()))

# %% [markdown]
# There are {100 * len(SIGNS)} pictures and no word about which of them are for training. `cl.data.load` sets some aside for
# *validation* (to choose between networks) and as many for the *test* (to say at the end how good the chosen one is). It
# takes the same share of every class, and the same pictures every time.

# %%
kept = cl.lesson.guess("How many of the 800 pictures are left to train on?", 400, 800, step=10, unit="pictures")
kept

# %%
data = cl.data.load(here / "signs", resolution=20, progress=False)
print(data)
assert len(data.train) + len(data.validation) + len(data.test) == 800
assert len(data.validation) == len(data.test) == 800 // 8
kept.reveal(len(data.train))

# %%
figure, axes = cl.lesson.panels(8, height=1.5)
for label, one in enumerate(axes):
    first = int((data.train.labels == label).nonzero()[0])
    one.imshow(data.train.images[first].permute(1, 2, 0).numpy())
    one.set_title(data.classes[label])
    one.axis("off")
cl.lesson.show(
    figure,
    f"One training picture of each of the {len(data.classes)} classes, at {data.resolution} px. The classes are called "
    "as the folders, in alphabetical order.",
)

# %% [markdown]
# An eighth goes to validation and an eighth to the test, at most `2,000` each. If you have parts of your own, use
# the folders `train`, `val` and `test` with the classes inside; they are kept as they are. Pictures of any size and shape
# will do: the centre square of each is shrunk to the resolution that you ask for.
#
# ### One file instead
#
# Arrays come as a `.npz` file, which is what `numpy.savez` writes: `x_train`, `y_train`, `x_test`, `y_test`, and if you
# like `x_val`, `y_val` and `classes`. Pictures are `uint8` (whole numbers from 0 to 255) of shape (N, height, width,
# 3), or (N, height, width) if grey; labels are whole numbers. The most common mistake is to have divided by 255
# already:


# %%
def grey(split):
    """The pictures of a split as (N, H, W)."""
    return split.images[:, 0].numpy()


arrays = {
    "x_train": grey(data.train),
    "y_train": data.train.labels.numpy(),
    "x_test": grey(data.test),
    "y_test": data.test.labels.numpy(),
    "classes": np.array(data.classes),
}
np.savez(here / "signs.npz", **arrays)
print(cl.data.load(here / "signs.npz", progress=False))

np.savez(here / "scaled.npz", **{**arrays, "x_train": arrays["x_train"] / 255})
try:
    cl.data.load(here / "scaled.npz", progress=False)
except ValueError as error:
    print("ValueError:", str(error).replace(str(here), "FOLDER"))

# %% [markdown]
# The sentence names the file, the array, what was found and what is wanted. The good file shows one more thing: it has no
# validation pictures, so an eighth of its *training* pictures became that, and its test set stayed whole.
#
# ## Your own block
#
# A block takes a symbolic image, a width and a stride, and gives a symbolic image. This one looks twice. Half of its
# channels see the nearest 3×3 pixels. The other half also see 3×3 pixels, but two apart: a *dilated* convolution, which
# spans 5×5 at the price of 3×3. A 1×1 convolution mixes the two views, and a shortcut goes round everything.

# %%
from cnnlab.arch.blocks import act, add, basic, concat, conv, conv_stem, norm, shortcut


def two_views(x, width, stride=1):
    near = act(norm(conv(x, width // 2, 3, stride)))
    far = act(norm(conv(x, width // 2, 3, stride, dilation=2)))
    y = norm(conv(concat(near, far), width, 1))
    return act(add(y, shortcut(x, width, stride)))


# %% [markdown]
# Compare it with `basic`, the residual block of lesson 01: two 3×3 convolutions, width to width. Work out on paper the
# multiply-adds of each for one output pixel, with w channels in and w channels out. Then commit to the ratio.

# %%
ratio = cl.lesson.guess("two_views costs how many times the multiply-adds of basic?", 0.1, 2, step=0.05, unit="times")
ratio

# %%
on_paper = (2 * 9 * 32 * 16 + 32 * 32) / (2 * 9 * 32 * 32)  # w = 32: two views of w -> w/2, then w -> w
cost = {block: block(cl.image(32, 20), 32).graph(block.__name__).cost() for block in (two_views, basic)}
times = cost[two_views].macs / cost[basic].macs
print(f"two_views {cost[two_views].macs:,}, basic {cost[basic].macs:,} multiply-adds")
print(f"times: {times:.4f} by cnnlab, {on_paper:.4f} on paper = 10/18, ratio {times / on_paper:.3f}")
assert times == on_paper == 10 / 18
ratio.reveal(times)

# %% [markdown]
# Per pixel it is 2 · 9 · w · w/2 + w² = 10 w² against 18 w². What do they see for it? A module answers that by
# measurement: only pixels that an output depends on get a gradient from it.

# %%
import torch

torch.set_num_threads(1)  # networks as small as these gain nothing from more
seen = {}
for block in (two_views, basic):
    x = torch.randn(1, 32, 20, 20, generator=torch.Generator().manual_seed(0)).requires_grad_()
    block(cl.image(32, 20), 32).graph(block.__name__).module(seed=0).eval()(x)[0, :, 10, 10].sum().backward()
    touched = (x.grad[0].abs().sum(dim=0) > 0).nonzero()
    span = touched.max(dim=0).values - touched.min(dim=0).values + 1
    seen[block] = len(touched)
    print(f"{block.__name__}: sees {len(touched)} pixels, in a square of {span[0]}×{span[1]}")
assert seen == {two_views: 17, basic: 25}

# %% [markdown]
# So the saving has a price: both span 5×5, but `two_views` reads 17 of the 25 pixels. Whether that matters is a
# question for data, not for taste; it is asked below. First, put the block in rows, and everything works on it: the
# table, the drawing, the scaling rules and the sliders.

# %%
mine = cl.Architecture(
    "two_views",
    stem=cl.Stage(conv_stem, depth=1, width=16, stride=2),
    stages=[cl.Stage(two_views, depth=1, width=16), cl.Stage(two_views, depth=1, width=32, stride=2)],
    resolution=20,
    classes=len(data.classes),
)
print(mine)

# %%
cl.lesson.show(
    cl.diagram(cl.scaled(mine, depth=2, width=2)),
    "Your network, twice as deep and twice as wide, to scale: a slab is a block, as thick as its channels.",
)

# %% [markdown]
# ### Move it
#
# 1. Double the width. Is the cost four times as much? Which layers have an end that does not get wider?
# 2. Go from 20 to 24 px. The square of 24/20 is {(24 / 20) ** 2:.2f}. Does the cost keep to it?
# 3. Double the depth. Which stage's bar doubles, and which does not? (Look at the stride of the first block.)

# %%
explorer = cl.Explorer(mine, points=[], hide="cost")
explorer

# %% [markdown]
# ## Your own module
#
# You need not write blocks. `cl.trace` reads any plain `nn.Module`, in whatever style it is written. What it cannot say
# exactly it refuses. Here is a small network, as a student might write it:

# %%
from torch import nn


class Loop(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.again = nn.Conv2d(32, 32, 3, padding=1)
        self.last = nn.Linear(32, classes)

    def forward(self, x):
        x = torch.relu(self.first(x))
        for _ in range(2):
            x = x + torch.relu(self.again(x))
        return self.last(x.mean(dim=(2, 3)))


try:
    cl.trace(Loop(8), resolution=20)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# PyTorch runs this without a word: the loop uses one convolution twice, so the two places share their weights. Perhaps
# that was meant; more often it was not. A graph in which one layer stands in two places has no honest row in a table
# (its parameters would be counted twice, or its cost once), and pruning could not cut the two places apart. Two layers,
# then:


# %%
class Unrolled(Loop):
    def __init__(self, classes):
        super().__init__(classes)
        self.again = nn.ModuleList(nn.Conv2d(32, 32, 3, padding=1) for _ in range(2))

    def forward(self, x):
        x = torch.relu(self.first(x))
        for layer in self.again:
            x = x + torch.relu(layer(x))
        return self.last(x.mean(dim=(2, 3)))


torch.manual_seed(0)
student = Unrolled(8)
graph = cl.trace(student, resolution=20)
counted = sum(p.numel() for p in student.parameters())
print(graph, f"\nby PyTorch: {counted:,} parameters")
assert graph.cost().params == counted
graph.table()[["layer", "operation", "channels", "size", "params", "macs"]]

# %% [markdown]
# Now every tool of the earlier lessons works on it. What, for example, does training keep in memory? What a layer needs
# again on the way back stays until the gradient has passed it: the input of each convolution and linear layer, and the
# output of each ReLU. Guess how much that is for a batch of 32, in times the bytes of the weights.

# %%
memory = cl.lesson.guess(
    "Batch 32: what training keeps of the images is how many times the bytes of the weights?",
    0.1,
    100,
    step=0.1,
    unit="times",
)
memory

# %%
told = graph.memory(batch=32)
kept_numbers = 3 * 20 * 20 + 4 * 32 * 10 * 10 + 32  # the image; three ReLUs and the first sum; the pooled vector
print(f"weights {told.weights:,} bytes, kept {told.saved:,} bytes; on paper {4 * 32 * kept_numbers:,}")
assert told.saved == 4 * 32 * kept_numbers and told.weights == 4 * counted
memory.reveal(told.saved / told.weights)

# %%
plan = cl.prune.plan(student, "l2", budget=0.5, resolution=20)
small = plan.apply(student)
proof = plan.verify(student)
times = cl.trace(small, 20).cost().macs / graph.cost().macs
left = sum(p.numel() for p in small.parameters()) / counted
print(f"multiply-adds {times:.3f} times, parameters {left:.3f} times")
print("small and masked give the same logits:", proof.difference < 1e-9)
print("the cost is as planned:", proof.counted == proof.planned)
assert 0.4 < times <= 0.5 and proof.difference < 1e-9

# %% [markdown]
# A sum needs the same channels on both sides, so all three convolutions lose the same ones (lesson 08 says how that is
# found). The proof compares the small network with the whole one whose removed channels are set to zero.
#
# ## Many trainings, none twice
#
# To choose between networks you train several, with several seeds. That takes long, and long things get interrupted. A
# *sweep* is a list of trials and a *store*, an SQLite file. Each trained network is a row in it, on the disk before the
# next one starts. A trial is known by a key made of everything that decides its result: the network, the data's
# fingerprint, the recipe, the seed. What has a row is never trained again. The baseline first: `small_resnet` at two
# widths, two seeds each.

# %%
recipe = cl.Recipe(epochs=6, batch=32, lr=0.1)
settings = {"data": here / "signs.npz", "resolution": 20, "seed": range(2), "recipe": recipe}
trials = cl.grid("small_resnet", width=[0.5, 1], **settings)
print(len(trials), "trials; the first:", trials[0])

# %% [markdown]
# Now somebody presses the stop button in the middle. The thread below plays that part: it waits for the first row and
# then interrupts the cell, as the button does.

# %%
import _thread
import threading
import time

from cnnlab.run.store import Store

store = here / "runs.sqlite"


def press_stop():
    """Interrupt the cell that runs, once the store holds a row."""
    finished = 0
    while not finished:
        time.sleep(0.02)
        if store.exists():
            with Store(store) as book:
                finished = len(book)
    _thread.interrupt_main()


# %%
threading.Thread(target=press_stop, daemon=True).start()
try:
    cl.sweep(trials, store, progress=False)
except KeyboardInterrupt:
    print("interrupted")
with Store(store) as book:
    before = book.frame().set_index("key")["finished"]
print("some are finished:", len(before) > 0, "- all are finished:", len(before) == len(trials))
assert 0 < len(before) < len(trials)

# %% [markdown]
# The same call goes on. This time it gets an *executor*, Python's word for something that runs functions elsewhere: two
# processes of this machine. Any executor of `concurrent.futures` will do, and so will a cluster's (below).

# %%
from cnnlab.run.workers import processes

with processes(2) as executor:
    rows = cl.sweep(trials, store, executor, progress=False)
after = rows.set_index("key")["finished"]
print(f"{len(rows)} rows for {len(trials)} trials")
print("rows of before the interruption, untouched:", after[before.index].equals(before))
assert after[before.index].equals(before) and rows["key"].is_unique and len(rows) == len(trials)

again = cl.sweep(trials, store, progress=False)
print("once more: the same rows, down to the second at which they finished:", again.equals(rows))
assert again["finished"].equals(rows["finished"])

# %% [markdown]
# Your own block is swept in the same way, into the same store. One thing to know: a worker process has to *import* what
# it trains, and a function that is typed into a notebook can be imported by nobody. So this sweep runs in the
# notebook's own process. Put the block into a file `myblocks.py`, import it from there, and it goes to any worker.

# %% tags=["nbval-ignore-output"]
own = cl.sweep(cl.grid(mine, width=[1, 1.5], **settings), store, progress=False)
own[["base", "width", "seed", "macs", "validation_accuracy", "seconds"]]

# %% [markdown]
# A sweep is a command as well. The grid is then a file:
#
# ```
# [[grid]]
# base = "small_resnet"
# data = "signs.npz"
# resolution = 20
# width = [0.5, 1.0]
# seed = [0, 1]
# recipe = {{ epochs = 6, batch = 32, lr = 0.1 }}
# ```
#
# ```
# python -m cnnlab sweep grid.toml --store runs.sqlite --workers 2      # stopped, or killed: the same command goes on
# python -m cnnlab status runs.sqlite grid.toml
# python -m cnnlab export runs.sqlite runs.csv
# ```
#
# On several machines the executor comes from Dask, and the rest stays as it is:
#
# ```
# dask scheduler                                              # on one machine: it prints its address
# dask worker tcp://HOST:8786 --nworkers 8 --nthreads 1       # on every machine
# python -m cnnlab sweep grid.toml --store runs.sqlite --scheduler tcp://HOST:8786
# ```
#
# In Python that is `cl.sweep(trials, store, Client("tcp://HOST:8786").get_executor(pure=False))`.
#
# ## From data to decision
#
# Fix the rule before you look. Ours: of all candidates take the *cheapest* whose mean validation accuracy lies within
# one standard error of the best one's (Breiman and others 1984 prune decision trees by it). The standard error of an
# accuracy p measured on n pictures is √(p · (1 − p) / n). Only then look at the test accuracy, of the chosen network
# alone.

# %% tags=["nbval-ignore-output"]
with Store(store) as book:
    frame = book.frame()
by = ["base", "width", "macs", "params"]
means = frame.groupby(by, as_index=False)[["validation_accuracy", "accuracy"]].mean()
best = means["validation_accuracy"].max()
pictures = len(cl.data.load(here / "signs.npz", progress=False).validation)
error = (best * (100 - best) / pictures) ** 0.5
chosen = means[means["validation_accuracy"] >= best - error].sort_values("macs").iloc[0]

figure, (axes,) = cl.lesson.panels(1, height=3.4)
STYLE = {"two_views": (cl.lesson.COLOURS["vermilion"], "s"), "small_resnet": (cl.lesson.COLOURS["blue"], "o")}
for base, part in means.groupby("base"):
    colour, marker = STYLE[base]
    axes.errorbar(part["macs"] / 1e6, part["validation_accuracy"], error, color=colour, marker=marker, capsize=3)
    first = part.iloc[0]
    spot = (first["macs"] / 1e6, first["validation_accuracy"])
    axes.annotate(base, spot, (8, -16), textcoords="offset points", color=colour, size=11)
axes.axhline(best - error, color="grey", linestyle=":")
axes.set(xlabel="million multiply-adds", ylabel="validation accuracy, %", xlim=(0, 1.25 * means["macs"].max() / 1e6))
cl.lesson.show(
    figure,
    f"Two seeds each. The dotted line is one standard error below the best. Chosen: {chosen['base']} at width "
    f"{chosen['width']:g}, with {chosen['accuracy']:.1f} % of the test pictures right.",
)

# %%
strongest = means.loc[means["validation_accuracy"].idxmax()]
print(f"{len(frame)} networks trained, of {len(means)} kinds")
print("all of them better than chance:", bool((frame["accuracy"] > 100 / 8).all()))
print("the chosen one costs no more than the best one:", bool(chosen["macs"] <= strongest["macs"]))
coarse = 100 * (0.85 * 0.15 / pictures) ** 0.5
print(f"at 85 % right, {pictures} pictures leave a standard error of {coarse:.1f} points")
assert (frame["accuracy"] > 100 / 8).all() and len(means) == 4 and chosen["macs"] <= strongest["macs"]

# %% [markdown]
# Read the interval, not the ranking. With {pictures} validation pictures a standard error is about {coarse:.1f} points
# at 85 % right, and it is larger where less is right. That is the noise of the pictures alone. Seeds add theirs:
# compare the two rows of a network in the table above. Two seeds and {pictures} pictures can settle large differences
# only. The rule is honest about it: what cannot be told apart is decided by cost. To know more, get more pictures to
# validate on, and train more seeds.
#
# Your points go on the Explorer, too: as a table of your own, or one at a time with `add`.

# %%
points = means.assign(
    name=means["base"] + " " + means["width"].map("{:g}".format), accuracy=means["validation_accuracy"]
)
table = points[["name", "accuracy", "macs", "params"]]
explorer = cl.Explorer(mine, points=table, axis="validation accuracy on signs, %", hide="simple")
base = mine if chosen["base"] == "two_views" else cl.architecture("small_resnet", classes=8)
explorer.add("chosen", float(chosen["validation_accuracy"]), cl.scaled(base, width=chosen["width"], resolution=20))
explorer

# %% [markdown]
# ## Take it away
#
# Nothing ties you to `cnnlab`. `to_pytorch()` writes the network as a file that needs only `torch`, and takes the same
# weights. `to_json()` is the graph as text, to be read again. And as a module is an ordinary `nn.Module`,
# `torch.onnx.export` writes ONNX, the format that phones and other programs read.

# %%
network = mine.graph()
model = network.module(seed=0).eval()
source = network.to_pytorch()
print(source[source.index("class TwoViews") :])

names = {}
exec(source, names)
copy = names["TwoViews"]().eval()
copy.load_state_dict(model.state_dict())
x = torch.randn(4, 3, 20, 20, generator=torch.Generator().manual_seed(0))
print("# the same outputs:", torch.equal(copy(x), model(x)))
print("# from JSON, the same cost:", cl.Graph.from_json(network.to_json()).cost() == network.cost())
assert torch.equal(copy(x), model(x)) and "import cnnlab" not in source

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in
# [solutions](solutions/11_your_own_data_your_own_block.ipynb).
#
# **11.1** (warm-up) A folder holds 2,000 pictures, not laid out in parts. How many of them does `cl.data.load` set
# aside for the test?

# %% tags=["exercise"]
# Your answer:
answer = 2000 // 8
cl.lesson.check("11.1", answer)

# %% [markdown] tags=["solution"]
# An eighth for the test, and another eighth for validation; {2000 - 2 * answer:,} are left to train on.

# %% [markdown]
# **11.2** How many parameters has `two_views(x, 32)` on an image of 32 channels? Do not forget the batch norms: one for
# each view, and one after the 1×1 convolution.

# %% tags=["exercise"]
# Your answer:
answer = 2 * 9 * 32 * 16 + 32 * 32 + 2 * (16 + 16 + 32)
cl.lesson.check("11.2", answer)

# %% [markdown] tags=["solution"]
# Two 3×3 convolutions from 32 to 16 channels, a 1×1 from 32 to 32, and a scale and a shift for each of the 64 channels
# that are normed. The shortcut keeps its shape, so it has none.

# %% [markdown]
# **11.3** A store holds the rows of `cl.grid("small_resnet", depth=[0.5, 1, 2], width=[1, 2], seed=0)`. Then you sweep
# the same grid with `seed=range(3)` into it. How many networks are trained?

# %% tags=["exercise"]
# Your answer:
first = cl.grid("small_resnet", depth=[0.5, 1, 2], width=[1, 2], seed=0)
second = cl.grid("small_resnet", depth=[0.5, 1, 2], width=[1, 2], seed=range(3))
answer = len({trial.key for trial in second} - {trial.key for trial in first})
cl.lesson.check("11.3", answer)

# %% [markdown] tags=["solution"]
# 3 · 2 · 3 trials, of which the 6 of seed 0 have their rows: their keys are the same.

# %% [markdown]
# **11.4** Write a module that `cl.trace` accepts at 32 px: three channels in, 10 logits out, at most 2 million
# multiply-adds, at least three convolutions. The answer is the module itself.

# %% tags=["exercise"]
# Your answer:
from torch import nn

layers = []
for channels, width in [(3, 16), (16, 32), (32, 64)]:
    layers += [nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
answer = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
cl.lesson.check("11.4", answer)

# %% [markdown] tags=["solution"]
# A stride in the first layer is what makes it cheap: all that follows has a quarter of the pixels.

# %% [markdown]
# **11.5** (open) Write a block of your own: a function `block(x, width, stride=1)`. At 64 channels, 28 px and stride 1
# it must cost at most a third of `basic`'s multiply-adds; it must have a shortcut that is added, a convolution larger
# than 1×1, and do what width and stride say. The answer is the function.

# %% tags=["exercise"]
# Your answer:
from cnnlab.arch import blocks


def answer(x, width, stride=1):
    y = blocks.act(blocks.norm(blocks.conv(x, x.channels, 5, stride, groups=x.channels)))
    y = blocks.norm(blocks.conv(y, width, 1))
    return blocks.add(y, blocks.shortcut(x, width, stride))


cl.lesson.check("11.5", answer)

# %% [markdown] tags=["solution"]
# A depthwise convolution (one filter for each channel) looks around, a 1×1 convolution mixes the channels: 25 w + w²
# multiply-adds a pixel instead of 18 w². Lesson 06 says how the MobileNets came to it.

# %% [markdown]
# ## Summary
#
# * A folder of folders, or one `.npz` file, is a data set; mistakes come as a sentence that names the file and the array.
# * A block of a few lines has a cost on paper, and then a table, a drawing, a module and sliders.
# * `trace` reads plain modules, and refuses what it could not count honestly, with the layer's name.
# * A sweep keeps every finished row; interrupted, it goes on, here, on several processes or on a cluster.
# * Choose by a rule fixed beforehand, on validation pictures; report the test once. Take the network away as plain PyTorch.
#
# ### Further reading
#
# * Yu, Koltun: *Multi-Scale Context Aggregation by Dilated Convolutions*, 2015 (arXiv:1511.07122).
# * Breiman, Friedman, Olshen, Stone: *Classification and Regression Trees*, 1984, section 3.4: the rule of one standard
#   error.
# * `data/measured/README.md`, the data card of the measured tables: what a sweep should say about itself.
