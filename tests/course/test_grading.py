"""Submissions are graded by what this process measured, whatever lies in their folder; and all that they try gains nothing."""

import csv
import re
import sys

import pytest

from course import grading, submission
from course.__main__ import main
from course.grading import Grade, Limit, judge, mark_same_recipes, share
from course.spreadsheet import cell, printable
from course.submission import Submission, to_toml
from mnist_lib.studies import runner
from mnist_lib.support.paths import ROOT
from mnist_lib.trainer import TrainingError
from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.recipes import BEST, CARD

PARAGRAPH = f'paragraph = "{"because " * 50}"\n'
FAST = f"{PARAGRAPH}[recipe]\nepochs = 1\naugment = false\n[recipe.ingredients.Widths]\nwidths = [2, 2, 2, 2, 2, 2, 2]\n"


@pytest.fixture
def small(nearby, monkeypatch, digits):
    """The stand-in as if it were MNIST, its shares small: eight seeds take a second."""
    monkeypatch.setattr(grading, "MNIST_SHA256", digits.sha256)
    monkeypatch.setattr(grading, "IMAGES", 45)
    monkeypatch.setattr(grading, "HELD_OUT", 48)


def graded(folder, tmp_path, *options: str) -> dict[str, dict[str, str]]:
    """The table's rows by file."""
    out = tmp_path / "grades.csv"
    main(["grade", str(folder), "--out", str(out), "--data", "digits", *options])
    return {row["file"]: row for row in csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines())}


def test_a_folder_is_graded_and_no_attack_gains_anything(small, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "handed in"
    folder.mkdir()
    monkeypatch.setattr(grading, "GOAL", -1)
    attacks = {  # what a Python file could do to the grader, and what is left of it
        "patch.py": "import course.grading; course.grading.GOAL = 0; open('ran', 'w')",
        "exit.toml": "import os; os._exit(0)",
        "look.toml": "from mnist_lib.data import load; load().test_images",
        "pickle.toml": b"\x80\x04cos\nsystem\n",
        "grades.csv": "file,passed\npatch.py,yes\n",
        "records.jsonl": '{"test": {"accuracy": 1.0}}',
        "=cmd|calc.toml": PARAGRAPH + "[recipe]\nmax_lr = '=1+1'",
        "\x1b[2Jclear.toml": PARAGRAPH + "[recipe]\nepochs = 9",
    }
    for name, text in attacks.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "ada.toml").write_text(FAST)
    (folder / "bob.toml").write_text(f"# another file, the same recipe\n{FAST.replace('epochs = 1', 'epochs = 1.0')}")
    (folder / "cat.toml").write_text(FAST.replace("epochs = 1", "epochs = 1\nmax_lr = 1e30"))
    rows = graded(folder, tmp_path)
    said = capsys.readouterr().out
    assert {name for name, row in rows.items() if row["passed"] == "yes"} == {"ada.toml", "bob.toml", "?[2Jclear.toml"}
    assert rows["bob.toml"]["same recipe as"] == "ada.toml" and not rows["ada.toml"]["same recipe as"]
    assert rows["bob.toml"]["mean"] == rows["ada.toml"]["mean"] and rows["ada.toml"]["seeds"] == "8"
    assert rows["ada.toml"]["steps"] == "3" and int(rows["ada.toml"]["parameters"]) < 300
    assert rows["cat.toml"]["missing"].startswith("Seed ") and "failed" in rows["cat.toml"]["missing"]
    assert rows["patch.py"]["missing"] == "It is no .toml file, so it was not opened."
    assert rows["exit.toml"]["missing"].startswith("The file is not TOML: ")
    assert all(not row["mean"] for name, row in rows.items() if name in attacks and name[0] != "\x1b" and row["passed"] == "no")
    assert not re.search(r"^[=+@-]", "\n".join(rows), re.MULTILINE) and "\x1b" not in said
    assert "3 of 11 passed" in said and re.search(r"^3 of 3, about 0 s left; ", said, re.MULTILINE)
    assert grading.GOAL == -1 and not list(tmp_path.rglob("ran")) and "course.grading" in sys.modules


def test_a_file_alone_and_no_file_at_all(small, tmp_path, capsys):
    (tmp_path / "ada.toml").write_text(FAST)
    rows = graded(tmp_path / "ada.toml", tmp_path, "--first", "8")
    assert rows["ada.toml"]["passed"] == "no"
    assert rows["ada.toml"]["missing"].startswith("The lower end of the 95 % interval is ")
    (tmp_path / "empty").mkdir()
    for folder, said in (
        (tmp_path / "empty", "There are no submissions in "),
        (tmp_path / "none", "There is no file or folder "),
    ):
        assert main(["grade", str(folder)]) == 1
        assert capsys.readouterr().err.startswith(said)
    assert main(["grade", str(tmp_path), "--first", "9"]) == 1
    assert "at most 8" in capsys.readouterr().err


def test_other_images_than_mnist_judge_nothing(nearby, tmp_path, capsys):
    (tmp_path / "ada.toml").write_text(FAST)
    assert main(["grade", str(tmp_path / "ada.toml"), "--out", str(tmp_path / "out.csv"), "--data", "digits"]) == 1
    assert capsys.readouterr().err.startswith("The assignment is judged by MNIST: ") and not (tmp_path / "out.csv").exists()


def test_a_run_that_takes_too_long_ends(small, tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "SECONDS", -1)
    (tmp_path / "ada.toml").write_text(FAST)
    missing = graded(tmp_path / "ada.toml", tmp_path)["ada.toml"]["missing"]
    assert re.search(r"Seed 0 failed: after 1 of 1 steps its -1 seconds are over\.", missing)
    with pytest.raises(TrainingError):
        Limit(-1).on_step(type("run", (), {"step": 1, "steps": 2}))


def take_memory(gigabytes: float) -> int:
    import time

    taken = bytearray(int(gigabytes * 1e9))
    taken[::4096] = b"x" * len(taken[::4096])
    time.sleep(20)
    return len(taken)


@pytest.mark.nightly
def test_a_worker_that_takes_too_much_memory_is_ended():
    from distributed import KilledWorker

    with runner.client_of(1, None, "1GB") as client, pytest.raises(KilledWorker):
        client.submit(take_memory, 2.0).result(timeout=60)


def test_a_seeds_images_are_its_own_and_never_the_test_images(mnist):
    import torch

    places = []
    for seed in range(16):
        part = share(mnist, seed)
        assert (len(part.train_labels), len(part.test_labels)) == (300, 3_400) and part.name != "MNIST"
        places += [part.train_images.data_ptr(), part.test_images.data_ptr()]
        assert torch.equal(part.test_labels, mnist.train_labels[3_700 * seed + 300 : 3_700 * (seed + 1)])
    assert len(set(places)) == 32 and mnist.test_images.data_ptr() not in places


def test_the_task_says_the_numbers_that_grade():
    text = " ".join((ROOT / "assignment/README.md").read_text(encoding="utf-8").split())
    for said in (
        f"**{submission.IMAGES}**",
        f"{submission.HELD_OUT:,} other images",
        f"{submission.PARAMETERS:,} parameters",
        f"Steps times `batch_size` is at most {submission.WORK:,}, and `batch_size` is at least {submission.BATCH}",
        f"at least {submission.WORDS} words",
        f"**more than {grading.GOAL:g} %**",
        f"is above {grading.GOAL:g} %",
        f"{grading.SECONDS} seconds of the processor's time",
        f"`--first {grading.SEEDS}`",
    ):
        assert said in text, said
    assert 2 * grading.SEEDS <= grading.SHARES  # the students' and the grader's


def test_the_lower_end_decides(monkeypatch):
    monkeypatch.setattr(grading, "GOAL", 97)
    for accuracies, said in (
        ([97.3, 97.2, 97.3, 97.2], None),
        ([97.9, 96.5, 97.9, 96.5], "chance among seeds could explain the mean."),
        ([96.9, 96.8, 96.9, 96.8], "the mean itself is not above it."),
    ):
        one = Grade("ada.toml", Submission(CARD, ""), accuracies=accuracies)
        judge(one)
        assert one.passed == (said is None) and (one.passed or one.missing[0].endswith(said))


def test_recipes_are_the_same_whatever_the_file_looks_like():
    grades = [
        Grade(name, Submission(recipe, name)) for name, recipe in (("a", CARD), ("b", BEST), ("c", TrainConfig(epochs=20.0)))
    ]
    mark_same_recipes([*grades, Grade("d", missing=["The file is not TOML."])])
    assert [one.same_as for one in grades] == ["", "", "a"]


def test_cells_and_lines_do_no_more_than_show_their_text():
    assert [cell(value) for value in ("=1+1", "+1", "-1", "@a", "a=1", 3)] == ["'=1+1", "'+1", "'-1", "'@a", "a=1", 3]
    assert printable("a\x1b[2J\nb\u202ec") == "a?[2J?b?c"


def test_the_file_to_begin_with_lacks_only_the_paragraph(capsys):
    with pytest.raises(submission.SubmissionError, match=r"^The paragraph has 0 words, at least 50 are asked for\.$"):
        submission.read(ROOT / "assignment/submission.toml")
    assert (ROOT / "assignment/submission.toml").read_text() == to_toml(CARD)
