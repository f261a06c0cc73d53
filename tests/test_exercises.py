"""The checkers take right answers and refuse wrong ones; the solutions are right."""

import re

import pytest

from mnist_lib.exercises import EXERCISES, check, reveal
from mnist_lib.files import ROOT
from mnist_lib.report import COURSE

# tried in a file for each notebook, test_exercises_*.py
ELSEWHERE = {"2a", "2b", "2c", "3a", "3b", "3c", "5a", "5b", "5c", "6a", "6b", "7a", "7b", "7c", "7d"}


RIGHT = {
    "1a": [3480],
    "1b": [(16, 16, 10, 14, 14, 14, 14), [8, 16, 10, 16, 16, 16, 12]],
    "4a": [(0.01, 0.0001)],
    "4b": [lambda counts: sum(c for c, _ in counts) / sum(n for _, n in counts)],
}
WRONG = {
    "1a": [3456, 3479, 4640, "many"],
    "1b": [(16, 32, 10, 16, 16, 16, 16), (4, 4, 4, 4, 4, 4, 4), (16, 21, 10), 5],
    "4a": [(0.1, 0.0001), (0.01, 0.001), (0.0001, 0.01), 0.01],
    "4b": [lambda counts: sum(c / n for c, n in counts) / len(counts), lambda counts: 0.994, lambda counts: None, 1],
}


def test_every_exercise_is_tried():
    assert set(RIGHT) == set(WRONG) == set(EXERCISES) - ELSEWHERE


@pytest.mark.parametrize("name", RIGHT)
def test_right_answers_are_taken(name, capsys):
    for answer in RIGHT[name]:
        assert check(name, answer), answer
        assert "right" in capsys.readouterr().out


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_are_refused_with_a_hint(name, capsys):
    for answer in WRONG[name]:
        assert not check(name, answer), answer
        assert "Hint:" in capsys.readouterr().out


def test_no_answer_yet_and_no_such_exercise(capsys):
    assert not check("1a", None)
    assert "None" in capsys.readouterr().out
    with pytest.raises(ValueError, match="There is no exercise"):
        check("9z", 1)


def test_the_solutions_are_right():
    paths = sorted((ROOT / "notebooks" / "solutions").glob("*.md"))
    assert {path.stem for path in paths} <= set(COURSE)
    seen = []

    def checked(name, answer):
        seen.append(name)
        assert check(name, answer), name

    for path in paths:
        names = {"check": checked}
        for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
            exec(block, names)
    assert sorted(seen) == sorted(EXERCISES)


def test_reveal_shows_the_truth_whatever_was_said(capsys):
    reveal(None, 160, " numbers")
    reveal(160, 160, " numbers")
    reveal(150, 1600, " numbers")
    said = capsys.readouterr().out.splitlines()
    assert said == ["No prediction yet. It is 160 numbers.", "You said 160: exactly so.", "You said 150. It is 1,600 numbers."]
