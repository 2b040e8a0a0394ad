"""From results to one figure a problem: the unit of every test and interval.

A problem's samples and image styles are no independent evidence, so they are pooled:
its rate in a form is the fraction of them that were solved. Samples without a
measurement, because the backend failed or nobody asked yet, may be either: they are
counted as `unknown`, and what is said must hold however they would have come out.
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
"""Outcomes that are scored as missed, though the model might have known the answer."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One problem in one form."""

    solved: int = 0
    """Samples that were solved."""
    asked: int = 0
    """Samples that were asked, or will be."""
    unknown: int = 0
    """Those of them without a measurement."""

    @property
    def rate(self) -> float:
        """Solved fraction of the samples measured, 0 to 1."""
        return self.solved / (self.asked - self.unknown)

    def settled(self, *, solved: bool) -> Tally:
        """As if every sample without a measurement had been solved, or missed."""
        return Tally(self.solved + self.unknown * solved, self.asked)


Tallies = Mapping[str, Tally]
"""Problem id to its tally, in the order of the results."""


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
    """The rate of every problem of which at least one sample was measured."""
    return {problem: t.rate for problem, t in tallies.items() if t.asked > t.unknown}


def settled(tallies: Tallies, *, solved: bool) -> Tallies:
    """All samples without a measurement counted as solved, or as missed."""
    return {problem: t.settled(solved=solved) for problem, t in tallies.items()}
