"""The course: what its notebooks import, and the commands that run, check, publish and hand them out. Built on mnist_lib."""

import mnist_lib  # noqa: F401  before torch, whose waiting threads then give up soon
