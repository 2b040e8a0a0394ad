"""95 % intervals for accuracies and gaps, and tests against a limit.

>>> wilson(97, 100)
Interval(low=0.915..., high=0.989...)
>>> gap_interval([0.0] * 200)  # no difference seen, which does not prove that there is none
Interval(low=-0.013..., high=0.013...)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean

_CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
RATE_PSEUDO = (0.0, 0.0, 1.0, 1.0)
"""Pseudo-observations for a mean of rates: two successes and two failures."""
GAP_PSEUDO = (-1.0, 1.0)
"""Pseudo-observations for a mean of paired differences: one in each direction."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    """Lower end."""
    high: float
    """Upper end."""

    @property
    def in_points(self) -> str:
        """The interval of a difference, in whole points: ``(+15 to +28)``."""
        # Rounded to integers first, so that zero always has the same sign.
        return f"({round(100 * self.low):+d} to {round(100 * self.high):+d})"

    @property
    def in_percent(self) -> str:
        """The interval of a share, in whole per cent: ``(97-100)``."""
        return f"({100 * self.low:.0f}-{100 * self.high:.0f})"


def wilson(successes: int, trials: int) -> Interval:
    """Wilson's score interval for a proportion, 0 to 1.

    Source: Wilson (1927), J. Am. Stat. Assoc. 22.
    """
    share, z2 = successes / trials, _Z**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) * _Z / (1 + z2 / trials)
    # Rounding must not move an end that is exact.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return Interval(low, 1.0 if successes == trials else min(1.0, centre + half))


def rate_interval(rates: Sequence[float]) -> Interval:
    """Interval for a mean of rates, 0 to 1, each the solved fraction of one problem's samples.

    Samples of one problem are not independent evidence, so the problem is the unit.
    If all rates are 0 or 1, this is the interval of Agresti and Coull (1998), Am. Stat. 52.
    """
    return _adjusted(rates, pseudo=RATE_PSEUDO, bounds=(0.0, 1.0))


def gap_interval(differences: Sequence[float], *, most: float = 1.0) -> Interval:
    """Interval for a mean of paired differences, `-most` to `most`, one per problem.

    If all differences are -1, 0 or 1, this is the adjusted Wald interval of Bonett
    and Price (2012), Br. J. Math. Stat. Psychol. 65. A bootstrap interval would shrink
    to a point if no difference was seen, however few problems were asked.
    """
    return _adjusted(differences, pseudo=GAP_PSEUDO, bounds=(-most, most))


@dataclass(frozen=True, slots=True)
class Tails:
    """One-sided tests of a figure against a limit."""

    above: float
    """p-value of "the figure is at most the limit": small if it is shown to be above."""
    below: float
    """p-value of "the figure is at least the limit": small if it is shown to be below."""


def proportion_tails(successes: int, trials: int, limit: float) -> Tails:
    """Exact binomial tests of a proportion against a limit, 0 to 1.

    Source: Clopper and Pearson (1934), Biometrika 26.
    """
    from scipy.special import bdtr, bdtrc

    # Without `scipy.stats`, which takes three times as long to import.
    above = 1.0 if successes == 0 else float(bdtrc(successes - 1, trials, limit))
    return Tails(above=above, below=float(bdtr(successes, trials, limit)))


def mean_tails(values: Sequence[float], limit: float, *, pseudo: Sequence[float]) -> Tails:
    """Tests of a mean of values, one per problem, against a limit.

    Normal tests that invert the interval with the same `pseudo` observations; see
    `rate_interval` (`RATE_PSEUDO`) and `gap_interval` (`GAP_PSEUDO`).
    """
    mean, error = _adjusted_mean(values, pseudo)
    if error == 0:
        return Tails(float(mean <= limit), float(mean >= limit))
    z = (mean - limit) / error
    return Tails(above=1 - NormalDist().cdf(z), below=NormalDist().cdf(z))


def sign_flip(differences: Sequence[int]) -> float:
    """Exact p-value of "no change": the probability of a sum at least this large.

    Each difference belongs to one problem and is a whole number (such as samples solved
    before minus samples solved now). Under no change, either sign is equally likely. Samples
    of one problem are flipped together, so they count as one piece of evidence. With one
    sample per problem this is McNemar's exact test, one-sided.

    Source: McNemar (1947), Psychometrika 12; Fisher (1935), The Design of Experiments, §21.
    """
    import numpy as np

    sizes = [abs(d) for d in differences if d]
    if not sizes:
        return 1.0
    total, observed = sum(sizes), sum(differences)
    # Probability of each sum of the positive parts, from 0 to `total`.
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for size in sizes:
        shifted = np.zeros_like(chance)
        shifted[size:] = chance[:-size]
        chance = (chance + shifted) / 2
    # sum = 2 · positive - total, so sum >= observed where positive >= (observed + total) / 2.
    return min(1.0, float(chance[(observed + total + 1) // 2 :].sum()))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values corrected for multiple testing.

    Source: Holm (1979), Scandinavian Journal of Statistics 6.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return tuple(adjusted)


def bootstrap_interval(
    values: Sequence[float], *, seed: int = 0, resamples: int = 2_000
) -> Interval:
    """Percentile bootstrap interval for a mean of values, one per problem.

    Whole problems are drawn with replacement, each with all its samples and forms. It shrinks
    to a point if all values are equal, which is why verdicts use `gap_interval`; it serves as
    a second estimate that does not assume a normal distribution.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    import numpy as np

    data = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    means = [data[rng.integers(len(data), size=len(data))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return Interval(float(low), float(high))


def detectable(spread: float, clusters: int, *, alpha: float, power: float = 0.8) -> float:
    """The smallest true change of a mean that a one-sided test detects with the given power.

    `spread` is the standard deviation of one problem's value, 0 to 1 or more. For paired
    outcomes it is the square root of the share of problems whose outcome differs. That share
    is at least the change itself, so the change is found as the solution of an equation.

    Source: Connor (1987), Biometrics 43, for paired proportions.
    """
    z_alpha, z_power = (NormalDist().inv_cdf(p) for p in (1 - alpha, power))
    change = 0.0
    # A change makes outcomes differ, which widens the spread: iterate to the fixed point.
    for _ in range(50):
        share = max(spread**2, change)
        under_change = sqrt(max(share - change**2, 0.0))
        change = min(1.0, (z_alpha * sqrt(share) + z_power * under_change) / sqrt(clusters))
    return change


def detectable_share(limit: float, trials: int, *, alpha: float, power: float = 0.8) -> float:
    """The largest true share, 0 to 1, that the exact test shows to be below a limit at this power.

    0 if not even a share of 0 would be shown to be below.
    """
    from scipy.special import bdtr, betaincinv

    # The most successes that are still few enough to show it.
    most = bisect_right(range(trials + 1), alpha, key=lambda k: float(bdtr(k, trials, limit))) - 1
    # The binomial tail up to `most`, as a function of the share, is a beta tail.
    return float(betaincinv(most + 1, trials - most, 1 - power)) if most >= 0 else 0.0


def _adjusted(
    values: Sequence[float], *, pseudo: Sequence[float], bounds: tuple[float, float]
) -> Interval:
    """Normal interval for a mean after adding pseudo-observations, clipped to the bounds."""
    mean, error = _adjusted_mean(values, pseudo)
    return Interval(max(bounds[0], mean - _Z * error), min(bounds[1], mean + _Z * error))


def _adjusted_mean(values: Sequence[float], pseudo: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error after adding pseudo-observations."""
    padded = [*values, *pseudo]
    mean = fmean(padded)
    variance = fmean((value - mean) ** 2 for value in padded)
    return mean, sqrt(variance / len(padded))
