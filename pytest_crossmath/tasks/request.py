r"""Prompts: one instruction for every modality, and the payload that differs.

>>> from pytest_crossmath.tasks.suite import load_suite
>>> problem = load_suite("mini").problems[0]
>>> text = make_request(problem, Form.parse("text"))
>>> both = make_request(problem, Form.parse("image+text/original"))
>>> text.content[-1] == both.content[-1]
True
>>> [type(part).__name__ for part in both.content]
['ImagePart', 'TextPart']

The instruction never says "the table" or "the picture": a model gets the very
same words whichever form the puzzle has, so that a gap can only come from the form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_crossmath.errors import OptionError, SuiteError, setting
from pytest_crossmath.tasks.questions.question import Kind, Question, Task
from pytest_crossmath.tasks.task import Form, ImagePart, Part, TextPart

INSTRUCTION = """\
Solve this cross-math puzzle. Equations run across and down, and every ? stands for a positive \
integer. Work step by step, then end with the missing integers, row by row from left to right, \
as <answer>first, second, ...</answer>."""
"""What every model is asked in every modality."""


QUESTION_INSTRUCTIONS = {
    Kind.CHOICE: """\
Answer this multiple-choice question. Work step by step, then end with the letter of the right \
choice, as <answer>letter</answer>.""",
    Kind.NUMBER: """\
Answer this question. Work step by step, then end with the number alone, as \
<answer>number</answer>.""",
    Kind.TEXT: """\
Answer this question. Work step by step, then end with the answer alone, as short as it can be, as \
<answer>short answer</answer>.""",
}
"""What a model is asked of a question, by what its answer is; the same words in every form."""


TRANSCRIBE = """\
Copy this grid as a markdown table, exactly as it is: one line for each row, one column for each \
square, ? for a square with a question mark, and nothing in a square that is not part of the grid. \
Do not solve it."""
"""What a model is asked about a picture that it missed, to find out what it saw."""


@dataclass(frozen=True, slots=True)
class RequestId:
    """What tells a request from the others of a model."""

    task: str
    """Id of the task."""
    form: Form
    """The form it is given in."""
    sample: int = 0
    """Number of the repetition, from 0."""
    transcribes: bool = False
    """Whether the content of the picture is asked for, and not the answer."""

    @property
    def plain(self) -> tuple[str, str, str | None, int]:
        """Builtin values alone, whose `repr` gives seeds: they outlive our classes."""
        asked = f"{self.form.modality.value}{':transcript' if self.transcribes else ''}"
        return self.task, asked, self.form.style, self.sample

    def __str__(self) -> str:
        number = f", sample {self.sample}" if self.sample else ""
        return f"{self.task} as {self.form}{number}"


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask a model: a task in one form."""

    task: Task
    """What is asked."""
    form: Form
    """The form it is given in."""
    sample: int
    """Number of the repetition where a task is asked several times, from 0."""
    content: tuple[Part, ...]
    """The user message, part by part."""
    transcribes: bool = False
    """Whether the content of the picture is asked for, and not the answer."""

    @property
    def id(self) -> RequestId:
        """What tells it from the other requests to a model."""
        return RequestId(self.task.id, self.form, self.sample, self.transcribes)

    @property
    def text(self) -> str:
        """All text of the prompt."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[Path, ...]:
        """Paths of the pictures."""
        return tuple(part.path for part in self.content if isinstance(part, ImagePart))


def make_request(
    task: Task, form: Form, *, sample: int = 0, instruction: str | None = None
) -> Request:
    """The request for a task in one form; without `instruction` it is asked in our own words.

    Raises `SuiteError` when the task has no such form.
    """
    asked = instruction if instruction is not None else instruction_for(task)
    if form not in task.forms:
        raise SuiteError(f"problem {task.id} has no form {form}")
    if isinstance(task, Question):
        content = _question_parts(task.forms[form], asked)
    else:
        shown = (ImagePart(path) for path in task.pictures(form))
        payload = f"\n\n{task.table}" if form.modality.shows_text else ""
        content = (*shown, TextPart(asked + payload))
    return Request(task, form, sample, content)


def instruction_for(task: Task) -> str:
    """What is asked of a task, unless the user says it in other words."""
    return QUESTION_INSTRUCTIONS[task.kind] if isinstance(task, Question) else INSTRUCTION


def instructions_of(tasks: Iterable[Task]) -> str:
    """All that is asked of some tasks, for the record."""
    return "\n\n".join(dict.fromkeys(map(instruction_for, tasks)))


def _question_parts(shown: Sequence[Part], instruction: str) -> tuple[Part, ...]:
    """What a form shows, then the instruction, in one piece with the text before it."""
    *before, last = shown
    if isinstance(last, TextPart):
        return (*before, TextPart(f"{last.text}\n\n{instruction}"))
    return (*shown, TextPart(instruction))


def make_transcription(request: Request) -> Request:
    """The same picture, with the question what stands in its grid."""
    pictures = (part for part in request.content if isinstance(part, ImagePart))
    return replace(request, content=(*pictures, TextPart(TRANSCRIBE)), transcribes=True)


def load_instruction(path: Path) -> str:
    """The instruction in a file of the user's.

    Raises `OptionError` when the file cannot be read or is empty.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{setting('prompt')}: cannot read {path}: {error}") from None
    if not text:
        raise OptionError(f"{setting('prompt')}: {path} is empty")
    return text
