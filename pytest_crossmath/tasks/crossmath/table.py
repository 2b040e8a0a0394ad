r"""Conversion between grids and markdown tables.

The layout is that of the published data set: one line per row, no header, ``?`` for a blank,
and three spaces for a square that is not a cell.

>>> puzzle = parse_table("| 7 | - | ? | = | 2 |")
>>> format_table(puzzle)
'| 7 | - | ? | = | 2 |'
"""

from __future__ import annotations

from functools import lru_cache

from pytest_crossmath.errors import GridError
from pytest_crossmath.tasks.crossmath.grid import Cell, Puzzle


def parse_table(table: str) -> Puzzle:
    """Parse a markdown table into a puzzle.

    Raises `GridError` if a line is not ``| … |`` or the rows differ in length.
    """
    rows = []
    for number, line in enumerate(table.strip().splitlines(), start=1):
        stripped = line.strip()
        if len(stripped) < 3 or stripped[0] != "|" or stripped[-1] != "|":
            raise GridError(f"line {number} of the table is not of the form '| … |': {line!r}")
        rows.append(tuple(map(_cell, map(str.strip, stripped[1:-1].split("|")))))
    if not rows:
        raise GridError("the table is empty")
    return Puzzle(tuple(rows))


@lru_cache(maxsize=4096)  # a suite has many cells, and few that differ
def _cell(text: str) -> Cell:
    return Cell(text)


def format_table(puzzle: Puzzle) -> str:
    """The markdown table of a puzzle; `parse_table` is its inverse."""
    return "\n".join(
        "| " + " | ".join(cell.text or " " for cell in row) + " |" for row in puzzle.rows
    )
