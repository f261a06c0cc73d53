"""A submission is run with five seeds on held-out images, and what is missing is said in a sentence each."""

import copy
import json
import re
from dataclasses import replace

import pytest

from course import grading
from course.__main__ import main
from course.grading import HELD_OUT, AssignmentError, Submission, after_training, before_training, grade, result
from mnist_lib.studies.catalogue import ASSIGNMENT_STUDY
from mnist_lib.studies.records import held_out
from mnist_lib.studies.study import by_seed, recorded
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer.ingredients import Freeze
from mnist_lib.trainer.recipes import QUICK
from mnist_lib.trainer.variants import Widths

SMALL = """
from dataclasses import replace
from mnist_lib.trainer.recipes import {base}
from mnist_lib.trainer.variants import Widths

RECIPE = replace({base}, {changes} ingredients=(*{base}.ingredients, Widths({widths})))
PARAGRAPH = {paragraph!r}
"""
NARROW, WORDS = (8, 14, 8, 10, 10, 10, 10), "because " * 50


def written(folder, code: str = "", base="CARD", changes="", widths=NARROW, paragraph=WORDS, after=""):
    path = folder / "submission.py"
    path.write_text(code or SMALL.format(base=base, changes=changes, widths=widths, paragraph=paragraph) + after)
    return path


def missing(folder, **changes) -> list[str]:
    return before_training(Submission.read(written(folder, **changes)))


def test_submission_that_may_be_trained(tmp_path):
    assert missing(tmp_path) == []
    # counted by hand: weights and biases, and two of BatchNorm's for each map
    w, k = NARROW, (3, 3, 1, 3, 3, 3, 3)
    convs = sum(w[i] * (([1, *w][i]) * k[i] ** 2 + 1) for i in range(7))
    assert Submission.read(tmp_path / "submission.py").parameters == convs + 2 * sum(w) + 10 * (w[6] + 1) <= 5_000


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"widths": (16, 32, 10, 16, 16, 16, 16)}, "The network has 13,960 numbers, at most 5,000 are allowed: see Widths."),
        ({"changes": "epochs=21,"}, "It trains for 21 epochs, at most 20 are allowed."),
        ({"paragraph": "because " * 49}, "The paragraph has 49 words, at least 50 are asked for."),
        ({"after": "\nlook = lambda d: d.test_images\n"}, "names test_images: the test images have no part in this."),
        (
            {"after": "\nlook = lambda d: getattr(d, 'test_labels')\n"},
            "names test_labels: the test images have no part in this.",
        ),
    ],
)
def test_submission_that_may_not(tmp_path, changes, said, capsys, monkeypatch):
    [sentence] = missing(tmp_path, **changes)
    assert sentence.endswith(said)
    monkeypatch.setattr(grading, "run_study", lambda *_, **__: pytest.fail("nothing is to be trained"))
    assert main(["assignment", str(tmp_path / "submission.py")]) == 1
    assert f"Not yet: {sentence}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "code, said",
    [
        ("RECIPE =", "can't be run (SyntaxError"),
        ("1 / 0", "can't be run (ZeroDivisionError"),
        ("raise SystemExit", "can't be run (SystemExit"),
        ("PARAGRAPH = 'a'", "needs RECIPE = TrainConfig(...)"),
        ("from mnist_lib.trainer.recipes import CARD as RECIPE", "needs PARAGRAPH = "),
        (SMALL.format(base="CARD", changes="epochs=-1,", widths=NARROW, paragraph="a"), "can't be run (ValueError: epochs"),
    ],
)
def test_submission_that_is_none(tmp_path, code, said, capsys):
    with pytest.raises(AssignmentError, match=re.escape(said)):
        Submission.read(written(tmp_path, code))
    assert main(["assignment", str(tmp_path / "submission.py")]) == 1
    assert "\n" not in capsys.readouterr().err.strip()


@pytest.mark.parametrize("fails", ["return None", "raise KeyError(model)"])
def test_submission_whose_ingredient_makes_no_network(tmp_path, fails, capsys):
    own = (
        f"from mnist_lib.trainer.ingredients import Ingredient\nclass Own(Ingredient):\n    def network(self, model): {fails}\n"
    )
    written(tmp_path, after=f"{own}RECIPE = replace(RECIPE, ingredients=(Own(),))\n")
    assert main(["assignment", str(tmp_path / "submission.py")]) == 1
    assert capsys.readouterr().err.startswith("The network of RECIPE can't be made (")


def test_submission_written_by_windows_notepad(tmp_path):
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert before_training(Submission.read(path)) == []


def test_submission_that_is_not_there(tmp_path):
    with pytest.raises(AssignmentError, match="can't be run"):
        Submission.read(tmp_path / "none.py")


@pytest.fixture
def runs() -> list[dict]:
    """Five records as they would be: made of the committed one with held-out images."""
    record = held_out() | {"parameters": 4_932}
    five = [copy.deepcopy(record) for _ in range(5)]
    for seed, run in enumerate(five):
        run["config"]["seed"] = seed
    return five


def judged(runs: list[dict], *percent: float) -> list[dict]:
    for run, accuracy in zip(runs, percent, strict=True):
        run["history"][-1]["validation_accuracy"] = accuracy / 100
    return runs


def test_after_training_the_lower_end_of_the_interval_decides(runs):
    assert after_training(judged(runs, 99.1, 99.2, 99.15, 99.1, 99.2)) == []
    # mean 99.05, standard deviation 0.0791: Student's t with 4 degrees of freedom, 2.776, makes it 98.95 to 99.15
    [sentence] = after_training(judged(runs, 98.95, 99.0, 99.05, 99.1, 99.15))
    assert sentence == (
        "The lower end of the 95 % interval is 98.95 %, and must be above 99.0 %: chance among seeds could explain the mean."
    )
    assert "99.05 % of held-out MNIST images (95 % interval 98.95 to 99.15; 5 seeds, 5,000 images each" in result(runs)
    [sentence] = after_training(judged(runs, 98.1, 98.2, 98.15, 98.1, 98.2))
    assert sentence.endswith("the mean itself is not above it.")
    assert len(after_training(judged(runs, *5 * [99.0]))) == 1  # at the goal, not above it


def test_after_training_records_give_away_what_was_not_allowed(runs):
    good = judged(runs, 99.1, 99.2, 99.15, 99.1, 99.2)
    for change, said in (
        (lambda run: run.update(parameters=5_001), "A network had 5,001 numbers"),
        (lambda run: run.update(test={"accuracy": 0.995}), "A run has read the test images"),
        (lambda run: run["dataset"].update(sha256="0" * 64, name="digits"), "The images were digits, not MNIST"),
    ):
        changed = copy.deepcopy(good)
        change(changed[0])
        sentences = after_training(changed)
        assert any(sentence.startswith(said) for sentence in sentences), said
    assert after_training(good[:4])[-1] == "There are 4 runs, with 5 seeds there should be 5."


def test_grade_counts_no_seeds_beyond_the_five(tmp_path, runs, monkeypatch, capsys):
    six = dict(enumerate([*judged(runs, 99.1, 99.2, 99.15, 99.1, 99.2), copy.deepcopy(runs[0])]))
    monkeypatch.setattr(grading, "run_study", lambda *_: {"a machine": {"submission": six}})
    assert grade(written(tmp_path), folder=tmp_path) == [] and "; 5 seeds, " in capsys.readouterr().out


def test_grade_gives_each_recipe_a_folder_of_its_own(tmp_path, runs, monkeypatch):
    places = []

    def run_study(study, seeds, source, folder, *_):
        places.append(folder)
        return {"a machine": {"submission": dict(enumerate(runs))}}

    monkeypatch.setattr(grading, "run_study", run_study)
    for changes in ("max_lr=0.1,", "max_lr=0.2,", "max_lr=0.1,"):
        grade(written(tmp_path, changes=changes), folder=tmp_path)
    assert places[0] == places[2] != places[1]


def test_grade_runs_a_submission_once(tmp_path, capsys, nearby):
    """On the stand-in, a third of an epoch: five runs, each judged by other images; and it is not taken for MNIST."""
    path = written(tmp_path, changes="epochs=0.3, batch_size=64, compiled='no',")
    sentences = grade(path, "digits", tmp_path / "out", held_out=100, workers=1)
    said = capsys.readouterr().out
    assert "submission.py: 4,932 numbers, 0.3 epochs." in said and "5 of 5" in said
    assert any(sentence.startswith("The images were digits") for sentence in sentences) and "Passed" not in said
    [table] = (tmp_path / "out").rglob("*.jsonl")
    made = [json.loads(line) for line in table.read_text().splitlines()]
    assert [record["config"]["seed"] for record in made] == list(range(5))
    assert all(record["test"] is None and record["dataset"]["validated_on"] == 100 for record in made)
    assert grade(path, "digits", tmp_path / "out", held_out=100, workers=1) == sentences
    assert "all 5 runs are on record" in capsys.readouterr().out


def test_template_is_a_beginning_and_no_solution():
    submission = Submission.read(ROOT / "assignment/submission.py")
    assert submission.parameters == 13_960 and len(before_training(submission)) == 2


def test_task_says_what_is_checked():
    task = (ROOT / "assignment/README.md").read_text()
    for told in ("5,000 numbers", "99.0 %", "at most 20 epochs", "five seeds", "50 words", "lower end"):
        assert told in task
    assert (grading.PARAMETERS, grading.GOAL, grading.SEEDS, grading.EPOCHS, grading.WORDS) == (
        5_000,
        99.0,
        5,
        20,
        50,
    )


def test_assignment_can_be_passed():
    """By the answer that INSTRUCTOR names, and its recorded runs."""
    recipe = ASSIGNMENT_STUDY.variants["an answer"]
    assert recipe == replace(
        QUICK.without(Freeze), epochs=20, ingredients=(Widths((9, 13, 7, 10, 10, 10, 10)), *QUICK.without(Freeze).ingredients)
    )
    assert before_training(Submission(recipe, WORDS, "")) == []
    own = by_seed(recorded(ASSIGNMENT_STUDY))["an answer"]
    assert sorted(own) == list(range(5)) and all(run["dataset"]["validated_on"] == HELD_OUT for run in own.values())
    assert after_training([own[seed] for seed in range(5)]) == []
