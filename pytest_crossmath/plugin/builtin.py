"""The built-in test: what `pytest --crossmath-model=…` runs where there is no test file."""

from __future__ import annotations

from pytest_crossmath.plugin.judging import judge
from pytest_crossmath.tasks.questions.question import Task
from pytest_crossmath.tasks.scoring import Score
from pytest_crossmath.tasks.task import Form, Modality


def test_problem(
    crossmath_problem: Task,
    crossmath_modality: Modality,
    crossmath_style: str | None,
    crossmath_score: Score,
    crossmath_strict: bool,
    crossmath_regressed: bool,
) -> None:
    """A problem in one form: passes if solved, is an expected failure if missed."""
    judge(
        crossmath_problem, Form(crossmath_modality, crossmath_style), crossmath_score,
        strict=crossmath_strict, regressed=crossmath_regressed,
    )  # fmt: skip
