"""Folders of idx files, and a test's own surroundings."""

from pathlib import Path

import pytest
import torch

from mnist_lib.data import download


def write_idx(path: Path, shape: tuple[int, ...], values: bytes | None = None) -> None:
    header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    path.write_bytes(header + (values if values is not None else bytes(torch.Size(shape).numel())))


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
