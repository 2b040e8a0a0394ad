"""Scores: the outcome of one response.

A `Score` is a family's judgement of one response. `scoring` computes it, and the published
metrics over many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    """It ended its turn."""
    LENGTH = "length"
    """It reached the limit of new tokens."""
    REFUSED = "refused"
    """The backend reports that it declined or was filtered."""


class Outcome(StrEnum):
    """The outcome of one request."""

    SOLVED = "solved"
    """Every blank is right."""
    MISSED = "missed"
    """There is an answer, but some blank is wrong."""
    UNPARSED = "unparsed"
    """The response contains no readable answer."""
    TRUNCATED = "truncated"
    """The limit of new tokens was reached before an answer."""
    REFUSED = "refused"
    """The model or its server declined."""
    ERROR = "error"
    """The backend failed. This is not a measurement and is not counted."""
    PENDING = "pending"
    """It has not been asked yet. Never in a run record."""


def contradiction(
    outcome: Outcome,
    answer: Sequence[str] | None,
    target: Sequence[str],
    right: Sequence[bool],
) -> str | None:
    """Why an outcome does not follow from an answer and what is right in it; None if it does.

    >>> contradiction(Outcome.MISSED, ["5"], ["5"], [True])
    'it is missed, but every value is right'
    """
    solves = all(right) and answer is not None and len(answer) == len(target)
    if outcome is Outcome.SOLVED:
        return None if solves else "it is solved, but not every value is right"
    if outcome is Outcome.MISSED:
        if answer is None:
            return "it is missed, but there is no answer"
        if solves or tuple(answer) == tuple(target):
            return "it is missed, but every value is right"
        return None
    if answer is not None or any(right):
        return f"it is {outcome.value}, but there is an answer"
    return None


@dataclass(frozen=True, slots=True)
class Score:
    """One scored response."""

    outcome: Outcome
    """Never `Outcome.ERROR` or `Outcome.PENDING`: without a response there is no score."""
    answer: tuple[str, ...] | None
    """The values that were read, in the order given; None if there is no answer."""
    target: tuple[str, ...]
    """The right values."""
    right: tuple[bool, ...]
    """For each of them, whether the answer is correct."""
    steps: tuple[int, ...]
    """For each of them, its step; 0 for a question's value."""
    reason: str
    """The outcome as a short phrase."""

    @property
    def key(self) -> tuple[str, ...]:
        """The right values, under the name used in suite files and fixtures."""
        return self.target
