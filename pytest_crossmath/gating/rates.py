"""Results reduced to one figure per problem: the unit of every test and interval.

A problem's samples and image styles are not independent evidence, so they are pooled:
its rate in a form is the fraction of them that were solved. Samples without a
measurement, because the backend failed or they were not asked yet, could be either: they
are counted as `unknown`, and a verdict must hold whatever they would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pytest_crossmath.inference.result import Result
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.task import Form

UNMEASURED = frozenset({Outcome.ERROR, Outcome.PENDING})
"""Outcomes without a measurement."""

UNSETTLED = frozenset({Outcome.TRUNCATED, Outcome.UNPARSED})
"""Outcomes that count as missed, although the model might have known the answer."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The samples of one problem in one form."""

    solved: int = 0
    """Number of samples solved."""
    asked: int = 0
    """Number of samples asked or still to be asked."""
    unknown: int = 0
    """Number of those without a measurement."""

    @property
    def rate(self) -> float:
        """Fraction of the measured samples that were solved, 0 to 1."""
        return self.solved / (self.asked - self.unknown)

    def settled(self, *, solved: bool) -> Tally:
        """The tally with every sample without a measurement counted as solved, or as missed."""
        return Tally(self.solved + self.unknown * solved, self.asked)


Tallies = Mapping[str, Tally]
"""Tally by problem id, in the order of the results."""


def tally(
    results: Iterable[Result],
    form: Form,
    *,
    solved: Callable[[Result], bool] = lambda result: result.outcome is Outcome.SOLVED,
) -> Tallies:
    """The tallies of one model's results in one form."""
    tallies: dict[str, Tally] = {}
    for result in results:
        if form.holds(result.form):
            before = tallies.get(result.problem, Tally())
            unmeasured = result.outcome in UNMEASURED
            tallies[result.problem] = replace(
                before,
                solved=before.solved + (not unmeasured and solved(result)),
                asked=before.asked + 1,
                unknown=before.unknown + unmeasured,
            )
    return tallies


def measured(tallies: Tallies) -> dict[str, float]:
    """The rate of every problem with at least one measured sample."""
    return {problem: t.rate for problem, t in tallies.items() if t.asked > t.unknown}


def settled(tallies: Tallies, *, solved: bool) -> Tallies:
    """The tallies with all samples without a measurement counted as solved, or as missed."""
    return {problem: t.settled(solved=solved) for problem, t in tallies.items()}
