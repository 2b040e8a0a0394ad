"""Questions: tasks that are no grids, with one answer each, in the forms in which they are shown.

>>> from pytest_crossmath.tasks.task import Modality, TextPart
>>> shown = {(Modality.TEXT, None): (TextPart("How many sides has a hexagon?"),)}
>>> question = Question("q1", Kind.NUMBER, shown, key=("6",))
>>> question.shapes
((<Modality.TEXT: 'text'>, None),)

A `Question` has all that the rest of the package wants of a task: `id`, `key`, `steps`,
`difficulty`, `origin`, `shapes` and `pictures`. So has a `Problem`, which is a grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pytest_crossmath.tasks.crossmath.grid import Problem
from pytest_crossmath.tasks.task import ImagePart, Part, Shape

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What choices are called, in their order."""


class Kind(StrEnum):
    """What an answer is, and so how it is read and compared."""

    CHOICE = "choice"
    """The letter of one of several choices."""
    NUMBER = "number"
    """A number, compared as one."""
    TEXT = "text"
    """Anything else, compared as normalised text."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its right answer: one task of a suite."""

    id: str
    """Unique in its suite, and part of the test id."""
    kind: Kind
    """What its answer is."""
    forms: Mapping[Shape, tuple[Part, ...]] = field(hash=False)
    """What the user message holds in each form, in the order in which it is shown."""
    key: tuple[str, ...]
    """The right answer: one text; of a choice its letter."""
    accepted: tuple[str, ...] = ()
    """Other answers that count as right."""
    choices: tuple[str, ...] = ()
    """The texts of the choices; empty where only a picture has them."""
    difficulty: str = ""
    """The group that reports and marks name, such as a subject."""
    origin: str = ""
    """Where it was read."""

    @property
    def steps(self) -> tuple[int, ...]:
        """The step of its one blank: 0, as there are no rounds of deduction."""
        return (0,)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The forms in which it can be shown."""
        return tuple(self.forms)

    @property
    def letters(self) -> str:
        """The letters that an answer can be; without known choices ten of them."""
        return LETTERS[: len(self.choices) or 10]

    def pictures(self, shape: Shape) -> tuple[Path, ...]:
        """The pictures of one form, in their order."""
        return tuple(part.path for part in self.forms[shape] if isinstance(part, ImagePart))


Task = Problem | Question
"""What a model is asked."""
