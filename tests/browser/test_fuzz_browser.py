"""A thousand things that a hurried person might do, with real keys and mouse; then all numbers are right still."""

import os
import random

import pytest

from tests.browser.explorer_page import COUNTS, check, kernel_agrees, no_problems, number, read, show

pytestmark = pytest.mark.browser

STEPS, EVERY = 1000, 50
SEED = int(os.environ.get("FUZZ_SEED", "6"))

# One thing of a kind that can be seen and used, brought into sight: what it is and where.
FIND = """(root, [kind, share, option]) => {
    const queries = {
        slider: 'input[type="range"]', menu: "select", number: 'input[type="number"]', tick: 'input[type="checkbox"]',
        button: "button", summary: "summary", mark: '[data-point], .row, .column, .fall-line',
        plane: '[data-view="plane"]',
        filter: 'input[type="search"]',
    };
    const left_out = ["train", "latency", "source", "csv", "csv-points", "svg", "png"];
    const seen = (el) => el.checkVisibility({ visibilityProperty: true });
    const usable = (el) => seen(el) && !el.disabled && !left_out.includes(el.dataset.button);
    const all = [...root.querySelectorAll(queries[kind])].filter(usable);
    if (!all.length) return null;
    const el = all[Math.floor(share * all.length)];
    el.scrollIntoView({ block: "center" });
    if (kind !== "mark" || el.hasAttribute("tabindex")) el.focus({ preventScroll: true });
    const name = el.dataset.slider ?? el.dataset.control ?? el.dataset.button ?? el.textContent.slice(0, 30);
    if (kind === "menu" && option !== null) {
        const open = [...el.options].filter((each) => !each.hidden && !each.disabled);
        el.value = open[Math.floor(option * open.length)].value;
        for (const event of ["input", "change"]) el.dispatchEvent(new Event(event, { bubbles: true }));
    }
    const box = el.getBoundingClientRect();
    return { name, value: el.value ?? "", x: box.x, y: box.y, width: box.width, height: box.height };
}"""

# Several in one go, some in one frame: a slider, a menu or a tick, a button.
SCRIPTED = """async (root, numbers) => {
    const names = ["undo", "undo", "reset", "pin", "unpin", "goto-pin", "best", "undo-edits"];
    const tell = (el, ...events) => events.forEach((event) => el.dispatchEvent(new Event(event, { bubbles: true })));
    const one = (query, share) => {
        const all = [...root.querySelectorAll(query)].filter((el) => el.checkVisibility() && !el.disabled);
        return all[Math.floor(share * all.length)];
    };
    const did = (which, share, amount) => {
        if (which < 0.4) {
            const slider = one('input[type="range"]', share);
            slider.value = Number(slider.min) + amount * (slider.max - slider.min);
            tell(slider, "input", ...(amount < 0.7 ? ["change"] : []));
            return `${slider.dataset.slider}: ${slider.value}`;
        }
        if (which < 0.7) {
            const menu = one('select:not([data-control$=".block"]), input[type="checkbox"]', share);
            const open = [...(menu.options ?? [])].filter((each) => !each.hidden && !each.disabled);
            if (!open.length) menu.click();
            else {
                menu.value = open[Math.floor(amount * open.length)].value;
                tell(menu, "input", "change");
            }
            return `${menu.dataset.control}: ${open.length ? menu.value : menu.checked}`;
        }
        const name = names[Math.floor(amount * names.length)];
        const button = one(`[data-button="${name}"], [data-button^="back-"]`, share);
        if (button) button.click();
        return button ? button.dataset.button : `no ${name}`;
    };
    const done = [];
    while (numbers.length) {
        const three = numbers.splice(0, 3);
        done.push(`scripted ${did(...three)}`);
        if (three[2] < 0.4 || !numbers.length) await new Promise(requestAnimationFrame);
    }
    return done;
}"""
KINDS = {
    "slider": 30,
    "menu": 18,
    "number": 14,
    "tick": 7,
    "button": 14,
    "summary": 4,
    "mark": 8,
    "plane": 4,
    "filter": 1,
}
KEYS = ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown")
TYPED = (
    "1",
    "2",
    "3",
    "5",
    "7",
    "9",
    "24",
    "0.5",
    "0.25",
    "0",
    "-3",
    "",
    "64",
    "1000",
    "1e3",
    "e",
    "99999999999999",
    "4.5",
)
WORDS = ("conv", "stage2", "depthwise", "xyz", "norm act")


def step(view, rng):
    """One thing done; what it was."""
    page, keys = view.page, view.page.keyboard
    (kind,) = rng.choices(list(KINDS), KINDS.values())
    option = rng.random() if kind == "menu" and rng.random() < 0.6 else None
    found = view.evaluate(FIND, [kind, rng.random(), option])
    if found is None:
        return f"no {kind}"
    at = (found["x"] + rng.uniform(0.1, 0.9) * found["width"], found["y"] + rng.uniform(0.2, 0.8) * found["height"])
    did = "option"
    if kind == "slider" and rng.random() < 0.3:
        page.mouse.move(*at)
        page.mouse.down()
        for _ in range(rng.randint(1, 4)):
            page.mouse.move(found["x"] + rng.random() * found["width"], at[1])
        page.mouse.up()
        did = "dragged"
    elif kind in ("slider", "mark") or (kind == "menu" and option is None):
        if kind == "mark":
            page.mouse.move(*at)
        did = " ".join(rng.choices(KEYS, k=rng.randint(1, 3)))
        for key in did.split():
            keys.press(key)
    elif kind in ("number", "filter"):
        did = rng.choice(TYPED if kind == "number" else WORDS)
        keys.press("Control+a")
        keys.type(did) if did else keys.press("Delete")
        keys.press(rng.choice(("Enter", "Tab")))
    elif kind in ("tick", "button", "summary") and rng.random() < 0.4:
        did = "Space"
        keys.press(did)
    elif kind != "menu":
        did = "clicked"
        page.mouse.click(*at)
    return f"{kind} {found['name']}: {did}"


MIRROR = """cl.Explorer('efficientnet')
import ipywidgets
said = ipywidgets.Label()
def tell(change=None):
    try:
        said.value = f"{explorer.state} {explorer.cost}"
    except ValueError:
        said.value = "between two networks"
explorer.observe(tell)
tell()
said.add_class("kernel-says")
display(said)"""


def settled(view):
    """Until the kernel says the same state and cost as the page; then all of the page is checked."""
    for _ in range(400):
        shown = read(view)
        costs = ", ".join(f"{kind}={number(shown[kind]):,}" for kind in COUNTS)
        said = view.page.locator(".kernel-says").text_content()
        answered = shown["axis"] != "…" and shown["state"].startswith(f"{shown['controls']['family']},")
        if answered and said == f"{shown['state']} Cost({costs})":
            return check(view)
        view.page.wait_for_timeout(50)
    raise AssertionError(f"the kernel says {said}, the page {shown['state']} {costs}")


def test_a_thousand_interactions(page):
    view = show(page, MIRROR)
    rng, done = random.Random(SEED), []
    page.problems.clear()
    for i in range(0, STEPS, EVERY):
        try:
            while len(done) < i + EVERY:
                done += [step(view, rng) for _ in range(3)]
                done += view.evaluate(SCRIPTED, [rng.random() for _ in range(21)])
                assert page.problems == []
            settled(view)
        except Exception as error:
            raise AssertionError(f"seed {SEED}, step {len(done)}: {error}; before: {done[i:]}") from error
    assert {each.partition(" ")[0] for each in done} >= {*KINDS} - {"filter"}
    kernel_agrees(view)
    no_problems(page)
