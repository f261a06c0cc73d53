"""Interrupted runs end as uninterrupted ones do, to the bit; damaged checkpoints are refused; none runs code."""

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mnist_lib import checkpoints
from mnist_lib.checkpoints import CheckpointError, Checkpoints
from mnist_lib.files import ROOT
from mnist_lib.trainer import Callback, TrainConfig, train

CONFIG = TrainConfig(
    epochs=5.5, batch_size=64, nesterov=True, weight_decay=1e-4, settle=0.3, freeze=0.4, hardest=0.7, muon=0.1, whiten=True
)


@pytest.fixture(scope="module")
def small(digits):
    return digits.head(200, 50)


@pytest.fixture(scope="module")
def uninterrupted(small):
    return train(CONFIG, small).model.state_dict()


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class StopAfter(Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch(self, run):
        if len(run.history) == self.epochs:
            raise KeyboardInterrupt


def interrupted(folder: Path, small, epochs: int) -> list[Path]:
    """A run stopped after so many epochs -> its checkpoints, the newest first."""
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, small, [Checkpoints(folder), StopAfter(epochs)])
    return sorted(folder.glob("checkpoints/*/*.pt"), reverse=True)


def test_an_interrupted_run_goes_on_where_it_was(small, uninterrupted, tmp_path, capsys):
    saved = interrupted(tmp_path, small, 3)
    assert len(saved) == 2  # the last two
    (saved[0].parent / ".epoch-00004-0.pt.1.part").write_bytes(b"half")  # as a kill leaves it
    run = train(CONFIG, small, [Checkpoints(tmp_path)])
    assert "Resumed after epoch 3" in capsys.readouterr().out
    assert same(run.model.state_dict(), uninterrupted)
    assert [entry["epoch"] for entry in run.history] == [1, 2, 3, 4, 5, 6]
    assert not list(tmp_path.glob("checkpoints/*/*"))  # nothing left to resume
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    assert same(saved, uninterrupted) and (tmp_path / "record.json").is_file()


def test_other_settings_or_data_do_not_resume_it(small, tmp_path, capsys):
    interrupted(tmp_path, small, 2)
    train(TrainConfig(epochs=6, batch_size=64, seed=1), small, [Checkpoints(tmp_path)])
    train(CONFIG, small.head(190, 50), [Checkpoints(tmp_path)])
    assert "Resumed" not in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["a bit", "half", "empty"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_used(small, uninterrupted, tmp_path, capsys, damage):
    newest, _before = interrupted(tmp_path, small, 4)
    body = bytearray(newest.read_bytes())
    body[len(body) // 2] ^= 1
    newest.write_bytes({"a bit": body, "half": body[: len(body) // 2], "empty": b""}[damage])
    with pytest.raises(CheckpointError, match=r"^The checkpoint [^\n]+ is damaged[^\n]+\.$"):
        checkpoints.load(newest)
    run = train(CONFIG, small, [Checkpoints(tmp_path)])
    said = capsys.readouterr().out
    assert "is damaged" in said and "Resumed after epoch 3" in said
    assert same(run.model.state_dict(), uninterrupted)


def test_no_checkpoint_executes_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    path = checkpoints.save({"model": Evil()}, tmp_path, 1)  # whole, by its checksum
    with pytest.raises(pickle.UnpicklingError):
        checkpoints.load(path)
    assert not (tmp_path / "executed").exists()


RUN = f"""
import sys
from mnist_lib.checkpoints import Checkpoints
from mnist_lib.data import load
from mnist_lib.trainer import PrintEpochs, TrainConfig, train
from mnist_lib.transforms import Augment
train({CONFIG}, load("digits").head(200, 50), [Checkpoints(sys.argv[1]), PrintEpochs()])
"""


def test_killed_at_random_moments_it_ends_with_the_same_weights(uninterrupted, tmp_path):
    """SIGKILL six times: at any moment from the first step on, mid-epoch and mid-write included."""
    draw, kills, resumed = random.Random(0), 0, 0
    command = [sys.executable, "-u", "-c", RUN, str(tmp_path)]
    while kills < 6:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        said = process.stdout.readline()  # the dataset's line: imports are done
        said += process.stdout.readline()  # with what means
        said += process.stdout.readline()  # "Resumed ..." or the first epoch's
        time.sleep(draw.uniform(0, 0.3))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        said += process.stdout.read()
        process.wait()
        resumed += "Resumed" in said
        if (tmp_path / "record.json").exists():  # it was quicker than the kill: start over
            (tmp_path / "record.json").unlink()
            (tmp_path / "model.pt").unlink()
    assert resumed >= 1
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, env=os.environ)
    assert same(torch.load(tmp_path / "model.pt", weights_only=True), uninterrupted)
