r"""Prompts: one instruction for every modality, and the payload that differs.

>>> from pytest_crossmath.tasks.suite import load_suite
>>> problem = load_suite("mini").problems[0]
>>> text = make_sample(problem, Modality.TEXT)
>>> both = make_sample(problem, Modality.IMAGE_TEXT, style="original")
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
from pytest_crossmath.tasks.task import ImagePart, Modality, Part, TextPart

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
class Sample:
    """One request to a model: a task in one form."""

    problem: Task
    """The problem, or the question."""
    modality: Modality
    """The form it is given in."""
    style: str | None
    """Image style; None without an image, and where a question has only one."""
    index: int
    """Number of the sample where a problem is asked several times, from 0."""
    content: tuple[Part, ...]
    """The user message, part by part."""
    transcribes: bool = False
    """Whether the grid is asked for, and not the answer."""

    @property
    def key(self) -> tuple[str, str, str | None, int]:
        """What identifies the sample within a model and a suite."""
        asked = f"{self.modality.value}{':transcript' if self.transcribes else ''}"
        return self.problem.id, asked, self.style, self.index

    @property
    def text(self) -> str:
        """All text of the prompt."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[Path, ...]:
        """Paths of the pictures."""
        return tuple(part.path for part in self.content if isinstance(part, ImagePart))


def make_sample(
    problem: Task,
    modality: Modality,
    *,
    style: str | None = None,
    index: int = 0,
    instruction: str | None = None,
) -> Sample:
    """The sample for a task in one form; without `instruction` it is asked in our own words.

    Raises `SuiteError` when the task has no such form.
    """
    asked = instruction if instruction is not None else instruction_for(problem)
    style = style if modality.shows_image or isinstance(problem, Question) else None
    if (modality, style) not in problem.shapes:
        raise SuiteError(f"problem {problem.id} has no picture in style {style!r}")
    if isinstance(problem, Question):
        content = _question_parts(problem.forms[modality, style], asked)
    else:
        shown = (ImagePart(path) for path in problem.pictures((modality, style)))
        payload = f"\n\n{problem.table}" if modality.shows_table else ""
        content = (*shown, TextPart(asked + payload))
    return Sample(problem, modality, style, index, content)


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


def make_transcription(sample: Sample) -> Sample:
    """The same picture, with the question what stands in its grid."""
    pictures = (part for part in sample.content if isinstance(part, ImagePart))
    return replace(sample, content=(*pictures, TextPart(TRANSCRIBE)), transcribes=True)


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
