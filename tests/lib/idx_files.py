"""Files in MNIST's format, made here."""

from pathlib import Path

import torch

from mnist_lib.data.download import ARCHIVES


def write_idx(path: Path, shape: tuple[int, ...], values: bytes | None = None) -> None:
    header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    path.write_bytes(header + (values if values is not None else bytes(torch.Size(shape).numel())))


def write_folder(folder: Path, n: int, first: int = 0) -> Path:
    """A folder with MNIST's four files, of n black images each, whose labels count up."""
    folder.mkdir()
    for name in ARCHIVES:
        if "images" in name:
            write_idx(folder / name, (n, 28, 28))
        else:
            write_idx(folder / name, (n,), bytes(range(first, first + n)))
    return folder
