"""Questions: tasks that are no grids, with one answer each, in the forms in which they are shown.

>>> from pytest_crossmath.tasks.task import Form, TextPart
>>> shown = {Form.parse("text"): (TextPart("How many sides has a hexagon?"),)}
>>> question = Question("q1", Kind.NUMBER, shown, key=("6",))
>>> [str(form) for form in question.forms]
['text']

A `Question` has all that the rest of the package wants of a task: `id`, `key`, `steps`,
`difficulty`, `origin`, `forms` and `pictures`. So has a `Problem`, which is a grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pytest_crossmath.tasks.crossmath.grid import Problem
from pytest_crossmath.tasks.task import Form, ImagePart, Part

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
    forms: Mapping[Form, tuple[Part, ...]] = field(hash=False)
    """What the user message holds in each form, in the order in which it is shown."""
    key: tuple[str, ...]
    """The right answer: one text; of a choice its letter."""
    accepted: tuple[str, ...] = ()
    """Other answers that count as right."""
    choices: tuple[str, ...] = ()
    """The texts of the choices; empty where only a picture has them."""
    difficulty: str = ""
    """What reports and marks name beside it, such as a subject."""
    origin: str = ""
    """Where it was read."""

    @property
    def steps(self) -> tuple[int, ...]:
        """The step of its one blank: 0, as there are no rounds of deduction."""
        return (0,)

    @property
    def letters(self) -> str:
        """The letters that an answer can be; without known choices ten of them."""
        return LETTERS[: len(self.choices) or 10]

    def pictures(self, form: Form) -> tuple[Path, ...]:
        """The pictures of one form, in their order."""
        return tuple(part.path for part in self.forms[form] if isinstance(part, ImagePart))


Task = Problem | Question
"""What a model is asked."""
