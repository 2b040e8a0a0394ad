"""Prints questions on a terminal: what was shown, the answer given, and the right one."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from pytest_crossmath.files import relative
from pytest_crossmath.tasks.questions.question import LETTERS, Question
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.tasks.task import Form, Task, pictures_in, text_in
from pytest_crossmath.text import printable

_SHOWN = 600
"""Maximum length of a question in a message; the end is kept, as it holds what is asked."""


def question_lines(task: Task, form: Form, score: Score) -> Iterator[str]:
    """The end of a question as it was shown, its pictures, the answer given and the right one."""
    text = text_in(task.shown[form])
    cut = text if len(text) <= _SHOWN else f"… {text[-_SHOWN:]}"
    for line in cut.splitlines():
        yield from wrap(printable(line), 80) or [""]
    for picture in pictures_in(task.shown[form]):
        yield f"picture: {relative(picture.path)}"
    yield ""
    yield f"answered: {_named(task.content, score.answer) if score.answer else 'nothing'}"
    yield f"right:    {_named(task.content, score.target)}"


def _named(question: Question, values: tuple[str, ...]) -> str:
    """An answer; that of a choice comes with its text."""
    place = LETTERS.find(values[0]) if len(values[0]) == 1 else -1
    text = printable(values[0])
    return (
        f"{text} ({printable(question.choices[place])})"
        if 0 <= place < len(question.choices)
        else text
    )
