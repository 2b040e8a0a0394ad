"""Tasks: what a model is asked, and the forms in which a task can be shown.

>>> form = Form.parse("image/beige")
>>> form.modality.shows_text, form.style, str(form)
(False, 'beige', 'image/beige')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pytest_crossmath.tasks.pictures import Picture


class Modality(StrEnum):
    """Whether a task is given as text, as a picture, or as both."""

    TEXT = "text"
    IMAGE = "image"
    IMAGE_TEXT = "image+text"

    @property
    def shows_text(self) -> bool:
        """Whether the prompt holds the task's content as text."""
        return self is not Modality.IMAGE

    @property
    def shows_image(self) -> bool:
        """Whether the prompt holds the picture."""
        return self is not Modality.TEXT


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text in a prompt."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture in a prompt."""

    picture: Picture


Part = TextPart | ImagePart


def text_in(parts: Iterable[Part]) -> str:
    """All text of a message, or of what a form shows."""
    return "\n".join(part.text for part in parts if isinstance(part, TextPart))


def pictures_in(parts: Iterable[Part]) -> tuple[Picture, ...]:
    """The pictures of a message, or of what a form shows, in order."""
    return tuple(part.picture for part in parts if isinstance(part, ImagePart))


@dataclass(frozen=True, slots=True)
class Form:
    """How a task is shown, written as ``MODALITY`` or ``MODALITY/STYLE``."""

    modality: Modality
    """Text, picture or both."""
    style: str | None = None
    """The image style; None if there is no picture or its style has no name. In gates and
    comparisons of runs, None stands for all styles together."""

    @classmethod
    def parse(cls, text: str) -> Form:
        """The inverse of `str`. Raises `ValueError` if the text is not a form."""
        name, slash, style = text.partition("/")
        modality = Modality(name)
        if slash and not (style and modality.shows_image):
            raise ValueError(f"{text!r}: a style must follow image/ or image+text/")
        return cls(modality, style or None)

    @property
    def pooled(self) -> Form:
        """The form that stands for all its styles together."""
        return Form(self.modality)

    @property
    def order(self) -> tuple[int, str]:
        """The sort key of forms: modalities in their declared order, then styles by name."""
        return list(Modality).index(self.modality), self.style or ""

    def holds(self, other: Form) -> bool:
        """Whether this form includes `other`: same modality, and same style if it has one."""
        return self.modality is other.modality and self.style in {None, other.style}

    def __str__(self) -> str:
        return f"{self.modality}/{self.style}" if self.style else self.modality.value


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked: one line of a suite. In public names a task is called a problem."""

    id: str
    """Unique in its suite, and part of the test id: ``mini-0001``."""
    family: str
    """Name of the family that handles it, see `tasks.family`."""
    content: Any = field(hash=False)
    """The family's data, which are given as text or as a picture."""
    target: tuple[str, ...]
    """The right values, in the order in which they must be answered."""
    steps: tuple[int, ...]
    """For each value the round of deduction that yields it, from 1; 0 if there are no rounds."""
    difficulty: str
    """``easy``, ``medium`` or ``hard``; for a question its subject, or empty."""
    shown: Mapping[Form, tuple[Part, ...]] = field(hash=False)
    """What each form shows in addition to the instruction, in order."""
    origin: str = ""
    """Where it was read, as ``file:line``; empty for a new task."""
    question: str = ""
    """What is asked in addition to the family's instruction, as text in every form."""

    @property
    def key(self) -> tuple[str, ...]:
        """The right values, under the name used in suite files and fixtures."""
        return self.target

    @property
    def equations(self) -> tuple[Any, ...]:
        """The equations of a crossword; empty for other families."""
        return tuple(getattr(self.content, "equations", ()))

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms in which it can be shown."""
        return tuple(self.shown)

    @property
    def pictures(self) -> Mapping[Form, tuple[Picture, ...]]:
        """The pictures of each form that has any, in order."""
        found = {form: pictures_in(parts) for form, parts in self.shown.items()}
        return {form: pictures for form, pictures in found.items() if pictures}

    @property
    def images(self) -> Mapping[str, Picture]:
        """The picture of each named style, for families with one picture per style."""
        return {
            form.style: pictures[0]
            for form, pictures in self.pictures.items()
            if form.style is not None and form.modality is Modality.IMAGE
        }

    @property
    def text(self) -> str:
        """Its content exactly as it is shown to a model as text; empty without a text form."""
        return text_in(self.shown.get(Form(Modality.TEXT), ()))
