"""MMMU and MMMU-Pro: reads a user's copy of their published parquet files.

A row of MMMU is a question with pictures. The markers ``<image 1>`` to ``<image 7>`` show where
they belong, in the question or in a choice::

    {"id": "validation_Art_1", "question": "Look at <image 1>. Who …?", "options": "['…', '…']",
     "answer": "B", "question_type": "multiple-choice", "image_1": {"bytes": …, "path": …}, …}

It is asked as text and picture. A row of MMMU-Pro's `vision` set has a single `image` that shows
the question with its choices; it is asked as a picture only.

Source of the fields: the datasets MMMU/MMMU and MMMU/MMMU_Pro.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_crossmath.tasks.datasets.pairing import Row, paired
from pytest_crossmath.tasks.datasets.tables import (
    Record,
    Store,
    dataset_files,
    read_rows,
)
from pytest_crossmath.tasks.questions.markers import MarkerError, interleaved
from pytest_crossmath.tasks.questions.question import LETTERS, Kind, with_choices
from pytest_crossmath.tasks.questions.values import is_number
from pytest_crossmath.tasks.task import Form, ImagePart, Modality, Part, Task
from pytest_crossmath.text import excerpt

_IMAGES = tuple(f"image_{number}" for number in range(1, 8))
_COLUMNS = (
    "id", "question", "options", "answer", "question_type", "subject", "image", *_IMAGES,
)  # fmt: skip
_TYPES = ("multiple-choice", "open")
_LONGEST = 100_000
"""Maximum length of a list of choices, in characters."""
_SPLITS = ("validation", "test")
_SUBJECT = re.compile(r"[a-z]+_(\w+?)_\d+")


def load(path: Path, root: Path) -> tuple[Task, ...]:
    """Load the questions of a file, or of a folder's validation split, else of its test split.

    Raises `SuiteError` with file, row and field if anything is wrong.
    """
    files = dataset_files(
        "mmmu", path, _first_split,
        takes="a parquet file, or a folder of them", holds="validation-*.parquet or test-*.parquet",
    )  # fmt: skip
    return paired(row for file in files for row in _rows(file, Store(root)))


def _first_split(files: list[Path]) -> list[Path]:
    by_split = ([file for file in files if file.name.startswith(split)] for split in _SPLITS)
    return next((found for found in by_split if found), [])


def _rows(file: Path, store: Store) -> Iterator[Row]:
    for record in read_rows(file, _COLUMNS):
        id = record.id("id", record.value("id"))
        choices = _options(record)
        kind, key, accepted = _answer(record, choices)
        in_picture = record.fields.get("image") is not None and "question" not in record.fields
        parts: tuple[Part, ...]
        if in_picture:
            modality = Modality.IMAGE
            parts = (ImagePart(record.picture("image", store, [file.parent])),)
        else:
            modality = Modality.IMAGE_TEXT
            parts = _parts(record, choices, store, file.parent)
        yield Row(
            id, Form(modality), parts, kind, key, record.origin, accepted, choices,
            _subject(record, id),
        )  # fmt: skip


def _parts(
    record: Record, choices: tuple[str, ...], store: Store, folder: Path
) -> tuple[Part, ...]:
    text = with_choices(record.text("question"), choices)
    there = [name for name in _IMAGES if record.fields.get(name) is not None]
    images = {int(name[-1]): record.picture(name, store, [folder]) for name in there}
    if not images:
        raise record.error("the field 'image_1' holds no picture")
    try:
        return interleaved(text, images)
    except MarkerError as error:
        raise record.error(f"the field 'question' or 'options' {error}") from None


def _options(record: Record) -> tuple[str, ...]:
    """The choices, given as a list or the text of a Python list; empty for an open question."""
    value = record.fields.get("options")
    if isinstance(value, str):
        if not value.strip():
            return ()
        value = _literal(value) if len(value) <= _LONGEST else None
    if value is None and "options" not in record.fields:
        return ()
    if not isinstance(value, list) or len(value) > len(LETTERS):
        raise record.error("the field 'options' must be a list of at most 26 strings")
    return tuple(" ".join(str(one).split()) for one in value)


def _answer(record: Record, choices: tuple[str, ...]) -> tuple[Kind, str, tuple[str, ...]]:
    answer = record.text("answer").strip()
    if answer in {"?", ""}:
        raise record.error(
            "the field 'answer' holds no answer: use the validation split, which has answers"
        )
    kind = record.fields.get("question_type") or _TYPES[0]
    if kind not in _TYPES:
        raise record.error(
            f"the field 'question_type' must be {' or '.join(_TYPES)}, not {excerpt(kind, 40)}"
        )
    if kind == _TYPES[0]:
        known = LETTERS[: len(choices)]
        if not choices or len(answer) != 1 or answer not in known:
            raise record.error(
                f"the field 'answer' must be the letter of one of the {len(choices)} choices, not"
                f" {answer[:40]!r}"
            )
        return Kind.CHOICE, answer, ()
    found = _literal(answer) if answer.startswith("[") else None
    if found == []:
        raise record.error("the field 'answer' holds no answer: its list is empty")
    several = [str(one) for one in found] if isinstance(found, list) else [answer]
    key, *accepted = (" ".join(one.split()) for one in several)
    if not all(one and one.isprintable() for one in (key, *accepted)):
        raise record.error("the field 'answer' is empty or holds control characters")
    return (Kind.NUMBER if is_number(key) else Kind.TEXT), key, tuple(accepted)


def _literal(text: str) -> Any:
    """The value of a Python literal; None if the text is not one."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _subject(record: Record, id: str) -> str:
    subject = record.fields.get("subject")
    if isinstance(subject, str):
        return subject
    named = _SUBJECT.fullmatch(id)
    return named[1] if named else ""
