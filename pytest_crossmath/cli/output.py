"""What commands write: lines on the terminal, and figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pytest_crossmath.errors import OptionError
from pytest_crossmath.files import require_not_read


def print_lines(lines: Iterable[str]) -> None:
    """Each on a line of its own."""
    for line in lines:
        print(line)


def write_json(file: Path | None, content: object, *, read: Iterable[Path | None] = ()) -> None:
    """Write the figures where `--json` asks for them, but not over what was `read` for them.

    Raises `OptionError`.
    """
    if file is None:
        return
    require_not_read(file, read, "--json")
    try:
        file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OptionError(f"--json {file} cannot be written: {error}") from None
