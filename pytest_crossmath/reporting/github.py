"""Annotations of GitHub Actions, which the page of a job shows next to its log.

Source: docs.github.com, "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_crossmath.gating.verdicts import any_fails
from pytest_crossmath.reporting.gates import loud
from pytest_crossmath.reporting.report import Report
from pytest_crossmath.text import in_command

_SHOWN = 20


def workflow_commands(report: Report) -> Iterator[str]:
    """A workflow command for each gate that failed or is inconclusive, and for each regression."""
    for verdict in report.verdicts:
        for line in loud([verdict], inconclusive_fails=report.inconclusive_fails):
            fails = any_fails([verdict], inconclusive_fails=report.inconclusive_fails)
            yield _command("error" if fails else "warning", "crossmath gate", line)
    for line in report.answering:
        yield _command("warning", "crossmath model", line)
    for comparison in report.comparisons:
        for change in comparison.changes:
            if lost := change.regressed:
                title = f"{comparison.model}: {len(lost)} regressed as {change.form}"
                more = f", and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
                yield _command("warning", title, ", ".join(lost[:_SHOWN]) + more)


def _command(kind: str, title: str, message: str) -> str:
    """One command on one line, escaped so that its text cannot start another command."""
    return f"::{kind} title={in_command(title, also=':,')}::{in_command(message)}"
