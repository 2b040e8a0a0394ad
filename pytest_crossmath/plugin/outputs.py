"""The end of a run: the files that were asked for, and the section on the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_crossmath.errors import CrossmathError, OptionError, RecordError
from pytest_crossmath.reporting.gates import loud
from pytest_crossmath.reporting.github import workflow_commands
from pytest_crossmath.reporting.markdown import markdown
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.reporting.report import Report
from pytest_crossmath.reporting.terminal import Look, report_lines
from pytest_crossmath.run.config import CrossmathConfig

_JOB_SUMMARY = "GITHUB_STEP_SUMMARY"
_ON_GITHUB = "GITHUB_ACTIONS"


def check_files(config: CrossmathConfig) -> None:
    """Raise `OptionError` for a file that could not be written at the end. Makes folders."""
    taken = {config.record.resolve(): "--crossmath-record"} if config.record else {}
    for flag, path, _ in _files(config):
        other = taken.setdefault(path.resolve(), flag)
        if other != flag:
            raise OptionError(f"{flag} and {other} name one file, {path}: name another")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Opened and not asked: permissions do not say everything. Not emptied yet.
            path.open("a").close()
        except OSError as error:
            raise OptionError(f"{flag}: {path} cannot be written: {error}") from None


def write_files(report: Report, config: CrossmathConfig, record: Path | None) -> list[str]:
    """Write what was asked for; the page is made of the record. Gives a line for each failure."""
    troubles = []
    for flag, path, text_of in _files(config):
        try:
            path.write_text(text_of(report, config, record), encoding="utf-8", newline="\n")
        except (OSError, CrossmathError) as error:
            troubles.append(f"{flag}: not written: {error}")
    return troubles


def show(report: Report, terminal: pytest.TerminalReporter) -> None:
    """Write the section, with what must not be overlooked at its end."""
    terminal.write_sep("=", "crossmath: modality gap")
    look = Look(terminal.config.get_verbosity(), ascii_only=not _takes_blocks(terminal))
    for line in report_lines(report, look):
        terminal.write_line(line)
    for line in loud(report.verdicts, inconclusive_fails=report.inconclusive_fails):
        terminal.write_line(line, red=line.startswith("GATE FAILED"), yellow=True)
    if os.environ.get(_ON_GITHUB) == "true":
        for line in workflow_commands(report):
            terminal.write_line(line)
    if job := os.environ.get(_JOB_SUMMARY):
        try:
            with Path(job).open("a", encoding="utf-8") as stream:
                stream.write(f"{markdown(report)}\n")
        except OSError as error:
            terminal.write_line(f"the summary of the job is not written: {error}")


def _takes_blocks(terminal: pytest.TerminalReporter) -> bool:
    """Whether the terminal shows more than ASCII."""
    if os.environ.get("TERM") == "dumb":
        return False
    encoding = getattr(terminal._tw._file, "encoding", None) or "ascii"  # noqa: SLF001 - pytest has no other way to ask
    try:
        "█▏".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


_Writer = Callable[[Report, CrossmathConfig, Path | None], str]


def _files(config: CrossmathConfig) -> Iterator[tuple[str, Path, _Writer]]:
    if config.markdown is not None:
        yield "--crossmath-markdown", config.markdown, lambda report, *_: markdown(report)
    if config.html is not None:
        yield "--crossmath-html", config.html, _page


def _page(_: Report, config: CrossmathConfig, record: Path | None) -> str:
    """The page of this run, beside the one that it is compared with."""
    from pytest_crossmath.reporting.html import page

    if record is None:
        raise RecordError("there is no run record")
    files = [config.baseline.file] if config.baseline and config.baseline.file else []
    return page([read_record(file, texts=True) for file in (*files, record)], config.suite)
