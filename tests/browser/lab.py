"""A real JupyterLab on a free loopback port, and a real Chromium that looks at it. For tests and for benchmarks.

with running_lab(folder) as lab, chromium() as browser:
    page = open_notebook(browser, lab, "explorer.ipynb")
    run_all(page)
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
    token, port = secrets.token_hex(16), free_port()
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    for name, values in (("themes", {"theme": theme}), ("notification", quiet)):
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    options = [
        f"--port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
        "--LabApp.news_url=None",
        "--no-browser",
        "--allow-root",
    ]
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
    log = home / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=output, stderr=output, cwd=folder
        )
    try:
        lab = Lab(f"http://127.0.0.1:{port}", token, folder)
        wait_for(lab, server, log)
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


def wait_for(lab: Lab, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the server answers; raise with the end of its log if it does not."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            ask(lab, "/api/status")
            return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start within {START_SECONDS} s:\n{log.read_text()[-3000:]}")


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
    """The notebook in a page of its own, with its kernel idle; `page.problems` collects console errors."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.problems = []  # type: ignore[attr-defined]
    page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else None)  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.problems.append(str(error)))  # type: ignore[attr-defined]
    page.goto(lab.address(notebook), wait_until="domcontentloaded")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=START_SECONDS * 1000)
    wait_kernel(lab, notebook)
    wait_idle(page)
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
