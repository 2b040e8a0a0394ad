"""Proofs about one puzzle: defects in its grid, its key, its steps and its pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pytest_crossmath.tasks.crossmath.grid import CellKind, Puzzle, as_meant, at
from pytest_crossmath.tasks.crossmath.reader import GridReading
from pytest_crossmath.tasks.crossmath.solver import (
    SearchLimitError,
    count_solutions,
    propagate,
    violated,
)
from pytest_crossmath.tasks.crossmath.table import format_table
from pytest_crossmath.tasks.proof import Defect, Unread
from pytest_crossmath.tasks.task import Task

_BARE = (CellKind.BLANK, CellKind.EMPTY)
"""The kinds of cell that an empty box in a picture may be."""


def check_puzzle(task: Task) -> Iterator[Defect]:
    """What is wrong with a task, apart from its pictures."""

    def defect(kind: str, where: str, detail: str) -> Defect:
        return Defect(task.id, kind, where, detail)

    for position, cell in task.content.cells():
        if cell.kind is CellKind.UNKNOWN:
            yield defect("alphabet", at(position), f"{cell.text!r} is not in the alphabet")
    puzzle = as_meant(task.content)
    if format_table(task.content) != task.text:
        yield defect("table", "table", "changes when it is parsed and written again")
    for position in puzzle.strays:
        text = puzzle[position].text
        yield defect("structure", at(position), f"{text!r} is not part of any equation")
    wrong = list(check_key(task, puzzle))
    yield from wrong
    if not any(found.kind == "key" for found in wrong):
        yield from _check_solution(task, puzzle, defect)


def check_key(task: Task, puzzle: Puzzle) -> Iterator[Defect]:
    """The equations that the target does not satisfy; `puzzle` comes from `as_meant`."""
    if not all(re.fullmatch("[0-9]{1,40}", value) for value in task.target):
        detail = f"not all whole numbers: {', '.join(task.target)}"[:200]
        yield Defect(task.id, "key", "key", detail)
        return
    values = dict(zip(puzzle.blanks, map(int, task.target), strict=True))
    values.update(puzzle.numbers)
    for equation in violated(puzzle, values):
        detail = f"{equation.formula(values)} is wrong (with the key filled in)"
        yield Defect(task.id, "contradiction", equation.line, detail)


def _check_solution(
    task: Task, puzzle: Puzzle, defect: Callable[[str, str, str], Defect]
) -> Iterator[Defect]:
    state = propagate(puzzle)
    try:
        solutions = 0 if state.contradictions else count_solutions(puzzle)
    except SearchLimitError as error:
        yield defect("not-proved", "puzzle", str(error))
        solutions = 1
    if solutions == 0:
        culprit = next(iter(state.contradictions), None)
        where = culprit.line if culprit else "puzzle"
        detail = culprit.formula(state.values) if culprit else "no values fit"
        yield defect("unsolvable", where, f"no positive integers up to 999 fit: {detail}")
    elif solutions > 1:
        yield defect("not-unique", "puzzle", "several solutions fit every equation")
    steps = state.steps(puzzle)
    if steps is None:
        yield defect("steps", "steps", "forward propagation alone does not fill every blank")
    elif steps != task.steps:
        for position, right, label in zip(puzzle.blanks, steps, task.steps, strict=True):
            if right != label:
                yield defect("steps", at(position), f"labelled step {label}, but is step {right}")


def check_reading(task: Task, style: str, reading: GridReading) -> Iterator[Defect | Unread]:
    """How the grid read from a picture differs from the table."""
    said = as_meant(task.content)
    bare = {p for p, cell in said.cells() if cell.kind is CellKind.EMPTY}
    for position in bare.intersection(reading.ambiguous):
        detail = "is not a cell, but with cells on all four sides it looks like an empty blank"
        yield Defect(task.id, "ambiguous-picture", f"{style}, {at(position)}", detail)
    if reading.content is None or reading.doubts:
        yield Unread(task.id, style, f"{len(reading.doubts)} in doubt, first: {reading.doubts[0]}")
        return
    untold = [p for p in reading.ambiguous if said[p].kind is CellKind.BLANK]
    if untold:
        detail = f"{len(untold)} blanks may not be cells, first: {at(untold[0])}"
        yield Unread(task.id, style, detail)
    shown = reading.content
    if (shown.height, shown.width) != (said.height, said.width):
        sizes = f"{shown.height} x {shown.width} cells, the table has {said.height} x {said.width}"
        yield Defect(task.id, "picture", style, f"shows {sizes}")
        return
    for position, cell in said.cells():
        open_to_doubt = position in reading.ambiguous and cell.kind in _BARE
        if shown[position] != cell and not open_to_doubt:
            detail = f"shows {shown[position].text!r}, the table says {cell.text!r}"
            yield Defect(task.id, "picture", f"{style}, {at(position)}", detail)
