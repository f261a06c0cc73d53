"""Measurements, side by side."""

import mnist_lib  # noqa: F401  before torch, whose threads it teaches to wait
