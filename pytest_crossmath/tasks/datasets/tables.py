"""Reads rows and pictures of users' copies of datasets: parquet, JSON lists and JSON lines.

>>> record = Record({"answer": "B"}, "testmini.json, row 1")
>>> record.text("answer")
'B'

Pictures inside parquet files are written once to ``.crossmath/pictures``, under the hash of their
content. Nothing is written next to the user's data.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import SuiteError
from pytest_crossmath.files import FOLDER, make_folder, write_whole
from pytest_crossmath.installing import pip_install
from pytest_crossmath.tasks.lines import check_id, check_inside, picture_in
from pytest_crossmath.tasks.pictures import Picture
from pytest_crossmath.text import excerpt, one_line

PICTURES = "pictures"
"""Folder for pictures under ``.crossmath``."""

SUFFIXES = (".parquet", ".json", ".jsonl")
"""Suffixes of files that hold rows; of two files that differ only in suffix, the first wins."""

_ROWS_AT_ONCE = 16
_KINDS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
}


@dataclass(frozen=True, slots=True)
class Store:
    """Where pictures from parquet files are stored."""

    root: Path
    """The folder that holds ``.crossmath``."""

    def keep(self, data: bytes) -> Picture:
        """Store a picture unless it is there already; safe with several processes.

        Raises `SuiteError` if it cannot be written.
        """
        suffix = next((s for mark, s in _KINDS.items() if data.startswith(mark)), ".img")
        try:
            folder = make_folder(self.root) / PICTURES
            file = folder / f"{hashlib.sha256(data).hexdigest()}{suffix}"
            if not file.is_file() or file.stat().st_size != len(data):
                folder.mkdir(exist_ok=True)
                write_whole(file, data)
        except OSError as error:
            raise SuiteError(
                f"pictures cannot be stored in {self.root / FOLDER}: {error.strerror}:"
                " make that folder writable, or run from a directory where it can be created"
            ) from None
        return Picture(file)


@dataclass(frozen=True, slots=True)
class Record:
    """One row, and where it comes from."""

    fields: Mapping[str, Any]
    """Its fields."""
    origin: str
    """File and row, for messages."""

    def text(self, field: str) -> str:
        """A field that must be a string. Raises `SuiteError`."""
        value = self.value(field)
        if not isinstance(value, str):
            raise self.error(f"the field {field!r} must be a string, not {excerpt(value)}")
        return value

    def value(self, field: str) -> Any:
        """A field that must be present. Raises `SuiteError`."""
        if field not in self.fields:
            raise self.error(f"the field {field!r} is missing")
        return self.fields[field]

    def id(self, field: str, value: object) -> str:
        """The value, if it can be part of a test id. Raises a `SuiteError` that names the field."""
        try:
            return check_id(field, value)
        except SuiteError as error:
            raise self.error(str(error)) from None

    def picture(self, field: str, store: Store, folders: Sequence[Path]) -> Picture:
        """A picture, given as bytes in the row or as a path under one of `folders`.

        Raises `SuiteError` if the field holds neither.
        """
        value = self.value(field)
        path = value.get("path") if isinstance(value, dict) else value
        data = value.get("bytes") if isinstance(value, dict) else value
        if isinstance(data, bytes) and data:
            return store.keep(data)
        if isinstance(path, str) and path:
            try:
                places = {picture_in(folder, path, field): folder for folder in folders}
                there = (place for place in places if os.path.isfile(place.path))
                picture = next(there, next(iter(places)))
                check_inside([picture], places[picture], {field: path})
            except SuiteError as error:
                raise self.error(str(error)) from None
            return picture
        raise self.error(f"the field {field!r} holds no picture")

    def error(self, message: str) -> SuiteError:
        """An error that names the row."""
        return SuiteError(f"{self.origin}: {message}")


def read_rows(file: Path, columns: Sequence[str]) -> Iterator[Record]:
    """The rows of a file; only `columns` are read from parquet. Raises `SuiteError`."""
    rows = _parquet(file, columns) if file.suffix == ".parquet" else _json(file)
    empty = True
    for number, row in enumerate(rows, start=1):
        empty = False
        origin = f"{file}, row {number}"
        if not isinstance(row, dict):
            raise SuiteError(f"{origin}: a row must be a JSON object, not {type(row).__name__}")
        yield Record(row, origin)
    if empty:
        raise SuiteError(f"{file} holds no rows")


def dataset_files(
    dataset: str, path: Path, choose: Callable[[list[Path]], list[Path]], *, takes: str, holds: str
) -> list[Path]:
    """The file at a path, or the files that `choose` picks from a folder.

    Raises `SuiteError` if there are none: `takes` says what the path may be, and `holds` which
    files were looked for.
    """
    if os.path.isdir(path):
        files = choose(files_below(path))
        if not files:
            raise SuiteError(f"{dataset}:{path}: the folder holds no {holds}")
        return files
    if path.suffix not in SUFFIXES or not os.path.isfile(path):
        raise SuiteError(f"{dataset}:{path}: there is no such file or folder; expected {takes}")
    return [path]


def files_below(folder: Path) -> list[Path]:
    """All files of rows in a folder and below it; parquet wins over JSON of the same name."""
    found: dict[str, Path] = {}
    with suppress(OSError):
        for suffix in SUFFIXES:
            for file in sorted(folder.rglob(f"*{suffix}")):
                found.setdefault(str(file.with_suffix("")), file)
    return sorted(found.values())


def _parquet(file: Path, columns: Sequence[str]) -> Iterator[Any]:
    try:
        from pyarrow import ArrowException  # type: ignore[import-untyped]
        from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]
    except ImportError:
        raise SuiteError(f"{file}: reading parquet needs pyarrow: {pip_install('train')}") from None
    try:
        with ParquetFile(file) as opened:
            known = [column for column in columns if column in opened.schema_arrow.names]
            # In small batches, as a file may hold gigabytes of pictures.
            for batch in opened.iter_batches(_ROWS_AT_ONCE, columns=known):
                yield from batch.to_pylist()
    except (OSError, ValueError, ArrowException) as error:
        raise SuiteError(f"{file} cannot be read: {one_line(error, 200)}") from None


def _json(file: Path) -> Iterator[Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SuiteError(f"{file} cannot be read: it is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise SuiteError(f"{file} cannot be read: {error}") from None
    if file.suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield _parsed(line, f"{file}:{number}")
        return
    content = _parsed(text, str(file))
    if not isinstance(content, list):
        raise SuiteError(f"{file} must be a JSON list of rows, not {type(content).__name__}")
    yield from content


def _parsed(text: str, origin: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SuiteError(f"{origin}: not JSON: {error}") from None
