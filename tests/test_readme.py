"""The README's code runs as it is printed, from the top to the bottom, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def test_the_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) >= 2
    names = {"torch": torch, "np": np}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "resnet50.svg").stat().st_size > 1000
    assert "class ResNet50" in capsys.readouterr().out
    assert names["again"] == names["graph"]


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
