"""Notebooks that were handed in: which exercises pass, and that a notebook that hangs, ends or looks around gains nothing."""

import csv
import shutil

import nbformat
import pytest
from handouts import solved
from nbformat.v4 import new_code_cell, new_notebook

from course import run_exercises, student
from course.__main__ import main
from course.run_exercises import cut_off, expected, outcome, shown

CONVOLVE = """import torch

def convolve(image, weight, bias):
    k, rows, columns = weight.shape[-1], image.shape[-2], image.shape[-1]
    patches = [[image[:, i : i + k, j : j + k] for j in range(columns - k + 1)] for i in range(rows - k + 1)]
    return torch.stack([torch.stack([(patch * weight).sum() + bias for patch in row]) for row in patches])
"""
CHECK = 'from course.exercises import check\ncheck("1a", convolve)'


def written(folder, *cells: str, name="01.ipynb"):
    folder.mkdir(exist_ok=True)
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, folder / name)
    return folder / name


def test_a_folder_of_notebooks_becomes_a_table(tmp_path, capsys):
    written(tmp_path / "ada", CONVOLVE, CHECK)
    written(tmp_path / "bob", "def convolve(image, weight, bias):\n    return None", "check = lambda *a: True", CHECK)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/01.ipynb").write_text("import os")
    out = tmp_path / "exercises.csv"
    assert main(["exercises", str(tmp_path), "--out", str(out), "--workers", "2"]) == 1  # some do not pass
    rows = {(row["notebook"], row["exercise"]): row for row in csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines())}
    assert len(rows) == 3 * 4
    assert [key for key, row in rows.items() if row["passed"] == "yes"] == [("ada/01.ipynb", "1a")]
    assert rows["cat/01.ipynb", "1a"]["why not run to its end"] == "it is no notebook, or its kernel ended"
    assert "ada/01.ipynb: 1 of 4 pass\n" in capsys.readouterr().out


def test_a_notebook_that_does_not_end_or_ends_early(tmp_path):
    cells = CONVOLVE, "import time; time.sleep(600)", CHECK
    assert outcome(written(tmp_path, *cells), 5) == ({}, "it took longer than 5 s")
    cells = CONVOLVE, "import os; os._exit(0)", CHECK
    assert outcome(written(tmp_path, *cells), 300) == ({}, "it is no notebook, or its kernel ended")


def test_a_notebook_has_no_network_no_secrets_and_nothing_planted(tmp_path, monkeypatch):
    if not cut_off():
        pytest.skip("this system has no unshare")
    monkeypatch.setenv("A_SECRET", "1")
    (tmp_path / "course").mkdir()
    (tmp_path / "course/exercises.py").write_text("check = lambda *a: True")
    looks = """import os, socket
found = []
if "A_SECRET" in os.environ or os.path.exists("course"):
    found.append("something")
try:
    socket.create_connection(("127.0.0.1", 22), 2)
except OSError as error:
    found += [error] if error.errno != 101 else []  # the network is unreachable, and not a port closed
"""
    found = f"{CONVOLVE}\nhonest = convolve if not found else None"
    assert outcome(written(tmp_path, looks, found, 'check("1a", honest)', 'check("1b", 7)'), 300) == (
        {"1a": True, "1b": False},
        "",
    )
    assert outcome(written(tmp_path, "honest = 7", 'check("1a", honest)'), 300) == ({"1a": False}, "")


def test_names(tmp_path):
    assert expected(tmp_path / "02_receptive_field.ipynb")[:2] == ["2a", "2b"] and expected(tmp_path / "mine.ipynb") == []
    assert shown("=1\x1b.ipynb") == "'=1?.ipynb"
    with pytest.raises(ValueError, match="no notebooks in"):
        run_exercises.run_exercises(tmp_path)


@pytest.mark.nightly
def test_all_solutions_pass_and_no_stub_does(tmp_path):
    student.write_handout(tmp_path / "class")
    for path in sorted((tmp_path / "class/notebooks").glob("*.ipynb")):
        passed, why = outcome(path, 600)
        assert not why and set(passed) == set(expected(path)) and not any(passed.values()), path.name
        (tmp_path / "solved").mkdir(exist_ok=True)
        nbformat.write(solved(path), tmp_path / "solved" / path.name)
        passed, why = outcome(tmp_path / "solved" / path.name, 600)
        assert not why and set(passed) == set(expected(path)) and all(passed.values()), path.name
    shutil.rmtree(tmp_path / "class")
