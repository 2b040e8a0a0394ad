"""Worked solutions in words: the completions that a model is trained on.

>>> from pytest_crossmath.tasks.suite import load_suite
>>> print(worked_solution(load_suite("mini").tasks[2], seed=1))
In column 5 we have 9 + ? = 10; hence row 3, column 5 = 1.
Row by row, the missing numbers are:
<answer>1</answer>

Each step shows the equation in which one blank is the only unknown, with the numbers known by
then, and the value that follows. The wording depends on a seed, so that a model learns the
reasoning and not a phrase. The brief form is for small models, for which words are costly:

>>> print(brief_solution(load_suite("mini").tasks[0]))
column 5: 1 × ? = 1 → r3c5 = 1
row 5: ? - 16 = 1 → r5c1 = 17
column 1: ? - 3 = 17 → r1c1 = 20
<answer>20, 1, 17</answer>
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_crossmath.tasks.answers import marked
from pytest_crossmath.tasks.crossmath.grid import Position
from pytest_crossmath.tasks.crossmath.solver import Deduction, propagate
from pytest_crossmath.tasks.task import Task

_PLACES = (
    "row {row}, column {column}",
    "r{row}c{column}",
    "the cell at row {row}, column {column}",
)


@dataclass(frozen=True, slots=True)
class _Wording:
    """Templates of a wording; `{place}`, `{equation}`, `{line}` and `{value}` are filled in.

    `{Place}` and `{Line}` begin with a capital letter.
    """

    opening: str
    step: str
    closing: str
    place: str


_OPENINGS = (
    "I fill one blank after the other, always where only one is left in an equation.",
    "Step by step, starting where an equation has a single blank:",
    "Let me look for equations with one unknown and work on from there.",
    "",
)
_STEPS = (
    "{Line}: {equation}, so {place} is {value}.",
    "- {equation} ({line}) gives {value} for {place}.",
    "In {line} we have {equation}; hence {place} = {value}.",
    "{Place} is alone unknown in {equation}: it must be {value}.",
)
_CLOSINGS = (
    "Row by row, the missing numbers are:",
    "All equations hold.",
    "In reading order:",
    "",
)
_BRIEF = _Wording("", "{line}: {equation} → {place} = {value}", "", "r{row}c{column}")


def worked_solution(task: Task, *, seed: int) -> str:
    """The solution of a problem in steps, ending with the answer.

    The same problem and seed give the same words. Raises `ValueError` if forward propagation
    does not solve the problem.
    """
    return _written(task, _wording(task.id, seed))


def brief_solution(task: Task) -> str:
    """The solution of a problem as briefly as possible, one line per step, ending with the answer.

    Each line names the cell that gets the value: otherwise a tiny model finds every value and
    then confuses their order. Raises `ValueError` like `worked_solution`.
    """
    return _written(task, _BRIEF)


def _wording(id: str, seed: int) -> _Wording:
    # Not hash(), whose result differs between processes.
    draw = random.Random(zlib.crc32(f"{seed}/{id}".encode()))
    return _Wording(*map(draw.choice, (_OPENINGS, _STEPS, _CLOSINGS, _PLACES)))


def cell_name(position: Position) -> str:
    """A cell's name in a brief solution: ``r1c5`` is the fifth cell of the first row."""
    return _placed(_BRIEF, position)


def _written(task: Task, wording: _Wording) -> str:
    propagation = propagate(task.content)
    if any(blank not in propagation.values for blank in task.content.blanks):
        raise ValueError(f"{task.id} is not solved by forward propagation")
    known: dict[Position, int] = {}
    lines = [wording.opening]
    for deduction in propagation.deductions:
        lines.append(_step(deduction, known, wording))
        known[deduction.position] = deduction.value
    return "\n".join(filter(None, (*lines, wording.closing, marked(task.target))))


def _step(deduction: Deduction, known: Mapping[Position, int], wording: _Wording) -> str:
    equation, place = deduction.equation, _placed(wording, deduction.position)
    return wording.step.format(
        line=equation.line,
        Line=_capital(equation.line),
        equation=equation.formula(known),
        place=place,
        Place=_capital(place),
        value=deduction.value,
    )


def _placed(wording: _Wording, position: Position) -> str:
    row, column = position
    return wording.place.format(row=row + 1, column=column + 1)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
