"""Where images come from: the real MNIST from a folder, the cache or a mirror, else scikit-learn's small digits.

MNIST: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/. The stand-in: Alpaydin and Kaynak's optical digits.
"""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_lib.data import forms
from mnist_lib.data.download import MIRRORS, archives
from mnist_lib.data.idx import DataError, tensors_of
from mnist_lib.support import validation
from mnist_lib.support.paths import BASE

MNIST_SHA256 = "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b"  # Dataset.sha256 of the four
MNIST_SUMS = (60_000, 1_567_298_545, 60_000, 267_236, 10_000, 264_923_200, 10_000, 44_434)


@dataclass(frozen=True)
class Dataset:
    """Images as the files have them: uint8, 0 is background and 255 is ink.

    name: "MNIST" for exactly the images of the four original files, "digits" for the stand-in, "unverified" for what is called
        MNIST and is not; for your own images, whatever you like.
    train_images, test_images: uint8 (N, 1, 28, 28). train_labels, test_labels: int64 (N,), 0 to 9. NumPy arrays are converted.
    origin: where they came from, in words. sha256: over the bytes of the four tensors, in the order of the fields; computed
        unless it is given.

    Raises:
        ValueError: one sentence, for arrays of another kind.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    origin: str
    sha256: str = ""

    def __post_init__(self):
        for part in ("train_images", "train_labels", "test_images", "test_labels"):
            if type(values := getattr(self, part)).__module__ == "numpy" and values.dtype.kind in "iu":
                converted = torch.from_numpy(values)
                object.__setattr__(self, part, converted.long() if part.endswith("labels") else converted)
        validation.labelled("train", self.train_images, self.train_labels)
        validation.labelled("test", self.test_images, self.test_labels)
        if not self.sha256:
            object.__setattr__(self, "sha256", _sha256(self))
        if self.name == "MNIST" and _sums(self) != MNIST_SUMS:
            object.__setattr__(self, "name", "unverified")

    def __repr__(self) -> str:
        train, test = len(self.train_labels), len(self.test_labels)
        told = " (not the bytes of MNIST's four files, so nothing made from it is called MNIST)" * (self.name == "unverified")
        return f"{self.name}: {train:,} training and {test:,} test images, from {self.origin}{told}"

    def head(self, train: int, test: int) -> "Dataset":
        """The first `train` and `test` images: a small dataset for a quick look. It is no longer called MNIST."""
        validation.number("train", train, at_least=1, whole=True)
        validation.number("test", test, at_least=1, whole=True)
        tensors = (self.train_images[:train], self.train_labels[:train], self.test_images[:test], self.test_labels[:test])
        return _dataset(tensors, f"the head of {self.name}", name=f"{self.name}, first {train:,}")


def load(source: str | Path = "auto", cache: str | Path | None = None, mirrors: str | Sequence[str] = MIRRORS) -> Dataset:
    """Load the images, and print one line that says where they came from.

    Args:
        source: "auto" takes the first that works: the folder named by the environment's MNIST_LIB_DATA (if relative,
            from the project's folder), the cache, a mirror, the stand-in. "MNIST" is the same without the stand-in,
            "digits" is the stand-in alone. Anything else is a path: a folder with the four idx files, raw or .gz, under any
            names; keras' mnist.npz; or a folder with pictures in train/0 to train/9 and test/0 to test/9.
        cache: where downloads are kept; by default MNIST_LIB_CACHE or ~/.cache/mnist_lib.
        mirrors: the address of a folder that holds the four .gz archives, or several.

    Raises:
        DataError: one sentence that says what to do. A folder that was named but does not hold what it should is an
            error, never a reason to take other images.
    """
    cache = Path(cache or os.environ.get("MNIST_LIB_CACHE") or "~/.cache/mnist_lib")
    dataset = _find(str(source), cache, [mirrors] if isinstance(mirrors, str) else list(mirrors))
    print(dataset)
    return dataset


def _find(source: str, cache: Path, mirrors: list[str]) -> Dataset:
    if source == "digits":
        return _digits()
    if source not in ("auto", "MNIST"):
        return _folder(_expanded(Path(source)), f"the folder {Path(source).name}")
    if folder := os.environ.get("MNIST_LIB_DATA"):
        return _folder(BASE / _expanded(Path(folder)), "the folder that MNIST_LIB_DATA names")
    try:
        with suppress(DataError):  # where there is no home folder, ~ stays, and nothing can be kept
            cache = _expanded(cache)
        raw, origin = archives(cache, mirrors)
        return _dataset(tensors_of(raw, f"from {origin}"), origin)
    except DataError as error:
        if source == "MNIST":
            raise
        print(f"{error} Going on with the stand-in: 1,797 small digits, which are not MNIST.")
        return _digits()


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise DataError(f"{path} cannot be found, because there is no home folder: give the full path.") from None


def _folder(place: Path, origin: str) -> Dataset:
    """What a folder or file holds, whatever its form."""
    if len(str(place)) > 4000 or not place.exists():  # no system has longer ones, and Python would complain
        near = [name for name in ("auto", "MNIST", "digits") if name.lower() == str(place).lower()]
        mend = f'write "{near[0]}", or correct the path' if near else "correct the path (or unset MNIST_LIB_DATA)"
        raise DataError(f"There is no folder {place}: {mend}.")
    return _dataset(forms.read(place), origin)


def _digits() -> Dataset:
    """1,797 real digits of 8x8, enlarged to 20x20 and framed to 28x28 as MNIST's are; the last 297 are the test set."""
    from sklearn.datasets import load_digits  # imported here: it takes seconds, and only the stand-in needs it

    bunch = load_digits()
    small = torch.from_numpy(bunch.images).float().unsqueeze(1) / 16  # (1797, 1, 8, 8) in [0, 1]
    large = F.interpolate(small, size=(20, 20), mode="bilinear", align_corners=False)
    images = (F.pad(large, (4, 4, 4, 4)) * 255).round().to(torch.uint8)  # (1797, 1, 28, 28)
    labels = torch.from_numpy(bunch.target).long()
    return _dataset((images[:1500], labels[:1500], images[1500:], labels[1500:]), "scikit-learn", name="digits")


def _dataset(tensors: tuple[Tensor, ...], origin: str, name: str = "") -> Dataset:
    dataset = Dataset(name or "unverified", *tensors, origin)
    return replace(dataset, name="MNIST") if not name and dataset.sha256 == MNIST_SHA256 else dataset


def _sha256(dataset: Dataset) -> str:
    digest = hashlib.sha256()
    for tensor in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        digest.update(tensor.contiguous().numpy())
    return digest.hexdigest()


def _sums(dataset: Dataset) -> tuple[int, ...]:
    """Sums do not depend on the order of the images, which a study's folds change."""
    tensors = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    return tuple(number for tensor in tensors for number in (len(tensor), int(tensor.sum())))
