"""Scores: the outcome of one response.

A `Score` is a family's judgement of one response. `scoring` computes it, and the published
metrics over many.
"""

from __future__ import annotations

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
