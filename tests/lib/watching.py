"""A run that is watched."""

from mnist_lib.trainer import Callback


class Watch(Callback):
    """Calls what it is given, with the run: at its start, after each step, after each epoch."""

    def __init__(self, step=None, epoch=None, start=None):
        for name, call in (("on_step", step), ("on_epoch", epoch), ("on_start", start)):
            if call:
                setattr(self, name, call)


def stop(run, epochs: int = 1) -> None:
    """As Ctrl+C does, after so many."""
    if len(run.history) == epochs:
        raise KeyboardInterrupt
