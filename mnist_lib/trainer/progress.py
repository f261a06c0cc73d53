"""How far a run has come, and how long it still takes, in words."""

import math
import time

from mnist_lib.trainer.loop import Callback, Run


class PrintEpochs(Callback):
    """A line that says what the run computes with, then one line per epoch.

    During a long epoch, a line that is overwritten says how far the run is and how long it still takes.
    """

    EVERY = 2.0  # seconds

    def on_start(self, run: Run) -> None:
        print(f"On {run.engine}: {run.steps:,} steps.", flush=True)
        self.began, self.first_step, self.width = time.perf_counter(), run.step, 0
        self.said = self.began

    def on_step(self, run: Run) -> None:
        now = time.perf_counter()
        if now - self.said < self.EVERY or run.step == run.steps:
            return
        left = (now - self.began) / (run.step - self.first_step) * (run.steps - run.step)
        self._over(f"\rstep {run.step:,} of {run.steps:,}, about {duration(left)} left")
        self.said = now

    def on_epoch(self, run: Run) -> None:
        last = run.history[-1]
        line = f"epoch {last['epoch']:2}/{math.ceil(run.config.epochs)}  loss {last['train_loss']:.4f}"
        line += f"  training accuracy {last['train_accuracy']:.2%}"
        if "validation_accuracy" in last:
            line += f"  validation accuracy {last['validation_accuracy']:.2%}"
        self._over(f"{chr(13) if self.width else ''}{line}  {last['seconds']:.1f} s")
        print(flush=True)
        self.said, self.width = time.perf_counter(), 0

    def _over(self, line: str) -> None:
        """Overwrite the line that was written last, all of its width."""
        print(f"{line:<{self.width}}", end="", flush=True)
        self.width = len(line)


def duration(seconds: float) -> str:
    """In the unit that a person would choose: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
