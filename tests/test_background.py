"""Background: what it trains is what `sweep` trains, told epoch by epoch; nothing that it begins is left."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest
import torch

import cnnlab as cl
from cnnlab.arch.architecture import Architecture, Stage
from cnnlab.arch.blocks import conv_stem, plain
from cnnlab.run.background import Background
from cnnlab.run.store import COLUMNS
from cnnlab.run.sweep import sole_writer, sweep
from cnnlab.run.trial import Trial
from tests import sweeping
from tests.sweeping import DEADLINE, outcome, rows, wait

QUICK = Trial("small_resnet", 0.5, 0.5, 8, "digits", limit=100, recipe=cl.Recipe(epochs=3, batch=50))
LONG = replace(QUICK, recipe=replace(QUICK.recipe, epochs=100_000))


class Heard:
    """All reports, which JSON must hold; the end of the last. then: what the last one begins."""

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self.told: list[dict[str, Any]] = []
        self.when: list[float] = []
        self.then = then
        self.over = threading.Event()

    def __call__(self, told: dict[str, Any]) -> None:
        assert not self.over.is_set() and threading.current_thread() is not threading.main_thread()
        self.when.append(time.perf_counter())
        self.told.append(json.loads(json.dumps(told, allow_nan=False)))
        if told["state"] in ("done", "stopped", "failed"):
            if self.then is not None:
                self.then()
            self.over.set()

    def last(self) -> dict[str, Any]:
        assert self.over.wait(DEADLINE), self.told
        return self.told[-1]

    def states(self) -> list[str]:
        """Each state once, in their order."""
        found = [told["state"] for told in self.told]
        return [state for state, before in zip(found, [None, *found], strict=False) if state != before]

    def running(self) -> None:
        wait(lambda: self.over.is_set() or (self.told and self.told[-1].get("epochs")), "an epoch")
        assert not self.over.is_set(), self.told[-1]["message"]


def workers(of: int | None = None) -> list[psutil.Process]:
    """The children of a process, but for the one in which Python keeps account of shared things."""
    found = psutil.Process(of).children(recursive=True)
    return [child for child in found if "spawn_main" in " ".join(child.cmdline())]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert not workers()


def test_a_training_is_that_of_sweep_told_epoch_by_epoch_and_done_once(tmp_path, capfd):
    path, again = tmp_path / "runs.sqlite", Heard()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with Background(threads=1) as background:
        heard = Heard(then=lambda: background.train(QUICK, path, again))
        asked = time.perf_counter()
        background.train(QUICK, str(path), heard)
        assert background.busy and time.perf_counter() - asked < 0.5
        done, stored = heard.last(), again.last()
        assert not background.busy
    assert heard.when[0] - asked < 0.5  # torch takes longer to start
    assert heard.states() == ["preparing", "running", "done"] and again.states() == ["preparing", "done"]
    assert len(again.told) == 2 and again.when[-1] < heard.when[-1] + 10
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")

    expected = sweep([QUICK], tmp_path / "here.sqlite", progress=False)
    kept = rows(path)
    frame = sweep([QUICK], path, progress=False)
    assert rows(path) == kept and outcome(frame) == outcome(expected)
    assert done["row"] == stored["row"] and done["row"].keys() == COLUMNS.keys()
    assert {name: done["row"][name] for name in COLUMNS} == frame.iloc[0].to_dict() | {"stopped": None}
    assert done["row"]["threads"] == 1 and done["row"]["history"] == done["epochs"] == stored["epochs"]

    lengths = [len(told["epochs"]) for told in heard.told]
    assert lengths == sorted(lengths) and set(lengths) == {0, 1, 2, 3}
    assert all(told["epochs"] == done["epochs"][: len(told["epochs"])] for told in heard.told)
    assert {told["name"] for told in heard.told} == {str(QUICK)} and {told["total"] for told in heard.told} == {3}
    assert "1 of 3 epochs are over" in " ".join(told["message"] for told in heard.told)
    assert f"{done['row']['accuracy']:.1f} %" in done["message"] == stored["message"]


def test_a_network_with_blocks_that_no_other_process_knows_and_two_at_once(tmp_path):
    """And one that diverges: it is done, and says why there is no accuracy."""
    times = 2
    own = sweeping.own(lambda x, width, stride=1: plain(x, times * width, stride))
    edited = replace(own, stages=(*own.stages, replace(own.stages[0], depth=2, width=12)))
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(edited)
    mine = Trial(edited, width=1.5, data="digits", limit=100, recipe=QUICK.recipe)
    wild = replace(QUICK, recipe=replace(QUICK.recipe, lr=1e30))
    one, two = Heard(), Heard()
    with Background(threads=1) as first, Background(threads=1) as second:
        first.train(mine, tmp_path / "one.sqlite", one)
        second.train(wild, tmp_path / "new" / "two.sqlite", two)
        wait(lambda: len(workers()) == 2 or one.over.is_set() or two.over.is_set(), "two processes")
        found, diverged = one.last(), two.last()
    assert found["state"] == "done", found["message"]
    both = sweep([mine, wild], tmp_path / "here.sqlite", progress=False)
    assert outcome(sweep([mine], tmp_path / "one.sqlite", progress=False)) == outcome(both[:1])
    assert outcome(sweep([wild], tmp_path / "new" / "two.sqlite", progress=False)) == outcome(both[1:])
    assert diverged["state"] == "done" and diverged["row"]["accuracy"] is None and diverged["epochs"] == []
    assert diverged["message"].startswith("Training broke off: the loss is not a number from epoch 1 on; try a smaller")


def test_stop_ends_it_at_once_and_the_next_may_begin_at_once(tmp_path):
    path, order = tmp_path / "runs.sqlite", []
    background = Background(threads=1)
    background.stop()  # nothing
    heard, timed = Heard(lambda: order.append("stopped")), Heard(lambda: order.append("timed"))
    background.train(LONG, path, heard)
    heard.running()
    with pytest.raises(RuntimeError, match="a job is running; wait for its last report, or call stop"):
        background.latency(QUICK.architecture, timed)
    began = time.perf_counter()
    background.stop()
    assert time.perf_counter() - began < 1 and not workers() and not background.busy
    background.latency(QUICK.architecture.graph().to_json(), timed)
    assert heard.last()["state"] == "stopped" and heard.when[-1] - began < 1
    assert heard.last()["message"] == f"Stopped after {len(heard.last()['epochs'])} of 100000 epochs."
    assert sorted(os.listdir(tmp_path)) in (["runs.sqlite"], ["runs.sqlite", "runs.sqlite-lock"]) and rows(path) == {}

    found = timed.last()
    assert found["state"] == "done" and order == ["stopped", "timed"]
    assert 0 < found["low"] <= found["median"] <= found["high"] < 1 and found["threads"] == 1
    assert found["name"] == QUICK.architecture.name and timed.states() == ["preparing", "running", "done"]
    assert f"half of {found['runs']:,} runs took" in found["message"]
    background.stop()
    background.close()
    with pytest.raises(RuntimeError, match="it is closed"):
        background.train(QUICK, path, timed)
    assert timed.told[-1] == found and sweep([], path, progress=False).empty


# ---- errors


def huge() -> Architecture:
    return Architecture("huge", Stage(conv_stem, 1, 8, 2), (Stage(plain, 1, 9_000_000),), resolution=8)


@pytest.fixture
def offline(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def test_what_goes_wrong_is_told_in_a_sentence(tmp_path, offline):
    cases = {
        "unknown": (replace(QUICK, data="no_such_data"), "load: name='no_such_data': name must be "),
        "pixels": (replace(QUICK, resolution=16), "load: resolution=16: resolution must be a whole number from 8 to 8"),
        "huge": (replace(QUICK, base=huge(), depth=1, width=1), "huge: its weights need "),
        "download": (replace(QUICK, data="cifar10"), "cifar10"),
        "text": (QUICK, "is not an SQLite file; it was left as it is: give the store another name"),
        "locked": (QUICK, "another sweep is writing to "),
    }
    (tmp_path / "text").write_text("no store")
    heard = {name: Heard() for name in cases}
    backgrounds = {name: Background(threads=1) for name in cases}
    with sole_writer(str(tmp_path / "locked")):
        for name, (trial, _) in cases.items():
            backgrounds[name].train(trial, tmp_path / name, heard[name])
        for name, (_, said) in cases.items():
            last = heard[name].last()
            assert last["state"] == "failed" and last["epochs"] == [], last
            assert said in last["message"] and "\n" not in last["message"], last["message"]
    assert (tmp_path / "text").read_text() == "no store"
    assert all(rows(tmp_path / name) == {} for name in cases if name != "text")


def test_a_process_that_is_killed_and_a_graph_that_is_none(tmp_path):
    heard, graph, arrays = Heard(), Heard(), Heard()
    with Background(threads=1) as background:
        background.train(QUICK, tmp_path / "runs.sqlite", heard)
        wait(workers, "a process")[0].kill()
        assert (
            heard.last()["state"] == "failed"
            and "was killed by signal 9; the machine may be" in heard.last()["message"]
        )
        background.latency("{}", graph)
        assert graph.last()["state"] == "failed" and "this JSON is no graph" in graph.last()["message"]
        background.latency(cl.scaled(QUICK.architecture, width=torch.ones(2).numpy()), arrays)
        assert arrays.last()["state"] == "failed" and "holds arrays" in arrays.last()["message"]


def test_a_report_that_fails_ends_the_job(tmp_path, monkeypatch):
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda said: seen.append(said.exc_value))

    def report(told: dict[str, Any]) -> None:
        raise LookupError(told["state"])

    background = Background()
    background.train(QUICK, tmp_path / "runs.sqlite", report)
    wait(lambda: seen, "the error")
    assert str(seen[0]) == "preparing" and not background.busy and not workers()


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (
            lambda b: b.train("small_resnet", "runs.sqlite", print),
            TypeError,
            "trial='small_resnet': trial must be a Trial",
        ),
        (lambda b: b.train(QUICK, ":memory:", print), ValueError, "store=':memory:': .* give the name of a file"),
        (
            lambda b: b.latency(3, print),
            TypeError,
            "network is a int; it must be an Architecture, a Graph, or its JSON",
        ),
        (lambda b: Background(threads=0), ValueError, "threads=0: threads must be"),
    ],
)
def test_what_cannot_begin_is_refused_at_once(ask, error, said):
    with Background() as background, pytest.raises(error, match=f"^Background: {said}"):
        ask(background)


# ---- ends


def test_collected_it_ends_its_process_and_says_no_more(tmp_path):
    background, heard = Background(), Heard()
    background.train(LONG, tmp_path / "runs.sqlite", heard)
    (child,) = wait(workers, "a process")
    told = len(heard.told)
    del background
    gc.collect()
    assert not child.is_running() and len(heard.told) == told


PARENT = """
import multiprocessing, os, sys, time
import cnnlab as cl
from cnnlab.run.background import Background

def main():
    way, store = sys.argv[1:]
    background, reports = Background(threads=1), []
    if way == "killed":
        trial = cl.Trial("small_plain", 0.5, 0.5, 8, "digits", limit=100, recipe=cl.Recipe(epochs=100_000))
        background.train(trial, store, reports.append)
        while not (reports and reports[-1]["epochs"]):
            assert not reports or reports[-1]["state"] in ("preparing", "running"), reports[-1]
            time.sleep(0.01)
    else:
        background.latency(cl.architecture("resnet18"), reports.append)
        while not multiprocessing.active_children():
            time.sleep(0.01)
    if way == "forked" and not os.fork():
        time.sleep(1000)  # holds every pipe of its parent open
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    if way != "exit":
        time.sleep(1000)

if __name__ == "__main__":
    main()
"""


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # dead, and nobody has asked for its status yet
    except psutil.NoSuchProcess:
        return False


def test_no_process_outlives_the_one_that_began_it(tmp_path):
    """At its own end, killed, and killed when the process has just begun and a forked one holds all files open."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    begun = {}
    for way in ("exit", "killed", "forked"):
        words = [sys.executable, str(script), way, str(tmp_path / "runs.sqlite")]
        begun[way] = psutil.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for way, parent in begun.items():
        (pid,) = map(int, parent.stdout.readline().split())
        others = [child for child in parent.children() if child.pid != pid]
        if way == "exit":
            assert parent.wait(DEADLINE) == 0 and parent.stderr.read() == ""
        else:
            parent.kill()
        began = time.monotonic()
        wait(lambda pid=pid: not runs(pid), f"the end of process {pid}, {way}")
        assert time.monotonic() - began < 20
        for child in others:
            if child.is_running():
                child.kill()
        parent.wait(DEADLINE)
