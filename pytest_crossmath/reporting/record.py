"""The run record: JSON lines, appended as responses arrive.

The first line says what was run, each following line holds one response, and the last line
holds the figures. The record of a run that was killed has no last line and can still be read.
The fields are fixed, since other tools read them.
"""

from __future__ import annotations

import io
import json
import os
import platform
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

from pytest_crossmath.errors import RecordError
from pytest_crossmath.fields import parse_fields
from pytest_crossmath.files import FOLDER, make_folder, relative
from pytest_crossmath.inference.result import Result, ResultId, replaces
from pytest_crossmath.inference.run import Run
from pytest_crossmath.inference.transcript import Transcript

SCHEMA = 1
_LIBRARIES = ("pytest", "pillow", "torch", "torchvision", "transformers", "peft", "pytest-xdist")


class RecordWriter:
    """An open run record.

    A disk that fills up does not end the run: the error is kept in `trouble` for the report,
    and nothing more is written.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Create the file with its first line; an existing file is not touched."""
        self.path = path
        self.trouble: str | None = None
        self._is_made = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: TextIO = path.open("x", encoding="utf-8", errors="backslashreplace")
            self._is_made = True
        except OSError as error:
            self._stream, self.trouble = io.StringIO(), str(error)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        about = {"started": started, "python": platform.python_version(), "versions": _versions()}
        self.header = {"type": "run", "schema": SCHEMA, **about, **header}
        self._write(self.header)

    def append(self, result: Result | Transcript) -> None:
        """Add one response or one transcript."""
        self._write(result.to_json())

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Add the last line and close the file."""
        self._write({"type": "summary", **summary})
        try:
            self._stream.close()
        except OSError as error:  # some file systems report a full disk only now
            self.trouble = self.trouble or str(error)
        if not self.trouble and not self.is_kept:
            self.trouble = f"{self.path} was removed during the run"

    @property
    def is_kept(self) -> bool:
        """Whether there is a file of ours: not if it could not be made, or was removed since."""
        return self._is_made and os.path.isfile(self.path)

    def _write(self, record: Mapping[str, Any]) -> None:
        if self.trouble:
            return
        try:
            # One call for each line, then a flush: a killed run leaves whole lines behind.
            self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._stream.flush()
        except OSError as error:
            self.trouble = str(error)


def read_record(path: Path, *, texts: bool = False) -> Run:
    """Read a record, without the texts of responses unless `texts` is set: they are the bulk of it.

    A truncated last line, as after a kill, is ignored. Raises `RecordError` with file and line
    for anything else that is not a record.
    """
    header: Mapping[str, Any] | None = None
    results: dict[ResultId, Result] = {}
    transcripts: dict[ResultId, Transcript] = {}
    summary: Mapping[str, Any] | None = None
    for number, line, is_last in _lines(path):
        try:
            fields = json.loads(line)
            kind = fields["type"]
            if kind == "run" or header is None:
                header = _checked_header(fields, header)
            elif kind == "summary":
                summary = _checked_summary(fields)
            elif kind == "result":
                result = Result.from_json(fields if texts else fields | {"response": ""})
                known = results.get(result.id)
                if known is None or replaces(known, result):
                    results[result.id] = result
            elif kind == "transcript":
                transcript = Transcript.from_json(fields)
                transcripts.setdefault(transcript.id, transcript)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if is_last and header is not None and isinstance(error, json.JSONDecodeError):
                break
            detail = f"the field {error} is missing" if isinstance(error, KeyError) else error
            raise RecordError(f"{path}:{number}: not a line of a run record: {detail}") from None
    if header is None:
        raise RecordError(f"{path} is empty: it is not a run record")
    return Run(
        relative(path), header, tuple(results.values()), tuple(transcripts.values()), summary
    )


def default_path(root: Path) -> Path:
    """The path of a new file under ``.crossmath/runs``, a folder that git ignores."""
    with suppress(OSError):  # the writer reports what is wrong with the folder
        make_folder(root)
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return root / FOLDER / "runs" / f"{started}-{secrets.token_hex(3)}.jsonl"


def _lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    """The non-empty lines: number, text, and whether it is the last one."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            waiting: tuple[int, str] | None = None
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    if waiting:
                        yield *waiting, False
                    waiting = number, line
            if waiting:
                yield *waiting, True
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read: {error}") from None


@dataclass(frozen=True, slots=True)
class _Suite:
    """The fields of a header's suite that readers rely on."""

    name: str | None = None
    digest: str | None = None
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Header:
    """The fields of the first line that readers rely on; each may be missing."""

    suite: _Suite = field(default_factory=_Suite)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    modalities: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    samples: int | None = None
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class _Summary:
    """The fields of the last line that readers rely on; each may be missing."""

    gates: list[dict[str, Any]] = field(default_factory=list)
    stopped_early: dict[str, Any] = field(default_factory=dict)


def _checked_header(
    fields: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """The first line, with its fields checked. Raises `ValueError` or `KeyError`."""
    if before is not None:
        raise ValueError("another run begins here: keep each record in a file of its own")
    if fields["type"] != "run":
        raise ValueError("the first line does not say what was run")
    if fields["schema"] != SCHEMA:
        raise ValueError(f"schema {fields['schema']!r} is not supported, only {SCHEMA}")
    parse_fields(_Header, fields)
    return fields


def _checked_summary(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The last line, with its fields checked. Raises `ValueError`."""
    parse_fields(_Summary, fields)
    return fields


def _versions() -> dict[str, str]:
    found = {"pytest-crossmath": _version("pytest-crossmath")}
    found.update({library: _version(library) for library in _LIBRARIES})
    return {library: number for library, number in found.items() if number}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
