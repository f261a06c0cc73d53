"""Where images come from: the real MNIST from a folder, the cache or a mirror, else scikit-learn's small digits.

MNIST: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/. The stand-in: Alpaydin and Kaynak's optical digits.
"""

import errno
import gzip
import hashlib
import os
import queue
import threading
import urllib.request
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist_lib.files import BASE, write_whole

# The archives with their MD5, and the mirrors, as torchvision.datasets.MNIST has them (a test compares).
ARCHIVES = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
MNIST_SHA256 = "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b"  # Dataset.sha256 of the four

CHUNK = 2**16  # bytes
PATIENCE = 4.0  # seconds a mirror may take for each chunk, and for the first answer
LARGEST = 2**25  # bytes that an archive may have; the largest of the four has 10 million


class DataError(RuntimeError):
    """The images asked for are not to be had; the message says what to do."""


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

    def __repr__(self) -> str:
        train, test = len(self.train_labels), len(self.test_labels)
        told = " (not the bytes of MNIST's four files, so nothing made of it is called MNIST)"
        return (
            f"{self.name}: {train:,} training and {test:,} test images, from {self.origin}{told * (self.name == 'unverified')}"
        )

    def head(self, train: int, test: int) -> "Dataset":
        """The first `train` and `test` images: a small dataset for quick looks. It is not called MNIST any more."""
        tensors = (
            self.train_images[:train],
            self.train_labels[:train],
            self.test_images[:test],
            self.test_labels[:test],
        )
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
        return _cache_or_mirrors(cache, mirrors)
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
    if not folder.is_dir():
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
    return _dataset(_tensors(raw, f"in {folder}"), origin)


def _cache_or_mirrors(cache: Path, mirrors: list[str]) -> Dataset:
    """The four archives, each from the cache if it is whole there, else from the first mirror that gives it."""
    with suppress(DataError):  # where there is no home folder, ~ stays, and nothing can be kept
        cache = _expanded(cache)
    raw, failures, origin, kept = {}, [], "the cache", True
    for name, md5 in ARCHIVES.items():
        try:
            body = (cache / f"{name}.gz").read_bytes()
        except OSError:
            body = b""
        if hashlib.md5(body).hexdigest() != md5:
            origin = "a mirror"
            body = _first_good(name, md5, [mirror for mirror in mirrors if mirror not in dict(failures)], failures)
            kept = kept and _keep(cache / f"{name}.gz", body)
        raw[name] = body
    return _dataset(_tensors(raw, f"from {origin}"), origin)


def _keep(path: Path, body: bytes) -> bool:
    try:
        if path.parts[0] == "~":
            raise FileNotFoundError(errno.ENOENT, "there is no home folder")
        write_whole(path, body)
    except OSError as error:
        print(f"Downloads can't be kept in {path.parent} ({error.strerror}): set MNIST_LIB_CACHE to a folder you can write.")
        return False
    return True


def _first_good(name: str, md5: str, mirrors: list[str], failures: list[tuple[str, str]]) -> bytes:
    """The archive from the first mirror that sends it whole; what the others did is added to failures."""
    for mirror in mirrors:
        print(f"downloading {name}.gz from {mirror}", flush=True)
        try:
            body = _download(f"{mirror.rstrip('/')}/{name}.gz")
            if hashlib.md5(body).hexdigest() == md5:
                return body
            failures.append((mirror, "sent wrong or truncated bytes"))
        except Exception as error:  # whatever a network, a server or an address can do wrong: the next mirror is asked
            failures.append((mirror, str(error) or type(error).__name__))
    told = "; ".join(f"{mirror} {what}" for mirror, what in failures) or "no mirror is named"
    raise DataError(f"MNIST could not be downloaded ({told}): connect, or set MNIST_LIB_DATA to a folder with its four files.")


def _download(url: str) -> bytes:
    """The body of url. A thread reads, so that looking up the name, connecting and each chunk are all under one clock."""
    chunks: queue.Queue[bytes | Exception] = queue.Queue()
    over = threading.Event()  # nobody listens any more

    def read() -> None:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as response:
                while not over.is_set() and (chunk := response.read(CHUNK)):
                    chunks.put(chunk)
            chunks.put(b"")
        except Exception as error:
            chunks.put(error)

    threading.Thread(target=read, daemon=True).start()
    body = bytearray()
    try:
        while len(body) <= LARGEST:
            chunk = chunks.get(timeout=PATIENCE)
            if isinstance(chunk, Exception):
                raise chunk
            if not chunk:
                return bytes(body)
            body += chunk
        raise OSError(f"sent more than {LARGEST // 2**20} MiB")
    except queue.Empty:
        raise TimeoutError(f"sent less than {CHUNK // 1024} KiB in {PATIENCE:g} s") from None
    finally:
        over.set()


def _tensors(raw: dict[str, bytes], where: str) -> tuple[Tensor, ...]:
    """Four idx files -> train images, train labels, test images, test labels, checked against one another."""
    tensors = tuple(_idx(body, f"{name} {where}") for name, body in raw.items())
    for images, labels, part in ((*tensors[:2], "training"), (*tensors[2:], "test")):
        if images.dim() != 3 or images.shape[1:] != (28, 28):
            raise DataError(f"The {part} images {where} are not 28 x 28: put the original MNIST files there.")
        if labels.dim() != 1 or len(images) != len(labels) or len(labels) == 0 or int(labels.max()) > 9:
            raise DataError(
                f"The files {where} hold {len(images):,} {part} images and {len(labels):,} labels, which must be as many, "
                "from 0 to 9: put the original MNIST files there."
            )
    return tensors[0].unsqueeze(1), tensors[1].long(), tensors[2].unsqueeze(1), tensors[3].long()


def _idx(body: bytes, what: str) -> Tensor:
    """One idx file, gzipped or raw: two zero bytes, 8 for uint8, the number of axes, their lengths, the values."""
    try:
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        axes = body[3]
        shape = [int.from_bytes(body[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
        if body[:3] != b"\0\0\x08" or not 1 <= axes <= 3:
            raise ValueError
        return torch.frombuffer(bytearray(body), dtype=torch.uint8, offset=4 + 4 * axes).reshape(shape)
    except (IndexError, ValueError, RuntimeError, OSError, EOFError, zlib.error):
        raise DataError(f"{what} is damaged or no idx file: put the original MNIST file there.") from None


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
