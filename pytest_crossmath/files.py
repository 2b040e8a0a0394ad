"""Atomic writes, checks before writing, and the folder ``.crossmath`` in a user's project."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_crossmath.errors import OptionError, OutputError

if TYPE_CHECKING:
    from filelock import FileLock

_LONGEST_NAME = 200
FOLDER = ".crossmath"
"""Folder for run records, cached responses and pictures, under pytest's root directory."""


def make_folder(root: Path) -> Path:
    """Return the folder `FOLDER` under `root`, created if missing and ignored by git.

    Raises `OSError` if it cannot be created.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file atomically: readers see either the old content or the new.

    Safe with several processes: each writes its own draft, and the last one to finish wins.
    Raises `OSError`.
    """
    draft = file.with_name(f".{secrets.token_hex(8)}")
    try:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


class Lock:
    """Keeps other processes from writing to a path while this one does.

    The operating system releases it when the process ends, however it ends. The lock's file lies
    beside the path, where it is in nobody's way, and goes when the lock does. Where no file can
    be locked, as on some network drives, there is no lock.
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
            if not self._file.exists():  # its last owner took it away, just now
                lock.release()
                lock.acquire()
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
        if os.name != "nt":  # there, an open file cannot be removed
            self._file.unlink(missing_ok=True)
        self._lock.release(force=True)
        if os.name == "nt":
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
        self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")[:20]
    except (OSError, ValueError):
        return ""


def taken(path: Path, what: str) -> str:
    """The message for a path that must not be overwritten; `what` is ``file`` or ``folder``."""
    return f"{path} already exists: choose another {what}"


def is_free(folder: Path) -> bool:
    """Whether the folder does not exist yet, or is empty."""
    return not os.path.lexists(folder) or (os.path.isdir(folder) and not any(folder.iterdir()))


def require_free_folder(folder: Path) -> None:
    """Raise `OptionError` unless the folder does not exist yet, or is empty."""
    if not is_free(folder):
        raise OptionError(taken(folder, "folder"))


def require_new_file(file: Path, what: str) -> None:
    """Raise `OptionError` if the file already exists; `what` says what the file is."""
    if os.path.lexists(file):
        raise OptionError(f"{what} {taken(file, 'file')}")


def require_not_read(file: Path, read: Iterable[Path | None], what: str) -> None:
    """Raise `OptionError` if an output would overwrite one of the files it is made from."""
    for other in read:
        # One file can have several names: links, "./", a file system that ignores case.
        if other and os.path.exists(file) and os.path.exists(other) and file.samefile(other):
            raise OptionError(f"{what} {file} is also an input: choose another file")


def require_regular_file(path: Path) -> None:
    """Raise `OSError` for a pipe or a device, which might be read for ever."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a character that no name can have
        raise OSError(str(error)) from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise OSError(f"it is {what}, not a file")


def require_apart(outputs: Iterable[tuple[str, Path]]) -> None:
    """Raise `OptionError` if two outputs, each with its name for messages, are the same file."""
    names: dict[Path, str] = {}
    for what, file in outputs:
        other = names.setdefault(file.resolve(), what)
        if other != what:
            raise OptionError(f"{what} and {other} name the same file, {file}: choose another")


def require_writable(file: Path, read: Iterable[Path | None], what: str) -> None:
    """Raise `OptionError` for an output that could not be written at the end. Creates its folder.

    `read` are the files that it must not overwrite, and `what` says which output it is.
    """
    require_not_read(file, read, what)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        is_new = not os.path.lexists(file)
        # Open it, since permissions do not reveal everything; appending keeps the old content.
        file.open("a").close()
        if is_new:
            file.unlink()
    except OSError as error:
        raise OptionError(f"{what}: {file} cannot be written: {error}") from None


def write_output(file: Path, text: str, what: str) -> None:
    """Write an output, replacing any old one. Raises `OutputError`; `what` says which it is."""
    try:
        # A model's name or response may hold half of a surrogate pair, which is not UTF-8.
        plain = text.encode("utf-8", "replace").decode("utf-8")
        file.write_text(plain, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{what}: not written: {error}") from None


def split_pick(text: str) -> tuple[str, str]:
    """File and name of ``FILE#NAME``; the name is empty if the whole text is an existing file.

    File and name may contain ``#`` themselves: the longest file that exists is meant.
    """
    if os.path.isfile(text):
        return text, ""
    places = [place for place, character in enumerate(text) if character == "#"]
    for place in reversed(places):
        if os.path.isfile(text[:place]):
            return text[:place], text[place + 1 :]
    file, _, name = text.partition("#")
    return file, name


def relative(path: Path) -> str:
    """The path relative to the current directory, if there is one."""
    try:
        return os.path.relpath(path)
    except ValueError:  # another drive on Windows
        return str(path)
