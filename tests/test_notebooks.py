"""What must hold of every committed notebook, beyond running: nbval runs them."""

import json
import re
import subprocess
import sys
import types

import nbformat
import pytest

from mnist_lib import records
from mnist_lib.colab import MISSING
from mnist_lib.files import ROOT
from mnist_lib.report import COURSE, repository

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag: str) -> list:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def test_the_course_is_complete():
    assert [path.stem for path in PATHS] == list(COURSE)


def test_it_opens_with_its_question_and_a_picture(notebook, request):
    first = notebook.cells[0]
    question = COURSE[request.node.callspec.params["notebook"].stem]
    assert first.cell_type == "markdown" and question in first.source.splitlines()[0]
    assert re.search(r"\*\d+ minutes", first.source)
    pictures = [
        i for i, cell in enumerate(notebook.cells) if any("image/png" in o.get("data", {}) for o in cell.get("outputs", []))
    ]
    assert pictures and pictures[0] <= 3


def test_it_was_run_from_top_to_bottom_without_error(notebook):
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert not [o for cell in code(notebook) for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_it_was_run_on_mnist(notebook):
    printed = "".join(o.text for cell in code(notebook) for o in cell.outputs if o.output_type == "stream")
    assert "MNIST: 60,000 training and 10,000 test images" in printed
    assert "digits:" not in printed and "stand-in" not in printed


def test_github_can_show_it(notebook, request):
    path = request.node.callspec.params["notebook"]
    text = path.read_text()
    assert len(text) < 1_000_000
    assert "widgets" not in notebook.metadata and "widget-view" not in text
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    assert not re.search(r"(?<![\w.:/])/(?:home|root|work|tmp|usr|Users|content)/", shown)


def test_it_has_parameters_checks_and_exercises(notebook):
    assert len(tagged(notebook, "parameters")) == 1
    assert tagged(notebook, "nbval-check-output")
    sources = [cell.source for cell in code(notebook)]
    assert sum("check(" in source and "import" not in source for source in sources) >= 2
    asked = [source for source in sources if re.search(r"^my_guess = None$|^guesses\.ask\(.*, None", source, re.MULTILINE)]
    revealed = [source for source in sources if "reveal(my_guess" in source or "guesses.reveal(" in source]
    assert asked and revealed  # predict, then see


def test_checked_outputs_do_not_depend_on_the_data(notebook):
    for cell in tagged(notebook, "nbval-check-output"):
        assert not re.search(r"(?<![\w\"])dataset\b(?!\")", cell.source) and cell.outputs


def printed(notebook) -> str:
    return "".join(o.text for cell in code(notebook) for o in cell.outputs if o.output_type == "stream")


def test_the_committed_runs_are_the_records():
    """What the notebooks show of their own runs, and what they quote of others, is what the records and README say."""
    card, quick = records.runs("card"), records.runs("quick")
    training, speed = (
        nbformat.read(ROOT / "notebooks" / name, as_version=4) for name in ("04_training.ipynb", "07_speed.ipynb")
    )
    test, history = card[0]["test"], card[0]["history"]
    said = printed(training)
    assert f"{test['accuracy']:.2%} of {test['n']:,} test images, in " in said  # its seconds are its own
    for entry in history:
        assert (
            f"epoch {entry['epoch']:2}/20  loss {entry['train_loss']:.4f}  training accuracy {entry['train_accuracy']:.2%}"
            in said
        )
    for runs, text, digits in ((card, said, 2), (quick, printed(speed), 3)):
        mean = 100 * sum(record["test"]["correct"] for record in runs) / sum(record["test"]["n"] for record in runs)
        assert f"mean {mean:.{digits}f} %" in text
    assert f"quick, seed 0: {quick[0]['test']['accuracy']:.2%} in" in printed(speed)
    [here] = re.findall(r"quick, seed 0: ([\d.]+)% in [\d.]+ s, here", printed(speed))  # its bits are the machine's
    assert abs(float(here) - 100 * quick[0]["test"]["accuracy"]) < 0.2


def test_bootstrap_on_colab_never_touches_torch(notebook, monkeypatch, tmp_path):
    """The cell, run as on Colab: it clones the one address and installs nothing but what is missing."""
    [boot] = [cell.source for cell in code(notebook) if "google.colab" in cell.source]
    commands = []

    def run(command, **options):
        assert options["check"] and options["timeout"]
        commands.append(command)
        (tmp_path / "project" / "mnist_lib").mkdir(parents=True, exist_ok=True)

    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.delitem(sys.modules, "mnist_lib.colab", raising=False)  # so that it is imported, as for the first time
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    exec(boot, {})
    assert sys.path[0] == str(tmp_path / "project")
    assert commands[0][:2] == ["git", "clone"] and repository() in commands[0]
    installed = [word for command in commands[1:] for word in command[command.index("install") + 1 :] if word[0] != "-"]
    assert installed in (["torchinfo"], list(MISSING))


def test_bootstrap_elsewhere_only_finds_the_project(notebook, monkeypatch):
    [boot] = [cell.source for cell in code(notebook) if "google.colab" in cell.source]
    monkeypatch.setattr(subprocess, "run", lambda *_: pytest.fail("nothing is to be run here"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT / "notebooks")
    exec(boot, {})
    assert sys.path[0] == str(ROOT)
