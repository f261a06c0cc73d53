"""The forms in which MNIST comes: each is read as what it is, or refused with what was seen."""

import gzip

import numpy as np
import pytest
import torch
from PIL import Image

from mnist_lib.data import DataError, Dataset, load

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(values: np.ndarray) -> bytes:
    return bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">i4").tobytes() + values.tobytes()


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Ten images of noise to train on, and five to test by."""
    draw = np.random.default_rng(0)
    images = (draw.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (10, 5))
    (x, x_test), (y, y_test) = images, (np.arange(n, dtype=np.uint8) % 10 for n in (10, 5))
    return dict(zip(NAMES, (x, y, x_test, y_test)))


def is_the_same(dataset: Dataset, arrays: dict[str, np.ndarray]) -> bool:
    tensors = (dataset.train_images[:, 0], dataset.train_labels, dataset.test_images[:, 0], dataset.test_labels)
    return all((ours.numpy() == theirs).all() for ours, theirs in zip(tensors, arrays.values(), strict=True))


@pytest.mark.parametrize(
    "renamed",
    [
        lambda name: name.replace("-idx", ".idx"),
        lambda name: name.upper(),
        lambda name: f"{name}.gz",
        lambda name: f"{name}.gz.gz",
        lambda name: f"{name.replace('-idx', '.idx')}/{name.replace('-idx', '.idx')}",
        lambda name: f"MNIST/raw/{name}.gz",
    ],
    ids=["dots", "capitals", "gz", "gz twice", "each in its own folder", "as torchvision has them"],
)
def test_the_four_files_are_known_under_other_names(arrays, tmp_path, renamed):
    for name, values in arrays.items():
        path = tmp_path / renamed(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = idx(values)
        for _ in range(path.name.count(".gz")):
            body = gzip.compress(body)
        path.write_bytes(body)
    assert is_the_same(load(tmp_path), arrays)


def test_the_original_files_are_known_by_their_content(archives, tmp_path):
    for number, body in enumerate(archives.values()):
        (tmp_path / f"file {number}").write_bytes(gzip.decompress(body))
    (tmp_path / "notes.txt").write_text("mine")
    assert load(tmp_path).name == "MNIST"


@pytest.mark.parametrize("named", ["file", "folder"])
def test_keras_archive_is_read(arrays, tmp_path, named):
    x, y, x_test, y_test = arrays.values()
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    assert is_the_same(load(tmp_path / "mnist.npz" if named == "file" else tmp_path), arrays)


def test_an_archive_of_objects_is_not_executed(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=np.array([print], dtype=object))
    with pytest.raises(DataError, match=r"is not Keras's mnist\.npz [^\n]+\.$"):
        load(tmp_path / "mnist.npz")


@pytest.mark.parametrize("parts", [("train", "test"), ("training", "testing")])
def test_folders_of_pictures_are_read_digit_by_digit(arrays, tmp_path, parts):
    for part, (x, y) in zip(parts, zip(*[iter(arrays.values())] * 2)):
        for digit in range(10):
            (tmp_path / part / str(digit)).mkdir(parents=True)
        for image, label in zip(x, y):
            Image.fromarray(image).save(tmp_path / part / str(label) / f"{label}.png")
    assert is_the_same(load(tmp_path), arrays)
    Image.new("L", (30, 28)).save(tmp_path / parts[0] / "3" / "wide.png")
    with pytest.raises(DataError, match=r"wide\.png has 30 x 28 pixels[^\n]+\.$"):
        load(tmp_path)


def test_what_is_missing_is_said_with_what_was_seen(arrays, tmp_path):
    for name in NAMES[:3]:
        (tmp_path / name).write_bytes(idx(arrays[name]))
    with pytest.raises(DataError, match=rf"lacks {NAMES[3]} \(seen: {NAMES[2]}, [^\n]+\.$"):
        load(tmp_path)


def test_a_file_is_never_said_to_be_no_folder(tmp_path):
    (tmp_path / "train.csv").write_text("label,pixel0")
    with pytest.raises(DataError, match=r"train\.csv is a file: give [^\n]+\.$"):
        load(tmp_path / "train.csv")


def test_mnist_in_small_letters_is_told_how_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r'There is no folder mnist: write "MNIST"'):
        load("mnist")


def test_a_dataset_converts_arrays_and_computes_its_checksum():
    images, labels = np.zeros((30, 1, 28, 28), np.uint8), np.arange(30) % 10
    dataset = Dataset("mine", images, labels.astype(np.int32), images, labels, "npz")
    assert dataset.train_images.dtype is torch.uint8 and dataset.train_labels.dtype is torch.int64
    assert (
        dataset.sha256 == Dataset("mine", images, labels, images, labels, "elsewhere", "").sha256 and len(dataset.sha256) == 64
    )
    with pytest.raises(ValueError, match=r"^train_images must be uint8 \(N, 1, 28, 28\), not float64 [^\n]+\.$"):
        Dataset("mine", images / 255, labels, images, labels, "npz")


def test_what_is_called_mnist_and_is_not_is_unverified(digits):
    tensors = (digits.train_images, digits.train_labels, digits.test_images, digits.test_labels)
    assert Dataset("MNIST", *tensors, "somewhere", "").name == "unverified"


def test_mnist_in_another_order_is_mnist(mnist):
    rolled = (mnist.train_images.roll(5000, 0), mnist.train_labels.roll(5000, 0), mnist.test_images, mnist.test_labels)
    assert Dataset("MNIST", *rolled, "a fold", mnist.sha256).name == "MNIST"
