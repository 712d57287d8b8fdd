"""Saved pages in a real Chromium, from a file and with no server: exact numbers, both themes, nothing fetched."""

import functools
import http.server
import os
import re
import threading
from pathlib import Path

import pytest

import cnnlab as cl
from cnnlab.show.page import page as page_text
from cnnlab.show.scripts import bundle
from tests.browser import lab as labs

pytestmark = pytest.mark.browser

BASES = {"efficientnet": "efficientnet_b0", "resnet": "resnet50", "resnet_basic": "resnet18"}
STATE = re.compile(r"(\w+),d=([\d.]+),w=([\d.]+),r=(\d+)")
ESM = """\
const word = "</script><!-- <script>";
const text = (view) => (view instanceof DataView ? new TextDecoder().decode(view) : typeof view);
async function render({ model, el }) {
  const told = [];
  const heard = (name) => (_, value) => told.push(`${name}=${value instanceof DataView ? text(value) : value}`);
  const family = heard("family");
  model.on("change:family", family);
  model.on("change:family", () => told.push(`by then depth=${model.get("depth")}`));
  model.on("change:depth", heard("depth"));
  model.on("change:numbers", heard("numbers"));
  model.on("change:edits", () => told.push("edits"));
  model.on("msg:custom", (message, buffers) => told.push(`${JSON.stringify(message)} and ${buffers.length} buffers`));
  told.push(`${model.get("_static")} ${text(model.get("numbers"))} ${text(model.get("deep")[0].x)} ${word}`);
  told.push(`${model.get("numbers").byteOffset} ${model.get("nothing")} ${model.get("title")}`);
  model.set({ family: "b", depth: 2 });
  model.save_changes();
  told.push("set");
  await null;
  model.set("family", "b");
  model.set("edits", { 1: { width: 3 } });
  model.off("change:family", family);
  model.set("family", "c"); // overtaken: its answer is never given
  model.set("family", "a");
  model.send({ do: "latency" });
  model.send({ do: "go", id: "nowhere" });
  model.send({ do: "go", id: "there" });
  await new Promise((done) => setTimeout(done));
  el.append(...told.flatMap((line) => [line, document.createElement("br")]));
  el.dataset.done = "";
}
export default () => ({ render });
"""
STATE_SENT = {
    "family": "a",
    "depth": 1,
    "numbers": b"first",
    "deep": [{"x": "αβ".encode()}],
    "edits": {1: {"width": 3}},
    "title": "é ” 𝛼",
}
ANSWERS = {
    "family": {"a": {"numbers": b"of a"}, "b": {"numbers": b"of b"}, "c": {"numbers": b"of c"}},
    "go": {"there": {"numbers": b"of there"}},
}
TOLD = [
    "true first αβ </script><!-- <script>",
    "0 undefined é ” 𝛼",
    "family=b",
    "by then depth=2",
    "depth=2",
    "set",
    "numbers=of b",
    "by then depth=2",
    "by then depth=2",
    "numbers=of a",
    '{"unavailable":"latency"} and 0 buffers',
    '{"unavailable":"go"} and 0 buffers',
    "numbers=of there",
]


def test_a_widget_over_a_model_without_a_kernel(browser, tmp_path):
    path = tmp_path / "own.html"
    path.write_text(page_text(title="Own", esm=ESM, css="", state=STATE_SENT, answers=ANSWERS), encoding="utf-8")
    page = labs.open_page(browser, path)
    page.wait_for_selector("[data-done]")
    assert page.locator("main").inner_text().strip().splitlines() == TOLD
    assert (page.title(), page.problems, page.asked) == ("Own", [], [path.as_uri()])
    page.close()


def test_a_page_that_fails_says_so(browser, tmp_path):
    path = tmp_path / "broken.html"
    esm = "export default { render() { throw new Error('no such family'); } };"
    path.write_text(page_text(title="Broken", esm=esm, css="", state={}, answers={}), encoding="utf-8")
    page = labs.open_page(browser, path)
    page.get_by_text("This page cannot be shown here (no such family).").wait_for()
    assert page.problems == ["no such family"]
    page.close()


def test_nothing_can_be_fetched(browser, tmp_path):
    path = tmp_path / "curious.html"
    esm = """export default { async render({ el }) {
        const said = [];
        await fetch("http://127.0.0.1:9/").catch((error) => said.push(error.name));
        el.append(said.join(" "), " done");
    } };"""
    path.write_text(page_text(title="Curious", esm=esm, css="", state={}, answers={}), encoding="utf-8")
    page = labs.open_page(browser, path)
    page.get_by_text("TypeError done").wait_for()
    assert any("Content Security Policy" in problem for problem in page.problems)
    page.close()


def shows_exact_numbers(page, key):
    """Wait for this family, and until the multiply-adds are those of the network that the state names; return it."""
    page.locator('.cnnlab [data-readout="state"]', has_text=re.compile(f"^{key},")).wait_for(timeout=10_000)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    state = page.locator('.cnnlab [data-readout="state"]').text_content()
    _, depth, width, resolution = STATE.match(state).groups()
    base = cl.architecture(BASES[key])
    cost = cl.scaled(base, depth=float(depth), width=float(width), resolution=int(resolution)).cost()
    page.locator('.cnnlab [data-readout="macs"]', has_text=re.compile(f"^{cost.macs:,}$")).wait_for(timeout=5_000)
    return float(depth), float(width), int(resolution)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "explorer.html"
    cl.Explorer("resnet", depth=1.4, resolution=160).save_html(path)
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_explorer_is_exact_without_a_kernel(browser, saved, tmp_path, dark):
    page = labs.open_page(browser, saved, dark=dark)
    page.wait_for_selector(".cnnlab")
    assert shows_exact_numbers(page, "resnet") == (1.4, 1.0, 160), "the page opens where it was saved"
    for key in BASES:
        page.locator('.cnnlab [data-control="family"]').select_option(key)
        seen = {shows_exact_numbers(page, key)}
        for name in ("depth", "width", "resolution"):
            page.locator(f'.cnnlab [data-slider="{name}"]').focus()
            for press in ("Home", "ArrowRight", "PageUp", "End"):
                page.keyboard.press(press)
                seen.add(shows_exact_numbers(page, key))
        assert len(seen) >= 10
    paper = page.locator(".cnnlab").evaluate("(el) => getComputedStyle(el).backgroundColor")
    around = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert paper == around and (max(map(int, re.findall(r"\d+", paper))) < 60) == dark
    page.locator(".cnnlab").screenshot(
        path=Path(os.environ.get("SHOTS", tmp_path)) / f"page_{'dark' if dark else 'light'}.png"
    )
    assert page.problems == []
    assert {url for url in page.asked if not url.startswith(("data:", "blob:"))} == {saved.as_uri()}
    page.close()


def test_the_theme_follows_the_system(browser, saved):
    page = labs.open_page(browser, saved)
    page.wait_for_selector('body[data-jp-theme-light="true"] .cnnlab')
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector('body[data-jp-theme-light="false"] .cnnlab')
    assert page.problems == []
    page.close()


MODULES = {
    "main.js": 'import { a, more } from "./one.js";\nimport {\n  c,\n} from "./two.js";\n\n'
    "more();\nexport default [a, c, typeof own];\n",
    "one.js": 'import { c, D } from "./two.js";\nconst own = D;\nexport const a = c + new own().x;\n'
    "export function more() {\n  c.push('more');\n}\n",
    "two.js": "const [own] = ['two'];\nexport const c = [own];\nexport class D {\n  x = 'of D';\n}\n",
}


def test_a_bundle_does_what_its_modules_do(browser, tmp_path):
    """The browser's own loader reads the files one by one; the bundle must give what they give."""
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            (tmp_path / "bundle.js").write_text(bundle(tmp_path))
            page = labs.new_page(browser, 400, 300)
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            load = "(name) => import(name).then((module) => module.default)"
            apart, together = (page.evaluate(load, f"/{name}.js") for name in ("main", "bundle"))
            page.close()
        finally:
            server.shutdown()
    assert apart == together == ["twoof D", ["two", "more"], "undefined"]
