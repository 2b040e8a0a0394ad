"""Transcriptions: reads the grid that a model copied from a picture, in any common notation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_crossmath.tasks.crossmath.grid import BLANK, MEANT, Cell, Puzzle
from pytest_crossmath.tasks.responses import without_thinking

_BLANKS = frozenset({"?", "_", "__", "___", "□", "[ ]", "[]", "？"})
_MOST = 200
"""Maximum number of rows or columns; anything larger is not a transcription."""


def read_transcription(text: str) -> Puzzle | None:
    """The last table in a response, as a grid; None if there is none.

    Accepts variants of the operators and of blanks, a rule below the first row, and rows that
    are too short.
    """
    rows: list[list[str]] = []
    last: list[list[str]] = []
    for line in [*without_thinking(text).splitlines(), ""]:
        stripped = line.strip().strip("`")
        if stripped.count("|") >= 2:
            parts = stripped.removeprefix("|").removesuffix("|").split("|")
            cells = [_cell(part) for part in parts[:_MOST]]
            if not _is_rule(cells):
                rows.append(cells)
        elif rows:
            rows, last = [], rows
    if not last or len(last) > _MOST:
        return None
    width = max(map(len, last))
    padded = ([*row, *[""] * (width - len(row))] for row in last)
    puzzle = Puzzle(tuple(tuple(map(Cell, row)) for row in padded))
    return puzzle if puzzle.bare else None


def _is_rule(cells: Sequence[str]) -> bool:
    """Whether this is the rule below the header of a table, and not a row of minus signs."""
    if not all(re.fullmatch(r":?-*:?", cell) for cell in cells):
        return False
    return any(len(cell) > 1 for cell in cells) or (len(cells) > 2 and all(cells))


def _cell(text: str) -> str:
    plain = text.strip()
    plain = plain if plain == "*" else plain.strip("*`").strip()
    if plain in _BLANKS:
        return BLANK
    return MEANT.get(plain, plain)
