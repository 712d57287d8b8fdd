# %% [markdown]
# # 12 · The article, checked
#
# ## Goals
#
# * Run published code as it is printed, read what it says when it stops, and mend it one line at a time.
# * Find the mistakes that do *not* stop a program, by comparing it with a network that is known to be right.
# * Hold formulas and claims against the papers that they come from.
# * End with a scorecard: each claim, what is true of it, and the lesson that shows it.
#
# ## Before
#
# Lessons 01, 06, 07 and 08, from which most of the evidence comes.

# %% [markdown]
# ## The article
#
# These lessons grew from one article on the web, *人工智能大模型原理与应用实战：从ResNet到EfficientNet* ("Large models of artificial
# intelligence, principles and practice: from ResNet to EfficientNet"). It explains the two networks, gives formulas,
# and prints code "for reference". Such articles are read and copied by many. How much of this one holds? What it says
# in Chinese is translated here by us; its code is run to the letter. First the block:

# %%
import cnnlab as cl
from cnnlab.show.exercises.article import BLOCK, EFFICIENTNET, RESNET

print(BLOCK)

# %% [markdown]
# Compare it with the block that you wrote in lesson 01. One line is missing; perhaps you see it already. The network
# comes next. Its argument `layers` is a list with one entry for each block; the entry −1 marks a block that halves the
# image.

# %%
print(RESNET[RESNET.index("class") :])

# %%
fate = cl.lesson.guess(
    "ResNet(ResidualBlock, [2, 2, 2, 2]) is made, and gets an image of 224 px. What happens?",
    choices=["it runs", "it stops when it is made", "it stops at the image"],
)
fate


# %%
def run(code):
    """What the code defines, by name."""
    names = {}
    exec(code, names)
    return names


def attempt(what):
    """Do it, and print the result; or else the last line of the error, as PyTorch says it."""
    try:
        print("it runs:", what())
    except Exception as error:
        print(f"{type(error).__name__}: {str(error).splitlines()[-1]}")


printed = run(BLOCK + RESNET)
attempt(lambda: printed["ResNet"](printed["ResidualBlock"], [2, 2, 2, 2]))
fate.reveal("it stops when it is made")

# %% [markdown]
# ### First stop: `block.expansion`
#
# *Expansion* is how many times a block's output is wider than its inner convolutions: 4 for the bottleneck of
# ResNet-50, 1 for this block. The network asks for it, the block never says it. In torchvision's ResNet, after which
# the code seems to be modelled, that line stands in the block's class. We mend by replacing text, so that you see
# exactly what changes:

# %%
import torch


def mend(code, wrong, right):
    """The code with one passage replaced, which must occur in it exactly once."""
    assert code.count(wrong) == 1, code.count(wrong)
    return code.replace(wrong, right)


head = "class ResidualBlock(nn.Module):\n"
block1 = mend(BLOCK, head, head + "    expansion = 1\n\n")
names = run(block1 + RESNET)
image = torch.zeros(1, 3, 224, 224)
attempt(lambda: names["ResNet"](names["ResidualBlock"], [2, 2, 2, 2])(image).shape)
attempt(lambda: cl.trace(names["ResNet"](names["ResidualBlock"], [2, 2, 2, 2])))

# %% [markdown]
# ### Second stop: who knows the number of channels?
#
# It can be made now, and stops at the image. PyTorch names two shapes; `cl.trace` names the place, `layer.1` (`Refused`
# is its own kind of ValueError). The loop makes `block(in_channels, in_channels)`, which *keeps* the channels, and
# afterwards doubles its own note of them. The note and the network no longer agree, and the next block expects 128
# channels where 64 arrive. ResNet widens where it halves the image (He et al. 2015, section 3.3), so the block marked
# −1 must be told both numbers, and the others must not double anything.

# %%
wide = "block(self.in_channels, self.in_channels, stride=2)"
once = "stride=1))\n                self.in_channels = self.in_channels * 2\n"
resnet2 = mend(RESNET, wide, "block(self.in_channels, self.in_channels * 2, stride=2)")
resnet2 = mend(resnet2, once, "stride=1))\n")


def graph_of(code, layers):
    """The traced network of these marks."""
    names = run(code)
    return cl.trace(names["ResNet"](names["ResidualBlock"], layers))


resnet18 = cl.architecture("resnet18").graph()
MARKS = [1, 1, -1, 1, -1, 1, -1, 1]
for layers in ([2, 2, 2, 2], MARKS):
    graph = graph_of(block1 + resnet2, layers)
    sums = int((graph.table()["operation"] == "add").sum())  # one in each block
    print(layers, "->", sums, "blocks,", graph.cost())
print("ResNet-18 of cnnlab:", resnet18.cost())

# %% [markdown]
# Two lessons in one output. It runs, for both lists. But `[2, 2, 2, 2]`, which means "two blocks in each of four
# stages" in the paper and in torchvision, makes *four* blocks in one stage here: no entry is ever read as a number, it
# is only compared with −1. Nothing says so. And with the marks of an 18-layer network, {", ".join(map(str, MARKS))},
# the multiply-adds are ResNet-18's to the last one, while some parameters are missing.
#
# ## What runs, and is wrong
#
# Count what is missing. The block ends with `out = self.conv2(out)`, and the sum follows at once: its second batch norm
# is not there. A batch norm has a scale and a shift for each channel; two blocks each have 64, 128, 256 and 512
# channels.

# %%
import torchvision

missing = 2 * 2 * (64 + 128 + 256 + 512)
gap = resnet18.cost().params - graph_of(block1 + resnet2, MARKS).cost().params
print(f"missing: {missing:,} on paper, {gap:,} by cnnlab")
assert missing == gap

conv2 = "        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, stride=1, padding=1, bias=False)\n"
block3 = mend(block1, conv2, conv2 + "        self.bn2 = nn.BatchNorm2d(out_channels)\n")
block3 = mend(block3, "out = self.conv2(out)", "out = self.bn2(self.conv2(out))")
print("with it:", graph_of(block3 + resnet2, MARKS).cost())
assert graph_of(block3 + resnet2, MARKS).cost() == resnet18.cost() == cl.trace(torchvision.models.resnet18()).cost()

# %% [markdown]
# With the batch norm in place every cost agrees with `cnnlab` and torchvision: parameters, multiply-adds, activations.
# One more test is left: give it torchvision's weights, and compare the outputs. On noise, as one often does, and on
# pictures of letters.

# %%
torch.manual_seed(0)
theirs = torchvision.models.resnet18().eval()
letters = cl.data.load("glyphs", resolution=64, limit=64, progress=False).train.images.float()
letters = (letters - letters.mean()) / letters.std()
PICTURES = {"noise": torch.randn(letters.shape, generator=torch.Generator().manual_seed(0)), "letters": letters}


def differences(code):
    """Its logits' largest difference from torchvision's, with the same weights, in percent of the largest logit."""
    names = run(code)
    ours = names["ResNet"](names["ResidualBlock"], MARKS).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    found = {}
    with torch.no_grad():
        for what, pictures in PICTURES.items():
            wanted = theirs(pictures[:16])
            found[what] = 100 * float((ours(pictures[:16]) - wanted).abs().max() / wanted.abs().max())
    return found


off = differences(block3 + resnet2)
print(", ".join(f"{what}: logits differ by {percent:.1f} %" for what, percent in off.items()))
assert off["noise"] < 1 < 5 < off["letters"]

# %% [markdown]
# They differ. `forward` goes from `bn1` straight to the max pool, and the ReLU between
# them is missing. A ReLU has no parameters and no multiply-adds, so no total of a cost could tell.

# %%
resnet4 = mend(resnet2, "x = self.bn1(x)\n", "x = torch.relu(self.bn1(x))\n")
off = differences(block3 + resnet4)
print(", ".join(f"{what}: logits differ by {percent:.1f} %" for what, percent in off.items()))
assert max(off.values()) == 0

# %% [markdown]
# Now they are equal to the last bit. **Equal cost is not equal function**; with the same weights the outputs must be equal.
#
# ### When does a missing ReLU matter?
#
# On noise the fault hardly showed, on letters it did. Why? After batch norm about half of the values are below zero,
# and a ReLU would cut them off. Here the max pool follows, which takes the largest of nine neighbours. How many of
# *its* outputs are below zero, on letters?

# %%
torch.manual_seed(0)
names = run(block3 + resnet4)
net = names["ResNet"](names["ResidualBlock"], MARKS).train()
share = {}
with torch.no_grad():
    for what, pictures in PICTURES.items():
        normed = net.bn1(net.conv1(pictures))
        share[what] = [100 * float((values < 0).float().mean()) for values in (normed, net.maxpool(normed))]
        print(f"{what}: {share[what][0]:.0f} % below zero after bn1, {share[what][1]:.0f} % after the max pool")
assert 45 < share["letters"][0] < 55 and share["noise"][1] < 1 < 15 < share["letters"][1] < 35

# %% [markdown]
# In noise nine neighbours differ, and one of them is nearly always positive. On letters whole areas are flat, nine
# neighbours agree, and about {share["letters"][1]:.0f} % of what goes on to the first block is below zero, where ResNet
# sends zeros. A test on random numbers can hide what pictures show.
#
# ### Does a missing batch norm matter?
#
# Predict it for an untrained network. The input of `conv2` comes from batch norm and ReLU, so the mean of its squares
# is 1/2. PyTorch draws the weights of a convolution with n inputs to a variance of 1/(3n). The sum over n inputs then
# has a variance of n · 1/2 · 1/(3n) = 1/6: a standard deviation of √(1/6) = {(1 / 6) ** 0.5:.2f}. The maps here are
# 8×8, and at their border the window reaches into the padding, which is zero: of the 24 · 24 places that the windows
# touch 22 · 22 lie on the map. That leaves √(1/6) · 22/24 = {(1 / 6) ** 0.5 * 22 / 24:.2f}. With `bn2` it is 1,
# whatever the weights are.


# %%
def spreads(block, times):
    """Standard deviations of F(x) and of the output at each of 16 blocks, conv2's weights multiplied by `times`."""
    names = run(block + resnet4)
    torch.manual_seed(0)
    net = names["ResNet"](names["ResidualBlock"], [1] * 16).train()
    inside, outside = [], []
    for part in net.layer:
        part.conv2.weight.data *= times
        branch = getattr(part, "bn2", part.conv2)
        branch.register_forward_hook(lambda _part, _input, output: inside.append(output.std().item()))
        part.register_forward_hook(lambda _part, _input, output: outside.append(output.std().item()))
    with torch.no_grad():
        net(torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    return inside, outside


# %%
BLOCKS = {"printed": block1, "with bn2": block3}
found = {(kind, times): spreads(block, times) for kind, block in BLOCKS.items() for times in (1, 4)}
mean = {key: sum(inside) / 16 for key, (inside, _) in found.items()}
on_paper = (1 / 6 * (22 / 24) ** 2) ** 0.5
print(f"F(x): {on_paper:.3f} on paper, {mean['printed', 1]:.3f} measured, ratio {mean['printed', 1] / on_paper:.2f}")
assert 0.95 < mean["printed", 1] / on_paper < 1.05
assert abs(mean["printed", 4] / mean["printed", 1] - 4) < 0.2 and abs(mean["with bn2", 4] - 1) < 0.02

# %%
figure, (left, right) = cl.lesson.panels(2, height=3.6)
STYLE = {"printed": (cl.lesson.COLOURS["vermilion"], "s"), "with bn2": (cl.lesson.COLOURS["blue"], "o")}
for (kind, times), (inside, outside) in found.items():
    colour, marker = STYLE[kind]
    line = {"color": colour, "marker": marker, "markersize": 4, "linestyle": "-" if times == 1 else "--"}
    for axes, values in ((left, inside), (right, outside)):
        if kind == "printed" or times == 1:
            axes.plot(range(1, 17), values, **line)
            text = kind if kind == "with bn2" else f"{kind}, weights × {times}"
            axes.annotate(
                text, (16, values[-1]), (0, 11), textcoords="offset points", ha="right", color=colour, size=10
            )
left.set(xlabel="block", ylabel="standard deviation", title="What a block adds, F(x)", ylim=(0, 2))
right.set(xlabel="block", title="What leaves the block", ylim=(0, 5))
cl.lesson.show(
    figure,
    f"Untrained, 16 blocks of 64 channels. Without the batch norm a block adds {mean['printed', 1]:.2f} instead of 1, "
    f"and {mean['printed', 4] / mean['printed', 1]:.1f} times as much when the weights of conv2 are 4 times as large. "
    "With it the size of the weights makes no difference.",
)

# %% [markdown]
# So nothing explodes at the start. The printed block is *quieter* than ResNet's: it adds less. What is lost is the
# independence of the weights' size: what the printed block adds follows every change of scale in `conv2`, during
# training too; with `bn2` it does not.
#
# ### The mended ResNet, in short
#
# Written again with a list of stages, and with a `width`, so that it can be trained here:

# %%
from torch import nn


class ShortResNet(nn.Module):
    def __init__(self, block, layers, width=64, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        blocks, channels = [], width
        for stage, count in enumerate(layers):
            for number in range(count):
                blocks.append(block(channels, width * 2**stage, stride=2 if stage and not number else 1))
                channels = width * 2**stage * block.expansion
        self.layer = nn.Sequential(*blocks)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        return self.fc(self.layer(x).mean(dim=(2, 3)))


# %%
mended, as_printed = run(block3)["ResidualBlock"], run(block1)["ResidualBlock"]
for name, layers in {"resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3]}.items():
    short = cl.trace(ShortResNet(mended, layers))
    print(name, short.cost(), "equal:", short.cost() == cl.architecture(name).cost())
    assert short.cost() == cl.architecture(name).cost() == cl.trace(torchvision.models.get_model(name)).cost()

# %% [markdown]
# It costs what ResNet-18 and -34 cost, to the last parameter. Does it learn better than the block as printed? Both are
# trained on 2,000 glyphs for 4 epochs, at a quarter of the width, from the same seed.

# %%
first = cl.lesson.guess(
    "After 4 epochs, which is ahead on the test images by more than 5 points?",
    choices=["the mended block", "the block as printed", "neither"],
)
first

# %% tags=["nbval-ignore-output"]
torch.set_num_threads(1)  # networks as small as these gain nothing from more
data = cl.data.load("glyphs", resolution=24, limit=2000, progress=False)
recipe = cl.Recipe(epochs=4, batch=64, lr=0.05, seed=0)
reached = {}
for kind, block in {"mended": mended, "as printed": as_printed, "mended, quiet start": mended}.items():
    torch.manual_seed(0)
    model = ShortResNet(block, [2, 2, 2, 2], width=16, classes=len(data.classes))
    if "quiet" in kind:
        for part in model.layer:
            nn.init.constant_(part.bn2.weight, (1 / 6) ** 0.5)  # instead of 1
    reached[kind] = cl.fit(model, data, recipe, progress=False).test_accuracy
    print(f"{kind}: {reached[kind]:.1f} % of the test images")

# %%
lead = {kind: reached[kind] - reached["mended"] for kind in ("as printed", "mended, quiet start")}
print("as printed, more than 8 points ahead of the mended block:", lead["as printed"] > 8)
print("mended with a quiet start, more than 8 points ahead as well:", lead["mended, quiet start"] > 8)
assert min(lead.values()) > 8
first.reveal("the block as printed")

# %% [markdown]
# The wrong block is ahead. Before anyone takes the batch norm out again: the third arm has it, and is ahead as well.
# There the scale of each `bn2`, a parameter that is learned, *starts* at √(1/6) instead of 1. So it is not the missing
# layer that helps, but the quiet start: here eight blocks that each add less learn faster in the first steps. Goyal
# et al. (2017) start this scale at 0, so that each block begins as the identity; try that as well. And four epochs of
# one seed speak about beginnings. They do not say which network is better in the end; lesson 01 shows what that takes.
# What is sure is that the printed block is another network under the same name, so that its results cannot be held
# against ResNet's.
#
# ## The EfficientNet of the article
#
# The article's last section of code prints this class, and no block for it. It asks for `block.expansion`, so we give it our mended block.

# %%
print(EFFICIENTNET[EFFICIENTNET.index("class") :])

# %% [markdown]
# Each attempt stops, is mended, and the next one begins:

# %%
MENDS = [
    ("16, kernel_size=3, stride=2, padding=1, groups=self.in_channels)", "16, kernel_size=3, stride=2, padding=1)"),
    ("24, kernel_size=3, stride=2, padding=1, groups=self.in_channels)", "24, kernel_size=3, stride=2, padding=1)"),
    ("self.conv_body = ", "self.in_channels = 24\n        self.conv_body = "),
]
versions = [EFFICIENTNET]
for wrong, right in MENDS:
    versions.append(mend(versions[-1], wrong, right))
for number, code in enumerate(versions, 1):
    print(number, end=". ")
    attempt(lambda code=code: tuple(run(code)["EfficientNet"](mended, [1, -1, 1]).eval()(image).shape))

# %% [markdown]
# 1. *"out_channels must be divisible by groups"*: the first convolution has `groups` = 3 and 16 outputs. Groups split
#    inputs and outputs into equal parts, and 16 is no multiple of 3. EfficientNet's stem is an ordinary convolution;
#    the grouped ones are the depthwise ones inside its blocks (lesson 06).
# 2. *"in_channels must be divisible by groups"*: the same again, for 16 inputs.
# 3. *"expected input … to have 3 channels, but got 24"*: the stem leaves 24 channels, but `self.in_channels` still says
#    3, and the body is built for 3.
# 4. It runs, and gives `(1, 1000, 28, 28)`: one answer for every place of the map. Nothing pools it, so these are no
#    logits of an image.
#
# The argument `block.expansion * self.in_channels` as the *output* of a block hides one more. MBConv expands inside and
# comes back; here each block would leave its expansion behind. With the factor 6 of EfficientNet, 24 channels would
# become 24 · 6¹⁶, about {24 * 6**16:.0e}, after 16 blocks.
#
# ### A ceiling above the logits
#
# The head ends in a convolution, a batch norm and `ReLU6`, which cuts everything to the range from 0 to 6. Classes are
# made into probabilities by *softmax*: each class gets its exponential, divided by the sum of all of them. Suppose the
# network is as sure as it can be: 6 for one class, 0 for the other 999.

# %%
ceiling = cl.lesson.guess("The highest probability that it can give to one of 1,000 classes?", 0, 100, unit="percent")
ceiling

# %%
from math import exp, log

on_paper = exp(6) / (exp(6) + 999)
logits = torch.full((1000,), -50.0)
logits[7] = 50.0
measured = float(nn.ReLU6()(logits).softmax(dim=0).max())
print(f"on paper {on_paper:.4f}, measured {measured:.4f}, ratio {measured / on_paper:.4f}")
print(f"the loss can never fall below -ln {on_paper:.3f} = {-log(on_paper):.2f}")
assert abs(measured / on_paper - 1) < 1e-5
ceiling.reveal(round(100 * on_paper, 1))

# %% [markdown]
# However long it trains, it never says more than {100 * on_paper:.1f} %, and its loss (the cross-entropy of one-hot
# labels) never falls below {-log(on_paper):.2f}. And a logit that is cut off passes no gradient back. Move the cap and
# the number of classes: from which cap on is there room for `99 %` with 1,000 classes?


# %%
def draw(cap, classes):
    """The highest probability for each cap, and the chosen one."""
    figure, (axes,) = cl.lesson.panels(1, height=2.8)
    caps = [step / 4 for step in range(4, 65)]
    best = [100 / (1 + (int(classes) - 1) * exp(-each)) for each in caps]
    here = 100 / (1 + (int(classes) - 1) * exp(-cap))
    axes.plot(caps, best, color=cl.lesson.COLOURS["blue"])
    axes.plot([cap], [here], color=cl.lesson.COLOURS["vermilion"], marker="o", markersize=9)
    axes.set(xlabel="logits are cut to 0 ... cap", ylabel="highest probability, %", ylim=(0, 105))
    return figure, f"Cut at {cap}, {classes} classes: at most {here:.1f} %."


cl.lesson.play(draw, {"cap": (1, 16, 1), "classes": ["10", "42", "100", "1000"]}, start={"cap": 6, "classes": "1000"})

# %% [markdown]
# One fault costs only memory. All four convolutions of stem and head have a bias, and a batch norm follows each. It
# subtracts the mean, the bias with it:

# %%
torch.manual_seed(0)
pair = nn.Sequential(nn.Conv2d(3, 16, 3, bias=True), nn.BatchNorm2d(16)).train()
pictures = torch.randn(8, 3, 16, 16)
before = pair(pictures)
pair[0].bias.data += 5
print("the same outputs, with every bias 5 larger:", torch.allclose(before, pair(pictures), atol=1e-4))
print("parameters without effect:", 16 + 24 + 128 + 1000)
assert torch.allclose(before, pair(pictures), atol=1e-4)

# %% [markdown]
# ### The mended EfficientNet
#
# After all of this the class would still not be EfficientNet: no depthwise convolution, no squeeze-excite, no table of
# stages. It is quicker to write it anew. The seven rows are Table 1 of Tan and Le (2019); the block is MBConv (lesson
# 06).

# %%
from cnnlab.arch.blocks import conv_head, conv_stem, mbconv

ROWS = [  # expansion, kernel, stride, channels, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
]
b0 = cl.Architecture(
    "efficientnet, mended",
    stem=cl.Stage(conv_stem, depth=1, width=32, stride=2, options={"kind": "silu"}),
    stages=[cl.Stage(mbconv, n, c, s, {"expand": e, "kernel": k}) for e, k, s, c, n in ROWS],
    head=cl.Head(conv_head, width=1280, options={"drop": 0.2}),
)

# %%
theirs = torchvision.models.efficientnet_b0().eval()
ours = b0.graph().module(weights=theirs.state_dict()).eval()
pictures = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
print(b0.cost(), "equal to torchvision's:", cl.trace(theirs).cost() == b0.cost())
print("with torchvision's weights, the same logits:", torch.equal(ours(pictures), theirs(pictures)))
assert cl.trace(theirs).cost() == b0.cost() and torch.equal(ours(pictures), theirs(pictures))

# %% [markdown]
# ## Its formulas
#
# **`y = F(x, W) + x`** is right: equation 1 of He et al. (2015). Of the steps, "add the output of the current layer to
# the output of the previous layer" (our translation) is loose: what is added is the *input of the block*, two or three
# layers back. Then ReLU, then the next block; that is the order of 2015.
#
# **"Depth enhancement"** repeats the same formula under a second name. Stacking blocks is all there is to it, and
# lesson 02 says how far that goes.
#
# **`s = α · floor(k · floor(i/m)) + β`**, "the scale factor", is in no paper that we know, and not in Tan and Le
# (2019). It gives a number for each layer i, rises in steps of a straight line, and does not say what is multiplied by
# it; lesson 07 draws it. The paper's rule is short: choose φ, and multiply depth by α^φ, width by β^φ and resolution by
# γ^φ, with α · β² · γ² ≈ 2, so that the cost about doubles when φ grows by 1. A small search on B0 found α = 1.2, β =
# 1.1, γ = 1.15.
#
# **`importance(w) = 1/N Σ (f(x, w) − y)²`** is the error of the whole network. There is no weight on its right-hand
# side that one could tell from another:

# %%
alpha, beta, gamma = 1.2, 1.1, 1.15
print(f"alpha · beta² · gamma² = {alpha * beta**2 * gamma**2:.2f}")
assert abs(alpha * beta**2 * gamma**2 - 2) < 0.1

compared = [cl.prune.compared(family, data) for family in ("resnet", "mbconv") for data in ("glyphs", "cifar10")]
error = [table[table["importance"] == "squared_error"] for table in compared]
settings = sum(map(len, error))
random = sum(int((table["over_random_low"] > 0).sum()) for table in error)
thin = sum(int((table["over_thin_low"] > 0).sum()) for table in error)
print(f"the rise in squared error as criterion, {settings} settings: better than random channels in {random}, ", end="")
print(f"better than a thin network from scratch in {thin}")
sums = int((b0.graph().table()["operation"] == "add").sum())
print(f"B0 has {b0.blocks} blocks, of which {sums} end in a residual sum")
assert settings == 12 and random > 0 and sums == 9

# %% [markdown]
# It becomes a criterion if one removes a weight or channel and takes the *rise* of this error. `cl.prune` has that as
# `squared_error`. By the tables of this repository (`data/pruned`, three seeds, 95 % intervals, small networks) it is
# certainly better (the interval of the difference leaves out 0) than removing channels at random in {random} of
# {settings} settings, and certainly better than a thin network trained from scratch in {thin} of them. Lesson 08 has
# the rest.
#
# **"EfficientNet is an optimisation method based on neural network pruning and scaling"**, and its core idea is **"to
# scale the model by dynamically computing the network's scale factor"** (our translation). Two words are wrong. Nothing
# is pruned: B0 was *found*, by a search over blocks, kernels and widths for accuracy near 400 million multiply-adds
# (Tan and Le 2019, section 4). And nothing is dynamic: three constants, fixed once, scale it. What adapts is the person
# who chooses φ.
#
# ## Its questions, answered
#
# | question of the article (our translation) | what it answers | what the lessons answer |
# |---|---|---|
# | How do ResNet and EfficientNet differ? | residual connections against a dynamic scale factor | ResNet is a way to make depth trainable ([01](01_residual_connections.ipynb)). EfficientNet is a network found by search out of cheap blocks (lesson [06](06_from_resnet_block_to_mbconv.ipynb)), and a rule for scaling it (lesson [07](07_compound_scaling.ipynb)). They answer different questions. |
# | Can they be combined? | yes, ResNet as EfficientNet's base | Yes, and they are: {sums} of B0's {b0.blocks} blocks end in a residual sum. Scaling ResNet by such rules is lesson [10](10_resnet_scaled_the_efficientnet_way.ipynb). |
# | How is the scale factor computed? | by the formula with two floors | α^φ, β^φ, γ^φ; there are three factors, and one number φ that you choose (lesson [07](07_compound_scaling.ipynb)). |
# | What code is there? | the code above | torchvision's, to which every network here is compared, or `cl.architecture("efficientnet_b0").graph().to_pytorch()` ([11](11_your_own_data_your_own_block.ipynb)). |
# | How do I choose a model? | smaller images and less compute: a smaller model | By a budget that you can measure: multiply-adds, memory, milliseconds (lesson [05](05_what_does_it_cost.ipynb)), then the best measured accuracy under it (lesson [09](09_accuracy_against_cost.ipynb)), on your own data (lesson [11](11_your_own_data_your_own_block.ipynb)). |
#
# ## Scorecard
#
# | claim or code | verdict | shown in |
# |---|---|---|
# | `y = F(x, W) + x` | right | [01](01_residual_connections.ipynb) |
# | the sum takes "the output of the previous layer" | loose: the input of the block | [01](01_residual_connections.ipynb) |
# | residual connections make deep networks trainable | right | [01](01_residual_connections.ipynb) |
# | they raise the performance with depth | right up to a point | [02](02_depth.ipynb) |
# | "depth enhancement" | a second name, the same formula | [02](02_depth.ipynb) |
# | ResNet, Inception and EfficientNet answer training that costs ever more time | half: deeper ResNets cost more, not less | [02](02_depth.ipynb), [05](05_what_does_it_cost.ipynb) |
# | EfficientNet rests on pruning | wrong | [06](06_from_resnet_block_to_mbconv.ipynb), [08](08_pruning.ipynb) |
# | its scale factor is computed dynamically | wrong: three constants and a choice | [07](07_compound_scaling.ipynb) |
# | `s = α · floor(k · floor(i/m)) + β` | in no paper | [07](07_compound_scaling.ipynb) |
# | `importance(w)` | the loss; useful only as a difference | [08](08_pruning.ipynb) |
# | `ResidualBlock` as printed | runs alone; no `expansion`, no second batch norm | here |
# | `ResNet` as printed | does not run; channels, ReLU, and `layers` that means something else | here |
# | `EfficientNet` as printed | does not run; groups, channels, no pooling, a ceiling of {100 * on_paper:.1f} %, not MBConv | here, [06](06_from_resnet_block_to_mbconv.ipynb) |
# | the two can be combined | right | [06](06_from_resnet_block_to_mbconv.ipynb), [10](10_resnet_scaled_the_efficientnet_way.ipynb) |
# | choose a small model for little compute | right, and not yet an answer | [09](09_accuracy_against_cost.ipynb) |
# | its reference for ResNet | right | [01](01_residual_connections.ipynb) |
# | "Tan L, Le X, Liu Z, et al." for EfficientNet | wrong: Mingxing Tan and Quoc V. Le, and nobody else | Further reading |

# %% [markdown]
# ## Move it
#
# The network that the article meant, with sliders. Try this:
#
# 1. Move the depth alone until the cost is twice B0's. Then the width alone, then the resolution. How far did each have
#    to go?
# 2. Set depth 1.2, width 1.1 and 256 px, near α, β and γ. Is the cost twice as much? (Depths are rounded up: lesson 07.)

# %%
explorer = cl.Explorer(b0, hide="simple")
explorer

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in
# [solutions](solutions/12_the_article_checked.ipynb).
#
# **12.1** (warm-up) How many parameters have the eight missing second batch norms together? Work it out from the
# blocks, not from the total.

# %% tags=["exercise"]
# Your answer:
answer = sum(2 * width for width in (64, 64, 128, 128, 256, 256, 512, 512))
cl.lesson.check("12.1", answer)

# %% [markdown] tags=["solution"]
# A scale and a shift for each channel of eight blocks. Mean and variance are kept as well, but they are not learned, so
# they are no parameters.

# %% [markdown]
# **12.2** What is the highest probability with `ReLU6` behind the logits and 10 classes, as for CIFAR-10? Between 0 and 1.

# %% tags=["exercise"]
# Your answer:
from math import exp

answer = exp(6) / (exp(6) + 9)
cl.lesson.check("12.2", answer)

# %% [markdown] tags=["solution"]
# Nine other classes at a logit of 0, each with exponential 1. With few classes the ceiling hardly shows, which is how
# such a fault survives a test on a small data set.

# %% [markdown]
# **12.3** `_make_body` gives each block `block.expansion * self.in_channels` outputs. Starting from 24 channels, with
# an expansion of 6: how many channels after four blocks?

# %% tags=["exercise"]
# Your answer:
answer = 24 * 6**4
cl.lesson.check("12.3", answer)

# %% [markdown] tags=["solution"]
# Each block multiplies by 6. MBConv multiplies by 6 *inside* and its last 1×1 convolution brings the width back.

# %% [markdown]
# **12.4** Write the list of marks with which the article's `ResNet`, mended, is ResNet-34: stages of 3, 4, 6 and 3
# blocks. The first stage does not halve the image.

# %% tags=["exercise"]
# Your answer:
answer = [1, 1, 1]
for count in (4, 6, 3):
    answer += [-1] + [1] * (count - 1)
cl.lesson.check("12.4", answer)

# %% [markdown] tags=["solution"]
# The first block of each later stage carries the mark; all others are anything but −1.

# %% [markdown]
# **12.5** (open) The network asks for `block.expansion`, so it was meant for bottlenecks as well. Write the class:
# `expansion = 4`, arguments `in_channels, width, stride=1`, a 1×1 convolution to `width`, a 3×3 with the stride, a 1×1
# to `4 * width`, and the shortcut. It must cost what ResNet-50's blocks cost. The answer is the class.

# %% tags=["exercise"]
# Your answer:
from torch import nn
from torchvision.ops import Conv2dNormActivation as Conv  # convolution, batch norm, ReLU


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, in_channels, width, stride=1):
        super().__init__()
        last = Conv(width, 4 * width, 1, activation_layer=None)
        self.branch = nn.Sequential(Conv(in_channels, width, 1), Conv(width, width, 3, stride), last)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != 4 * width:
            self.shortcut = Conv(in_channels, 4 * width, 1, stride, activation_layer=None)

    def forward(self, x):
        return (self.branch(x) + self.shortcut(x)).relu()


answer = Bottleneck
cl.lesson.check("12.5", answer)

# %% [markdown] tags=["solution"]
# Three convolutions, each with its batch norm, the last one without ReLU before the sum; a projection where the shape
# changes. With it, `ShortResNet(Bottleneck, [3, 4, 6, 3])` is ResNet-50.

# %% [markdown]
# ## Summary
#
# * Published code need not have been run. Running it takes a minute; tracing it says where it stops, and why.
# * Faults that do not stop are found by comparison: parameters first, then outputs with the same weights. Equal cost is
#   not equal function.
# * Logits are not to be cut: with `ReLU6` behind them, 1,000 classes never get beyond {100 * on_paper:.1f} %.
# * Of the formulas, the one of the residual block is the paper's. The scale factor is in no paper, and the importance
#   is the loss.
# * EfficientNet is a network found by search, scaled by three constants. It is neither pruned nor dynamic.
#
# ### Further reading
#
# * The article behind this project: *人工智能大模型原理与应用实战：从ResNet到EfficientNet*.
# * He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015 (arXiv:1512.03385).
# * Tan, Le: *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, 2019 (arXiv:1905.11946).
# * Bello et al.: *Revisiting ResNets: Improved Training and Scaling Strategies*, 2021 (arXiv:2103.07579).
