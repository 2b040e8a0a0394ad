"""The section on the terminal at the end of a run, and its counterparts on GitHub Actions."""

from __future__ import annotations

import os
import sys
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


def show(report: Report, lines: Lines) -> None:
    """Write the section, with the lines that must not be overlooked at its end."""
    lines.title("crossmath: modality gap")
    for line in report_lines(report, Look(lines.verbosity, ascii_only=not lines.takes_blocks)):
        lines.add(line)
    for line in loud(report.verdicts, inconclusive_fails=report.inconclusive_fails):
        lines.add(line, red=line.startswith("GATE FAILED"), yellow=True)
    for line in report.answering:
        lines.add(line, yellow=True)
    if os.environ.get(_ON_GITHUB) == "true":
        for line in workflow_commands(report):
            lines.add(line, is_command=True)
    if job := os.environ.get(_JOB_SUMMARY):
        try:
            # Half of a surrogate pair is not UTF-8.
            with Path(job).open("a", encoding="utf-8", errors="replace") as stream:
                stream.write(f"{markdown(report)}\n")
        except OSError as error:
            lines.add(f"the job summary cannot be written: {error}")


class Lines:
    """Where the section goes: pytest's terminal, another plugin's, or the plain output."""

    def __init__(self, config: pytest.Config, terminal: object | None = None) -> None:
        """`terminal` may be any object; what it cannot do is printed instead."""
        self.verbosity = config.get_verbosity()
        self._terminal = terminal

    def title(self, text: str) -> None:
        """Write the line above the section."""
        write = getattr(self._terminal, "write_sep", None)
        if write is None:
            self.add(f" {text} ".center(80, "="))
        else:
            write("=", text)

    def add(self, line: str, *, is_command: bool = False, **markup: bool) -> None:
        """Write a line, which no terminal and no log takes for a command unless it is one."""
        line = line if is_command else log_line(line)
        write = getattr(self._terminal, "write_line", None)
        if write is not None:
            write(line, **markup)
            return
        stream = sys.stdout
        encoding = getattr(stream, "encoding", None) or "ascii"
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()

    @property
    def takes_blocks(self) -> bool:
        """Whether the terminal can show more than ASCII."""
        if os.environ.get("TERM") == "dumb":
            return False
        writer = getattr(self._terminal, "_tw", None)
        stream = sys.stdout if self._terminal is None else getattr(writer, "_file", None)
        try:
            "█▏".encode(getattr(stream, "encoding", None) or "ascii")
        except (UnicodeEncodeError, LookupError):
            return False
        return True
