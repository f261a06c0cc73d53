"""The headless way in, from end to end: a real kernel, papermill, parameters, record and weights."""

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest
import torch

from mnist_lib.__main__ import main
from mnist_lib.files import ROOT
from mnist_lib.model import DigitNet
from mnist_lib.recipes import QUICK
from mnist_lib.report import COURSE


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    env = os.environ | environment
    return subprocess.run(
        [sys.executable, "-m", "mnist_lib", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, env=env
    )


def test_run_executes_the_course_with_its_parameters(tmp_path):
    done = command("run", "--epochs", "2", "--seed", "7", "--data", "digits", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:10] for line in done.stdout.splitlines() if line.startswith("epoch  ") and "loss" in line] == [
        "epoch  1/2",
        "epoch  2/2",
        *(f"epoch  {epoch}/{QUICK.epochs}" for epoch in range(1, QUICK.epochs + 1)),  # in notebook 07
    ]
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["config"]["epochs"] == 2 and record["config"]["seed"] == 7 and record["dataset"]["name"] == "digits"
    last = done.stdout.split("\n\n")[-1]
    assert f"{record['test']['accuracy']:.2%} of 297 digits test images" in last
    assert "not MNIST" in last and "record.json" in last and "model.pt" in last
    DigitNet().load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    for name in COURSE:
        notebook = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
        assert not [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]
        titles = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
        assert "MNIST: 60,000" not in titles  # nothing of the stand-in is shown as MNIST


def test_publish_takes_no_other_run(tmp_path, monkeypatch, capsys):
    """Only a card run's notebooks are committed; what is there stays untouched."""
    monkeypatch.setattr("mnist_lib.__main__.OUT", tmp_path)
    before = {path.name: path.read_bytes() for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert main(["publish"]) == 1 and "is no run record" in capsys.readouterr().err
    record = json.loads((ROOT / "records/card-seed-1.json").read_text())
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert main(["publish"]) == 1 and "show seed 0" in capsys.readouterr().err
    record["dataset"]["sha256"] = "of other images"
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert main(["publish"]) == 1 and "not of all of MNIST" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (ROOT / "notebooks").glob("*.ipynb")} == before


def test_help_names_every_parameter():
    done = command("run", "--help")
    assert done.returncode == 0
    assert {"--epochs", "--seed", "--data", "--out"} <= set(re.findall(r"--\w+", done.stdout))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--epochs", "-3"], "epochs is a number above 0, not -3."),
        (["run", "--data", "nowhere"], "There is no folder nowhere: correct the path (or unset MNIST_LIB_DATA)."),
        (["report", "--record", "nowhere.json"], "nowhere.json is no run record"),
    ],
)
def test_a_bad_argument_is_one_sentence(arguments, sentence, capsys):
    assert main(arguments) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith(sentence) and "\n" not in said


def test_a_notebook_that_fails_is_one_sentence(monkeypatch, tmp_path, capsys):
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("raise ValueError('no ink left')")])
    broken.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(broken, tmp_path / "05_broken.ipynb")
    monkeypatch.setattr("mnist_lib.__main__.NOTEBOOKS", [tmp_path / "05_broken.ipynb"])
    assert main(["run", "--data", "digits", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("05_broken.ipynb stopped: ValueError: no ink left (see ")
    assert (tmp_path / "out" / "05_broken.ipynb").is_file()


def test_make_passes_parameters_on():
    """What `make run` would do, said but not done."""
    done = subprocess.run(
        ["make", "--dry-run", "run", "EPOCHS=2", "SEED=7"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    assert "mnist_lib run --epochs 2 --seed 7" in done.stdout
    lab = subprocess.run(["make", "--dry-run", "lab"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20)
    assert "--ip=127.0.0.1" in lab.stdout and "token" not in lab.stdout.lower()
