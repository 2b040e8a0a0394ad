"""How the built-in test ends: what its outcome means to pytest."""

from __future__ import annotations

from typing import NoReturn

import pytest

from pytest_crossmath.reporting.terminal import draw_answer
from pytest_crossmath.tasks.questions.drawing import question_lines
from pytest_crossmath.tasks.questions.question import Question, Task
from pytest_crossmath.tasks.scoring import Outcome, Score
from pytest_crossmath.tasks.task import Form


def judge(task: Task, form: Form, score: Score, *, strict: bool, regressed: bool) -> None:
    """End the test as the outcome says: return, xfail, or fail with grid or question shown."""
    if score.outcome is Outcome.SOLVED:
        return
    if regressed:
        _fail(task, form, score, f"regressed: solved in the snapshot, now {score.reason}")
    if strict:
        _fail(task, form, score, score.reason)
    # The exception and not pytest.xfail(): that does nothing under --runxfail.
    raise pytest.xfail.Exception(score.reason)


def _fail(task: Task, form: Form, score: Score, reason: str) -> NoReturn:
    if isinstance(task, Question):
        lines = [reason, "", *question_lines(task, form, score)]
    else:
        lines = [
            f"{reason}; wrong blanks are drawn as !given/right",
            "",
            *draw_answer(task, score),
            "",
            *(str(equation) for equation in task.puzzle.equations),
        ]
    pytest.fail("\n".join(lines), pytrace=False)
