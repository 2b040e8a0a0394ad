"""Intervals, held against published figures, formulas and their own promise of 95 %."""

from collections.abc import Iterator
from math import comb, factorial, sqrt
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_crossmath.gating.stats import Interval, gap_interval, rate_interval, wilson

FAST = settings(deadline=None, max_examples=100)
Z = 1.959964


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilson_agrees_with_published_figures(
    successes: int, trials: int, low: float, high: float
) -> None:
    """The examples of Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    interval = wilson(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("trials", [1, 2, 10, 200])
def test_wilson_is_symmetric(trials: int) -> None:
    """Counting misses instead of successes mirrors the interval."""
    for successes in range(trials + 1):
        one, two = wilson(successes, trials), wilson(trials - successes, trials)
        assert (one.low, one.high) == pytest.approx((1 - two.high, 1 - two.low))


@pytest.mark.parametrize(("solved", "problems"), [(0, 1), (1, 1), (3, 10), (150, 200), (200, 200)])
def test_a_rate_interval_of_zeros_and_ones_adds_two_of_each(solved: int, problems: int) -> None:
    """With one verdict a problem it is the interval of Agresti and Coull."""
    n = problems + 4
    p = (solved + 2) / n
    margin = Z * sqrt(p * (1 - p) / n)
    interval = rate_interval([1.0] * solved + [0.0] * (problems - solved))
    expected = (max(0.0, p - margin), min(1.0, p + margin))
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("worse", "better", "same"), [(0, 0, 1), (1, 0, 0), (8, 3, 39), (0, 0, 200), (30, 0, 0)]
)
def test_a_gap_interval_adds_one_of_each(worse: int, better: int, same: int) -> None:
    """With one verdict a problem it is the adjusted Wald interval of Bonett and Price."""
    n = worse + better + same + 2
    p, q = (worse + 1) / n, (better + 1) / n
    margin = Z * sqrt((p + q - (p - q) ** 2) / n)
    interval = gap_interval([1.0] * worse + [-1.0] * better + [0.0] * same)
    expected = (max(-1.0, p - q - margin), min(1.0, p - q + margin))
    assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("value", [-1.0, -0.5, 0.0, 0.25, 1.0])
def test_one_problem_is_never_proof(value: float) -> None:
    """With a single problem every interval is wide, and a gap's holds zero."""
    gap = gap_interval([value])
    assert gap.high - gap.low > 1
    assert gap.low < 0 < gap.high
    rate = rate_interval([abs(value)])
    assert rate.high - rate.low > 0.5
    for successes in (0, 1):
        assert wilson(successes, 1).high - wilson(successes, 1).low > 0.5


@FAST
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_rate_interval_is_an_interval_of_rates(rates: list[float]) -> None:
    """It has some width, stays between 0 and 1, and does not look at the order."""
    interval = rate_interval(rates)
    assert 0 <= interval.low < interval.high <= 1
    again = rate_interval(sorted(rates))
    assert (again.low, again.high) == pytest.approx((interval.low, interval.high))


@FAST
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60))
def test_a_gap_interval_mirrors_with_its_sign(differences: list[float]) -> None:
    """It has some width, stays between -1 and 1, and turns over with the differences."""
    interval = gap_interval(differences)
    assert -1 <= interval.low < interval.high <= 1
    turned = gap_interval([-difference for difference in differences])
    assert (turned.low, turned.high) == pytest.approx((-interval.high, -interval.low))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_more_problems_make_narrower_intervals(value: float) -> None:
    """Evidence adds up."""
    intervals = [gap_interval([value, -value] * n) for n in (1, 4, 16, 64, 256)]
    widths = [interval.high - interval.low for interval in intervals]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0] / 4


def binomial(n: int, p: float) -> Iterator[tuple[int, float]]:
    """Successes out of n, with their probability."""
    for k in range(n + 1):
        yield k, comb(n, k) * p**k * (1 - p) ** (n - k)


def covers(interval: Interval, truth: float) -> bool:
    """Whether the truth is inside."""
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("problems", [10, 40])
def test_solved_intervals_hold_the_truth_about_as_often_as_they_say(problems: int) -> None:
    """By exact enumeration: near 95 % on average, and nowhere far below."""
    adjusted = {k: rate_interval([1.0] * k + [0.0] * (problems - k)) for k in range(problems + 1)}
    for intervals in ({k: wilson(k, problems) for k in adjusted}, adjusted):
        rates = [
            sum(chance * covers(intervals[k], i / 50) for k, chance in binomial(problems, i / 50))
            for i in range(1, 50)
        ]
        assert 0.94 <= fmean(rates) <= 0.98
        assert min(rates) > 0.87


@pytest.mark.parametrize("worse", [0.02, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("better", [0.02, 0.1, 0.3])
def test_gap_intervals_hold_the_truth_about_as_often_as_they_say(
    worse: float, better: float
) -> None:
    """By exact enumeration over 24 problems: at least 92 % wherever the gap lies."""
    n, covered = 24, 0.0
    for i in range(n + 1):
        for j in range(n + 1 - i):
            same = n - i - j
            ways = factorial(n) // (factorial(i) * factorial(j) * factorial(same))
            chance = ways * worse**i * better**j * (1 - worse - better) ** same
            interval = gap_interval([1.0] * i + [-1.0] * j + [0.0] * same)
            covered += chance * covers(interval, worse - better)
    assert covered > 0.92
