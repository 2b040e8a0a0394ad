"""The part of a role that gets all results, judges the gates and reports."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import nullcontext, suppress

import pytest

from pytest_crossmath.plugin.exit_status import NO_RESULT, exit_status, is_unmeasured
from pytest_crossmath.plugin.foreign import files_read, files_written
from pytest_crossmath.plugin.items import has_unused_snapshots
from pytest_crossmath.plugin.role import (
    FORM_PROPERTY,
    MODEL_PROPERTY,
    PROBLEM_PROPERTY,
    SNAPSHOT_PROPERTY,
    Session,
    usage_errors,
)
from pytest_crossmath.reporting.report import Report
from pytest_crossmath.run.collector import Collector, SnapshotNote
from pytest_crossmath.tasks.request import Request

_REQUEST = (MODEL_PROPERTY, PROBLEM_PROPERTY, FORM_PROPERTY)
"""The properties of a test that identify what it asked."""


class CollectorRole(Session):
    """The part of a role that gets all results, judges the gates and reports."""

    collector: Collector
    report: Report | None = None
    """The report of the finished run; None before, and if there are no results."""
    unmeasured = 0
    """How many of the failures that pytest counted are only missing measurements."""
    missing: frozenset[tuple[str, ...]] = frozenset()
    """What was not measured: the requests, or the ids of tests that made none."""
    unknown: Sequence[str] = ()
    """Why the exit status is `NO_RESULT`, in words; empty if it is not."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Check that the requested files can be written, and start the clock."""
        if not session.config.option.collectonly:
            with usage_errors():
                kept = self.snapshots.files if self.snapshots is not None else ()
                self.collector.start(
                    read=[*kept, *files_read(session.config)],
                    others=files_written(session.config),
                )
                if self.snapshots is not None:
                    self.snapshots.check_writable()

    @pytest.hookimpl(wrapper=True)  # around what pytest writes
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None]:
        """Take the results that a test's report carries."""
        self.progress.clear()
        yield
        self.receive(report)

    def receive(self, report: pytest.TestReport) -> None:
        """Count changes since the snapshot, and missing measurements."""
        # What pytest counts: see `pytest.Session.testsfailed`.
        said = {str(name): str(value) for name, value in report.user_properties}
        request = tuple(said[name] for name in _REQUEST if name in said)
        if report.failed and is_unmeasured(report):
            self.unmeasured += 1
            # A plugin may run a test twice, or in each worker: the request is missing once.
            self.missing |= {request or (report.nodeid,)}
        if self.snapshots is not None and report.when == "call" and SNAPSHOT_PROPERTY in said:
            self.snapshots.count(request, said[SNAPSHOT_PROPERTY])

    def plan_results(self, requests: Sequence[tuple[str, Request]]) -> None:
        """Pass the requests to the progress display and the gates. Raises `ComparisonError`."""
        self.progress.plan(requests)
        self.collector.plan(requests)

    @pytest.hookimpl(wrapper=True, trylast=True)  # inside of the terminal's, which ends the run
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Judge the gates, write the requested files, and set the final exit status."""
        self.progress.clear()
        note = None
        if self.snapshots is not None:
            self.snapshots.finish()
            note = SnapshotNote(list(self.snapshots.lines()), self.snapshots.to_json())
        self.report = self.collector.finish(note, self.troubles(), self.seconds)
        yield
        # Only now: syrupy writes, and combines its own status with the one that it was given.
        if self.snapshots is not None:
            self.snapshots.release()
        self._set_exit_status(session, self.unwritten())

    def _set_exit_status(self, session: pytest.Session, unwritten: Sequence[str]) -> None:
        """Set a status that tells worse from broken; by now pytest has set its own."""
        if session.config.option.collectonly or has_unused_snapshots(session.config):
            return
        # A test marked xfail hides a missing measurement; a crash may come after the measurement.
        missing = max(len(self.missing), self.collector.errors)
        unknown = [*self.collector.unknown, *unwritten]
        if missing:
            unknown.insert(0, f"{missing} measurement{'s' if missing > 1 else ''} missing")
        session.exitstatus = exit_status(
            session.exitstatus, failed=session.testsfailed, unmeasured=self.unmeasured,
            is_worse=self.collector.is_worse, unknown=bool(unknown),
            has_gates=bool(self.run.gates),
        )  # fmt: skip
        if session.exitstatus == NO_RESULT:
            self.unknown = unknown

    def troubles(self) -> list[str]:
        """What went wrong with the cache, in lines."""
        raise NotImplementedError

    @property
    def seconds(self) -> float | None:
        """How long models were asked; None if that is not known."""
        raise NotImplementedError

    def unwritten(self) -> list[str]:
        """Why snapshots could not be written, in lines."""
        return self.snapshots.unwritten if self.snapshots is not None else []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the report."""
        self._show(terminalreporter.config, terminalreporter)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Show the report where no terminal asked for it, as with ``-p no:terminal``."""
        self._show(config)

    def _show(self, config: pytest.Config, terminal: object | None = None) -> None:
        """Show the report, once."""
        from pytest_crossmath.plugin.terminal import Lines, show

        report, self.report = self.report, None
        unknown, self.unknown = self.unknown, ()
        lines = Lines(config, terminal)
        # At the very end, an output that is closed is nobody's error.
        with suppress(OSError, ValueError) if terminal is None else nullcontext():
            if report is not None:
                show(report, lines)
            if unknown:
                lines.add(
                    f"crossmath: nothing is known to be worse, but: {'; '.join(unknown)}"
                    f" (exit status {NO_RESULT})",
                    red=True,
                )
