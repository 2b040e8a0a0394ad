"""The two layouts of a suite's lines: ours, and that of the published CrossMath files.

A line is known by its fields: ours has ``table``, a published one ``markdown_table``.
There a problem's id is the stem of ``img``, the key and the steps are grids of their
own, and the style is the part of the file's name after ``testset_``.

Source: https://github.com/xuyige/CrossMath (data only; it is not part of this package).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.crossmath.grid import Problem, Puzzle
from pytest_crossmath.tasks.crossmath.table import parse_table
from pytest_crossmath.text import excerpt

DIFFICULTIES = ("easy", "medium", "hard")
_OURS = ("id", "table", "key", "steps", "difficulty", "images")
_PUBLISHED = ("img", "img_blank", "markdown_table", "markdown_answer", "markdown_answer_step",
              "difficulty")  # fmt: skip
_RESERVED = set("[]:/\\")
"""What a test id needs for itself."""
_PUBLISHED_STYLES = {"hr": "original", "hr_beige": "beige"}


def read_object(line: str) -> Mapping[str, Any]:
    """The JSON object on a line. Raises `SuiteError`."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:  # also numbers too long and lists too deep
        raise SuiteError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise SuiteError(f"a problem is a JSON object, not {type(record).__name__}")
    return record


def parse_problem(record: Mapping[str, Any], file: Path, origin: str) -> Problem:
    """The problem that the object on a line is, in either layout.

    Raises `SuiteError` or `GridError` naming the field; the caller adds file and line.
    """
    published = "markdown_table" in record
    for field in _PUBLISHED if published else _OURS:
        if field not in record:
            raise SuiteError(f"the field {field!r} is missing")
    return (_published if published else _ours)(record, file, origin)


def to_json(problem: Problem, images: Mapping[str, str]) -> dict[str, Any]:
    """A problem as a line of our own layout; `images` are paths relative to the file."""
    return {
        "id": problem.id,
        "table": problem.table,
        "key": list(problem.key),
        "steps": list(problem.steps),
        "difficulty": problem.difficulty,
        "equations": [str(equation) for equation in problem.puzzle.equations],
        "images": dict(images),
    }


def _ours(record: Mapping[str, Any], file: Path, origin: str) -> Problem:
    table, key, steps, images = (record[f] for f in ("table", "key", "steps", "images"))
    _check(isinstance(table, str), "table", "a markdown table", table)
    _check(_is_list(key, str), "key", "a list of strings", key)
    _check(_is_list(steps, int), "steps", "a list of whole numbers", steps)
    named = isinstance(images, dict) and _is_list(list(images.values()), str)
    _check(named, "images", "an object of style names and paths", images)
    puzzle = parse_table(table)
    blanks = len(puzzle.blanks)
    _check(blanks > 0, "table", "a table with at least one ?", table)
    for field, value in (("key", key), ("steps", steps)):
        _check(len(value) == blanks, field, f"as long as the table has blanks ({blanks})", value)
    return Problem(
        check_id("id", record["id"]), table, puzzle, tuple(key), tuple(steps), _difficulty(record),
        {style: file.parent / relative for style, relative in images.items()}, origin,
    )  # fmt: skip


def _published(record: Mapping[str, Any], file: Path, origin: str) -> Problem:
    for field in _PUBLISHED:
        _check(isinstance(record[field], str), field, "a text", record[field])
    table = record["markdown_table"]
    puzzle = parse_table(table)
    _check(bool(puzzle.blanks), "markdown_table", "a table with at least one ?", table)
    key = _at_blanks("markdown_answer", record, puzzle)
    steps = [
        re.fullmatch(r"step(\d{1,4})", s)
        for s in _at_blanks("markdown_answer_step", record, puzzle)
    ]
    _check(all(steps), "markdown_answer_step", "step1, step2, … at every blank", steps)
    style = file.stem.removeprefix("testset_")
    return Problem(
        check_id("img", PurePosixPath(record["img"]).stem), table, puzzle, key,
        tuple(int(step[1]) for step in steps if step), _difficulty(record),
        {_PUBLISHED_STYLES.get(style, style): file.parent / record["img_blank"]}, origin,
    )  # fmt: skip


def _at_blanks(field: str, record: Mapping[str, Any], puzzle: Puzzle) -> tuple[str, ...]:
    """What a grid of the same size has where the table has blanks."""
    grid = parse_table(record[field])
    same = (grid.height, grid.width) == (puzzle.height, puzzle.width)
    filled = tuple(position for position, cell in grid.cells() if cell.text)
    _check(
        same and filled == puzzle.blanks, field,
        "a grid of the table's size with a value at every ? and nowhere else", record[field],
    )  # fmt: skip
    return tuple(grid[position].text for position in puzzle.blanks)


def check_id(field: str, value: object) -> str:
    """The value, if it can be part of a test id. Raises `SuiteError` that names the field."""
    fine = isinstance(value, str) and re.fullmatch(r"[!-~]+", value) and not set(value) & _RESERVED
    _check(
        fine,
        field,
        "a non-empty text without spaces, brackets, colons and slashes, all ASCII",
        value,
    )
    return str(value)


def _difficulty(record: Mapping[str, Any]) -> str:
    value = record["difficulty"]
    _check(value in DIFFICULTIES, "difficulty", " or ".join(DIFFICULTIES), value)
    return str(value)


def _check(fine: object, field: str, wanted: str, got: object) -> None:
    if not fine:
        raise SuiteError(f"the field {field!r} must be {wanted}, not {excerpt(got)}")


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in value)
