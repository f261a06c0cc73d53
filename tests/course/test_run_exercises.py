"""Notebooks that were handed in: which exercises pass, and that a notebook that hangs, ends or looks around gains nothing."""

import csv
import shutil

import nbformat
import pytest
from handouts import solved
from nbformat.v4 import new_code_cell, new_notebook

from course import run_exercises, student
from course.__main__ import main
from course.run_exercises import cut_off, expected, outcome
from course.spreadsheet import cell

CONVOLVE = """import torch

def convolve(image, weight, bias):
    k, rows, columns = weight.shape[-1], image.shape[-2], image.shape[-1]
    patches = [[image[:, i : i + k, j : j + k] for j in range(columns - k + 1)] for i in range(rows - k + 1)]
    return torch.stack([torch.stack([(patch * weight).sum() + bias for patch in row]) for row in patches])
"""
CHECK = 'from course.exercises import check\ncheck("1a", convolve)'
LOOKS = """import os, socket
found = [name for name in ("course", "../ada") if os.path.exists(name)] + [name for name in os.environ if name == "A_SECRET"]
"""
CALLS = """try:
    socket.create_connection(("127.0.0.1", 22), 2)
except OSError as error:
    found += [error] if error.errno != 101 else []  # the network is unreachable, and not a port closed
"""


def written(folder, *cells: str, name="01.ipynb"):
    folder.mkdir(exist_ok=True)
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, folder / name)
    return folder / name


def test_a_folder_of_notebooks_becomes_a_table(tmp_path, capsys, monkeypatch):
    """One that is right and cheats, and sees nothing of this machine's; one that ends early, one that is none.

    Each starts an interpreter and a kernel, and seconds go into what these import: so they are few, and share a run.
    """
    monkeypatch.setenv("A_SECRET", "1")
    looks = LOOKS + CALLS if cut_off() else LOOKS
    cheat, honest = "check = lambda *a: True", "honest = convolve if not found else None"
    written(tmp_path / "ada", looks, CONVOLVE, honest, cheat, 'check("1a", honest)', 'check("1b", 7)')
    (tmp_path / "ada/course").mkdir()
    (tmp_path / "ada/course/exercises.py").write_text(cheat)
    written(tmp_path / "cat", "import os; os._exit(0)", CHECK)
    (tmp_path / "dan").mkdir()
    (tmp_path / "dan/01.ipynb").write_text("import os")
    out = tmp_path / "exercises.csv"
    assert main(["exercises", str(tmp_path), "--out", str(out), "--workers", "2"]) == 1  # some do not pass
    rows = {(row["notebook"], row["exercise"]): row for row in csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines())}
    assert len(rows) == 3 * 4
    assert [key for key, row in rows.items() if row["passed"] == "yes"] == [("ada/01.ipynb", "1a")]
    why = {key[0]: row["why not run to its end"] for key, row in rows.items()}
    ended = "it is no notebook, or its kernel ended"
    assert why == {"ada/01.ipynb": "", "cat/01.ipynb": ended, "dan/01.ipynb": ended}
    assert "ada/01.ipynb: 1 of 4 pass\n" in capsys.readouterr().out


def test_a_notebook_that_does_not_end(tmp_path):
    assert outcome(written(tmp_path, "import time; time.sleep(600)", CHECK), 2) == ({}, "it took longer than 2 s")


def test_names(tmp_path):
    assert expected(tmp_path / "02_receptive_field.ipynb")[:2] == ["2a", "2b"] and expected(tmp_path / "mine.ipynb") == []
    assert cell("=1\x1b.ipynb") == "'=1?.ipynb"
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
