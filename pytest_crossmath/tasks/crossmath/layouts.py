"""The two layouts of suite lines: ours, and that of the published CrossMath files.

A line is recognised by its fields: ours has ``table``, a published one ``markdown_table``.
In the published layout the id is the stem of ``img``, the key and the steps are separate
grids, and the style is the part of the file's name after ``testset_``.

Source: https://github.com/xuyige/CrossMath (data only; it is not part of this package).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_crossmath.tasks.crossmath.grid import Puzzle
from pytest_crossmath.tasks.crossmath.table import parse_table
from pytest_crossmath.tasks.lines import (
    check_field,
    check_id,
    check_key,
    check_rounds,
    check_style,
    check_there,
    checked_difficulty,
    checked_images,
    checked_values,
    picture_in,
)
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.task import Task

_OURS = ("id", "table", "key", "steps", "difficulty", "images")
_PUBLISHED = ("img", "img_blank", "markdown_table", "markdown_answer", "markdown_answer_step",
              "difficulty")  # fmt: skip
_PUBLISHED_STYLES = {"hr": "original", "hr_beige": "beige"}


@dataclass(frozen=True, slots=True)
class Line:
    """The content of a line."""

    id: str
    """Id of the problem."""
    table: str
    """The markdown table, exactly as it is shown to a model."""
    puzzle: Puzzle
    """The puzzle parsed from `table`."""
    key: tuple[str, ...]
    """The right values in the reading order of the blanks."""
    steps: tuple[int, ...]
    """For each blank, the round of forward propagation that fills it (from 1)."""
    difficulty: str
    """``easy``, ``medium`` or ``hard``."""
    images: Mapping[str, Picture]
    """The picture in each style."""


def parse_line(record: Mapping[str, Any], file: Path) -> Line:
    """Parse the object on a line, in either layout.

    Raises a `SuiteError` that names the field, or a `GridError`; the caller adds file and line.
    """
    published = "markdown_table" in record
    check_there(record, *(_PUBLISHED if published else _OURS))
    return (_published if published else _ours)(record, file)


def to_json(task: Task, images: Mapping[str, str]) -> dict[str, Any]:
    """A task as a line in our own layout; `images` are paths relative to the file."""
    return {
        "id": task.id,
        "table": task.text,
        "key": list(task.target),
        "steps": list(task.steps),
        "difficulty": task.difficulty,
        "equations": [str(equation) for equation in task.content.equations],
        "images": dict(images),
    }


def _ours(record: Mapping[str, Any], file: Path) -> Line:
    table = record["table"]
    check_field(isinstance(table, str), "table", "a markdown table", table)
    puzzle = parse_table(table)
    blanks = len(puzzle.blanks)
    check_field(blanks > 0, "table", "a table with at least one ?", table)
    key, steps = checked_values(record, blanks, "blank in the table")
    check_rounds("steps", steps)
    return Line(
        check_id("id", record["id"]), table, puzzle, key, steps, checked_difficulty(record),
        checked_images(record, file.parent),
    )  # fmt: skip


def _published(record: Mapping[str, Any], file: Path) -> Line:
    for field in _PUBLISHED:
        check_field(isinstance(record[field], str), field, "a string", record[field])
    table = record["markdown_table"]
    puzzle = parse_table(table)
    check_field(bool(puzzle.blanks), "markdown_table", "a table with at least one ?", table)
    key = _at_blanks("markdown_answer", record, puzzle)
    steps = [
        re.fullmatch(r"step(\d{1,4})", s)
        for s in _at_blanks("markdown_answer_step", record, puzzle)
    ]
    check_field(all(steps), "markdown_answer_step", "step1, step2, … at every blank", steps)
    rounds = tuple(int(step[1]) for step in steps if step)
    check_key("markdown_answer", key)
    check_rounds("markdown_answer_step", rounds)
    name = file.stem.removeprefix("testset_")
    style = check_style("the file's name", _PUBLISHED_STYLES.get(name, name))
    return Line(
        check_id("img", PurePosixPath(record["img"]).stem), table, puzzle, key, rounds,
        checked_difficulty(record),
        {style: picture_in(file.parent, record["img_blank"], "img_blank")},
    )  # fmt: skip


def _at_blanks(field: str, record: Mapping[str, Any], puzzle: Puzzle) -> tuple[str, ...]:
    """The values in a grid of the same size at the positions of the table's blanks."""
    grid = parse_table(record[field])
    same = (grid.height, grid.width) == (puzzle.height, puzzle.width)
    filled = tuple(position for position, cell in grid.cells() if cell.text)
    check_field(
        same and filled == puzzle.blanks, field,
        "a grid of the table's size with a value at every ? and nowhere else", record[field],
    )  # fmt: skip
    return tuple(grid[position].text for position in puzzle.blanks)
