"""Files in MNIST's format, made here."""

from pathlib import Path

import torch


def write_idx(path: Path, shape: tuple[int, ...], values: bytes | None = None) -> None:
    header = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    path.write_bytes(header + (values if values is not None else bytes(torch.Size(shape).numel())))
