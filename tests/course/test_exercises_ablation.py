"""Exercises of notebook 06: each wrong implementation is refused by name, right ones of any make are taken."""

import numpy as np
import torch
from scipy import stats

from course.exercises import check
from mnist_lib.studies.statistics import paired_interval, pairs_needed, verdict


# 6a
def columns(with_, without):
    seeds = [seed for seed in with_ if seed in without]
    return [with_[seed] for seed in seeds], [without[seed] for seed in seeds]


def by_scipy(with_, without):
    return tuple(stats.ttest_rel(*columns(with_, without)).confidence_interval(0.95))


def by_numpy(with_, without):
    d = np.subtract(*columns(with_, without))
    return d.mean() + np.array([-1, 1]) * stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))


def by_torch(with_, without):
    d = torch.tensor([with_[s] - without[s] for s in with_.keys() & without.keys()], dtype=torch.float64)
    margin = stats.t(len(d) - 1).ppf(0.975) * d.std() / len(d) ** 0.5
    return torch.stack([d.mean() - margin, d.mean() + margin])


def numpy_with(ddof=1, root=True, quantile=0.975, freedom=-1, normal=False, sign=1, pair=columns):
    def interval(with_, without):
        d = sign * np.subtract(*pair(with_, without))
        factor = 1.96 if normal else stats.t.ppf(quantile, len(d) + freedom)
        return d.mean() + np.array([-1, 1]) * factor * d.std(ddof=ddof) / (np.sqrt(len(d)) if root else 1)

    return interval


def added_spreads(with_, without):
    a, b = columns(with_, without)
    margin = stats.t.ppf(0.975, len(a) - 1) * np.sqrt((np.var(a, ddof=1) + np.var(b, ddof=1)) / len(a))
    return np.mean(a) - np.mean(b) + np.array([-1, 1]) * margin


def of_groups(a, b, **settings):
    return tuple(stats.ttest_ind(a, b, **settings).confidence_interval(0.95))


def divided_by_n(with_, without):
    d = np.subtract(*columns(with_, without))
    return d.mean() + np.array([-1, 1]) * stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / len(d)


WRONG_INTERVALS = {
    "It calls paired_interval, which does the exercise for you": paired_interval,
    "in the order in which they are listed": numpy_with(pair=lambda a, b: (list(a.values()), list(b.values()))),
    "shifts all seeds after it": numpy_with(pair=lambda a, b: ([a[s] for s in sorted(a)], [b[s] for s in sorted(b)])),
    "(Welch's)": lambda a, b: of_groups(*columns(a, b), equal_var=False),
    "runs without a partner are counted": lambda a, b: of_groups(list(a.values()), list(b.values()), equal_var=False),
    "independent groups": lambda a, b: of_groups(*columns(a, b)),
    "the spreads of the two columns are added": added_spreads,
    "1.96 belongs to the normal distribution": numpy_with(normal=True),
    "divide by the root of n": numpy_with(root=False),
    "divide by n - 1, because": numpy_with(ddof=0),
    "n degrees of freedom": numpy_with(freedom=0),
    "the other way round": numpy_with(sign=-1),
    "the one-sided t": numpy_with(quantile=0.95),
    "the ends are swapped": lambda a, b: by_numpy(a, b)[::-1],
    "varies less by the root of n": lambda a, b: divided_by_n(a, b),
    "the mean and the half width": lambda a, b: (np.mean(by_numpy(a, b)), np.ptp(by_numpy(a, b)) / 2),
}


def test_a_seed_without_a_partner_is_named(capsys):
    assert not check("6a", lambda a, b: numpy_with(pair=lambda a, b: ([a[s] for s in a], [b[s] for s in a]))(a, b))
    assert "only one of the two recipes was run with seed" in capsys.readouterr().out


# 6b
def right_verdict(low, high):
    return "cannot tell" if low <= 0 <= high else "helps" if low > 0 else "hurts"


WRONG_VERDICTS = {
    "It calls verdict, which does the exercise for you": verdict,
    "it cannot tell": lambda low, high: "no effect" if low <= 0 <= high else right_verdict(low, high),
    "only the sign of the mean": lambda low, high: "helps" if (low + high) / 2 > 0 else "hurts",
    "the wrong way round": lambda low, high: {"helps": "hurts", "hurts": "helps"}.get(right_verdict(low, high), "cannot tell"),
    "touches 0 contains 0": lambda low, high: "cannot tell" if low < 0 < high else "helps" if low >= 0 else "hurts",
    "need not hurt": lambda low, high: "helps" if low > 0 else "hurts",
    "need not help": lambda low, high: "hurts" if high < 0 else "helps",
    "not enough to say that it helps": lambda low, high: "helps" if high > 0 else "hurts",
    "not enough to say that it hurts": lambda low, high: "hurts" if low < 0 else "helps",
}


# 6c
def by_scipy_search(spread, difference):
    n = 2
    while stats.t.ppf(0.975, n - 1) * spread / np.sqrt(n) >= difference:
        n += 1
    return n


def by_array(spread, difference):
    n = np.arange(2, 5000)
    return n[stats.t.ppf(0.975, n - 1) * spread < difference * np.sqrt(n)][0]


def searched(half=lambda n, s: stats.t.ppf(0.975, n - 1) * s / np.sqrt(n), less=0):
    def seeds(spread, difference):
        n = np.arange(2, 100_000)
        return int(n[half(n, spread) < difference][0]) - less

    return seeds


def searched_from_one(spread, difference):
    n = 1
    while stats.t.ppf(0.975, n - 1) * spread / np.sqrt(n) >= difference:  # nan is not
        n += 1
    return n


WRONG_SEEDS = {
    "It calls pairs_needed, which does the exercise for you": pairs_needed,
    "1.96 belongs to the normal distribution": searched(lambda n, s: 1.96 * s / np.sqrt(n)),
    "in a formula": lambda s, d: int(np.ceil((1.96 * s / d) ** 2)),
    "begins at n = 1": searched_from_one,
    "begins at n = 3": lambda s, d: max(3, searched(lambda n, s: stats.t.ppf(0.975, n - 1) * s / np.sqrt(n))(s, d)),
    "the whole width": searched(lambda n, s: 2 * stats.t.ppf(0.975, n - 1) * s / np.sqrt(n)),
    "one more is": searched(less=1),
    "n degrees of freedom": searched(lambda n, s: stats.t.ppf(0.975, n) * s / np.sqrt(n)),
    "divided by n": searched(lambda n, s: stats.t.ppf(0.975, n - 1) * s / n),
    "two independent groups": searched(lambda n, s: stats.t.ppf(0.975, n - 1) * s * np.sqrt(2 / n)),
}


RIGHT = {
    "6a": [by_scipy, by_numpy, by_torch, lambda a, b: list(by_scipy(a, b))],
    "6b": [right_verdict, lambda low, high: right_verdict(low, high).upper() + " "],
    "6c": [by_scipy_search, by_array, lambda s, d: float(by_array(s, d))],
}
WRONG = {"6a": WRONG_INTERVALS, "6b": WRONG_VERDICTS, "6c": WRONG_SEEDS}
