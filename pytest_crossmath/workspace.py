"""The folder ``.crossmath`` in a user's project: run records and the response cache."""

from __future__ import annotations

from pathlib import Path

FOLDER = ".crossmath"
"""Its name, under pytest's root directory."""


def make_folder(root: Path) -> Path:
    """The folder under `root`, made where it is missing and kept out of git.

    Raises `OSError` where it cannot be made.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder
