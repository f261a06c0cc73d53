"""otter-grader with the lines that INSTRUCTOR gives: solutions pass, stubs fail."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from handouts import solved

from course import outline, student
from mnist_lib.support.paths import ROOT

pytest.importorskip("otter", reason="needs otter-grader 7")


def test_solutions_pass_and_stubs_fail(tmp_path):
    student.write_handout(tmp_path / "class")
    said = (ROOT / "INSTRUCTOR.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(from otter.*?)```", said, re.DOTALL)[1]
    (tmp_path / "tests").mkdir()
    names = []
    for exercise in outline.read(ROOT / "notebooks/01_architecture.ipynb").exercises:
        test = example.replace('"1a"', f'"{exercise.name}"').replace("convolve", exercise.handed)
        (tmp_path / f"tests/{exercise.name}.py").write_text(test)
        names.append(exercise.name)
    otter(tmp_path, "generate", "-t", "tests", "-o", "autograder.zip")
    path = tmp_path / "class/notebooks/01_architecture.ipynb"
    for version, points in ((nbformat.read(path, as_version=4), 0), (solved(path), 1)):
        nbformat.write(version, tmp_path / "01.ipynb")
        otter(tmp_path, "run", "-a", "autograder.zip", "01.ipynb")
        results = json.loads((tmp_path / "results.json").read_text())["tests"]
        assert {one["name"]: one["score"] for one in results if one["name"] in names} == dict.fromkeys(names, points)


def otter(place: Path, *words: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(place / "class"), "MNIST_LIB_FAST": "1", "MNIST_LIB_OUT": str(place)}
    done = subprocess.run(
        [sys.executable, "-m", "otter", *words], cwd=place, env=env, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
