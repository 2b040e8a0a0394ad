"""Results of proving a task: readings of pictures, solutions, defects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reading:
    """What a picture shows, read from its pixels alone."""

    content: Any
    """The content, with a best guess where there is doubt; None if nothing was found."""
    doubts: tuple[Any, ...] = ()
    """What is uncertain; `str` of each describes it. Empty if all was read with certainty."""

    @property
    def certain(self) -> Any:
        """The content if none of it is in doubt, else None."""
        return None if self.doubts else self.content


@dataclass(frozen=True, slots=True)
class Solution:
    """What an exact solver finds."""

    values: tuple[str, ...]
    """The values, in the order in which they must be answered."""
    steps: tuple[int, ...]
    """For each value the round of deduction that yields it, from 1."""
    is_unique: bool = True
    """Whether there is no other solution."""


@dataclass(frozen=True, slots=True)
class Defect:
    """Something wrong with a suite."""

    id: str
    """Id of the problem."""
    kind: str
    """The kind of defect, in one or two words."""
    where: str
    """The equation, cell, picture or field."""
    detail: str
    """What is wrong, for people to read."""

    def __str__(self) -> str:
        return f"{self.id}: {self.kind}: {self.where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A picture that could not be read with certainty: neither proved nor refuted."""

    id: str
    """Id of the problem."""
    style: str
    """The picture's style."""
    detail: str
    """What is unclear."""
