"""The Explorer without a browser: Python and its page move it, by many messages and many at once."""

from __future__ import annotations

import logging
import random
import re
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import traitlets

import cnnlab as cl
from cnnlab.arch.edits import BLOCKS, FIELDS
from cnnlab.show import state as states
from cnnlab.show.lattice import ALL_KINDS, STEPS, family
from cnnlab.show.sources import SOURCES
from tests.explorer_heard import EDITED, Explorer, Heard, consistent, words
from tests.oracles import numel
from tests.test_lattice import own

# Python and the page move it.


def test_python_moves_the_sliders():
    explorer = Explorer("efficientnet")
    explorer.depth, explorer.width, explorer.resolution = 1.4, 1.2, 300
    assert explorer.cost == cl.architecture("efficientnet_b3").cost()
    bad = {
        **{"depth": 9.0, "width": 1.23, "resolution": 7, "family": "resnot", "budgets": {"macs": -1.0}},
        **{"edits": {"3": {"kernel": 4}}, "coefficients": [1.2, 1.1, 3.0], "against": "flops", "data": "mnist"},
    }
    for name, value in bad.items():
        with pytest.raises((ValueError, traitlets.TraitError), match=r"must be|goes from|should be|expected"):
            setattr(explorer, name, value)
    assert explorer.state == "efficientnet,d=1.4,w=1.2,r=300"
    consistent(explorer)


def test_another_family_brings_its_own_sliders():
    explorer = Explorer(cl.architecture("cifar_resnet20", classes=36), depth=2.0)
    explorer.family = "resnet"
    assert explorer.state == "resnet,d=2,w=1,r=224"  # 32 px are not on its slider; depth 2 is
    explorer.set_state({"family": "cifar_resnet20", "depth": 1, "resolution": 48})
    assert explorer.state == "cifar_resnet20,d=1,w=1,r=48" and explorer.architecture.classes == 36
    consistent(explorer)


def test_edits_are_of_one_family():
    explorer = Explorer("efficientnet")
    explorer.edits = {7: {"kernel": 7}}
    assert explorer.edits == {"7": {"kernel": 7}} and explorer.state.endswith(",7.kernel=7")
    consistent(explorer)
    explorer.set_state({"edits": {"7": {"kernel": 7}, "1": {}, "2": {"depth": 3, "se": 0.5}}})
    assert explorer._lattice["rows"][1] == {"block": "mbconv", "known": True, "depth": 3, "width": 24, "kernel": 3,
                                            "expand": 6, "se": 0.5}  # fmt: skip
    consistent(explorer)
    explorer.family = "resnet"
    assert explorer.edits == {} and explorer.state == "resnet,d=1,w=1,r=224"
    consistent(explorer)
    for _ in range(2):  # by a message, together with what is of the new family
        explorer.set_state({"family": "efficientnet", "edits": {"7": {"kernel": 7}}, "depth": 2.0})
        assert explorer.state == "efficientnet,d=2,w=1,r=224,7.kernel=7"
        explorer.set_state({"family": "resnet", "depth": 1.0})
        assert explorer.state == "resnet,d=1,w=1,r=224"
        consistent(explorer)


def test_go():
    explorer = Explorer("efficientnet", depth=1.4, resolution=300)
    explorer.go("resnet,4.block=basic,4.depth=2")
    assert explorer.state == "resnet,d=1.4,w=1,r=300,4.block=basic,4.depth=2"
    consistent(explorer)
    explorer.go("cifar_resnet20")
    assert explorer.state == "cifar_resnet20,d=1.4,w=1,r=32"
    explorer.go("efficientnet,d=2")  # sliders stay where they are
    assert explorer.state == "efficientnet,d=1.4,w=1,r=224"
    mine = Explorer(own())
    mine.go("resnet")
    mine.go("mine,1.kernel=5")
    assert mine.architecture.stages[0].options == {"kernel": 5}
    consistent(mine)


BAD_MESSAGES = [
    {"depth": 77.0, "width": 2.0},
    {"width": 2.0, "resolution": True},
    {"depth": 2.0, "resolution": "224"},
    {"depth": 2.0, "coefficients": [1, 2]},
    {"depth": 2.0, "coefficients": ["a", 1, 1]},
    {"coefficients": [1, 1, float("nan")]},
    {"budgets": {"macs": 1e9, "params": -1}, "depth": 2.0},
    {"family": "resnot", "depth": 2.0},
    {"family": "resnet_basic", "edits": {"7": {"depth": 2}}, "depth": 2.0},
    {"edits": {"3": {"kernel": 5}}, "width": 2.0},
    {"edits": {"3": 5}},
    {"edits": {"²": {"depth": 2}}},
    {"edits": {"3": {"depth": None}}},
    {"edits": [3], "depth": 2.0},
    {"data": "mnist", "depth": 2.0},
    {"against": "flops", "data": "glyphs"},
]


@pytest.mark.parametrize("message", BAD_MESSAGES, ids=str)
def test_a_bad_message_changes_nothing(message):
    explorer = Explorer("resnet", edits={3: {"depth": 2}}, budget=5e9)
    before = explorer.get_state()
    with pytest.raises((ValueError, TypeError, traitlets.TraitError)):
        explorer.set_state(message)
    assert explorer.get_state() == before
    consistent(explorer)


def test_a_page_goes_to_another_network():
    page = Heard(Explorer("efficientnet", depth=2))
    assert page.ask(do="go", id="resnet,3.block=basic") is None
    assert (
        page.explorer._lattice["asked"] == "resnet,3.block=basic"
        and page.explorer._lattice["id"] == "resnet,3.block=basic"
    )
    assert page.explorer.state == "resnet,d=2,w=1,r=224,3.block=basic"
    assert page.ask(do="go", id="resnet, 3.depth=4 ,3.block=basic") is None
    assert page.explorer._lattice["asked"] == "resnet, 3.depth=4 ,3.block=basic"
    assert page.explorer._lattice["id"] == "resnet,3.block=basic,3.depth=4"
    before = page.explorer.get_state()
    for bad, words_said in {
        "resnot": "family='resnot'", "resnet,3.kernel=5": "takes no kernel", "resnet,3.depth=x": "3.depth='x'",
        "": "family=''", "resnet,8.depth=1": "no such stage", "resnext,1.width=8": "width=0",
        "resnet,q": "'q' is no setting", "cifar_resnet,1.width=99": "cannot pad",
    }.items():  # fmt: skip
        answer = page.ask(do="go", id=bad)
        assert words_said in answer["refused"] and answer.get("do") == "go", answer
    assert page.explorer.get_state() == before
    consistent(page.explorer)


@pytest.mark.parametrize(
    ("message", "sent", "refused"),
    [
        ({"do": "set", "id": "resnet", "depth": 2.0, "width": 1.5, "resolution": 160, "coefficients": [1.3, 1.1, 1.1]},
         {"depth": 2.0, "width": 1.5, "resolution": 160, "coefficients": [1.3, 1.1, 1.1]}, False),
        ({"do": "set", "id": "vgg", "depth": 2.0}, {}, False),  # of a network that is not there any more
        ({"do": "set", "id": "resnet", "depth": 2.0, "width": 99.0}, {}, True),
    ],
)  # fmt: skip
def test_a_pages_sliders_are_answered_at_once(message, sent, refused):
    """All in one message, with the name of what was taken: a page need not show half of it, or what it knows better."""
    page, told = Heard(Explorer("resnet")), []
    page.explorer._send = lambda content, buffers=None: told.append(content)
    answer = page.ask(**message, **{"as": "page.7"})
    assert [each["state"] for each in told] == [{"_taken": "page.7", **sent}] and (answer is not None) == refused
    consistent(page.explorer)


@pytest.mark.parametrize(
    "move", [lambda explorer: explorer.go("cifar_resnet"), lambda explorer: setattr(explorer, "family", "cifar_resnet")]
)
def test_a_page_hears_of_another_network_at_once(move):
    """Its sliders come with it: those of the one before would be drawn on it."""
    explorer, told = Explorer("resnet", resolution=160), []
    explorer._send = lambda content, buffers=None: told.append(content["state"])
    move(explorer)
    (with_sliders,) = [state for state in told if "_lattice" in state or "resolution" in state]
    assert with_sliders["_lattice"]["id"] == "cifar_resnet" and with_sliders["resolution"] == 32
    consistent(explorer)


def test_messages_that_mean_nothing_do_nothing(caplog, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "file"))
    page = Heard(Explorer("resnet"))
    before = page.explorer.get_state()
    for message in ({}, {"do": "dance"}, {"do": "go"}, {"do": "go", "id": 3}, {"do": None}, {"done": "go"}):
        assert page.ask(**message) is None
    for message in (
        {"do": "train", "data": "digits", "epochs": -1},
        {"do": "train", "data": "digits", "epochs": 1, "limit": "many"},
        {"do": "train", "data": "digits", "epochs": 1, "limit": -3},
        {"do": "train", "data": "digits", "epochs": 1, "limit": float("inf")},
        {"do": "train", "data": "digits", "epochs": 1},  # to be kept where no folder can be
    ):
        assert page.ask(**message)["refused"]
    assert page.ask(do="stop") is None and page.explorer.get_state() == before
    assert not caplog.records


def test_the_source_of_an_edited_network_runs():
    page = Heard(Explorer("small_resnet", width=1.5, resolution=32, edits=EDITED))
    file = page.ask(do="source")["file"]
    assert re.fullmatch(r"[\w.]+\.py", file["name"]) and file["mime"] == "text/x-python"
    module = types.ModuleType("source")
    exec(compile(file["text"], file["name"], "exec"), module.__dict__)
    *_, network = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == "source"]
    model = network().eval()
    assert numel(model) == page.explorer.cost.params
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, page.explorer.architecture.classes)
    assert all(ord(letter) < 128 for letter in file["name"])


def test_pins_come_and_go():
    explorer = Explorer("resnet")
    pins = [{"state": "resnet,d=2,w=1,r=224", "cost": {"macs": 8e9}}, {"state": "vgg,d=1,w=1,r=224"}]
    explorer.set_state({"pins": pins})
    assert explorer.pins == pins and explorer.get_state()["pins"] == pins
    explorer.pins = pins[:1]
    assert explorer.pins == pins[:1] and explorer.state == "resnet,d=1,w=1,r=224"


# Many messages, and many at once.


def draw_edits(dice: random.Random) -> dict[str, Any]:
    values: dict[str, list[Any]] = {
        **{"block": [*BLOCKS, "dense", 3], "depth": [1, 2, 3, 0, 2.5, "3", None], "width": [8, 16, 64, 10**9]},
        **{"kernel": [1, 3, 5, 4, 33], "expand": [1, 2, 2.5, 70], "se": [0, 0.25, 1 / 3, 2, True]},
    }
    found: dict[str, Any] = {}
    for number in dice.sample(range(1, 9), dice.randint(0, 2)):
        fields = {field: dice.choice(values[field]) for field in dice.sample(FIELDS, dice.randint(0, 2))}
        found[dice.choice(["x", "0", "²"]) if dice.random() < 0.05 else str(number)] = fields
    return found if dice.random() < 0.97 else {"1": 5}


def draw_message(dice: random.Random, explorer: cl.Explorer) -> dict[str, Any]:
    """A message of a page: of every kind, right or wrong."""
    keys = ["efficientnet", "resnet", "small_resnet", "cifar_resnet", "mobilenet_v3", "vgg", "resnet101", "nope"]
    odd: list[Any] = [9, -1, float("nan"), 0.33, "2", None, [1], True, 1e300, 225]

    def slider(knob: str) -> Any:
        return dice.choice(odd) if dice.random() < 0.15 else dice.choice(explorer._lattice[knob])

    sliders = {knob: slider(knob) for knob in dice.sample(STEPS, dice.randint(1, 3))}
    edits = draw_edits(dice)
    text = [f"{n}.{field}={value}" for n, c in edits.items() if isinstance(c, dict) for field, value in c.items()]
    return dice.choice([
        *[sliders] * 4,
        *[{"do": "go", "id": ",".join([dice.choice(keys), *text])}] * 3,
        *[{"do": "set", "id": explorer._lattice["id"], "as": "page.1", **sliders}] * 4,
        {"family": dice.choice([*keys, 3])} | dice.choice([{}, sliders, {"edits": edits}]),
        {"edits": edits},
        {"edits": edits} | sliders,
        {"budgets": dice.choice([{}, {"macs": 1e9}, {"macs": -1}, {"x": 1}, {"params": "a"}, 5])} | sliders,
        {"coefficients": dice.choice([[1.2, 1.1, 1.3], [9, 1, 1], [1, 2], ["a", 1, 1], [True, 1, 1], None])},
        {"data": dice.choice([*SOURCES, "mnist", 3])},
        {"against": dice.choice([*ALL_KINDS, "latency", "flops", None])},
        {"do": dice.choice(["stop", "dance"])},
    ])  # fmt: skip


def test_a_thousand_messages(caplog):
    dice, page = random.Random(6), Heard(cl.Explorer("efficientnet"))
    explorer, refused = page.explorer, 0
    with caplog.at_level(logging.WARNING):
        for step in range(1000):
            message = draw_message(dice, explorer)
            before = explorer.state, explorer.data, explorer.against, explorer.budgets
            try:
                answer = page.ask(**message) if "do" in message else explorer.set_state(message)
            except (ValueError, TypeError, traitlets.TraitError):
                refused += 1
                assert (explorer.state, explorer.data, explorer.against, explorer.budgets) == before, message
            else:
                refused += answer is not None
            consistent(explorer)
            if step % 20 == 0:
                again = cl.Explorer.from_state(explorer.state, points=[])
                arch = replace(explorer.architecture, classes=again.architecture.classes)
                assert again.state == explorer.state and again.cost == arch.cost()
    assert 200 < refused < 800 and not caplog.records, caplog.records[:1]


def on_threads(work: Callable[[random.Random, int], None], many: int = 6) -> None:
    """Do it on several threads at once, each with dice of its own; none may fail or hang."""
    errors: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            work(random.Random(number), number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(number,), daemon=True) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors, errors
    assert not any(thread.is_alive() for thread in threads)


def test_messages_on_many_threads():
    explorer = cl.Explorer("efficientnet")
    page = Heard(explorer)
    keys = ["efficientnet", "resnet", "small_resnet", "cifar_resnet"]

    def work(dice: random.Random, number: int) -> None:
        for _ in range(40):
            sliders = {knob: dice.choice(family("resnet").header[knob]) for knob in STEPS}
            try:
                match dice.randrange(8):
                    case 0:
                        explorer.set_state({"family": dice.choice(keys), **sliders})
                    case 1:
                        explorer.depth = sliders["depth"]
                    case 2:
                        explorer.go(dice.choice(keys) + dice.choice(["", ",1.depth=3"]))
                    case 3:
                        explorer.set_state({"edits": dice.choice([{}, {"2": {"width": 64}}])})
                    case 4:
                        explorer.against = dice.choice(["macs", "fvcore", "training", "latency"])
                    case 5:
                        explorer.data = dice.choice(list(SOURCES))
                    case 6:
                        explorer.add(f"mine {number}", 50, explorer.architecture)
                    case 7:
                        explorer.set_state({"depth": 99.0})
            except ValueError:  # not on the sliders of the family that another thread has chosen
                pass
            assert explorer.architecture.cost().macs > 0 and states.read(explorer.state)

    on_threads(work)
    consistent(explorer)
    assert explorer._lattice["id"] == ",".join([explorer.family, *words(explorer.edits)]) and not page.said


def test_what_python_sets_is_not_lost_beside_messages():
    """traitlets holds back all changes while it takes a message, and drops them when the message is refused."""
    explorer, busy = Explorer("resnet"), threading.Event()

    def work(dice: random.Random, number: int) -> None:
        try:
            for step in range(60 if number == 0 else 0):
                explorer.data, explorer.against = ("imagenet", "macs") if step % 2 else ("glyphs", "params")
                assert explorer._evidence["source"] == explorer.data
        finally:
            if number == 0:
                busy.set()
        while not busy.is_set():
            with pytest.raises(ValueError, match="depth=99"):
                explorer.set_state({"depth": 99.0, "budgets": {"macs": 1e9}})

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        on_threads(work, 3)
    finally:
        sys.setswitchinterval(switching)
    consistent(explorer)
