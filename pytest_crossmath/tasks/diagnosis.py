"""Why an image item was missed: the model misread the picture, or reasoned wrongly about it.

The model is asked to copy the picture of the problem that it missed. Its copy is compared with
the true content and solved exactly, by the family's solver rather than by a judge model:

    read right    the copy is correct: the model saw the right task and reasoned wrongly
    misread       the copy is wrong, but the model's answer solves *it*: the model reasoned
                  correctly about what it saw
    both          the copy is wrong, and the answer does not solve it either
    no grid       the response contains no copy

>>> from pytest_crossmath.tasks.suite import load_suite
>>> task = load_suite("mini").tasks[0]
>>> diagnose(task, ("20", "1", "9"), task.text)
<Cause.READ_RIGHT: 'read right'>
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pytest_crossmath.errors import CrossmathError
from pytest_crossmath.tasks.answers import same_number
from pytest_crossmath.tasks.family import guarded
from pytest_crossmath.tasks.provable import ProvableFamily, provable
from pytest_crossmath.tasks.task import Task


class Cause(StrEnum):
    """Why an image item was missed."""

    READ_RIGHT = "read right"
    MISREAD = "misread"
    BOTH = "both"
    NO_GRID = "no grid"


def diagnose(task: Task, answer: Sequence[str], text: str) -> Cause:
    """The cause of a wrong `answer`; `text` is the model's response when asked for a copy.

    Raises `SuiteError` for a task of a family that cannot be proved.
    """
    family = provable(task.family, "a diagnosis")
    with guarded(family, f"compare a copy of {task.id}"):
        seen = family.read_copy(text)
        if seen is None:
            return Cause.NO_GRID
        if family.same(task.content, seen):
            return Cause.READ_RIGHT
        return Cause.MISREAD if _solves(answer, seen, task, family) else Cause.BOTH


def _solves(answer: Sequence[str], seen: Any, task: Task, family: ProvableFamily) -> bool:
    try:
        found = family.solve(seen, task.question)
    except CrossmathError:
        return False
    if found is None or not found.values or len(found.values) != len(answer):
        return False
    return all(map(same_number, answer, found.values))
