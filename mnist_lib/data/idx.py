"""The format of MNIST's files: idx, gzipped or raw."""

import gzip
import io
import zlib

import torch
from torch import Tensor

LARGEST = 2**30  # bytes that an archive may unpack to: more than any data set of this format has


class DataError(RuntimeError):
    """The images asked for are not available; the message says what to do."""


def tensors_of(raw: dict[str, bytes], where: str) -> tuple[Tensor, ...]:
    """Four idx files -> train images, train labels, test images, test labels, checked against one another."""
    tensors = tuple(_idx(body, f"{name} {where}") for name, body in raw.items())
    for images, labels, part in ((*tensors[:2], "training"), (*tensors[2:], "test")):
        if images.dim() != 3 or images.shape[1:] != (28, 28):
            raise DataError(f"The {part} images {where} are not 28 x 28: put the original MNIST files there.")
        if labels.dim() != 1 or len(images) != len(labels) or len(labels) == 0 or int(labels.max()) > 9:
            raise DataError(
                f"The files {where} hold {len(images):,} {part} images and {len(labels):,} labels: there must be a label "
                "from 0 to 9 for each image. Put the original MNIST files there."
            )
    return tensors[0].unsqueeze(1), tensors[1].long(), tensors[2].unsqueeze(1), tensors[3].long()


def unpacked(body: bytes) -> bytes:
    """A file's contents, unpacked if it was gzipped, once or several times, as some browsers do.

    ValueError where that is too large.
    """
    while body[:2] == b"\x1f\x8b":
        with gzip.open(io.BytesIO(body)) as file:
            body = file.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise ValueError
    return body


def _idx(body: bytes, what: str) -> Tensor:
    """One idx file, gzipped or raw: two zero bytes, 8 for uint8, the number of axes, their lengths, the values."""
    try:
        body = unpacked(body)
        axes = body[3]
        shape = [int.from_bytes(body[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
        if body[:3] != b"\0\0\x08" or not 1 <= axes <= 3:
            raise ValueError
        return torch.frombuffer(bytearray(body), dtype=torch.uint8, offset=4 + 4 * axes).reshape(shape)
    except (IndexError, ValueError, RuntimeError, OSError, EOFError, zlib.error):
        raise DataError(f"{what} is damaged or not an idx file: put the original MNIST file there.") from None
