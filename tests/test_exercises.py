"""The checkers take right answers and refuse wrong ones; the solutions are right."""

import re

import pytest
from torch import nn

from mnist_lib.exercises import EXERCISES, check, reveal
from mnist_lib.files import ROOT
from mnist_lib.model import DigitNet
from mnist_lib.report import COURSE

ELSEWHERE = {"3a", "3b", "3c", "4a", "4b", "4c", "4d", "5a", "5b", "5c", "6a", "6b"}  # tried in test_exercises_*.py


def changed(**layers) -> DigitNet:
    model = DigitNet()
    for name, settings in layers.items():
        for key, value in settings.items():
            setattr(getattr(model, name), key, value)
    return model


RIGHT = {
    "1a": [3480],
    "1b": [(16, 16, 10, 14, 14, 14, 14), [8, 16, 10, 16, 16, 16, 12]],
    "2a": [changed(conv2={"dilation": (5, 5)}), changed(conv1={"dilation": (5, 5)}), DigitNet(kernels=(3, 3, 9, 3, 3, 3, 3))],
    "2b": [15],
    "7a": [1.724, 1 / 0.58],
    "7b": [lambda share, factor: 1 / (1 - share + share / factor)],
}
WRONG = {
    "1a": [3456, 3479, 4640, "many"],
    "1b": [(16, 32, 10, 16, 16, 16, 16), (4, 4, 4, 4, 4, 4, 4), (16, 21, 10), 5],
    "2a": [DigitNet(), changed(conv2={"dilation": (4, 4)}), changed(conv4={"dilation": (3, 3)}), nn.Conv2d(1, 1, 3), 13],
    "2b": [7, 14, 17, 21],
    "7a": [1.42, 0.58, 2.38, 1.7, "twice"],
    "7b": [lambda share, factor: factor, lambda share, factor: 1 + share * factor, lambda share, factor: 1 / (1 - share), 2],
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
