"""Train this, Stop, and latency: in a process beside the notebook, which stays usable; nothing is left running."""

import re

import psutil
import pytest

from cnnlab.run.store import Store
from tests.browser import lab as labs
from tests.browser.explorer_page import (
    CELLS,
    check,
    choose,
    control,
    enter,
    no_problems,
    open_section,
    points,
    press,
    run,
    show,
    slider,
    wait_state,
)
from tests.browser.explorer_page import network as made

pytestmark = pytest.mark.browser

SMALL = "cl.Explorer('small_plain', depth=0.2, width=0.5, resolution=16, data='glyphs', store={!r})"
TRAIN_MS = 90_000


def helpers(pid):
    """The processes that a kernel has started and that still run; Python's own tracker of resources is none."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [each for each in children if alive(each) and "resource_tracker" not in " ".join(each.cmdline())]


def alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def wait_status(view, pattern):
    """Until the status of the training is this, from its beginning."""
    status = view.locator('[data-readout="training"]')
    view.locator('[data-readout="training"]', has_text=re.compile(pattern)).wait_for(timeout=TRAIN_MS)
    return status.text_content()


def wait_gone(page, pid):
    for _ in range(50):
        if not helpers(pid):
            return
        page.wait_for_timeout(100)
    raise AssertionError([each.cmdline() for each in helpers(pid)])


def begin(view, epochs, images):
    open_section(view, "training")
    choose(view, "train-data", "glyphs")
    enter(view, "epochs", epochs)
    enter(view, "images-at-most", images)
    press(view, "train")


def test_training_beside_the_notebook(page, tmp_path):
    """A curve grows, the notebook stays usable, the point appears; its row is in the store."""
    store = str(tmp_path / "own.sqlite")
    view = show(page, SMALL.format(store))
    network = check(view)["state"]
    before = [p for p in points(view) if p["kind"] == "yours"]
    begin(view, "3", "800")
    assert view.locator('[data-button="train"]').is_disabled()
    wait_status(view, "preparing|running")
    slider(view, "width").focus()
    page.keyboard.press("ArrowRight")
    moved = check(view)["state"]
    assert moved != network
    assert run(page, "print(6 * 7, explorer.state)") == f"42 {moved}", "the kernel answers while it trains"
    view.locator('[data-view="curve"]').wait_for(timeout=TRAIN_MS)
    assert view.locator('[data-button="stop"]').is_enabled() or wait_status(view, "done")
    said = wait_status(view, "done")
    accuracy = float(re.search(r"The test accuracy is ([\d.]+) %", said)[1])
    assert said.startswith(f"done, {network}: ") and said.endswith(" It is on the plot.")
    assert view.locator('[data-readout="epochs"]').text_content() == "3 of 3 epochs"
    curve = view.locator('[data-view="curve"]')
    assert re.match(
        "accuracy over epochs, after epoch 3 of 3: validation [0-9.]+ %, training [0-9.]+ %",
        curve.get_attribute("aria-label"),
    )
    yours = [p for p in points(view) if p["kind"] == "yours"]
    assert not before and len(yours) == 1 and abs(yours[0]["accuracy"] - accuracy) < 0.051
    with Store(store) as book:
        (row,) = book.frame().to_dict("records")
    cost = made(network, "glyphs").cost()
    assert (row["macs"], row["params"], row["epochs"]) == (cost.macs, cost.params, 3)
    assert (yours[0]["cost"], yours[0]["accuracy"]) == (cost.macs, pytest.approx(row["accuracy"], abs=0.001))
    assert run(page, "print(explorer.training['state'], len(explorer.training['epochs']))") == "done 3"
    press(view, "undo")
    wait_state(view, re.escape(network) + "$")
    shown = check(view)
    assert shown["rings"] == 1 and f"{yours[0]['accuracy']:g} %" in shown["accuracy"][0]
    again = show(page, SMALL.format(store))  # the store's rows are points from the start
    assert [p["accuracy"] for p in points(again) if p["kind"] == "yours"] == [yours[0]["accuracy"]]
    wait_gone(page, int(run(page, "import os\nprint(os.getpid())")))
    no_problems(page)


def test_stop(page, tmp_path):
    view = show(page, SMALL.format(str(tmp_path / "own.sqlite")))
    pid = int(run(page, "import os\nprint(os.getpid())"))
    begin(view, "900", "600")
    wait_status(view, "running, .*: Training: [1-9]")
    assert helpers(pid)
    stop = view.locator('[data-button="stop"]')
    stop.focus()
    page.keyboard.press("Enter")
    said = wait_status(view, "stopped")
    assert re.search(r"Stopped after \d+ of 900 epochs\.", said)
    wait_gone(page, pid)
    assert view.locator('[data-button="train"]').is_enabled() and stop.is_disabled()
    assert not [p for p in points(view) if p["kind"] == "yours"]
    check(view)
    no_problems(page)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("epochs", "0", "epochs: 0: it must be a whole number from 1 to 1000."),
        ("epochs", "", "epochs: nothing: it must be a whole number from 1 to 1000."),
        ("epochs", "2.5", "epochs: 2.5: it must be a whole number from 1 to 1000."),
        ("images-at-most", "0", "images at most: 0: it must be a whole number of at least 1."),
    ],
)
def test_what_cannot_be_trained_is_told(view, name, text, words):
    open_section(view, "training")
    enter(view, "epochs", "2")
    enter(view, "images-at-most", "600")
    enter(view, name, text)
    press(view, "train")
    assert wait_status(view, re.escape(words)) == words
    assert control(view, name).evaluate("(el) => el === document.activeElement")
    assert run(view.page, "print(explorer.training)") == "{}"


def test_latency_on_demand(page):
    view = show(page, "cl.Explorer('small_resnet', data='glyphs', against='latency')")
    shown = check(view)
    assert shown["axis"] == "not measured" and points(view) == []
    open_section(view, "training")
    press(view, "latency")
    told = view.locator('[data-readout="latency"]', has_text=re.compile(r"ms for one image \(quartiles"))
    told.wait_for(timeout=TRAIN_MS)
    median = float(re.match(r"([\d.]+) ms", told.text_content())[1])
    said = run(page, "print(explorer._latencies[explorer.network]['median'] * 1000)")
    assert median == pytest.approx(float(said), rel=0.006)
    shown = check(view)
    assert shown["axis"] == f"{median:g} ms"
    assert view.locator('[data-mark="here"]').get_attribute("visibility") == "visible"
    assert [p["cost"] for p in points(view)] == [median]  # the one point that is this network
    press(view, "pin")
    slider(view, "width").focus()
    page.keyboard.press("ArrowRight")
    assert check(view)["axis"] == "not measured"
    assert f"{median:g} ms" in view.locator('tr[data-figure="latency"]').text_content()
    no_problems(page)


def test_closing_the_notebook_ends_its_training(browser, lab):
    labs.write_notebook(lab.folder / "closing.ipynb", *CELLS)
    page = labs.open_notebook(browser, lab, "closing.ipynb")
    pid = int(run(page, "import os\nimport cnnlab as cl\nprint(os.getpid())"))
    view = show(page, SMALL.format(str(lab.folder / "closing.sqlite")))
    begin(view, "900", "600")
    wait_status(view, "running, .*: Training: [1-9]")
    kernel = psutil.Process(pid)
    started = helpers(pid)
    assert started
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^File$")).click()
    page.locator('.lm-Menu-item[data-command="filemenu:close-and-cleanup"]').click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    for _ in range(150):
        if not alive_or_gone(kernel) and not any(map(alive_or_gone, started)):
            break
        page.wait_for_timeout(100)
    assert not alive_or_gone(kernel) and not any(map(alive_or_gone, started))
    page.close()


def alive_or_gone(process):
    try:
        return alive(process)
    except psutil.NoSuchProcess:
        return False
