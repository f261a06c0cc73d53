"""What holds of every exercise; the right and wrong answers to them are in a file for each notebook, with what is told of them
alone."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from course import outline
from course.exercises import EXERCISES, LIBRARY, check, failures
from course.exercises.checking import NotYet, alike, case, loaded, untouched
from course.report.course_tables import COURSE
from mnist_lib.support.paths import ROOT

PATHS = sorted(Path(__file__).parent.glob("test_exercises_*.py"))
FILES = [importlib.import_module(f"tests.course.{path.stem}") for path in PATHS]
RIGHT = {name: answers for file in FILES for name, answers in file.RIGHT.items()}
WRONG = {
    name: list(answers.items()) if isinstance(answers, dict) else answers
    for file in FILES
    for name, answers in file.WRONG.items()
}
FUNCTIONS = [name for name in EXERCISES if name not in ("1d", "2c", "5c")]  # names, a network, a context manager


def test_every_exercise_is_tried():
    assert RIGHT.keys() == WRONG.keys() == EXERCISES.keys()


@pytest.mark.parametrize("name, answer", [(name, answer) for name, answers in RIGHT.items() for answer in answers])
def test_right_answers_are_taken(name, answer, capsys):
    assert check(name, answer), capsys.readouterr().out
    assert capsys.readouterr().out == f"{name}: right.\n"


@pytest.mark.parametrize("name, slip, answer", [(name, *wrong) for name, answers in WRONG.items() for wrong in answers])
def test_wrong_answers_are_refused_by_name(name, slip, answer, capsys):
    assert not check(name, answer)
    said = capsys.readouterr().out
    assert slip in said and "Hint:" in said
    if "looks like this slip" in said:
        assert said.count("looks like this slip") == 1 and "\n  input: " in said
        works_elsewhere = re.search("but a (square one|3×3 kernel) works|square image only", said)
        assert name == "3c" or works_elsewhere or ("\n  expected: " in said and "\n  got: " in said)
    else:
        assert name[0] != "6" or "It calls" in said


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_has_no_name_is_refused_with_its_case(name, capsys):
    for answer, told in (
        (lambda *case: None, r"is there a return\?|It should return two things"),
        (lambda *case: torch.zeros(2, 3), r"got: shape \(2, 3\)|got: tensor|It should return"),
        (lambda *case: "many", "could not be checked|got: many|It should return"),
        (lambda *case: case[99], "IndexError"),
        (lambda: 0, r"could not be checked \(TypeError"),
    ):
        assert not check(name, answer)
        said = capsys.readouterr().out
        assert re.search(told, said) and ("Hint:" in said or "returns None" in said), said


@pytest.mark.parametrize("name", EXERCISES)
def test_checking_leaves_random_numbers_alone(name):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    check(name, RIGHT[name][0])
    check(name, WRONG[name][0][1])
    assert torch.equal(torch.rand(3), expected)


def test_an_answer_may_differ_by_rounding_and_no_more():
    numbers = torch.tensor([0.1, 1.0])
    assert alike(numbers, numbers + 5e-5) and not alike(numbers, numbers + 5e-4)


@pytest.mark.parametrize("name", EXERCISES)
def test_no_answer_yet_is_told_what_to_do(name, capsys):
    assert not check(name, None)
    assert "None" in capsys.readouterr().out


@pytest.mark.parametrize("name", EXERCISES)
def test_whatever_is_handed_in_the_notebook_goes_on(name, capsys):
    for answer in (5, "many", lambda *_: 0.1, lambda *_: 1 / 0):
        assert not check(name, answer)
        assert "Hint:" in capsys.readouterr().out


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


@pytest.mark.parametrize("name", FUNCTIONS)
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

    functions = loaded(LIBRARY[name])
    assert len(functions) == len(LIBRARY[name])
    for function in functions:
        check(name, function)
        assert f"{name}: right" not in capsys.readouterr().out


def test_a_function_that_the_answer_itself_imports_is_refused(tmp_path, monkeypatch, capsys):
    """Known by its name alone: nothing has imported it before."""
    (tmp_path / "turns.py").write_text("def rotate(image, degrees):\n    return image")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(LIBRARY, "3a", ("turns.rotate",))

    def turn(image, degrees):
        return importlib.import_module("turns").rotate(image, degrees)

    check("3a", turn)
    assert "3a: not yet. It calls rotate, which does the exercise for you" in capsys.readouterr().out
    assert sys.modules.pop("turns")


def test_a_function_that_changes_its_input_is_told_which():
    def doubles(image, degrees):
        image *= 2
        return image

    with pytest.raises(NotYet, match="image is changed in place") as why:
        untouched(doubles)(torch.ones(2, 2), 20)
    assert "input: a tensor of shape (2, 2), 20" in str(why.value)
    assert untouched(lambda image, degrees: image * 2)(torch.ones(2), 20).sum() == 4
