"""Intervals for accuracies and gaps.

>>> wilson(97, 100)
Interval(low=0.915..., high=0.989...)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_CONFIDENCE = 0.95
_RESAMPLES = 9_999
_SEED = 2604


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


def bootstrap_mean(values: Sequence[float]) -> Interval:
    """Percentile bootstrap interval for a mean; the same values give the same interval.

    One value stands for one problem, so that resampling keeps what belongs to a
    problem together. Source: Efron and Tibshirani (1993), chapter 13; `scipy.stats.bootstrap`.
    """
    if len(set(values)) == 1:
        # Nothing varies: resampling could only return the value itself.
        return Interval(values[0], values[0])
    from scipy.stats import bootstrap

    found = bootstrap(
        (values,), _mean, confidence_level=_CONFIDENCE, n_resamples=_RESAMPLES,
        method="percentile", rng=_SEED, batch=500,
    ).confidence_interval  # fmt: skip
    return Interval(float(found.low), float(found.high))


def _mean(values: object, axis: int) -> object:
    import numpy as np

    return np.mean(values, axis=axis)  # type: ignore[call-overload]  # scipy passes an array
