"""What the browser tests read from an Explorer on a page, what they expect there, and how they act on it as a person.

What is expected is computed here, in the test's process, from what the page says its state is.
"""

from __future__ import annotations

import json
import re
import urllib.request
from dataclasses import replace
from functools import cache
from typing import Any

from playwright.sync_api import Locator, Page

import cnnlab as cl
from cnnlab.arch.bases import FAMILIES
from cnnlab.arch.edits import edited
from cnnlab.arch.layers import Conv, Pool
from tests.browser import lab as labs

KNOBS = ("depth", "width", "resolution")
COUNTS = ("macs", "params", "activations")
CONVENTIONS = ("fvcore", "torchinfo", "ptflops", "thop")
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
READ = """(el) => {
    const text = (name) => el.querySelector(`[data-readout="${name}"]`)?.textContent ?? null;
    const all = (query, what) => [...el.querySelectorAll(query)].map(what);
    const texts = (node) => [...node.querySelectorAll("text")].map((t) => t.textContent);
    const named = (key, what) => Object.fromEntries(all(`[data-${key}]`, (o) => [o.dataset[key], what(o)]));
    const cells = (row) => [...row.querySelectorAll("th, td")].map((each) => each.textContent);
    return {
        readouts: named("readout", (o) => o.textContent),
        axis: el.querySelector('[data-readout="axis"]').parentNode.hidden ? null : text("axis"),
        accuracy: all('[data-readout="accuracy"] .cnnlab-line', (line) => line.textContent.trim()).filter(Boolean),
        stages: all(".row[data-stage]", (row) => row.getAttribute("aria-label")),
        columns: all(".column", texts),
        sliders: named("slider", (o) => Number(o.value)),
        outputs: named("output", (o) => o.textContent),
        hints: named("hint", (o) => o.textContent),
        controls: named("control", (o) => (o.type === "checkbox" ? o.checked : o.value)),
        summaries: named("summary", (o) => o.textContent),
        now: all(".cnnlab-rows[open] tr[data-stage]", (row) => [row.dataset.stage, ...cells(row).slice(-4)]),
        here: Number(el.querySelector('[data-mark="here"]').getAttribute("x1")),
        rings: all('[data-mark="ring"]', (r) => r.getAttribute("visibility")).filter((v) => v === "visible").length,
        points: all("[data-point]", (p) => [p.getAttribute("aria-label"), p.getAttribute("transform")]),
    };
}"""
STATE = re.compile(r"(?P<key>\w+),d=(?P<depth>[\d.]+),w=(?P<width>[\d.]+),r=(?P<resolution>\d+)(?P<more>.*)")
STAGE = re.compile(
    r"(?P<stage>\w+): (?P<macs>[\d,]+) multiply-adds \([\d.]+ %\), (?P<params>[\d,]+) parameters \([\d.]+ %\), "
    r"(?P<activations>[\d,]+) activations \([\d.]+ %\); "
    r"(?P<blocks>[\d,]+) × (?P<channels>[\d,]+) wide, (?P<size>\d+) px"
)
EDITED = "efficientnet,d=1.2,w=0.9,r=192,2.kernel=5,6.block=basic"
OWN = {"cifar_resnet20": cl.architecture("cifar_resnet20", classes=36)}


def number(text: str) -> int:
    return int(re.sub(r"[^\d]", "", text))


# What is expected.


@cache
def classes_of(key: str, data: str) -> int | None:
    """How many classes the measured networks of this base told apart; None where none were measured."""
    frame = cl.measured()
    frame = frame[(frame["base"] == key) & (frame["data"] == data)]
    if frame.empty:
        return None
    row = frame.iloc[0]
    knobs = {"depth": row["depth"], "width": row["width"], "resolution": int(row["resolution"])}
    base = cl.architecture(key)
    sizes = {cl.scaled(replace(base, classes=n), **knobs).cost().params: n for n in range(2, 200)}
    return sizes[row["params"]]


def base_of(key: str, data: str) -> Any:
    base = OWN[key] if key in OWN else cl.architecture(FAMILIES[key][1] if key in FAMILIES else key)
    classes = classes_of(key, data) if key.startswith("small_") else None
    return replace(base, classes=classes) if classes else base


def edits_of(state: str) -> dict[int, dict[str, Any]]:
    edits: dict[int, dict[str, Any]] = {}
    for stage, field, value in re.findall(r",(\d+)\.(\w+)=([\w.]+)", state):
        option = value if field == "block" else float(value) if "." in value else int(value)
        edits.setdefault(int(stage), {})[field] = option
    return edits


def network(state: str, data: str) -> Any:
    """The architecture that a state of the page says; `data`: the source of accuracy that the page shows."""
    found = STATE.fullmatch(state)
    assert found, state
    knobs = {"depth": float(found["depth"]), "width": float(found["width"]), "resolution": int(found["resolution"])}
    return cl.scaled(edited(base_of(found["key"], data), edits_of(state)), **knobs)


def cost_of(arch: Any, kind: str) -> int:
    """What a network costs by a kind of the x axis; memory in bytes."""
    if kind in COUNTS:
        return int(getattr(arch.cost(), kind))
    if kind in CONVENTIONS:
        return int(arch.graph().cost(convention=kind).macs)
    if kind == "inference":
        return int(arch.graph().memory(batch=1).inference)
    return int(arch.graph().memory(batch=32, optimizer="momentum").training)


def fields_of(graph: Any) -> dict[str, int]:
    """stage -> how many px of the image one pixel at its end sees, layer by layer; global pooling is left out."""
    seen: list[tuple[int, int]] = []
    found = {}
    for layer in graph.layers:
        field, jump = max((seen[i] for i in layer.inputs), default=(1, 1))
        if isinstance(layer.op, Conv | Pool):
            kernel = layer.op.kernel if isinstance(layer.op.kernel, int) else max(layer.op.kernel)
            field += (kernel - 1) * getattr(layer.op, "dilation", 1) * jump
            jump *= layer.op.stride
        seen.append((field, jump))
        found[layer.name.split(".")[0]] = field
    return found


def close(text: str, exact: float) -> bool:
    """Whether a short figure, such as "1.83 GB", is this number as far as its digits go."""
    found = re.match(r"([\d.,]+) ?([kMG]?)", text)
    assert found, text
    told = float(found[1].replace(",", "")) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[found[2]]
    return abs(told - exact) <= 0.0051 * exact


# What is shown.


def read(view: Locator) -> dict[str, Any]:
    """What the Explorer shows, after its next frame."""
    view.page.evaluate(FRAMES)
    shown: dict[str, Any] = view.evaluate(READ)
    return shown | {name: shown["readouts"][name] for name in ("state", *COUNTS)}


POINTS = """(el) => [...el.querySelectorAll("[data-point]")].map((mark) => {
    const [name, accuracy, cost] = mark.getAttribute("aria-label").match(/^(.*?): ([\\d.]+) %, ([\\d.,]+)/).slice(1);
    const [x, y] = mark.getAttribute("transform").match(/[\\d.]+/g).map(Number);
    return {
        name, x, y, accuracy: Number(accuracy), cost: Number(cost.replaceAll(",", "")),
        index: Number(mark.dataset.point),
        below: mark.classList.contains("below"), over: mark.classList.contains("over"),
        kind: ["published", "measured", "pruned", "yours"].find((each) => mark.classList.contains(each)),
    };
})"""


def points(view: Locator) -> list[dict[str, Any]]:
    """The points on the plot, as their marks and their labels tell them; cost is of the kind of the x axis."""
    view.page.evaluate(FRAMES)
    found: list[dict[str, Any]] = view.evaluate(POINTS)
    return found


def check(view: Locator) -> dict[str, Any]:
    """Compare everything on the page with the network that its state says; return what is shown."""
    shown = read(view)
    controls = shown["controls"]
    arch, (key, *_) = network(shown["state"], controls["data"]), shown["state"].split(",")
    assert controls["family"] == key
    check_knobs(view, shown, arch)
    cost, graph = arch.cost(), arch.graph()
    assert {kind: number(shown[kind]) for kind in COUNTS} == {kind: getattr(cost, kind) for kind in COUNTS}
    assert shown["readouts"]["weights"] == f"{4 * cost.params / 1e6:.1f} MB"
    kind = controls["x-axis"]
    if kind in COUNTS:
        assert shown["axis"] is None
    elif kind != "latency":
        assert close(shown["axis"], cost_of(arch, kind)), (kind, shown["axis"], cost_of(arch, kind))
    check_stages(shown, arch, graph)
    if shown["controls"].get("layer-filter") == "":
        totals = f"{cost.macs:,} multiply-adds, {cost.params:,} parameters, {cost.activations:,} activations"
        assert shown["summaries"]["layers"].endswith(f" layers: {totals}")
    return shown


def check_knobs(view: Locator, shown: dict[str, Any], arch: Any) -> None:
    """The sliders stand where the state says, and their hints are this network's."""
    found = STATE.fullmatch(shown["state"])
    assert found
    knobs = {name: float(found[name]) for name in KNOBS}
    for name, value in knobs.items():
        assert shown["outputs"][name] == (f"{value:g} px" if name == "resolution" else f"× {value:g}")
    assert shown["hints"]["depth"].startswith(f"{sum(stage.depth for stage in arch.stages)} ")
    assert f"last stage {arch.graph().table(by='stage')['channels'].iloc[-2]:,}" in shown["hints"]["width"]
    base = edited(base_of(found["key"], shown["controls"]["data"]), edits_of(shown["state"]))
    growth = arch.cost().macs / cl.scaled(base, width=1.0).cost().macs
    digits = 0 if growth >= 100 else 1 if growth >= 10 else 2
    assert f"× {growth:.{digits}f}" in shown["hints"]["phi"]


def check_stages(shown: dict[str, Any], arch: Any, graph: Any) -> None:
    """Bars, the drawn network and the rows' figures of the moment."""
    frame, fields = graph.table(by="stage"), fields_of(graph)
    if shown["controls"]["by"] == "stage":
        stages = [found.groupdict() for text in shown["stages"] if (found := STAGE.fullmatch(text))]
        assert [each["stage"] for each in stages] == frame["stage"].tolist()
        for kind in COUNTS:
            assert [number(each[kind]) for each in stages] == frame[kind].tolist()
        assert [number(each["blocks"]) for each in stages[1:-1]] == [stage.depth for stage in arch.stages]
        for what in ("channels", "size"):
            assert [number(each[what]) for each in stages[:-1]] == frame[what].tolist()[:-1]
    drawn = shown["columns"][2:-1]
    for (_, row), stage, (size, width, times, name) in zip(
        frame.iloc[1:-1].iterrows(), arch.stages, drawn, strict=True
    ):
        words = size.endswith(" px")  # where there is room for them
        assert width == f"{row['channels']:,}{' wide' if words else ''}"
        assert (size, times, name) == (f"{row['size']}{' px' if words else ''}", f"× {stage.depth}", row["stage"])
    for (_, row), (name, blocks, size, field, share) in (
        zip(frame.iterrows(), shown["now"], strict=True) if shown["now"] else ()
    ):
        assert name == row["stage"] and share == f"{100 * row['macs'] / arch.cost().macs:.1f} %"
        seen = fields[name]
        assert field == ("whole image" if seen >= arch.resolution else f"{seen:,}"), (name, field, seen)
        if name != "head":
            assert blocks.endswith(f" × {row['channels']:,}") and size == str(row["size"])


# What a person does.


def slider(view: Locator, name: str) -> Locator:
    return view.locator(f'[data-slider="{name}"]')


def control(view: Locator, name: str) -> Locator:
    return view.locator(f'[data-control="{name}"]')


def press(view: Locator, name: str) -> None:
    view.locator(f'[data-button="{name}"]').click()


def wait_state(view: Locator, pattern: str) -> None:
    """Until the state is this regular expression, from its beginning."""
    view.locator('[data-readout="state"]', has_text=re.compile(f"^{pattern}")).wait_for(timeout=20_000)


def choose(view: Locator, name: str, value: str) -> None:
    """Another option of a menu; of another family, until it is there."""
    control(view, name).select_option(value)
    if name == "family":
        wait_state(view, f"{value},")


def start(view: Locator, family: str = "efficientnet") -> dict[str, Any]:
    """To this family's own network, against multiply-adds; what is shown then."""
    control(view, "logarithmic").check()
    for name, value in (("data", "imagenet"), ("x-axis", "macs"), ("by", "stage"), ("family", family)):
        if control(view, name).input_value() != value:
            choose(view, name, value)
    press(view, "reset")
    wait_state(view, rf"{family},d=1,w=1,r=\d+$")
    return check(view)


def enter(view: Locator, name: str, text: str, end: str = "Enter") -> None:
    """Type over the number in a field, and end with this key."""
    field = control(view, name)
    field.click()
    view.page.keyboard.press("Control+a")
    if text:
        field.press_sequentially(text)
    else:
        view.page.keyboard.press("Delete")
    view.page.keyboard.press(end)


def open_section(view: Locator, name: str) -> Locator:
    part = view.locator(f'[data-section="{name}"]')
    if part.get_attribute("open") is None:
        part.locator("summary").first.click()
    return part


# In the kernel.


CELLS = ("# an Explorer", "# what the kernel says", "complaints = []")
WATCH = """
import logging, threading, traceback
complaints = []
class Watch(logging.Handler):
    def emit(self, record):
        complaints.append(self.format(record))
for log in {logging.getLogger(), get_ipython().log, get_ipython().kernel.log, logging.getLogger("Comm")}:
    log.addHandler(Watch(logging.WARNING))
def show_traceback(*args, shown=get_ipython().showtraceback, **kwargs):  # of what a page sends, too
    complaints.append(traceback.format_exc())
    shown(*args, **kwargs)
get_ipython().showtraceback = show_traceback
threading.excepthook = lambda told: complaints.append(f"{told.exc_type.__name__}: {told.exc_value}")
import cnnlab as cl
"""


def run(page: Page, code: str, cell: int = 1) -> str:
    """Write this code into a cell, run it, and return what it prints."""
    box = page.locator(".jp-CodeCell").nth(cell)
    box.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code.strip())
    box.locator(".jp-InputPrompt").first.evaluate("(el) => { el.textContent = ''; }")  # a restarted kernel counts anew
    said = labs.run_code(page, cell)
    assert "Traceback" not in said, said[-2000:]
    return said


def watch(page: Page) -> None:
    """From now on the kernel notes every warning and error that it logs, and exceptions of threads."""
    run(page, WATCH, cell=2)


def no_problems(page: Any) -> None:
    """Neither the browser's console nor the kernel's log has a complaint."""
    assert page.problems == []
    assert run(page, "print(*complaints, sep='\\n')", cell=2) == ""


def show(page: Page, code: str) -> Locator:
    """Run the cell that shows an Explorer anew, with this code; return what it shows."""
    page.evaluate("() => document.querySelectorAll('.cnnlab').forEach((el) => el.setAttribute('data-old', ''))")
    run(page, f"explorer = {code}\nexplorer", cell=0)
    view = page.locator(".cnnlab:not([data-old])").first
    view.wait_for()
    page.evaluate("() => document.activeElement.blur()")
    return view


def kernel_agrees(view: Locator) -> None:
    """The kernel's state and cost become those of the page."""
    for _ in range(20):
        shown = read(view)
        costs = ", ".join(f"{kind}={number(shown[kind]):,}" for kind in COUNTS)
        said = run(view.page, "print(explorer.state, explorer.cost)").splitlines()[-1]
        if said == f"{shown['state']} Cost({costs})":
            return
        view.page.wait_for_timeout(200)
    raise AssertionError(f"the kernel says {said}, the page {shown['state']} {costs}")


def shut_down(lab: labs.Lab, notebook: str) -> None:
    """End this notebook's kernel, which else would go on after its page."""
    (session,) = (each for each in json.loads(labs.ask(lab, "/api/sessions")) if each["path"] == notebook)
    address, headers = f"{lab.url}/api/sessions/{session['id']}", {"Authorization": f"token {lab.token}"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(urllib.request.Request(address, headers=headers, method="DELETE"), timeout=30).close()
