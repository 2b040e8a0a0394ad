"""What is found when a task is proved: readings of pictures, solutions, defects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reading:
    """What a picture shows, read from its pixels alone."""

    content: Any
    """The content, with the best guess where there is doubt; None where nothing was found."""
    doubts: tuple[Any, ...] = ()
    """What is not certain, each of which says so as a text. Empty for one that was read whole."""

    @property
    def certain(self) -> Any:
        """The content, if nothing of it is in doubt; else None."""
        return None if self.doubts else self.content


@dataclass(frozen=True, slots=True)
class Solution:
    """What a solver finds, exactly."""

    values: tuple[str, ...]
    """The values, in the order in which they are to be answered."""
    steps: tuple[int, ...]
    """For each value the round of deduction that gives it, from 1."""
    is_unique: bool = True
    """Whether there is no other solution."""


@dataclass(frozen=True, slots=True)
class Defect:
    """Something wrong with a suite."""

    id: str
    """The problem."""
    kind: str
    """What sort of defect, one word or two."""
    where: str
    """The equation, cell, picture or field."""
    detail: str
    """What is wrong, for a person."""

    def __str__(self) -> str:
        return f"{self.id}: {self.kind}: {self.where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A picture that could not be read with certainty: neither proved nor refuted."""

    id: str
    """The problem."""
    style: str
    """The picture's style."""
    detail: str
    """What is unclear."""
