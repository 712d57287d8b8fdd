"""Two clocks for what a person does on a page: one in the page, one that looks at the frames that Chromium shows."""

from __future__ import annotations

import base64
import io
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from PIL import Image
from playwright.sync_api import Error, Page

from benchmarks.explorer_subjects import Subject

REST_MS = 150, 300  # after each step, at random, so that keys fall anywhere between two frames
LIMIT_MS = 10_000
WATCH = """([view, parts, event, limit]) => {
    const box = document.querySelector(view);
    const look = () => parts.map(([query, name]) => {
        const node = box.querySelector(query);
        if (name === "") return node && node.textContent ? node : null;
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
            fail(new Error(start ? `no change within ${limit} ms` : `no ${event} reached the page`));
        }, limit);
    });
    addEventListener(event, (happened) => { start = happened.timeStamp; }, { capture: true, once: true });
}"""

Act = Callable[[], object]


def timed(
    page: Page, subject: Subject, act: Act, *, event: str = "keydown", limit: int = LIMIT_MS
) -> tuple[float, float]:
    """Do this and rest; the milliseconds "in page", and when the event came (milliseconds since 1970)."""
    page.evaluate(WATCH, [subject.view, subject.parts, event, limit])
    act()
    try:
        milliseconds, began = page.evaluate("() => window.oneStep")
    except Error as error:
        raise RuntimeError(f"{subject.name}: {error}") from None
    page.wait_for_timeout(random.uniform(*REST_MS))
    return milliseconds, began


def in_frames(
    page: Page, subject: Subject, acts: Iterable[Act], *, event: str = "keydown"
) -> Iterator[tuple[float, float]]:
    """Of each act: the milliseconds "in page", and those to the first frame that shows the plot as it then stays."""
    session, frames = page.context.new_cdp_session(page), []

    def keep(frame: dict[str, Any]) -> None:
        frames.append((frame["metadata"]["timestamp"] * 1e3, frame["data"]))
        session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    def pixels(png: str) -> bytes:
        picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
        if not (box["x"] + box["width"] <= picture.width and box["y"] + box["height"] <= picture.height):
            raise RuntimeError(f"{subject.name}: its plot is not wholly on the screen; make the window larger")
        return picture.crop((box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])).tobytes()

    def ordered() -> list[tuple[float, bytes]]:
        """The frames so far. Two may be due at the same time; the one that came later then is the later one."""
        return [(at, pixels(png)) for at, png in sorted(frames, key=lambda frame: frame[0])]

    session.on("Page.screencastFrame", keep)
    session.send("Page.startScreencast", {"format": "png"})
    page.wait_for_timeout(500)
    for act in acts:
        box: Any = page.locator(subject.view).locator(subject.plot).first.bounding_box()
        before = ordered()[-1][1]
        frames.clear()
        milliseconds, began = timed(page, subject, act, event=event)
        until = time.monotonic() + LIMIT_MS / 1e3
        while not (seen := ordered()) or seen[-1][1] == before:  # frames come with a delay
            if time.monotonic() > until:
                raise RuntimeError(
                    f"{subject.name}: a step changed the page, but its plot in none of {len(seen)} frames"
                )
            page.wait_for_timeout(50)
        yield milliseconds, next(at for at, each in seen if each == seen[-1][1]) - began
    session.send("Page.stopScreencast")
    session.remove_listener("Page.screencastFrame", keep)  # a late frame would ask a closed page for the next
    session.detach()
