r"""Where an image item fails: at reading the picture, or at reasoning about it.

The model is asked to write down the grid of a picture that it missed. What it wrote is compared
with the truth and solved exactly, by the solver and not by a judge:

    read right    the grid is the true one: it knew the puzzle, and reasoned wrong
    misread       the grid is another one, and the model's answer solves *that*: it reasoned
                  right about what it saw
    both          the grid is another one, and the answer does not solve that either
    no grid       nothing that it wrote is a grid

>>> from pytest_crossmath.tasks.suite import load_suite
>>> problem = load_suite("mini").problems[0]
>>> diagnose(problem, ("20", "1", "9"), problem.table)
<Cause.READ_RIGHT: 'read right'>
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from pytest_crossmath.errors import CrossmathError
from pytest_crossmath.tasks.crossmath.grid import BLANK, MEANT, Cell, Problem, Puzzle
from pytest_crossmath.tasks.crossmath.solver import propagate
from pytest_crossmath.tasks.responses import without_thinking
from pytest_crossmath.tasks.scoring import same_number

_BLANKS = frozenset({"?", "_", "__", "___", "□", "[ ]", "[]", "？"})
_MOST = 200
"""Rows or columns of a grid; more is no transcription."""


class Cause(StrEnum):
    """Why an image item was missed."""

    READ_RIGHT = "read right"
    MISREAD = "misread"
    BOTH = "both"
    NO_GRID = "no grid"


def diagnose(problem: Problem, answer: Sequence[str], text: str) -> Cause:
    """The cause of a wrong `answer`, from what a model wrote when it was asked for the grid."""
    grid = read_transcription(text)
    if grid is None:
        return Cause.NO_GRID
    if grid.bare == problem.puzzle.bare:
        return Cause.READ_RIGHT
    return Cause.MISREAD if _solves(answer, grid) else Cause.BOTH


def read_transcription(text: str) -> Puzzle | None:
    """The last table in a response, as a grid; None where there is none.

    Takes other signs for the operators and for blanks, a rule below the first row, and rows
    that are too short.
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
    """Whether this is the line below the header of a table, and no row of minus signs."""
    if not all(re.fullmatch(r":?-*:?", cell) for cell in cells):
        return False
    return any(len(cell) > 1 for cell in cells) or (len(cells) > 2 and all(cells))


def _cell(text: str) -> str:
    plain = text.strip()
    plain = plain if plain == "*" else plain.strip("*`").strip()
    if plain in _BLANKS:
        return BLANK
    return MEANT.get(plain, plain)


def _solves(answer: Sequence[str], grid: Puzzle) -> bool:
    try:
        values = propagate(grid).values
    except CrossmathError:
        return False
    solution = [str(values.get(blank, "")) for blank in grid.blanks]
    if not solution or len(solution) != len(answer):
        return False
    return all(map(same_number, answer, solution))
