"""Intervals for accuracies and gaps, 95 %.

>>> wilson(97, 100)
Interval(low=0.915..., high=0.989...)
>>> gap_interval([0.0] * 200)  # never a difference, yet not proof of none
Interval(low=-0.013..., high=0.013...)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean

_CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    """Lower end."""
    high: float
    """Upper end."""


def wilson(successes: int, trials: int) -> Interval:
    """Wilson's score interval for a proportion, 0 to 1.

    Source: Wilson (1927), J. Am. Stat. Assoc. 22; `scipy.stats.binomtest`.
    """
    from scipy.stats import binomtest

    found = binomtest(successes, trials).proportion_ci(_CONFIDENCE, method="wilson")
    return Interval(float(found.low), float(found.high))


def rate_interval(rates: Sequence[float]) -> Interval:
    """Interval for a mean of rates, 0 to 1, each the solved fraction of one problem's samples.

    Samples of one problem are no independent evidence, so the problem is the unit.
    Where rates are 0 or 1 this is the interval of Agresti and Coull (1998), Am. Stat. 52.
    """
    return _adjusted(rates, pseudo=(0.0, 0.0, 1.0, 1.0), bounds=(0.0, 1.0))


def gap_interval(differences: Sequence[float]) -> Interval:
    """Interval for a mean of paired differences, -1 to 1, each of one problem.

    Where differences are -1, 0 or 1 this is the adjusted Wald interval of Bonett
    and Price (2012), Br. J. Math. Stat. Psychol. 65. A bootstrap would shrink to
    a point where no difference was seen, however few problems were asked.
    """
    return _adjusted(differences, pseudo=(-1.0, 1.0), bounds=(-1.0, 1.0))


def _adjusted(
    values: Sequence[float], *, pseudo: Sequence[float], bounds: tuple[float, float]
) -> Interval:
    """Normal interval for a mean after adding pseudo-observations at the bounds."""
    padded = [*values, *pseudo]
    mean = fmean(padded)
    variance = fmean((value - mean) ** 2 for value in padded)
    margin = _Z * sqrt(variance / len(padded))
    return Interval(max(bounds[0], mean - margin), min(bounds[1], mean + margin))
