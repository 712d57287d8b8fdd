"""What can be taken away really arrives, and says what the page says: source, state, tables, pictures."""

import csv
import io
import re
import runpy
import xml.etree.ElementTree as ET

import pytest
import torch
from PIL import Image, ImageStat

import cnnlab as cl
from tests.browser import lab as labs
from tests.browser.explorer_page import (
    CONVENTIONS,
    COUNTS,
    EDITED,
    check,
    choose,
    control,
    cost_of,
    enter,
    network,
    open_section,
    points,
    press,
    read,
    run,
    show,
    slider,
    start,
    wait_state,
)

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def taken(page, tmp_path_factory):
    """An Explorer with edited rows, and how to save what a button hands over."""
    view = show(page, f"cl.Explorer.from_state({EDITED!r})")
    folder = tmp_path_factory.mktemp("taken")

    def save(button, of=view):
        with of.page.expect_download() as coming:
            press(of, button)
        path = folder / coming.value.suggested_filename
        coming.value.save_as(path)
        return path

    check(view)
    return view, save


def test_pytorch_source(taken):
    """The file needs only torch; its last class is the network, with as many parameters and multiply-adds."""
    view, save = taken
    path = save("source")
    assert path.suffix == ".py" and re.fullmatch(r"[\w.]+", path.name)
    text = path.read_text()
    assert "cnnlab" not in "".join(re.findall(r"^(?:import|from) .*", text, re.MULTILINE))
    made = runpy.run_path(str(path))
    name = re.findall(r"^class (\w+)", text, re.MULTILINE)[-1]
    model = made[name]().eval()
    cost = network(EDITED, "imagenet").cost()
    assert sum(p.numel() for p in model.parameters()) == cost.params
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 192, 192)).shape == (1, 1000)
    assert cl.count(model, torch.zeros(1, 3, 192, 192)).macs == cost.macs
    assert view.locator('[data-readout="taken"]').text_content() == f"saved as {path.name}"


def test_csv_of_stages(taken):
    view, save = taken
    for kind in ("training", *CONVENTIONS, "macs"):  # what was looked at is in the table
        choose(view, "x-axis", kind)
        view.page.wait_for_function(
            "(el) => !/…/.test(el.querySelector('[data-readout=axis]').textContent)", arg=view.element_handle()
        )
    check(view)
    path = save("csv")
    assert path.name.startswith("efficientnet_d=1.2") and path.suffix == ".csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    arch = network(EDITED, "imagenet")
    frame, total = arch.graph().table(by="stage"), rows.pop()
    assert total["stage"] == "total" and [row["stage"] for row in rows] == frame["stage"].tolist()
    for kind in COUNTS:
        assert [int(row[kind]) for row in rows] == frame[kind].tolist()
    assert [int(row["blocks"]) for row in rows[1:-1]] == [stage.depth for stage in arch.stages]
    assert [int(row["channels"]) for row in rows[:-1]] == frame["channels"].tolist()[:-1]
    assert [int(row["size_px"]) for row in rows[:-1]] == frame["size"].tolist()[:-1]
    for kind in (*COUNTS, *CONVENTIONS):
        assert int(total[kind]) == cost_of(arch, kind), kind
    for kind in ("inference", "training"):
        assert int(total[f"{kind}_bytes"]) == cost_of(arch, kind), kind


def test_csv_of_points(taken):
    view, save = taken
    choose(view, "x-axis", "macs")
    path = save("csv-points")
    assert path.name == "points_imagenet.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    shown = {(p["name"], p["accuracy"], p["cost"]) for p in points(view)}
    assert {(row["name"], float(row["accuracy"]), int(row["macs"])) for row in rows} == shown and len(rows) > 80
    published = cl.published().query("source.str.startswith('torchvision')")
    for row in rows[::9]:
        known = published[
            (published["model"] == row["name"]) & ((published["accuracy"] - float(row["accuracy"])).abs() < 1e-6)
        ]
        assert (int(row["params"]), int(row["activations"])) == (known["params"].iloc[0], known["activations"].iloc[0])


def texts_of(path):
    return ["".join(node.itertext()) for node in ET.parse(path).getroot().iter(f"{SVG}text")]


def test_pictures(browser, taken):
    view, save = taken
    svg = save("svg")
    root = ET.parse(svg).getroot()
    assert root.tag == f"{SVG}svg" and svg.suffix == ".svg"
    texts = texts_of(svg)
    cost = network(EDITED, "imagenet").cost()
    assert EDITED in texts and f"{cost.macs:,} multiply-adds, {cost.params:,} parameters" in texts
    assert {"ImageNet top-1, %", "you are here", "stage7", "192 px"} <= set(texts)
    source = svg.read_text()
    assert not re.search(r"var\(|<script|url\(|href=| style=", source)
    page = labs.open_page(browser, svg)  # as a program of its own would show it
    page.screenshot(path=svg.with_suffix(".shot.png"))
    assert page.problems == []
    page.close()
    png = save("png")
    view.page.wait_for_timeout(100)
    with Image.open(png) as image:
        image.load()
        assert image.format == "PNG"
        assert image.size == (2 * int(float(root.get("width"))), 2 * int(float(root.get("height"))))
        grey = image.convert("L")
        assert ImageStat.Stat(grey).median[0] > 220 and ImageStat.Stat(grey).stddev[0] > 8
    assert view.locator('[data-readout="taken"]').text_content() == f"saved as {png.name}"


@pytest.mark.parametrize("allowed", [False, True], ids=["no clipboard", "clipboard"])
def test_state_copied_and_restored(taken, allowed):
    view, _ = taken
    page = view.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"] if allowed else [])
    press(view, "copy")
    status = view.locator('[data-readout="taken"]', has_text=re.compile("^copied$|^Selected: "))
    status.wait_for()
    if status.text_content() == "copied":
        copied = page.evaluate("() => navigator.clipboard.readText()") if allowed else EDITED
    else:
        selected = "(el) => el.value.slice(el.selectionStart, el.selectionEnd)"
        copied = page.evaluate(f"() => ({selected})(document.activeElement)")
    assert copied == EDITED
    page.context.clear_permissions()
    said = run(page, f"again = cl.Explorer.from_state({copied!r})\nprint(again.state, again.cost == explorer.cost)")
    assert said == f"{EDITED} True"


def test_saved_page_says_what_needs_python(browser, saved):
    page = labs.open_page(browser, saved, width=1700, height=1300)
    view = page.locator(".cnnlab")
    view.wait_for()
    assert check(view)["state"] == EDITED
    for name in ("2.kernel", "6.block", "all-blocks"):
        assert control(view, name).is_disabled()
    open_section(view, "training")
    assert "need Python" in view.locator('[data-section="training"]').text_content()
    assert "latency" not in control(view, "x-axis").locator("option").evaluate_all("(all) => all.map((o) => o.value)")
    press(view, "source")
    lines = view.locator("textarea").input_value()
    made: dict = {}
    exec(lines.replace("print(", "made = ("), made)
    assert made["made"] == network_source()
    for kind in (*CONVENTIONS, "inference", "training"):
        choose(view, "x-axis", kind)
        check(view)
        assert len(points(view)) > 60
    choose(view, "family", "small_resnet")
    check(view)
    choose(view, "data", "glyphs")
    assert len(points(view)) > 20
    choose(view, "data", "imagenet")
    press(view, "undo")
    wait_state(view, re.escape(EDITED) + "$")
    check(view)
    assert page.problems == []
    page.close()


def network_source():
    return cl.Explorer.from_state(EDITED).architecture.graph().to_pytorch()


PARTS = {
    "depth": '[data-slider="depth"]', "width": '[data-slider="width"]', "resolution": '[data-slider="resolution"]',
    "phi": '[data-slider="phi"]', "coefficients": '[data-section="coefficients"]',
    "accuracy": '[data-readout="accuracy"]', "budget": '[data-control="budget"]', "plot": '[data-view="tradeoff"]',
    "bars": '[data-view="bars"]', "network": '[data-view="network"]', "plane": '[data-view="plane"]',
    "rows": '[data-section="rows"]', "layers": '[data-section="layers"]', "compare": '[data-section="compare"]',
    "training": '[data-section="training"]', "takeaway": '[data-section="takeaway"]',
}  # fmt: skip
HIDDEN = {
    "simple": "coefficients rows layers compare training takeaway",
    "cost": "coefficients rows layers compare training takeaway plot accuracy plane",
    "depth": "coefficients rows layers compare training takeaway plane budget width resolution phi",
    "width": "coefficients rows layers compare training takeaway plane budget depth resolution phi",
    "resolution": "coefficients rows layers compare training takeaway plane budget depth width phi",
    "compound": "rows layers compare training takeaway",
    "pictures": "coefficients rows layers compare training takeaway depth width resolution phi budget",
    "bars": "bars",
    "network": "network",
}


@pytest.mark.parametrize("preset", HIDDEN)
def test_parts_that_a_teacher_hides(page, preset):
    view = show(page, f"cl.Explorer('resnet', hide={preset!r})")
    check(view)
    gone = set(HIDDEN[preset].split())
    seen = {part for part, query in PARTS.items() if view.locator(query).count() and view.locator(query).is_visible()}
    assert seen == set(PARTS) - gone
    for name in {"depth", "width", "resolution", "phi"} - gone:
        slider(view, name).focus()
        page.keyboard.press("ArrowRight")
        check(view)
    assert page.problems == []


def test_projector(page):
    """Large type: letters of at least 15 px, the mouse meets what it points at, and nothing sticks out."""
    view = show(page, "cl.Explorer('efficientnet', hide='simple', projector=True)")
    check(view)
    assert view.evaluate("(el) => el.currentCSSZoom") > 1.3
    plane = view.locator('[data-view="plane"]')
    dot = plane.locator(".dot").bounding_box()
    page.mouse.click(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2 - 40)
    shown = check(view)
    moved = plane.locator(".dot").bounding_box()
    assert abs(moved["y"] - (dot["y"] - 40)) < 8 and abs(moved["x"] - dot["x"]) < 8 and ",w=1,r=224" in shown["state"]
    mark = view.locator('[data-point][tabindex="0"]').bounding_box()
    view.locator('[data-point][tabindex="0"]').focus()
    tip = view.locator(".cnnlab-tip").bounding_box()
    assert abs(tip["x"] - mark["x"]) < 420 and abs(tip["y"] + tip["height"] - mark["y"]) < 40
    assert view.evaluate("(el) => el.scrollWidth - el.clientWidth") <= 0
    page.evaluate("() => document.activeElement.blur()")
    start(view)
    enter(view, "budget", "1")
    assert read(view)["readouts"]["budget"] == "39 % used"
