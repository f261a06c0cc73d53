"""The version to hand out has every question and no answer, and it runs."""

import re
import sys

import matplotlib.pyplot as plt
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from traitlets.config import Config

from course import student
from course.__main__ import main
from course.student import without_answers
from mnist_lib.support.paths import ROOT

PATHS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handed") / "out"
    assert main(["student", "--out", str(folder)]) == 0
    return folder


def test_student_leaves_the_notebooks_themselves_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "notebooks")
    monkeypatch.setattr(student, "FOLDER", tmp_path / "notebooks")
    for name in ("notebooks", "link"):
        assert main(["student", "--out", str(tmp_path / name)]) == 1
        assert re.fullmatch(r"[^\n]+ choose another folder with --out\.\n", capsys.readouterr().err)
    assert not list((tmp_path / "notebooks").iterdir())


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
def test_student_version_has_no_answer(out, path):
    ours, theirs = (nbformat.read(place, as_version=4) for place in (path, out / path.name))
    nbformat.validate(theirs)
    handed = (out / path.name).read_text(encoding="utf-8")
    said = "\n".join(cell.source for cell in theirs.cells)
    assert all(answer not in said for answer in texts(ours) if len(answer) > 20)
    assert all(paragraph not in said for paragraph in folded(ours))
    assert "<details>" not in handed and "solutions/" not in handed and "text/html" not in handed
    kept = [output for cell in theirs.cells if cell.cell_type == "code" for output in cell.outputs]
    assert len(kept) == 1 and "image/png" in kept[0]["data"]  # the opening picture
    folds = sum(cell.source.count("<details>") for cell in ours.cells if cell.cell_type == "markdown")
    assert said.count("*Because* (write it in your own words)") == folds


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_student_version_has_every_question_and_every_stub(out, path):
    ours, theirs = (nbformat.read(place, as_version=4) for place in (path, out / path.name))
    assert [cell.cell_type for cell in ours.cells] == [cell.cell_type for cell in theirs.cells]
    for before, after in zip(ours.cells, theirs.cells):
        assert before.metadata == after.metadata
        if before.cell_type == "code" and "guesses.reveal(" not in before.source:
            assert before.source == after.source
        for kept in re.findall(r"^(?:#+ .*|\*\*Predict\.\*\*.*|\*\*\d[a-z]\*?\*?.*)$", before.source, re.MULTILINE):
            if before.cell_type == "markdown":
                assert kept in after.source


def code(text: str, *outputs: dict) -> NotebookNode:
    return new_code_cell(text, execution_count=1, outputs=list(outputs))


def result(**data: str) -> NotebookNode:
    return new_output("execute_result", {name.replace("_", "/"): value for name, value in data.items()}, execution_count=1)


def test_without_answers_takes_out_answers_and_nothing_else():
    reveal = 'é = "é"; guesses.reveal("n", 7, "It is " f"{7}, as é.", picture=p)\nguesses.reveal("m", 8, because="Eight.")'
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
    assert answer.source == 'é = "é"; guesses.reveal("n", 7, "", picture=p)\nguesses.reveal("m", 8, because="")'
    assert because.source == "*Because* (write it in your own words):\n\nGo on."
    assert end.source == "*What you measured* (write it in your own words):\n\n**Further reading**\n\n- A book.\n\nNext is 2."


def test_student_version_runs(out, monkeypatch):
    """Notebook 1 as handed out, cell by cell: stubs and unanswered questions stop nothing. (Ours runs in a kernel.)"""
    monkeypatch.setenv("MNIST_LIB_FAST", "1")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT / "notebooks")
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    for cell in nbformat.read(out / PATHS[0].name, as_version=4).cells:
        if cell.cell_type == "code":
            shell.run_cell(cell.source.replace('DATA = "auto"', 'DATA = "digits"')).raise_error()
    plt.close("all")
