"""Which images load takes, what they are called, and what makes no dataset."""

from dataclasses import replace

import pytest
import torch

from mnist_lib.data import DataError, load

pytestmark = pytest.mark.usefixtures("own_surroundings")


def test_load_never_calls_other_images_mnist(folder, capsys):
    assert load(folder).name == "unverified"
    assert "not the bytes of MNIST's four files, so nothing made from it is called MNIST" in capsys.readouterr().out


def test_load_looks_into_the_environments_folder_first(folder, monkeypatch):
    monkeypatch.setenv("MNIST_LIB_DATA", str(folder))
    assert load(mirrors=()).name == "unverified"


def test_load_takes_a_relative_folder_of_the_environment_as_the_projects(folder, monkeypatch):
    monkeypatch.setattr("mnist_lib.data.dataset.BASE", folder.parent)
    monkeypatch.setenv("MNIST_LIB_DATA", folder.name)
    assert load(mirrors=()).name == "unverified"


def test_load_says_that_a_name_is_too_long_for_a_folder():
    with pytest.raises(DataError, match=r"^There is no folder x+: correct the path [^\n]+\.$"):
        load("x" * 5000)


def test_dataset_refuses_tensors_of_another_kind(digits):
    for changes, part in (
        ({"train_images": digits.train_images.float()}, "train"),
        ({"test_labels": digits.test_labels + 1}, "test"),
    ):
        with pytest.raises(ValueError, match=rf"^{part}_[^\n]+ must be [^\n]+\.$"):
            replace(digits, **changes)


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (-5, 1), (2.5, 1)])
def test_head_has_images(digits, counts):
    with pytest.raises(ValueError, match=r"^(train|test) is a whole number, 1 or more, not [^\n]+\.$"):
        digits.head(*counts)


def test_digits_look_like_mnist(digits):
    assert digits.train_images.shape == (1500, 1, 28, 28) and digits.train_images.dtype == torch.uint8
    assert digits.test_images.shape == (297, 1, 28, 28) and digits.test_labels.dtype == torch.int64
    assert digits.train_images.max() > 200 and not digits.train_images[..., :4, :].any()
    assert set(digits.train_labels.tolist()) == set(range(10))
    assert "digits" in repr(digits)


def test_digits_have_greys_rounded_to_the_nearest(digits):
    """The last corner of an enlarged digit is as grey as that of the 8x8."""
    from sklearn.datasets import load_digits

    corners = 255 * torch.from_numpy(load_digits().images[:1500, 7, 7]) / 16
    assert (digits.train_images[:, 0, 23, 23] - corners).abs().max() < 0.501


def test_head_of_mnist_is_not_called_mnist(mnist):
    assert mnist.name == "MNIST" and mnist.train_images.shape == (60_000, 1, 28, 28) and len(mnist.test_labels) == 10_000
    assert mnist.head(100, 10).name == "MNIST, first 100"
