"""Atomic writes, checks before writing, and the folder ``.crossmath`` in a user's project."""

from __future__ import annotations

import difflib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.errors import OptionError, OutputError

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
    """File and name of ``FILE#NAME``; the name is empty if the whole text is an existing file."""
    file, _, name = (text, "", "") if os.path.isfile(text) else text.partition("#")
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
