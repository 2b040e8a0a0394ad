"""What commands write: lines on the terminal, and figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.files import require_writable, write_output


def print_lines(lines: Iterable[str]) -> None:
    """Each on a line of its own."""
    for line in lines:
        print(line)


def check_json(file: Path | None, *, read: Iterable[Path | None] = ()) -> None:
    """Raise `OptionError`, before any work, where the file of `--json` could not be written.

    It must not go over what is `read` for it.
    """
    if file is not None:
        require_writable(file, read, "--json")


def write_json(file: Path | None, content: object) -> None:
    """Write the figures where `--json` asks for them. Raises `OutputError`."""
    if file is not None:
        write_output(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n", "--json")
