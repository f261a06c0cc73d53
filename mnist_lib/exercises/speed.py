"""Exercises of notebook 07."""

import random
from collections.abc import Callable


def _what_is_left(answer) -> bool:
    """Amdahl: with 42 % of the time made free, the rest is 58 %."""
    return abs(float(answer) - 1 / 0.58) < 0.01


def _speed_up(speed_up: Callable) -> bool:
    draw = random.Random(0)
    cases = [(draw.uniform(0, 1), draw.uniform(1, 50)) for _ in range(20)]
    return all(abs(speed_up(share, factor) - 1 / (1 - share + share / factor)) < 1e-6 for share, factor in cases)


EXERCISES = {
    "7a": (_what_is_left, "a step of 100 ms becomes one of 100 - 42 ms; how many times as fast is that?"),
    "7b": (_speed_up, "start from a step of 1: what is left alone takes 1 - share, the rest share / factor."),
}
