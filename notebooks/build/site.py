"""`make site`: the suite as a folder of web pages that needs no server, no network and no Python; its Explorers work.

Each lesson is executed anew. Where it shows an Explorer, the site has the Explorer's own page (`Explorer.save_html`) in
a frame.
"""

from __future__ import annotations

import html
import re
import shutil
import sys
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from tqdm import tqdm

from notebooks.build.derive import NOTEBOOKS, ROOT, lesson, sources, timed
from notebooks.build.execute import execute
from notebooks.build.overview import table

SITE = ROOT / "build" / "site"
FRAME = (
    '<iframe src="{file}" title="{title}" style="width: 100%; height: 880px; border: 1px solid #ccc" loading="lazy">'
    '</iframe><p><a href="{file}">This Explorer alone</a>: {title}</p>'
)
# nbconvert's lab template without what it would fetch: MathJax (the lessons use none), require.js, mermaid
TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
main, nav { max-width: 72rem; margin: 0 auto; padding: 0 1rem; }
nav { display: flex; gap: 1.5rem; padding-block: .8rem; font: 15px/1.4 system-ui, sans-serif; }
img, svg { max-width: 100%; height: auto; }
</style>
{%- endblock -%}
{%- block body_header -%}
<body class="jp-Notebook" data-jp-theme-light="true" data-jp-theme-name="JupyterLab Light">
<nav aria-label="Lessons">{{ resources.navigation }}</nav>
<main>
{%- endblock -%}
"""


def pages_for_explorers(folder: Path, stem: str) -> None:
    """From here on, in this kernel, an Explorer that is shown writes its page into `folder` and shows it in a frame."""
    from IPython import get_ipython

    from cnnlab.show.explorer import Explorer

    (folder / "explorers").mkdir(parents=True, exist_ok=True)
    written: list[str] = []

    def bundle(explorer: Explorer, **_: object) -> dict[str, str]:
        file = f"explorers/{stem}_{len(written) + 1}.html"
        written.append(file)
        explorer.save_html(folder / file)
        title = repr(explorer)
        return {"text/html": FRAME.format(file=file, title=html.escape(title)), "text/plain": title}

    get_ipython().display_formatter.mimebundle_formatter.for_type(Explorer, bundle)


def page(notebook: NotebookNode, navigation: str, title: str) -> str:
    """A notebook as a web page whose links lead to web pages."""
    exporter = HTMLExporter(extra_loaders=[DictLoader({"site.html.j2": TEMPLATE})], template_file="site.html.j2")
    text, _ = exporter.from_notebook_node(notebook, {"navigation": navigation, "metadata": {"name": title}})
    return re.sub(r'(href="(?!https?:)[^"#]*)\.(?:ipynb|md)(?=["#])', r"\1.html", text)


def text_page(markdown: str, navigation: str, title: str) -> str:
    """Markdown as a web page."""
    return page(new_notebook(cells=[new_markdown_cell(markdown, id="text")]), navigation, title)


def navigation(stem: str = "", up: str = "") -> str:
    """Links to all lessons, to the one before and the one after. up: from a subfolder."""
    stems = [path.stem for path in sources()]
    links = [("All lessons", "index")]
    if stem:
        place = stems.index(stem)
        links += [(f"← {stems[i][:2]}", stems[i]) for i in (place - 1,) if i >= 0]
        links += [(f"{stems[i][:2]} →", stems[i]) for i in (place + 1,) if i < len(stems)]
    return " ".join(f'<a href="{up}{target}.html">{name}</a>' for name, target in links)


def write_lesson(path: Path, folder: Path) -> None:
    """Execute a lesson and write its page, its Explorers' and its solutions'."""
    first = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom pathlib import Path\n"
    first += "from notebooks.build.site import pages_for_explorers\n"
    first += f"pages_for_explorers(Path({str(folder)!r}), {path.stem!r})"
    run = execute(lesson(path), NOTEBOOKS, first)
    notebook = timed(run.notebook, run.times)
    (folder / f"{path.stem}.html").write_text(page(notebook, navigation(path.stem), path.stem), encoding="utf-8")
    solved = nbformat.read(NOTEBOOKS / "solutions" / f"{path.stem}.ipynb", as_version=4)
    (folder / "solutions").mkdir(exist_ok=True)
    (folder / "solutions" / f"{path.stem}.html").write_text(
        page(solved, navigation(up="../"), path.stem), encoding="utf-8"
    )


def write_rest(folder: Path) -> None:
    """The first page, the teacher's page and the badges."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(NOTEBOOKS / "badges", folder / "badges", dirs_exist_ok=True)
    words = (
        "Depth, width and resolution of convolutional networks, in thirteen lessons. The Explorers work on these pages."
    )
    index = f"# cnnlab: the lessons\n\n{words} For teachers: [plans and answers](TEACHING.md).\n\n{table('')}"
    (folder / "index.html").write_text(text_page(index, navigation(), "cnnlab: the lessons"), encoding="utf-8")
    teaching = (NOTEBOOKS / "TEACHING.md").read_text(encoding="utf-8")
    (folder / "TEACHING.html").write_text(text_page(teaching, navigation(), "Teaching"), encoding="utf-8")


def main(folder: Path = SITE) -> None:
    """Write the whole site."""
    shutil.rmtree(folder, ignore_errors=True)
    write_rest(folder)
    for path in tqdm(sources(), unit="lesson"):
        write_lesson(path, folder)
    print(f"open {folder / 'index.html'}")


if __name__ == "__main__":
    main(*(Path(argument).resolve() for argument in sys.argv[1:2]))
