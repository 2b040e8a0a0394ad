"""Forms: how a task is shown to a model, and the parts that a prompt is made of.

>>> Modality("image").shows_table, Modality("image+text").shows_image
(False, True)
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
    def shows_table(self) -> bool:
        """Whether the prompt holds the markdown table."""
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

Shape = tuple[Modality, str | None]
"""A form in which a task can be shown: the modality, and the style where it has several."""
