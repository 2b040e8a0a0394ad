"""Questions: a family that is asked and scored, and not made, drawn or solved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_crossmath.tasks.family import Family
from pytest_crossmath.tasks.questions.drawing import question_lines
from pytest_crossmath.tasks.questions.extraction import is_right, read_answer
from pytest_crossmath.tasks.questions.layout import parse_question
from pytest_crossmath.tasks.questions.prompt import INSTRUCTIONS
from pytest_crossmath.tasks.questions.question import FAMILY_NAME
from pytest_crossmath.tasks.responses import without_thinking
from pytest_crossmath.tasks.score import Outcome, Score
from pytest_crossmath.tasks.task import Form, Task, TextPart
from pytest_crossmath.text import cut, without_controls

_SHOWN = 40


class QuestionFamily(Family):
    """Tasks of a user's own and of datasets; the content of a task is its `Question`."""

    name = FAMILY_NAME
    unparsed = "no answer that can be read"

    def parse(self, record: Mapping[str, Any], file: Path, origin: str) -> Task:
        """The question on a line with the field ``forms``."""
        return parse_question(record, file, origin)

    def instruction(self, task: Task) -> str:
        """By what the answer is."""
        return INSTRUCTIONS[task.content.kind]

    def digest(self, task: Task) -> Iterator[bytes]:
        """Kind, answers, choices, and all that the forms show."""
        question, [key] = task.content, task.target
        others = question.accepted[1:]
        yield repr((task.id, question.kind, (key,), others, question.choices)).encode()
        for form, parts in task.shown.items():
            yield repr((form.modality, form.style)).encode()
            for part in parts:
                if isinstance(part, TextPart):
                    yield part.text.encode(errors="surrogatepass")
                else:
                    yield part.picture.data if part.picture.path.is_file() else b""

    def score(self, task: Task, text: str, *, is_whole: bool) -> Score | None:
        """The one value, by the rules of `extraction`."""
        answer = read_answer(task.content, without_thinking(text), is_whole=is_whole)
        if answer is None:
            return None
        right = is_right(task.content, answer)
        outcome = Outcome.SOLVED if right else Outcome.MISSED
        missed = f"missed: answered {_short(answer)}, right is {_short(task.target[0])}"
        reason = "solved" if right else missed
        return Score(outcome, (answer,), task.target, (right,), task.steps, reason)

    def show(self, task: Task, form: Form, score: Score) -> Iterator[str]:
        """The end of the question, where it is asked, with the answer."""
        return question_lines(task, form, score)

    def page(
        self, task: Task, forms: Iterable[Form], picture: Callable[..., str | None]
    ) -> dict[str, Any]:
        """What its forms show, and the choices by which an answer is named."""
        return super().page(task, forms, picture) | {"choices": task.content.choices}


def _short(value: str) -> str:
    return cut(without_controls(value), _SHOWN)


FAMILY = QuestionFamily()
