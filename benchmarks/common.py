"""What every benchmark needs: the real MNIST, and what it was made with."""

import argparse

from mnist_lib.data import MNIST_SHA256, Dataset, load


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser that shows a benchmark's own docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def mnist(parser: argparse.ArgumentParser) -> Dataset:
    """All of MNIST; ends the program with one sentence where it is not available."""
    dataset = load()
    if dataset.sha256 != MNIST_SHA256:
        parser.error(f"the record is of MNIST, not of {dataset.name}: set MNIST_LIB_DATA to a folder with its four files.")
    return dataset
