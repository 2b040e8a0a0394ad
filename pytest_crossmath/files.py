"""Files: whole or not at all, and the folder ``.crossmath`` in a user's project."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.errors import OptionError, OutputError

FOLDER = ".crossmath"
"""Folder of run records, the cache of responses and pictures, under pytest's root directory."""


def make_folder(root: Path) -> Path:
    """The folder `FOLDER` under `root`, made where it is missing and kept out of git.

    Raises `OSError` where it cannot be made.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file such that readers see the old one or the new one, and never half of it.

    Safe among several processes: each writes a file of its own, and the last one stays.
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
    """The message for a file or folder that must not be lost; `what` is one of the two words."""
    return f"{path} is there already: name another {what}"


def is_free(folder: Path) -> bool:
    """Whether a folder can be made there, or is there and empty."""
    return not os.path.lexists(folder) or (os.path.isdir(folder) and not any(folder.iterdir()))


def require_free_folder(folder: Path) -> None:
    """Raise `OptionError` unless a folder can be made there, or is there and empty."""
    if not is_free(folder):
        raise OptionError(taken(folder, "folder"))


def require_new_file(file: Path, what: str) -> None:
    """Raise `OptionError` where a file is there that must not be lost; `what` says whose name."""
    if os.path.lexists(file):
        raise OptionError(f"{what} {taken(file, 'file')}")


def require_not_read(file: Path, read: Iterable[Path | None], what: str) -> None:
    """Raise `OptionError` where an output would go over one of the files that are read for it."""
    for other in read:
        # Two names of one file are one file: links, "./", a file system that ignores case.
        if other and os.path.exists(file) and os.path.exists(other) and file.samefile(other):
            raise OptionError(f"{what} {file} is read here and would be lost: name another file")


def require_apart(outputs: Iterable[tuple[str, Path]]) -> None:
    """Raise `OptionError` where two outputs, each with what it is called, name one file."""
    taken: dict[Path, str] = {}
    for what, file in outputs:
        other = taken.setdefault(file.resolve(), what)
        if other != what:
            raise OptionError(f"{what} and {other} name one file, {file}: name another")


def require_writable(file: Path, read: Iterable[Path | None], what: str) -> None:
    """Raise `OptionError` for an output that could not be written at the end. Makes its folder.

    `read` are the files that it must not go over, and `what` says which output it is.
    """
    require_not_read(file, read, what)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        is_new = not os.path.lexists(file)
        # Opened and not asked: permissions do not say everything. What is there stays.
        file.open("a").close()
        if is_new:
            file.unlink()
    except OSError as error:
        raise OptionError(f"{what}: {file} cannot be written: {error}") from None


def write_output(file: Path, text: str, what: str) -> None:
    """Write an output, over what was there. Raises `OutputError`; `what` says which it is."""
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{what}: not written: {error}") from None


def split_pick(text: str) -> tuple[str, str]:
    """File and name of ``FILE#NAME``; the name is empty where the text is a file as it stands."""
    file, _, name = (text, "", "") if os.path.isfile(text) else text.partition("#")
    return file, name


def relative(path: Path) -> str:
    """The path as short as the current directory allows."""
    try:
        return os.path.relpath(path)
    except ValueError:  # another drive on Windows
        return str(path)
