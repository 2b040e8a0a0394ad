"""Intervals, held against published figures, formulas and their own promise of 95 %."""

from collections.abc import Iterator
from itertools import product
from math import comb, factorial, sqrt
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_crossmath.gating.stats import (
    GAP_PSEUDO,
    Interval,
    bootstrap_interval,
    detectable,
    detectable_share,
    gap_interval,
    holm,
    mean_tails,
    proportion_tails,
    rate_interval,
    sign_flip,
    wilson,
)

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


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_a_rate_interval_is_an_interval_of_rates(rates: list[float]) -> None:
    """It has some width, stays between 0 and 1, and does not look at the order."""
    interval = rate_interval(rates)
    assert 0 <= interval.low < interval.high <= 1
    again = rate_interval(sorted(rates))
    assert (again.low, again.high) == pytest.approx((interval.low, interval.high))


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


@pytest.mark.parametrize(
    ("lost", "gained", "p"), [(0, 0, 1.0), (5, 0, 1 / 32), (8, 2, 56 / 1024), (3, 3, 42 / 64)]
)
def test_a_sign_flip_of_single_samples_is_the_test_of_mcnemar(
    lost: int, gained: int, p: float
) -> None:
    """One-sided binomial tails over the problems that changed."""
    assert sign_flip([1] * lost + [-1] * gained + [0] * 50) == pytest.approx(p)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_a_sign_flip_agrees_with_trying_all_signs(differences: list[int]) -> None:
    """The exact distribution, by brute force."""
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    as_large = sum(found >= sum(differences) for found in sums)
    assert sign_flip(differences) == pytest.approx(as_large / len(sums))


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ((0.01, 0.04, 0.03, 0.005), (0.03, 0.06, 0.06, 0.02)),
        ((0.5,), (0.5,)),
        ((0.9, 0.8), (1.0, 1.0)),
        ((), ()),
    ],
)
def test_holm(p_values: tuple[float, ...], adjusted: tuple[float, ...]) -> None:
    """Each p-value times the hypotheses left, never below that of a smaller one."""
    assert holm(p_values) == pytest.approx(adjusted)


def test_proportion_tails_are_binomial_sums() -> None:
    """Both count what was seen."""
    tails = proportion_tails(2, 4, 0.5)
    assert (tails.above, tails.below) == pytest.approx((11 / 16, 11 / 16))


def test_mean_tails_invert_the_interval() -> None:
    """At an end of the two-sided interval, one tail is 2.5 %."""
    values = [1.0] * 30 + [0.0] * 60 + [-1.0] * 10
    interval = gap_interval(values)
    assert mean_tails(values, interval.low, pseudo=GAP_PSEUDO).above == pytest.approx(0.025)
    assert mean_tails(values, interval.high, pseudo=GAP_PSEUDO).below == pytest.approx(0.025)


def test_a_bootstrap_draws_whole_problems() -> None:
    """Close to the normal interval where there are many, a point where all are equal."""
    values = [1.0] * 150 + [0.0] * 250 + [-1.0] * 50
    drawn, normal = bootstrap_interval(values), gap_interval(values)
    assert (drawn.low, drawn.high) == pytest.approx((normal.low, normal.high), abs=0.01)
    assert bootstrap_interval([0.25] * 9) == Interval(0.25, 0.25)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)


@pytest.mark.parametrize(("problems", "spread"), [(60, 0.3), (250, 0.3), (1000, 0.2)])
def test_more_problems_see_less(problems: int, spread: float) -> None:
    """The smallest drop that is seen shrinks with problems, and grows with churn."""
    here = detectable(spread, problems, alpha=0.05)
    assert 0 < detectable(spread, 4 * problems, alpha=0.05) < here
    assert here < detectable(2 * spread, problems, alpha=0.05) <= 1


@pytest.mark.parametrize("trials", [1, 2, 7, 60, 250, 5000])
@pytest.mark.parametrize("limit", [0.0, 0.02, 0.5, 0.9, 1.0])
def test_a_second_implementation_agrees(trials: int, limit: float) -> None:
    """The intervals and tests of a share are those of `scipy.stats`."""
    from scipy.stats import beta, binom, binomtest

    for successes in sorted({0, 1, trials // 3, trials - 1, trials}):
        tails = proportion_tails(successes, trials, limit)
        assert tails.above == pytest.approx(binom.sf(successes - 1, trials, limit))
        assert tails.below == pytest.approx(binom.cdf(successes, trials, limit))
        theirs = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
        ours = wilson(successes, trials)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    most = max((k for k in range(trials + 1) if binom.cdf(k, trials, limit) <= 0.05), default=-1)
    share = beta.ppf(0.2, most + 1, trials - most) if most >= 0 else 0.0
    assert detectable_share(limit, trials, alpha=0.05) == pytest.approx(share)
