"""One HTML page that runs an anywidget without a kernel, a server or a network: what `save_html` writes."""

from __future__ import annotations

import base64
import html
import json
import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget

RUNNER = Path(__file__).parent / "js" / "page.js"
# What ipywidgets and anywidget keep about themselves; names, versions and ids that no front end of ours reads.
JUPYTERS = {*anywidget.AnyWidget.class_trait_names(sync=True), "_esm", "_css", "_anywidget_id"}
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"
)
# JupyterLab's colours, by the names under which its themes hand them to a widget.
STYLE = """\
:root {
  color-scheme: light dark;
  --jp-ui-font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --jp-layout-color1: #fff; --jp-layout-color2: #eee;
  --jp-ui-font-color1: rgb(0 0 0 / 87%); --jp-ui-font-color2: rgb(0 0 0 / 60%); --jp-border-color2: #e0e0e0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --jp-layout-color1: #111; --jp-layout-color2: #333;
    --jp-ui-font-color1: rgb(255 255 255 / 90%); --jp-ui-font-color2: rgb(255 255 255 / 70%); --jp-border-color2: #444;
  }
}
body {
  margin: 0; color: var(--jp-ui-font-color1); background: var(--jp-layout-color1);
  font-family: var(--jp-ui-font-family);
}
main { padding: 8px; }
"""
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{style}
</style>
</head>
<body>
<main id="cnnlab-view"></main>
<noscript>This page computes while you move its sliders, and JavaScript, which does that, is switched off.</noscript>
<script type="application/octet-stream" id="cnnlab-data">{data}</script>
<script type="module">
{module}
</script>
<script type="module">
{runner}
</script>
</body>
</html>
"""


def page(*, title: str, esm: str, css: str, state: Mapping[str, Any], answers: Mapping[str, Any]) -> str:
    """The text of the page. It fetches nothing, and its security policy forbids it to.

    esm, css: the widget's, as texts; the module must have one `export default`, at the start of a line. state: its
    traits, as `widget.get_state()` gives them, with bytes anywhere inside; what Jupyter alone reads is left out.
    answers: {name: {value: {trait: value, ...}}}: what Python would set when the page sets the trait of that name to
    that value, or sends the message {do: name, id: value}. Any other message is answered by {"unavailable": its do},
    and `model.get("_static")` is true on the page. The same arguments give the same text.

    Raises ValueError or TypeError, naming the place, for what is not JSON with bytes.

    >>> text = page(title="1 < 2", esm="export default { render() {} };", css="", state={"x": b""}, answers={})
    >>> "<title>1 &lt; 2</title>" in text
    True
    """
    module, found = re.subn(r"^export\s+default\b", lambda _: "globalThis.cnnlabModule =", esm, flags=re.MULTILINE)
    if found != 1:
        raise ValueError(f"esm has {found} lines that start with `export default`; it must have one")
    kept = {name: state[name] for name in sorted(state) if name not in JUPYTERS}
    return PAGE.format(
        policy=POLICY,
        title=html.escape(title),
        style=re.sub(r"</(style)", r"<\\/\1", STYLE + css, flags=re.IGNORECASE).strip(),
        data=_packed(kept, answers),
        module=_in_script(module),
        runner=_in_script(RUNNER.read_text(encoding="utf-8")),
    )


def _in_script(text: str) -> str:
    """JavaScript that means the same and that no HTML parser takes for the end of a script or for a comment."""
    return re.sub(r"<(?=/script)", r"<\\", text.strip(), flags=re.IGNORECASE).replace("<!--", "<\\!--")


def _packed(state: Mapping[str, Any], answers: Mapping[str, Any]) -> str:
    """State and answers, compressed, in base64: the length of a JSON text, the text, and then all bytes, each once."""
    buffers: dict[bytes, int] = {}  # bytes -> where they start
    places: list[tuple[list[str | int], int, int]] = []

    def plain(value: Any, path: tuple[str | int, ...]) -> Any:
        """The value as JSON has it. In place of bytes stands null, and `places` says where they are to be put."""
        if isinstance(value, (bytes, bytearray, memoryview)):
            content = bytes(value)
            start = buffers.setdefault(content, sum(map(len, buffers)))
            places.append((list(path), start, len(content)))
            return None
        if isinstance(value, Mapping):
            return {_key(key, path): plain(each, (*path, _key(key, path))) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(each, (*path, i)) for i, each in enumerate(value)]
        return _scalar(value, path)

    data = {"state": plain(state, ("state",)), "answers": plain(answers, ("answers",)), "buffers": places}
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    raw = len(text).to_bytes(4, "little") + text + b"".join(buffers)
    return base64.b64encode(zlib.compress(raw, 9)).decode()


def _key(key: Any, path: tuple[str | int, ...]) -> str:
    if isinstance(key, bool) or not isinstance(key, (str, int)):
        raise TypeError(f"{_where(path)} has the key {key!r}; it must be a string or a whole number")
    return str(key)


def _scalar(value: Any, path: tuple[str | int, ...]) -> Any:
    if value is not None and not isinstance(value, (str, int, float)):
        raise TypeError(f"{_where(path)} is a {type(value).__name__}; only JSON and bytes can be saved in a page")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{_where(path)} is {value}; JSON has no such number")
    return value


def _where(path: tuple[str | int, ...]) -> str:
    return str(path[0]) + "".join(f"[{key!r}]" for key in path[1:])
