"""Questions: tasks with a single answer, whose forms are given rather than derived.

>>> from pytest_crossmath.tasks.task import Form, TextPart
>>> shown = {Form.parse("text"): (TextPart("How many sides has a hexagon?"),)}
>>> question = question_task("q1", Kind.NUMBER, shown, "6")
>>> question.target, [str(form) for form in question.forms]
(('6',), ['text'])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pytest_crossmath.tasks.task import Form, Part, Task

FAMILY_NAME = "question"
"""The family's name in suite files and run records."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The names of choices, in order."""


class Kind(StrEnum):
    """The kind of an answer, which determines how it is read and compared."""

    CHOICE = "choice"
    """The letter of one of several choices."""
    NUMBER = "number"
    """A number, compared as one."""
    TEXT = "text"
    """Anything else, compared as normalised text."""


@dataclass(frozen=True, slots=True)
class Question:
    """The content of a question's task: everything except what its forms show."""

    kind: Kind
    """The kind of its answer."""
    accepted: tuple[str, ...]
    """The answers that count as right: the target first, then others."""
    choices: tuple[str, ...] = ()
    """The texts of the choices; empty if only a picture shows them."""

    @property
    def letters(self) -> str:
        """The letters that an answer may be; ten of them if the choices are not known."""
        return LETTERS[: len(self.choices) or 10]


def question_task(
    id: str,
    kind: Kind,
    forms: Mapping[Form, tuple[Part, ...]],
    key: str,
    accepted: tuple[str, ...] = (),
    choices: tuple[str, ...] = (),
    subject: str = "",
    origin: str = "",
) -> Task:
    """Make a question into a task with a single value, whose step is 0.

    `key` is the right answer, for a choice its letter; `accepted` are others that count as right.
    """
    content = Question(kind, (key, *accepted), choices)
    return Task(id, FAMILY_NAME, content, (key,), (0,), subject, forms, origin)


def with_choices(text: str, choices: Iterable[str]) -> str:
    """A question's text with its choices listed below by letter."""
    listed = (f"({letter}) {one}" for letter, one in zip(LETTERS, choices, strict=False))
    return "\n\n".join(filter(None, (text.strip(), "\n".join(listed))))
