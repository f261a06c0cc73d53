"""What must hold of every committed notebook, beyond running: nbval runs them."""

import importlib
import re
import subprocess
import sys
import types

import nbformat
import pytest

import course.colab
from course import outline
from course.report.course_tables import COURSE, repository
from mnist_lib.studies import records
from mnist_lib.support.paths import ROOT
from tests.notebooks import checks
from tests.notebooks.checks import SETUP, printed

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_the_course_is_complete():
    assert [path.stem for path in PATHS] == list(COURSE)


CHECKS = {
    "opening": lambda notebook, path: checks.opening(notebook, outline.read(path).question),
    "exercises": lambda notebook, path: checks.exercises(
        notebook,
        str(int(path.stem[:2])),
        (ROOT / f"notebooks/solutions/{path.stem}.md").read_text(),
        outline.read(path).exercises,
    ),
    "solutions linked": lambda notebook, path: (
        [] if f"](solutions/{path.stem}.md)" in checks.markdown(notebook) else ["no link to the solutions"]
    ),
    "links": lambda notebook, path: checks.links(notebook, path.parent),
} | {
    check.__name__: lambda notebook, path, check=check: check(notebook)
    for check in (
        *(checks.sections, checks.ending, checks.spoilers, checks.folds),
        *(checks.outputs, checks.shown_by_github, checks.checked_outputs),
    )
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("check", CHECKS)
def test_a_committed_notebook_is_as_it_should_be(path, check):
    assert CHECKS[check](nbformat.read(path, as_version=4), path) == []


def test_the_committed_runs_are_the_records():
    """What the notebooks show of their own runs, and what they quote of others, is what the records and RESULTS say."""
    card, quick = records.runs("card"), records.runs("quick")
    training, speed = (
        nbformat.read(ROOT / "notebooks" / name, as_version=4) for name in ("04_training.ipynb", "07_speed.ipynb")
    )
    test, history = card[0]["test"], card[0]["history"]
    said = printed(training)
    [recorded] = re.findall(r"^MNIST, seed 0, recorded: (.+)\n    after epoch 20, in \d+ s on (.+)$", said, re.MULTILINE)
    assert recorded == (f"{test['accuracy']:.2%} of {test['n']:,} test images", card[0]["machine"]["device"])
    [(share, machine)] = re.findall(
        r"^MNIST, seed 0, here: ([\d.]+)% of 10,000 test images\n    after epoch 20, in \d+ s on (.+)$", said, re.MULTILINE
    )
    epochs = re.findall(r"epoch +(\d+)/20  loss ([\d.]+)  training accuracy ([\d.]+%)", said)
    assert [int(number) for number, _, _ in epochs] == list(range(1, 21))
    if machine == card[0]["machine"]["device"]:  # the same processor adds up in the same order: the same bits
        assert float(share) == round(100 * test["accuracy"], 2)
        assert [epoch[1:] for epoch in epochs] == [
            (f"{entry['train_loss']:.4f}", f"{entry['train_accuracy']:.2%}") for entry in history
        ]
    else:
        assert abs(float(share) - 100 * test["accuracy"]) < 0.3
    for runs, text, digits in ((card, said, 2), (quick, printed(speed), 3)):
        mean = 100 * sum(record["test"]["correct"] for record in runs) / sum(record["test"]["n"] for record in runs)
        assert f"mean {mean:.{digits}f} %" in text
    assert f"quick, seed 0: {quick[0]['test']['accuracy']:.2%} in" in printed(speed)
    [here] = re.findall(r"quick, seed 0: ([\d.]+)% in [\d.]+ s, here", printed(speed))  # its bits are the machine's
    assert abs(float(here) - 100 * quick[0]["test"]["accuracy"]) < 0.2


# The setup cell


def test_setup_on_colab_never_touches_torch(monkeypatch, tmp_path):
    """The cell, run as on Colab: it clones the one address and installs nothing but what is missing."""
    commands, lacking = [], {"torchinfo"}

    def run(command, **options):
        assert options["check"] and options["timeout"]
        commands.append(command)
        (tmp_path / "project" / "mnist_lib").mkdir(parents=True, exist_ok=True)

    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(subprocess, "run", run)
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name in lacking else found(name, *rest))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    exec(SETUP, {})
    assert sys.path[0] == str(tmp_path / "project")
    assert commands[0] == ["git", "clone", "--quiet", "--depth=1", repository(), "project"]
    importlib.reload(course.colab)  # what the cell's import does in a new kernel
    assert [command[-1] for command in commands[1:]] == ["torchinfo"]
    lacking |= {"torch", "torchvision"}
    importlib.reload(course.colab)
    assert not {"torch", "torchvision"} & {word for command in commands for word in command}
    commands.clear()
    exec(SETUP, {})  # a second time, the project is there
    assert commands == []


def test_setup_elsewhere_only_finds_the_project(monkeypatch, tmp_path):
    monkeypatch.setattr(subprocess, "run", lambda *_: pytest.fail("nothing is to be run here"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT / "notebooks")
    exec(SETUP, {})
    assert sys.path[0] == str(ROOT)
    importlib.reload(course.colab)
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    exec(SETUP, {})  # the package is on the path, as where it is installed for a grader
    assert sys.path == before
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="needs its project: clone"):
        exec(SETUP, {})


# Terms


# words that also mean something else, or are said in passing
EVERYDAY = {"reach", "warm-up", "worker", "across", "in turn", "error"}


def test_no_term_is_used_before_the_notebook_that_introduces_it():
    """By the glossary's credits: in the open text of the notebooks before, no name of the term occurs."""
    glossary = (ROOT / "notebooks/glossary.md").read_text()
    texts = []
    for one in PATHS:
        words = re.sub(r"<summary>.*?</summary>", "", checks.markdown(nbformat.read(one, as_version=4)))
        words = re.split(r"^(?:\*\*)?Further reading", words, flags=re.MULTILINE)[0]
        texts.append(re.sub(r"`[^`]*`|\]\([^)]*\)", " ", words))
    early = []
    for term, number in re.findall(r"^\*\*(.+?)\*\* \(\[notebook (\d)\]", glossary, re.MULTILINE):
        for name in (word.strip(" )") for word in re.split(r",|\(", term)):
            used = [1 + i for i, text in enumerate(texts) if re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE)]
            if used and used[0] < int(number) and name not in EVERYDAY:
                early.append((term, f"notebook {number}", f"used in {used[0]}"))
    assert early == []


@pytest.mark.parametrize(
    "name, rule",
    [
        ("02_receptive_field", r"r \leftarrow r + (k - 1)\,j"),
        ("02_receptive_field", r"j \leftarrow j \cdot t"),
        ("02_receptive_field", r"s \leftarrow s + \left(\tfrac{(k - 1)\,d}{2} - p\right) j"),
        ("02_receptive_field", "*dilation* $d$ it reads every $d$-th unit"),
        ("07_speed", r"\frac{1}{1 - s + s/f}"),
    ],
)
def test_a_rule_that_is_needed_later_stands_outside_of_folds(name, rule):
    text = checks.markdown(nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4))
    assert rule in re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)


def test_each_notebook_of_the_first_part_says_how_to_use_it():
    for name in ("01_architecture", "02_receptive_field", "03_augmentation", "07_speed"):
        assert "cells from the top" in nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4).cells[0].source
