"""The text of a saved page, taken apart by Python's own parser. (A browser opens some: tests/browser.)"""

import base64
import json
import math
import re
import zlib
from html.parser import HTMLParser

import ipywidgets
import numpy as np
import pytest
import traitlets

from cnnlab.show.page import page

ESM = "// A widget.\nconst word = '</script><!-- <script>';\nexport default { render() {} };\n"
STATE = {"family": "resnet", "depth": 1.5, "budget": None, "numbers": b"\x00\x01\xff" * 5, "deep": [{"x": b"abc"}, 7]}
ANSWERS = {
    "family": {"resnet": {"numbers": b"\x00\x01\xff" * 5}, "mobile": {"numbers": bytearray(b""), "edits": {3: 1}}}
}


class Parts(HTMLParser):
    """The elements of a page, as (tag, attributes, the text right in it)."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_endtag(self, tag):
        self.elements.append(["", {}, ""])  # what comes now is no longer in that element

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2] += data

    def named(self, tag):
        return [(attributes, text) for each, attributes, text in self.elements if each == tag]


def made(**changes):
    return page(**{"title": "Explorer", "esm": ESM, "css": "", "state": STATE, "answers": ANSWERS, **changes})


def unpacked(text):
    """What the page holds, put together as ipywidgets describes its messages: JSON, and buffers with their paths."""
    data = next(text for attributes, text in Parts(text).named("script") if attributes.get("id") == "cnnlab-data")
    raw = zlib.decompress(base64.b64decode(data, validate=True))
    start = 4 + int.from_bytes(raw[:4], "little")
    found = json.loads(raw[4:start])
    for path, at, length in found.pop("buffers"):
        holder = found
        for key in path[:-1]:
            holder = holder[key]
        assert holder[path[-1]] is None
        holder[path[-1]] = raw[start + at : start + at + length]
    return found, len(raw) - start


def test_everything_is_in_the_page_once():
    found, size = unpacked(made())
    assert found == {
        "state": STATE,
        "answers": {"family": {**ANSWERS["family"], "mobile": {"numbers": b"", "edits": {"3": 1}}}},
    }
    assert size == 15 + 3, "equal bytes are stored once"


def test_the_same_arguments_give_the_same_text():
    assert made() == made() == made(state=dict(reversed(STATE.items())))
    assert made() != made(state={**STATE, "depth": 2.0})


def test_a_widget_without_what_jupyter_keeps_of_it():
    class Own(ipywidgets.DOMWidget):
        value = traitlets.Int(3).tag(sync=True)
        numbers = traitlets.Bytes(b"12").tag(sync=True)

    texts = {made(state=Own().get_state(), answers={}) for _ in range(2)}
    assert len(texts) == 1, "no id that Jupyter draws gets into the page"
    assert unpacked(texts.pop())[0]["state"] == {"value": 3, "numbers": b"12"}


def test_nothing_is_fetched():
    parts = Parts(made(css=".a { color: red; }"))
    links = [v for _, attributes, _ in parts.elements for k, v in attributes.items() if k in ("src", "href", "action")]
    assert links == ["data:,"]
    policy = next(a["content"] for a, _ in parts.named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data: blob:"
    assert rules["script-src"] == rules["style-src"] == "'unsafe-inline'"
    assert "http:" not in made() and "https:" not in made()


def test_what_a_page_should_have():
    parts = Parts(made(title='a < b & "c"'))
    assert parts.named("html")[0][0] == {"lang": "en"}
    assert parts.named("title")[0][1] == 'a < b & "c"'
    assert {"charset": "utf-8"} in [attributes for attributes, _ in parts.named("meta")]
    assert any(attributes.get("name") == "viewport" for attributes, _ in parts.named("meta"))
    assert "JavaScript" in parts.named("noscript")[0][1]
    assert "prefers-color-scheme: dark" in parts.named("style")[0][1]


def test_code_and_style_stay_in_their_elements():
    text = made(css='.a::after { content: "</style><script>"; }')
    parts = Parts(text)
    assert [attributes.get("type") for attributes, _ in parts.named("script")] == [
        "application/octet-stream",
        "module",
        "module",
    ]
    module = parts.named("script")[1][1].strip()
    assert module.splitlines() == [
        "// A widget.",
        r"const word = '<\/script><\!-- <script>';",
        "globalThis.cnnlabModule = { render() {} };",
    ]
    assert parts.named("style")[0][1].strip().endswith(r'.a::after { content: "<\/style><script>"; }')
    assert "cnnlabModule" in parts.named("script")[2][1]
    assert len(re.findall("(?i)</script", text)) == 3 and len(re.findall("(?i)</style", text)) == 1


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"esm": "function render() {}"}, ValueError, "esm has 0 lines that start with `export default`"),
        ({"esm": ESM + ESM}, ValueError, "esm has 2 lines that start with `export default`"),
        ({"state": {"a": [1, {"b": math.nan}]}}, ValueError, "state['a'][1]['b'] is nan"),
        ({"state": {"a": np.int64(3)}}, TypeError, "state['a'] is a int64; only JSON and bytes"),
        ({"state": {"a": {1.5: 2}}}, TypeError, "state['a'] has the key 1.5"),
        ({"state": {"a": {True: 2}}}, TypeError, "state['a'] has the key True"),
        ({"answers": {"family": {"resnet": {"x": {1}}}}}, TypeError, "answers['family']['resnet']['x'] is a set"),
        ({"answers": {"family": {None: {}}}}, TypeError, "answers['family'] has the key None"),
    ],
)
def test_what_is_refused(changes, kind, sentence):
    with pytest.raises(kind) as error:
        made(**changes)
    assert sentence in str(error.value)
