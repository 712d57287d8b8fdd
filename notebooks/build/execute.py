"""Run a derived notebook from top to bottom, prose included, and measure what it takes."""

from __future__ import annotations

import copy
import os
import time
from dataclasses import dataclass
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from notebooks.build.derive import Times
from notebooks.build.fields import as_code, has_fields, plain

CELL_SECONDS = 60
PROCESSOR = """
import psutil
_ = psutil.Process().cpu_times()
print(_.user + _.system + _.children_user + _.children_system, psutil.Process().memory_info().rss)
"""


@dataclass(frozen=True)
class Run:
    """An executed notebook, what it took, and the seconds of each of its cells."""

    notebook: NotebookNode
    times: Times
    seconds: list[float]


def execute(derived: NotebookNode, folder: Path, first: str = "") -> Run:
    """Run the cells in order in a new kernel whose working folder is `folder`; text that has fields is filled in.

    first: code to run before them all. Raises nbclient's CellExecutionError for a cell that fails, unless it is
    tagged so.
    """
    notebook = copy.deepcopy(derived)
    texts = [cell if cell.cell_type == "markdown" else None for cell in notebook.cells]
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            notebook.cells[place] = new_code_cell(as_code(cell.source) if has_fields(cell.source) else "")
    before, after = new_code_cell(first), new_code_cell(PROCESSOR)
    notebook.cells += [before, after]
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        store_widget_state=False,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    seconds = []
    count = len(texts)
    with client.setup_kernel():
        client.execute_cell(before, count, store_history=False)
        for place, text in enumerate(texts):
            start = time.perf_counter()
            client.execute_cell(notebook.cells[place], place, store_history=text is None)
            seconds.append(time.perf_counter() - start)
        client.execute_cell(after, count + 1, store_history=False)
    cpu, memory = map(float, after.outputs[0].text.split())
    notebook.cells = [_kept(cell, text) for cell, text in zip(notebook.cells[:count], texts, strict=True)]
    return Run(notebook, Times(sum(seconds), cpu, memory, os.cpu_count() or 1), seconds)


def _kept(executed: NotebookNode, text: NotebookNode | None) -> NotebookNode:
    """The executed cell; of text, the markdown cell with what was printed."""
    if text is None:
        return executed
    if has_fields(text.source):
        text.source = "".join(output.text for output in executed.outputs)
    else:
        text.source = plain(text.source)
    return text
