"""published(): torchvision's figures, and costs that torch itself counts."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

import cnnlab as cl
from cnnlab.run.evidence import COLUMNS, family_of
from tests import oracles


@pytest.fixture(scope="module")
def everything():
    return cl.published()


@pytest.fixture(scope="module")
def frame(everything):
    """torchvision's rows."""
    return everything[everything["source"].str.startswith("torchvision")]


def test_every_accuracy_of_torchvisions_metadata_is_there(frame):
    expected = {
        (name, weights.name): weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
        for name in models.list_models(module=models)
        for weights in models.get_model_weights(name)
        if (name, weights.name) != ("vgg16", "IMAGENET1K_FEATURES")  # features without a classifier: no accuracy
    }
    assert {(row.name, row.weights): row.accuracy for row in frame.itertuples(index=False)} == expected
    assert len(frame) == len(expected) > 100


def test_costs_agree_with_torchvisions_rounded_metadata(frame):
    for row in frame.itertuples(index=False):
        meta = models.get_model_weights(row.name)[row.weights].meta
        assert abs(row.macs / 1e9 - meta["_ops"]) <= 0.0005
        # Of Inception v3 torchvision's metadata counts the head that only training uses.
        extra = oracles.numel(models.inception.InceptionAux(768, 1000)) if row.name == "inception_v3" else 0
        assert row.params + extra == meta["num_params"] == row.stated_params
        assert row.stated_macs == round(meta["_ops"] * 1e9)


def test_each_network_of_the_zoo_is_computed_and_ordinary_cnns_are_traced(frame):
    how = frame.set_index("name")["cost"]
    assert set(how[frame["name"].isin(cl.names()).to_numpy()]) == {"computed"}
    assert set(how[frame["name"].str.startswith("regnet").to_numpy()]) == {"computed"}
    assert {name.partition("_v2")[0] for name in how[how == "traced"].index} == {"shufflenet"}
    assert {family_of(name) for name in how[how == "stated"].index} == {"transformer"}
    assert frame.loc[frame["cost"] != "stated", "activations"].notna().all()
    assert frame.loc[frame["cost"] == "stated", "activations"].isna().all()


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "shufflenet_v2_x1_0"])
def test_traced_costs_are_what_torch_counts(frame, name):
    with torch.device("meta"):
        module = models.get_model(name)
    row = frame[frame["name"] == name].iloc[0]
    assert row["macs"] == oracles.macs(module, row["resolution"])


def test_each_call_gives_a_frame_of_its_own(everything):
    first = cl.published()
    first["accuracy"] = 0
    assert cl.published().equals(everything) and not first.equals(everything)


def test_torchvision_and_papers_stand_in_one_frame_the_cheapest_first(frame, everything):
    beside = everything.drop(frame.index)
    assert len(frame) > 100 and len(beside) > 180
    assert list(everything.columns) == list(COLUMNS)
    assert everything["macs"].dropna().is_monotonic_increasing and everything["macs"].isna().sum() == 6
    assert set(everything["macs"].tail(6).isna()) == {True}  # several sizes, or an ensemble
    assert set(frame["data"]) == {"imagenet"} and set(frame["protocol"]) == {"single crop"}
    assert set(beside["data"]) == {"imagenet", "cifar10", "cifar100"} and set(beside["weights"]) == {""}
    words = ["data", "name", "model", "family", "weights", "cost", "protocol", "recipe", "source", "note"]
    assert all(isinstance(value, str) for column in words for value in everything[column])
    assert (everything[["data", "model", "family", "cost", "protocol", "source"]] != "").all(axis=None)


def test_one_network_from_both_sources_has_one_cost(frame, everything):
    rows = everything[(everything["name"] == "efficientnet_b7") & (everything["resolution"] == 600)]
    assert {source.split()[0] for source in rows["source"]} == {"torchvision", "Tan"}
    assert rows[["macs", "params", "activations"]].drop_duplicates().shape[0] == 1


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("wide_resnet50_2", "Wide ResNet"),
        ("efficientnet_v2_s", "EfficientNetV2"),
        ("regnet_y_8gf", "RegNetY"),
        ("x", "other"),
    ],
)
def test_families(name, family):
    assert family_of(name) == family


def test_every_published_network_has_a_family(everything):
    assert "other" not in set(everything["family"])
