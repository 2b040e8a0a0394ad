"""`crossmath report RUN… -o FILE.html`: run records as a page to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_crossmath.errors import OptionError, SuiteError
from pytest_crossmath.inference.run import Run
from pytest_crossmath.puzzle.suite import Suite, load_suite
from pytest_crossmath.reporting.html import page
from pytest_crossmath.reporting.record import read_record, relative


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run records")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="HTML file to write")
    parser.add_argument(
        "--suite", help="suite with the problems' pictures (default: the one that was run)"
    )


def report(arguments: argparse.Namespace) -> list[str]:
    """Write what was asked for. Gives lines to print. Raises `CrossmathError`."""
    if arguments.out is None:
        raise OptionError("nothing to write: add -o FILE.html")
    runs = [read_record(path, texts=True) for path in arguments.runs]
    suite, notes = suite_of(runs, arguments.suite)
    write_page(arguments.out, page(runs, suite, notes))
    return [*notes, f"report: {relative(arguments.out)}"]


def suite_of(runs: list[Run], wanted: str | None) -> tuple[Suite | None, list[str]]:
    """The suite that was run, and what is to be said of it; none where it is not found."""
    headers = [run.header.get("suite", {}) for run in runs]
    try:
        suite = load_suite(wanted or str(headers[0].get("name")))
    except SuiteError:
        if wanted:
            raise
        name = headers[0].get("name")
        return None, [f"without pictures and grids: no suite {name!r} here; name it with --suite"]
    others = [h for h in headers if h.get("digest") != suite.digest]
    if others:
        other = f"suite {suite.name} is not the one that was run, or another version of it"
        return None, [f"without pictures and grids: {other}; name that with --suite"]
    return suite, []


def write_page(file: Path, text: str) -> None:
    """Write a page, over what was there. Raises `OptionError`."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OptionError(f"{file} cannot be written: {error}") from None
