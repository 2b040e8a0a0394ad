"""The run record: JSON lines, appended as responses arrive.

The first line says what was run, then comes one line a response, and the last
has the figures. A run that was killed has no last line, and its record is
still read. Fields are fixed: other tools read them.
"""

from __future__ import annotations

import io
import json
import os
import platform
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

from pytest_crossmath.errors import OptionError
from pytest_crossmath.inference.result import Result
from pytest_crossmath.workspace import FOLDER, make_folder

SCHEMA = 1
_LIBRARIES = ("pytest", "pillow", "torch", "torchvision", "transformers", "peft", "pytest-xdist")


class RecordWriter:
    """An open run record.

    A disk that fills up in the middle does not end the run: the trouble is kept
    in `trouble`, for the report to say, and nothing more is written.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Create the file with its first line; a file that is there is not touched."""
        self.path = path
        self.trouble: str | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: TextIO = path.open("x", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            self._stream, self.trouble = io.StringIO(), str(error)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        about = {"started": started, "python": platform.python_version(), "versions": _versions()}
        self._write({"type": "run", "schema": SCHEMA, **about, **header})

    def append(self, result: Result) -> None:
        """Add one response."""
        self._write(result.to_json())

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Add the last line and close."""
        self._write({"type": "summary", **summary})
        with suppress(OSError):
            self._stream.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        if self.trouble:
            return
        try:
            # One call for a whole line, flushed: a killed run leaves whole lines behind.
            self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._stream.flush()
        except OSError as error:
            self.trouble = str(error)


def check_writable(path: Path) -> None:
    """Raise `OptionError` unless a new record can be made there. Makes the folders on the way."""
    try:
        if path.exists():
            raise OptionError(f"the run record {path} is there already: name another file")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Tried rather than asked: permissions say nothing of /proc, or of a read-only disk.
        path.open("x").close()
        path.unlink()
    except OSError as error:
        raise OptionError(f"the run record {path} cannot be written: {error}") from None


def default_path(root: Path) -> Path:
    """A new file under ``.crossmath/runs``; the folder is kept out of git."""
    with suppress(OSError):  # the writer says what is wrong with the folder
        make_folder(root)
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return root / FOLDER / "runs" / f"{started}-{secrets.token_hex(3)}.jsonl"


def relative(path: Path) -> str:
    """The path as short as the current directory allows."""
    try:
        return os.path.relpath(path)
    except ValueError:  # another drive on Windows
        return str(path)


def _versions() -> dict[str, str]:
    found = {"pytest-crossmath": _version("pytest-crossmath")}
    found.update({library: _version(library) for library in _LIBRARIES})
    return {library: number for library, number in found.items() if number}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
