"""The section on the terminal at the end of a run, and its counterparts on GitHub Actions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_crossmath.reporting.gates import loud
from pytest_crossmath.reporting.github import workflow_commands
from pytest_crossmath.reporting.markdown import markdown
from pytest_crossmath.reporting.report import Report
from pytest_crossmath.reporting.terminal import Look, report_lines
from pytest_crossmath.text import log_line

_JOB_SUMMARY = "GITHUB_STEP_SUMMARY"
_ON_GITHUB = "GITHUB_ACTIONS"


def show(report: Report, terminal: pytest.TerminalReporter) -> None:
    """Write the section, with the lines that must not be overlooked at its end."""
    terminal.write_sep("=", "crossmath: modality gap")
    look = Look(terminal.config.get_verbosity(), ascii_only=not _takes_blocks(terminal))
    for line in report_lines(report, look):
        terminal.write_line(log_line(line))
    for line in loud(report.verdicts, inconclusive_fails=report.inconclusive_fails):
        terminal.write_line(log_line(line), red=line.startswith("GATE FAILED"), yellow=True)
    for line in report.answering:
        terminal.write_line(log_line(line), yellow=True)
    if os.environ.get(_ON_GITHUB) == "true":
        for line in workflow_commands(report):
            terminal.write_line(line)
    if job := os.environ.get(_JOB_SUMMARY):
        try:
            with Path(job).open("a", encoding="utf-8") as stream:
                stream.write(f"{markdown(report)}\n")
        except OSError as error:
            terminal.write_line(log_line(f"the job summary cannot be written: {error}"))


def _takes_blocks(terminal: pytest.TerminalReporter) -> bool:
    """Whether the terminal can show more than ASCII."""
    if os.environ.get("TERM") == "dumb":
        return False
    encoding = getattr(terminal._tw._file, "encoding", None) or "ascii"  # noqa: SLF001 - pytest has no other way to ask
    try:
        "█▏".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
