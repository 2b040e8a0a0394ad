r"""Requests: a task in one form, as the message that is sent to a model.

>>> from pytest_crossmath.tasks.suite import load_suite
>>> task = load_suite("mini").tasks[0]
>>> text = make_request(task, Form.parse("text"))
>>> both = make_request(task, Form.parse("image+text/original"))
>>> text.content[-1] == both.content[-1]
True
>>> [type(part).__name__ for part in both.content]
['ImagePart', 'TextPart']

A model gets exactly the same words whichever form a task has: only the data move between text
and picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from pytest_crossmath.errors import OptionError, SuiteError, setting
from pytest_crossmath.files import require_regular_file
from pytest_crossmath.tasks.family import family_of, guarded, must_be
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.tasks.provable import provable
from pytest_crossmath.tasks.task import Form, ImagePart, Part, Task, TextPart, pictures_in, text_in


@dataclass(frozen=True, slots=True)
class RequestId:
    """What distinguishes a request from the other requests to a model."""

    task: str
    """Id of the task."""
    form: Form
    """The form it is given in."""
    sample: int = 0
    """Number of the repetition, from 0."""
    transcribes: bool = False
    """Whether the model is asked to copy the picture instead of answering."""

    @property
    def plain(self) -> tuple[str, str, str | None, int]:
        """Only builtin values: their `repr` gives seeds, so it must not depend on our classes."""
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
    """Number of the repetition, from 0, when a task is asked several times."""
    content: tuple[Part, ...]
    """The user message, part by part."""
    transcribes: bool = False
    """Whether the model is asked to copy the picture instead of answering."""

    @property
    def id(self) -> RequestId:
        """What distinguishes it from the other requests to a model."""
        return RequestId(self.task.id, self.form, self.sample, self.transcribes)

    @property
    def text(self) -> str:
        """All text of the prompt."""
        return text_in(self.content)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The pictures, in order."""
        return pictures_in(self.content)

    @property
    def picture_note(self) -> str | None:
        """What was done to pictures that are not plain; None if all are, or one cannot be shown."""
        try:
            notes = [picture.note for picture in self.pictures]
        except SuiteError:
            return None
        phrases = chain.from_iterable(note.split("; ") for note in notes if note)
        return "; ".join(dict.fromkeys(phrases)) or None


def make_request(
    task: Task, form: Form, *, sample: int = 0, instruction: str | None = None
) -> Request:
    """The request for a task in one form; without `instruction`, the family's own is used.

    Raises `SuiteError` if the task does not have this form.
    """
    if form not in task.shown:
        raise SuiteError(f"problem {task.id} has no form {form}")
    family = family_of(task)
    with guarded(family, f"ask {task.id}"):
        asked = _instruction(task) if instruction is None else instruction
        content = must_be(tuple, family.message(task, form, asked), "message")
        return Request(task, form, sample, content)


def make_transcription(request: Request) -> Request:
    """The request to copy the same picture.

    Raises `SuiteError` for a task of a family that cannot be proved.
    """
    copy = provable(request.task.family, "a transcription").copy_instruction
    content: tuple[Part, ...] = (*map(ImagePart, request.pictures), TextPart(copy))
    return replace(request, content=content, transcribes=True)


def instructions_of(tasks: Iterable[Task]) -> str:
    """All distinct instructions of some tasks, for the run record."""
    return "\n\n".join(dict.fromkeys(map(_instruction, tasks)))


def _instruction(task: Task) -> str:
    """The built-in instruction of a task. Raises `FamilyError`."""
    family = family_of(task)
    with guarded(family, f"ask {task.id}"):
        return must_be(str, family.instruction(task), "instruction")


def load_instruction(path: Path) -> str:
    """The instruction in a user's prompt file.

    Raises `OptionError` if the file cannot be read or is empty.
    """
    try:
        require_regular_file(path)
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{setting('prompt')}: cannot read {path}: {error}") from None
    if not text:
        raise OptionError(f"{setting('prompt')}: {path} is empty")
    return text
