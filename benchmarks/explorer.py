"""One slider step to changed pixels: the Explorer beside `interact` with matplotlib, and beside a bare anywidget.

Each runs alone in a real JupyterLab under headless Chromium. A step is one real arrow key on the slider that has the
focus; its time starts with the key's own time stamp, and a step that does not change the view is an error.

It ends with the first frame in which the plot looks as it then stays. The screencast of Chromium's DevTools hands over
each frame's pixels and the time at which it is due on the screen. This costs all three a little, so other steps are
timed without it, "in page": up to the start of the first frame after the one that paints the change. (MutationObserver
sees the change, a picture has loaded, ResizeObserver is called in the frame that paints, requestAnimationFrame in the
next.) That clock is coarser: it knows nothing of drawing, and it waits for whatever else the page does.
"""

from __future__ import annotations

import base64
import io
import itertools
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Browser, Error, Page

from tests.browser import lab as labs

WARM_UP, STEPS = 10, 80  # of each kind
SPAN = 14  # steps to the right, then as many to the left: the compound coefficient has 15 positions
REST_MS = 150, 300  # after each step, at random, so that keys fall anywhere between two frames
LIMIT_MS = 10_000

# The others do without cnnlab, whose imports would lengthen the garbage collections of interact's kernel.
EXPLORER = "import cnnlab as cl\ncl.Explorer('efficientnet')"
INTERACT = """
import ipywidgets, matplotlib.pyplot as plt, numpy as np
x, y = np.random.default_rng(0).uniform([[7.6], [57]], [[10.6], [86]], (2, 90))
def draw(value):
    plt.figure(figsize=(7, 4))
    plt.scatter(10**x, y, s=20)
    plt.xscale("log")
    plt.axvline(10 ** (7.6 + 0.03 * value))
    plt.show()
ipywidgets.interact(draw, value=ipywidgets.IntSlider(0, 0, 100));
"""
ECHO = '''
import anywidget, traitlets
class Echo(anywidget.AnyWidget):
    _esm = """
    function render({ model, el }) {
        el.innerHTML = '<input type="range" min="0" max="100" value="0"> <output>0</output>';
        const [input, output] = el.children;
        input.addEventListener("input", () => { model.set("value", Number(input.value)); model.save_changes(); });
        model.on("change:echo", () => { output.textContent = model.get("echo"); });
    }
    export default { render };"""
    value, echo = traitlets.Int().tag(sync=True), traitlets.Int().tag(sync=True)
    @traitlets.observe("value")
    def _answer(self, change):
        self.echo = change["new"]
Echo()
'''
WATCH = """([view, parts, limit]) => {
    const box = document.querySelector(view);
    const look = () => parts.map(([query, name]) => {
        const node = box.querySelector(query);
        return node && (name ? node.getAttribute(name) : node.textContent);
    });
    const loaded = (image) => image.complete || new Promise((done) => image.addEventListener("load", done));
    let [before, start] = [look(), 0];
    window.oneStep = new Promise((done, fail) => {
        const observer = new MutationObserver(async () => {
            if (!start || !look().every((now, i) => now && now !== before[i])) return;
            observer.disconnect();
            await Promise.all([...box.querySelectorAll("img")].map(loaded));
            const painting = new ResizeObserver(() => {
                painting.disconnect();
                requestAnimationFrame(() => done([performance.now() - start, performance.timeOrigin + start]));
            });
            painting.observe(document.body);
        });
        observer.observe(box, { subtree: true, childList: true, characterData: true, attributes: true });
        setTimeout(() => {
            observer.disconnect();
            fail(new Error(start ? `no change within ${limit} ms of the key` : "the key did not reach the page"));
        }, limit);
    });
    addEventListener("keydown", (event) => { start = event.timeStamp; }, { capture: true, once: true });
}"""


@dataclass(frozen=True)
class Subject:
    """A notebook's one cell, and where on its page things are, as CSS: the slider and the view; within the view,
    the plot whose pixels count, and all that every step must change (an attribute, or None for the text)."""

    name: str
    cell: str
    slider: str
    view: str
    plot: str
    parts: tuple[tuple[str, str | None], ...]


READOUTS = (('[data-readout="macs"]', None), ('[data-readout="state"]', None), ('[data-mark="here"]', "x1"))
SUBJECTS = (
    Subject("Explorer", EXPLORER, '[data-slider="phi"]', ".cnnlab", ".cnnlab-plot svg", READOUTS),
    Subject("interact + inline matplotlib", INTERACT, ".noUi-handle", ".widget-interact", "img", (("img", "src"),)),
    Subject("bare anywidget, echoed", ECHO, "input[type=range]", ".jp-OutputArea", "output", (("output", None),)),
)


def step(page: Page, subject: Subject, key: str) -> tuple[float, float]:
    """Press the key and rest; the milliseconds "in page", and when the key came (milliseconds since 1970)."""
    page.evaluate(WATCH, [subject.view, subject.parts, LIMIT_MS])
    page.keyboard.press(key)
    try:
        milliseconds, began = page.evaluate("() => window.oneStep")
    except Error as error:
        raise RuntimeError(f"{subject.name}, {key}: {error}") from None
    page.wait_for_timeout(random.uniform(*REST_MS))
    return milliseconds, began


def in_frames(page: Page, subject: Subject, keys: Iterator[str]) -> Iterator[tuple[float, float]]:
    """Of each step: the milliseconds "in page", and those to the frame that shows what then stays."""
    session, frames = page.context.new_cdp_session(page), []

    def keep(frame: dict[str, Any]) -> None:
        frames.append((frame["metadata"]["timestamp"] * 1e3, frame["data"]))
        session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    def pixels(png: str) -> bytes:
        picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
        if not (box["x"] + box["width"] <= picture.width and box["y"] + box["height"] <= picture.height):
            raise RuntimeError(f"{subject.name}: its plot is not wholly on the screen; make the window larger")
        return picture.crop((box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])).tobytes()

    session.on("Page.screencastFrame", keep)
    session.send("Page.startScreencast", {"format": "png"})
    for _ in range(WARM_UP):
        step(page, subject, next(keys))
    for _ in range(STEPS):
        box: Any = page.locator(subject.view).locator(subject.plot).first.bounding_box()
        before = pixels(max(frames)[1])
        frames.clear()
        milliseconds, began = step(page, subject, next(keys))
        seen = [(at, pixels(png)) for at, png in sorted(frames)]
        if not seen or seen[-1][1] == before:
            raise RuntimeError(f"{subject.name}: a step changed the page but no pixel of its plot")
        yield milliseconds, next(at for at, each in seen if each == seen[-1][1]) - began
    session.detach()


def measured(browser: Browser, lab: labs.Lab, notebook: str, subject: Subject) -> dict[str, Any]:
    """This subject's row of the table."""
    page = labs.open_notebook(browser, lab, notebook)
    labs.run_all(page)
    page.wait_for_selector(f"{subject.view} {subject.plot}")
    slider = page.locator(subject.slider).first
    slider.evaluate("(node) => { node.dataset.lmSuppressShortcuts = true; }")  # or JupyterLab takes the arrow keys
    slider.focus()
    keys = itertools.cycle(["ArrowRight"] * SPAN + ["ArrowLeft"] * SPAN)
    undisturbed = [step(page, subject, next(keys))[0] for _ in range(WARM_UP + STEPS)][WARM_UP:]
    page_ms, frame_ms = np.transpose(list(in_frames(page, subject, keys)))
    page.close()
    row: dict[str, Any] = {"what": subject.name}
    row["p50 ms"], row["p95 ms"] = np.percentile(frame_ms, [50, 95])
    row["in page: p50"], row["p95"] = np.percentile(undisturbed, [50, 95])
    return row | {"frame - page": np.median(frame_ms - page_ms)}


def main() -> None:
    """Print each subject's percentiles and their ratios to the Explorer's."""
    random.seed(0)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        notebooks, home = Path(folder, "notebooks"), Path(folder, "home")
        notebooks.mkdir()
        for i, subject in enumerate(SUBJECTS):
            labs.write_notebook(notebooks / f"{i}.ipynb", subject.cell)
        with labs.running_lab(notebooks, home) as lab, labs.chromium() as browser:
            frame = pd.DataFrame([measured(browser, lab, f"{i}.ipynb", each) for i, each in enumerate(SUBJECTS)])
    for at, name in ((3, "p50 ms"), (4, "p95 ms")):
        frame.insert(at, f"x Explorer, {name[:3]}", frame[name] / frame[name][0])
    print(frame.to_string(index=False, float_format="{:.1f}".format))
    print(
        f"one arrow key to the first frame with it, {STEPS} steps; in page: to the frame after the one that paints "
        f"it, {STEPS} others without screencast; frame - page: median over the same steps; load before: {load:.1f}"
    )


if __name__ == "__main__":
    main()
