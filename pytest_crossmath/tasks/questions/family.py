"""Questions: a family whose tasks are asked and scored, but not made, drawn or solved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_crossmath.tasks.answers import marked
from pytest_crossmath.tasks.family import Family, PutPicture
from pytest_crossmath.tasks.questions.drawing import question_lines
from pytest_crossmath.tasks.questions.extraction import is_right, read_answer
from pytest_crossmath.tasks.questions.layout import parse_question
from pytest_crossmath.tasks.questions.prompt import INSTRUCTIONS
from pytest_crossmath.tasks.questions.question import FAMILY_NAME
from pytest_crossmath.tasks.responses import without_thinking
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import Form, Task
from pytest_crossmath.text import cut, without_controls

_SHOWN = 40


class QuestionFamily(Family):
    """Users' own tasks and those of datasets; the content of a task is its `Question`."""

    name = FAMILY_NAME
    plural = "questions"
    unparsed = "no readable answer"

    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The question on a line with the field ``forms``."""
        return parse_question(record, file, origin)

    def instruction(self, task: Task) -> str:
        """The instruction for the kind of answer."""
        return INSTRUCTIONS[task.content.kind]

    def identity(self, task: Task) -> str:
        """The id, kind, answers and choices."""
        question = task.content
        others = question.accepted[1:]
        return repr((task.id, question.kind, task.target, others, question.choices))

    def right_responses(self, task: Task) -> Iterable[str]:
        """Every accepted answer."""
        return (marked([answer]) for answer in task.content.accepted)

    def score(self, task: Task, text: str, *, is_whole: bool) -> Score | None:
        """The score of the single value, by the rules of `extraction`."""
        answer = read_answer(task.content, without_thinking(text), is_whole=is_whole)
        if answer is None:
            return None
        right = is_right(task.content, answer)
        outcome = Outcome.SOLVED if right else Outcome.MISSED
        missed = f"missed: answered {_short(answer)}, right is {_short(task.target[0])}"
        reason = "solved" if right else missed
        return Score(outcome, (answer,), task.target, (right,), task.steps, reason)

    def show(self, task: Task, form: Form, score: Score) -> Iterator[str]:
        """The end of the question, which holds what is asked, with the answer."""
        return question_lines(task, form, score)

    def page(self, task: Task, forms: Iterable[Form], put: PutPicture) -> dict[str, Any]:
        """What its forms show, and the choices to show next to an answer."""
        return super().page(task, forms, put) | {"choices": task.content.choices}


def _short(value: str) -> str:
    return cut(without_controls(value), _SHOWN)


FAMILY = QuestionFamily()
