"""One slider step to changed pixels: the Explorer beside `interact` with matplotlib and beside a bare anywidget.

Each runs in a notebook of its own in a real JupyterLab under headless Chromium. A step is one real arrow key on the
slider that has the focus. Its time runs from the key's own time stamp to the start of the first frame after the one
that paints the change, which is when a screen can show it: MutationObserver sees the change, a picture is decoded,
ResizeObserver is called in the frame that paints, requestAnimationFrame in the next. (The usual two
requestAnimationFrames say the same of a change between frames, but one frame too much of a change within one.)
Then, apart from the timing, some steps more are looked at in real frames (the screencast of Chromium's DevTools): the
pixels must change, and the column "frames" says when they did.
"""

from __future__ import annotations

import base64
import io
import itertools
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageChops
from playwright.sync_api import Browser, Page

from tests.browser import lab as labs

WARM_UP, STEPS, LOOKS = 10, 100, 15
SPAN = 14  # steps to the right before as many to the left: the Explorer's compound coefficient has 15 positions
REST_MS = 150, 300  # between steps, at random, so that keys fall anywhere between two frames
STEP_MS = 10_000

EXPLORER = "import cnnlab as cl\ncl.Explorer('efficientnet')"
INTERACT = """
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from cnnlab.show.points import published_points
points = published_points()
x, y = [p["macs"] for p in points], [p["accuracy"] for p in points]
def draw(value):
    plt.figure(figsize=(7, 4))
    plt.scatter(x, y, s=20)
    plt.xscale("log")
    plt.axvline(np.geomspace(min(x), max(x), 101)[value])
    plt.show()
ipywidgets.interact(draw, value=ipywidgets.IntSlider(0, 0, 100));
"""
ECHO = '''
import anywidget, traitlets
class Echo(anywidget.AnyWidget):
    _esm = """
    function render({ model, el }) {
        el.innerHTML = '<input type="range" min="0" max="100" value="0" class="echo-slider"> <output>0</output>';
        const [input, , output] = el.childNodes;
        input.addEventListener("input", () => { model.set("value", Number(input.value)); model.save_changes(); });
        model.on("change:echo", () => { output.textContent = model.get("echo"); });
    }
    export default { render };
    """
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
    const before = look();
    window.oneStep = new Promise((done, fail) => {
        let start = 0;
        const late = setTimeout(() => {
            observer.disconnect();
            fail(new Error(start ? `nothing changed within ${limit} ms of the key` : "no key arrived in the page"));
        }, limit);
        addEventListener("keydown", (event) => { start = event.timeStamp; }, { capture: true, once: true });
        const observer = new MutationObserver(async () => {
            if (!start || !look().every((now, i) => now && now !== before[i])) return;
            observer.disconnect();
            clearTimeout(late);
            const dom = performance.now() - start;
            await Promise.all([...box.querySelectorAll("img")].map((image) => image.decode()));
            const dec = performance.now() - start;
            const painting = new ResizeObserver(() => {
                painting.disconnect();
                const ro = performance.now() - start;
                requestAnimationFrame(() => {
                    const end = performance.now();
                    done({ ms: end - start, began: performance.timeOrigin + start, dom, dec, ro });
                });
            });
            painting.observe(document.body);
        });
        observer.observe(box, { subtree: true, childList: true, characterData: true, attributes: true });
    });
}"""


@dataclass(frozen=True)
class Subject:
    """A notebook's one cell; the slider on its page; the element to watch and, in it, all that a step must change."""

    name: str
    cell: str
    slider: str
    view: str
    parts: tuple[tuple[str, str | None], ...]  # CSS and an attribute, or None for the text; the first is looked at


SUBJECTS = (
    Subject(
        "Explorer",
        EXPLORER,
        '[data-slider="phi"]',
        ".cnnlab",
        (('[data-readout="macs"]', None), ('[data-mark="here"]', "x1"), ('[data-readout="state"]', None)),
    ),
    Subject("interact + inline matplotlib", INTERACT, ".noUi-handle", ".widget-interact", (("img", "src"),)),
    Subject("bare anywidget, one kernel round trip", ECHO, ".echo-slider", ".jp-OutputArea", (("output", None),)),
)


def stepped(page: Page, subject: Subject, key: str) -> dict[str, float]:
    """Press the key once, wait until the view has changed, rest; return what the page measured."""
    page.evaluate(WATCH, [subject.view, subject.parts, STEP_MS])
    page.keyboard.press(key)
    measured: dict[str, float] = page.evaluate("() => window.oneStep")
    page.wait_for_timeout(random.uniform(*REST_MS))
    return measured


class Frames:
    """The frames that Chromium shows of this page, each with its time."""
    def __init__(self, page):
        self.frames = []
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.on("Page.screencastFrame", self.keep)
        self.cdp.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})

    def keep(self, event):
        self.frames.append((event["metadata"]["timestamp"] * 1e3, event["data"], event["metadata"]))
        self.cdp.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})


def main() -> None:
    random.seed(0)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        notebooks = Path(folder) / "notebooks"
        home.mkdir(); notebooks.mkdir()
        for i, s in enumerate(SUBJECTS):
            labs.write_notebook(notebooks / f"{i}.ipynb", s.cell)
        with labs.running_lab(notebooks, home) as lab, labs.chromium() as browser:
            for i, s in enumerate(SUBJECTS):
                page = labs.open_notebook(browser, lab, f"{i}.ipynb")
                labs.run_all(page)
                page.wait_for_selector(s.slider)
                slider = page.locator(s.slider)
                slider.evaluate("(node) => node.setAttribute('data-lm-suppress-shortcuts', 'true')")
                slider.focus()
                page.wait_for_timeout(1000)
                page.screenshot(path=f"/tmp/exb{i}.png")
                keys = itertools.cycle(["ArrowRight"] * SPAN + ["ArrowLeft"] * SPAN)
                rows = [stepped(page, s, next(keys)) for _ in range(WARM_UP + STEPS)][WARM_UP:]
                f = pd.DataFrame(rows)
                print(s.name); print(f[["dom", "dec", "ro", "ms"]].quantile([0.05, .5, .95]).round(1))
                fr = Frames(page)
                page.wait_for_timeout(500)
                for _ in range(LOOKS):
                    rect = page.locator(s.view).locator(s.parts[0][0]).first.bounding_box()
                    n = len(fr.frames)
                    m = stepped(page, s, next(keys))
                    page.wait_for_timeout(300)
                    def crop(d):
                        im = Image.open(io.BytesIO(base64.b64decode(d))).convert("RGB")
                        return im.crop((rect["x"], rect["y"], rect["x"]+rect["width"], rect["y"]+rect["height"])), im.size
                    b, size = crop(fr.frames[n-1][1])
                    out = []
                    for t, d, meta in fr.frames[n:]:
                        c, _ = crop(d)
                        out.append((round(t - m["began"], 1), ImageChops.difference(b, c).getbbox() is not None))
                    print(round(m["dom"],1), round(m["dec"],1), round(m["ro"],1), round(m["ms"],1), out, size)
                page.close()


if __name__ == "__main__":
    main()
