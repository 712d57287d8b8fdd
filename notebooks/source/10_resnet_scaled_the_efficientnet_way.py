# %% [markdown]
# # 10 · ResNet, scaled the EfficientNet way
#
# ## Goals
#
# * Say in which senses ResNet and EfficientNet can be combined, and which of them help.
# * Scale a ResNet by three published rules: compound scaling, ResNet-RS, RegNet.
# * Compare families at equal cost without mixing training recipes.
# * See which family wins by which cost, and how much of that is the recipe.
#
# ## Before
#
# Lessons 06 and 07: the MBConv block, and compound scaling. Lesson 05 for activations and memory.

# %% [markdown]
# ## The idea
#
# The article that this suite corrects asks whether ResNet and EfficientNet can be combined. It says yes: take ResNet as the base
# structure of EfficientNet, and adjust the parameters. That mixes up four things which can be combined one by one:
#
# * the **scaling rule**: how a network grows when there is more to spend;
# * the **blocks**: bottlenecks or MBConv, with or without squeeze-excite;
# * the **base network**, which for EfficientNet was found by a search;
# * the **recipe**: how it was trained.
#
# The rule is free to move. Compound scaling knows nothing of MBConv, so let it scale a ResNet-50.

# %%
import numpy as np
import pandas as pd

import cnnlab as cl

resnet50, b0 = cl.architecture("resnet50"), cl.architecture("efficientnet_b0")
rows = []
for phi in (0, 1, 2, 3):
    for base in (resnet50, b0):
        cost, start = cl.compound(base, phi).cost(), base.cost()
        rows.append((phi, base.name, cost.macs / start.macs, cost.activations / start.activations))
table = pd.DataFrame(rows, columns=["φ", "network", "macs", "activations"])
grown = table.pivot(index="φ", columns="network").round(2)
grown

# %% [markdown]
# Both follow the formula's {1.2 * 1.1**2 * 1.15**2:.2f}^φ from above, for blocks are rounded up. ResNet-50 keeps nearer to it.
#
# What did that buy? Tan and Le (2019, Table 3) tried their rule on two MobileNets and on ResNet-50. The paper has the
# cost of the scaled ResNet, 16.7 G multiply-adds, but not its φ. We can look for it.

# %%
STATED = 16.7e9  # Tan and Le 2019, Table 3
theirs = cl.solve("resnet50", macs=STATED, knob="phi")
print(theirs.name, theirs.resolution, "px, blocks", [s.depth for s in theirs.stages], theirs.cost())
print(f"ratio to the paper's: {theirs.cost().macs / STATED:.3f}")
assert "phi=2.0" in theirs.name and theirs.cost().macs > 0.99 * STATED

published = cl.published()
three = published[published["source"].str.contains("version 5") & published["source"].str.endswith("Table 3")]
three = three.assign(base=three["model"].str.split().str[0], way=three["model"].str.split().str[1])
accuracy = three.pivot(index="base", columns="way", values="accuracy")
gains = accuracy.drop(columns="baseline").sub(accuracy["baseline"], axis=0)
stated = three.pivot(index="base", columns="way", values="stated_macs") / 1e9
stated.round(1)

# %%
STYLE = {
    "resolution": (cl.lesson.COLOURS["green"], "^"),
    "width": (cl.lesson.COLOURS["blue"], "s"),
    "depth": (cl.lesson.COLOURS["ink"], "o"),
    "compound": (cl.lesson.COLOURS["vermilion"], "D"),
}
figure, (axes,) = cl.lesson.panels(1, height=3.2)
for i, (way, (colour, marker)) in enumerate(STYLE.items()):
    axes.plot(np.arange(3) + 0.14 * (i - 1.5), gains[way], marker, color=colour, ms=9, label=way)
axes.set_xticks(range(3), list(gains.index))
axes.set(ylabel="points above the base network", ylim=(0, 6.8), xlim=(-0.5, 2.5))
axes.legend(frameon=False, ncols=4, loc="upper center")
lead = gains["compound"] - gains.drop(columns="compound").max(axis=1)
assert (lead > 0.5).all() and lead["ResNet-50"] < lead["MobileNetV1"]
cl.lesson.show(
    figure,
    f"Each base scaled to about four times its multiply-adds (Tan and Le 2019, Table 3): compound scaling leads the best single knob "
    f"by {lead['ResNet-50']:.1f} points for ResNet-50, {lead['MobileNetV2']:.1f} for MobileNetV2 and {lead['MobileNetV1']:.1f} for V1.",
)

# %% [markdown]
# So the rule carries over. For ResNet-50 it brought {gains.loc['ResNet-50', 'compound']:.1f} points, {lead['ResNet-50']:.1f} more than
# depth alone. Read the table above it too: the compound networks are always the dearest of their row, by up to
# {100 * (stated['compound'] / stated.drop(columns=['baseline', 'compound']).min(axis=1)).max() - 100:.0f} %, and each figure is from one training. φ = 2 fits
# their cost; that is our reading, not theirs. Their MobileNetV1 has no row for depth.
#
# ## First, the recipe
#
# Before any two families meet in one plot, try this. torchvision offers two sets of weights for the very same ResNet-50, at the
# same 224 px. Only the training differs: the second is longer, with more augmentation and regularisation.

# %%
recipes = cl.lesson.guess("How many points of accuracy lie between the two?", 0, 10, step=0.1, unit="points")
recipes

# %%
same = published[
    published["model"].str.fullmatch("(?i)resnet-?50( baseline)?") & (published["protocol"].str[:11] == "single crop")
]
same = same[same["macs"] == resnet50.cost().macs].sort_values("accuracy")
first, second = (same.loc[same["weights"] == f"IMAGENET1K_V{i}", "accuracy"].item() for i in (1, 2))
assert second - first > gains.loc["ResNet-50", "compound"]
recipes.reveal(round(second - first, 1))
same[["accuracy", "weights", "recipe", "source"]]

# %% [markdown]
# {second - first:.1f} points, for the same network. That is {(second - first) / gains.loc['ResNet-50', 'compound']:.1f} times what compound scaling
# bought ResNet-50 at four times the cost. **Never compare networks across recipes without saying so.** From here on, each figure says which
# recipe it holds.
#
# ## Two other rules
#
# Bello et al. (2021) kept ResNet and changed the training and the scaling. Their rule for *ResNet-RS*: make it **deeper** where
# overfitting can occur (long training), otherwise **wider**; and raise the resolution **slowly**. Radosavovic et al. (2020) searched whole
# families of networks instead, and found that in good ones the width grows in a straight line, block by block, rounded to a few
# values. In their *RegNet*, block j has
#
# * `u = w0 + wa·j`, then the nearest `w0·wm^k` with a whole k, then the nearest multiple of 8.

# %%
mine = cl.regnet("mine", d=13, w0=24, wa=36.44, wm=2.49, group_width=8)  # RegNetX-200MF's four numbers
blocks = [stage.width for stage in mine.stages for _ in range(stage.depth)]
u = 24 + 36.44 * np.arange(13)
k = np.round(np.log(u / 24) / np.log(2.49))
byhand = 8 * np.round(24 * 2.49**k / 8)
print("by hand  ", byhand.astype(int).tolist())
print("by cnnlab", blocks)
assert byhand.tolist() == blocks and mine.cost() == cl.architecture("regnetx_002").cost()

# %%
RS = [(50, 160), (101, 192), (152, 224), (152, 256), (200, 256), (270, 256), (350, 256), (350, 320), (420, 320)]
effnets = [cl.architecture(f"efficientnet_b{i}") for i in range(8)]
paths = {
    "ResNet-RS": [(cl.architecture(f"resnetrs{n}").blocks / 16, px / 160) for n, px in RS],
    "EfficientNet": [(arch.blocks / b0.blocks, arch.resolution / 224) for arch in effnets],
}
FAMILY = {
    "EfficientNet": (cl.lesson.COLOURS["vermilion"], "^"),
    "ResNet-RS": (cl.lesson.COLOURS["blue"], "o"),
    "RegNetY": (cl.lesson.COLOURS["green"], "s"),
    "ResNet": (cl.lesson.COLOURS["ink"], "D"),
}

# %%
figure, (left, right) = cl.lesson.panels(2, height=3.5)
for name, path in paths.items():
    colour, marker = FAMILY[name]
    left.plot(*zip(*path, strict=True), color=colour, marker=marker, label=name)
left.set(xlabel="blocks, times those of the smallest", ylabel="resolution, times the smallest", title="Two paths")
left.legend(frameon=False, loc="lower right")
right.step(range(13), blocks, where="mid", color=FAMILY["RegNetY"][0], marker="s", ms=4)
right.plot(range(13), u, "--", color=cl.lesson.COLOURS["ink"])
right.annotate("the line u = w0 + wa·j", (10.5, u[11]), ha="right", size=10)
right.annotate("width of the block", (12.3, 260), ha="right", color=FAMILY["RegNetY"][0], size=10)
right.set(xlabel="block j", ylabel="channels", title="RegNetX-200MF")
deeper, sharper = paths["ResNet-RS"][-1]
assert deeper > 2 * paths["EfficientNet"][-1][0] and sharper < paths["EfficientNet"][-1][1]
cl.lesson.show(
    figure,
    f"Left: from its smallest to its largest network ResNet-RS becomes {deeper:.1f} times as deep and {sharper:.1f} times as sharp, "
    f"EfficientNet {paths['EfficientNet'][-1][0]:.1f} and {paths['EfficientNet'][-1][1]:.1f} times. Right: RegNet's line, and its stairs.",
)

# %% [markdown]
# ResNet-RS leaves its width alone. RegNet leaves the resolution alone: all have 224 px. No two of these rules agree.
#
# ## At equal cost, with one recipe
#
# Radosavovic et al. (2020) trained ResNets, RegNets and EfficientNets **alike**: 100 epochs, flips and colour noise, nothing else, mean of 5
# runs. That is the fairest comparison in our tables. It is not the recipe that EfficientNet was made for.

# %%
alike = published[published["source"].str.contains("Radosavovic") & (published["data"] == "imagenet")]
COSTS = {"macs": "multiply-adds, G", "params": "parameters, M", "activations": "activations, M"}


def costs_figure(frames):
    """Accuracy against three costs, a line for each family."""
    figure, panels = cl.lesson.panels(3, height=3.6, sharey=True)
    for axes, (what, label) in zip(panels, COSTS.items(), strict=True):
        for name, frame in frames.items():
            colour, marker = FAMILY[name]
            frame = frame.sort_values(what)
            unit = 1e9 if what == "macs" else 1e6
            axes.plot(
                frame[what].astype(float) / unit, frame["accuracy"], color=colour, marker=marker, ms=5, label=name
            )
        axes.set(xscale="log", xlabel=label)
        ticks = [t for t in (1, 10, 100) if axes.get_xlim()[0] < t < axes.get_xlim()[1]]
        axes.set_xticks(ticks, [str(t) for t in ticks])
    panels[0].set_ylabel("accuracy on ImageNet, %")
    panels[0].legend(frameon=False, loc="lower right", fontsize=9)
    return figure


# %%
frames = {name: alike[alike["family"] == name] for name in ("EfficientNet", "RegNetY", "ResNet")}
at = alike.set_index("model")
small = at.loc["EfficientNet-B0", "accuracy"] - at.loc["RegNetY-400MF", "accuracy"]
large = at.loc["EfficientNet-B5", "accuracy"] - at.loc["RegNetY-12GF", "accuracy"]
assert (
    small > 0.5 and large < -1 and at.loc["EfficientNet-B5", "activations"] > 4 * at.loc["RegNetY-12GF", "activations"]
)
cl.lesson.show(
    costs_figure(frames),
    f"One recipe for all (Radosavovic et al. 2020). At 0.4 G multiply-adds EfficientNet-B0 is {small:.1f} points ahead of RegNetY; at "
    f"about 11 G, B5 is {-large:.1f} behind, with {at.loc['EfficientNet-B5', 'activations'] / at.loc['RegNetY-12GF', 'activations']:.1f} "
    "times the activations.",
)

# %%
close = ["EfficientNet-B4", "RegNetY-4.0GF", "ResNet-50"]
four = at.loc[close, ["accuracy", "macs", "params", "activations", "resolution"]].copy()
four["activations / macs"] = (four["activations"] / four["macs"]).astype(float).round(4)
assert four["macs"].max() < 1.12 * four["macs"].min()
assert four["activations"].iloc[1] < 0.25 * four["activations"].iloc[0]
lines = {name: frame.sort_values("macs") for name, frame in frames.items()}
for model, leads in (("RegNetY-600MF", True), ("RegNetY-800MF", False)):  # does EfficientNet lead at this cost?
    b = lines["EfficientNet"]
    line = np.interp(np.log(float(at.loc[model, "macs"])), np.log(b["macs"].astype(float)), b["accuracy"])
    assert (line > at.loc[model, "accuracy"]) == leads
four

# %% [markdown]
# At about 4 G multiply-adds RegNetY is ahead of B4 by {four['accuracy'].iloc[1] - four['accuracy'].iloc[0]:.1f} points, with a quarter
# of its activations, and B4 is ahead of ResNet-50 by {four['accuracy'].iloc[0] - four['accuracy'].iloc[2]:.1f}. The lines of EfficientNet and RegNetY
# cross between 0.6 and 0.8 G; below that EfficientNet leads.
# So the winner depends on the budget, and on which cost is counted.
#
# ## At equal cost, each with its own recipe
#
# Now the networks as their makers trained them: EfficientNet (Tan and Le 2019) and ResNet-RS (Bello et al. 2021). Both recipes are
# long and strong, 350 epochs for ResNet-RS, but they are **not the same**: other optimisers, other augmentation.

# %%
own = published[published["source"].str.contains("Tan and Le 2019") & published["source"].str.endswith("Table 2")]
own = own[own["family"] == "EfficientNet"]
rs = published[published["family"] == "ResNet-RS"]
cl.lesson.show(
    costs_figure({"EfficientNet": own, "ResNet-RS": rs}),
    "Each with its makers' recipe: at equal multiply-adds or parameters EfficientNet is ahead; at equal activations ResNet-RS is.",
)
for what, sign in (("macs", 1), ("params", 1), ("activations", -1)):  # above 78.8 %, where both have networks
    ours, other = (np.log(frame.sort_values(what)[what].astype(float)) for frame in (own, rs))
    scores = [frame.sort_values(what)["accuracy"].to_numpy(float) for frame in (own, rs)]
    middle = np.linspace(max(ours.min(), other.min()), min(ours.max(), other.max()), 20)[1:-1]
    assert (sign * (np.interp(middle, ours, scores[0]) - np.interp(middle, other, scores[1])) > 0).all()

# %% [markdown]
# Two networks in that figure have the same accuracy to the last digit printed, 84.0 %: EfficientNet-B6 and ResNet-RS-350 at 256 px. B6
# has about half the multiply-adds and a quarter of the parameters. Bello et al. (2021, Table 3) timed a training step of both on a TPU.

# %%
steps = cl.lesson.guess(
    "A training step of B6 takes how many times as long as one of ResNet-RS-350?", 0.2, 5, step=0.1, unit="times"
)
steps

# %%
# seconds a step on TPUv3, seconds a step on a V100, GB of training memory: Bello et al. 2021, Table 3
PRINTED = {"B6": (3.0, 15.7, 16.6), "RS-350": (1.1, 4.7, 7.3)}
pair = {"B6": cl.architecture("efficientnet_b6"), "RS-350": cl.scaled(cl.architecture("resnetrs350"), resolution=256)}
equal = pd.DataFrame({name: vars(arch.cost()) for name, arch in pair.items()}).loc[list(COSTS)].astype(float)
equal.loc["training memory, 32 images"] = [arch.memory(32).training for arch in pair.values()]
for i, what in enumerate(["step on a TPU", "step on a V100", "memory on a TPU"]):
    equal.loc[f"published: {what}"] = [figures[i] for figures in PRINTED.values()]
equal["B6 / RS-350"] = equal["B6"] / equal["RS-350"]
assert equal.loc["macs", "B6 / RS-350"] < 0.6 and equal.loc["activations", "B6 / RS-350"] > 2
steps.reveal(round(equal.loc["published: step on a TPU", "B6 / RS-350"], 1))
equal["B6 / RS-350"].round(2)

# %% [markdown]
# Multiply-adds promise that B6 takes {equal.loc['macs', 'B6 / RS-350']:.2f} times as long; it took
# {equal.loc['published: step on a TPU', 'B6 / RS-350']:.1f} times as long. The activations, {equal.loc['activations', 'B6 / RS-350']:.1f} times as
# many, tell the direction and nearly the size. Dollar et al. (2021) found the same for GPUs. The memory that cnnlab computes is for 32-bit
# numbers; the ratio is what can be compared. Radosavovic et al. (2020) report RegNets up to 5 times as fast as EfficientNets on GPUs.
#
# Does it hold on this machine? Two networks of about equal accuracy, by their makers' recipes: EfficientNet-B1 (79.1 %, Tan and Le
# 2019) and ResNet-RS-50 at 160 px (78.8 %, Bello et al. 2021).

# %% tags=["nbval-ignore-output"]
b1, rs50 = cl.architecture("efficientnet_b1"), cl.architecture("resnetrs50")
times = {arch: [] for arch in (b1, rs50)}
for _ in range(3):  # in turn; of three lower quartiles the least, for other work on the machine only adds time
    for arch in times:
        times[arch].append(cl.latency(arch, seconds=0.2))
        print(times[arch][-1])
fastest = {arch: min(each.lower for each in runs) for arch, runs in times.items()}
time_ratio = fastest[rs50] / fastest[b1]
print(f"ResNet-RS-50 takes {time_ratio:.2f} times as long")

# %%
macs_ratio = rs50.cost().macs / b1.cost().macs
act_ratio = rs50.cost().activations / b1.cost().activations
print(f"ResNet-RS-50 has {macs_ratio:.2f} times the multiply-adds of B1, and {act_ratio:.2f} times its activations")
print("it takes less than 0.8 times what its multiply-adds promise:", time_ratio < 0.8 * macs_ratio)
assert time_ratio < 0.8 * macs_ratio

# %% [markdown]
# So a multiply-add is not always worth the same time. Most of those of ResNet-RS are in plain 3×3 and 1×1 convolutions, which keep a
# processor busy; the depthwise convolutions of MBConv wait for memory (lesson 05).
#
# ## Exchange of parts
#
# Blocks can move too. ResNet-RS has *squeeze-excite*, a gate for each channel (Hu et al. 2018), as EfficientNet has. It also has the
# stem and shortcuts of *ResNet-D* (He et al. 2019): three 3×3 convolutions in place of the 7×7, and pooling before the projection.

# %%
from cnnlab.arch.edits import edited

swapped = edited(resnet50, {i: {"block": "mbconv"} for i in (1, 2, 3, 4)})
parts = {
    "ResNet-50": resnet50,
    "with squeeze-excite": cl.architecture("seresnet50"),
    "with the D stem and shortcuts": cl.architecture("resnet50d"),
    "ResNet-RS-50, at 224 px": cl.scaled(cl.architecture("resnetrs50"), resolution=224),
    "MBConv blocks in place": swapped,
    "the same, as wide as 4.1 G allow": cl.solve(swapped, macs=resnet50.cost().macs, knob="width"),
}
exchange = pd.DataFrame({name: vars(arch.cost()) for name, arch in parts.items()}).T[list(COSTS)]
exchange = exchange.assign(**{f"{what} / ResNet-50": exchange[what] / exchange[what].iloc[0] for what in COSTS})
assert (exchange["macs / ResNet-50"].iloc[1:4] < 1.1).all() and exchange["macs / ResNet-50"].iloc[4] > 5
exchange.filter(like="/").astype(float).round(2)

# %% [markdown]
# Squeeze-excite and the D parts cost a few percent. MBConv in place is a trap: a bottleneck *shrinks* to a quarter of its
# channels in the middle, MBConv *expands* six-fold. So its rows must be thin, or the cost is {exchange['macs / ResNet-50'].iloc[4]:.1f} times as high.
# The thinned network has the multiply-adds of ResNet-50 and {exchange['activations / ResNet-50'].iloc[5]:.1f} times its activations.
#
# What is squeeze-excite worth in accuracy? RegNetX and RegNetY are one design space without it and with it. Here are the two at each
# size, trained alike.

# %%
names = alike["model"].str.extract(r"RegNet([XY])-(.*)").set_axis(["kind", "size"], axis=1)
regnets = alike.join(names).dropna(subset="kind").pivot(index="size", columns="kind", values="accuracy")
worth = regnets["Y"] - regnets["X"]
print(f"{len(worth)} pairs: {worth.mean():.2f} points on average, from {worth.min():.2f} to {worth.max():.2f}")
assert len(worth) >= 10 and (worth > 0).all()

# %% [markdown]
# ## In small, measured here
#
# The same question on the glyphs: every network of the full grid of `data/measured/glyphs.csv`, residual and MBConv, **one recipe**,
# the mean of its three seeds. One guess before you look.

# %%
ahead = cl.lesson.guess(
    "For the same multiply-adds, which small networks are ahead?", choices=["the residual ones", "the MBConv ones"]
)
ahead

# %%
MEASURED = {"mbconv": FAMILY["EfficientNet"], "resnet": FAMILY["ResNet-RS"]}
glyphs = cl.measured("glyphs")
figure, panels = cl.lesson.panels(2, height=3.6, sharey=True)
margin, fronts = {}, {}
for axes, what in zip(panels, ("macs", "activations"), strict=True):
    for family, (colour, marker) in MEASURED.items():
        rows = glyphs[glyphs["family"] == family].groupby(["depth", "width", "resolution"])
        found = rows[["macs", "activations", "accuracy"]].mean()
        fronts[family] = front = cl.pareto(found, what, "accuracy").sort_values(what)
        axes.plot(found[what], found["accuracy"], marker, color=colour, ms=3.5, alpha=0.35)
        axes.plot(front[what], front["accuracy"], color=colour, marker=marker, ms=5, label=f"best small_{family}")
    costs = np.geomspace(*{"macs": (2e5, 5e6), "activations": (5e3, 5e4)}[what], 20)  # where both have networks
    m, r = (np.interp(np.log(costs), np.log(front[what]), front["accuracy"]) for front in fronts.values())
    margin[what] = (m - r).mean()
    axes.set(xscale="log", xlabel={"macs": "multiply-adds", "activations": "activations"}[what], ylim=(5, 97))
panels[0].set_ylabel("test accuracy, %")
panels[1].legend(frameon=False, loc="lower right", fontsize=9)
assert margin["macs"] > 2 and margin["activations"] < -10
cl.lesson.show(
    figure,
    f"For the same multiply-adds the best MBConv networks are {margin['macs']:.0f} points ahead on average (left); for the same "
    f"activations {-margin['activations']:.0f} behind (right). The lines pick the best means, so they flatter both.",
)
ahead.reveal("the MBConv ones")

# %% [markdown]
# ImageNet's picture, in networks a thousand times smaller. Now one pair with intervals: give a million multiply-adds to compound scaling,
# once with `small_resnet` and once with `small_mbconv` as its base.

# %%
bases = [cl.architecture(f"small_{family}", classes=42) for family in ("resnet", "mbconv")]
residual, inverted = (cl.solve(base, macs=1e6, knob="phi") for base in bases)
assert abs(residual.cost().macs / inverted.cost().macs - 1) < 0.01
told = {}
for arch in (residual, inverted):
    told[arch] = cl.predict(arch)
    print(f"{arch.stages[0].block.__name__}: {arch.resolution} px, {arch.cost()}\n    {told[arch]}")
one, other = told.values()
overlap = one.high > other.low and other.high > one.low
assert overlap and other.accuracy > one.accuracy

# %% tags=["nbval-ignore-output"]
reached, spent = [], []
for arch in (residual, inverted):
    history = cl.lesson.repeat(arch, limit=3000)
    reached.append(history.test_accuracy)
    spent.append(sum(epoch.seconds for epoch in history.epochs))
    print(f"{arch.stages[0].block.__name__}: {reached[-1]:.1f} % after {spent[-1]:.1f} s")

# %%
print("both are far above chance, 2.4 %:", min(reached) > 10)
assert min(reached) > 10

# %% [markdown]
# One seed and a short training order nothing. The prediction, from the whole table, does not order the two for certain either: MBConv is
# {other.accuracy - one.accuracy:.1f} points ahead, and the intervals overlap. The price is certain: {inverted.cost().activations / residual.cost().activations:.1f} times
# the activations. Compare the seconds printed above, for the same multiply-adds.
#
# ## Move it
#
# The Explorer begins at a compound-scaled ResNet-50. Try this:
#
# 1. Set φ to 2 and **pin** the network. Choose *EfficientNet*, find the φ that costs about as much, pin it, and compare the two.
# 2. Put *activations* on the x axis. Which of the two has moved to the right?
# 3. Back at *ResNet*, make `α = 1.4, β = 1, γ = 1.07`: mostly depth, slowly sharper, as ResNet-RS. What does φ = 2 cost now?

# %%
explorer = cl.Explorer("resnet", depth=1.2, width=1.1, resolution=256, hide=["rows", "layers", "training", "takeaway"])
explorer

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in
# [solutions](solutions/10_resnet_scaled_the_efficientnet_way.ipynb).
#
# **10.1** (warm-up) ResNet-50's stages have 3, 4, 6 and 3 blocks. How many blocks has it in all at φ = 1, where depth is multiplied by 1.2?

# %% tags=["exercise"]
# Your answer:
answer = cl.compound(cl.architecture("resnet50"), phi=1).blocks
cl.lesson.check("10.1", answer)

# %% [markdown] tags=["solution"]
# Each stage is rounded up on its own: {1.2 * 3:.1f} to 4, {1.2 * 4:.1f} to 5, {1.2 * 6:.1f} to 8, {1.2 * 3:.1f} to 4.

# %% [markdown]
# **10.2** How many times as many activations *for each multiply-add* has EfficientNet-B4 as RegNetY-4.0GF (`"regnety_040"`)?

# %% tags=["exercise"]
# Your answer:
b4, regnet = cl.architecture("efficientnet_b4").cost(), cl.architecture("regnety_040").cost()
answer = (b4.activations / b4.macs) / (regnet.activations / regnet.macs)
cl.lesson.check("10.2", answer)

# %% [markdown] tags=["solution"]
# MBConv computes at six times its width, with depthwise convolutions that do few multiply-adds for each number they put out.

# %% [markdown]
# **10.3** A RegNet has `d = 13, w0 = 24, wa = 36.44, wm = 2.49`. Work out by hand the width of its last block, j = 12.

# %% tags=["exercise"]
# Your answer:
from math import log

u = 24 + 36.44 * 12
k = round(log(u / 24) / log(2.49))
answer = 8 * round(24 * 2.49**k / 8)
cl.lesson.check("10.3", answer)

# %% [markdown] tags=["solution"]
# u = {u:.2f} lies nearest to 24 · 2.49³ = {24 * 2.49**3:.1f} on the scale of logarithms; the nearest multiple of 8 is 368.

# %% [markdown]
# **10.4** Compound-scale ResNet-50 as far as the multiply-adds of EfficientNet-B5 allow (`cl.solve`). At how many pixels does it look?

# %% tags=["exercise"]
# Your answer:
budget = cl.architecture("efficientnet_b5").cost().macs
answer = cl.solve("resnet50", macs=budget, knob="phi").resolution
cl.lesson.check("10.4", answer)

# %% [markdown] tags=["solution"]
# It has B5's multiply-adds, but B5 looks at 456 px: it starts from a base ten times as cheap, and so has more steps of φ to take.

# %% [markdown]
# **10.5** (open) Build a residual network with at least 40 convolutions that looks at 128 px or more, has no more multiply-adds than
# EfficientNet-B3 (1.83 G) and at most a quarter of its activations. `cl.solve` takes several budgets at once.

# %% tags=["exercise"]
# Your answer:
b3 = cl.architecture("efficientnet_b3").cost()
answer = cl.solve("resnetrs50", macs=b3.macs, activations=b3.activations / 4, knob="width")
cl.lesson.check("10.5", answer)

# %% [markdown] tags=["solution"]
# ResNet-RS-50 at its own 160 px, a little thinner. Any network that keeps to the numbers is right; whether it is as accurate as B3 only a
# training on ImageNet could tell.

# %% [markdown]
# ## Summary
#
# * "Combine" can mean the scaling rule, the blocks, the base or the recipe; each moves on its own.
# * Compound scaling works on ResNet-50 (Tan and Le 2019), with a smaller lead than on B0.
# * The recipe alone moves ResNet-50 by more than that; compare within one recipe, or say that you do not.
# * With its makers' recipe EfficientNet wins on multiply-adds and parameters; with one short recipe for all, only below about 0.7 G.
# * ResNet-RS and RegNet have far fewer activations for the same accuracy, and with them less memory and time.
#
# ### Further reading
#
# * Bello et al.: *Revisiting ResNets: Improved Training and Scaling Strategies*, 2021 (arXiv:2103.07579).
# * Radosavovic, Kosaraju, Girshick, He, Dollar: *Designing Network Design Spaces*, 2020 (arXiv:2003.13678).
# * Dollar, Singh, Girshick: *Fast and Accurate Model Scaling*, 2021 (arXiv:2103.06877).
