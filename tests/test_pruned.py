"""data/pruned: all arms are there and possible, and what is said of them is computed here once more."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import cnnlab as cl
from cnnlab.prune import evidence
from cnnlab.prune.card import card
from cnnlab.prune.comparison import SCRATCH, arms
from cnnlab.prune.evidence import compared
from cnnlab.run import data as datasets
from cnnlab.show.prunecurves import WORDS, plot_pruning, plot_sensitivity

ROOT = Path(__file__).parents[1]
KINDS = [("resnet", "glyphs"), ("mbconv", "glyphs"), ("resnet", "cifar10"), ("mbconv", "cifar10")]


def test_every_arm_was_run_once_and_nothing_else(monkeypatch):
    """A key is that of all settings; the images of CIFAR-10 are known by their fingerprint."""
    frame = cl.prune.pruned()
    prints = dict(frame[["data", "fingerprint"]].drop_duplicates().itertuples(index=False))
    monkeypatch.setattr(datasets, "fingerprint", lambda name: prints[Path(name).stem])
    wanted = {arm.key: arm for arm in arms("somewhere")}
    assert frame["key"].is_unique and set(frame["key"]) == set(wanted)
    for row in frame.to_dict("records"):
        arm = wanted[row["key"]]
        assert (arm.importance, arm.budget, arm.whole.recipe.seed) == (row["importance"], row["budget"], row["seed"])
        assert row["epochs"] == arm.whole.recipe.epochs + arm.recipe.epochs == row["whole_epochs"] + row["tuned_epochs"]


def test_the_figures_are_possible():
    frame = cl.prune.pruned()
    assert frame["stopped"].isna().all()
    assert (frame["macs"] <= frame["budget"] * frame["whole_macs"]).all()
    assert (frame["macs"] >= 0.9 * frame["budget"] * frame["whole_macs"]).all()  # no arm stays far below its budget
    cut = frame[~frame["importance"].isin(SCRATCH)]
    accuracies = ["whole_accuracy", "whole_validation", "before", "recalibrated", "validation_accuracy", "accuracy"]
    assert cut[accuracies].apply(lambda column: column.between(0, 100)).all(axis=None)
    assert (cut.groupby(["data", "family", "seed"])[["whole_accuracy", "whole_macs"]].nunique() == 1).all(axis=None)
    for (data, family), part in frame.groupby(["data", "family"]):
        row = part.iloc[0]
        classes = {"glyphs": 42, "cifar10": 10}[data]
        base = cl.architecture(f"small_{family}", classes=classes)
        arch = cl.scaled(base, depth=row["depth"], width=row["width"], resolution=int(row["resolution"]))
        assert set(part["whole_macs"]) == {arch.cost().macs}


def test_every_row_says_where_it_comes_from():
    frame = cl.prune.pruned()
    assert frame["commit"].nunique() == 1 and frame["commit"].str.fullmatch("[0-9a-f]{40}").all()
    assert frame[["device", "threads", "torch", "numpy", "python", "finished"]].notna().all(axis=None)


@pytest.mark.parametrize(("family", "data"), KINDS)
def test_compared_by_hand(family, data):
    frame = cl.prune.pruned(data)
    frame = frame[frame["family"] == family]
    found = compared(family, data).set_index(["budget", "importance"])
    accuracies: dict[tuple, dict[int, float]] = {}
    for row in frame.to_dict("records"):
        accuracies.setdefault((row["budget"], row["importance"]), {})[row["seed"]] = row["accuracy"]

    def margins(cells):
        """Half an interval for each cell of three: from all cells that are alike, or by Student's t from its own."""
        variances = {cell: np.var(values, ddof=1) for cell, values in cells.items()}
        alike = [v for v in variances.values() if v <= 9 * np.median(list(variances.values()))]
        usual = 1.96 * math.sqrt(np.mean(alike) / 3)
        own = {cell: 4.3026527 * math.sqrt(v / 3) for cell, v in variances.items()}
        return {cell: usual if variances[cell] in alike else own[cell] for cell in cells}

    means = {cell: list(seeds.values()) for cell, seeds in accuracies.items()}
    for cell, margin in margins(means).items():
        mean = np.mean(means[cell])
        expected = [mean, mean - margin, mean + margin]
        assert found.loc[cell, ["accuracy", "low", "high"]].tolist() == pytest.approx(expected)
    for baseline in ("random", "thin"):
        gains = {
            (budget, name): [a - accuracies[budget, baseline][seed] for seed, a in seeds.items()]
            for (budget, name), seeds in accuracies.items()
            if name not in (baseline, "whole")
        }
        for cell, margin in margins(gains).items():
            mean = np.mean(gains[cell])
            names = [f"over_{baseline}{end}" for end in ("", "_low", "_high")]
            assert found.loc[cell, names].tolist() == pytest.approx([mean, mean - margin, mean + margin])


def test_the_card_is_what_the_tables_say():
    text = (ROOT / "data" / "pruned" / "README.md").read_text(encoding="utf-8")
    assert text.partition("<!-- card -->\n")[2].partition("<!-- end of card -->")[0] == card()


def test_what_was_not_measured_is_refused():
    with pytest.raises(ValueError, match="there are measurements of cifar10, glyphs"):
        cl.prune.pruned("digits")
    with pytest.raises(ValueError, match="no pruned plain network was measured on glyphs"):
        compared("plain")


def overlapping(figure) -> list[tuple[str, str]]:
    figure.draw_without_rendering()
    texts = [
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    ]
    texts += [*figure.texts, *(text for axes in figure.axes for text in (axes.xaxis.label, *axes.texts))]
    texts += [axes._left_title for axes in figure.axes]
    texts += [text for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    assert len(boxes) > 5
    wide, high = figure.bbox.width, figure.bbox.height
    assert all(b.x0 >= 0 and b.x1 <= wide and b.y0 >= 0 and b.y1 <= high for _, b in boxes)
    return [(a, b) for i, (a, one) in enumerate(boxes) for b, other in boxes[:i] if one.overlaps(other)]


@pytest.mark.parametrize(("family", "data"), KINDS)
def test_the_picture_shows_the_table(family, data):
    figure = plot_pruning(family, data)
    found = compared(family, data)
    left, right = figure.axes
    drawn = {bars.get_label(): bars.lines[0] for bars in left.containers}
    for label, name in (("thin, from scratch", "thin"), ("random channels", "random"), ("whole network", "whole")):
        part = found[found["importance"] == name].sort_values("macs")
        assert np.allclose(drawn[label].get_xdata(), part["macs"]) and np.allclose(
            drawn[label].get_ydata(), part["accuracy"]
        )
    names = [text.get_text() for text in right.get_yticklabels()]
    keys = [{words: key for key, words in WORDS.items()}[name] for name in names]
    for bars in right.containers:
        budget = float(bars.get_label().partition(" ")[0]) / 100
        part = found[found["budget"] == budget].set_index("importance").loc[keys]
        for x, gain in zip(bars.lines[0].get_xdata(), part["over_thin"], strict=True):
            told = f"{gain:+.0f}".replace("-", "\N{MINUS SIGN}")
            assert x == gain or any(told in text.get_text() for text in right.texts)
    assert len(keys) == 9 and not overlapping(figure)


def test_the_sensitivity_picture():
    model = cl.architecture("small_mbconv", classes=10, resolution=8).graph().module(seed=0)
    table = cl.prune.sensitivity(model, cl.data.load("digits"), ratios=(0, 0.5), resolution=8, count=40, progress=False)
    figure = plot_sensitivity(table, groups=5)
    (axes,) = figure.axes
    named = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    assert len(named) == 5 and len(axes.lines) == table["group"].nunique()
    for name, line in named.items():
        assert np.allclose(line.get_ydata(), table[table["group"] == name]["accuracy"])
    assert not overlapping(figure)


@pytest.mark.parametrize("data", ["glyphs", "cifar10"])
def test_the_rows_are_in_order(data):
    frame = cl.prune.pruned(data)[evidence.ORDER]
    assert frame.values.tolist() == frame.sort_values(evidence.ORDER).values.tolist()
