r"""MathVerse: reads a user's copy of its published `testmini` files, in JSON or parquet.

A row is one version of a problem::

    {"sample_index": "4", "problem_index": "1", "problem_version": "Vision Dominant",
     "question": "Find x.", "image": "images_version_5/image_1.png", "answer": "12",
     "question_type": "free-form", "metadata": {"subject": "Plane Geometry", …}, …}

All rows with the same `problem_index` are one question. `Text Only` is its text, `Vision Only`
its picture without any text, and the other four versions are text and picture in four styles.

Source of the fields: https://github.com/ZrrSkywalker/MathVerse and the dataset AI4Math/MathVerse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pytest_crossmath.tasks.datasets.pairing import Row, paired, picture_first, text_parts
from pytest_crossmath.tasks.datasets.tables import (
    Record,
    Store,
    dataset_files,
    read_rows,
)
from pytest_crossmath.tasks.questions.choices import named_letters
from pytest_crossmath.tasks.questions.question import LETTERS, Kind
from pytest_crossmath.tasks.questions.values import is_number
from pytest_crossmath.tasks.task import Form, ImagePart, Modality, Part, Task
from pytest_crossmath.text import excerpt

VERSIONS: dict[str, Form] = {
    "Text Only": Form(Modality.TEXT),
    "Text Dominant": Form(Modality.IMAGE_TEXT, "text-dominant"),
    "Text Lite": Form(Modality.IMAGE_TEXT, "text-lite"),
    "Vision Intensive": Form(Modality.IMAGE_TEXT, "vision-intensive"),
    "Vision Dominant": Form(Modality.IMAGE_TEXT, "vision-dominant"),
    "Vision Only": Form(Modality.IMAGE),
}
"""The form that corresponds to each version."""

_COLUMNS = (
    "problem_index", "problem_version", "question", "question_for_eval", "image", "answer",
    "question_type", "metadata",
)  # fmt: skip
_CHOICE_TYPE = "multi-choice"
_TYPES = (_CHOICE_TYPE, "free-form")
_HEADING = re.compile(r"Choices?:")
_CHOICE = re.compile(r"^\(?([A-Z])\)?\s?[:.]\s?(.*)$", re.MULTILINE)


def load(path: Path, root: Path) -> tuple[Task, ...]:
    """Load the questions of a file, or of all `testmini` files in a folder.

    Raises `SuiteError` with file, row and field if anything is wrong.
    """
    files = dataset_files(
        "mathverse",
        path,
        lambda below: [file for file in below if "testmini" in str(file.relative_to(path))],
        takes="testmini.json, testmini.parquet, or a folder with them",
        holds="testmini*.json or .parquet",
    )
    return paired(row for file in files for row in _rows(file, Store(root)))


def _rows(file: Path, store: Store) -> Iterator[Row]:
    folders = [file.parent / "images", file.parent]
    for record in read_rows(file, _COLUMNS):
        version = record.text("problem_version")
        if version not in VERSIONS:
            raise record.error(
                f"the field 'problem_version' must be one of {', '.join(VERSIONS)}, not"
                f" {version[:40]!r}"
            )
        form = VERSIONS[version]
        question = record.text("question")
        listed = record.fields.get("question_for_eval")
        choices = _choices(listed if isinstance(listed, str) else question)
        kind, key = _answer(record, choices)
        yield Row(
            _id(record), form, _parts(record, form, question, store, folders), kind, key,
            record.origin, choices=choices if _are_whole(choices, kind, key) else (),
            difficulty=_subject(record),
        )  # fmt: skip


def _id(record: Record) -> str:
    index = record.value("problem_index")
    if not isinstance(index, str | int) or isinstance(index, bool) or index == "":
        raise record.error(f"the field 'problem_index' must be a string, not {excerpt(index, 40)}")
    return record.id("problem_index", f"mathverse-{index}")


def _parts(
    record: Record, form: Form, question: str, store: Store, folders: list[Path]
) -> tuple[Part, ...]:
    modality = form.modality
    if modality.shows_text and not question.strip():
        raise record.error("the field 'question' is empty")
    if not modality.shows_image:
        return text_parts(question)
    image = ImagePart(record.picture("image", store, folders))
    return picture_first(image, "" if modality is Modality.IMAGE else question)


def _answer(record: Record, choices: tuple[str, ...]) -> tuple[Kind, str]:
    """Kind and key; the key of a choice is always letters, even if the answer is its text."""
    kind = record.text("question_type")
    key = " ".join(record.text("answer").split())
    if kind not in _TYPES:
        raise record.error(
            f"the field 'question_type' must be {' or '.join(_TYPES)}, not {kind[:40]!r}"
        )
    if not key or not key.isprintable():
        raise record.error("the field 'answer' is empty or holds control characters")
    if kind == _CHOICE_TYPE:
        by_text = [letter for letter, text in zip(LETTERS, choices, strict=False) if text == key]
        letters = sorted(named_letters(key.upper())) or by_text
        if not letters:
            raise record.error(
                f"the field 'answer' must be a letter or the text of a choice, not {key[:40]!r}"
            )
        return Kind.CHOICE, ", ".join(letters)
    return (Kind.NUMBER if is_number(key) else Kind.TEXT), key


def _choices(question: str) -> tuple[str, ...]:
    """The texts of the choices listed below a question, if they run from A without a gap."""
    parts = _HEADING.split(question, maxsplit=1)
    found = _CHOICE.findall(parts[1]) if len(parts) > 1 else []
    letters = "".join(letter for letter, _ in found)
    in_order = letters and LETTERS.startswith(letters)
    return tuple(" ".join(text.split()) for _, text in found) if in_order else ()


def _are_whole(choices: tuple[str, ...], kind: Kind, key: str) -> bool:
    """Whether these are all choices: they are not if the right letter is not among them."""
    return kind is Kind.CHOICE and named_letters(key) <= set(LETTERS[: len(choices)])


def _subject(record: Record) -> str:
    metadata = record.fields.get("metadata")
    subject = metadata.get("subject") if isinstance(metadata, dict) else None
    return subject if isinstance(subject, str) else ""
