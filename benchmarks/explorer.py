"""One slider step to changed pixels: the Explorer, live and as a saved page, beside what a notebook has otherwise:
`interact` with matplotlib, a plotly FigureWidget, and a bare anywidget. Then the Explorer's first sight and families.

Each runs alone in a real JupyterLab (the saved page: as a file) under headless Chromium. A step is one real arrow key
on the slider that has the focus; its time starts with the key's own time stamp, and a step that does not change the
view is an error.

It ends with the first frame in which the plot looks as it then stays. The screencast of Chromium's DevTools hands over
each frame's pixels and the time at which it is due on the screen. This costs all of them a little, so other steps are
timed without it, "in page": up to the start of the first frame after the one that paints the change. (MutationObserver
sees the change, a picture has loaded, ResizeObserver is called in the frame that paints, requestAnimationFrame in the
next.) That clock is coarser: it knows nothing of drawing, and it waits for whatever else the page does.
"""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import Browser, Page

import cnnlab as cl
from benchmarks.explorer_clock import in_frames, timed
from benchmarks.explorer_subjects import EXPLORER, LIVE, RUN, SUBJECTS, Subject
from tests.browser import lab as labs

WARM_UP, STEPS = 10, 80  # of each kind
SPAN = 14  # steps to the right, then as many to the left: the compound coefficient has 15 positions
KERNELS, AGAIN = 5, 3  # kernels in which the Explorer's cell runs, and how often it does so once more in each
FAMILIES = 5  # others than the first that are chosen in each
IMPORT_MS = 120_000


def opened(browser: Browser, lab: labs.Lab, name: str, subject: Subject) -> Page:
    """A page on which the subject is to be seen; `name` is that of its file."""
    if subject.cell is None:
        saved = lab.folder / f"{name}.html"
        cl.Explorer("efficientnet").save_html(saved)
        page = labs.open_page(browser, saved)
    else:
        labs.write_notebook(lab.folder / f"{name}.ipynb", subject.cell)
        page = labs.open_notebook(browser, lab, f"{name}.ipynb")
        labs.run_all(page)
    page.wait_for_selector(f"{subject.view} {subject.plot}")
    return page


def measured(page: Page, subject: Subject) -> dict[str, Any]:
    """This subject's row of the first table."""
    slider = page.locator(subject.slider).first
    slider.evaluate("(node) => { node.dataset.lmSuppressShortcuts = true; }")  # or JupyterLab takes the arrow keys
    slider.focus()
    keys = itertools.cycle(["ArrowRight"] * SPAN + ["ArrowLeft"] * SPAN)
    presses = (partial(page.keyboard.press, key) for key in keys)
    undisturbed = [timed(page, subject, next(presses))[0] for _ in range(WARM_UP + STEPS)][WARM_UP:]
    steps = list(in_frames(page, subject, itertools.islice(presses, WARM_UP + STEPS)))[WARM_UP:]
    page_ms, frame_ms = np.transpose(steps)
    row: dict[str, Any] = {"what": subject.name}
    row["p50 ms"], row["p95 ms"] = np.percentile(frame_ms, [50, 95])
    row["in page: p50"], row["p95"] = np.percentile(undisturbed, [50, 95])
    return row | {"frame - page": np.median(frame_ms - page_ms)}


def sights(browser: Browser, lab: labs.Lab) -> Iterator[tuple[str, float]]:
    """What the Explorer does but once or rarely, each with its milliseconds: the rows of the second table."""
    for i in range(KERNELS):
        labs.write_notebook(lab.folder / f"again{i}.ipynb", EXPLORER)  # a notebook has a kernel of its own
        page = labs.open_notebook(browser, lab, f"again{i}.ipynb")
        for kind in ("run its cell, in a new kernel", *["run its cell again"] * AGAIN):
            page.locator(".jp-CodeCell .jp-InputArea-editor").first.click()
            page.keyboard.down("Control")
            yield kind, timed(page, RUN, partial(page.keyboard.press, "Enter"), limit=IMPORT_MS)[0]
            page.keyboard.up("Control")
            labs.wait_idle(page)
        choice = page.locator('.cnnlab [data-control="family"]').first
        shown, *all_families = choice.evaluate("(el) => [el.value, ...[...el.options].map((each) => each.value)]")
        others = random.sample([family for family in all_families if family != shown], FAMILIES)
        order = [*others, shown, *others, shown]
        acts = [partial(choice.select_option, family) for family in order]
        times = in_frames(page, LIVE, acts, event="change")
        for at, (_, milliseconds) in enumerate(times):
            yield f"another family, {'first time' if at < len(others) else 'again'}", milliseconds
        page.close()


def main() -> None:
    """Print each subject's percentiles and their ratios to the Explorer's; then the Explorer's rarer times."""
    random.seed(0)
    load = os.getloadavg()[0]
    rows = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        notebooks, home = Path(folder, "notebooks"), Path(folder, "home")
        notebooks.mkdir()
        with labs.running_lab(notebooks, home) as lab, labs.chromium() as browser:
            for i, subject in enumerate(SUBJECTS):
                page = opened(browser, lab, f"subject{i}", subject)
                rows.append(measured(page, subject))
                page.close()
            rare = pd.DataFrame(sights(browser, lab), columns=["the Explorer", "ms"])
    frame = pd.DataFrame(rows)
    for at, name in ((3, "p50 ms"), (4, "p95 ms")):
        frame.insert(at, f"x Explorer, {name[:3]}", frame[name] / frame[name][0])
    print(frame.to_string(index=False, float_format="{:.1f}".format))
    print(
        f"one arrow key to the first frame with it, {STEPS} steps; in page: to the frame after the one that paints "
        f"it, {STEPS} others without screencast; frame - page: median over the same steps; load before: {load:.1f}\n"
    )
    told = rare.groupby("the Explorer", sort=False)["ms"].agg(["count", "median", "max"]).reset_index()
    print(told.to_string(index=False, float_format="{:.0f}".format))
    print(
        "a cell: Ctrl+Enter to numbers on the page, in page (in a new kernel it imports cnnlab first); "
        "a family: its choice to the first frame in which the plot looks as it then stays"
    )


if __name__ == "__main__":
    main()
