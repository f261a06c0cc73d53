"""Exercises of notebook 06."""

import math
import random
from collections.abc import Callable
from functools import cache
from statistics import fmean, pstdev, stdev

import torch
from torch import Tensor

from course.exercises.checking import Unwritten, case, compare, refused, slip_of
from mnist_lib.studies.statistics import paired_interval, pairs_needed, verdict, welch_interval

Runs = dict[int, float]  # accuracies by seed


def _around(mean: float, margin: float) -> Tensor:
    return torch.tensor([mean - margin, mean + margin])


@cache
def _quantile(n: int, below: float = 0.975) -> float:
    """Student's t for n values, below which this share of it lies: 95 % lie in the middle."""
    from scipy.stats import t  # imported here, because it is slow

    return float(t.ppf(below, n - 1))


def _columns(with_: Runs, without: Runs) -> tuple[list[float], list[float]]:
    """The runs of the seeds that both have, in one order."""
    seeds = sorted(with_.keys() & without.keys())
    return [with_[seed] for seed in seeds], [without[seed] for seed in seeds]


def _right(with_: Runs, without: Runs) -> Tensor:
    return torch.tensor(paired_interval(*_columns(with_, without))[1:])


def _paired_slips(with_: Runs, without: Runs) -> dict[str, Tensor]:
    right, (ours, theirs) = _right(with_, without), _columns(with_, without)
    listed = list(with_.values()), list(without.values())
    by_rank = [with_[seed] for seed in sorted(with_)], [without[seed] for seed in sorted(without)]
    n, two_spreads = len(ours), stdev(ours) ** 2 + stdev(theirs) ** 2

    def interval(pairs=(ours, theirs), factor: Callable = _quantile, root: float = 0.5, spread: Callable = stdev) -> Tensor:
        differences = [a - b for a, b in zip(*pairs)]
        n = len(differences)
        return _around(fmean(differences), factor(n) * spread(differences) / n**root)

    def split_up(t: float) -> Tensor:
        """The interval of two independent groups of equal variance."""
        return _around(fmean(ours) - fmean(theirs), t * (two_spreads / n) ** 0.5)

    return {
        "runs are paired in the order in which they are listed; a pair is two runs with the same seed": interval(listed),
        "a seed that only one of the two has shifts all seeds after it; a pair is two runs with the same seed": (
            interval(by_rank)
        ),
        "the pairs are split up: this is the interval of two independent groups (Welch's)": welch_interval(ours, theirs)[1:],
        "the pairs are split up, and runs without a partner are counted": welch_interval(*listed)[1:],
        "the pairs are split up: this is the interval of two independent groups": split_up(_quantile(2 * n - 1)),
        "the pairs are split up: the spreads of the two columns are added; take that of the differences": (
            split_up(_quantile(n))
        ),
        "1.96 belongs to the normal distribution; so few values need Student's t": interval(factor=lambda n: 1.96),
        "the standard deviation of one difference in place of that of their mean: divide by the root of n": interval(root=0),
        "the squares are divided by n; divide by n - 1, because the mean comes from the same values": interval(spread=pstdev),
        "Student's t with n degrees of freedom; one is spent on the mean, which leaves n - 1": (
            interval(factor=lambda n: _quantile(n + 1))
        ),
        "the other way round: this is the interval of without minus with": _right(without, with_),
        "the ends are swapped: the lower one comes first": right.flip(0),
        "divided by n; the mean of n values varies less by the root of n": interval(root=1),
        "this is the mean and the half width; the two ends are asked for": [float(right.mean()), float(right.diff()) / 2],
        "the one-sided t: 95 % in the middle leave 2.5 % on each side": interval(factor=lambda n: _quantile(n, 0.95)),
    }


def _paired(answer: Callable) -> bool:
    draw, cases = random.Random(6), []
    for n in (3, 5, 10, 20):
        folds = [draw.gauss(99, 1) for _ in range(n + 2)]  # what the two of a pair have in common
        with_, without = ({s: fold + draw.gauss(shift, 0.2) for s, fold in enumerate(folds)} for shift in (0.1, 0.0))
        order = draw.sample(range(n + 2), n + 2)
        lacking = min(order[0], order[-1])  # runs that were never made, one on each side
        with_ = {seed: value for seed, value in with_.items() if seed != lacking}
        without = {seed: without[seed] for seed in order if seed != max(order[0], order[-1])}
        first = (", ".join(f"{s}: {a:.2f}" for s, a in list(runs.items())[:3]) for runs in (with_, without))
        cases.append(("{} pairs; with_ = {{{}, ...}}, without = {{{}, ...}}".format(n, *first), (with_, without)))
    try:
        return compare(lambda a, b: answer(dict(a), dict(b)), _right, _paired_slips, cases)
    except KeyError as error:
        seed = error.args[0] if error.args else "?"
        raise refused(f"only one of the two recipes was run with seed {seed}, so there is no pair", "") from None


def _verdict_slips(low: float, high: float) -> dict[str, str]:
    return {
        "an interval that contains 0 does not show that there is no effect; it cannot tell": (
            "no effect" if low <= 0 <= high else verdict(low, high)
        ),
        "only the sign of the mean is looked at; the interval says how far it can be trusted": (
            "helps" if low + high > 0 else "hurts"
        ),
        "the signs are the wrong way round: the interval is of with minus without": verdict(-high, -low),
        "an interval that touches 0 contains 0": "helps" if low >= 0 else "hurts" if high <= 0 else "cannot tell",
        "what does not help need not hurt: the interval may contain 0": "helps" if low > 0 else "hurts",
        "what does not hurt need not help: the interval may contain 0": "hurts" if high < 0 else "helps",
        "one end above 0 is not enough to say that it helps": "helps" if high > 0 else "hurts",
        "one end below 0 is not enough to say that it hurts": "hurts" if low < 0 else "helps",
    }


def _verdict(answer: Callable) -> bool:
    draw = random.Random(7)
    ends = [tuple(sorted((draw.uniform(-0.2, 0.2), draw.uniform(-0.2, 0.2)))) for _ in range(30)]
    ends = [(0.02, 0.1), (-0.1, -0.02), (-0.04, 0.1), (-0.1, 0.04), (0.0, 0.1), (-0.1, 0.0), *ends]
    answers = [answer(low, high) for low, high in ends]
    if answers == [None] * len(ends):
        raise Unwritten
    said = [str(told).strip().lower() for told in answers]
    failed = [i for i, interval in enumerate(ends) if said[i] != verdict(*interval)]
    if not failed:
        return True
    low, high = ends[failed[0]]
    shown = case(f"the interval {low:+.2f} to {high:+.2f}", verdict(low, high), str(answers[failed[0]]))
    raise refused(slip_of([_verdict_slips(*interval) for interval in ends], said), shown)


def _enough(spread: float, difference: float, factor: Callable = _quantile, share: float = 1, root: float = 0.5) -> int:
    """The first number of runs whose interval reaches less far to each side than the difference."""
    return next(n for n in range(2, 10**6) if share * factor(n) * spread / n**root < difference)


def _seed_slips(s: float, d: float) -> dict[str, int]:
    right = _enough(s, d)
    return {
        "1.96 belongs to the normal distribution; with few pairs Student's t asks for more": _enough(s, d, lambda n: 1.96),
        "1.96 belongs to the normal distribution, also in a formula; with few pairs Student's t asks for more": (
            math.ceil((1.96 * s / d) ** 2)
        ),
        "a search that begins at n = 1: one difference has no spread, and t is not a number there": 1,
        "a search that begins at n = 3: two pairs may be enough": max(right, 3),
        "the whole width is compared; half of it reaches from the mean to 0": _enough(s, d, share=2),
        "this is the last n that is not enough; one more is enough": right - 1,
        "Student's t with n degrees of freedom; one is spent on the mean, which leaves n - 1": (
            _enough(s, d, lambda n: _quantile(n + 1))
        ),
        "divided by n; the mean of n values varies less by the root of n": _enough(s, d, root=1),
        "the number for two independent groups; these are pairs": _enough(s, d, share=2**0.5),
    }


def _seeds(answer: Callable) -> bool:
    pairs = [(0.1, 0.05), (0.2, 0.05), (0.05, 0.05), (0.07, 0.03), (0.15, 0.02), (0.3, 0.11), (0.04, 0.09), (0.001, 0.05)]
    cases = [(f"differences with a standard deviation of {s:g} points, a mean difference of {d:g}", (s, d)) for s, d in pairs]
    return compare(answer, _enough, _seed_slips, cases)


EXERCISES = {
    "6a": (_paired, "which seeds do both have? From there on there is one list, of differences, and one formula."),
    "6b": (_verdict, 'three answers: "helps", "hurts", "cannot tell"; look at both ends of the interval.'),
    "6c": (_seeds, "t depends on n, too, so the formula cannot be solved for n: try one n after another."),
}
LIBRARY = {"6a": (paired_interval,), "6b": (verdict,), "6c": (pairs_needed,)}
