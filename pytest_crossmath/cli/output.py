"""What commands write: lines on the terminal, and figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.errors import OptionError
from pytest_crossmath.files import require_not_read


def print_lines(lines: Iterable[str]) -> None:
    """Print each line."""
    for line in lines:
        print(line)


def write_json(file: Path | None, content: object, *, read: Iterable[Path | None] = ()) -> None:
    """Write the figures to the `--json` file, if any, but never over a file that was `read`.

    Raises `OptionError`.
    """
    if file is None:
        return
    require_not_read(file, read, "--json")
    try:
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OptionError(f"--json {file} cannot be written: {error}") from None
