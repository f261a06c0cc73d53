"""Intervals against tables and against scipy's own, on random numbers."""

import warnings

import numpy as np
import pytest
from scipy import stats

from mnist_lib.studies.statistics import mean_interval, paired_interval, pairs_needed, ratio, verdict, welch_interval


def test_interval_against_a_table():
    """Student's t for 4 degrees of freedom is 2.776 at 95 % and 4.604 at 99 % (any statistics book)."""
    for confidence, t in ((0.95, 2.776), (0.99, 4.604)):
        margin = t * (2.5**0.5) / 5**0.5
        assert mean_interval([1.0, 2, 3, 4, 5], confidence) == pytest.approx((3.0, 3.0 - margin, 3.0 + margin), abs=1e-3)
    with warnings.catch_warnings(action="error"):  # equal values should not warn the reader of a table
        assert mean_interval([99.5, 99.5, 99.5]) == (99.5, 99.5, 99.5)


def test_differences_against_scipys():
    draw = np.random.default_rng(0)
    for _ in range(20):
        n, m = draw.integers(3, 30, 2)
        a, b, c = draw.normal(1, 2, n), draw.normal(0, 1, n), draw.normal(0, 3, m)
        expected = stats.ttest_rel(a, b).confidence_interval()
        assert paired_interval(list(a), list(b)) == pytest.approx(((a - b).mean(), *expected))
        expected = stats.ttest_ind(a, c, equal_var=False).confidence_interval()
        assert welch_interval(list(a), list(c)) == pytest.approx((a.mean() - c.mean(), *expected))
    with pytest.raises(ValueError):
        paired_interval([1.0, 2], [1.0])


def test_a_verdict_is_of_an_interval_clear_of_0():
    intervals = ((0.01, 1), (-1, -0.01), (0, 1), (-1, 0), (-1, 1))
    assert [verdict(*one) for one in intervals] == ["helps", "hurts", *3 * ["cannot tell"]]


def test_so_many_pairs_are_enough_and_one_fewer_is_not():
    for deviation, difference in ((0.1, 0.05), (0.1, -0.05), (0.05, 0.2), (0.03, 0.0004), (0.0, 1.0)):
        n = pairs_needed(deviation, difference)
        margins = [stats.t.interval(0.95, m - 1)[1] * deviation / m**0.5 for m in (n, max(n - 1, 2))]
        assert margins[0] < abs(difference) and (margins[1] >= abs(difference) or n == 2)
    assert pairs_needed(0.1, 1e-15) > 10**20  # as rounding leaves it; at once
    with pytest.raises(ValueError, match="a difference of 0"):
        pairs_needed(0.1, 0.0)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_of_one_value_or_none_nothing_follows(values):
    for call in (
        mean_interval,
        lambda wrong: welch_interval(wrong, [1.0, 2.0]),
        lambda wrong: welch_interval([1.0, 2.0], wrong),
    ):
        with pytest.raises(ValueError, match=r"^An interval needs two or more finite numbers, not [^\n]+\.$"):
            call(values)
    for confidence in (95, 1, 0, float("nan")):
        with pytest.raises(ValueError, match=r"^confidence is a share, such as 0\.95, not "):
            mean_interval([1.0, 2.0], confidence)


def test_a_ratio_is_of_pairs():
    assert ratio([10, 20, 30], [1, 4, 5]) == (6.0, 5.0, 10.0)
    with pytest.raises(ValueError):
        ratio([1, 2], [1])
