"""What follows from several measurements: means, intervals, differences, by SciPy and Student's t."""

import math
import statistics
import warnings
from collections.abc import Sequence


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """The mean of two or more values, and its interval by Student's t: (mean, low, high)."""
    from scipy.stats import ttest_1samp  # imported here, because it is slow

    _several(values)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share, such as 0.95, not {confidence!r}.")
    with warnings.catch_warnings(action="ignore"):  # for values that are all the same, whose interval is a point
        low, high = ttest_1samp(values, 0).confidence_interval(confidence)
    return statistics.mean(values), float(low), float(high)


def paired_interval(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The mean difference, pair by pair, and its 95 % interval; ValueError unless there are as many of both."""
    return mean_interval([a - b for a, b in zip(values, others, strict=True)])


def welch_interval(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The difference of the means of two independent groups, and its 95 % interval by Welch's t: (difference, low, high)."""
    from scipy.stats import ttest_ind  # imported here, because it is slow

    _several(values)
    _several(others)
    low, high = ttest_ind(values, others, equal_var=False).confidence_interval()
    return statistics.mean(values) - statistics.mean(others), float(low), float(high)


def verdict(low: float, high: float) -> str:
    """The ends of an interval of with minus without -> "helps", "hurts" or, where it contains 0, "cannot tell"."""
    return "helps" if low > 0 else "hurts" if high < 0 else "cannot tell"


def pairs_needed(deviation: float, difference: float) -> int:
    """The smallest number of pairs whose 95 % interval does not contain 0, from the differences' standard deviation and mean.

    Raises:
        ValueError: a difference of 0, which no number settles.
    """
    from scipy.stats import norm, t  # imported here, because it is slow

    if not difference:
        raise ValueError("No number of pairs settles a difference of 0.")
    n = max(2, math.floor((norm.ppf(0.975) * deviation / difference) ** 2))  # just enough if t were the normal distribution's
    while n < 10**6 and t.ppf(0.975, n - 1) * deviation / math.sqrt(n) >= abs(difference):
        n += 1
    return n


def ratio(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float, float]:
    """How many times as fast, round by round: (median, lowest, highest); ValueError unless there are as many of both."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def _several(values: Sequence[float]) -> None:
    """ValueError unless there are two or more, each finite: from one, nothing follows."""
    if len(values) < 2 or not all(math.isfinite(value) for value in values):
        raise ValueError(f"An interval needs two or more finite numbers, not {list(values)}.")
