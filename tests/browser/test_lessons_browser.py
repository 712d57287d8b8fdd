"""Every lesson in a real JupyterLab, as a student goes through it: run to the end, everything that moves moved, guesses
committed. And a page of the static site, whose Explorer works from a file."""

from __future__ import annotations

import shutil

import nbformat
import pytest
from playwright.sync_api import Locator, Page

from notebooks.build.derive import NOTEBOOKS, sources
from notebooks.build.site import write_lesson, write_rest
from tests.browser import lab as labs
from tests.browser.explorer_page import read, shut_down, slider

pytestmark = pytest.mark.browser

SLIDERS = ("depth", "width", "resolution", "phi")
BROKEN = (
    "() => [...document.querySelectorAll('.jp-OutputArea img')].filter((i) => i.complete && !i.naturalWidth).length"
)


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """JupyterLab over a copy of notebooks/."""
    folder = tmp_path_factory.mktemp("school") / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    with labs.running_lab(folder, tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_a_student_goes_through(browser, school, source):
    name = f"{source.stem}.ipynb"
    stored = nbformat.read(NOTEBOOKS / name, as_version=4)
    page = labs.open_notebook(browser, school, name, width=1500, height=1600)
    page.set_default_timeout(20_000)
    labs.run_all(page)
    for view in page.locator(".cnnlab").all():
        turn_knobs(view)
    guesses = page.get_by_role("button", name="Commit", exact=True)
    asked = sum("cl.lesson.guess(" in cell.source for cell in stored.cells if cell.cell_type == "code")
    assert guesses.count() == asked
    for _ in range(asked):
        commit(guesses.first)
    move_pictures(page)
    choose_layers(page)
    assert page.locator(".jp-OutputArea", has_text="Error displaying widget").count() == 0
    assert page.evaluate(BROKEN) == 0
    reveal_again(page, stored)
    assert page.problems == []
    page.close()
    shut_down(school, name)


def turn_knobs(view: Locator) -> None:
    """Each slider that is there, a step by keyboard; what is shown stays exact."""
    view.scroll_into_view_if_needed()
    for knob in SLIDERS:
        if slider(view, knob).count() and slider(view, knob).is_visible():
            slider(view, knob).focus()
            before = read(view)["state"]
            view.page.keyboard.press("ArrowLeft")
            if read(view)["state"] == before:  # it stood at its end
                view.page.keyboard.press("ArrowRight")
            assert read(view)["state"] != before


def commit(button: Locator) -> None:
    """Move the guess's slider, or choose the first of its list, and commit; the button then says so."""
    button.scroll_into_view_if_needed()
    row = button.locator("xpath=..")
    if row.locator("select").count():
        row.locator("select").select_option(index=1)
    else:
        row.locator(".noUi-handle").first.focus()
        button.page.keyboard.press("ArrowRight")
    done = button.page.get_by_role("button", name="Committed")
    before = done.count()
    button.click()
    done.nth(before).wait_for()


def move_pictures(page: Page) -> None:
    """A step of each slider above a picture that follows it: the picture is another, or its words are."""
    for picture in page.locator('.jp-OutputArea img[src^="data:image/png"][alt]').all():
        box = picture.locator("xpath=ancestor::*[contains(@class, 'widget-vbox')][1]")
        for handle in box.locator(".noUi-handle").all():
            before = picture.get_attribute("src")
            handle.focus()
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(300)
            if picture.get_attribute("src") == before:
                page.keyboard.press("ArrowLeft")
            page.wait_for_function("([img, old]) => img.src !== old", arg=[picture.element_handle(), before])


def choose_layers(page: Page) -> None:
    """Another layer of each list of layers: Python draws what goes with it."""
    for chooser in page.locator(".cnnlab-chooser").all():
        before = chooser.locator("svg").inner_html()
        chooser.locator("select").select_option(index=0)
        page.wait_for_function(
            "([el, old]) => el.querySelector('svg').innerHTML !== old", arg=[chooser.element_handle(), before]
        )


def reveal_again(page: Page, stored: nbformat.NotebookNode) -> None:
    """The first guess that is cheap to reveal: its cell, run again, says how far the guess was."""
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    cheap = [
        place
        for place, cell in enumerate(code)
        if ".reveal(" in cell.source and "nbval-ignore-output" not in cell.metadata.get("tags", ())
    ]
    if cheap:
        assert "You had said" in labs.run_code(page, cheap[0])


# ---- the static site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_rest(folder)
    write_lesson(sources()[0], folder)
    return folder


def test_the_site_works_from_a_file(browser, site):
    page = labs.open_page(browser, site / f"{sources()[0].stem}.html")
    frame = page.frame_locator("iframe").first
    page.locator("iframe").first.scroll_into_view_if_needed()
    view = frame.locator(".cnnlab")
    view.wait_for(timeout=20_000)
    slider(view, "depth").focus()
    before = view.locator('[data-readout="macs"]').text_content()
    page.keyboard.press("ArrowRight")
    assert view.locator('[data-readout="macs"]').text_content() != before
    assert [address for address in page.asked if not address.startswith(("file:", "data:", "blob:"))] == []
    assert page.problems == [] and page.evaluate(BROKEN) == 0
    page.close()


def test_the_sites_first_page_leads_to_every_lesson(browser, site):
    page = labs.open_page(browser, site / "index.html")
    targets = page.locator("main a").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert [f"{path.stem}.html" for path in sources()] == [t for t in targets if t[:2].isdigit()]
    assert (site / "TEACHING.html").exists() and "TEACHING.html" in targets
    page.close()
