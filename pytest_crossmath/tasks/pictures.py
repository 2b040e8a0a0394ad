"""Pictures: the only place where they are read, decoded and hashed.

A `Picture` is identified by what a model is shown, and is read only when needed, so loading a
suite with thousands of them costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_crossmath.errors import SuiteError

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a task."""

    path: Path
    """The file that holds it."""

    @property
    def data(self) -> bytes:
        """The file's bytes, as they are sent to a server. Raises `OSError`."""
        return self.path.read_bytes()

    @property
    def content(self) -> bytes:
        """The file's bytes for a hash, or none if the file is missing."""
        return self.data if os.path.isfile(self.path) else b""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels. Raises `OSError`."""
        with self.opened() as image:
            return image.size

    @property
    def digest(self) -> str:
        """SHA-256 over size and pixels, as hex digits; ``unreadable`` if it is not a picture."""
        return _digest(self.path)

    @contextmanager
    def opened(self) -> Iterator[Image.Image]:
        """The image as Pillow reads it. Raises `OSError`."""
        from PIL import Image

        with Image.open(self.path) as image:
            yield image

    def rgb(self) -> Image.Image:
        """The image as it is shown to a local model, in RGB. Raises `OSError`."""
        with self.opened() as image:
            return image.convert("RGB")

    def check(self) -> None:
        """Raise `SuiteError` if the file is missing or damaged.

        A PNG is not decoded: verifying its checksums takes a tenth of the time.
        """
        from PIL import Image

        if not os.path.isfile(self.path):
            raise SuiteError(f"the picture {self.path} is missing")
        try:
            with (
                warnings.catch_warnings(category=Image.DecompressionBombWarning, action="error"),
                self.opened() as image,
            ):
                if image.format == "PNG":
                    image.verify()
                else:
                    image.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
            raise SuiteError(f"the picture {self.path} is broken: {error}") from None


def pixel_hash(image: Image.Image) -> str:
    """SHA-256 of an image's pixels in RGB, as stored in a manifest."""
    return hashlib.sha256(image.convert("RGB").tobytes()).hexdigest()


@cache
def _digest(path: Path) -> str:
    try:
        with Picture(path).opened() as image:
            pixels = image.convert("RGBA")  # a server receives the file with its transparency
            return hashlib.sha256(repr(pixels.size).encode() + pixels.tobytes()).hexdigest()
    except OSError:
        return "unreadable"
