"""nbgrader's round trip with the handout as its course folder: release, autograde, export."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from handouts import solved

from course import student

pytest.importorskip("nbgrader", reason="needs nbgrader 0.9")
NOTEBOOKS = ("01_architecture", "07_speed")


def test_solutions_get_all_points_half_of_them_half_and_stubs_none(tmp_path, monkeypatch):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where nbgrader looks for alembic
    for name, value in {"MNIST_LIB_FAST": "1", "JUPYTER_PREFER_ENV_PATH": "1", "PATH": path}.items():
        monkeypatch.setenv(name, value)
    place = tmp_path / "class"
    student.write_handout(place)
    source = place / "source/mnist"
    source.mkdir(parents=True)
    for stem in NOTEBOOKS:
        shutil.copy(place / f"notebooks/{stem}.ipynb", source)
        notebook = nbformat.read(source / f"{stem}.ipynb", as_version=4)
        for cell in notebook.cells:
            cell.source = cell.source.replace('DATA = "auto"', 'DATA = "digits"')
        nbformat.write(notebook, source / f"{stem}.ipynb")
    nbgrader(place, "generate_assignment", "mnist")
    names = [
        cell.metadata.nbgrader.grade_id.removeprefix("test-")
        for stem in NOTEBOOKS
        for cell in graded_cells(source / f"{stem}.ipynb")
    ]
    handed = {"all": names, "half": names[::2], "none": []}
    for who, some in handed.items():
        shutil.copytree(place / "release/mnist", place / f"submitted/{who}/mnist")
        for stem in NOTEBOOKS:
            path = place / f"submitted/{who}/mnist/{stem}.ipynb"
            notebook = solved(path, some)
            if who == "none":
                notebook.cells[1].source += "\ncheck = lambda *a, **k: True"
            nbformat.write(notebook, path)
    nbgrader(place, "autograde", "mnist")
    nbgrader(place, "export")
    rows = {row["student_id"]: row for row in csv.DictReader((place / "grades.csv").read_text().splitlines())}
    assert {float(row["max_score"]) for row in rows.values()} == {len(names)} == {8}
    assert {who: float(row["score"]) for who, row in rows.items()} == {"all": 8, "half": 4, "none": 0}


def graded_cells(path) -> list:
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]


def nbgrader(place, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words], cwd=place, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
