"""Exercises of notebook 06."""

import math
import random
from collections.abc import Callable
from statistics import fmean, pstdev, stdev

import torch
from torch import Tensor

from course.exercises.checking import NotYet, Unwritten, case, compare
from mnist_lib.studies.statistics import paired_interval, pairs_needed, verdict, welch_interval

Runs = dict[int, float]  # accuracies by seed


def _around(mean: float, margin: float) -> Tensor:
    return torch.tensor([mean - margin, mean + margin])


def _quantile(n: int) -> float:
    """Student's t for 95 % of n values."""
    from scipy.stats import t  # imported here, because it is slow

    return float(t.ppf(0.975, n - 1))


def _columns(with_: Runs, without: Runs) -> tuple[list[float], list[float]]:
    """The runs of the seeds that both have, in one order."""
    seeds = sorted(with_.keys() & without.keys())
    return [with_[seed] for seed in seeds], [without[seed] for seed in seeds]


def _right(with_: Runs, without: Runs) -> Tensor:
    return torch.tensor(paired_interval(*_columns(with_, without))[1:])


def _slip(
    spread: Callable, root: Callable = lambda n: n**0.5, factor: Callable = _quantile, pair: Callable = _columns
) -> Callable:
    """An interval around the mean difference, made with another spread, root, factor or way to pair."""

    def interval(with_: Runs, without: Runs) -> Tensor:
        differences = [a - b for a, b in zip(*pair(with_, without))]
        return _around(fmean(differences), factor(len(differences)) * spread(differences) / root(len(differences)))

    return interval


def _pooled(with_: Runs, without: Runs, together: bool = True) -> Tensor:
    """The interval of two independent groups of equal variance."""
    ours, theirs = _columns(with_, without)
    n = len(ours)
    error = ((stdev(ours) ** 2 + stdev(theirs) ** 2) / n) ** 0.5
    return _around(fmean(ours) - fmean(theirs), _quantile(2 * n - 1 if together else n) * error)


def _as_they_stand(with_: Runs, without: Runs) -> tuple[list[float], list[float]]:
    return list(with_.values()), list(without.values())


def _by_rank(with_: Runs, without: Runs) -> tuple[list[float], list[float]]:
    """Each list sorted by its own seeds, so that a seed that only one has shifts all that follow."""
    return [with_[seed] for seed in sorted(with_)], [without[seed] for seed in sorted(without)]


SLIPS = {
    "runs are paired in the order in which they are listed; a pair is two runs with the same seed": _slip(
        stdev, pair=_as_they_stand
    ),
    "a seed that only one of the two has shifts all seeds after it; a pair is two runs with the same seed": _slip(
        stdev, pair=_by_rank
    ),
    "the pairs are split up: this is the interval of two independent groups (Welch's)": lambda a, b: torch.tensor(
        welch_interval(*_columns(a, b))[1:]
    ),
    "the pairs are split up, and runs without a partner are counted": lambda a, b: torch.tensor(
        welch_interval(*_as_they_stand(a, b))[1:]
    ),
    "the pairs are split up: this is the interval of two independent groups": _pooled,
    "the pairs are split up: the spreads of the two columns are added; take that of the differences": lambda a, b: _pooled(
        a, b, together=False
    ),
    "1.96 belongs to the normal distribution; so few values need Student's t": _slip(stdev, factor=lambda n: 1.96),
    "the standard deviation of one difference in place of that of their mean: divide by the root of n": _slip(
        stdev, root=lambda n: 1
    ),
    "the squares are divided by n; divide by n - 1, because the mean comes from the same values": _slip(pstdev),
    "Student's t with n degrees of freedom; one is spent on the mean, which leaves n - 1": _slip(
        stdev, factor=lambda n: _quantile(n + 1)
    ),
    "the other way round: this is the interval of without minus with": lambda a, b: _right(b, a),
    "the ends are swapped: the lower one comes first": lambda a, b: _right(a, b).flip(0),
    "divided by n; the mean of n values varies less by the root of n": _slip(stdev, root=lambda n: n),
    "this is the mean and the half width; the two ends are asked for": lambda a, b: torch.tensor(
        [float(_right(a, b).mean()), float(_right(a, b).diff()) / 2]
    ),
    "the one-sided t: 95 % in the middle leave 2.5 % on each side": _slip(stdev, factor=lambda n: _one_side(n)),
}


def _one_side(n: int) -> float:
    from scipy.stats import t  # imported here, because it is slow

    return float(t.ppf(0.95, n - 1))


def _paired(answer: Callable) -> bool:
    draw, cases = random.Random(6), []
    for n in (3, 5, 10, 20):
        folds = [draw.gauss(99, 1) for _ in range(n + 2)]  # what the two of a pair have in common
        with_, without = ({s: fold + draw.gauss(shift, 0.2) for s, fold in enumerate(folds)} for shift in (0.1, 0.0))
        order = draw.sample(range(n + 2), n + 2)
        lacking = min(order[0], order[-1])  # runs that were never made, one on each side
        with_ = {seed: value for seed, value in with_.items() if seed != lacking}
        without = {seed: without[seed] for seed in order if seed != max(order[0], order[-1])}
        shown = (", ".join(f"{s}: {a:.2f}" for s, a in list(one.items())[:3]) for one in (with_, without))
        one, other = (f"{{{text}, ...}}" for text in shown)
        cases.append((f"{n} pairs; with_ = {one}, without = {other}", (with_, without)))
    try:
        return compare(lambda a, b: answer(dict(a), dict(b)), _right, SLIPS, cases)
    except KeyError as error:
        seed = error.args[0] if error.args else "?"
        raise NotYet(
            f"It looks like this slip: only one of the two recipes was run with seed {seed}, so there is no pair."
        ) from None


VERDICT_SLIPS = {
    "an interval that contains 0 does not show that there is no effect; it cannot tell": lambda low, high: (
        "no effect" if low <= 0 <= high else verdict(low, high)
    ),
    "only the sign of the mean is looked at; the interval says how far it can be trusted": lambda low, high: (
        "helps" if low + high > 0 else "hurts"
    ),
    "the signs are the wrong way round: the interval is of with minus without": lambda low, high: verdict(-high, -low),
    "an interval that touches 0 contains 0": lambda low, high: "helps" if low >= 0 else "hurts" if high <= 0 else "cannot tell",
    "what does not help need not hurt: the interval may contain 0": lambda low, high: "helps" if low > 0 else "hurts",
    "what does not hurt need not help: the interval may contain 0": lambda low, high: "hurts" if high < 0 else "helps",
    "one end above 0 is not enough to say that it helps": lambda low, high: "helps" if high > 0 else "hurts",
    "one end below 0 is not enough to say that it hurts": lambda low, high: "hurts" if low < 0 else "helps",
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
    """The first number of runs whose interval reaches less far to each side than the difference."""
    return torch.tensor(next(n for n in range(2, 10**6) if share * factor(n) * spread / n**root < difference))


SEED_SLIPS = {
    "1.96 belongs to the normal distribution; with few pairs Student's t asks for more": lambda s, d: _enough(
        s, d, factor=lambda n: 1.96
    ),
    "1.96 belongs to the normal distribution, also in a formula; with few pairs Student's t asks for more": lambda s, d: (
        torch.tensor(math.ceil((1.96 * s / d) ** 2))
    ),
    "a search that begins at n = 1: one difference has no spread, and t is not a number there": lambda s, d: torch.tensor(1),
    "a search that begins at n = 3: two pairs may be enough": lambda s, d: _enough(s, d).clamp(min=3),
    "the whole width is compared; half of it reaches from the mean to 0": lambda s, d: _enough(s, d, share=2),
    "this is the last n that is not enough; one more is enough": lambda s, d: _enough(s, d) - 1,
    "Student's t with n degrees of freedom; one is spent on the mean, which leaves n - 1": lambda s, d: _enough(
        s, d, factor=lambda n: _quantile(n + 1)
    ),
    "divided by n; the mean of n values varies less by the root of n": lambda s, d: _enough(s, d, root=1),
    "the number for two independent groups; these are pairs": lambda s, d: _enough(s, d, share=2**0.5),
}


def _seeds(answer: Callable) -> bool:
    pairs = [(0.1, 0.05), (0.2, 0.05), (0.05, 0.05), (0.07, 0.03), (0.15, 0.02), (0.3, 0.11), (0.04, 0.09), (0.001, 0.05)]
    cases = [(f"differences with a standard deviation of {s:g} points, a mean difference of {d:g}", (s, d)) for s, d in pairs]
    return compare(answer, _enough, SEED_SLIPS, cases)


EXERCISES = {
    "6a": (_paired, "which seeds do both have? From there on there is one list, of differences, and one formula."),
    "6b": (_verdict, 'three answers: "helps", "hurts", "cannot tell"; look at both ends of the interval.'),
    "6c": (_seeds, "t depends on n, too, so the formula cannot be solved for n: try one n after another."),
}
LIBRARY = {"6a": (paired_interval,), "6b": (verdict,), "6c": (pairs_needed,)}
