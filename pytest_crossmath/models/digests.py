"""Digests of files, remembered for those that are too big to read every time."""

from __future__ import annotations

import hashlib
import json
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import ModelError
from pytest_crossmath.files import write_whole

MEMO_FILE = "digests.json"
"""Name of the memo file in the caller's folder."""
_BIG = 1_000_000
"""File size in bytes from which a digest is worth keeping."""
_SETTLED = 2.0
"""Seconds after which another write to a file is certain to give it a new time stamp."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Digests:
    """SHA-256 of files: each file is read once per run, and a big one once for all runs.

    A digest is valid as long as path, size, time stamps and inode are unchanged.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Digests of big files are kept in `folder`; without one, for this run only."""
        self._folder = folder
        self._known = self._read()
        self._fresh: dict[str, dict[str, Any]] = {}

    def of(self, file: Path) -> str:
        """The digest of a file's content, in hexadecimal. Raises `ModelError`."""
        try:
            return self._of(file)
        except OSError as error:
            raise ModelError(f"{file} cannot be read: {error.strerror}") from None

    def _of(self, file: Path) -> str:
        real = file.resolve()
        state = real.stat()
        # ctime as well, since copying tools set the mtime.
        stamp = {
            "size": state.st_size, "mtime_ns": state.st_mtime_ns, "ctime_ns": state.st_ctime_ns,
            "inode": state.st_ino,
        }  # fmt: skip
        kept = self._known.get(str(real))
        known = str(kept.get("sha256")) if isinstance(kept, dict) else ""
        if kept == stamp | {"sha256": known} and _SHA256.fullmatch(known):
            return known
        with real.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if time.time() - max(state.st_mtime, state.st_ctime) > _SETTLED:
            self._known[str(real)] = stamp | {"sha256": digest}
            if state.st_size >= _BIG:
                self._fresh[str(real)] = self._known[str(real)]
        return digest

    def save(self) -> None:
        """Write new digests to the memo. A failure only costs time in the next run."""
        if self._folder is None or not self._fresh:
            return
        # Another process may have written in the meantime: keep its entries too.
        content = json.dumps(self._read() | self._fresh, indent=1)
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._folder / MEMO_FILE, content)

    def _read(self) -> dict[str, Any]:
        if self._folder is None:
            return {}
        try:
            content = json.loads((self._folder / MEMO_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}
