"""What follows from several measurements: means, intervals, differences. By scipy and Student's t."""

import math
import statistics
from collections.abc import Sequence


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """The mean of two or more values, and its interval by Student's t: (mean, low, high)."""
    from scipy.stats import t  # here: slow to import

    mean = statistics.mean(values)
    margin = t.ppf((1 + confidence) / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - margin, mean + margin


def paired_interval(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The mean difference, pair by pair, and its 95 % interval; ValueError unless there are as many of both."""
    return mean_interval([a - b for a, b in zip(values, others, strict=True)])


def welch_interval(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The difference of the means of two independent groups, and its 95 % interval by Welch's t: (difference, low, high)."""
    from scipy.stats import ttest_ind  # here: slow to import

    low, high = ttest_ind(values, others, equal_var=False).confidence_interval()
    return statistics.mean(values) - statistics.mean(others), float(low), float(high)


def ratio(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float, float]:
    """How many times as fast, round by round: (median, lowest, highest); ValueError unless there are as many of both."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)
