"""Forms: how a task is shown to a model, and the parts that a prompt is made of.

>>> form = Form.parse("image/beige")
>>> form.modality.shows_text, form.style, str(form)
(False, 'beige', 'image/beige')
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


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

    path: Path


Part = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class Form:
    """How a task is shown: ``MODALITY`` or ``MODALITY/STYLE``, which is made and read here only."""

    modality: Modality
    """Text, picture or both."""
    style: str | None = None
    """The image style; None without a picture and where it has no name. In a gate and in what
    compares runs, None stands for all styles together."""

    @classmethod
    def parse(cls, text: str) -> Form:
        """The inverse of `str`. Raises `ValueError` for what is no form."""
        name, slash, style = text.partition("/")
        modality = Modality(name)
        if slash and not (style and modality.shows_image):
            raise ValueError(f"{text!r}: a style comes behind image/ or image+text/")
        return cls(modality, style or None)

    @property
    def pooled(self) -> Form:
        """The form in all styles together."""
        return Form(self.modality)

    @property
    def order(self) -> tuple[int, str]:
        """What forms are sorted by: modalities as they are declared, then styles by name."""
        return list(Modality).index(self.modality), self.style or ""

    def holds(self, other: Form) -> bool:
        """Whether another form is this one, in this style or in any where this has none."""
        return self.modality is other.modality and self.style in {None, other.style}

    def __str__(self) -> str:
        return f"{self.modality}/{self.style}" if self.style else self.modality.value
