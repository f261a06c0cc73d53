"""The network."""

from mnist_lib.model.digitnet import DigitNet

__all__ = ["DigitNet"]
