"""The forms in which MNIST comes: the four idx files under any names, Keras's mnist.npz, folders of pictures by digit."""

import gzip
import hashlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from mnist_lib.data.download import ARCHIVES
from mnist_lib.data.idx import DataError, tensors_of, unpacked

RAW_MD5 = {  # of the four files unpacked, whatever they are called
    "6bbc9ace898e44ae57da46a324031adb": "train-images-idx3-ubyte",
    "a25bea736e30d166cdddb491f175f624": "train-labels-idx1-ubyte",
    "2646ac647ad5339dbf082846283269ea": "t10k-images-idx3-ubyte",
    "27ae3e4e09519cfbb04c329615203637": "t10k-labels-idx1-ubyte",
}
PARTS = (("train", "training"), ("test", "testing"))  # folders of pictures, as people call them
FILES, SIZE = 1000, 2**26  # at most this many files of a folder are looked at, and none with more bytes


def read(place: Path) -> tuple[Tensor, ...]:
    """Train images, train labels, test images, test labels: uint8 (N, 1, 28, 28) and int64 (N,), from a folder or an .npz.

    Raises:
        DataError: one sentence that says what was seen, and what to do.
    """
    try:
        if place.suffix == ".npz" and place.is_file():
            return _npz(place)
        if not place.is_dir():
            raise DataError(f"{place} is a file: give the folder with the four MNIST files, or Keras's mnist.npz.")
        paths = _idx_files(place)
        if len(paths) == len(ARCHIVES):
            return tensors_of({name: paths[name].read_bytes() for name in ARCHIVES}, f"in {place}")
        if archives := sorted(place.glob("*.npz")):
            return _npz(archives[0])
        if parts := _picture_folders(place):
            return tuple(tensor for part in parts for tensor in _pictures(part))
    except OSError as error:
        raise DataError(f"{error.filename or place} can't be read ({error.strerror}): make it readable.") from None
    missing = ", ".join(name for name in ARCHIVES if name not in paths)
    seen = ", ".join(sorted(path.name for path in place.iterdir())[:5]) or "nothing"
    raise DataError(
        f"The folder {place} lacks {missing} (seen: {seen}): put the four MNIST files there, raw or .gz, or mnist.npz, or "
        "folders train/0 to train/9 and test/0 to test/9 with pictures."
    )


def _idx_files(folder: Path) -> dict[str, Path]:
    """The four files, found by name (.gz or not, dots for dashes, capitals, each in a folder of its own), else by content."""
    paths: dict[str, Path] = {}
    others = []
    for path in _files(folder):
        name = re.sub(r"(\.gz)+$", "", path.name.lower()).replace(".", "-")
        if name in ARCHIVES:
            paths.setdefault(name, path)
        else:
            others.append(path)
    for path in others if len(paths) < len(ARCHIVES) else ():
        try:
            body = unpacked(path.read_bytes())
        except (OSError, EOFError, ValueError, gzip.BadGzipFile):
            continue
        if name := RAW_MD5.get(hashlib.md5(body).hexdigest()):
            paths.setdefault(name, path)
    return paths


def _files(folder: Path) -> Iterator[Path]:
    """Files in the folder and two folders deep, the shallowest first."""
    seen = 0
    for pattern in ("*", "*/*", "*/*/*"):
        for path in sorted(folder.glob(pattern)):
            if path.is_file() and path.stat().st_size <= SIZE:
                seen += 1
                if seen > FILES:
                    return
                yield path


def _npz(path: Path) -> tuple[Tensor, ...]:
    """Keras's mnist.npz: x_train, y_train, x_test, y_test. Nothing in it is executed."""
    import numpy as np  # imported here: only this form needs it

    try:
        with np.load(path, allow_pickle=False) as archive:
            x, y, x_test, y_test = (archive[name] for name in ("x_train", "y_train", "x_test", "y_test"))
        return tuple(
            part
            for images, labels in ((x, y), (x_test, y_test))
            for part in (torch.from_numpy(images).reshape(-1, 1, 28, 28), torch.from_numpy(labels).long())
        )
    except (KeyError, ValueError, TypeError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        holds = "which holds x_train, y_train, x_test and y_test"
        raise DataError(f"{path} is not Keras's mnist.npz ({error}), {holds}.") from None


def _picture_folders(folder: Path) -> list[Path]:
    """The folders of training and test pictures, if both are there with a folder for each digit."""
    parts = [next((folder / name for name in names if (folder / name / "0").is_dir()), None) for names in PARTS]
    return parts if all(parts) else []


def _pictures(part: Path) -> tuple[Tensor, Tensor]:
    """Grey pictures of 28x28 in part/0 to part/9, in the order of their names."""
    from PIL import Image, UnidentifiedImageError  # imported here: only this form needs it

    images, labels = [], []
    for digit in range(10):
        for path in sorted((part / str(digit)).glob("*")):
            try:
                with Image.open(path) as picture:
                    grey = picture.convert("L")
            except UnidentifiedImageError:
                raise DataError(f"{path} is not a picture: remove it.") from None
            if grey.size != (28, 28):
                raise DataError(f"{path} has {grey.width} x {grey.height} pixels: MNIST's pictures have 28 x 28.")
            images.append(torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8))
            labels.append(digit)
    if not images:
        raise DataError(f"{part} holds no pictures: put them into its folders 0 to 9.")
    return torch.stack(images).view(-1, 1, 28, 28), torch.tensor(labels)
