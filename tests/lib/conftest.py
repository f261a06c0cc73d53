"""What tests of several modules need."""

import pytest
import torch

from mnist_lib.data import download
from tests.lib.idx_files import write_idx


@pytest.fixture
def own_surroundings(monkeypatch, tmp_path):
    """No test reads or writes the user's folders, or waits for long."""
    monkeypatch.delenv("MNIST_LIB_DATA", raising=False)
    monkeypatch.setenv("MNIST_LIB_CACHE", str(tmp_path / "default-cache"))
    monkeypatch.setattr(download, "PATIENCE", 1.0)


@pytest.fixture
def folder(tmp_path):
    """A small folder of idx files that is right in itself."""
    place = tmp_path / "small"
    place.mkdir()
    for name in download.ARCHIVES:
        images = "images" in name
        write_idx(place / name, (6, 28, 28) if images else (6,), None if images else bytes(range(4, 10)))
    return place


@pytest.fixture
def one_thread():
    """Many small tensors: on a busy machine, more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
