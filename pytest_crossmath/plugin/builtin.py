"""The built-in test: what `pytest --crossmath-model=…` runs without any test file."""

from __future__ import annotations

from typing import NoReturn

import pytest

from pytest_crossmath.errors import CrossmathError
from pytest_crossmath.tasks.family import family_of, guarded
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import Form, Modality, Task
from pytest_crossmath.text import cut, log_line

_LONGEST = 400
"""Longest line of what a family shows, in characters."""


def test_problem(
    crossmath_problem: Task,
    crossmath_modality: Modality,
    crossmath_style: str | None,
    crossmath_score: Score,
    crossmath_strict: bool,
    crossmath_regressed: bool,
) -> None:
    """A problem in one form: passes if solved, is an expected failure if missed."""
    if crossmath_score.outcome is Outcome.SOLVED:
        return
    form, reason = Form(crossmath_modality, crossmath_style), log_line(crossmath_score.reason)
    if crossmath_regressed:
        reason = f"regressed: solved in the snapshot, now {reason}"
    if crossmath_regressed or crossmath_strict:
        _fail(crossmath_problem, form, crossmath_score, reason)
    # The exception, because pytest.xfail() does nothing under --runxfail.
    raise pytest.xfail.Exception(reason)


def _fail(task: Task, form: Form, score: Score, reason: str) -> NoReturn:
    """Fail, and show the task and the answer."""
    family = family_of(task)
    title = f"{reason}; {family.legend}" if family.legend else reason
    try:
        with guarded(family, f"show {task.id}"):
            shown = [cut(str(line), _LONGEST) for line in family.show(task, form, score)]
    except CrossmathError as error:
        shown = [str(error)]
    # Here, after a family has broken lines: any of them may begin like a command of a CI job.
    lines = (log_line(line) for line in [title, "", *shown])
    pytest.fail("\n".join(lines), pytrace=False)
