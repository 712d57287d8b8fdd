# %% [markdown]
# # 04 · Resolution: more pixels, the same network
#
# ## Goals
#
# * Say what twice the resolution costs: four times the multiply-adds and feature maps, and not one parameter more.
# * Explain why 225 px costs far more than 224, and choose sizes that do not.
# * Read where sharper images help and where they do not, and look for the reason.
# * Reproduce a well-known surprise: the best size to test at need not be the size that a network was trained at.
#
# ## Before
#
# Lesson 02, its part on the receptive field: how many pixels of the image one pixel of the last feature map depends on.

# %% [markdown]
# ## The idea
#
# The *resolution* is the side of the square image that enters the network, in pixels. It is no property of the weights: a
# convolution slides over an image of any size, and the head averages over whatever is left. So the same network runs at any resolution.
# What changes is what it can see. Here is one of the `glyphs`, the letters that the lessons are trained on:

# %%
import re

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models, transforms

import cnnlab as cl

sizes = (8, 16, 32, 64)
shown = {size: cl.data.load("glyphs", resolution=size, limit=64, progress=False) for size in sizes}
figure, axes = cl.lesson.panels(len(sizes), height=2.4)
for panel, size in zip(axes, sizes, strict=True):
    panel.imshow(shown[size].test.images[1].permute(1, 2, 0))
    panel.set(title=f"{size} px", xticks=[], yticks=[])
    panel.grid(False)
letter = shown[64].classes[int(shown[64].test.labels[1])]
cl.lesson.show(
    figure, f"One test image, the letter {letter}, at four resolutions. At 8 px even you would have to guess."
)

# %% [markdown]
# Every layer does its work once for each pixel of its map. Twice the side is four times the pixels, so four times the multiply-adds
# and four times the numbers to keep. Let us see for networks that you know:

# %%
rows = {}
for name in ("resnet50", "mobilenet_v1", "efficientnet_b0"):
    arch = cl.architecture(name)
    sharp = cl.scaled(arch, resolution=2 * arch.resolution)
    costs = {
        what: getattr(sharp.cost(), what) / getattr(arch.cost(), what) for what in ("macs", "params", "activations")
    }
    old, new = (each.memory(batch=32, optimizer="momentum") for each in (arch, sharp))
    rows[name] = costs | {"kept for backward": new.saved / old.saved, "all of training": new.training / old.training}
ratios = pd.DataFrame(rows).T
assert (ratios["params"] == 1).all() and ratios["macs"].between(3.98, 4).all()
ratios.round(3)

# %% [markdown]
# Not quite four, because the last linear layer works once an image, and so does squeeze-excite (a small network inside EfficientNet's
# blocks that weighs the channels). Resolution is the knob that costs the most memory: width doubles the feature maps for four times
# the multiply-adds, resolution makes them four times as large.
#
# ## The staircase
#
# Four times for twice is a law: cost grows with the square of the side. How good is it in between?

# %%
pixel = cl.lesson.guess(
    "EfficientNet-B0 at 225 px instead of 224: how many per cent more multiply-adds?", 0, 30, unit="%"
)
pixel

# %% [markdown]
# On paper. A layer of stride 2 with padding turns a map of n pixels into n / 2, rounded *up*. EfficientNet-B0 has five of them.

# %%
maps = {}
for start in (224, 225):
    side, maps[start] = start, []
    for _ in range(5):
        side = -(-side // 2)
        maps[start].append(side)
    print(start, "->", *maps[start])

b0 = cl.architecture("efficientnet_b0")
table = {size: cl.scaled(b0, resolution=size).graph().table() for size in (224, 225)}
by_hand = 0.0
for old, new in zip(table[224].itertuples(), table[225].itertuples(), strict=True):
    larger = (new.size / old.size) ** 2 if old.size else 1.0  # a linear layer has no map
    by_hand += old.macs * larger
law = (225 / 224) ** 2
exact = table[225]["macs"].sum() / table[224]["macs"].sum()
with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:  # images without numbers
    models.efficientnet_b0().eval()(torch.empty(1, 3, 225, 225))
print(
    f"the square law: {law - 1:.1%} more; layer by layer: {by_hand / table[224]['macs'].sum() - 1:.1%}; cnnlab: {exact - 1:.1%}"
)
assert round(by_hand) == table[225]["macs"].sum() == counter.get_total_flops() // 2 and 1.16 < exact < 1.17
pixel.reveal(round(100 * (exact - 1), 1))

# %% [markdown]
# One pixel more in the image is a whole row and column more in *every* map, and a row weighs more the smaller the map is: the last one
# grows from 7×7 to 8×8, by {(8 / 7) ** 2 - 1:.0%}. In sum that is {exact / law - 1:.1%} more than the square law says. PyTorch, counting
# while torchvision's network runs, finds the same number. Here are all sizes at once.

# %%
pixels = np.arange(128, 321)
figure, (axes,) = cl.lesson.panels(1, height=3.7)
for name, title, colour, line in (
    ("efficientnet_b0", "EfficientNet-B0", "vermilion", "-"),
    ("resnet50", "ResNet-50", "blue", "--"),
):
    arch = cl.architecture(name)
    macs = cl.scaled(arch, resolution=pixels).cost().macs
    over = 100 * (macs / (arch.cost().macs * (pixels / 224) ** 2) - 1)
    axes.plot(pixels, over, line, color=cl.lesson.COLOURS[colour], label=title, lw=1.6)
    multiples = pixels % 32 == 0
    assert np.abs(over[multiples]).max() < 1.1
    axes.plot(pixels[multiples], over[multiples], "o", color=cl.lesson.COLOURS[colour], ms=6)
    if name == "efficientnet_b0":
        worst, b1 = over.max(), over[pixels == 240][0]
axes.set(xlabel="resolution, px", ylabel="more than the square law, %", xticks=range(128, 321, 32), ylim=(-2, 33))
axes.legend(frameon=False, loc="upper right")
cl.lesson.show(
    figure,
    f"Multiply-adds at every resolution, beside the square law through 224 px. Multiples of 32 (dots) lie on it, "
    f"within about 1 %; just above one, EfficientNet-B0 pays up to {worst:.0f} % more.",
)

# %% [markdown]
# So take multiples of the *total stride*, here 32: two to the power of the five halvings. EfficientNet's own sizes do not all keep to
# it. B1 takes 240 px; there B0 would cost {b1:.1f} % more than the law.
#
# ## What a network must see
#
# Sharper is better, one would think. Take the shallowest network of the measured tables: `small_resnet` at depth 0.5, a stem and one
# block in each of two stages. It was trained at 20 px, and at 42 px, more than four times the pixels; four seeds each.

# %%
sharper = cl.lesson.guess("From 20 to 42 px, how does its accuracy on the glyphs change?", -20, 20, unit="points")
sharper

# %%
from cnnlab.run.findings import equal_cost

table = equal_cost("resnet").set_index("scaled")
start, alone = table.loc["start"], table.loc["resolution"]
change = alone["accuracy"] - start["accuracy"]
assert 4.6 < alone["macs"] / start["macs"] < 4.8 and alone["high"] < start["low"] and -9 < change < -8
sharper.reveal(round(change, 1))
table[["depth", "width", "resolution", "macs", "accuracy", "low", "high"]].round(1)

# %% [markdown]
# It gets *worse*, by {-change:.1f} points, and the intervals do not overlap. The other rows spent the same multiply-adds on depth, on
# width, or on all three, and all gained. The reason is likely the receptive field. By the rule of lesson 02, `small_resnet` with a
# blocks in its first stage and b in its second sees 8a + 16b − 1 pixels (3 by the stem, 8 more by each block of the first
# stage, 12 by the first block of the second, 16 by each further one).

# %%
from cnnlab.arch.field import receptive_field

depths = (0.5, 1.0, 2.0)
base = cl.architecture("small_resnet")
fields = {}
for depth in depths:
    one, two = (int(stage.depth) for stage in cl.scaled(base, depth=depth).stages)
    fields[depth] = 8 * one + 16 * two - 1
    assert fields[depth] == receptive_field(cl.scaled(base, depth=depth).graph())
figure, axes = cl.lesson.panels(3, height=3.2)
for panel, size in zip(axes, (20, 28, 42), strict=True):
    glyph = cl.data.load("glyphs", resolution=size, limit=64, progress=False).test.images[1]
    panel.imshow(glyph.permute(1, 2, 0))
    middle, half = (size - 1) / 2, fields[0.5] / 2
    box = np.array([-half, -half, half, half, -half]) + middle, np.array([-half, half, half, -half, -half]) + middle
    panel.plot(*box, color=cl.lesson.COLOURS["vermilion"], lw=2.5)
    panel.set(title=f"{size} px", xlim=(-6, 48), ylim=(48, -6), xticks=[0, size], yticks=[0, size])
    panel.grid(False)
assert fields == {0.5: 23, 1.0: 39, 2.0: 79}
cl.lesson.show(
    figure,
    f"The receptive field of the shallow network is {fields[0.5]} px (square), whatever the image. At 20 px it holds the whole "
    f"letter; at 42 px it holds a part, and the network must tell the letter by its parts.",
)

# %% [markdown]
# If this is the reason, deeper networks, which see more, should still gain where the shallow one loses. The table has them. It also
# has photographs: `clothing64`, ten kinds of clothes, at five resolutions and depth 1.

# %%
from cnnlab.run.measured import seed_noise

glyphs = cl.measured("glyphs").query("family == 'resnet' and width == 1")
noise = seed_noise(cl.measured("glyphs").query("family == 'resnet'"))
along = {
    depth: glyphs[glyphs["depth"] == depth].groupby("resolution")["accuracy"].agg(["mean", "count"]) for depth in depths
}
for depth, frame in along.items():
    frame["margin"] = 1.96 * noise / np.sqrt(frame["count"])
    best = frame["mean"].idxmax()
    print(f"depth {depth}: sees {fields[depth]} px; best at {best} px of {', '.join(map(str, frame.index))}")
lost = along[0.5]["mean"][42] - along[0.5]["mean"][28]
won = along[2.0]["mean"][36] - along[2.0]["mean"][28]
assert along[0.5]["mean"].idxmax() == 28 and along[2.0]["mean"].idxmax() == 36 and lost < -8

# %%
from cnnlab.run.findings import curve

clothes = {family: curve("resolution", family, "clothing64").set_index("resolution") for family in ("plain", "resnet")}
figure, (left, right) = cl.lesson.panels(2, height=3.9)
for (depth, frame), colour, marker in zip(along.items(), ("vermilion", "ink", "blue"), "^so", strict=True):
    look, text = {"color": cl.lesson.COLOURS[colour]}, f"depth {depth:g}: sees {fields[depth]} px"
    left.errorbar(frame.index, frame["mean"], frame["margin"], marker=marker, capsize=3, **look)
    left.annotate(text, (frame.index[-1], frame["mean"].iloc[-1]), (8, -13), textcoords="offset points", **look)
left.set(
    xlabel="resolution, px", ylabel="test accuracy, %", title="glyphs, residual", xlim=(18, 60), xticks=[20, 28, 36, 42]
)
for (family, frame), colour, marker, shift in zip(clothes.items(), ("ink", "blue"), "so", (-0.4, 0.4), strict=True):
    look = {"color": cl.lesson.COLOURS[colour], "marker": marker, "capsize": 3, "label": family}
    right.errorbar(frame.index + shift, frame["accuracy"], frame["high"] - frame["accuracy"], **look)
right.axvline(fields[1.0], ls=":", color=cl.lesson.COLOURS["ink"])
right.annotate(f"sees {fields[1.0]} px", (fields[1.0], 50), (5, 0), textcoords="offset points")
right.set(xlabel="resolution, px", title="clothing64, depth 1", xticks=list(frame.index))
right.legend(frameon=False, loc="lower right")
caption = (
    f"Mean and 95 % interval, 3 to 4 seeds. Left: the shallow network loses {-lost:.1f} points from 28 to 42 px, the deep one "
    f"still gains {won:.1f} from 28 to 36. Right: photographs are best read between 24 and 48 px; 64 px is worse."
)
cl.lesson.show(figure, caption)

# %%
for family, frame in clothes.items():
    drop = frame["accuracy"][64] - frame["accuracy"][48]
    margin = 1.96 * seed_noise(cl.measured("clothing64").query("family == @family")) * (2 / 3) ** 0.5
    print(f"{family}, 48 to 64 px: {drop:+.1f} points, 95 % interval {drop - margin:+.1f} to {drop + margin:+.1f}")
    assert drop + margin < 0
small_gain = curve("resolution", "resnet", "fashion_mnist").set_index("resolution")["accuracy"]
flat = small_gain[28] - small_gain[14]
assert abs(flat) < 1
assert all(equal_cost(family)["scaled"].iloc[-1] == "resolution" for family in ("resnet", "mbconv"))
assert set(equal_cost("plain")["scaled"].iloc[-2:]) == {"resolution", "depth"}

# %% [markdown]
# The pattern fits. The shallow network peaks and falls; those that see more still gain at 36 px, the largest that they were trained
# at. On photographs a network that sees {fields[1.0]} px is best around that size and loses at 64. It is a pattern and not a proof: a
# larger image may also need more training than the same six epochs.
#
# Data differ, too. FashionMNIST gains only {flat:.1f} points from 14 to 28 px (residual networks): its clothes can be told apart at 14
# px. At equal multiply-adds resolution alone is the worst knob on the glyphs for residual and `mbconv` networks, and for plain ones it
# is as bad as depth. It pays together with depth, which is what lesson 07 is about.
#
# On ImageNet, at 224 px, the field is not what limits. Here is that of ResNet-50's last layer, by `cnnlab`, which
# goes through the layers by the rule of lesson 02:

# %%
field = receptive_field(cl.architecture("resnet50").graph())
print(f"ResNet-50 sees {field} px")
assert field > 224

# %% [markdown]
# Twice the resolution helps, though little
# for its price (Tan and Le 2019, Tables 3 and 7):

# %%
published = cl.published()
tan = published[published["source"].str.match(r"Tan and Le 2019 \(version 5\), Table [37]")].set_index("model")
rows = []
for name in ("MobileNetV1", "MobileNetV2", "ResNet-50", "EfficientNet-B0"):
    small, large = tan.loc[f"{name} baseline"], tan.loc[f"{name} resolution r=2"]
    points = large["accuracy"] - small["accuracy"]
    rows.append((name, small["accuracy"], large["accuracy"], round(points, 1), round(large["macs"] / small["macs"], 2)))
doubled = pd.DataFrame(rows, columns=["network", "224 px", "448 px", "points", "times the multiply-adds"]).set_index(
    "network"
)
assert doubled["points"].between(1, 3).all()
doubled

# %% [markdown]
# ## Repeat it here, and find a surprise
#
# First the same network at two resolutions: `small_resnet` 1.5 times as wide (depth 1: it sees {fields[1.0]} px), on 2,600 letters.

# %% tags=["nbval-ignore-output"]
torch.set_num_threads(1)  # so small a network gains nothing by more


def taught(data):
    """A network that was trained on these images."""
    arch = cl.scaled(cl.architecture("small_resnet", classes=len(data.classes)), width=1.5, resolution=data.resolution)
    model = arch.graph().module(seed=0)
    recipe = cl.Recipe(epochs=4, batch=32, lr=0.1, weight_decay=0.001, normalize="image")
    accuracy = cl.fit(model, data, recipe, progress=False).test_accuracy
    print(f"{accuracy:.1f} % of the test images at {data.resolution} px")
    return model


whole = {size: cl.data.load("glyphs", resolution=size, limit=2600, progress=False) for size in (16, 24)}
trained = {f"whole letters, {size} px": taught(data) for size, data in whole.items()}

# %% [markdown]
# Now change the training images only. From each image of 64 px a square of 48 px is cut out at random, and shrunk to 16 px. On ImageNet
# networks are usually trained like this, with crops of random size, drawn anew in each epoch: it makes many images of one.

# %%
from dataclasses import replace

large = cl.data.load("glyphs", resolution=64, limit=2600, progress=False).train
draw = torch.Generator().manual_seed(0)
corners = torch.randint(64 - 48 + 1, (len(large), 2), generator=draw).tolist()
pairs = zip(large.images, corners, strict=True)
cuts = torch.stack([image[:, y : y + 48, x : x + 48] for image, (y, x) in pairs]).float()
shrunk = F.interpolate(cuts, (16, 16), mode="bilinear", antialias=True).round().to(torch.uint8)
assert torch.equal(whole[16].train.labels, large.labels)  # the same pictures in the same order
crops = replace(whole[16], train=replace(large, images=shrunk))
figure, axes = cl.lesson.panels(6, height=1.9)
for number, panel in enumerate(axes):
    kind, images = ("crop", shrunk) if number % 2 else ("whole", whole[16].train.images)
    panel.imshow(images[number // 2].permute(1, 2, 0))
    panel.set(title=kind, xticks=[], yticks=[])
    panel.grid(False)
cl.lesson.show(
    figure, "Three training images of 16 px, whole and cropped: in a crop the letter is larger, and part may be gone."
)

# %%
bestsize = cl.lesson.guess(
    "A network trained on these crops at 16 px: at which size does it read whole letters best?",
    choices=["below 16 px", "at 16 px", "above 16 px"],
)
bestsize

# %% tags=["nbval-ignore-output"]
trained["crops, 16 px"] = taught(crops)

# %% tags=["nbval-ignore-output"]
tested = (12, 16, 20, 22, 24, 28, 32)
scores = pd.DataFrame(index=tested, columns=list(trained), dtype=float)
for size in tested:
    test = cl.data.load("glyphs", resolution=size, limit=1000, progress=False).test
    images = test.images.float()
    images = (images - images.mean((1, 2, 3), keepdim=True)) / images.std((1, 2, 3), keepdim=True)
    for name, model in trained.items():
        with torch.no_grad():
            scores.loc[size, name] = 100 * (model(images).argmax(1) == test.labels).float().mean().item()

figure, (axes,) = cl.lesson.panels(1, height=3.7)
for name, colour, marker in zip(trained, ("blue", "ink", "vermilion"), "os^", strict=True):
    axes.plot(scores[name], color=cl.lesson.COLOURS[colour], marker=marker, label=f"trained on {name}")
axes.set(xlabel="size of the whole test images, px", ylabel="test accuracy, %", xticks=tested, ylim=(0, 100))
axes.legend(frameon=False, loc="upper left", ncols=3)
best = ", ".join(f"{name}: {scores[name].idxmax()} px" for name in trained)
cl.lesson.show(
    figure, f"The same three networks, tested at seven sizes. Best size by what they were trained on: {best}."
)

# %%
ahead = scores.loc[24, "whole letters, 24 px"] - scores.loc[16, "whole letters, 16 px"]
enlarged = scores.loc[[20, 22], "crops, 16 px"].max() - scores.loc[16, "crops, 16 px"]
kept = scores.loc[16, "whole letters, 16 px"] - scores.loc[22, "whole letters, 16 px"]
print("whole letters: 24 px is ahead of 16 px by more than 3 points:", ahead > 3)
print("trained on crops at 16 px, better at 20 or 22 px than at 16 px by more than 5 points:", enlarged > 5)
print("trained on whole letters at 16 px, better at 16 px than at 22 px by more than 5 points:", kept > 5)
assert ahead > 3 and enlarged > 5 and kept > 5
bestsize.reveal("above 16 px")

# %% [markdown]
# The reason is simple once seen. A crop of 48 px that is shrunk to 16 px shows the strokes at 16 / 48 of their size. A whole letter of 64
# px shrunk to 16 px shows them at 16 / 64. The network was trained on strokes a third larger than those it is tested on. Test it
# at 16 · 64 / 48 = {16 * 64 / 48:.1f} px, and they are alike again. No weight was changed.
#
# Touvron et al. (2019, “FixRes”) found this in the standard training of ImageNet networks, and took it one step further: train at a
# *smaller* size than you will test at, and the objects are of one size. It is cheaper, too. They report 77.1 % for a ResNet-50
# trained at 128 px and 79.8 % for one trained at 224 px, after a short fine-tuning at the size of the test.
#
# ### In the networks that you download
#
# torchvision's metadata say how each network is to be *evaluated*: shrink the shorter side to `resize`, cut out the middle `crop`. They
# do not hold the size of training, which stands in the recipes: 224 px for ResNet-50's first weights; 176 px for its second, whose recipe
# counts FixRes among its steps (Vryniotis 2021, PyTorch's blog). In training, `RandomResizedCrop` takes 8 to 100 % of the image's area.
# That is all one needs to compare the sizes of objects.

# %%
low, high = transforms.RandomResizedCrop(224).scale
share = 2 / 3 * (high**1.5 - low**1.5) / (high - low)  # the mean of the square root of a uniform share of the area
tried = np.sqrt(np.random.default_rng(0).uniform(low, high, 100_000)).mean()
assert (low, high) == (0.08, 1.0) and abs(share - tried) < 0.002
rows = []
for name, version, size in (("resnet50", "V1", 224), ("resnet50", "V2", 176)):
    weights = models.get_model_weights(name)[f"IMAGENET1K_{version}"]
    transform = weights.transforms()
    resize, crop = transform.resize_size[0], transform.crop_size[0]
    tested_over_trained = resize / (size / share)
    rows.append(
        (
            f"{name} {version}",
            size,
            resize,
            crop,
            round(tested_over_trained, 2),
            weights.meta["_metrics"]["ImageNet-1K"]["acc@1"],
        )
    )
columns = ["weights", "trained at", "resize", "crop", "object: test / train", "accuracy"]
apparent = pd.DataFrame(rows, columns=columns).set_index("weights")
first, second = apparent["object: test / train"]
assert first < 0.85 < 0.9 < second < 1
apparent

# %% [markdown]
# A crop has on average {share:.0%} of the image's side, so training enlarges objects. With the first weights an object at test has
# {first:.2f} times the size that it has on average in training; with the second {second:.2f} times. (The two differ in much else, so the
# accuracies do not measure this alone.) EfficientNetV2 is trained at sizes that grow during training, and tested larger still; the
# published table notes it:

# %%
v2 = published[published["recipe"].str.contains("progressive training")]
largest = v2["recipe"].map(lambda recipe: int(re.search(r"up to (\d+) px", recipe)[1]))
trained_at = pd.DataFrame({"network": v2["model"], "trained at up to, px": largest, "tested at, px": v2["resolution"]})
assert (trained_at["tested at, px"] > trained_at["trained at up to, px"]).all() and len(v2) == 7
trained_at.set_index("network")

# %% [markdown]
# ## Move it
#
# One slider, resolution, in steps of 4 px. Try this:
#
# 1. Go from 224 to 228. Which stages get dearer most, and why those?
# 2. Find another size from 200 to 260 at which you pay for nothing.
# 3. Choose the family *small ResNet*: how far does its last stage see, and where on the slider does the image outgrow it?

# %%
explorer = cl.Explorer("efficientnet", resolution=240, hide="resolution")
explorer

# %% [markdown]
# ## Exercises
#
# Put your answer in place of `None`; the check says what is wrong. Worked answers are in [solutions](solutions/04_resolution.ipynb).
#
# **04.1** (warm-up) How many pixels wide is ResNet-50's last feature map for an image of 200 px? It halves the image five times.

# %% tags=["exercise"]
# Your answer:
side = 200
for _ in range(5):
    side = (side + 1) // 2
answer = side
cl.lesson.check("04.1", answer)

# %% [markdown] tags=["solution"]
# 100, 50, 25, 13, 7: rounded up each time. At 224 px it is 7 as well, so 200 px pays for the same last stage.

# %% [markdown]
# **04.2** Of all resolutions from 200 to 250 px, at which does EfficientNet-B0 take the *fewest multiply-adds per pixel* of the image?
# One call with an array does it.

# %% tags=["exercise"]
# Your answer:
import numpy as np

sizes = np.arange(200, 251)
macs = cl.scaled(cl.architecture("efficientnet_b0"), resolution=sizes).cost().macs
answer = int(sizes[np.argmin(macs / sizes**2)])
cl.lesson.check("04.2", answer)

# %% [markdown] tags=["solution"]
# The only multiple of 32 in the range: no map has a row more than it needs.

# %% [markdown]
# **04.3** What is the largest resolution at which ResNet-50 takes at most 2 billion multiply-adds? Use `cl.solve`.

# %% tags=["exercise"]
# Your answer:
answer = cl.solve("resnet50", macs=2e9, knob="resolution").resolution
cl.lesson.check("04.3", answer)

# %% [markdown] tags=["solution"]
# The square law says {int(224 * (2e9 / cl.architecture('resnet50').cost().macs) ** 0.5)} px, but the staircase lies above it there.
# {answer} px is the last that fits.

# %% [markdown]
# **04.4** `small_resnet` sees 8a + 16b − 1 pixels. With one block in its first stage, how many does its second need to see at least 64
# px, the whole of an image of `clothing64`?

# %% tags=["exercise"]
# Your answer:
answer = next(b for b in range(1, 20) if 8 * 1 + 16 * b - 1 >= 64)
cl.lesson.check("04.4", answer)

# %% [markdown] tags=["solution"]
# With three it is 55 px, with four 71.

# %% [markdown]
# **04.5** (open) At 42 px and depth 0.5, `small_resnet` takes {cl.scaled(cl.architecture("small_resnet", classes=42), depth=0.5, resolution=42).cost().macs:,} multiply-adds and
# sees 23 px. Build one for 42 px from `cl.architecture("small_resnet", classes=42)` that sees at least 42 px and costs no more than 2
# million. Then train both for a few epochs, as above. Were we right about the reason?

# %% tags=["exercise"]
# Your answer:
answer = cl.scaled(cl.architecture("small_resnet", classes=42), depth=1.5, width=0.5, resolution=42)
cl.lesson.check("04.5", answer)

# %% [markdown] tags=["solution"]
# Depth is what widens the field here, and half the width pays for it. A fair answer needs several seeds; and whatever comes out, the
# two networks differ in width as well. Changing the kernel of one layer to 5 or 7 would be another way.

# %% [markdown]
# ## Summary
#
# * Twice the resolution: four times the multiply-adds and feature maps, the same parameters.
# * Maps are whole numbers: keep to multiples of the total stride, mostly 32. One pixel more can cost a sixth.
# * More pixels help a network only if it sees enough of them; resolution goes with depth.
# * On glyphs and photographs alike, small networks lost accuracy well beyond their receptive field.
# * Objects must have one size in training and at test: cropping enlarges them, so test larger, or train smaller.
#
# ### Further reading
#
# * Touvron, Vedaldi, Douze, Jégou: *Fixing the train-test resolution discrepancy*, 2019 (arXiv:1906.06423).
# * Tan, Le: *EfficientNet*, 2019 (arXiv:1905.11946), section 3.2.
# * Tan, Le: *EfficientNetV2*, 2021 (arXiv:2104.00298), on progressive learning.
