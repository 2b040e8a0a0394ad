"""What a run says when it ends: one value that the terminal, Markdown and annotations show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_crossmath.gating.comparison import Change
from pytest_crossmath.gating.verdicts import Verdict
from pytest_crossmath.reporting.summary import Split, Summary


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the problems of one model changed since another run."""

    model: str
    """Name of the model."""
    base: str
    """Its name in the other run."""
    changes: Sequence[Change]
    """One for each form."""


@dataclass(frozen=True, slots=True)
class Report:
    """A run that has ended."""

    suite: str
    """Name and size of the suite, and how much of it was asked."""
    decoding: str
    """How responses were decoded."""
    summary: Summary
    """The figures."""
    unsolved: Mapping[str, Mapping[str, Sequence[str]]]
    """For each model and form the problems that were not solved, in the suite's order."""
    splits: Sequence[Split]
    """Why pictures were missed, where that was asked."""
    comparisons: Sequence[Comparison]
    """What changed since the run that this one is compared with."""
    differences: Sequence[str]
    """Settings and versions that were others there."""
    verdicts: Sequence[Verdict]
    """What the gates say."""
    inconclusive_fails: bool
    """Whether a gate that cannot tell fails the run."""
    stopped: Sequence[str]
    """Models that were not asked everything, a line each."""
    snapshots: Sequence[str]
    """What became of outcomes since their snapshot, in lines."""
    seconds: float
    """Wall-clock time of the run."""
    record: str | None
    """Path of the run record; None where nothing was recorded."""
    troubles: Sequence[str]
    """What went wrong with record and cache."""
