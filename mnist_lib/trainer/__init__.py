"""The training: its settings, its loop, and what a network reached."""

from mnist_lib.trainer.config import TrainConfig
from mnist_lib.trainer.evaluation import evaluate
from mnist_lib.trainer.loop import Callback, Run, TrainingError, train

__all__ = ["Callback", "Run", "TrainConfig", "TrainingError", "evaluate", "train"]
