"""Responses of earlier runs, so that a killed run repeats only the requests that were in flight.

One SQLite file holds the responses of all models. The key of a response covers
everything that can change it: the model's identity (weights, adapter, processor,
versions), the prompt, the pixels, and the settings::

    store = ResponseStore(Path("project"))
    cache = ModelCache(store, identify=lambda: "sha256:…", settings=Settings())
    cache.save(request, response)
    [(request, response)] = cache.find([request])

The batch size is deliberately not part of the key, although in half precision the
rounding, and occasionally a token, depends on what else is in the batch.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import ModelError, SuiteError
from pytest_crossmath.fields import parse_fields, require_counts
from pytest_crossmath.files import FOLDER, make_folder
from pytest_crossmath.models.backend import Response, Settings
from pytest_crossmath.tasks.request import Request, RequestId
from pytest_crossmath.tasks.task import Part, TextPart

CACHE_FILE = "cache.sqlite"
"""Name of the file, in the folder of the project."""
_PATIENCE = 60.0
"""Seconds to wait while another process is writing."""
_DAMAGE = (
    sqlite3.SQLITE_ERROR,  # tables of another shape
    sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA,
    sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG,
)  # fmt: skip
"""Primary result codes of SQLite that mean that the file is damaged, or is not ours."""


class ResponseStore:
    """Responses by key, in a file that several processes may use at once.

    The store never ends a run: a damaged file is set aside, and a full or read-only
    disk switches the store off. `trouble` then holds a message for the report.
    """

    def __init__(self, root: Path) -> None:
        """The store of the project in `root`. The file is opened on first use."""
        self._root = root
        self.path = root / FOLDER / CACHE_FILE
        self.trouble: str | None = None
        self._open: sqlite3.Connection | None = None
        self._off = False

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The value stored under a key; None if there is none or it is damaged."""
        rows = self._execute("SELECT payload, digest FROM responses WHERE key = ?", key)
        payload, digest = rows[0] if rows else (None, None)
        # Of any type and any length: the row may be damaged, or not one of ours.
        if not isinstance(payload, bytes) or digest != _digest(key, payload).encode():
            return None
        try:
            found = json.loads(payload)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Store a value of builtin types, replacing any earlier one."""
        payload = json.dumps(value)
        self._execute(
            "INSERT OR REPLACE INTO responses VALUES (?, ?, ?)",
            key, payload, _digest(key, payload.encode()),
        )  # fmt: skip

    def close(self) -> None:
        """Close the file."""
        if self._open is not None:
            with suppress(sqlite3.Error):
                self._open.close()
            self._open = None

    def _execute(self, statement: str, *values: str) -> list[Any]:
        attempts = 0
        while not self._off:
            try:
                return self._connection().execute(statement, values).fetchall()
            except (OSError, sqlite3.Error, MemoryError, OverflowError) as error:
                self.close()
                attempts += 1
                if not _is_damage(error) or attempts == 3:
                    self._off = True
                    self.trouble = f"{self.path} is not used: {error}"
                elif attempts == 2:  # retry once first: another process may have replaced it
                    self._set_aside(error)
        return []

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            make_folder(self._root)
            if self.path.exists() and not self.path.is_file():
                # Reading from a pipe would wait for ever.
                raise OSError("it is not a regular file")
            connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
            # As bytes: a damaged row may not be UTF-8, and that is an error of this row alone.
            connection.text_factory = bytes
            self._open = connection
            # With WAL, readers do not wait for writers. A power cut may lose the last responses
            # but not the file; a kill loses nothing.
            # Switching to WAL fails at once, ignoring the timeout, while another process does it.
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS responses"
                " (key TEXT PRIMARY KEY, payload TEXT NOT NULL, digest TEXT NOT NULL)"
            )
        return self._open

    def _set_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{time.time_ns()}")
        # Another process may have moved it already.
        with suppress(FileNotFoundError):
            self.path.rename(aside)
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self.trouble = f"{self.path} was damaged ({error}) and is set aside as {aside.name}"


class ModelCache:
    """The part of a store that belongs to one model with certain settings."""

    def __init__(
        self,
        store: ResponseStore,
        *,
        identify: Callable[[], str | None],
        settings: Settings,
        refresh: bool = False,
        sends_files: bool = False,
    ) -> None:
        """`identify` returns the model's identity; None switches the cache off for this model.

        It is first called when a response is looked up or saved, since hashing weights
        takes time, and again until it returns an identity. With `refresh`, nothing is
        looked up, and new responses are still saved. `sends_files` says that the model gets
        pictures as files: two files with the same pixels are then different.
        """
        self._store = store
        self._identify = identify
        self._identity: str | None = None
        self._settings = settings
        self._refresh = refresh
        self._sends_files = sends_files
        self._looked_up: dict[RequestId, str] = {}

    @property
    def knows_the_model(self) -> bool:
        """Whether the model's identity is known; without it nothing is looked up or saved."""
        self._identity = self._identity or self._identify()
        return self._identity is not None

    def confirm(self) -> None:
        """Make sure, once the model is loaded, that it is the one that was identified before.

        Raises `ModelError` if its files changed in between: it is not known which were loaded.
        """
        if self._identity is not None and self._identify() != self._identity:
            raise ModelError(
                "the model changed while it was being loaded, perhaps because it is still being"
                " saved: run again when it is complete"
            )

    def find(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Response]]:
        """The requests that have a stored response, each with that response."""
        if self._refresh:
            return
        for request in requests:
            key = self._key(request)
            response = _response(self._store.get(key)) if key else None
            if response is not None:
                yield request, response
            elif key:
                self._looked_up[request.id] = key

    def save(self, request: Request, response: Response) -> None:
        """Store a response, unless a picture has changed since the request was looked up."""
        key = self._key(request)
        if key and key == self._looked_up.pop(request.id, key):
            self._store.put(
                key,
                {
                    "text": response.text,
                    "finish": response.finish.value,
                    "new_tokens": response.new_tokens,
                    "seconds": response.seconds,
                    "answered_by": response.answered_by,
                },
            )

    def _key(self, request: Request) -> str | None:
        if not self.knows_the_model:
            return None
        settings = self._settings
        try:
            parts = [self._identity_of(part) for part in request.content]
        except SuiteError:
            # A picture that cannot be shown has no identity, and gets no response either.
            return None
        # Sampling is seeded by the request, so two problems with the same words differ.
        seeded = request.id.plain if settings.temperature > 0 else request.sample
        asked = [
            self._identity, parts, seeded,
            settings.max_new_tokens, settings.temperature, settings.thinking,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def _identity_of(self, part: Part) -> list[str]:
        if isinstance(part, TextPart):
            return ["text", part.text]
        if not self._sends_files:
            return ["image", part.picture.digest]
        sent = part.picture.sent
        return ["file", sent.mime, hashlib.sha256(sent.data).hexdigest()]


def _digest(key: str, payload: bytes) -> str:
    """Digest of a payload and its key, which reveals damage within a row."""
    return hashlib.sha256(key.encode() + b"\n" + payload).hexdigest()[:32]


def _response(stored: Mapping[str, Any] | None) -> Response | None:
    """A stored value as a response; None if there is none, or if it is not a response."""
    if stored is None:
        return None
    try:
        response = parse_fields(Response, stored)
        require_counts(0, response.new_tokens, response.seconds)
    except ValueError:
        return None
    return response


def _is_damage(error: Exception) -> bool:
    """Whether the file is not a database of ours, as opposed to a full disk or a lock."""
    # Extended codes hold the primary code in their last byte.
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in _DAMAGE
