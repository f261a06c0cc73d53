"""What holds of every exercise; what right and wrong answers are told is tried in a file for each notebook."""

import re

import pytest
import torch

from course import outline
from course.exercises import EXERCISES, LIBRARY, check, failures
from course.exercises.checking import NotYet, alike, case, loaded, untouched
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


# Slip, hint, solution


def wrong(c_in, c_out, k, norm):
    return c_in * c_out * k * k + 2 * c_out * norm


def test_the_slip_comes_first_then_the_hint_then_the_solution(capsys):
    failures.clear()
    said = []
    for _ in range(4):
        check("1b", wrong)
        said.append(capsys.readouterr().out)
    assert all("the biases are missing" in one and "\n  input: " in one for one in said)
    assert ["Hint:" in one for one in said] == [False, True, True, True]
    assert ["notebooks/solutions/01_architecture.md" in one for one in said] == [False, False, True, True]


def test_a_stub_is_no_try_and_a_right_answer_begins_anew(capsys):
    failures.clear()
    check("1b", wrong)
    check("1b", lambda *case: None)
    check("1b", None)
    assert failures["1b"] == 1
    assert check("1b", lambda c_in, c_out, k, norm: c_out * (c_in * k * k + 1 + 2 * norm)) and failures["1b"] == 0


def test_quiet_gives_a_bool_and_says_nothing(capsys):
    failures.clear()

    def loud(c_in, c_out, k, norm):
        print("working")
        return c_out * (c_in * k * k + 1 + 2 * norm)

    assert check("1b", loud, quiet=True) is True
    assert check("1b", wrong, quiet=True) is False and check("1b", None, quiet=True) is False
    assert capsys.readouterr().out == "" and not failures["1b"]


@pytest.mark.parametrize("name", [name for name in EXERCISES if name not in ("1d", "2c", "5c")])
def test_an_exception_tells_its_line_and_its_input(name, capsys):
    def stops(*arguments):
        return arguments[99]

    check(name, stops)
    said = capsys.readouterr().out
    assert "IndexError" in said and "\n  input: " in said
    assert re.search(r"\n  line \d+ of your cell: return arguments\[99\]", said)


def test_an_exception_before_the_first_line_tells_its_input(capsys):
    check("1b", lambda: 0)
    said = capsys.readouterr().out
    assert "TypeError" in said and "\n  input: c_in=" in said and " of your cell" not in said


def test_the_first_place_that_differs_is_shown():
    right = torch.arange(12.0).reshape(3, 4)
    off = right.clone()
    off[2, 1:] = 0
    said = case("numbers", right, off)
    assert said.endswith("first difference: at [2, 1] expected 9.0000, got 0.0000 (3 of 12 differ)")
    assert "expected 1.00002, got 1.00000" in case("near", torch.tensor([1.00002]).double(), torch.tensor([1.0]))
    assert "first difference" not in case("shapes", right, right[:2]) + case("numbers", right[0, 0], right[0, 1])
    assert "at [3] expected 1.0000, got nan" in case("nan", torch.ones(5), torch.tensor([1, 1, 1, torch.nan, 1]))


@pytest.mark.parametrize("name", LIBRARY)
def test_the_function_that_is_to_be_written_is_refused(name, capsys):
    import torchvision.transforms.v2.functional  # noqa: F401  (whose functions are named there)

    for refused in loaded(LIBRARY[name]):
        check(name, refused)
        assert f"{name}: right" not in capsys.readouterr().out


def test_a_function_that_changes_its_input_is_told_which():
    def doubles(image, degrees):
        image *= 2
        return image

    with pytest.raises(NotYet, match="image is changed in place") as why:
        untouched(doubles)(torch.ones(2, 2), 20)
    assert "input: a tensor of shape (2, 2), 20" in str(why.value)
    assert untouched(lambda image, degrees: image * 2)(torch.ones(2), 20).sum() == 4
