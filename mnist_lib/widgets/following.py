"""A run watched from inside: the view of its network, anew after each epoch."""

from mnist_lib.trainer import Callback, Run
from mnist_lib.widgets.inside import Inside


class Following(Callback):
    """Shows a run's network in a view, at its start and after every epoch: `train(config, dataset, [Following(view)])`.

    Raises, before the first step:
        ValueError: the run's network has other layers than the view's.
    """

    def __init__(self, view: Inside):
        self.view = view

    def on_start(self, run: Run) -> None:
        self.view.add_epoch(len(run.history), run.model)

    on_epoch = on_start
