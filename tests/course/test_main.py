"""The commands: their help, their errors, and how make calls them."""

import inspect
import re
import subprocess
from pkgutil import resolve_name

import pytest

from course import run_notebooks
from course.__main__ import COMMANDS, main
from mnist_lib.support.paths import ROOT


def test_main_helps_with_every_parameter(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    assert {"--epochs", "--seed", "--data", "--out"} <= set(re.findall(r"--\w+", capsys.readouterr().out))


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_functions_take_their_parameters(command):
    _, function, *parameters = COMMANDS[command]
    names = dict.fromkeys(name.removeprefix("--") for name, _ in parameters)
    inspect.signature(resolve_name(function)).bind(**names)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--epochs", "-3"], "epochs is a number above 0, at most 10,000, not -3."),
        (["run", "--epochs", "99999999999999999999"], "epochs is a number above 0, at most 10,000, not 99999999999999999999."),
        (["run", "--out", "notebooks/../notebooks"], "The executed notebooks would overwrite the notebooks: "),
        (["run", "--data", "nowhere"], "There is no folder nowhere: correct the path (or unset MNIST_LIB_DATA)."),
        (["report", "--record", "nowhere.json"], "nowhere.json is not a record"),
    ],
)
def test_main_says_one_sentence_of_a_bad_argument(arguments, sentence, capsys, monkeypatch):
    monkeypatch.setattr(run_notebooks, "NOTEBOOKS", [])  # so that what is let through takes no time
    monkeypatch.chdir(ROOT)
    assert main(arguments) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith(sentence) and "\n" not in said


def test_makefile_passes_parameters_on():
    """What `make run` would do, said but not done."""
    done = subprocess.run(
        ["make", "--dry-run", "run", "EPOCHS=2", "SEED=7"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    assert "course run --epochs 2 --seed 7" in done.stdout
    lab = subprocess.run(["make", "--dry-run", "lab"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20)
    assert "--ip=127.0.0.1" in lab.stdout and "token" not in lab.stdout.lower()
