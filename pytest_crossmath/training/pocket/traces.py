"""What `pocket` learns to write: a line per blank in solving order, then the answer.

>>> from pytest_crossmath.puzzle.suite import load_suite
>>> print(write_trace(load_suite("mini").problems[0]))
column 5: 1 × ? = 1 → r3c5 = 1
row 5: ? - 16 = 1 → r5c1 = 17
column 1: ? - 3 = 17 → r1c1 = 20
<answer>20, 1, 17</answer>
"""

from __future__ import annotations

from pytest_crossmath.puzzle.grid import Position, Problem
from pytest_crossmath.puzzle.solver import propagate


def write_trace(problem: Problem) -> str:
    """The worked solution of a problem.

    Each line names an equation, writes it with the values found so far, and
    says which cell (row and column from 1) gets which value. Without these lines
    so small a model does not learn at all; without the cell's name it solves every
    blank and then confuses their order.
    """
    known: dict[Position, int] = {}
    lines = []
    for deduction in propagate(problem.puzzle).deductions:
        equation = deduction.equation
        solved = f"{cell_name(deduction.position)} = {deduction.value}"
        lines.append(f"{equation.line}: {equation.formula(known)} → {solved}")
        known[deduction.position] = deduction.value
    return "\n".join((*lines, f"<answer>{', '.join(problem.key)}</answer>"))


def cell_name(position: Position) -> str:
    """A cell's name in a trace: ``r1c5`` is the fifth cell of the first row."""
    row, column = position
    return f"r{row + 1}c{column + 1}"


def read_answer(text: str) -> list[str]:
    """The values in the last answer of a response; none where there is no answer."""
    _, found, rest = text.rpartition("<answer>")
    return [value.strip() for value in rest.partition("</answer>")[0].split(",")] if found else []
