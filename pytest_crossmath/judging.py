"""How the built-in test ends: what its outcome means to pytest."""

from __future__ import annotations

from typing import NoReturn

import pytest

from pytest_crossmath.puzzle.grid import Problem
from pytest_crossmath.reporting.terminal import draw_answer
from pytest_crossmath.scoring import Outcome, Score


def judge(problem: Problem, score: Score, *, strict: bool, regressed: bool) -> None:
    """End the test as the outcome says: return, xfail, or fail with the grid drawn."""
    if score.outcome is Outcome.SOLVED:
        return
    if regressed:
        _fail(problem, score, f"regressed: solved in the snapshot, now {score.reason}")
    if strict:
        _fail(problem, score, score.reason)
    # The exception and not pytest.xfail(): that does nothing under --runxfail.
    raise pytest.xfail.Exception(score.reason)


def _fail(problem: Problem, score: Score, reason: str) -> NoReturn:
    lines = [
        f"{reason}; wrong blanks are drawn as !given/right",
        "",
        *draw_answer(problem, score),
    ]
    lines += ["", *(str(equation) for equation in problem.puzzle.equations)]
    pytest.fail("\n".join(lines), pytrace=False)
