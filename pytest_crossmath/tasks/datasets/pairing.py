"""Pairing: rows that show one question in several forms become one task.

Rows of one id belong together if they have the same right answer. Where a dataset gives two
answers to what it calls one problem, the rows with the second are a question of their own,
so that nothing is scored by the answer to something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.questions.question import Kind, question_task
from pytest_crossmath.tasks.task import Form, ImagePart, Part, Task, TextPart


@dataclass(frozen=True, slots=True)
class Row:
    """One question in one form."""

    id: str
    """The question's id."""
    form: Form
    """The form."""
    parts: tuple[Part, ...]
    """What is shown."""
    kind: Kind
    """What the answer is."""
    key: str
    """The right answer."""
    origin: str
    """File and row."""
    accepted: tuple[str, ...] = ()
    """Other right answers."""
    choices: tuple[str, ...] = ()
    """Texts of the choices, where the row has them."""
    difficulty: str = ""
    """A subject, where the dataset has no grades."""


@dataclass(slots=True)
class _Gathered:
    first: Row
    id: str
    forms: dict[Form, tuple[Part, ...]] = field(default_factory=dict)
    origins: dict[Form, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()


def paired(rows: Iterable[Row]) -> tuple[Task, ...]:
    """The questions, in the order of their first rows.

    Raises `SuiteError` where two rows show one question in the same form.
    """
    found: dict[tuple[str, Kind, str], _Gathered] = {}
    numbers: dict[str, int] = {}
    for row in rows:
        name = row.id, row.kind, row.key
        if name not in found:
            numbers[row.id] = number = numbers.get(row.id, 0) + 1
            found[name] = _Gathered(row, row.id if number == 1 else f"{row.id}.{number}")
        gathered = found[name]
        if row.form in gathered.forms:
            raise SuiteError(
                f"{row.origin}: {row.id} as {row.form} is there twice, first in"
                f" {gathered.origins[row.form]}"
            )
        gathered.forms[row.form] = row.parts
        gathered.origins[row.form] = row.origin
        gathered.choices = gathered.choices or row.choices
    return tuple(_question(one) for one in found.values())


def text_parts(text: str) -> tuple[Part, ...]:
    """A text as parts: none where it is empty."""
    return (TextPart(text.strip()),) if text.strip() else ()


def picture_first(picture: ImagePart, text: str) -> tuple[Part, ...]:
    """A picture, then the text."""
    return (picture, *text_parts(text))


def _question(gathered: _Gathered) -> Task:
    row = gathered.first
    return question_task(
        gathered.id, row.kind, gathered.forms, row.key, row.accepted, gathered.choices,
        row.difficulty, row.origin,
    )  # fmt: skip
