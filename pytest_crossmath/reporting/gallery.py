"""Pictures in the HTML report: each is stored once, as a data URI."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.tasks.pictures import Picture

_MOST = 64_000_000
"""Limit for all pictures together, in bytes, so that a browser can open the page."""


@dataclass(slots=True)
class Gallery:
    """The pictures of a page."""

    pictures: dict[str, str] = field(default_factory=dict)
    """The data URI of each picture, by its name on the page."""
    size: int = 0
    """Bytes of all pictures so far."""
    _names: dict[Picture, str] = field(default_factory=dict)

    def add(self, picture: Picture, name: str = "") -> str | None:
        """Add a picture if it is new; its name, or None if it cannot be read or does not fit."""
        if name in self.pictures or (not name and picture in self._names):
            return name or self._names[picture]
        try:
            sent = picture.sent
        except SuiteError:
            return None
        if self.size + len(sent.data) > _MOST:
            return None
        self.size += len(sent.data)
        name = name or f"picture {len(self.pictures) + 1}"
        self._names[picture] = name
        self.pictures[name] = sent.url
        return name
