"""The four rooms: each imports only from those before it; arch/ thinks without torch; `import cnnlab` is light."""

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("arch", "run", "prune", "show")
EXEMPT = {"cnnlab/__init__.py", "cnnlab/__main__.py"}
THINKING = {*sys.stdlib_module_names, "numpy", "pandas", "cnnlab"}  # all that arch/ may import
LOADERS = {"import_module", "__import__"}
# A graph offers `.module()`, which only run/ can do: bound late, by name, and nowhere else.
BRIDGES = {("cnnlab/arch/doors.py", "cnnlab.run.module"), ("cnnlab/arch/doors.py", "cnnlab.show.html")}
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "cnnlab").rglob("*.py"))


def imports(path: str, source: str) -> Iterator[str]:
    """The full name of everything imported, wherever it stands; `from a import b` gives a.b, which may be a module.

    >>> list(imports("cnnlab/run/fit.py", "from .. import arch"))
    ['cnnlab.arch']
    """
    package = path.rpartition("/")[0].replace("/", ".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in LOADERS:
            name = node.args[0] if node.args else None
            literal = isinstance(name, ast.Constant) and isinstance(name.value, str)
            module = importlib.util.resolve_name(name.value, package) if literal else "cnnlab.<computed at run time>"
            if (path, module) not in BRIDGES:
                yield module


def called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def breaches(path: str, source: str) -> list[str]:
    """What this file imports and must not: a sentence each."""
    room = path.split("/")[1]
    allowed = ROOMS[: ROOMS.index(room) + 1]
    found = []
    for name in imports(path, source):
        top, _, rest = name.partition(".")
        if top == "cnnlab" and rest.partition(".")[0] not in allowed:
            found.append(f"{path} imports {name}; {room}/ may import from {', '.join(allowed)}")
        elif room == "arch" and top not in THINKING:
            found.append(f"{path} imports {name}; arch/ thinks with NumPy and pandas only")
    return found


def test_there_are_rooms():
    assert {"arch", "run", "show"} <= {path.split("/")[1] for path in FILES if path.count("/") > 1} <= set(ROOMS)


@pytest.mark.parametrize("path", [path for path in FILES if path not in EXEMPT])
def test_imports_only_from_rooms_before_it(path):
    assert path.split("/")[1] in ROOMS, f"{path} stands in no room"
    assert not breaches(path, (ROOT / path).read_text())


@pytest.mark.parametrize(("path", "module"), sorted(BRIDGES))
def test_bridges_are_still_needed(path, module):
    assert f'import_module("{module}")' in (ROOT / path).read_text()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("cnnlab/arch/a.py", "import torch"),
        ("cnnlab/arch/a.py", "import torchvision.models as m"),
        ("cnnlab/arch/a.py", "from torch.nn import Conv2d"),
        ("cnnlab/arch/a.py", "def f():\n    import torch"),
        ("cnnlab/arch/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from torch import nn"),
        ("cnnlab/arch/a.py", "try:\n    import scipy\nexcept ImportError:\n    pass"),
        ("cnnlab/arch/a.py", "from cnnlab.run import module"),
        ("cnnlab/arch/a.py", "from cnnlab import run"),
        ("cnnlab/arch/a.py", "from .. import run"),
        ("cnnlab/arch/a.py", "from ..run.module import module"),
        ("cnnlab/arch/deep/a.py", "from ...run import module"),
        ("cnnlab/arch/a.py", "import cnnlab.show.plots"),
        ("cnnlab/arch/a.py", "from importlib import import_module\nimport_module('cnnlab.run.fit')"),
        ("cnnlab/arch/a.py", "import importlib\nimportlib.import_module('torch')"),
        ("cnnlab/arch/a.py", "from importlib import import_module\nimport_module(name)"),
        ("cnnlab/run/a.py", "import cnnlab"),
        ("cnnlab/run/a.py", "from cnnlab import architecture"),
        ("cnnlab/run/a.py", "from cnnlab.prune.plan import plan"),
        ("cnnlab/run/a.py", "def f():\n    from cnnlab.show import plots"),
        ("cnnlab/prune/a.py", "from ..show import plots"),
    ],
)
def test_breaches_are_caught(path, source):
    assert breaches(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "cnnlab/arch/a.py",
            "import math\nimport numpy as np\nfrom . import layers\nfrom cnnlab.arch.layers import Conv",
        ),
        ("cnnlab/arch/doors.py", "from importlib import import_module\nimport_module('cnnlab.run.module')"),
        ("cnnlab/run/a.py", "import torch\nfrom ..arch import graph"),
        ("cnnlab/prune/a.py", "from cnnlab.run.trace import trace"),
        ("cnnlab/show/a.py", "from cnnlab.prune import plan\nfrom cnnlab.run import fit"),
    ],
)
def test_lawful_imports_pass(path, source):
    assert breaches(path, source) == []


def loaded_after(code: str, folder: Path) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after it ran the code."""
    program = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_loads_nothing_heavy(tmp_path):
    loaded = loaded_after("import cnnlab as cl; assert 'architecture' in dir(cl)", tmp_path)
    assert "cnnlab" in loaded
    assert not loaded & {"torch", "torchvision", "pandas", "matplotlib", "ipywidgets", "IPython"}


def test_thinking_needs_no_torch(tmp_path):
    ask = "import cnnlab as cl; assert cl.architecture('efficientnet_b0').cost().macs == 385_814_752"
    loaded = loaded_after(ask, tmp_path)
    assert "numpy" in loaded
    assert not loaded & {"torch", "torchvision", "matplotlib", "ipywidgets"}
