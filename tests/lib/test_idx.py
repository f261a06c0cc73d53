"""Files in MNIST's format: those of MNIST as torchvision reads them, damaged ones refused in one sentence."""

import gzip
import re
import shutil

import pytest
import torch
from torchvision.datasets import MNIST

from mnist_lib.data import DataError, idx, load
from tests.lib.idx_files import write_idx

pytestmark = pytest.mark.usefixtures("own_surroundings")


BROKEN = {
    "no folder": (lambda folder: shutil.rmtree(folder), "There is no folder"),
    "missing": (lambda folder: (folder / "t10k-labels-idx1-ubyte").unlink(), "lacks t10k-labels-idx1-ubyte"),
    "labels too few": (lambda folder: write_idx(folder / "train-labels-idx1-ubyte", (5,)), "6 training images and 5 labels"),
    "one label too large": (
        lambda folder: write_idx(folder / "train-labels-idx1-ubyte", (6,), bytes([0, 1, 2, 10, 4, 5])),
        "from 0 to 9",
    ),
    "size": (lambda folder: write_idx(folder / "t10k-images-idx3-ubyte", (6, 20, 20)), "not 28 x 28"),
    "cut": (
        lambda folder: write_idx(folder / "train-images-idx3-ubyte", (6, 28, 28), b"12"),
        "damaged or not an idx file",
    ),
    "text": (lambda folder: (folder / "train-labels-idx1-ubyte").write_text("<html>"), "damaged or not an idx file"),
    "empty": (lambda folder: (folder / "train-labels-idx1-ubyte").write_bytes(b""), "damaged or not an idx file"),
    "gzip cut": (
        lambda folder: (folder / "train-labels-idx1-ubyte").write_bytes(gzip.compress(bytes(99))[:20]),
        "damaged or not an idx file",
    ),
}


def test_idx_images_equal_torchvisions(mnist, archives, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, body in archives.items():
        (raw / name.removesuffix(".gz")).write_bytes(gzip.decompress(body))
    for train, images, labels in (
        (True, mnist.train_images, mnist.train_labels),
        (False, mnist.test_images, mnist.test_labels),
    ):
        theirs = MNIST(tmp_path, train=train, download=False)
        assert torch.equal(images.squeeze(1), theirs.data) and torch.equal(labels, theirs.targets)
    assert load(tmp_path).name == "MNIST"  # torchvision's own folder serves as well


def test_idx_archive_that_unpacks_without_end_is_not_unpacked(folder, monkeypatch):
    monkeypatch.setattr(idx, "LARGEST", 10_000)
    archive = folder / "train-images-idx3-ubyte"
    whole = archive.read_bytes()
    archive.write_bytes(gzip.compress(whole))
    assert len(load(folder).train_labels) == 6
    for body in (whole + bytes(10_000), whole + b"1"):
        archive.write_bytes(gzip.compress(body))
        with pytest.raises(DataError, match="damaged or not an idx file"):
            load(folder)


@pytest.mark.parametrize("named_by", ["argument", "environment"])
@pytest.mark.parametrize("what", BROKEN)
def test_idx_folder_that_is_broken_is_one_sentence(folder, what, named_by, monkeypatch):
    damage, sentence = BROKEN[what]
    damage(folder)
    monkeypatch.setenv("MNIST_LIB_DATA", str(folder))
    with pytest.raises(DataError, match=rf"^[^\n]*{re.escape(sentence)}[^\n]*\.$"):
        load(folder if named_by == "argument" else "auto")
