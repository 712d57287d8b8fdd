# %% [markdown]
# # 05 · What does it cost?
#
# ## Goals
#
# * Work out the cost of a convolution and of a small network on paper, to the last unit.
# * Say why five counting tools give five numbers for one network, and make them agree.
# * Tell four costs apart: multiply-adds, parameters, memory and time. They rank networks differently.
# * Use arithmetic intensity to say which layers wait for the memory and not for the processor.
#
# ## Before
#
# Lesson 00, or nothing: the first section says what a convolution is.

# %% [markdown]
# ## The idea
#
# A convolution looks at an image through a small window. At each place it takes the `k × k` pixels in the window, in all
# `c_in` channels, multiplies each by a weight of its own and adds the products up. That makes one output number. It does this
# with `c_out` sets of weights, at each of the `h × w` places of the output. One multiplication with the addition after it is a
# **multiply-add** (*MAC* in tables). The weights are learned; they are the layer's **parameters**. So the cost in multiply-adds is a
# product of six numbers:
#
# `multiply-adds = k · k · c_in · c_out · h · w`
#
# In *groups*, each output sees only `c_in / groups` channels. With as many groups as channels it is called **depthwise**.

# %%
import torch
import torch.nn.functional as F
from torch import nn

import cnnlab as cl


def conv_macs(kernel, c_in, c_out, size, groups=1):
    """Multiply-adds of a convolution; size: of its output, in pixels."""
    return kernel * kernel * (c_in // groups) * c_out * size * size


dense = conv_macs(3, 64, 128, 28)
depthwise = conv_macs(3, 64, 64, 28, groups=64)
print(f"3x3, 64 to 128 channels, 28 px: {dense:,} multiply-adds; depthwise 3x3, 64 channels: {depthwise:,}")

# %% [markdown]
# Is the formula right? A convolution is a product of two matrices: one with a row for each set of weights, one with a column
# for each place of the window. A product of an `a × b` and a `b × c` matrix takes `a · b · c` multiply-adds, and that we can
# count. If it gives the same numbers as `nn.Conv2d`, then it is the same work.

# %%
convolution = nn.Conv2d(64, 128, 3, padding=1, bias=False)
x = torch.randn(1, 64, 28, 28, generator=torch.Generator().manual_seed(0))
rows = convolution.weight.detach().flatten(1)  # one row for each set of weights
columns = F.unfold(x, 3, padding=1)[0]  # one column for each place of the window
product = (rows @ columns).reshape(1, 128, 28, 28)
print("weights:", tuple(rows.shape), " places:", tuple(columns.shape))
assert torch.allclose(product, convolution(x).detach(), atol=1e-4)
by_matrices = rows.shape[0] * rows.shape[1] * columns.shape[1]
asked = cl.trace(convolution, resolution=28, channels=64).cost().macs
print(f"by the formula {dense:,}, by the matrices {by_matrices:,}, by cnnlab {asked:,}, ratio {asked / dense}")
assert dense == by_matrices == asked

# %% [markdown]
# ## A whole network on paper
#
# Two convolutions that halve the image (*stride* 2: the window moves by two pixels). Each is followed by a **batch norm**, which
# brings each channel to a mean and a spread that it learns (two parameters a channel), and by an **activation**, a function of
# each number: ReLU puts 0 in place of what is negative. Then come the mean of each channel and one linear layer, which has a
# weight for each pair of input and output, and a bias (a number to add) for each output. Multiply-adds are counted in
# convolutions and linear layers only; what the rest would add, you will see below.

# %%
small = nn.Sequential(
    nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
    nn.BatchNorm2d(16),
    nn.ReLU(inplace=True),
    nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
    nn.BatchNorm2d(32),
    nn.ReLU(inplace=True),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
)
on_paper = conv_macs(3, 3, 16, 16) + conv_macs(3, 16, 32, 8) + 32 * 10
weights_on_paper = 9 * 3 * 16 + 9 * 16 * 32 + 2 * 16 + 2 * 32 + (32 * 10 + 10)
graph = cl.trace(small, resolution=32)
assert on_paper == graph.cost().macs and weights_on_paper == graph.cost().params
print(f"on paper {on_paper:,} multiply-adds and {weights_on_paper:,} parameters: cnnlab says {graph.cost()}")
graph.table()[["operation", "channels", "size", "macs", "params", "activations"]]

# %% [markdown]
# The second convolution does most of the work and has most of the parameters. In large networks the two part ways: early
# layers see large images (work, few parameters), late ones many channels (parameters, less work). *Activations* here are the
# numbers that convolutions and linear layers put out.
#
# ## Five counters, five numbers
#
# People rarely count on paper. They use a tool, and tools disagree. Take EfficientNet-B0, and ask five: cnnlab itself,
# fvcore, torchinfo, ptflops and thop. How far is the largest answer above the smallest?

# %%
apart = cl.lesson.guess("EfficientNet-B0: the largest of five counts is how far above the smallest?", 0, 50, unit="%")
apart

# %% [markdown]
# Run fvcore yourself first, and PyTorch's own counter beside it. fvcore calls its result *flops*;
# `FlopCounterMode` does so too, and means something else. `cl.count` is a second engine of cnnlab that shares no code with
# `trace`; the two must agree.

# %%
import logging
import warnings

import torchvision
from torch.utils.flop_counter import FlopCounterMode

logging.disable(logging.WARNING)  # fvcore lists each operation that it leaves out
with warnings.catch_warnings(action="ignore"):
    from fvcore.nn import FlopCountAnalysis

b0 = torchvision.models.efficientnet_b0(weights=None).eval()
image = torch.zeros(1, 3, 224, 224)
by_fvcore = int(FlopCountAnalysis(b0, image).total())
with FlopCounterMode(display=False) as counter, torch.no_grad():
    b0(image)
by_torch = counter.get_total_flops()
traced = cl.trace(b0, resolution=224)
macs = traced.cost().macs
print(f"fvcore's 'flops' {by_fvcore:,}\ntorch's flops    {by_torch:,}")
print(f"cl.trace, MACs   {macs:,}\ncl.count, MACs   {cl.count(b0, image).macs:,}")
assert by_torch == 2 * macs == traced.cost().flops and macs == cl.count(b0, image).macs
assert by_fvcore == traced.cost(convention="fvcore").macs and round(macs / 1e9, 2) == 0.39

# %% [markdown]
# PyTorch counts two operations for one multiply-add: `flops = 2 * macs`. That is the whole difference between it and cnnlab,
# and the first question to ask of any published figure. Tan and Le (2019) print 0.39 billion "FLOPS" for this network, which
# are multiply-adds. fvcore is {100 * (by_fvcore / macs - 1):.1f} % above cnnlab. It has not miscounted: it counts something else as
# well. `cost(convention=...)` tells what each tool would say. (The tests of cnnlab run the real tools on all of
# torchvision's convolutional networks and compare to the last unit; here only fvcore needs to be installed.)

# %%
tools = ["macs", "fvcore", "torchinfo", "ptflops", "thop"]
says = {tool: traced.cost(convention=tool).macs for tool in tools}
for tool, total in says.items():
    print(f"{tool:10} {total:13,}")
spread = 100 * (max(says.values()) / min(says.values()) - 1)
assert 7 < spread < 8
apart.reveal(round(spread, 1))

# %% [markdown]
# Where is it? `reconcile` takes each total apart, component by component. The table has the operations, and
# `attrs["explanation"]` says the same in sentences.

# %%
ledger = traced.reconcile()
for sentence in ledger.attrs["explanation"].splitlines():
    print(sentence.replace(": ", ":\n    "))
ledger

# %% [markdown]
# All five agree on convolutions and linear layers, to the last unit. They differ in what they charge for the rest: a batch norm
# is 2 operations for each number that goes in (fvcore, ptflops), 4 (thop), 2 for each *channel* (torchinfo), or nothing. The
# default here is nothing, because a batch norm can be folded into the convolution before it when training is over. Check
# fvcore's surplus by hand: two for each number that enters a batch norm, one for each that enters a global mean.

# %%
entering = {"BatchNorm": 0, "AdaptivePool": 0}
for layer in traced.layers:
    kind = type(layer.op).__name__
    if kind in entering:
        before = traced.layers[layer.inputs[0]]
        entering[kind] += before.channels * before.size**2
surplus = 2 * entering["BatchNorm"] + entering["AdaptivePool"]
print(f"2 x {entering['BatchNorm']:,} + {entering['AdaptivePool']:,} = {surplus:,}, and by fvcore {by_fvcore - macs:,}")
assert surplus == by_fvcore - macs

# %% [markdown]
# Does a few per cent matter? It would not if all networks had the same few per cent.

# %%
more = {}
for name in ("resnet50", "efficientnet_b0"):
    own = cl.architecture(name).graph().reconcile()
    more[name] = 100 * own.sub(own["macs"], axis=0) / own.loc["total", "macs"]
worst = {name: more[name].loc["total"].max() for name in more}
assert worst["efficientnet_b0"] > 6 * worst["resnet50"]
print({name: f"at most {per_cent:.1f} % above the multiply-adds" for name, per_cent in worst.items()})

# %%
LOOKS = {"batch norm": ("blue", ""), "activation": ("vermilion", "//"), "global pooling": ("sky", "..")}
bars = [(name, tool) for tool in ("fvcore", "ptflops", "thop") for name in more]
figure, (axes,) = cl.lesson.panels(1, height=3.2)
start = [0.0] * len(bars)
for part, (colour, hatch) in LOOKS.items():
    size = [more[name].loc[part, tool] for name, tool in bars]
    look = {"color": cl.lesson.COLOURS[colour], "hatch": hatch, "edgecolor": "white", "label": part}
    axes.barh(range(len(bars)), size, 0.7, left=start, **look)
    start = [a + b for a, b in zip(start, size, strict=True)]
axes.set_yticks(range(len(bars)), [f"{tool}: {name}" for name, tool in bars])
axes.set(xlabel="above the multiply-adds, %", xlim=(0, 8))
axes.invert_yaxis()
axes.legend(loc="upper right", frameon=False, fontsize=10)
cl.lesson.show(
    figure,
    f"What three tools add to the multiply-adds: at most {worst['resnet50']:.1f} % for ResNet-50 and up to "
    f"{worst['efficientnet_b0']:.1f} % for EfficientNet-B0, most of it batch norm. Biases and max pooling, "
    "under 0.1 %, are left out.",
)

# %% [markdown]
# EfficientNet has more batch norm for each multiply-add, so thop and ptflops move it to the right on a plot of accuracy against
# cost, and leave ResNet where it is. **Never put counts of two tools on one axis.** Name the tool beside the number.
#
# ## What a counter can miss
#
# Many counters are made of *hooks*: functions that PyTorch calls when a submodule runs. Below is one, in a few lines. What it
# cannot see is work that is no submodule. In *attention* each place of an image looks at all others; its two large products are
# written `@`.


# %%
class Attention(nn.Module):
    def __init__(self, channels=64):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(channels, channels, bias=False) for _ in range(3))

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(1, 2) / 8
        return torch.softmax(scores, dim=-1) @ self.value(x)


def hooked(model, x):
    """Multiply-adds of the linear layers that run, as counters with hooks see them."""
    seen = []
    for part in model.modules():
        if isinstance(part, nn.Linear):
            part.register_forward_hook(lambda part, _, y: seen.append(part.in_features * y.numel()))
    model(x)
    return sum(seen)


# %%
places = 14 * 14
x = torch.zeros(1, places, 64)
by_hooks, counted = hooked(Attention(), x), cl.count(Attention(), x)
by_hand = 3 * places * 64 * 64 + 2 * places * places * 64
print(f"by hooks {by_hooks:,}, by cl.count {counted.macs:,}, by hand {by_hand:,}")
print(f"hooks miss {1 - by_hooks / by_hand:.0%} of it")
assert counted.macs == by_hand and by_hooks == 3 * places * 64 * 64
counted.table(by="op").query("macs > 0")[["op", "calls", "macs", "share"]]

# %% [markdown]
# `cl.count` runs any module on tensors without numbers and books every operation: counted, free, or unknown. It lists what it
# does not know and never drops it. It counts a training step too, `cl.count(..., training=True)`. As a rule of thumb that is
# three forward passes: the backward pass computes two products for each product, one for the image and one for the weights.

# %%
step = cl.count(torchvision.models.efficientnet_b0(weights=None), torch.empty(8, 3, 224, 224), training=True)
print(f"a training step takes {step.training_macs / step.macs:.2f} times the multiply-adds of a forward pass")
assert 2.9 < step.training_macs / step.macs < 3 and not step.unknown

# %% [markdown]
# ## Memory
#
# Training keeps four things in memory: the **weights**, their **gradients** (as many numbers), the **state** of the optimizer (none
# for plain SGD, one number a weight with momentum, two for Adam), and what is **saved** for the backward pass: the images inside
# the network. A number takes 4 bytes. The first three do not depend on the batch; the last grows with it, and is mostly the
# largest.
#
# On paper, for the small network and 8 images: a convolution saves its input; a batch norm saves its input, too, and a mean
# and a spread for each channel; the activation writes over the output of the batch norm, which the next convolution saves. So each
# convolution's output is held twice.

# %%
batch = 8
first, second = 16 * 16 * 16, 32 * 8 * 8  # numbers that the two convolutions put out for an image
numbers = batch * (3 * 32 * 32 + 2 * first + 2 * second + 32) + 2 * (16 + 32)
kept = {}
own = {t.untyped_storage().data_ptr() for t in [*small.parameters(), *small.buffers()]}


def pack(tensor):
    storage = tensor.untyped_storage()
    if storage.data_ptr() not in own:
        kept[storage.data_ptr()] = storage.nbytes()
    return tensor


with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
    result = small.train()(torch.randn(batch, 3, 32, 32))
measured = sum(kept.values())
asked = graph.memory(batch=batch).saved
print(f"on paper {4 * numbers:,} bytes, measured in PyTorch {measured:,}, by cnnlab {asked:,}")
assert 4 * numbers == measured == asked

# %% [markdown]
# Now two large networks. ResNet-50 has {cl.architecture("resnet50").cost().macs / macs:.1f} times the multiply-adds of
# EfficientNet-B0 and {cl.architecture("resnet50").cost().params / traced.cost().params:.1f} times the parameters.

# %%
saved = cl.lesson.guess(
    "For the backward pass, how many times as many bytes does ResNet-50 save as EfficientNet-B0?",
    0,
    12,
    step=0.1,
    unit="times",
)
saved

# %%
import pandas as pd

names = ["resnet18", "resnet50", "efficientnet_b0"]
memory = {name: cl.architecture(name).memory(batch=32, optimizer="momentum") for name in names}
table = pd.DataFrame({name: vars(found) | {"training": found.training} for name, found in memory.items()}) / 1e6
ratio = memory["resnet50"].saved / memory["efficientnet_b0"].saved
assert ratio < 1 and all(m.weights == 4 * cl.architecture(name).cost().params for name, m in memory.items())
saved.reveal(round(ratio, 2))
table.round(1).rename_axis("MB, 32 images")

# %% [markdown]
# The network with a tenth of the work saves *more* bytes. Its blocks are wide inside, at little cost in multiply-adds (lesson
# 06), but every one of those channels is kept. *peak* is the most that images take at one moment when nothing is kept for a
# backward pass; there the two are equal. (*buffers* are the running means and spreads of batch norms.)
#
# ## Latency
#
# ResNet-18 has {cl.architecture("resnet18").cost().macs / macs:.1f} times the multiply-adds of EfficientNet-B0.

# %%
slower = cl.lesson.guess(
    "How many times as long does ResNet-18 take for an image on this machine?", 0, 8, step=0.1, unit="times"
)
slower

# %% tags=["nbval-ignore-output"]
timed = {name: cl.latency(cl.architecture(name), threads=1, seconds=0.5) for name in names + ["mobilenet_v2"]}
time_ratio = timed["resnet18"].ratio(timed["efficientnet_b0"])
slower.reveal(round(float(time_ratio), 1))
print(time_ratio)
cl.lesson.show(
    cl.plot_latency(timed.values()),
    "Time for one image against multiply-adds, one thread. Along a grey line the processor does the same number of "
    "multiply-adds a second; EfficientNet-B0 and MobileNetV2 lie above the line of the ResNets.",
)

# %%
rate = {name: each.macs_per_second for name, each in timed.items()}
macs_ratio = timed["resnet18"].macs / timed["efficientnet_b0"].macs
print(f"{macs_ratio:.1f} times the multiply-adds, in less than 3.7 times the time:", float(time_ratio) < 3.7)
print(
    "each ResNet does more multiply-adds a second than each of the others:",
    min(rate["resnet18"], rate["resnet50"]) > max(rate["efficientnet_b0"], rate["mobilenet_v2"]),
)
assert float(time_ratio) < 3.7 < macs_ratio

# %% [markdown]
# A latency means something only with its conditions: `cl.latency` warms up, takes the median of many runs with its quartiles, and
# records the device, threads, type of number and batch. It refuses to compare two that differ in these.
#
# ## Why: work for each byte
#
# A processor can only work on numbers that have come from memory. Let **arithmetic intensity** be the operations (two for a
# multiply-add) for each byte that must move: the input, the weights and the output, once each. A machine has two limits: operations
# a second (its peak), and bytes a second (its bandwidth). Peak over bandwidth is the *ridge*: layers below that intensity wait
# for the memory, whatever the processor can do. Drawn, the two limits look like a roof (Williams et al. 2009).


# %%
def intensity(kernel, c_in, c_out, size, groups=1):
    """Operations for each byte of a convolution at stride 1; 4 bytes a number."""
    weights = kernel * kernel * (c_in // groups) * c_out
    moved = c_in * size**2 + weights + c_out * size**2
    return 2 * conv_macs(kernel, c_in, c_out, size, groups) / (4 * moved)


from cnnlab.arch.blocks import conv

settings = {"dense 3x3": (3, 64, 64, 56, 1), "pointwise 1x1": (1, 64, 64, 56, 1), "depthwise 3x3": (3, 64, 64, 56, 64)}
for name, (kernel, c_in, c_out, size, groups) in settings.items():
    roof = cl.roofline(conv(cl.image(c_in, size), c_out, kernel, groups=groups).graph(name), threads=1)
    byhand, found = intensity(kernel, c_in, c_out, size, groups), roof.layers[0].intensity
    print(f"{name:14} by hand {byhand:6.2f}, by cnnlab {found:6.2f} operations a byte, ratio {found / byhand}")
    assert byhand == found
ratio = intensity(3, 64, 64, 56) / intensity(3, 64, 64, 56, 64)
assert 50 < ratio < 64

# %% [markdown]
# The depthwise convolution moves as many bytes of images as the dense one and does 1/64 of the work: its intensity is
# {ratio:.0f} times lower. Nine multiply-adds are 18 operations, for one number read and one written, 8 bytes: 18 / 8 = {18 / 8} is all it
# can offer. Now all layers of EfficientNet-B0, each timed, under this machine's measured roof. Look where the ridge is.

# %% tags=["nbval-ignore-output"]
under = cl.roofline(cl.architecture("efficientnet_b0").graph(), threads=1, measure=True, seconds=0.8)
kinds = under.table(by="kind").set_index("kind")
work, taken = kinds["flops"] / kinds["flops"].sum(), kinds["measured"] / kinds["measured"].sum()
cl.lesson.show(
    cl.plot_roofline(under),
    f"Each dot is a layer of EfficientNet-B0. Depthwise layers are {work['depthwise']:.0%} of the multiply-adds and "
    f"took {taken['depthwise']:.0%} of the time here: {kinds['ratio']['depthwise']:.0f} times their bound, where "
    f"pointwise layers took {kinds['ratio']['pointwise']:.0f} times theirs.",
)

# %%
share, time_share = work["depthwise"], taken["depthwise"]
print(f"depthwise layers are {share:.0%} of the multiply-adds")
print("they took more than 1.3 times that share of the time:", time_share > 1.3 * share)
print(
    "they were further from their bound than pointwise ones:", kinds["ratio"]["depthwise"] > kinds["ratio"]["pointwise"]
)
assert 0.08 < share < 0.1 and time_share > 1.3 * share and kinds["ratio"]["depthwise"] > kinds["ratio"]["pointwise"]

# %% [markdown]
# The roof is a bound: it says what is impossible, not what a program reaches, and most dots are well below it. Two things
# hold depthwise layers back. Their intensity is low; and for the little that they could do, their programs use the
# processor less well than those for plain matrix products. The caption says by how much on this machine.
#
# ## Move it
#
# The x axis is the memory of a training step on 32 images. A network is on the *Pareto front* if none that is cheaper is as
# accurate. Try this:
#
# 1. Which families make up the front, and where are the EfficientNets? Now set the x axis to multiply-adds, and ask again.
# 2. Back at training memory: raise only the width until the memory has doubled, and read the multiply-adds. Then the same
#    with only the resolution. Which of the two bought more work with its bytes?

# %%
explorer = cl.Explorer("resnet", against="training", hide="simple")
explorer

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in
# [solutions](solutions/05_what_does_it_cost.ipynb).
#
# **05.1** (warm-up) How many multiply-adds has `nn.Conv2d(32, 64, 5, stride=2, padding=2)` on an image of 32 × 32 pixels?

# %% tags=["exercise"]
# Your answer:
answer = 5 * 5 * 32 * 64 * 16 * 16
cl.lesson.check("05.1", answer)

# %% [markdown] tags=["solution"]
# Stride 2 halves the image, so there are 16 · 16 places. The bias is added and not multiplied, so it is no multiply-add.

# %% [markdown]
# **05.2** A colleague reports 4.1324 G for ResNet-50 at 224 px, where you have 4.0892 G. Which of the five conventions is it? Answer
# with its name, in quotes.

# %% tags=["exercise"]
# Your answer:
graph = cl.architecture("resnet50").graph()
tools = ("macs", "fvcore", "torchinfo", "ptflops", "thop")
answer = next(tool for tool in tools if round(graph.cost(convention=tool).macs / 1e9, 4) == 4.1324)
cl.lesson.check("05.2", answer)

# %% [markdown] tags=["solution"]
# thop is near, with {graph.cost(convention='thop').macs / 1e9:.4f} G, and for another reason: 4 operations for a number in a batch norm, and none for activations.

# %% [markdown]
# **05.3** You want to train ResNet-50 with Adam on a GPU of 8 GB (8 · 10⁹ bytes). By `memory(...).training`, what is the largest
# batch that fits?

# %% tags=["exercise"]
# Your answer:
arch = cl.architecture("resnet50")
answer = max(n for n in range(1, 200) if arch.memory(batch=n, optimizer="adam").training <= 8e9)
cl.lesson.check("05.3", answer)

# %% [markdown] tags=["solution"]
# Weights, gradients and Adam's two numbers make four times the weights, {4 * 4 * arch.cost().params / 1e9:.2f} GB, whatever the batch. The rest goes by
# images, at about {(arch.memory(batch=2).training - arch.memory().training) / 1e6:.0f} MB each. In practice the allocator and the workspace of the kernels need some of it.

# %% [markdown]
# **05.4** What is the arithmetic intensity of a 1×1 convolution from 256 to 256 channels at 14 px, in operations a byte? (4 bytes
# a number, one image.)

# %% tags=["exercise"]
# Your answer:
pixels = 14 * 14
operations = 2 * 256 * 256 * pixels
answer = operations / (4 * (256 * pixels + 256 * 256 + 256 * pixels))
cl.lesson.check("05.4", answer)

# %% [markdown] tags=["solution"]
# In small images of many channels the weights are a good part of what moves. A larger batch reads them once for all images.

# %% [markdown]
# **05.5** (open) Find a network with at least the multiply-adds of ResNet-50 that saves at most 20 MB (20 · 10⁶ bytes) for the backward
# pass of one image. Any network of `cl.names()`, scaled with `cl.scaled` as you like.

# %% tags=["exercise"]
# Your answer:
answer = cl.scaled(cl.architecture("resnet18"), width=3, resolution=112)
cl.lesson.check("05.5", answer)

# %% [markdown] tags=["solution"]
# Width raises the work with its square and what is saved only in proportion; resolution does both alike. So: wider, at a lower
# resolution, and basic blocks, which are not wide inside. Whether that network is any *good* is another question.

# %% [markdown]
# ## Summary
#
# * A convolution costs k² · c_in · c_out · h · w multiply-adds, divided by its groups; `flops = 2 * macs`.
# * Tools agree on convolutions and differ in batch norm, activations, pooling and biases; the difference depends on the network.
# * A counter that hooks modules misses functions; ask what was *not* counted.
# * Memory in training is mostly images that are kept; it can be larger where the work is smaller.
# * Time follows multiply-adds only among layers alike. Depthwise layers do little work for each byte.
#
# ### Further reading
#
# * Tan, Le: *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, 2019 (arXiv:1905.11946), table 2.
# * Williams, Waterman, Patterson: *Roofline: An Insightful Visual Performance Model for Multicore Architectures*, 2009.
# * Dollár, Singh, Girshick: *Fast and Accurate Model Scaling*, 2021 (arXiv:2103.06877): time follows activations.
