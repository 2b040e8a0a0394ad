"""Our own layout of questions: one JSON object per line, recognised by its field ``forms``.

::

    {"id": "q1", "kind": "choice", "choices": ["3", "4"], "answer": "B", "group": "geometry",
     "forms": {"text": "A square has … How many sides?",
               "image": {"images": ["q1.png"]},
               "image+text": {"text": "How many sides has <image 1>?", "images": ["shape.png"]}}}

A form with pictures may have several styles: ``"image": {"styles": {"plain": {…}, "photo": {…}}}``.
Choices are listed below the text in ``text`` and ``image+text``; in ``image`` the picture must
show everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.lines import check_field, check_id, check_style, check_there, picture_in
from pytest_crossmath.tasks.questions.markers import MarkerError, interleaved
from pytest_crossmath.tasks.questions.question import LETTERS, Kind, question_task, with_choices
from pytest_crossmath.tasks.questions.values import LONGEST, is_number, same_choice
from pytest_crossmath.tasks.task import Form, Modality, Part, Task
from pytest_crossmath.text import excerpt

_FIELDS = ("id", "kind", "answer", "forms")


def parse_question(record: Mapping[str, Any], file: Path, origin: str) -> Task:
    """The question on one line. Raises `SuiteError` with the field; the caller adds the line."""
    check_there(record, *_FIELDS)
    check_field(record["kind"] in list(Kind), "kind", ", ".join(Kind), record["kind"])
    kind = Kind(record["kind"])
    choices = _texts(record, "choices")
    fits = 2 <= len(choices) <= len(LETTERS) if kind is Kind.CHOICE else not choices
    check_field(fits, "choices", "from 2 to 26 strings for a choice, else left out", choices)
    distinct = all(choice.strip() for choice in choices) and len(set(choices)) == len(choices)
    check_field(distinct, "choices", "distinct strings, none of them empty", choices)
    for one, other in combinations(choices, 2):
        check_field(
            not same_choice(one, other), "choices", "answers that can be told apart", [one, other]
        )
    accepted = record.get("accepted", [])
    if not isinstance(accepted, list):
        raise _wrong("accepted", "a list of answers", accepted)
    group = record.get("group", "")
    check_field(isinstance(group, str), "group", "a string", group)
    return question_task(
        check_id("id", record["id"]), kind, dict(_forms(record["forms"], choices, file.parent)),
        _answer(record["answer"], "answer", kind, choices),
        tuple(_answer(one, "accepted", kind, choices) for one in accepted),
        choices, group, origin,
    )  # fmt: skip


def _answer(value: object, field: str, kind: Kind, choices: tuple[str, ...]) -> str:
    is_plain_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = " ".join(str(value).split()) if isinstance(value, str) or is_plain_number else ""
    fits = 0 < len(text) <= LONGEST and text.isprintable()
    check_field(fits, field, f"a string of at most {LONGEST} characters, or a number", value)
    if kind is Kind.CHOICE:
        known = LETTERS[: len(choices)]
        check_field(
            len(text) == 1 and text in known, field, f"a letter from A to {known[-1]}", value
        )
    if kind is Kind.NUMBER:
        check_field(is_number(text), field, "a number, because the kind is number", value)
    return text


def _forms(
    forms: object, choices: tuple[str, ...], folder: Path
) -> Iterator[tuple[Form, tuple[Part, ...]]]:
    wanted = f"an object with some of {', '.join(Modality)}"
    if not isinstance(forms, dict) or not forms:
        raise _wrong("forms", wanted, forms)
    for name, value in forms.items():
        check_field(name in list(Modality), "forms", wanted, name)
        modality = Modality(name)
        if isinstance(value, dict) and "styles" in value and modality.shows_image:
            styles = value["styles"]
            if not isinstance(styles, dict) or not styles:
                raise _wrong(
                    f"forms: {name}: styles", "an object that maps styles to forms", styles
                )
            for style, shown in styles.items():
                check_style(f"forms: {name}: styles", style)
                where = f"forms: {name}: {style}"
                yield Form(modality, style), _parts(shown, where, modality, choices, folder)
        else:
            yield Form(modality), _parts(value, f"forms: {name}", modality, choices, folder)


def _parts(
    value: object, where: str, modality: Modality, choices: tuple[str, ...], folder: Path
) -> tuple[Part, ...]:
    shown = {"text": value} if isinstance(value, str) else value
    if not isinstance(shown, dict) or not set(shown) <= {"text", "images"}:
        raise _wrong(where, "a string, or an object with text and images", value)
    text = shown.get("text", "")
    check_field(isinstance(text, str), where, "an object whose text is a string", text)
    images = _texts(shown, "images", where)
    wants_text, wants_images = modality.shows_text, modality.shows_image
    check_field(bool(text.strip()) or not wants_text, where, "a form with text", value)
    check_field(bool(images) == wants_images, where,
           "a form with images" if wants_images else "a form without images", value)  # fmt: skip
    whole = with_choices(text, choices if wants_text else ())
    paths = {
        number: picture_in(folder, name, f"{where}: images")
        for number, name in enumerate(images, start=1)
    }
    try:
        return interleaved(whole, paths)
    except MarkerError as error:
        raise SuiteError(f"the field {where!r} {error}") from None


def _texts(record: Mapping[str, Any], field: str, where: str = "") -> tuple[str, ...]:
    value = record.get(field, [])
    plain = isinstance(value, list) and all(isinstance(one, str) for one in value)
    check_field(plain, f"{where}: {field}" if where else field, "a list of strings", value)
    return tuple(value)


def _wrong(field: str, wanted: str, got: object) -> SuiteError:
    return SuiteError(f"the field {field!r} must be {wanted}, not {excerpt(got)}")
