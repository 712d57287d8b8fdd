"""A real JupyterLab or Voila on a free loopback port, and a real Chromium that looks at it. For tests and benchmarks.

with running_lab(folder, home) as lab, chromium() as browser:
    page = open_notebook(browser, lab, "explorer.ipynb")
    run_all(page)

A page that was saved needs no server: open_page(browser, path). Every page collects in `page.problems` what its console
calls an error, and in `page.asked` the addresses that it asks for.
"""

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS, CELL_MS = 90, 180_000
STDERR = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
ALL_RUN = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map((p) => p.textContent);
    return prompts.length && prompts.every((text) => /\\d/.test(text));
}"""
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"


@dataclass(frozen=True)
class Lab:
    """A running server: its address, its token and the folder whose notebooks it shows."""

    url: str
    token: str
    folder: Path

    def address(self, notebook: str) -> str:
        """Where this notebook opens alone, in a workspace of its own so that no session restores another's tabs."""
        return f"{self.url}/lab/workspaces/w{secrets.token_hex(4)}/tree/{notebook}?token={self.token}"


@contextlib.contextmanager
def running_lab(folder: Path, home: Path, theme: str = LIGHT) -> Iterator[Lab]:
    """JupyterLab over `folder`; what it writes about itself goes to `home`, which should be temporary."""
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    for name, values in (("themes", {"theme": theme}), ("notification", quiet)):
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    options = [
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
        "--LabApp.news_url=None",
        "--allow-root",
    ]
    with serving("jupyterlab", *options, folder=folder, home=home, probe="/api/status") as lab:
        yield lab


@contextlib.contextmanager
def running_voila(folder: Path, home: Path, theme: str = "light") -> Iterator[Lab]:
    """Voila over `folder`: each of its notebooks as a page without code, run anew by a kernel of its own."""
    options = ["--token", "--Voila.ip=127.0.0.1", "--Voila.port_retries=0", "--show_tracebacks=True"]
    options += ["--VoilaConfiguration.extension_denylist=jupyterlab-jupytext"]  # it expects JupyterLab around it
    with serving("voila", *options, f"--theme={theme}", str(folder), folder=folder, home=home, probe="/") as voila:
        yield voila


@contextlib.contextmanager
def serving(module: str, *options: str, folder: Path, home: Path, probe: str) -> Iterator[Lab]:
    """One of Jupyter's servers, from when it answers `probe`; it keeps its own files in `home`."""
    token, port = secrets.token_hex(16), free_port()
    environment = {
        **os.environ,
        "JUPYTER_TOKEN": token,  # not on the command line, where other users could read it
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }
    environment.pop("MPLBACKEND", None)
    home.mkdir(parents=True, exist_ok=True)
    log, command = home / f"{module}.log", [sys.executable, "-m", module, f"--port={port}", "--no-browser", *options]
    with log.open("w") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=folder)
    try:
        lab = Lab(f"http://127.0.0.1:{port}", token, folder)
        wait_for(lab, server, log, probe)
        yield lab
    finally:
        server.terminate()  # a clean stop: it shuts its kernels down
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(lab: Lab, server: "subprocess.Popen[bytes]", log: Path, probe: str) -> None:
    """Return when the server answers; raise with the end of its log if it does not."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            ask(lab, probe)
            return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"no server within {START_SECONDS} s; its {log.name}:\n{log.read_text()[-3000:]}")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium (the environment variable CHROMIUM names another executable)."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of these code cells, without outputs."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)


def open_notebook(browser: Browser, lab: Lab, notebook: str, *, width: int = 1400, height: int = 1000) -> Page:
    """The notebook in a page of its own, with its kernel idle."""
    page = new_page(browser, width, height)
    page.goto(lab.address(notebook), wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_SECONDS * 1000)
    wait_kernel(lab, notebook)
    wait_idle(page)
    return page


def open_voila(browser: Browser, voila: Lab, notebook: str, *, width: int = 1400, height: int = 1000) -> Page:
    """The notebook as Voila renders it: run already. What Voila wants from elsewhere (its icons) comes back empty."""
    page = new_page(browser, width, height)
    page.route(lambda url: not url.startswith(voila.url), lambda route: route.fulfill(body=""))
    page.goto(f"{voila.url}/voila/render/{notebook}?token={voila.token}", timeout=CELL_MS)
    return page


def open_page(browser: Browser, path: Path, *, width: int = 1400, height: int = 1000, dark: bool = False) -> Page:
    """A saved page, opened as a file."""
    page = new_page(browser, width, height, dark=dark)
    page.goto(path.resolve().as_uri())
    return page


def new_page(browser: Browser, width: int, height: int, *, dark: bool = False) -> Page:
    """An empty page; `problems` and `asked` fill as it loads."""
    page: Any = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    page.problems, page.asked = [], []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    return page


def wait_kernel(lab: Lab, notebook: str) -> None:
    """Wait until this notebook's kernel has started and is idle: until then JupyterLab's run commands do nothing."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        sessions = json.loads(ask(lab, "/api/sessions"))
        if any(s["path"] == notebook and s["kernel"]["execution_state"] == "idle" for s in sessions):
            return
        time.sleep(0.2)
    raise RuntimeError(f"the kernel of {notebook} did not start within {START_SECONDS} s")


def ask(lab: Lab, path: str) -> str:
    """What the server answers to this request."""
    request = urllib.request.Request(lab.url + path, headers={"Authorization": f"token {lab.token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a loopback address needs no proxy
    with opener.open(request, timeout=5) as answer:
        return str(answer.read().decode())


def wait_idle(page: Page, timeout: int = CELL_MS) -> None:
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=timeout)


def run_all(page: Page) -> None:
    """Run every cell and wait for the end; raise with the traceback of the first that fails."""
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
    page.wait_for_function(ALL_RUN, timeout=CELL_MS)
    wait_idle(page)
    page.evaluate("() => document.activeElement.blur()")
    raised = [text for text in page.locator(STDERR).all_text_contents() if "Traceback" in text]
    if raised:
        raise AssertionError(f"a cell failed:\n{raised[0][-3000:]}")


def run_code(page: Page, cell: int) -> str:
    """Run one cell again and return what it prints; `cell` counts from 0."""
    box = page.locator(".jp-CodeCell").nth(cell)
    before = box.locator(".jp-InputPrompt").first.text_content()
    box.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        """([i, before]) => {
            const text = document.querySelectorAll('.jp-CodeCell')[i].querySelector('.jp-InputPrompt').textContent;
            return text !== before && /\\d/.test(text);
        }""",
        arg=[cell, before],
        timeout=CELL_MS,
    )
    wait_idle(page)
    return "\n".join(box.locator(".jp-OutputArea-output pre").all_text_contents()).strip()
