"""What holds of every exercise; what right and wrong answers are told is tried in a file for each notebook."""

import re

import pytest
import torch

from course import outline
from course.exercises import EXERCISES, check
from course.exercises.checking import alike
from course.report.course_tables import COURSE
from mnist_lib.support.paths import ROOT


def test_every_exercise_is_tried():
    tried = "".join(path.read_text() for path in (ROOT / "tests/course").glob("test_exercises_*.py"))
    assert set(re.findall(r'check\(\s*"(\w+)"', tried)) | set(re.findall(r'"(\d[a-d])"', tried)) >= set(EXERCISES)


def test_an_answer_may_differ_by_rounding_and_no_more():
    numbers = torch.tensor([0.1, 1.0])
    assert alike(numbers, numbers + 5e-5) and not alike(numbers, numbers + 5e-4)


@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_yet_is_told_what_to_do(name, capsys):
    assert not check(name, None)
    assert "None" in capsys.readouterr().out


@pytest.mark.parametrize("name", EXERCISES)
def test_whatever_is_handed_in_the_notebook_goes_on(name, capsys):
    for answer in (5, "many", lambda *_: "many", lambda *_: 1 / 0):
        assert not check(name, answer)
        assert "Hint:" in capsys.readouterr().out


def test_a_stub_is_told_to_be_written_and_given_no_hint_yet(capsys):
    for name in EXERCISES:
        assert not check(name, lambda *_: None)
    said = capsys.readouterr().out
    assert said.count("is there a return?") >= 15  # the others hand in a network, names, or a context manager


def test_there_is_no_such_exercise():
    with pytest.raises(ValueError, match="There is no exercise"):
        check("9z", 1)


def test_the_solutions_are_right():
    paths = sorted((ROOT / "notebooks" / "solutions").glob("*.md"))
    assert [path.stem for path in paths] == list(COURSE)
    seen = []

    def checked(name, answer):
        seen.append(name)
        assert check(name, answer), name

    for path in paths:
        names = {"check": checked}
        for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
            exec(block, names)
        stubs = {one.handed for one in outline.read(ROOT / "notebooks" / f"{path.stem}.ipynb").exercises}
        assert stubs <= names.keys()  # each can be pasted into the notebook, where later cells call it by this name
    assert sorted(seen) == sorted(EXERCISES)
