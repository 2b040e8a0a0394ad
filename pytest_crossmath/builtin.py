"""The built-in test: what `pytest --crossmath-model=…` runs where there is no test file."""

from __future__ import annotations

from pytest_crossmath.judging import judge
from pytest_crossmath.puzzle.grid import Problem
from pytest_crossmath.scoring import Score


def test_problem(
    crossmath_problem: Problem,
    crossmath_score: Score,
    crossmath_strict: bool,
    crossmath_regressed: bool,
) -> None:
    """A problem in one form: passes if solved, is an expected failure if missed."""
    judge(
        crossmath_problem, crossmath_score, strict=crossmath_strict, regressed=crossmath_regressed
    )
