"""data/published.csv: each figure against the network that cnnlab builds for it; networks against torch's own count.

The list of disagreements is the table of data/published.md, which readers see: it must have every one and no other.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models

import cnnlab as cl
from cnnlab.arch.layers import BatchNorm
from cnnlab.run.papers import CLASSES, network, papers
from cnnlab.run.printed import PRINTED, printed, thin_wrn
from tests import oracles

DATA = Path(__file__).parents[1] / "data"
FIGURES = ("macs", "params")
KEY = ("source", "model", "data", "resolution")


def read() -> list[dict[str, str]]:
    """The file's rows as they are typed, with their digits."""
    lines = (DATA / "published.csv").read_text().splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


ROWS = read()


def build(row: Mapping[str, str]) -> cl.Architecture | cl.Network | None:
    numbers = {k: float(row[k] or "nan") for k in ("depth", "width", "resolution")}
    return network({**row, **numbers})


BUILT = [(row, arch) for row in ROWS if row["resolution"] and (arch := build(row))]


def unit(stated: Decimal) -> Decimal:
    """The value of one in the last digit: 10**8 of 1.0e9."""
    return Decimal(1).scaleb(int(stated.as_tuple().exponent))


def agree(stated: Decimal, exact: int | float | Decimal) -> bool:
    """Whether a stated figure is an exact one rounded to its own digits."""
    return abs(stated - Decimal(exact)) <= unit(stated) / 2


def cut(stated: Decimal, exact: int | float) -> bool:
    """Whether it is an exact one whose further digits were dropped."""
    return Decimal(exact).quantize(unit(stated), ROUND_DOWN) == stated


@given(exact=st.integers(1, 10**12), digits=st.integers(1, 12))
def test_rounded_figures_agree_and_others_do_not(exact, digits):
    stated = Decimal(f"{exact:.{digits - 1}e}")
    assert agree(stated, exact)
    for beside in (stated - unit(stated), stated + unit(stated)):
        assert not agree(beside, exact) or 2 * abs(beside - exact) == unit(stated)
    assert [cut(stated + n * unit(stated), exact) for n in (-1, 0, 1)].count(True) == 1


# The file.


def test_columns_ranges_and_units():
    for row in ROWS:
        where = row["source"], row["model"]
        assert row["data"] in CLASSES and all(row[k] for k in ("model", "family", "protocol", "source")), where
        accuracies = [float(row[k]) for k in ("accuracy", "accuracy5") if row[k]]
        assert accuracies and all(0 < a < 100 for a in accuracies) and accuracies == sorted(accuracies), where
        assert not row["macs"] or 1e6 < float(row["macs"]) < 1e11, where
        assert not row["params"] or 1e5 < float(row["params"]) < 3e8, where
        assert not row["resolution"] or 32 <= int(row["resolution"]) <= 600, where
        assert bool(row["base"]) == bool(row["depth"]) == bool(row["width"]), where
        assert re.search(r"\b(19|20)\d\d\b", row["source"]), where


def test_no_row_occurs_twice():
    figures = Counter(tuple(row[k] for k in (*KEY, "protocol", "recipe")) for row in ROWS)
    assert [key for key, times in figures.items() if times > 1] == []
    assert len({tuple(row.values()) for row in ROWS}) == len(ROWS) > 180


def test_every_table_that_the_header_promises_is_there():
    count = Counter(row["source"].split(" (")[0] for row in ROWS)
    assert count["Tan and Le 2019"] == 8 + 14 + 5  # Tables 2, 3 and 7
    assert {source for source in count if source.startswith("He et al. 2015")} == {
        f"He et al. 2015, {which}"
        for which in ("Table 2", "Tables 2 and 3", "Table 3", "Table 4", "Table 5", "Table 6")
    }
    grids = Counter((row["base"], row["source"][:6]) for row in ROWS if row["source"].endswith("repository"))
    assert grids["mobilenet_v1", "Howard"] == 4 * 4 and grids["mobilenet_v2", "Sandle"] == 4 * 5 + 2
    assert sum(count[s] for s in count if s.startswith("Bello")) == 11


def test_a_name_is_of_exactly_this_network():
    named = [(row, arch) for row, arch in BUILT if row["name"]]
    assert len(named) > 80
    for row, arch in named:
        theirs = cl.architecture(row["name"], resolution=int(row["resolution"]), classes=CLASSES[row["data"]])
        assert theirs.cost() == arch.cost(), row["model"]


def test_a_network_of_the_zoo_is_named():
    plain = [row for row in ROWS if row["base"] in cl.names() and {row["depth"], row["width"]} == {"1"}]
    assert all(row["name"] == row["base"] for row in plain if row["data"] != "cifar100")


# Its figures.


def rows_of(markdown: str) -> list[dict[str, str]]:
    """The rows of a page's one table."""
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in markdown.splitlines() if line.startswith("|")]
    header, _, *rows = cells
    return [dict(zip(header, row, strict=True)) for row in rows]


PAGE = (DATA / "published.md").read_text()
LISTED = {tuple(row[k] for k in (*KEY, "figure")): row for row in rows_of(PAGE)}


def test_every_disagreement_is_listed_and_every_one_listed_disagrees():
    found = {
        (*(row[k] for k in KEY), figure): f"{getattr(arch.cost(), figure):,}"
        for row, arch in BUILT
        for figure in FIGURES
        if row[figure] and not agree(Decimal(row[figure]), getattr(arch.cost(), figure))
    }
    assert {key: row["cnnlab"] for key, row in LISTED.items()} == found
    typed = {(*(row[k] for k in KEY), figure): row[figure] for row in ROWS for figure in FIGURES}
    assert {key: row["stated"] for key, row in LISTED.items()} == {key: typed[key] for key in found}


def test_the_page_counts_what_it_lists():
    compared = sum(bool(row[figure]) for row, _ in BUILT for figure in FIGURES)
    opened = sum(row["why"].startswith("open") for row in LISTED.values())
    assert f"{compared} figures, {len(LISTED)} disagree, {opened} of them for no reason that we found" in PAGE


def norms(arch: cl.Architecture) -> int:
    """Channels of all batch norms."""
    return sum(layer.channels for layer in arch.graph().layers if isinstance(layer.op, BatchNorm))


def biases(arch: cl.Architecture) -> int:
    """Biases of convolutions and linear layers, of which these networks have them at one pixel only."""
    ops = [(layer.op, layer.channels) for layer in arch.graph().layers]
    return sum(channels for op, channels in ops if getattr(op, "bias", False))


def stem(arch: cl.Architecture) -> int:
    return int(arch.graph().table(by="stage").set_index("stage")["macs"]["stem"])


def of_option_a(arch: cl.Architecture) -> int:
    return printed("resnet34_a").cost().macs


def eight_blocks(arch: cl.Architecture) -> int:
    stages = [replace(stage, depth=8) if stage.depth == 9 else stage for stage in arch.stages]
    return replace(arch, stages=tuple(stages)).cost().macs


def by_2_2(arch: cl.Architecture) -> int:
    """MACs of EfficientNet-B0 at 4.4 times the depth or 2.2 times the width or resolution, whichever is scaled here."""
    b0 = cl.architecture("efficientnet_b0")
    if arch.resolution != b0.resolution:
        return cl.scaled(b0, resolution=round(2.2 * 224)).cost().macs
    knob = {"depth": 4.4} if arch.blocks != b0.blocks else {"width": 2.2}
    return cl.scaled(b0, **knob).cost().macs


Reason = Callable[[Decimal, cl.Architecture, int], bool]
REASONS: Mapping[str, Reason] = {  # what published.md says of each, computed: (stated, the network, its exact figure)
    "cut": lambda stated, arch, exact: cut(stated, exact),
    "one digit": lambda stated, arch, exact: agree(stated.quantize(unit(stated).scaleb(1)), exact),
    "one for each depth": lambda stated, arch, exact: agree(stated, of_option_a(arch)),
    "without batch norm": lambda stated, arch, exact: (
        agree(stated, exact - 2 * norms(arch)) or cut(stated, exact - 2 * norms(arch))
    ),
    "batch norm by three": lambda stated, arch, exact: agree(stated, exact + norms(arch)),
    "ten classes": lambda stated, arch, exact: agree(stated, replace(arch, classes=10).cost().params),
    "without the stem": lambda stated, arch, exact: agree(stated, exact - stem(arch)),
    "without the classifier": lambda stated, arch, exact: agree(stated, exact - 1000 * 1024),
    "with biases": lambda stated, arch, exact: agree(stated, exact + biases(arch)),
    "halved": lambda stated, arch, exact: agree((2 * stated).quantize(Decimal("1e9")), 2 * exact),
    "eight blocks": lambda stated, arch, exact: agree(stated, eight_blocks(arch)),
    "2.2 times": lambda stated, arch, exact: agree(stated, by_2_2(arch)),
}


def test_each_reason_explains_what_it_is_given_for():
    networks = {tuple(row[k] for k in KEY): arch for row, arch in BUILT}
    for key, row in LISTED.items():
        if row["why"].startswith("open: "):
            assert len(row["why"]) > 30, key
            continue
        arch = networks[key[:4]]
        assert REASONS[row["why"]](Decimal(row["stated"]), arch, getattr(arch.cost(), row["figure"])), key
    assert set(REASONS) == {row["why"] for row in LISTED.values() if not row["why"].startswith("open: ")}


@pytest.mark.parametrize(
    ("reason", "figure", "source", "model"),
    [
        ("batch norm by three", "params", "Howard et al. 2017, mobilenet_v1.md", ""),
        ("without batch norm", "params", "Sandler et al. 2018, README", ""),
        ("cut", "macs", "Sandler et al. 2018, README", ""),
        ("with biases", "macs", "Radosavovic et al. 2020", ""),
        ("ten classes", "params", "Zagoruyko and Komodakis 2016, Table 4", ""),
        ("ten classes", "params", "Zagoruyko and Komodakis 2016, Table 5", ""),
        ("without the stem", "macs", "Howard et al. 2017, mobilenet_v1.md", "MobileNet_v1_0.75"),
    ],
)
def test_a_way_of_counting_explains_all_of_its_source_also_what_agrees(reason, figure, source, model):
    found = [(r, a) for r, a in BUILT if r["source"].startswith(source) and r["model"].startswith(model) and r[figure]]
    assert len(found) >= 3
    odd = [r["model"] for r, a in found if not REASONS[reason](Decimal(r[figure]), a, getattr(a.cost(), figure))]
    assert odd == []


@pytest.mark.parametrize("reason", REASONS)
def test_the_page_says_what_a_reason_means(reason):
    assert re.search(rf"^\* \*\*{re.escape(reason)}\*\*: .{{30,}}", PAGE, re.MULTILINE)


# The networks that the zoo lacks.


def early_stride(module: nn.Module) -> nn.Module:
    """torchvision's ResNet with its strides in the first 1x1 of a bottleneck."""
    for block in (m for m in module.modules() if isinstance(m, models.resnet.Bottleneck)):
        block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    return module


def all_projected(module: nn.Module) -> nn.Module:
    for block in (m for m in module.modules() if isinstance(m, models.resnet.BasicBlock)):
        channels = block.conv2.out_channels
        block.downsample = block.downsample or nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
    return module


class Padded(nn.Module):
    """Every second pixel, and zeros for the new channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))


def padded(module: nn.Module) -> nn.Module:
    for block in (m for m in module.modules() if isinstance(m, models.resnet.BasicBlock) and m.downsample):
        block.downsample = Padded()
    return module


class Wide(nn.Module):
    """A block of Zagoruyko and Komodakis, as their code has it."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(before), nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(after), nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.around = nn.Conv2d(before, after, 1, stride, bias=False) if before != after else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm1(x).relu()
        return self.conv2(self.norm2(self.conv1(y)).relu()) + (self.around(y) if self.around else x)


def wide(depth: int, k: int) -> nn.Module:
    blocks, before = [], 16
    for after, first in ((16 * k, 1), (32 * k, 2), (64 * k, 2)):
        for i in range((depth - 4) // 6):
            blocks.append(Wide(before, after, 1 if i else first))
            before = after
    end = [nn.BatchNorm2d(before), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)]
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), *blocks, *end)


BESIDE: Mapping[str, Callable[[], nn.Module]] = {
    "resnet18_a": lambda: padded(models.resnet18()),
    "resnet34_a": lambda: padded(models.resnet34()),
    "resnet34_c": lambda: all_projected(models.resnet34()),
    "resnet50_first": lambda: early_stride(models.resnet50()),
    "resnet152_first": lambda: early_stride(models.resnet152()),
    "resnext101_32x4d": lambda: timm.create_model("resnext101_32x4d"),
    "efficientnet_v2_base": lambda: timm.create_model("tf_efficientnetv2_b0"),
    "efficientnet_v2_base d=1.4 w=1.2 r=300": lambda: timm.create_model("tf_efficientnetv2_b3"),
    "regnetx_004": lambda: timm.create_model("regnetx_004"),
    "regnety_008": lambda: timm.create_model("regnety_008"),
    "regnety_080": lambda: timm.create_model("regnety_080"),
    "wrn16 w=8": lambda: wide(16, 8),
    "wrn40": lambda: wide(40, 1),
    "wrn28 w=10": lambda: wide(28, 10),
}
"""A network of `PRINTED`, scaled -> a module that torch counts."""


@pytest.mark.parametrize("name", BESIDE)
def test_costs_are_what_torch_counts(name):
    base, *knobs = name.split()
    by = dict(knob.split("=") for knob in knobs)
    arch = printed(base)
    arch = cl.scaled(
        arch,
        depth=float(by.get("d", 1)),
        width=float(by.get("w", 1)),
        resolution=int(by.get("r", arch.resolution)),
    )
    with torch.device("meta"):
        theirs = BESIDE[name]()
    assert tuple(vars(arch.cost()).values()) == oracles.counted(theirs, arch.resolution)
    assert arch.cost() == arch.graph().cost()


def test_each_network_is_needed_and_becomes_a_module():
    assert set(PRINTED) <= {row["base"] for row in ROWS} and not set(PRINTED) & set(cl.names())
    for name in ("resnet34_c", "resnet50_first", "wrn16", "mobilenet_v1_full"):
        arch = printed(name)
        module = arch.graph().module(seed=0).eval()
        assert module(torch.zeros(1, 3, 64, 64)).shape == (1, arch.classes)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: printed("resnet51"), r"base 'resnet51' is neither in cnnlab.names\(\) nor one of resnet18_a"),
        (lambda: thin_wrn(20), r"depth=20: .* has 6n \+ 4 layers"),
        (lambda: thin_wrn(4), r"depth=4: .* has 6n \+ 4 layers"),
        (
            lambda: network({"data": "svhn", "base": "wrn16", "model": "x", "depth": 1, "width": 1, "resolution": 32}),
            r"data 'svhn' of model 'x' must be one of imagenet, cifar10, cifar100",
        ),
    ],
)
def test_what_is_unknown_is_refused_in_a_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# What published() makes of it.


def test_published_has_every_row_with_its_figures():
    assert len(papers()) == len(ROWS)
    for typed, row in zip(ROWS, papers(), strict=True):
        for what in FIGURES:
            assert row[f"stated_{what}"] == (int(Decimal(typed[what])) if typed[what] else None)
        arch = build(typed)
        assert row["cost"] == ("computed" if arch else "stated")
        assert row["params"] == (arch.cost().params if arch else row["stated_params"])
        assert row["macs"] == (row["stated_macs"] if not arch else arch.cost().macs if typed["resolution"] else None)
    stated = {row["model"] for row in papers() if row["cost"] == "stated"}
    assert stated == {"ResNet ensemble of 6", "MobileNetV2 compound", "ResNet-50 compound"}
