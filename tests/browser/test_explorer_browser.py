"""The Explorer in a real JupyterLab and a real Chromium: every number on the page is `graph.cost()`'s, whatever you do.

The expected numbers are computed in this process, from what the sliders on the page say.
"""

import json
import math
import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageStat

import cnnlab as cl
from cnnlab.show.lattice import FAMILIES, STEPS, lattice_of
from tests.browser import lab as labs

pytestmark = pytest.mark.browser

FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
READ = """(el) => {
    const text = (name) => el.querySelector(`[data-readout="${name}"]`).textContent;
    const all = (query, what) => [...el.querySelectorAll(query)].map(what);
    return {
        state: text("state"),
        ...Object.fromEntries(["macs", "params", "activations", "weights"].map((name) => [name, text(name)])),
        accuracy: all('[data-readout="accuracy"] .cnnlab-line', (line) => line.textContent.trim()).filter(Boolean),
        stages: all(".row", (row) => row.getAttribute("aria-label")),
        columns: all(".column", (column) => [...column.querySelectorAll("text")].map((t) => t.textContent)),
        sliders: Object.fromEntries(all("[data-slider]", (s) => [s.dataset.slider, Number(s.value)])),
        outputs: Object.fromEntries(all("[data-output]", (o) => [o.dataset.output, o.textContent])),
        hints: Object.fromEntries(all("[data-hint]", (o) => [o.dataset.hint, o.textContent])),
        here: Number(el.querySelector('[data-mark="here"]').getAttribute("x1")),
        rings: all('[data-mark="ring"]', (r) => r.getAttribute("visibility")).filter((v) => v === "visible").length,
        points: all("[data-point]", (p) => [p.getAttribute("aria-label"), p.getAttribute("transform")]),
    };
}"""
STAGE = re.compile(
    r"(?P<stage>\w+): (?P<macs>[\d,]+) multiply-adds \([\d.]+ %\), (?P<params>[\d,]+) parameters \([\d.]+ %\), "
    r"(?P<activations>[\d,]+) activations \([\d.]+ %\); "
    r"(?P<blocks>[\d,]+) × (?P<channels>[\d,]+) wide, (?P<size>\d+) px"
)
KINDS = ("macs", "params", "activations")
OWN = {"cifar_resnet20": cl.architecture("cifar_resnet20", classes=36)}


def number(text):
    return int(text.replace(",", ""))


def read(page):
    """What the Explorer shows, after its next frame."""
    page.evaluate(FRAMES)
    return page.locator(".cnnlab").first.evaluate(READ)


def check(page):
    """Compare everything on the page with the scaled architecture; return what is shown."""
    shown = read(page)
    key, *settings = shown["state"].split(",")
    knobs = {name: float(part[2:]) for name, part in zip(STEPS, settings, strict=True)}
    which = lattice_of(OWN.get(key, key))
    for name in STEPS:  # the sliders stand where the state says
        assert which.header[name][shown["sliders"][name]] == knobs[name]
        assert shown["outputs"][name] == (f"{knobs[name]:g} px" if name == "resolution" else f"× {knobs[name]:g}")
    arch = cl.scaled(which.base, **{**knobs, "resolution": int(knobs["resolution"])})
    cost, frame = arch.graph().cost(), arch.graph().table(by="stage")
    assert {kind: number(shown[kind]) for kind in KINDS} == {kind: getattr(cost, kind) for kind in KINDS}
    assert shown["weights"] == f"{4 * cost.params / 1e6:.1f} MB"
    stages = [STAGE.fullmatch(text).groupdict() for text in shown["stages"]]
    assert [s["stage"] for s in stages] == frame["stage"].tolist()
    for kind in KINDS:
        assert [number(s[kind]) for s in stages] == frame[kind].tolist()
    assert [number(s["blocks"]) for s in stages[1:-1]] == [stage.depth for stage in arch.stages]
    for what in ("channels", "size"):
        assert [number(s[what]) for s in stages[:-1]] == frame[what].tolist()[:-1]
    # The network to scale says the same, in fewer words.
    for stage, (size, width, times, name) in zip(stages[1:-1], shown["columns"][2:-1], strict=True):
        assert width in (f"{stage['channels']} wide", f"{stage['channels']} ch")
        assert (size, times, name) == (f"{stage['size']} px", f"× {stage['blocks']}", stage["stage"])
    growth = cost.macs / which.base.cost().macs
    digits = 0 if growth >= 100 else 1 if growth >= 10 else 2
    assert f"× {growth:.{digits}f}" in shown["hints"]["phi"]
    return shown


def slider(page, name):
    return page.locator(f'.cnnlab [data-slider="{name}"]').first


def choose(page, control, value):
    page.locator(f'.cnnlab [data-control="{control}"]').first.select_option(value)


def kernel_says(page, cell=1):
    return labs.run_code(page, cell).splitlines()[-1]


def costs(page):
    shown = read(page)
    cost = cl.Cost(*(number(shown[kind]) for kind in KINDS))
    return f"{shown['state']} {cost}"


def test_at_first(page):
    shown = check(page)
    assert shown["state"] == "efficientnet,d=1,w=1,r=224"
    assert number(shown["macs"]) == 385_814_752 and number(shown["params"]) == 5_288_548
    assert shown["accuracy"][0].startswith("efficientnet_b0") and "77.692 %" in shown["accuracy"][0]
    assert shown["rings"] == 1


@pytest.mark.parametrize("key", FAMILIES)
@pytest.mark.parametrize("name", [*STEPS, "phi"])
def test_keyboard(page, key, name):
    choose(page, "family", key)
    check(page)
    knob = slider(page, name)
    knob.focus()
    places = []
    for press in ("Home", "ArrowRight", "ArrowUp", "PageUp", "ArrowLeft", "End", "ArrowDown", "PageDown"):
        page.keyboard.press(press)
        shown = check(page)
        places.append(shown["sliders"][name])
        assert shown["state"].startswith(f"{key},")
    last = int(knob.get_attribute("max"))
    assert places[:3] == [0, 1, 2] and places[3] > 2 and places[4] == places[3] - 1
    assert places[5:7] == [last, last - 1] and places[7] < last - 1
    assert knob.evaluate("(el) => el === document.activeElement"), "JupyterLab took the keys"
    assert kernel_says(page).startswith(costs(page))


@pytest.mark.parametrize("name", [*STEPS, "phi"])
def test_mouse(page, name):
    choose(page, "family", "efficientnet")
    knob = slider(page, name)
    knob.scroll_into_view_if_needed()
    box = knob.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.2 * box["width"], middle)
    page.mouse.down()
    seen = set()
    for share in (0.3, 0.45, 0.62, 0.8, 0.97, 0.5):
        page.mouse.move(box["x"] + share * box["width"], middle)
        seen.add(check(page)["sliders"][name])
    page.mouse.up()
    assert len(seen) == 6
    page.wait_for_timeout(300)
    assert kernel_says(page).startswith(costs(page))


def test_compound_path(page):
    choose(page, "family", "efficientnet")
    slider(page, "phi").focus()
    page.keyboard.press("Home")
    for i in range(1, 15):
        page.keyboard.press("ArrowRight")
        shown = check(page)
        assert shown["outputs"]["phi"] == f"{i / 2:.1f}"
        predicted = (1.2 * 1.1**2 * 1.15**2) ** (i / 2)
        assert f"formula: cost × {predicted:.{1 if predicted >= 10 else 2}f}" in shown["hints"]["phi"]
    page.keyboard.press("Home")
    assert check(page)["state"] == "efficientnet,d=1,w=1,r=224"


@pytest.mark.parametrize("kind", KINDS)
def test_x_axis(page, kind):
    choose(page, "family", "resnet")
    choose(page, "x-axis", kind)
    try:
        shown = check(page)
        places = {}
        for label, transform in shown["points"]:
            cost = number(re.search(r"([\d,]+) (?:multiply-adds|parameters|activations);", label)[1])
            places[cost] = float(re.match(r"translate\(([\d.]+)", transform)[1])
        low, high = min(places), max(places)
        for cost in [*places, number(shown[kind])]:  # points and "you are here" stand on one logarithmic axis
            share = math.log(cost / low) / math.log(high / low)
            expected = places[low] + share * (places[high] - places[low])
            assert abs(places.get(cost, shown["here"]) - expected) < 0.2
        assert page.locator('.cnnlab [data-mark="ring"][visibility="visible"]').count() == shown["rings"]
    finally:
        choose(page, "x-axis", "macs")


def test_two_published_figures_of_one_network(page):
    choose(page, "family", "resnet")
    slider(page, "phi").focus()
    page.keyboard.press("Home")
    shown = check(page)
    assert [line.split(" ")[0] for line in shown["accuracy"]] == ["resnet5080.858", "resnet5076.13"]
    assert shown["rings"] == 2
    slider(page, "depth").focus()
    page.keyboard.press("ArrowRight")
    shown = check(page)
    assert shown["rings"] == 0 and shown["accuracy"][0] == "nothing published at this setting"
    assert shown["accuracy"][1].startswith("best at no more cost: ")


def test_budget(page):
    choose(page, "family", "efficientnet")
    field = page.locator('.cnnlab [data-control="budget"]').first
    field.fill("1.5")
    page.wait_for_timeout(300)
    assert kernel_says(page).endswith(" 1500000000.0")
    shade = page.locator(".cnnlab .shade").first
    assert float(shade.get_attribute("width")) > 50
    field.fill("")
    page.wait_for_timeout(300)
    assert kernel_says(page).endswith(" None") and float(shade.get_attribute("width")) == 0
    check(page)


def test_a_stage_lights_up_everywhere(page):
    choose(page, "family", "efficientnet")
    for act in ("hover", "focus"):
        page.mouse.move(0, 0)
        getattr(page.locator('.cnnlab .row[data-stage="stage5"]').first, act)()
        lit = page.locator(".cnnlab .on[data-stage]").evaluate_all("(all) => all.map((one) => one.dataset.stage)")
        assert lit == ["stage5", "stage5"]
        detail = page.locator('.cnnlab [data-readout="stage"]').first.text_content()
        assert detail == next(text for text in read(page)["stages"] if text.startswith("stage5"))
    page.keyboard.press("ArrowDown")
    assert page.locator(".cnnlab .on[data-stage]").first.get_attribute("data-stage") == "stage6"
    page.mouse.move(0, 0)
    page.locator('.cnnlab .column[data-stage="stage2"]').first.hover()
    assert page.locator(".cnnlab .row.on").first.get_attribute("data-stage") == "stage2"


def test_points_have_tooltips(page):
    layer = page.locator('.cnnlab [data-point][tabindex="0"]').first
    layer.focus()
    page.keyboard.press("End")
    tip = page.locator(".cnnlab-tip").first
    for press in ("ArrowLeft", "ArrowLeft", "Home", "ArrowRight"):
        page.keyboard.press(press)
        label = page.evaluate("() => document.activeElement.getAttribute('aria-label')")
        assert page.locator('.cnnlab [data-point][tabindex="0"]').count() == 1
        text = tip.text_content()
        assert tip.is_visible() and text.startswith(label.split(":")[0])
        assert re.search(r"[\d.]+ %", label)[0] in text and label.rpartition("; ")[2] in text


def test_screen_readers_hear_of_it(page):
    slider(page, "width").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(900)
    shown = read(page)
    said = page.locator(".cnnlab [aria-live]").first.text_content()
    assert f"{shown['macs']} MACs, {shown['params']} params" in said
    for name, label in (*((name, name) for name in STEPS), ("phi", "compound phi")):
        knob = slider(page, name)
        assert knob.get_attribute("aria-label") == label and knob.get_attribute("aria-valuetext")


def test_no_console_errors(page):
    assert page.problems == []


def test_ones_own_network_and_points(own_page):
    page = own_page
    shown = check(page)
    assert shown["state"] == "cifar_resnet20,d=1,w=1,r=32" and shown["rings"] == 0
    assert [label.partition(":")[0] for label, _ in shown["points"]] == ["small", "large"]
    labs.run_code(page, 1)  # add a point
    shown = check(page)
    assert shown["rings"] == 1 and "93.25 %" in shown["accuracy"][0]
    assert "mine" in page.locator(".cnnlab .labels").first.text_content()
    labs.run_code(page, 2)  # move the sliders from Python
    assert check(page)["state"] == "cifar_resnet20,d=2,w=1.5,r=48"
    choose(page, "family", "resnet")
    assert check(page)["state"] == "resnet,d=2,w=1.5,r=224"
    choose(page, "family", "cifar_resnet20")
    assert check(page)["state"] == "cifar_resnet20,d=2,w=1.5,r=32"
    page.wait_for_timeout(300)
    assert kernel_says(page, 3).startswith(costs(page))
    choose(page, "x-axis", "activations")
    assert len(read(page)["points"]) == 2  # the one without known activations is not shown
    assert page.problems == []


LUMINANCE = """(el) => {
    const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((v) => {
        const c = v / 255;
        return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    const light = (text) => rgb(text).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const paper = light(getComputedStyle(el).backgroundColor);
    const ratio = (text) => (Math.max(light(text), paper) + 0.05) / (Math.min(light(text), paper) + 0.05);
    const texts = [...el.querySelectorAll("svg text, small, b, span, output, h4, p")].filter((t) => t.textContent);
    const marks = [...el.querySelectorAll(".cnnlab-legend .point, rect.macs, rect.params, .slab")];
    const colour = (t) => (t.namespaceURI.endsWith("svg") ? getComputedStyle(t).fill : getComputedStyle(t).color);
    return [Math.min(...texts.map((t) => ratio(colour(t)))), Math.min(...marks.map((t) => ratio(colour(t))))];
}"""


# Texts of a picture that end outside of it.
OUTSIDE = """(el) => [...el.querySelectorAll("svg text")].filter((text) => {
    const [a, b] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
    const inside = a.left > b.left - 1 && a.right < b.right + 1 && a.top > b.top - 1 && a.bottom < b.bottom + 1;
    return text.textContent && !inside;
}).map((text) => text.textContent)"""


@pytest.mark.parametrize(("theme", "dark"), [(labs.LIGHT, False), (labs.DARK, True)])
def test_both_themes_are_legible(browser, tmp_path, theme, dark):
    """Text stands out from the background at least 4.5 times, marks at least 2 times (WCAG's ratio)."""
    labs.write_notebook(tmp_path / "dark.ipynb", "import cnnlab as cl\ncl.Explorer('efficientnet', budget=2e9)")
    with labs.running_lab(tmp_path, tmp_path / "home", theme) as lab:
        page = labs.open_notebook(browser, lab, "dark.ipynb")
        labs.run_all(page)
        explorer = page.locator(".cnnlab").first
        explorer.wait_for()
        page.mouse.move(0, 0)
        for width in (1000, 1400):
            page.set_viewport_size({"width": width, "height": 1700})
            page.wait_for_timeout(400)
            check(page)
            clipped = explorer.evaluate("(el) => el.scrollWidth - el.clientWidth")
            assert clipped <= 0, f"{clipped} px stick out at {width} px"
            assert explorer.evaluate(OUTSIDE) == []
            shot = Path(os.environ.get("SHOTS", tmp_path)) / f"explorer_{'dark' if dark else 'light'}_{width}.png"
            explorer.screenshot(path=str(shot))
            with Image.open(shot) as image:
                median = ImageStat.Stat(image.convert("L")).median[0]
            assert median < 60 if dark else median > 220
        text, marks = explorer.evaluate(LUMINANCE)
        assert text >= 4.5 and marks >= 2, (text, marks)
        assert page.problems == []
        page.close()


def with_explorer():
    """The committed notebooks that show an Explorer."""
    for path in sorted((labs.ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        if any("Explorer" in "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
            yield path


@pytest.mark.parametrize("path", list(with_explorer()), ids=lambda path: path.name)
def test_committed_notebooks(browser, tmp_path, path):
    shutil.copy(path, tmp_path)
    with labs.running_lab(tmp_path, tmp_path / "home") as lab:
        page = labs.open_notebook(browser, lab, path.name, height=2000)
        labs.run_all(page)
        page.locator(".cnnlab").first.scroll_into_view_if_needed()
        for name in (*STEPS, "phi"):
            slider(page, name).focus()
            before = read(page)["state"]
            page.keyboard.press("ArrowRight")
            shown = check(page) if before.split(",")[0] in FAMILIES else read(page)
            assert shown["state"] != before
        assert page.problems == []
        page.close()
