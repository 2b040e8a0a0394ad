"""What commands write: lines on the terminal, and figures as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.files import require_writable, write_output


def print_lines(lines: Iterable[str]) -> None:
    """Print each line."""
    for line in lines:
        print(line)


def announce(text: str) -> None:
    """Say what takes a while, in one line where no progress bar can be seen."""
    if not sys.stderr.isatty():
        print(f"crossmath: {text}", file=sys.stderr, flush=True)


def check_json(file: Path | None, *, read: Iterable[Path | None] = ()) -> None:
    """Raise `OptionError`, before any work, if the `--json` file could not be written.

    It must not overwrite a file that is `read`.
    """
    if file is not None:
        require_writable(file, read, "--json")


def write_json(file: Path | None, content: object) -> None:
    """Write the figures to the `--json` file, if any. Raises `OutputError`."""
    if file is not None:
        write_output(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n", "--json")
