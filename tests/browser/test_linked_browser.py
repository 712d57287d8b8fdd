"""A stage that is pointed at, or has the focus, lights up in every view; tooltips are exact; every layer is listed."""

import pytest

from tests.browser.explorer_page import (
    FRAMES,
    check,
    choose,
    control,
    fields_of,
    network,
    number,
    open_section,
    press,
    read,
    slider,
    start,
)

pytestmark = pytest.mark.browser

ON = """(el) => [...el.querySelectorAll(".on[data-stage]")].map((one) => [
    one.dataset.stage,
    one.closest("details")?.dataset.section ?? one.closest("[data-view]")?.dataset.view
        ?? one.closest("svg").className.baseVal,
])"""
PLACES = {  # where -> a stage's node there
    "bars": '[data-view="bars"] .row[data-stage="{0}"]',
    "network": '[data-view="network"] .column[data-stage="{0}"]',
    "rows": '[data-section="rows"] tr[data-stage="{0}"]',
    "layers": '[data-section="layers"] tr[data-stage="{0}"]:not([hidden])',
    "waterfall": '.fall-line[data-stage="{0}"]',
}
EVERYWHERE = {"bars", "network", "rows", "layers", "compare"}


@pytest.fixture(scope="module")
def open_view(view):
    """With another network pinned and all tables open."""
    start(view)
    press(view, "pin")
    slider(view, "phi").focus()
    view.page.keyboard.press("PageUp")
    for name in ("layers", "compare"):
        open_section(view, name)
    view.page.evaluate(FRAMES)
    return view


def lit(view):
    """Which stages are lit, and in which views."""
    view.page.evaluate(FRAMES)
    found = view.evaluate(ON)
    return {stage for stage, _ in found}, {where for _, where in found}


@pytest.mark.parametrize("place", PLACES)
def test_pointing_at_a_stage_lights_it_up_everywhere(open_view, place):
    view = open_view
    view.page.mouse.move(2, 2)
    assert lit(view) == (set(), set())
    stage = "stage1"  # in sight in the table of layers too
    view.locator(PLACES[place].format(stage)).first.hover()
    assert lit(view) == ({stage}, EVERYWHERE)
    shown = check(view)
    sentence = next(text for text in shown["stages"] if text.startswith(f"{stage}: "))
    assert view.locator('[data-readout="stage"]').text_content().startswith(sentence)
    assert view.locator('[data-readout="waterfall"]').text_content().startswith(f"{stage}: ")


@pytest.mark.parametrize("place", ["bars", "waterfall", "rows"])
def test_focus_does_it_too(open_view, place):
    view = open_view
    view.page.mouse.move(2, 2)
    inside = ' [data-control="1.kernel"]' if place == "rows" else ""
    view.locator(PLACES[place].format("stage1") + inside).first.focus()
    assert lit(view) == ({"stage1"}, EVERYWHERE)
    if not inside:
        view.page.keyboard.press("ArrowDown")
        stages, places = lit(view)
        assert stages == {"stage2"} and places >= EVERYWHERE - {"layers"}
        view.page.keyboard.press("End")
        view.page.keyboard.press("ArrowUp")
        assert lit(view)[0] == {"head"} if place == "waterfall" else {"stage7"}
    view.page.evaluate("() => document.activeElement.blur()")
    assert lit(view) == (set(), set())


@pytest.mark.parametrize("place", ["bars", "network"])
def test_tooltips_of_stages_are_exact(open_view, place):
    view = open_view
    arch = network(check(view)["state"], "imagenet")
    frame, fields = arch.graph().table(by="stage"), fields_of(arch.graph())
    for _, row in frame.iterrows():
        view.locator(PLACES[place].format(row["stage"])).hover()
        lines = view.locator(".cnnlab-tip").inner_text().splitlines()
        assert lines[0] == row["stage"]
        cost = arch.cost()
        for line, kind in zip(lines[1:4], ("macs", "params", "activations"), strict=True):
            assert line.startswith(f"{row[kind]:,} ") and line.endswith(
                f"({100 * row[kind] / getattr(cost, kind):.1f} %)"
            )
        seen = fields[row["stage"]]
        assert lines[5].removeprefix("each pixel sees ") == (
            "the whole image" if seen >= arch.resolution else f"{seen:,} px"
        )
        if row["stage"] not in ("head", "stem"):
            assert lines[4].endswith(f"× {row['channels']:,} wide, {row['size']} px")


def test_bars_by_role(view):
    start(view)
    choose(view, "by", "role")
    check(view)
    arch = network(read(view)["state"], "imagenet")
    frame = arch.graph().table(by="role").set_index("role")
    texts = view.locator('[data-view="bars"] .row').evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label'))"
    )
    found = {text.partition(":")[0]: text for text in texts}
    assert set(found) == set(frame.index)
    for role, row in frame.iterrows():
        for kind, word in (("macs", "multiply-adds"), ("params", "parameters"), ("activations", "activations")):
            assert f"{int(row[kind]):,} {word}" in found[role]
    choose(view, "by", "stage")
    check(view)


LINES = """(el) => [...el.querySelectorAll('.cnnlab-layers tbody tr[aria-rowindex]:not([hidden])')].map((tr) =>
    [Number(tr.getAttribute('aria-rowindex')), ...[...tr.children].map((cell) => cell.textContent)])"""


def listed(view):
    """Every line of the table of layers, by scrolling through it."""
    box = view.locator(".cnnlab-lines")
    found = {}
    for top in range(0, 20_000, 200):
        box.evaluate("(el, top) => { el.scrollTop = top; }", top)
        view.page.evaluate(FRAMES)
        before = len(found)
        found |= {line[0]: line[1:] for line in view.evaluate(LINES)}
        if len(found) == before and top > 1000:
            break
    return [found[at] for at in sorted(found)]


@pytest.mark.parametrize("key", ["efficientnet", "resnet_d", "mobilenet_v3", "convnext"])
def test_every_layer(view, key):
    """Repeated blocks are told once; all figures are those of the graph's own layers."""
    start(view, key)
    slider(view, "depth").focus()
    view.page.keyboard.press("PageUp")
    open_section(view, "layers")
    graph = network(check(view)["state"], "imagenet").graph()
    expected = {
        name: layer
        for (_, layer), name in zip(
            graph.table(by="layer").iterrows(), (each.name for each in graph.layers[1:]), strict=True
        )
    }
    free = {name for name, layer in expected.items() if layer["operation"].startswith("stochastic depth")}
    shown = {}
    for name, _, times, channels, size, *costs in listed(view):
        stage, *rest = name.split(".")
        blocks = [stage]
        if rest[0][0].isdigit():
            first, _, last = rest.pop(0).partition("–")
            blocks = [f"{stage}.{i}" for i in range(int(first), int(last or first) + 1)]
        layers = [expected[".".join([block, *rest])] for block in blocks]
        assert number(times) == len(layers) == len(blocks)
        for kind, cost in zip(("macs", "params", "activations"), costs, strict=True):
            assert number(cost) == sum(layer[kind] for layer in layers), (name, kind)
        assert {number(channels)} == {layer["channels"] for layer in layers}
        assert size == "–" or {number(size)} == {layer["size"] for layer in layers}
        shown |= {".".join([block, *rest]): 1 for block in blocks}
    assert set(shown) == set(expected) - free
    assert number(read(view)["summaries"]["layers"].split(" layers")[0]) == len(shown)


def test_layers_of_a_word(view):
    start(view)
    open_section(view, "layers")
    control(view, "layer-filter").press_sequentially("depthwise stage5")
    lines = listed(view)
    assert lines and all("depthwise" in line[1] and line[0].startswith("stage5.") for line in lines)
    graph = network(read(view)["state"], "imagenet").graph()
    macs = sum(
        row["macs"]
        for _, row in graph.table(by="layer").iterrows()
        if row["layer"].startswith("stage5") and "groups" in row["operation"]
    )
    assert f"{macs:,} multiply-adds" in read(view)["summaries"]["layers"]
    control(view, "layer-filter").fill("")
    check(view)
