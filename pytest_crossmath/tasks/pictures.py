"""Pictures: the only place where their files are read; `decoder.py` turns them into pixels.

A `Picture` is read only when needed, so loading a suite with thousands of them costs nothing::

    picture = Picture(Path("problems/mini/original/mini-0001.png"))
    picture.rgb()        # what a local model, the reader and `verify` are shown
    picture.sent         # what a server, the page and a training set get: the same pixels
    picture.note         # what was done to it; None, since this one is plain
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_crossmath.errors import SuiteError

if TYPE_CHECKING:
    from PIL import Image

    from pytest_crossmath.tasks.decoder import Decoded

_MOST_BYTES = 2**26
"""Size of the largest file."""

_changes: dict[bytes, tuple[str, ...]] = {}
_digests: dict[bytes, str] = {}
"""What was found out by decoding, by the hash of a file's bytes: paths may change content."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture as the bytes of a file."""

    mime: str
    """Its type: ``image/png``."""
    data: bytes
    """The bytes."""

    @property
    def url(self) -> str:
        """The bytes as a data URL."""
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a task. All that is read from it raises `SuiteError` if it cannot be."""

    path: Path
    """The file that holds it."""

    @property
    def data(self) -> bytes:
        """The file's bytes."""
        try:
            state = self.path.stat()
            # Opening a pipe would wait for a writer.
            if not stat.S_ISREG(state.st_mode):
                raise self._error("is not a regular file")
            if state.st_size > _MOST_BYTES:
                raise self._error(f"is larger than {_MOST_BYTES // 2**20} MiB: make it smaller")
            return self.path.read_bytes()
        except FileNotFoundError:
            raise self._error("is missing") from None
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise self._error(f"cannot be read: {said}") from None

    @property
    def content(self) -> bytes:
        """The file's bytes for a hash, or none if there is no such file."""
        return self.data if os.path.isfile(self.path) else b""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as it is shown."""
        return self.rgb().size

    @property
    def digest(self) -> str:
        """SHA-256 over size and pixels as they are shown, as hex digits."""
        data = self.data
        key = hashlib.sha256(data).digest()
        if key not in _digests:
            image = self._decoded(data).image
            pixels = repr(image.size).encode() + image.tobytes()
            _digests[key] = hashlib.sha256(pixels).hexdigest()
        return _digests[key]

    @property
    def sent(self) -> Encoded:
        """What is sent to a server: a plain picture's own bytes, otherwise its pixels as PNG."""
        data = self.data
        if not self._changes(data):
            from pytest_crossmath.tasks.decoder import is_plain_png

            return Encoded("image/png" if is_plain_png(data) else self._decoded(data).mime, data)
        return Encoded("image/png", self._decoded(data).png())

    @property
    def note(self) -> str | None:
        """What was done to a picture that is not plain, as short phrases; None for a plain one."""
        return "; ".join(self._changes(self.data)) or None

    def rgb(self) -> Image.Image:
        """The pixels, in RGB with 8 bits each."""
        return self._decoded(self.data).image

    def check(self) -> None:
        """Raise `SuiteError` for a picture that cannot be shown.

        A plain PNG is not decoded: verifying its checksums takes a tenth of the time.
        """
        with warnings.catch_warnings(action="ignore"):
            self._changes(self.data)

    def _changes(self, data: bytes) -> tuple[str, ...]:
        from pytest_crossmath.tasks.decoder import is_plain_png

        key = hashlib.sha256(data).digest()
        if key not in _changes:
            _changes[key] = () if is_plain_png(data) else self._decoded(data).changes
        return _changes[key]

    def _decoded(self, data: bytes) -> Decoded:
        from pytest_crossmath.tasks.decoder import DecodeError, decode

        try:
            return decode(data)
        except DecodeError as error:
            raise self._error(str(error)) from None

    def _error(self, what: str) -> SuiteError:
        return SuiteError(f"the picture {self.path} {what}")


def pixel_hash(image: Image.Image) -> str:
    """SHA-256 of an image's pixels as they are shown, as stored in a manifest."""
    from pytest_crossmath.tasks.decoder import flattened

    return hashlib.sha256(flattened(image)[0].tobytes()).hexdigest()
