"""The composition of a suite: the figures in `problems/standard/README.md`.

python benchmarks/suite_shape.py standard
"""

from __future__ import annotations

import sys
from collections import Counter
from statistics import fmean

from tabulate import tabulate

from pytest_crossmath.tasks.crossmath.grid import OPERATORS
from pytest_crossmath.tasks.suite import load_suite
from pytest_crossmath.tasks.task import Task

_STRATA = ("easy", "medium", "hard")


def spread(values: list[int]) -> str:
    """Smallest and largest value, and the mean."""
    return f"{min(values)} to {max(values)}, mean {fmean(values):.1f}"


def shape(problems: tuple[Task, ...]) -> list[tuple[str, str]]:
    """The rows of the table."""
    solved = [problem.content.filled(problem.key) for problem in problems]
    equations = [(e, grid.numbers) for grid in solved for e in grid.equations]
    operators = Counter(equation.operator for equation, _ in equations)
    factors = [
        1 in (numbers[e.operands[1]], numbers[e.operands[0 if e.operator == "×" else 2]])
        for e, numbers in equations
        if e.operator in "×÷"
    ]
    strata = Counter(problem.difficulty for problem in problems)
    steps = Counter(min(step, 4) for problem in problems for step in problem.steps)
    blanks = [len(problem.key) for problem in problems]
    keys = [value for problem in problems for value in problem.key]
    by_stratum = [
        fmean(len(p.key) for p in problems if p.difficulty == name)
        for name in _STRATA
        if strata[name]
    ]
    return [
        ("problems: easy, medium, hard", ", ".join(str(strata[name]) for name in _STRATA)),
        ("equations in a problem", spread([len(grid.equations) for grid in solved])),
        ("operators + - × ÷", ", ".join(str(operators[o]) for o in OPERATORS)),
        ("× and ÷ with a factor or quotient of 1", f"{fmean(factors or [0]):.0%}"),
        ("largest number", str(max(max(grid.numbers.values()) for grid in solved))),
        ("blanks", f"{sum(blanks):,}"),
        ("blanks in a problem", spread(blanks)),
        ("mean blanks, easy, medium, hard", ", ".join(f"{mean:.1f}" for mean in by_stratum)),
        ("blanks that are 1", f"{keys.count('1') / len(keys):.0%}"),
        ("blanks of step 1, 2, 3, 4 and more", ", ".join(str(steps[i]) for i in range(1, 5))),
        ("deepest step", str(max(max(problem.steps) for problem in problems))),
        ("rows", spread([grid.height for grid in solved])),
        ("columns", spread([grid.width for grid in solved])),
    ]


if __name__ == "__main__":
    print(tabulate(shape(load_suite(sys.argv[1]).tasks), tablefmt="github"))
