"""A/A calibration: how much repeated runs of one model differ, and so which drops are noise.

Runs that differ only in batch size, dtype or backend, or not at all, do not give the same
outcomes: rounding occasionally changes a token, and sampling changes many. *Churn* is the
share of problems whose outcome differs between two such runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import NormalDist, fmean

from pytest_crossmath.gating.rates import measured, tally
from pytest_crossmath.inference.result import Result
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.task import Form, Modality

_Z = NormalDist().inv_cdf(0.95)


def are_copies(one: Result, other: Result) -> bool:
    """Whether two results of one request are the same measurement, seen twice.

    A response from the cache, or from a replayed record, keeps the time that it took; two
    inferences never take the same time to the last digit. Texts are compared if both are known.
    """
    return (
        one.seconds == other.seconds > 0
        and (one.outcome, one.answer, one.new_tokens)
        == (other.outcome, other.answer, other.new_tokens)
        and (one.response == other.response or not (one.response and other.response))
    )


def measured_anew(runs: Sequence[Sequence[Result]]) -> list[list[Result]]:
    """The results of each run, without the requests that were not measured anew in every run.

    A response from the cache is left out, too: it is of an earlier run, which may be one of these.
    """
    by_id = [{result.id[1]: result for result in results} for results in runs]
    stale = {
        id
        for one, other in combinations(by_id, 2)
        for id in one.keys() & other.keys()
        if one[id].cached or other[id].cached or are_copies(one[id], other[id])
    }
    return [[result for result in results if result.id[1] not in stale] for results in runs]


def measured_in_all(runs: Sequence[Sequence[Result]]) -> int:
    """How many requests have a measurement in every run."""
    asked = (
        {result.id[1] for result in results if result.outcome is not Outcome.ERROR}
        for results in runs
    )
    return len(set.intersection(*asked))


@dataclass(frozen=True, slots=True)
class Churn:
    """How repeated runs differ in one form."""

    form: Form
    """The form."""
    problems: int
    """Problems measured in every run."""
    churn: float
    """Share of problems whose outcome differs between two runs, averaged over pairs, 0 to 1."""
    widest: float
    """Largest difference in the share solved between two runs, 0 to 1."""
    noise: float
    """The drop in the share solved that chance alone exceeds 1 time in 20, 0 to 1."""


def calibrate(runs: Sequence[Sequence[Result]]) -> tuple[Churn, ...]:
    """The churn between two or more runs of one model over the same requests, by modality.

    Pass only what was `measured_anew`.
    """
    asked = {result.form.modality for result in runs[0]}
    return tuple(_churn(Form(modality), runs) for modality in Modality if modality in asked)


def _churn(form: Form, runs: Sequence[Sequence[Result]]) -> Churn:
    rates = [measured(tally(results, form)) for results in runs]
    common = [problem for problem in rates[0] if all(problem in rate for rate in rates)]
    if not common:
        return Churn(form, 0, 0.0, 0.0, 0.0)
    pairs = list(combinations(rates, 2))
    differs = fmean(fmean(one[p] != other[p] for p in common) for one, other in pairs)
    squares = fmean(fmean((one[p] - other[p]) ** 2 for p in common) for one, other in pairs)
    shares = [fmean(rate[p] for p in common) for rate in rates]
    noise = _Z * sqrt(squares / len(common))
    return Churn(form, len(common), differs, max(shares) - min(shares), noise)
