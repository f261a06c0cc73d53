"""README's lines of code, run as a reader would."""

import re

import numpy as np
import pytest
import torch

from mnist_lib import data
from mnist_lib.model import DigitNet
from mnist_lib.support.paths import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def block(word: str) -> str:
    [found] = [code for code in BLOCKS if word in code]
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch, digits):
    """Where the reader works, with a few small digits for MNIST."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda: digits.head(300, 100))
    return tmp_path


def test_training_prints_its_result(folder, capsys):
    exec(block("train("), {})
    assert re.search(r"epoch +2/2 .*\n\{'correct': \d+, 'n': 100, ", capsys.readouterr().out)


def test_a_table_becomes_a_dataset(folder):
    table = np.random.default_rng(0).integers(0, 10, (40, 785))
    np.savetxt(folder / "train.csv", table, fmt="%d", delimiter=",", header="label,pixel0")
    names: dict = {}
    exec(block("train.csv").replace("10_000", "10"), names)
    dataset = names["dataset"]
    assert (dataset.train_images[3, 0].flatten().numpy() == table[3, 1:]).all() and dataset.test_labels[-1] == table[-1, 0]
    assert dataset.name == "Kaggle" and len(dataset.train_labels) == 30


def test_weights_are_read_and_asked(folder, capsys):
    (folder / "out").mkdir()
    torch.save(DigitNet().state_dict(), folder / "out/model.pt")
    exec(block("model.pt"), {})
    assert re.fullmatch(r"tensor\(\[(\d, ){4}\d\]\)\n", capsys.readouterr().out)
