"""The site: whole, folded where it would spoil, with a search, in light and dark, and nothing from elsewhere."""

import functools
import http.server
import importlib.util
import re
import runpy
import threading
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course import browser, outline
from course.book import build as build_module
from course.book.build import DOWNLOAD, build, for_the_book, on_the_site
from course.report.course_tables import COURSE, repository
from mnist_lib.support.paths import ROOT

builder = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("myst_nb", "sphinx_book_theme")), reason="needs requirements-book.txt"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("book") / "site"
    build(out)  # any warning of Sphinx's is an error
    return out


class Text(HTMLParser):
    """A page's text, what is inside of <details> apart; and what it loads."""

    def __init__(self, html: str):
        super().__init__()
        self.depth, self.shown, self.folded, self.loaded = 0, [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.depth += tag == "details"
        if tag in ("img", "script", "iframe", "source") or (tag == "link" and given.get("rel") == "stylesheet"):
            self.loaded += [given[name] for name in ("src", "srcset", "href") if given.get(name)]

    def handle_endtag(self, tag):
        self.depth -= tag == "details"

    def handle_data(self, data):
        (self.folded if self.depth else self.shown).append(data)


def squeezed(pieces: list[str]) -> str:
    return " ".join(" ".join(pieces).split())


@builder
def test_book_has_every_page_and_keeps_teachers_answers_out(site):
    for name in [f"notebooks/{name}" for name in COURSE] + ["index", "draw", "notebooks/glossary", "RESULTS", "CONTRIBUTING"]:
        assert (site / f"{name}.html").is_file(), name
    assert (site / ".nojekyll").is_file() and (site / "draw/index.html").is_file() and not list(site.rglob("INSTRUCTOR*"))
    contents = (site / "index.html").read_text()
    for name in COURSE:
        assert f'href="notebooks/{name}.html"' in contents


@builder
def test_book_loads_nothing_from_elsewhere(site):
    for path in (path for path in site.rglob("*.html") if "_static" not in path.parts):
        for place in Text(path.read_text()).loaded:
            assert place.startswith("data:") or not re.match(r"(https?:)?//", place), (path.name, place)
            if not place.startswith(("data:", "#")):
                assert (path.parent / place.split("?")[0]).exists(), (path.name, place)


@builder
@pytest.mark.parametrize("name", COURSE)
def test_book_folds_all_answers(site, name):
    page = Text((site / f"notebooks/{name}.html").read_text())
    shown, folded = squeezed(page.shown), squeezed(page.folded)
    for prediction in outline.read(ROOT / f"notebooks/{name}.ipynb").predictions:
        assert f"{prediction.name}: {prediction.answer}" not in shown
        assert f"{prediction.name}: " in folded


@builder
@pytest.mark.parametrize("name", COURSE)
def test_book_shows_pictures_and_folds_setup_cells(site, name):
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    html = (site / f"notebooks/{name}.html").read_text()
    pictures = [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert len(re.findall(r'<img[^>]* src="../_images/', html)) >= len([o for o in pictures if "text/html" not in o.data])
    hidden = [cell for cell in notebook.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert len(re.findall(r'<details class="[^"]*hide above-input', html)) == len(hidden)


def test_the_students_book_is_made_of_pages_without_answers(tmp_path):
    """What Sphinx is given: no fold, no solution, no page that tells results, no stored answer."""
    build_module.gather(tmp_path, student=True)
    pages = {path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.md")}
    assert set(pages) == {"index.md", "draw.md", "notebooks/glossary.md", "notebooks/formulas.md"}
    assert not list(tmp_path.rglob("*solution*.md")) and not list(tmp_path.rglob("INSTRUCTOR*"))
    for name, text in pages.items():
        assert "<details>" not in text and not re.search(r"INSTRUCTOR|RESULTS|solutions/", text), name
    assert "## The path" in pages["index.md"] and "## Running locally" in pages["index.md"] and "4,640" not in pages["index.md"]
    for path in (tmp_path / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        shown = "\n".join(cell.source for cell in notebook.cells) + str([cell.get("outputs") for cell in notebook.cells])
        assert "<details>" not in shown and "solutions/" not in shown, path.name


def test_for_the_book_folds_a_cell_under_its_title():
    notebook = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [
        new_code_cell("#@title The picture\nshow()", metadata={"jupyter": {"source_hidden": True}}),
        new_code_cell("1", metadata={"tags": ["nbval-check-output"]}),
        new_markdown_cell("[a](../benchmarks/classic.py)"),
    ]
    hidden, shown, text = for_the_book(notebook, "01.ipynb", set()).cells
    assert hidden.metadata["tags"] == ["hide-input"] and shown.metadata == {}
    assert hidden.metadata["mystnb"]["code_prompt_show"] == "The picture"
    assert text.source == f"[a]({repository()}/tree/main/benchmarks/classic.py)"


def test_on_the_site_links_hold():
    known = {"notebooks/glossary.md"}
    text = "[a](glossary.md) [b](../LICENSE#x) [c](https://x.org/y) [d](#here) [e](../README.md)"
    there = f"{repository()}/tree/main/LICENSE#x"
    assert on_the_site(text, "notebooks/01.md", known) == (
        f"[a](glossary.md) [b]({there}) [c](https://x.org/y) [d](#here) [e](../index.md)"
    )
    assert DOWNLOAD in (ROOT / "README.md").read_text()
    picture = on_the_site('<picture>\n<img src="figures/a-light.png" alt="A"></picture>', "README.md", set())
    assert picture.count("<img") == 2 and 'src="figures/a-dark.png" class="only-dark"' in picture


def test_an_address_that_is_not_githubs_gives_no_link_to_its_pages(monkeypatch):
    monkeypatch.setattr(build_module, "repository", lambda: "https://git.example.org/a/b")
    text = "[a](glossary.md) [b](../LICENSE#x)"
    assert on_the_site(text, "notebooks/01.md", {"notebooks/glossary.md"}) == "[a](glossary.md) b"


@builder
@pytest.mark.parametrize(("address", "links"), [("https://github.com/a/b", True), ("https://git.example.org/a/b", False)])
def test_the_theme_launches_colab_from_github_alone(address, links, monkeypatch):
    monkeypatch.setenv("MNIST_LIB_REPOSITORY", address)
    monkeypatch.setenv("MNIST_LIB_BOOK_SOURCE", "source")
    options = runpy.run_path(str(ROOT / "course/book/conf.py"))["html_theme_options"]
    assert ("launch_buttons" in options) == ("repository_url" in options) == options["use_repository_button"] == links


@pytest.fixture(scope="module")
def served(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@builder
@pytest.mark.browser
def test_book_in_a_browser(served):
    """The search finds; the theme follows the system; a phone scrolls in one direction only; nobody else is asked."""
    pytest.importorskip("playwright.sync_api")
    with browser.launched() as chrome:
        for scheme, width in (("light", 1300), ("dark", 1300), ("dark", 390)):
            page = chrome.new_context(color_scheme=scheme, viewport={"width": width, "height": 844}).new_page()
            asked = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            for name in ("index", *(f"notebooks/{name}" for name in COURSE), "RESULTS", "notebooks/glossary"):
                page.goto(f"{served}/{name}.html")
                assert page.evaluate("document.documentElement.dataset.theme") == scheme
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
                assert page.evaluate("document.querySelectorAll('details[open]').length") == 0
                assert page.evaluate("[...document.images].every(i => i.complete && (i.naturalWidth || !i.offsetWidth))"), name
            page.goto(f"{served}/search.html?q=momentum")
            page.wait_for_selector("#search-results li a")
            assert "Glossary" in page.inner_text("#search-results")
            assert all(url.startswith((served, "data:")) for url in asked)
