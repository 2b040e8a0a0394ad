"""Files that belong to pytest and to other plugins: no output of ours may be one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

_FLAGS = {"xmlpath": "--junit-xml", "htmlpath": "--html"}
"""Options whose names differ from where their values are kept."""

_NO_PATHS = {"keyword", "markexpr"}
"""Options with values of the user's own that are not files."""


def files_read(config: pytest.Config) -> Iterator[Path]:
    """The ini file and the test files that the command line names."""
    if config.inipath is not None:
        yield config.inipath
    for argument in config.args:
        yield config.invocation_params.dir / argument.partition("::")[0]


def files_written(config: pytest.Config) -> Iterator[tuple[str, Path]]:
    """What the options of pytest and of other plugins may name as outputs, with their flags.

    Which of them are files is theirs to know: every text is taken for one, since it only matters
    where it is also the name of an output of ours.
    """
    for name, value in vars(config.option).items():
        if name.startswith("crossmath_") or name in _NO_PATHS:
            continue
        flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
        yield from ((flag, Path(text)) for text in _texts(value))
    if file := config.getini("log_file"):
        yield "log_file", Path(file)


def _texts(value: Any) -> Iterator[str]:
    """The texts in the value of an option, such as ``{"xml": "coverage.xml"}``."""
    if isinstance(value, str | os.PathLike) and str(value):
        yield str(value)
    elif isinstance(value, Mapping):
        yield from (text for part in value.values() for text in _texts(part))
    elif isinstance(value, list | tuple):
        yield from (text for part in value for text in _texts(part))
