"""The repository's pages: their links lead somewhere, what they name exists, what the card asks for stands in them."""

import json
import re

import pytest

from course.__main__ import main
from course.exercises import check, failures
from course.report.course_tables import repository
from mnist_lib.model import DigitNet
from mnist_lib.support.paths import ROOT
from tests.course.test_exercises_augmentation import turn_by_loops

PAGES = {
    name: (ROOT / name).read_text()
    for name in ("README.md", "RESULTS.md", "INSTRUCTOR.md", "CONTRIBUTING.md", "notebooks/glossary.md")
}
README = PAGES["README.md"]
UNFOLDED = re.sub(r"<details>.*?</details>", "", README, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", PAGES[page]):
        target = "".join(target)
        if not re.match(r"https?://|#", target):
            assert ((ROOT / page).parent / target.split("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_files_that_are_named_exist(page):
    for name in re.findall(r"benchmarks\.(\w+)", PAGES[page]):
        assert (ROOT / f"benchmarks/{name}.py").is_file(), name
    for target in re.findall(r"`make (\w+)", PAGES[page]):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for command in re.findall(r"-m course (\w+)", PAGES[page]):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0, command
    for name in re.findall(r"`((?:mnist_lib|course|tests|notebooks|docs|assignment)/[\w/.]+)`", PAGES[page]):
        assert (ROOT / name).exists(), name


def test_address_stands_in_one_place():
    address = repository()
    assert re.fullmatch(r"https://github\.com/[^/]+/[^/]+", address)
    owner_and_name = address.removeprefix("https://github.com/")
    assert set(re.findall(r"colab\.research\.google\.com/github/([^/]+/[^/]+)/blob", README)) == {owner_and_name}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f'REPOSITORY = \\"{address}\\"' in path.read_text(), path.name
    code = [p for p in ROOT.rglob("*.py") if ".venv" not in p.parts and "out" not in p.parts]
    assert not [p.name for p in code if owner_and_name in p.read_text()]


def test_citation_is_whole():
    """CITATION.cff 1.2's required keys, and the version, licence and address of pyproject.toml."""
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    keys = {line.split(":")[0]: line.partition(": ")[2] for line in lines if re.match(r"[a-z-]+:", line)}
    assert {"cff-version", "message", "title", "authors"} <= keys.keys() and keys["cff-version"] == "1.2.0"
    assert f'version = "{keys["version"]}"' in (ROOT / "pyproject.toml").read_text()
    assert keys["license"] in (ROOT / "LICENSE").read_text() and keys["repository-code"] == repository()


def test_readme_has_what_the_card_asks_for_folded_where_it_spoils():
    wanted = ("Model architecture", "Model summary", "Receptive field analysis", "Training details", "Latest training results")
    headings = re.findall(r"^## (.+)$", README, re.MULTILINE)
    assert [heading for heading in headings if heading in wanted] == list(wanted) and headings[-1] == "Running locally"
    for spoiler in ("figures/architecture", "4,640", "22×22"):  # the picture has every layer's numbers
        assert spoiler not in UNFOLDED and spoiler in README
    assert README.index("## Model architecture") < README.index("<!-- LATEST_RESULT -->")


def test_readme_answers_its_question_right():
    pixels = 60_000 * 28 * 28 / sum(p.numel() for p in DigitNet().parameters())
    assert f"about {round(pixels, -1):,.0f} pixels for each number" in " ".join(README.split())
    assert "3,370" not in UNFOLDED


def test_figures_are_small_and_there():
    for name in re.findall(r"figures/[\w-]+\.png", README):
        assert 1_000 < (ROOT / name).stat().st_size < 500_000, name


def test_glossary_is_sorted_and_each_term_occurs_in_its_notebook():
    entries = re.findall(r"^\*\*(.+?)\*\* \(\[notebook \d\]\((.+?)\)\): .+$", PAGES["notebooks/glossary.md"], re.MULTILINE)
    terms = [term for term, _ in entries]
    assert len(terms) > 60 and len(set(terms)) == len(terms)
    missing = []
    for term, file in entries:
        cells = json.loads((ROOT / "notebooks" / file).read_text())["cells"]
        said = " ".join(" ".join("".join(cell["source"]) for cell in cells).casefold().split())
        if not any(word.strip(" )").casefold() in said for word in re.split(r",|\(", term)):
            missing.append((term, file))
    assert not missing


def test_instructor_quotes_a_checker_as_it_is(capsys):
    """An image turned about 14."""
    failures.clear()
    check("3a", lambda image, degrees: turn_by_loops(image, degrees, centre=14))
    assert capsys.readouterr().out == re.search(r"```text\n(3a: .*?)```", PAGES["INSTRUCTOR.md"], re.DOTALL)[1]
