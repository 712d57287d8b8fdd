"""The suite as files, without a kernel: notebooks in step with their sources, links, spelling, tables, exercises."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from spellchecker import SpellChecker

from cnnlab.show.exercises import EXERCISES
from notebooks.build.derive import NOTEBOOKS, REPOSITORY, ROOT, lesson, solutions, sources, stub, tags, words
from notebooks.build.fields import has_fields, pattern, plain
from notebooks.build.overview import answers, with_tables
from tests import prose

SOURCES = sources()
PAGES = [ROOT / "README.md", NOTEBOOKS / "TEACHING.md", NOTEBOOKS / "source" / "README.md"]
HOSTS = {"github.com", "colab.research.google.com", "mybinder.org", "arxiv.org", "docs.pytorch.org", "tljh.jupyter.org"}
MOST_SECONDS, MOST_WORDS = 60, 4000
each_lesson = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


@cache
def built(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{path.stem}.ipynb", as_version=4)


def texts(path: Path) -> list[str]:
    """A source's prose, what the kernel fills in left out."""
    return [plain(cell.source) for cell in lesson(path).cells if cell.cell_type == "markdown"]


def test_thirteen_lessons():
    assert [path.stem[:2] for path in SOURCES] == [f"{n:02}" for n in range(13)]
    for folder in (NOTEBOOKS, NOTEBOOKS / "solutions"):
        assert sorted(path.stem for path in folder.glob("*.ipynb")) == [path.stem for path in SOURCES]


@each_lesson
@pytest.mark.parametrize("kind", ["lesson", "solutions"])
def test_in_step_with_its_source(path, kind):
    derived = {"lesson": lesson, "solutions": solutions}[kind](path)
    folder = {"lesson": NOTEBOOKS, "solutions": NOTEBOOKS / "solutions"}[kind]
    stored = nbformat.read(folder / f"{path.stem}.ipynb", as_version=4)
    why = f"python -m notebooks.build {path.stem[:2]}"
    assert [cell.id for cell in stored.cells] == [cell.id for cell in derived.cells], why
    for old, new in zip(stored.cells, derived.cells, strict=True):
        assert (old.cell_type, tags(old)) == (new.cell_type, tags(new)), why
        text = re.sub(r"(?<=^## Time)\n\n.*\Z", "", old.source, flags=re.MULTILINE)
        same = pattern(new.source).fullmatch(text) if new.cell_type == "markdown" else text == new.source
        assert same, f"{why}\n{old.source}"


@each_lesson
def test_measured_times(path):
    """Written by the build: no lesson takes a minute, and it says so; the suite takes less than six."""
    metadata = built(path).metadata["cnnlab"]
    assert 0 < metadata["wall"] < MOST_SECONDS
    assert f"take {metadata['wall']:.0f} s on" in built(path).cells[0].source
    assert sum(built(each).metadata["cnnlab"]["wall"] for each in SOURCES) < 6 * 60


@each_lesson
def test_shape(path):
    """Goals, what to read before, guesses, something to move, exercises, a summary of five lines, further reading."""
    notebook = built(path)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert notebook.cells[0].source.startswith(f"# {path.stem[:2]} · ")
    for heading in ("## Goals", "## Before", "## Time", "## Exercises", "## Summary", "### Further reading"):
        assert len(re.findall(f"^{heading}$", text, re.MULTILINE)) == 1, heading
    summary = text.partition("\n## Summary")[2].partition("### Further")[0]
    assert len(re.findall(r"^\* ", summary, re.MULTILINE)) == 5
    assert code.count("cl.lesson.guess(") == code.count(".reveal(") >= 2
    assert "cl.Explorer(" in code or "cl.lesson.play(" in code or "group_chooser(" in code
    assert words(notebook) < MOST_WORDS
    assert 3 <= sum("exercise" in tags(cell) for cell in notebook.cells) <= 6
    assert re.search(r"^\s*assert ", code, re.MULTILINE)


@each_lesson
@pytest.mark.parametrize("derived", [lesson, solutions], ids=["lesson", "solutions"])
def test_numbers_in_prose_are_computed(path, derived):
    """Or a paper's, which the paragraph cites, or a setting of the code. What a lesson says of itself and what it asks
    in its exercises is typed."""
    cells = derived(path).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    typed = [
        (number, cell.source[:60])
        for cell in cells[1:]
        if cell.cell_type == "markdown" and not cell.source.startswith(("**", "## Exercises", "## Summary"))
        for number in prose.typed_numbers(plain(cell.source), code)
    ]
    assert not typed


# ---- exercises


def test_each_exercise_is_in_one_lesson():
    found = [
        number
        for path in SOURCES
        for cell in lesson(path).cells
        if "exercise" in tags(cell)
        for number in re.findall(r'cl\.lesson\.check\("([\d.]+)", answer\)', cell.source)
    ]
    assert found == list(EXERCISES)


@each_lesson
def test_solutions_pass_their_checks(path):
    stored = nbformat.read(NOTEBOOKS / "solutions" / f"{path.stem}.ipynb", as_version=4)
    said = "".join(output.text for cell in stored.cells if "exercise" in tags(cell) for output in cell.outputs)
    numbers = [number for number in EXERCISES if number.startswith(path.stem[:2])]
    assert re.findall(r"^([\d.]+): right: ", said, re.MULTILINE) == numbers


@each_lesson
def test_stubs_give_nothing_away(path):
    for cell in lesson(path).cells:
        if "exercise" in tags(cell):
            assert cell.source.endswith("answer)") and "\nanswer = None\n" in cell.source


@pytest.mark.parametrize("solved", ["answer = 1\ncl.lesson.check('00.1', answer)", "# Your answer:\nanswer = 1"])
def test_an_exercise_without_its_marks_is_refused(solved):
    with pytest.raises(ValueError, match="an exercise needs a line '# Your answer:'"):
        stub(solved)


# ---- text


def known_words() -> set[str]:
    lines = (ROOT / "tests" / "words.txt").read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


@cache
def dictionary() -> SpellChecker:
    return SpellChecker(language="en")


def misspelled(text: str) -> set[str]:
    """What is neither in the dictionary nor in tests/words.txt (the field's words, British spellings, names)."""
    found = {word.removesuffix("'s") for word in prose.words(text)}
    return {word for word in found if len(word) > 1 and not {word, word.lower()} & (known_words() | known_to_it(word))}


def known_to_it(word: str) -> set[str]:
    return set(dictionary().known([word.lower()]))


@each_lesson
def test_spelling(path):
    told = "\n".join(cell.source for cell in solutions(path).cells if cell.cell_type == "markdown")
    assert misspelled("\n".join([*texts(path), plain(told) if has_fields(told) else told])) == set()


@each_page
def test_spelling_of_pages(path):
    assert misspelled(path.read_text(encoding="utf-8")) == set()


def test_a_misspelling_is_found():
    assert misspelled("The resollution of an image, and its width.") == {"resollution"}


def test_listed_words_are_used_and_needed():
    everything = "\n".join(
        [
            *(text for path in SOURCES for text in texts(path)),
            *(cell.source for path in SOURCES for cell in solutions(path).cells if cell.cell_type == "markdown"),
            *(page.read_text(encoding="utf-8") for page in PAGES),
        ]
    )
    used = {form for word in prose.words(everything) for form in (word, word.lower(), word.removesuffix("'s"))}
    assert known_words() <= used
    assert [word for word in known_words() if known_to_it(word)] == []


def broken(markdown: str, folder: Path, root: Path = ROOT) -> list[str]:
    """Links that lead nowhere: to a file that is not there (or not below root), to a heading that is not in it, to an
    address that is not expected."""
    return [link for link in prose.links(markdown) if not leads(link, folder, root)]


def leads(link: str, folder: Path, root: Path) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme == "https" and parts.netloc in HOSTS
    target = (folder / unquote(parts.path)).resolve() if parts.path else None
    if target is not None and not (target.exists() and root in target.parents):
        return False
    return not parts.fragment or target is None or parts.fragment in anchors(target)


def anchors(page: Path) -> set[str]:
    """The headings of a markdown page, as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_lesson
def test_links(path):
    for folder in (NOTEBOOKS, NOTEBOOKS / "solutions"):
        stored = nbformat.read(folder / f"{path.stem}.ipynb", as_version=4)
        text = "\n\n".join(cell.source for cell in stored.cells if cell.cell_type == "markdown")
        assert broken(text, folder, NOTEBOOKS) == []  # which is all that JupyterLab and the site show


@each_page
def test_links_of_pages(path):
    assert broken(path.read_text(encoding="utf-8"), path.parent) == []


@pytest.mark.parametrize(
    "link", ["nowhere.md", "README.md#no-such-heading", "http://arxiv.org/x", "https://elsewhere.org/"]
)
def test_a_broken_link_is_found(link):
    assert broken(f"[x]({link})", ROOT) == [link]


@each_lesson
def test_badges(path):
    """Colab opens this very file, Binder this repository (whose environment.yml it installs) at this file."""
    head, file = built(path).cells[0].source, f"notebooks/{path.stem}.ipynb"
    place = REPOSITORY.removeprefix("https://github.com/")
    assert f"https://colab.research.google.com/github/{place}/blob/main/{file}" in head
    binder = next(link for link in prose.links(head) if "mybinder" in link)
    assert urlsplit(binder).path == f"/v2/gh/{place}/main" and unquote(urlsplit(binder).query) == f"labpath={file}"
    assert (ROOT / file).exists() and (ROOT / "environment.yml").exists()
    assert f"{REPOSITORY}#two-commands" in head and "two-commands" in anchors(ROOT / "README.md")


def test_tables_are_up_to_date():
    for page in PAGES[:2]:
        text = page.read_text(encoding="utf-8")
        assert with_tables(text, page) == text, "python -m notebooks.build"
    assert len(answers().splitlines()) == len(EXERCISES) + 2
