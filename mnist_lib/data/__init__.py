"""Where images come from."""

from mnist_lib.data.dataset import MNIST_SHA256, DataError, Dataset, load

__all__ = ["MNIST_SHA256", "DataError", "Dataset", "load"]
