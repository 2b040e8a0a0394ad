"""Lines of a suite: one JSON object each, and the checks that all families share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.fields import parse_json
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.text import excerpt

DIFFICULTIES = ("easy", "medium", "hard")
_WHOLE = re.compile("0|-?[1-9][0-9]{0,39}")
_STYLE = re.compile("[A-Za-z0-9_.-]+")
_MOST_STEPS = 9999
_RESERVED = set("[]:/\\")
"""Characters with a meaning in test ids."""
_SEPARATORS = re.compile(r"[/\\]")


def read_object(line: str) -> Mapping[str, Any]:
    """The JSON object on a line. Raises `SuiteError`."""
    try:
        record = parse_json(line)
    except ValueError as error:  # also for numbers too long
        raise SuiteError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise SuiteError(f"a problem must be a JSON object, not {type(record).__name__}")
    return record


def check_field(fine: object, field: str, wanted: str, got: object) -> None:
    """Raise a `SuiteError` that names the field unless it is `fine`."""
    if not fine:
        raise SuiteError(f"the field {field!r} must be {wanted}, not {excerpt(got)}")


def check_there(record: Mapping[str, Any], *fields: str) -> None:
    """Raise `SuiteError` for the first field that is missing."""
    for field in fields:
        if field not in record:
            raise SuiteError(f"the field {field!r} is missing")


def check_id(field: str, value: object) -> str:
    """The value, if it can be part of a test id. Raises a `SuiteError` that names the field."""
    fine = isinstance(value, str) and re.fullmatch(r"[!-~]+", value) and not set(value) & _RESERVED
    wanted = "a non-empty ASCII string without spaces, brackets, colons or slashes"
    check_field(fine, field, wanted, value)
    return str(value)


def check_style(field: str, value: object) -> str:
    """The value, if it can name an image style. Raises a `SuiteError` that names the field.

    Forms, gates and perturbations put ``+ : @ # / ,`` around the names of styles.
    """
    fine = isinstance(value, str) and _STYLE.fullmatch(value)
    wanted = "names of letters, digits, _ . and - only"
    check_field(fine, field, wanted, value)
    return str(value)


def checked_difficulty(record: Mapping[str, Any]) -> str:
    """The field `difficulty`. Raises `SuiteError`."""
    value = record["difficulty"]
    check_field(value in DIFFICULTIES, "difficulty", " or ".join(DIFFICULTIES), value)
    return str(value)


def checked_values(record: Mapping[str, Any], count: int | None, whose: str) -> tuple[
    tuple[str, ...], tuple[int, ...]
]:  # fmt: skip
    """The fields `key` and `steps`, with `count` entries each; `whose` says what each is for.

    Without a count they must have the same length, and at least one entry. `key` holds whole
    numbers, each in its one plain spelling. Raises `SuiteError`.
    """
    key, steps = record["key"], record["steps"]
    check_field(is_list(key, str), "key", "a list of strings", key)
    if count is None:
        check_field(key, "key", "a non-empty list of whole numbers as strings", key)
    check_field(is_list(steps, int), "steps", "a list of whole numbers", steps)
    wanted = len(key) if count is None else count
    for field, value in (("key", key), ("steps", steps)):
        check_field(
            len(value) == wanted, field, f"a list with one entry per {whose} ({wanted})", value
        )
    check_key("key", key)
    fine = all(0 <= step <= _MOST_STEPS for step in steps)
    check_field(fine, "steps", f"a list of whole numbers from 0 to {_MOST_STEPS}", steps)
    return tuple(key), tuple(steps)


def check_key(field: str, key: Sequence[str]) -> None:
    """Raise `SuiteError` for the first value that is not a whole number as people write it.

    ``+7``, ``07``, ``7.0`` or ``1,000`` might be meant as a number, but a text that is compared
    with it need not be.
    """
    for value in key:
        wanted = "whole numbers in plain digits, such as '7' or '-12'"
        check_field(_WHOLE.fullmatch(value), field, f"a list of {wanted}", value)


def check_rounds(field: str, steps: Sequence[int]) -> None:
    """Raise `SuiteError` unless the steps are rounds of deduction: from 1, and none left out."""
    rounds = set(steps)
    fine = rounds == set(range(1, len(rounds) + 1))
    check_field(fine, field, "rounds from 1, each of which yields some value", list(steps))


def checked_images(record: Mapping[str, Any], folder: Path) -> dict[str, Picture]:
    """The field `images`: the picture of each style, under `folder`. Raises `SuiteError`."""
    images = record["images"]
    named = isinstance(images, dict) and is_list(list(images.values()), str)
    check_field(named, "images", "an object that maps style names to paths", images)
    for style in images:
        check_style("images", style)
    return {style: picture_in(folder, name, f"images: {style}") for style, name in images.items()}


def picture_in(folder: Path, name: str, field: str) -> Picture:
    """The picture that a field names, relative to `folder`; links are checked at the end.

    Raises `SuiteError` for an absolute path, or one with ``..``.
    """
    parts = _SEPARATORS.split(name)
    is_absolute = len(parts) > 1 and not parts[0]
    fine = not is_absolute and ".." not in parts and ":" not in parts[0] and "\0" not in name
    check_field(fine, field, "a path relative to the file, without ..", name)
    return Picture(folder / name)


def check_inside(pictures: Iterable[Picture], folder: Path, record: Mapping[str, Any]) -> None:
    """Raise `SuiteError` unless all pictures of a line lie in `folder`, links followed."""
    for path in (picture.path for picture in pictures):
        if not _lies_in(folder, path):
            raise SuiteError(
                f"{_field_with(record, path, folder)}the picture {path} lies outside the folder"
                f" {folder}: copy it into that folder"
            )


def _lies_in(folder: Path, path: Path) -> bool:
    try:
        below = path.relative_to(folder).parts
    except ValueError:
        below = ()
    if ".." in below:
        return False
    steps = (folder.joinpath(*below[:count]) for count in range(1, len(below) + 1))
    # Without links, the path says where it leads; looking that up takes several times as long.
    if below and not any(map(os.path.islink, steps)):
        return True
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _field_with(record: Mapping[str, Any], path: Path, folder: Path) -> str:
    """The field of a line that names a picture, in words; empty if that cannot be known."""
    waiting: list[tuple[str, Any]] = [(str(name), value) for name, value in record.items()]
    while waiting:
        field, value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [(f"{field}: {name}", one) for name, one in value.items()]
        elif isinstance(value, list):
            waiting += [(field, one) for one in value]
        elif isinstance(value, str) and value and folder / value == path:
            return f"the field {field!r}: "
    return ""


def is_list(value: object, kind: type) -> bool:
    """Whether a value is a list whose items all have one type."""
    return isinstance(value, list) and all(type(item) is kind for item in value)
