"""Where images come from: the real MNIST from a folder, the cache or a mirror, else scikit-learn's small digits.

MNIST: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/. The stand-in: Alpaydin and Kaynak's optical digits.
"""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_lib.data.download import ARCHIVES, MIRRORS, archives
from mnist_lib.data.idx import DataError, tensors_of
from mnist_lib.support import validation
from mnist_lib.support.paths import BASE

MNIST_SHA256 = "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b"  # Dataset.sha256 of the four


@dataclass(frozen=True)
class Dataset:
    """Images as the files have them: uint8, 0 is background and 255 is ink.

    name: "MNIST" for exactly the four original files, "digits" for the stand-in, "unverified" for anything else.
    train_images, test_images: uint8 (N, 1, 28, 28). train_labels, test_labels: int64 (N,), 0 to 9.
    origin: where they came from, in words. sha256: over the bytes of the four tensors, in the order of the fields.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    origin: str
    sha256: str

    def __post_init__(self):
        validation.labelled("train", self.train_images, self.train_labels)
        validation.labelled("test", self.test_images, self.test_labels)

    def __repr__(self) -> str:
        train, test = len(self.train_labels), len(self.test_labels)
        told = " (not the bytes of MNIST's four files, so nothing made of it is called MNIST)" * (self.name == "unverified")
        return f"{self.name}: {train:,} training and {test:,} test images, from {self.origin}{told}"

    def head(self, train: int, test: int) -> "Dataset":
        """The first `train` and `test` images: a small dataset for quick looks. It is not called MNIST any more."""
        validation.number("train", train, at_least=1, whole=True)
        validation.number("test", test, at_least=1, whole=True)
        tensors = (self.train_images[:train], self.train_labels[:train], self.test_images[:test], self.test_labels[:test])
        return _dataset(tensors, f"the head of {self.name}", name=f"{self.name}, first {train:,}")


def load(source: str | Path = "auto", cache: str | Path | None = None, mirrors: str | Sequence[str] = MIRRORS) -> Dataset:
    """The images, and in one printed line where they came from.

    Args:
        source: "auto" takes the first that works: the folder named by the environment's MNIST_LIB_DATA (if relative,
            from the project's folder), the cache, a mirror, the stand-in. "MNIST" is the same without the stand-in,
            "digits" is the stand-in alone. Anything else is the path of a folder with the four idx files, raw or .gz.
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
        raise DataError(f"{path} names no folder, as there is no home folder: give the whole path.") from None


def _folder(folder: Path, origin: str) -> Dataset:
    """Four idx files, raw or .gz, in the folder or where torchvision puts them below it."""
    if len(str(folder)) > 4000 or not folder.is_dir():  # no system has longer ones, and Python would complain
        raise DataError(f"There is no folder {folder}: correct the path (or unset MNIST_LIB_DATA).")
    raw = {}
    for name in ARCHIVES:
        places = [folder / f"{below}{name}{end}" for below in ("", "MNIST/raw/", "raw/") for end in ("", ".gz")]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise DataError(f"The folder {folder} lacks {name}(.gz): put the four MNIST files there.")
        try:
            raw[name] = found.read_bytes()
        except OSError as error:
            raise DataError(f"{found} can't be read ({error.strerror}): make it readable.") from None
    return _dataset(tensors_of(raw, f"in {folder}"), origin)


def _digits() -> Dataset:
    """1,797 real digits of 8x8, enlarged to 20x20 and framed to 28x28 as MNIST's are; the last 297 are the test set."""
    from sklearn.datasets import load_digits  # here: it takes seconds, and only the stand-in needs it

    bunch = load_digits()
    small = torch.from_numpy(bunch.images).float().unsqueeze(1) / 16  # (1797, 1, 8, 8) in [0, 1]
    large = F.interpolate(small, size=(20, 20), mode="bilinear", align_corners=False)
    images = (F.pad(large, (4, 4, 4, 4)) * 255).round().to(torch.uint8)  # (1797, 1, 28, 28)
    labels = torch.from_numpy(bunch.target).long()
    return _dataset((images[:1500], labels[:1500], images[1500:], labels[1500:]), "scikit-learn", name="digits")


def _dataset(tensors: tuple[Tensor, ...], origin: str, name: str | None = None) -> Dataset:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy())
    sha256 = digest.hexdigest()
    return Dataset(name or ("MNIST" if sha256 == MNIST_SHA256 else "unverified"), *tensors, origin, sha256)
