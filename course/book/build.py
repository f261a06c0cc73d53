"""Gathers what the site shows, in the form that Sphinx wants, and has Sphinx build it. Needs no network."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course.report.course_tables import COURSE, repository
from course.student import without_answers
from mnist_lib.support.paths import ROOT

# INSTRUCTOR.md has the answers in the open
PAGES = ("RESULTS.md", "CONTRIBUTING.md", "notebooks/glossary.md", "notebooks/formulas.md")
LOOKED_UP = ("notebooks/glossary", "notebooks/formulas", "RESULTS", "CONTRIBUTING")
DOWNLOAD = "download [docs/index.html](docs/index.html), open it in a browser, and draw."  # in README; the site has the page


class BookError(RuntimeError):
    """A site that can't be built; the message says why."""


def build(out: Path, student: bool = False) -> None:
    """Build the site into a folder, which is replaced. student: without answers, solutions, and the pages that give results.

    Raises:
        BookError: with what Sphinx said, for any warning: a link that leads nowhere, a notebook that can't be read.
    """
    with tempfile.TemporaryDirectory() as place:
        source, site = Path(place) / "source", Path(place) / "site"
        gather(source, student)
        command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-c", str(Path(__file__).parent)]
        settings = os.environ | {"MNIST_LIB_REPOSITORY": repository(), "MNIST_LIB_BOOK_SOURCE": str(source)}
        done = subprocess.run([*command, str(source), str(site)], env=settings, capture_output=True, text=True)
        if done.returncode:
            missing = "No module named" in done.stderr
            raise BookError("`make book` installs what is missing here." if missing else done.stderr.strip().replace(place, ""))
        shutil.rmtree(site / ".doctrees", ignore_errors=True)
        (site / ".nojekyll").touch()  # GitHub Pages would leave out folders that begin with _
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(site, out)
    print(f"Open {out / 'index.html'} in a browser.")


def gather(source: Path, student: bool = False) -> None:
    """All pages into a folder, laid out as in the repository, so that their links hold."""
    (source / "notebooks/solutions").mkdir(parents=True)
    paths = [ROOT / "notebooks" / f"{name}.ipynb" for name in COURSE]
    solutions = [] if student else sorted((ROOT / "notebooks/solutions").glob("*.md"))
    pages = [ROOT / name for name in PAGES if not student or name.startswith("notebooks/")] + solutions
    known = {path.relative_to(ROOT).as_posix() for path in [*paths, *pages]}
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        notebook = for_the_book(without_answers(notebook) if student else notebook, path.name, known)
        nbformat.write(notebook, source / "notebooks" / path.name)
    for page in pages:
        name = page.relative_to(ROOT)
        (source / name).write_text(on_the_site(page.read_text(encoding="utf-8"), name.as_posix(), known), encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace(DOWNLOAD, "[draw a digit](draw.md).")
    if student:
        readme = re.sub(r"(?m)^.*(?:INSTRUCTOR\.md|notebooks/solutions).*\n", "", without_folds(readme))
    readme = on_the_site(readme, "README.md", known)
    (source / "index.md").write_text(readme + contents(pages), encoding="utf-8")
    (source / "draw.md").write_text(DRAW, encoding="utf-8")
    (source / "extra/draw").mkdir(parents=True)  # copied to the site as it is
    shutil.copytree(ROOT / "figures", source / "extra/figures")
    shutil.copy(ROOT / "docs/index.html", source / "extra/draw/index.html")


def without_folds(readme: str) -> str:
    """README without what it folds because notebooks ask for it: such a section is gone, of the opening only the fold."""
    opening, *sections = readme.split("\n## ")
    opening = re.sub(r"<details>.*?</details>\n*", "", opening, flags=re.DOTALL)
    return "\n## ".join([opening, *(section for section in sections if "<details>" not in section)])


DRAW = """# Draw a digit

<iframe src="draw/index.html" title="Draw a digit, and the network answers" class="draw"></iframe>

[The same on a page of its own](draw/index.html){.external}
"""


def contents(pages: list[Path]) -> str:
    """The table of contents, as Sphinx takes it from the first page."""
    known = [page.relative_to(ROOT).with_suffix("").as_posix() for page in pages]
    parts = {
        "The course": [f"notebooks/{name}" for name in COURSE],
        "To look up": ["draw", *(name for name in LOOKED_UP if name in known)],
        "Solutions": [name for name in known if name.startswith("notebooks/solutions/")],
    }
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{chr(10).join(names)}\n```\n"
        for title, names in parts.items()
        if names
    )


def for_the_book(notebook: NotebookNode, name: str, known: set[str]) -> NotebookNode:
    """A notebook whose folded cells are folded here, too, under what their first line calls them; its links hold."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = on_the_site(cell.source, f"notebooks/{name}", known)
        if cell.cell_type == "code":
            hidden = cell.metadata.get("jupyter", {}).get("source_hidden")
            cell.metadata = {"tags": ["hide-input"]} if hidden else {}
            title = re.match(r"#@title (.+)\n", cell.source)
            if hidden and title:
                cell.metadata["mystnb"] = {"code_prompt_show": title[1], "code_prompt_hide": title[1]}
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec}
    return notebook


def on_the_site(text: str, name: str, known: set[str]) -> str:
    """A page's Markdown with links to what the site has, else to the repository, and pictures for the site's themes.

    Where the repository is not GitHub's, nothing is known of its pages' addresses: such a link is its words alone.
    """
    text = re.sub(r"<picture>.*?</picture>", lambda picture: two_themes(picture[0]), text, flags=re.DOTALL)
    text = re.sub(r"\[!\[Open In Colab\]\([^)]*\)\]", "[Open in Colab]", text)

    def on_the_site_or_not(link: re.Match) -> str:
        target, _, anchor = link[2].partition("#")
        if not target or re.match(r"\w+:", target):
            return link[0]
        path = os.path.normpath(os.path.join(os.path.dirname(name), target))
        if path in known | {"draw.md"}:
            return link[0]
        if path == "README.md":
            return f"{link[1]}({'../' * name.count('/')}index.md)"
        if not repository().startswith("https://github.com/"):
            return link[1][1:-1]
        return f"{link[1]}({repository()}/tree/main/{path}{f'#{anchor}' if anchor else ''})"

    return re.sub(r"(\[[^\]]*\])\(([^)\s]+)\)", on_the_site_or_not, text)


def two_themes(picture: str) -> str:
    """A <picture> for GitHub, which asks the system for its theme, as two, of which the site's theme shows one."""
    light = re.search(r'<img src="([^"]+)"', picture)
    still = re.search(r'"\(prefers-reduced-motion: reduce\)" srcset="([^"]+)"', picture)
    words = re.search(r'alt="([^"]+)"', picture)[1]

    def themed(theme: str) -> str:
        moving, calm = (path and path[1].replace("-light", f"-{theme}") for path in (light, still))
        source = f'<source media="(prefers-reduced-motion: reduce)" srcset="{calm}">' if calm else ""
        return f'<picture class="only-{theme}">{source}<img src="{moving}" class="only-{theme}" alt="{words}"></picture>'

    return f"{themed('light')}\n{themed('dark')}"
