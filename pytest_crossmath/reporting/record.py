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
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TextIO

from pytest_crossmath.errors import RecordError
from pytest_crossmath.fields import parse_fields, parse_json, require_schema
from pytest_crossmath.files import FOLDER, make_folder, relative
from pytest_crossmath.gating.verdicts import Verdict
from pytest_crossmath.inference.result import Result, ResultId, replaces
from pytest_crossmath.inference.run import Run
from pytest_crossmath.inference.transcript import Transcript
from pytest_crossmath.models.lines import CONFLICT, SCHEMA, Targets, check_models, read_lines
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.text import excerpt

_MOST_SAMPLES, _HOTTEST = 10**9, 10
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
    reading = _Reading(texts)
    for number, line, is_cut in _lines(path):
        try:
            reading.add(parse_fields(dict[str, Any], parse_json(line)))
        except ValueError as error:
            if is_cut and reading.header is not None and isinstance(error, json.JSONDecodeError):
                break
            raise RecordError(f"{path}:{number}: not a line of a run record: {error}") from None
    if reading.header is None:
        raise RecordError(f"{path} is empty: it is not a run record")
    return Run(
        relative(path), reading.header, tuple(reading.results.values()),
        tuple(reading.transcripts.values()), reading.summary,
    )  # fmt: skip


class _Reading:
    """What the lines of a record read so far hold."""

    def __init__(self, texts: bool) -> None:
        self.header: Mapping[str, Any] | None = None
        self.results: dict[ResultId, Result] = {}
        self.transcripts: dict[ResultId, Transcript] = {}
        self.summary: Mapping[str, Any] | None = None
        self._texts = texts
        self._targets = Targets()
        self._seen: dict[ResultId, int] = {}

    def add(self, fields: Mapping[str, Any]) -> None:
        """Take the next line. Raises `ValueError` that says what is wrong with it."""
        if "type" not in fields:
            raise ValueError("the field 'type' is missing")
        kind = fields["type"]
        if kind == "run" or self.header is None:
            self.header = _checked_header(fields, self.header)
        elif kind == "summary":
            if self.summary is not None:
                raise ValueError("a record has only one summary, its last line")
            self.summary = _checked_summary(fields)
        elif kind == "result":
            self._add_result(self.header, Result.from_json(fields))
        elif kind == "transcript":
            transcript = Transcript.from_json(fields)
            check_models(self.header, transcript.model)
            if self.transcripts.setdefault(transcript.id, transcript) != transcript:
                raise ValueError(CONFLICT)

    def _add_result(self, header: Mapping[str, Any], result: Result) -> None:
        check_models(header, result.model)
        self._targets.check(result.problem, result.key, result.steps, result.family)
        known, id = self.results.get(result.id), result.id
        # The text counts, too, although it is not kept: of two texts, which was scored?
        said = hash(result)
        if known is None or replaces(known, result):
            self._seen[id] = said
            self.results[id] = result if self._texts else replace(result, response="")
        elif result.outcome is not Outcome.ERROR and self._seen[id] != said:
            raise ValueError(CONFLICT)


def default_path(root: Path) -> Path:
    """The path of a new file under ``.crossmath/runs``, a folder that git ignores."""
    with suppress(OSError):  # the writer reports what is wrong with the folder
        make_folder(root)
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return root / FOLDER / "runs" / f"{started}-{secrets.token_hex(3)}.jsonl"


def _lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    try:
        yield from read_lines(path)
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
    scoring: int = 1


@dataclass(frozen=True, slots=True)
class _Summary:
    """The fields of the last line that readers rely on; each may be missing."""

    gates: list[dict[str, Any]] = field(default_factory=list)
    stopped_early: dict[str, Any] = field(default_factory=dict)


def _checked_header(
    fields: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """The first line, with its fields checked. Raises `ValueError`."""
    if before is not None:
        raise ValueError("another run begins here: keep each record in a file of its own")
    if fields["type"] != "run":
        raise ValueError("the first line does not say what was run")
    require_schema(fields.get("schema"), SCHEMA)
    header = parse_fields(_Header, fields)
    if header.samples is not None and not 1 <= header.samples < _MOST_SAMPLES:
        raise ValueError(f"the field 'samples': {header.samples:.6g} is not a number of samples")
    temperature = header.settings.get("temperature")
    if temperature is not None and not (
        type(temperature) in {int, float} and 0 <= temperature <= _HOTTEST
    ):
        raise ValueError(
            f"the field 'settings.temperature' must be a number from 0 to {_HOTTEST}, not"
            f" {excerpt(temperature, 40)}"
        )
    return fields


def _checked_summary(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The last line, with its fields checked. Raises `ValueError`."""
    for gate in parse_fields(_Summary, fields).gates:
        Verdict.from_json(gate)
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
