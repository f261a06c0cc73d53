"""Exercises of notebook 06."""

import math
import random
from collections.abc import Callable
from statistics import fmean, pstdev, stdev

import torch
from torch import Tensor

from course.exercises.checking import NotYet, Unwritten, case, compare
from mnist_lib.studies.statistics import paired_interval, verdict, welch_interval


def _around(mean: float, margin: float) -> Tensor:
    return torch.tensor([mean - margin, mean + margin])


def _quantile(n: int) -> float:
    """Student's t for 95 % of n values."""
    from scipy.stats import t  # here: slow to import

    return float(t.ppf(0.975, n - 1))


def _right(with_: list[float], without: list[float]) -> Tensor:
    return torch.tensor(paired_interval(with_, without)[1:])


def _slip(spread: Callable, root: Callable = lambda n: n**0.5, factor: Callable = _quantile) -> Callable:
    """An interval around the mean difference, made with another spread, root or factor."""

    def interval(with_: list[float], without: list[float]) -> Tensor:
        differences = [a - b for a, b in zip(with_, without)]
        return _around(fmean(differences), factor(len(differences)) * spread(differences) / root(len(differences)))

    return interval


def _pooled(with_: list[float], without: list[float], together: bool = True) -> Tensor:
    """The interval of two independent groups of equal variance."""
    n = len(with_)
    error = ((stdev(with_) ** 2 + stdev(without) ** 2) / n) ** 0.5
    return _around(fmean(with_) - fmean(without), _quantile(2 * n - 1 if together else n) * error)


SLIPS = {
    "the pairs are torn apart: it is the interval of two independent groups (Welch's)": lambda a, b: torch.tensor(
        welch_interval(a, b)[1:]
    ),
    "the pairs are torn apart: it is the interval of two independent groups": _pooled,
    "the pairs are torn apart: the spreads of the two columns are added; take that of the differences": lambda a, b: _pooled(
        a, b, together=False
    ),
    "1.96 is of the normal distribution; so few values need Student's t": _slip(stdev, factor=lambda n: 1.96),
    "the standard deviation of one difference in place of that of their mean: divide by the root of n": _slip(
        stdev, root=lambda n: 1
    ),
    "the squares are averaged over n; n - 1 is right, as the mean is taken from the same values": _slip(pstdev),
    "Student's t with n degrees of freedom; one is spent on the mean, which leaves n - 1": _slip(
        stdev, factor=lambda n: _quantile(n + 1)
    ),
    "the other way round: it is the interval of without minus with": lambda a, b: _right(b, a),
    "the t of one side: 95 % in the middle leave 2.5 % on each side": _slip(stdev, factor=lambda n: _one_side(n)),
}


def _one_side(n: int) -> float:
    from scipy.stats import t  # here: slow to import

    return float(t.ppf(0.95, n - 1))


def _paired(answer: Callable) -> bool:
    draw, cases = random.Random(6), []
    for n in (3, 5, 10, 20):
        folds = [draw.gauss(99, 1) for _ in range(n)]  # what the two of a pair have in common
        with_, without = ([fold + draw.gauss(shift, 0.2) for fold in folds] for shift in (0.1, 0.0))
        shown = ", ".join(f"{a:.2f} and {b:.2f}" for a, b in list(zip(with_, without))[:3])
        cases.append((f"{n} pairs, {shown}{', ...' if n > 3 else ''}", (with_, without)))
    return compare(answer, _right, SLIPS, cases)


VERDICT_SLIPS = {
    "an interval that contains 0 does not show that there is no effect; it cannot tell": lambda low, high: (
        "no effect" if low <= 0 <= high else verdict(low, high)
    ),
    "only the sign of the mean is asked; the interval says how far it can be trusted": lambda low, high: (
        "helps" if low + high > 0 else "hurts"
    ),
    "the signs are the wrong way round: the interval is of with minus without": lambda low, high: verdict(-high, -low),
    "an interval that touches 0 contains 0": lambda low, high: "helps" if low >= 0 else "hurts" if high <= 0 else "cannot tell",
    "what does not help need not hurt: the interval may contain 0": lambda low, high: "helps" if low > 0 else "hurts",
    "what does not hurt need not help: the interval may contain 0": lambda low, high: "hurts" if high < 0 else "helps",
    "one end above 0 is not enough for helps": lambda low, high: "helps" if high > 0 else "hurts",
    "one end below 0 is not enough for hurts": lambda low, high: "hurts" if low < 0 else "helps",
}


def _verdict(answer: Callable) -> bool:
    draw = random.Random(7)
    ends = [tuple(sorted((draw.uniform(-0.2, 0.2), draw.uniform(-0.2, 0.2)))) for _ in range(30)]
    ends = [(0.02, 0.1), (-0.1, -0.02), (-0.04, 0.1), (-0.1, 0.04), (0.0, 0.1), (-0.1, 0.0), *ends]
    said = [answer(low, high) for low, high in ends]
    if said == [None] * len(ends):
        raise Unwritten
    failed = [one for one, got in zip(ends, said) if str(got).strip().lower() != verdict(*one)]
    if not failed:
        return True
    told = case(
        f"the interval {failed[0][0]:+.2f} to {failed[0][1]:+.2f}", verdict(*failed[0]), str(said[ends.index(failed[0])])
    )
    for slip, wrong in VERDICT_SLIPS.items():
        if all(str(got).strip().lower() == wrong(*one) for one, got in zip(ends, said)):
            raise NotYet(f"It looks like this slip: {slip}.{told}")
    raise NotYet(told)


def _enough(spread: float, difference: float, factor: Callable = _quantile, share: float = 1, root: float = 0.5) -> Tensor:
    """The first n of runs whose interval is narrower, to each side, than the difference."""
    return torch.tensor(next(n for n in range(2, 10**6) if share * factor(n) * spread / n**root < difference))


SEED_SLIPS = {
    "1.96 is of the normal distribution; with few pairs Student's t asks for more": lambda s, d: _enough(
        s, d, factor=lambda n: 1.96
    ),
    "1.96 is of the normal distribution, in a formula; with few pairs Student's t asks for more": lambda s, d: torch.tensor(
        math.ceil((1.96 * s / d) ** 2)
    ),
    "a search that begins at n = 1: one difference has no spread, and t is not a number there": lambda s, d: torch.tensor(1),
    "the whole width is compared; half of it reaches from the mean to 0": lambda s, d: _enough(s, d, share=2),
    "the last n that is not enough; one more is": lambda s, d: _enough(s, d) - 1,
    "Student's t with n degrees of freedom; one is spent on the mean, which leaves n - 1": lambda s, d: _enough(
        s, d, factor=lambda n: _quantile(n + 1)
    ),
    "divided by n; the mean of n wobbles by the root of n less": lambda s, d: _enough(s, d, root=1),
    "the number for two independent groups; these are pairs": lambda s, d: _enough(s, d, share=2**0.5),
}


def _seeds(answer: Callable) -> bool:
    pairs = [(0.1, 0.05), (0.2, 0.05), (0.05, 0.05), (0.07, 0.03), (0.15, 0.02), (0.3, 0.11), (0.04, 0.09)]
    cases = [(f"differences spread by {s:g} points, a difference of {d:g}", (s, d)) for s, d in pairs]
    return compare(answer, _enough, SEED_SLIPS, cases)


EXERCISES = {
    "6a": (
        _paired,
        "take the differences first; then mean ± t · s / √n, with `statistics.stdev` and `scipy.stats.t.ppf(0.975, n - 1)`.",
    ),
    "6c": (_seeds, "try n = 2, 3, 4, ... until t · s / √n, with t of n - 1, is below the difference."),
    "6b": (_verdict, 'three answers: "helps", "hurts", "cannot tell"; look at both ends of the interval.'),
}
