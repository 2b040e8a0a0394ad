"""Pictures in the HTML report: each is stored once, as a data URI."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field

from pytest_crossmath.tasks.pictures import Picture

_MOST = 64_000_000
"""Limit for all pictures together, in bytes, so that a browser can open the page."""
_KINDS = {".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp", ".bmp": "bmp"}


@dataclass(slots=True)
class Gallery:
    """The pictures of a page."""

    pictures: dict[str, str] = field(default_factory=dict)
    """The data URI of each picture, by its name on the page."""
    size: int = 0
    """Bytes of all pictures so far."""
    _names: dict[Picture, str] = field(default_factory=dict)

    def add(self, picture: Picture, name: str = "") -> str | None:
        """Add a picture if it is new and return its name; None if it is missing or does not fit."""
        if name in self.pictures or (not name and picture in self._names):
            return name or self._names[picture]
        path = picture.path
        if not os.path.isfile(path) or self.size + path.stat().st_size > _MOST:
            return None
        data = picture.data
        self.size += len(data)
        name = name or f"picture {len(self.pictures) + 1}"
        self._names[picture] = name
        kind = _KINDS.get(path.suffix.lower(), "png")
        self.pictures[name] = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
        return name
