"""The handout has every question and no answer, stands alone, and runs."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from handouts import solutions, solved
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course import outline, student
from course.__main__ import main
from course.student import questions_only, without_answers, without_dead_links
from mnist_lib.support.paths import ROOT

PATHS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handed") / "out"
    assert main(["student", "--out", str(folder), "--address", "https://github.com/teacher/class"]) == 0
    return folder / "notebooks"


@pytest.mark.parametrize("name", ["notebooks", "link", "file", "clone"])
def test_a_handout_takes_the_place_of_nothing_but_a_handout(name, tmp_path, capsys):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/01.ipynb").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "notebooks")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "clone/course").mkdir(parents=True)
    for path in ("clone/course/student.py", "clone/nbgrader_config.py"):
        (tmp_path / path).touch()
    assert main(["student", "--out", str(tmp_path / name)]) == 1
    assert re.fullmatch(r"[^\n]+ choose another folder with --out\.\n", capsys.readouterr().err)
    assert (tmp_path / "notebooks/01.ipynb").read_text() == (tmp_path / "file").read_text() == "mine"


def test_an_earlier_handout_is_renewed_and_its_git_folder_stays(out):
    (out.parent / ".git").mkdir()
    (out.parent / "stale.md").touch()
    before = {path: path.read_bytes() for path in files(out) if path.name != "stale.md"}
    student.write_handout(out.parent, "https://github.com/teacher/class")
    assert (out.parent / ".git").is_dir() and {path: path.read_bytes() for path in files(out)} == before
    (out.parent / ".git").rmdir()


def files(out) -> list[Path]:
    return [path for path in out.parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_nothing_of_the_teachers_is_in_it(out):
    names = {path.relative_to(out.parent).as_posix() for path in files(out)}
    assert not [
        name
        for name in names
        if re.search(r"solution|INSTRUCTOR|RESULTS|CONTRIBUTING|tests/|course/(student|book|report)", name)
    ]
    assert [name for name in names if name.startswith(".github")] == [".github/workflows/exercises.yml"]
    assert {"README.md", "Makefile", "requirements.txt", "pyproject.toml", "LICENSE", "assignment/submission.toml"} <= names
    assert not re.search(r"pytest|nbval|hypothesis|ruff|axe", (out.parent / "requirements.txt").read_text())


def test_no_file_of_it_holds_an_answer_or_a_solution(out):
    """Every stored answer, fold and because, and every line of a solution that is not the library's own and no stub's."""
    library = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "mnist_lib").rglob("*.py"))
    checkers = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "course/exercises").glob("*.py"))
    answers = {}
    for path in PATHS:
        ours = nbformat.read(path, as_version=4)
        code = "\n".join(cell.source for cell in ours.cells if cell.cell_type == "code")
        for text in [text for text in texts(ours) if len(text) > 20] + folded(ours):
            answers[text] = path.stem
        for solution in solutions(path.stem).values():
            for line in (line.strip() for line in solution.splitlines()):
                if len(line) > 30 and not any(line in known for known in (code, library, checkers)):
                    answers[line] = path.stem
    assert len(answers) > 100
    for path in files(out):
        if (
            path.suffix in (".md", ".ipynb", ".py", ".toml", ".yml", "")
            and "mnist_lib" not in path.relative_to(out.parent).parts
        ):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".ipynb":
                text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
            assert [f"{path.name}: {answer}" for answer in answers if answer in text] == []
            assert not re.search(r"INSTRUCTOR|[Ss]olutions\b(?! file)", text) or path.suffix == ".py", path.name


def test_its_links_lead_somewhere_and_its_address_is_its_own(out):
    for path in files(out):
        if path.suffix not in (".md", ".ipynb"):
            continue
        text = path.read_text(encoding="utf-8")
        assert "OWNER" not in text, path.name
        if path.suffix == ".ipynb":
            assert 'REPOSITORY = \\"https://github.com/teacher/class\\"' in text
            text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "markdown")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"\w+:|#", target):
                assert (path.parent / target.split("#")[0]).exists(), (path.name, target)


def test_its_commands_are_those_it_has_the_modules_of(out):
    done = subprocess.run(
        [sys.executable, "-m", "course", "--help"], cwd=out.parent, env=alone(), capture_output=True, text=True, timeout=60
    )
    assert re.search(r"\{(.*)\} \.\.\.", done.stdout)[1].split(",") == ["study", "exercises", "grade"]
    for command in re.findall(
        r"-m course (\w+)", (out.parent / "README.md").read_text() + (out.parent / "Makefile").read_text()
    ):
        assert command in ("study", "exercises", "grade")


def alone() -> dict[str, str]:
    """An environment in which Python finds no other copy of the packages."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "MNIST_LIB_FAST": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_what_its_notebooks_import_and_read_is_in_it(out):
    """Of all seven by day, without running them: every import of a package of the handout's, every committed file."""
    asked = {}
    for path in sorted(out.glob("*.ipynb")):
        code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
        asked |= dict.fromkeys(re.findall(r'committed\("([^"]+)"\)', code), path.name)
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (ROOT / node.module.split(".")[0]).is_dir():
                base = node.module.replace(".", "/")
                names = [f"{base}/{alias.name}.py" for alias in node.names if (ROOT / base / f"{alias.name}.py").is_file()]
                package = f"{base}/__init__.py" if (ROOT / base).is_dir() else f"{base}.py"
                asked |= dict.fromkeys([package, *names], path.name)
    assert len(asked) > 30
    assert {name: by for name, by in asked.items() if not (out.parent / name).is_file()} == {}


def execute(path: Path, done: Path) -> list[str]:
    """Run a notebook of a handout, as from its folder -> the points that its tests show."""
    import papermill  # here: slow to import

    papermill.execute_notebook(path, done, {"DATA": "digits"}, kernel_name="python3", cwd=str(path.parent), progress_bar=False)
    cells = nbformat.read(done, as_version=4).cells
    return [cell.outputs[-1]["data"]["text/plain"] for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]


@pytest.fixture
def elsewhere(out, tmp_path, monkeypatch) -> Path:
    """The notebooks of a copy, in an environment in which Python finds no other copy of the packages."""
    shutil.copytree(out.parent, tmp_path / "class", ignore=shutil.ignore_patterns("__pycache__"))
    for name, value in (alone() | {"MNIST_LIB_OUT": str(tmp_path / "out")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path / "class/notebooks"


@pytest.mark.daily
def test_it_runs_elsewhere_to_its_end_with_stubs_and_solutions(elsewhere):
    """The exercises of one notebook, half of them solved: nothing stops, stubs gain nothing, solutions all."""
    path = elsewhere / "01_architecture.ipynb"
    notebook = solved(path, ["1b", "1d"])
    notebook.cells = notebook.cells[:4] + [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    nbformat.write(notebook, path)
    assert execute(path, elsewhere / "done.ipynb") == ["0", "1", "0", "1"]


@pytest.mark.nightly
@pytest.mark.parametrize("stem", [path.stem for path in PATHS])
def test_all_run_elsewhere_with_stubs_and_with_solutions(stem, elsewhere):
    path = elsewhere / f"{stem}.ipynb"
    points = execute(path, elsewhere / "done.ipynb")
    assert len(points) >= 3 and set(points) == {"0"}
    nbformat.write(solved(path), path)
    assert execute(path, elsewhere / "done.ipynb") == ["1"] * len(points)


def texts(notebook) -> list[str]:
    """What the stored outputs of answers say, behind the name of the question."""
    cells = [
        cell for cell in notebook.cells if cell.cell_type == "code" and re.search(r"guesses\.(reveal|fold)\(", cell.source)
    ]
    shown = [output["data"]["text/plain"] for cell in cells for output in cell.outputs if "text/html" in output.get("data", {})]
    return [text.split(": ", 1)[-1] for text in shown]


def folded(notebook) -> list[str]:
    """The paragraphs that stand folded in Markdown."""
    whole = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    folds = re.findall(r"<details>.*?</summary>(.*?)</details>", whole, re.DOTALL)
    return [paragraph.strip() for fold in folds for paragraph in fold.split("\n\n") if paragraph.strip()]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_student_version_has_no_fold_and_no_output_but_the_opening_picture(out, path):
    ours, theirs = (nbformat.read(place, as_version=4) for place in (path, out / path.name))
    nbformat.validate(theirs)
    handed = (out / path.name).read_text(encoding="utf-8")
    said = "\n".join(cell.source for cell in theirs.cells)
    assert "<details>" not in handed and "solutions/" not in handed and "text/html" not in handed
    kept = [output for cell in theirs.cells if cell.cell_type == "code" for output in cell.outputs]
    assert len(kept) == 1 and "image/png" in kept[0]["data"]  # the opening picture
    folds = sum(cell.source.count("<details>") for cell in ours.cells if cell.cell_type == "markdown")
    assert said.count("*Because* (double-click this text") == folds


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_student_version_has_every_question_and_every_stub(out, path):
    ours, theirs = (nbformat.read(place, as_version=4) for place in (path, out / path.name))
    tests = [cell for cell in theirs.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    stubs = [cell for cell in theirs.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    assert [cell.metadata.nbgrader.grade_id for cell in tests] == [f"test-{one.name}" for one in outline.read(path).exercises]
    assert len(stubs) == len(tests) >= 3
    for cell in tests:  # the check is imported anew, and the last line is the points
        assert re.match(r"from course\.exercises import check\n\n(int\(|\w+ = )check\(", cell.source)
        assert re.search(r"^int\((check\(.*|right_..)\)$", cell.source.splitlines()[-1])
    kept = [cell for cell in theirs.cells if cell not in tests]
    assert [cell.cell_type for cell in ours.cells] == [cell.cell_type for cell in kept]
    for before, after in zip(ours.cells, kept):
        assert before.metadata == {name: value for name, value in after.metadata.items() if name != "nbgrader"}
        if after in stubs:
            assert before.source.startswith(after.source) and "check(" not in after.source
        elif before.cell_type == "code" and "REPOSITORY" not in before.source:
            assert before.source == after.source
        for line in re.findall(r"^(?:#+ .*|\*\*Predict\.\*\*.*|\*\*\d[a-z]\*?\*?.*)$", before.source, re.MULTILINE):
            if before.cell_type == "markdown":
                assert line in after.source


def code(text: str, *outputs: dict) -> NotebookNode:
    return new_code_cell(text, execution_count=1, outputs=list(outputs))


def result(**data: str) -> NotebookNode:
    return new_output("execute_result", {name.replace("_", "/"): value for name, value in data.items()}, execution_count=1)


def test_without_answers_takes_out_answers_and_nothing_else():
    reveal = 'guesses.reveal("n", 7, f"It is {7}.", picture=p)'  # told once it has been guessed
    made = new_notebook()
    made.cells = [
        code("picture()", new_output("stream", text="MNIST"), result(image_png="AAAA")),
        new_markdown_cell("**Predict.** How many? Solutions: [solutions/01.md](solutions/01.md)."),
        code(reveal, result(text_html="<details>7</details>", text_plain="n: 7. It is 7.", image_png="BBBB")),
        new_markdown_cell("<details><summary>Because ...</summary>\n\nSeven.\n</details>\n\nGo on."),
        code("guesses.summary()", result(text_plain="7")),
        new_markdown_cell("There are seven.\n\n**Further reading**\n\n- A book.\n\nNext is 2."),
    ]
    before = nbformat.writes(made)
    picture, question, answer, because, summary, end = without_answers(made).cells
    assert nbformat.writes(made) == before  # the argument is left alone
    assert picture.outputs == [result(image_png="AAAA") | {"execution_count": None}]
    assert question.source == "**Predict.** How many?"
    assert answer.outputs == summary.outputs == []
    assert answer.source == reveal
    assert because.source == "*Because* (double-click this text and write it in your own words):\n\nGo on."
    measured = "*What you measured* (double-click this text and write it in your own words):"
    assert end.source == f"{measured}\n\n**Further reading**\n\n- A book.\n\nNext is 2."


def test_links_to_what_is_not_there_become_words(tmp_path):
    (tmp_path / "there.md").touch()
    text = "[a](there.md#x), [b](gone.md), [c](https://example.org), [d](#e), [f](../gone/g.py)"
    assert without_dead_links(text, tmp_path) == "[a](there.md#x), b, [c](https://example.org), [d](#e), f"


def test_a_line_that_leads_to_solutions_goes_whole():
    for text in (
        "Write it. Solutions to all exercises:\n[solutions/02.md](solutions/02.md).",
        "Write it. Solutions:\n[solutions/02.md](solutions/02.md).",
        "Write it. The solution is [there](solutions/02.md).",
        "Write it. What to expect is said in\n[the solutions](solutions/02.md).",
    ):
        assert questions_only(text) == "Write it."
