"""Worked solutions in words: what a model is to learn to write.

>>> from pytest_crossmath.puzzle.suite import load_suite
>>> print(worked_solution(load_suite("mini").problems[2], seed=1))
In column 5 we have 9 + ? = 10; hence row 3, column 5 = 1.
Row by row, the missing numbers are:
<answer>1</answer>

Each step names the equation in which one blank is alone unknown, with what is known by then,
and the value that it gives. The wording is drawn by a seed, so that a model learns to
reason and not a phrase.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_crossmath.puzzle.grid import Position, Problem
from pytest_crossmath.puzzle.solver import Deduction, propagate

_PLACES = (
    "row {row}, column {column}",
    "r{row}c{column}",
    "the cell at row {row}, column {column}",
)


@dataclass(frozen=True, slots=True)
class _Wording:
    """One way to say it; `{place}`, `{equation}`, `{line}` and `{value}` are filled in."""

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
    "{line}: {equation}, so {place} is {value}.",
    "- {equation} ({line}) gives {value} for {place}.",
    "In {line} we have {equation}; hence {place} = {value}.",
    "{place} is alone unknown in {equation}: it must be {value}.",
)
_CLOSINGS = (
    "Row by row, the missing numbers are:",
    "All equations hold.",
    "In reading order:",
    "",
)


def worked_solution(problem: Problem, *, seed: int) -> str:
    """The solution of a problem in steps, with the answer at its end.

    The same problem and seed give the same words. Raises `ValueError` for a problem that
    forward propagation does not solve.
    """
    wording = _wording(problem.id, seed)
    propagation = propagate(problem.puzzle)
    if any(blank not in propagation.values for blank in problem.puzzle.blanks):
        raise ValueError(f"{problem.id} is not solved by forward propagation")
    known: dict[Position, int] = {}
    lines = [wording.opening]
    for deduction in propagation.deductions:
        lines.append(_step(deduction, known, wording))
        known[deduction.position] = deduction.value
    return "\n".join(filter(None, (*lines, wording.closing, answer_only(problem))))


def answer_only(problem: Problem) -> str:
    """The answer and nothing else."""
    return f"<answer>{', '.join(problem.key)}</answer>"


def _wording(id: str, seed: int) -> _Wording:
    # Not hash(), which differs between processes.
    draw = random.Random(zlib.crc32(f"{seed}/{id}".encode()))
    return _Wording(*map(draw.choice, (_OPENINGS, _STEPS, _CLOSINGS, _PLACES)))


def _step(deduction: Deduction, known: Mapping[Position, int], wording: _Wording) -> str:
    equation = deduction.equation
    row, column = deduction.position
    text = wording.step.format(
        line=equation.line,
        equation=equation.formula(known),
        place=wording.place.format(row=row + 1, column=column + 1),
        value=deduction.value,
    )
    return text[0].upper() + text[1:]
