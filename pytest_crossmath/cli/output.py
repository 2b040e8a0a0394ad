"""What commands write: lines on the terminal, and figures as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.files import require_outputs, write_output
from pytest_crossmath.text import log_line


def print_lines(lines: Iterable[str]) -> None:
    """Print each line, so that it cannot control a terminal or a CI job."""
    for line in lines:
        print(log_line(line))


def print_note(text: str) -> None:
    """Print a line on stderr, for a person, beside what the command prints."""
    print(log_line(f"crossmath: {text}"), file=sys.stderr)


def announce(text: str) -> None:
    """Say what takes a while, in one line where no progress bar can be seen."""
    if not sys.stderr.isatty():
        print_note(text)


def check_json(file: Path | None, *, read: Iterable[Path | None] = ()) -> None:
    """Raise `OptionError`, before any work, if the `--json` file could not be written.

    It must not overwrite a file that is `read`.
    """
    if file is not None:
        require_outputs([("--json", file)], read)


def write_json(file: Path | None, content: object) -> None:
    """Write the figures to the `--json` file, if any. Raises `OutputError`."""
    if file is not None:
        write_output(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n", "--json")
