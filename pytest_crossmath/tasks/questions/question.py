"""Questions: tasks with one answer each, whose forms are given and not derived.

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
"""What the family is called in suite files and records."""

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
    """What makes a question, beside what its forms show: the content of its task."""

    kind: Kind
    """What its answer is."""
    accepted: tuple[str, ...]
    """The answers that count as right: the one that is meant, then others."""
    choices: tuple[str, ...] = ()
    """The texts of the choices; empty where only a picture has them."""

    @property
    def letters(self) -> str:
        """The letters that an answer can be; without known choices ten of them."""
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
    """A question as a task: it has one value, and no round of deduction that gives it.

    `key` is the right answer, of a choice its letter; `accepted` are others that count as right.
    """
    content = Question(kind, (key, *accepted), choices)
    return Task(id, FAMILY_NAME, content, (key,), (0,), subject, forms, origin)


def with_choices(text: str, choices: Iterable[str]) -> str:
    """A question's text with its choices below, a letter each."""
    listed = (f"({letter}) {one}" for letter, one in zip(LETTERS, choices, strict=False))
    return "\n\n".join(filter(None, (text.strip(), "\n".join(listed))))
