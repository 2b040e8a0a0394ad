"""Pairing: rows that show the same question in several forms become one task.

Rows with the same id belong together if they also have the same answer. If a dataset gives two
answers to what it calls one problem, the rows with the second answer become a separate question,
so that no row is scored by the answer to another.
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
    """File and row, for messages."""
    accepted: tuple[str, ...] = ()
    """Other correct answers."""
    choices: tuple[str, ...] = ()
    """Texts of the choices, if the row has them."""
    difficulty: str = ""
    """The subject, for datasets that do not grade difficulty."""


@dataclass(slots=True)
class _Gathered:
    first: Row
    id: str
    forms: dict[Form, tuple[Part, ...]] = field(default_factory=dict)
    origins: dict[Form, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()


def paired(rows: Iterable[Row]) -> tuple[Task, ...]:
    """Group rows into questions, in the order of their first rows.

    Raises `SuiteError` if two rows show the same question in the same form.
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
                f"{row.origin}: {row.id} as {row.form} appears twice, first in"
                f" {gathered.origins[row.form]}"
            )
        gathered.forms[row.form] = row.parts
        gathered.origins[row.form] = row.origin
        gathered.choices = gathered.choices or row.choices
    return tuple(_question(one) for one in found.values())


def text_parts(text: str) -> tuple[Part, ...]:
    """A text as parts; none if it is empty."""
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
