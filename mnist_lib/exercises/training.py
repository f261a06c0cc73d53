"""Exercises of notebook 04."""

import random
from collections.abc import Callable

from mnist_lib.config import TrainConfig
from mnist_lib.schedule import rates


def _last_rate(answer) -> bool:
    card = rates(TrainConfig(), images=60_000)
    return len(answer) == 2 and all(abs(a / b - 1) < 1e-3 for a, b in zip(answer, (card[0], card[-1])))


def _exact_accuracy(accuracy: Callable) -> bool:
    """Right for uneven batches, where the mean of the batches' accuracies is wrong."""
    draw = random.Random(0)
    for _ in range(20):
        sizes = [draw.randint(1, 200) for _ in range(draw.randint(1, 8))]
        counts = [(draw.randint(0, n), n) for n in sizes]
        if abs(accuracy(counts) - sum(c for c, _ in counts) / sum(sizes)) > 1e-9:
            return False
    return True


EXERCISES = {
    "4a": (_last_rate, "the first is max_lr / div_factor, the last is the first / final_div_factor."),
    "4b": (_exact_accuracy, "count the right answers over all batches before you divide."),
}
