"""Locks between processes that would write to the same place."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_crossmath.errors import OptionError

if TYPE_CHECKING:
    from filelock import FileLock

_LONGEST_NAME = 200


class Lock:
    """Keeps other processes from writing to a path while this one does.

    The operating system releases it when the process ends, however it ends. The lock's file lies
    beside the path and is removed with the lock. Some network drives cannot lock files: there,
    nothing is locked.
    """

    def __init__(
        self, path: Path, what: str, *, noun: str = "folder", file: Path | None = None
    ) -> None:
        """Take the lock. Raises `OptionError` if another process has it.

        `what` says what is locked, and `noun` what to choose another of. `file` is the lock's
        file, if it should have another place.
        """
        from filelock import FileLock, Timeout

        whole = path.resolve()
        self._file = file or whole.with_name(f".{whole.name[:_LONGEST_NAME]}.lock")
        owner = _text_of(self._file)
        self._lock: FileLock | None = None
        lock = FileLock(self._file, timeout=0)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            # Its last owner may have taken the file away just now, and a third made another.
            if not _is_at(lock, self._file):
                lock.release()
                lock.acquire()
            if os.name != "nt":  # where nobody else may write to a file that is locked
                self._file.write_text(str(os.getpid()), encoding="utf-8")
        except Timeout:
            # Trying to lock a file may empty it: leave the number for the next who asks.
            if owner and not _text_of(self._file):
                with suppress(OSError):
                    self._file.write_text(owner, encoding="utf-8")
            said = f" (pid {owner})" if owner.isdecimal() else ""
            raise OptionError(
                f"{what} {path} is being written by another process{said}: wait for it, or choose"
                f" another {noun}"
            ) from None
        except (OSError, NotImplementedError):
            lock.release(force=True)
            return
        self._lock = lock

    def release(self) -> None:
        """Let others write; a second time does nothing."""
        if self._lock is None:
            return
        is_windows = os.name == "nt"  # where an open file cannot be removed
        if is_windows:
            self._lock.release(force=True)
        with suppress(OSError):  # its folder may be gone
            self._file.unlink(missing_ok=True)
        if not is_windows:
            self._lock.release(force=True)
        self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _is_at(lock: FileLock, file: Path) -> bool:
    """Whether the file that is locked is still the one at the path."""
    if os.name == "nt":  # where an open file cannot be removed
        return True
    handle = lock._context.lock_file_fd  # noqa: SLF001 - filelock has no public name for it
    try:
        return handle is not None and os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")[:20]
    except (OSError, ValueError):
        return ""
