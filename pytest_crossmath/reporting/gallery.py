"""Pictures and questions in the HTML report: each picture once, as a data URI."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

from pytest_crossmath.tasks.questions.question import Question
from pytest_crossmath.tasks.task import Form, ImagePart

_MOST = 64_000_000
"""Bytes of all pictures together: a browser must still open the page."""
_KINDS = {".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp", ".bmp": "bmp"}


@dataclass(slots=True)
class Gallery:
    """The pictures of a page."""

    pictures: dict[str, str] = field(default_factory=dict)
    """Data URI of each picture by its name on the page."""
    size: int = 0
    """Bytes of all of them."""
    _names: dict[Path, str] = field(default_factory=dict)

    def add(self, path: Path, name: str = "") -> str | None:
        """The name of a picture, put in where it is new; None where it is missing, or too much."""
        if name in self.pictures or (not name and path in self._names):
            return name or self._names[path]
        if not os.path.isfile(path) or self.size + path.stat().st_size > _MOST:
            return None
        data = path.read_bytes()
        self.size += len(data)
        name = name or f"picture {len(self.pictures) + 1}"
        self._names[path] = name
        kind = _KINDS.get(path.suffix.lower(), "png")
        self.pictures[name] = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
        return name


def question_content(
    question: Question, form: Form, gallery: Gallery
) -> list[str | dict[str, str | None]]:
    """What a question shows in a form: texts, and pictures by their name, which may be missing."""
    return [
        {"picture": gallery.add(part.path), "file": part.path.name}
        if isinstance(part, ImagePart)
        else part.text
        for part in question.forms[form]
    ]
