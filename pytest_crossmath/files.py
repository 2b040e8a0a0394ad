"""Atomic writes, checks before writing, and the folder ``.crossmath`` in a user's project."""

from __future__ import annotations

import difflib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pytest_crossmath.errors import CrossmathError, OptionError, OutputError

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


_DIRECT = {errno.EACCES, errno.EPERM, errno.EBUSY, errno.EXDEV, errno.EROFS}
"""Errors of a draft under which the file itself may still be writable: in a folder that is
read-only or belongs to somebody else, or where the file is a mount point."""


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file atomically: readers see either the old content or the new.

    Safe with several processes: each writes its own draft, and the last one to finish wins. A
    link stays a link, and an existing file keeps its permissions. What is not a regular file, such
    as ``/dev/stdout``, is written directly, and so is a file whose folder takes no draft.
    Raises `OSError`, which names the file.
    """
    data = content.encode() if isinstance(content, str) else content
    before = _status(file)
    if before is not None and (_is_special(before) or _output_stream(before) is not None):
        _write_directly(file, before, data)
        return
    target = Path(os.path.realpath(file))
    draft = target.with_name(f".{secrets.token_hex(8)}")
    try:
        draft.write_bytes(data)
        if before is not None:
            _take_over(before, draft)
        draft.replace(target)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        if before is not None and error.errno in _DIRECT:
            _write_directly(target, before, data)
            return
        error.filename, error.filename2 = str(file), None
        raise


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def _is_special(status: os.stat_result) -> bool:
    """Whether it is a device, a pipe, or anything else that cannot be replaced."""
    return not stat.S_ISREG(status.st_mode)


def _output_stream(status: os.stat_result) -> int | None:
    """The descriptor, if the file is where this process writes its output or its messages."""
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), status):
                return descriptor
    return None


def _write_directly(file: Path, status: os.stat_result, data: bytes) -> None:
    descriptor = _output_stream(status)
    if descriptor is not None:
        # `--json /dev/stdout > out.txt`: behind what was printed, and before what will be.
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        descriptor = os.dup(descriptor)
    elif stat.S_ISFIFO(status.st_mode):
        # An error where nobody reads from the pipe, instead of waiting for ever.
        descriptor = os.open(file, os.O_WRONLY | os.O_NONBLOCK)
        os.set_blocking(descriptor, True)
    with open(file if descriptor is None else descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor is not a path
        stream.write(data)


def _take_over(before: os.stat_result, draft: Path) -> None:
    """Give a draft the permissions, and where possible the owner, of the file it replaces."""
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(draft, before.st_uid, before.st_gid)
    draft.chmod(stat.S_IMODE(before.st_mode))


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


def require_regular_file(path: Path) -> None:
    """Raise `OSError` for a pipe or a device, which might be read for ever."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a character that no name can have
        raise OSError(str(error)) from None
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise OSError(f"it is {what}, not a file")


def require_outputs(
    outputs: Sequence[tuple[str, Path]],
    read: Iterable[Path | None] = (),
    others: Iterable[tuple[str, Path]] = (),
) -> None:
    """Raise `OptionError`, before any work, for outputs that could not be written at the end.

    Each comes with its name for messages. None may overwrite a file that is `read`, or be the
    same file as another output or one of the `others`, which other programs or plugins write.
    Leaves nothing behind.
    """
    inputs = {_identity(file) for file in read if file is not None}
    names = {_identity(file): what for what, file in others}
    for what, file in outputs:
        identity = _identity(file)
        if identity is not None and identity in inputs:
            raise OptionError(f"{what} {file} is also an input: choose another file")
        other = None if identity is None else names.setdefault(identity, what)
        if other is not None and other != what:
            raise OptionError(f"{what} and {other} name the same file, {file}: choose another")
        try:
            _try_to_write(file)
        except (OSError, ValueError) as error:
            raise OptionError(f"{what}: {file} cannot be written: {error}") from None


def _identity(file: Path) -> object:
    """Equal for two names of one file; None for what is not a regular file, as ``/dev/null``."""
    try:
        status = _status(file)
    except (OSError, ValueError):
        status = None
    if status is None:
        return os.path.normcase(os.path.realpath(file)) if "\0" not in str(file) else None
    # Links, "./", a file system that ignores case: one file can have several names.
    return None if _is_special(status) else (status.st_dev, status.st_ino)


def _try_to_write(file: Path) -> None:
    """Raise `OSError` or `ValueError` if a file could not be written. Leaves nothing behind."""
    status = _status(file)
    if status is not None and _is_special(status):
        # Opening a pipe would end the program that reads from it, or wait for one.
        if stat.S_ISDIR(status.st_mode) or not os.access(file, os.W_OK):
            number = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EACCES
            raise OSError(number, os.strerror(number), str(file))
        return
    # Open it, since permissions do not reveal everything; appending keeps the old content.
    target = Path(os.path.realpath(file))
    made: list[Path] = []
    try:
        for folder in reversed([folder for folder in target.parents if not folder.exists()]):
            folder.mkdir(exist_ok=True)
            made.append(folder)
        target.open("a").close()
        if status is None:
            target.unlink()
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # another process may have put something there
                folder.rmdir()


def write_output(file: Path, text: str, what: str) -> None:
    """Write an output, replacing any old one. Creates its folder.

    Raises `OutputError`; `what` says which output it is.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # A model's name or response may hold half of a surrogate pair, which is not UTF-8.
        write_whole(file, text.encode("utf-8", "replace"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{what}: not written: {error}") from None


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors of a disk that is full or fails, and no mistake in what was asked."""


def write_error(message: str, error: OSError) -> CrossmathError:
    """The error to raise for a folder that could not be written: whose fault it is."""
    kind = OutputError if error.errno in FULL else OptionError
    return kind(f"{message}: {error}")


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


def where_it_was_sought(path: str, *, folders: bool) -> str:
    """For a message about a path that is missing: the folder it was sought in, and a close name.

    The name is that of a folder, or else of a file.
    """
    there = Path(path).parent
    try:
        names = [one.name for one in there.iterdir() if one.is_dir() is folders]
    except OSError:
        return f"there is no folder {there.absolute()}"
    close = difflib.get_close_matches(Path(path).name, names, n=1)
    hint = f"; did you mean {there / close[0]}?" if close else ""
    return f"looked in {there.absolute()}{hint}"
