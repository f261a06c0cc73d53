"""What tests of several modules need."""

import pytest
import torch

from mnist_lib.data import download
from tests.lib.idx_files import write_folder


@pytest.fixture
def own_surroundings(monkeypatch, tmp_path):
    """No test reads or writes the user's folders, or waits for long."""
    monkeypatch.delenv("MNIST_LIB_DATA", raising=False)
    monkeypatch.setenv("MNIST_LIB_CACHE", str(tmp_path / "default-cache"))
    monkeypatch.setattr(download, "PATIENCE", 1.0)


@pytest.fixture
def folder(tmp_path):
    """A small folder of idx files that is right in itself."""
    return write_folder(tmp_path / "small", 6, first=4)


@pytest.fixture
def one_thread():
    """Many small tensors: on a busy machine, more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
