"""Scores: what became of one response.

A `Score` is what a family says of a response. `scoring` makes one, and the published metrics
of many.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Finish(StrEnum):
    """Why a model stopped."""

    STOP = "stop"
    """It ended its turn."""
    LENGTH = "length"
    """It ran into the limit of new tokens."""
    REFUSED = "refused"
    """The backend says that it declined or was filtered."""


class Outcome(StrEnum):
    """What became of one request."""

    SOLVED = "solved"
    """Every blank is right."""
    MISSED = "missed"
    """There is an answer, and some blank is wrong."""
    UNPARSED = "unparsed"
    """There is no answer to read."""
    TRUNCATED = "truncated"
    """The limit of new tokens came before an answer."""
    REFUSED = "refused"
    """The model or its server declined."""
    ERROR = "error"
    """The backend failed. This is no measurement and counts nowhere."""
    PENDING = "pending"
    """It was not asked yet. Never in a record."""


@dataclass(frozen=True, slots=True)
class Score:
    """One scored response."""

    outcome: Outcome
    """Neither `Outcome.ERROR` nor `Outcome.PENDING`: what has no response is not scored."""
    answer: tuple[str, ...] | None
    """The values that were read, in the order given; None without an answer."""
    target: tuple[str, ...]
    """The right values."""
    right: tuple[bool, ...]
    """For each of them whether it was answered."""
    steps: tuple[int, ...]
    """For each of them its step; 0 for that of a question."""
    reason: str
    """The outcome in a few words."""

    @property
    def key(self) -> tuple[str, ...]:
        """The right values, under the name that suite files and fixtures have for them."""
        return self.target
