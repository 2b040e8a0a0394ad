"""A run in one process, connected to pytest.

Each process has one of three roles, chosen when pytest is configured. Each role is a pytest
plugin with the hooks that it needs:

    Local        has an asker and a collector: all in one process
    Worker       has an asker and an outbox: a worker of pytest-xdist, which sends its results
    Controller   has a collector and an inbox: the process that started the workers

Results travel on the test reports, the only thing that survives if a worker dies; the last
ones travel with the message that a worker sends when it exits.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_crossmath.errors import CrossmathError, ModelError
from pytest_crossmath.files import FOLDER
from pytest_crossmath.gating.early import was_told
from pytest_crossmath.gating.sequential import random_order
from pytest_crossmath.inference.engine import Engine, Failure, Scored
from pytest_crossmath.inference.result import failed
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.plugin.exit_status import (
    NO_MEASUREMENT,
    NO_RESULT,
    NoMeasurement,
    exit_status,
    is_unmeasured,
    mark_unmeasured,
)
from pytest_crossmath.plugin.items import (
    TEST,
    BuiltinModule,
    has_unused_snapshots,
    hide_from_syrupy,
    selection,
)
from pytest_crossmath.plugin.progress import Progress
from pytest_crossmath.plugin.xdist import (
    FLAGS,
    GPU,
    GpuAssignment,
    Inbox,
    Outbox,
    make_scheduler,
    visible_gpus,
)
from pytest_crossmath.reporting.report import Report, suite_title
from pytest_crossmath.run.asker import Asker
from pytest_crossmath.run.collector import Collector, SnapshotNote
from pytest_crossmath.run.config import RunConfig
from pytest_crossmath.run.plan import FormSample, Plan, Scopes
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.tasks.task import Task
from pytest_crossmath.text import log_line

if TYPE_CHECKING:
    from pytest_crossmath.plugin.snapshots import Snapshots

SCORED_FIXTURE = "_crossmath_scored"
"""The fixture that asks a model; every test that depends on it is planned."""

MODEL_PROPERTY = "crossmath_model"
"""Property of a test: the model that it asked."""

PROBLEM_PROPERTY = "crossmath_problem"
"""Property of a test: the id of its problem."""

_PARAMETERS = ("model", "problem", "modality")
"""The parameters of a test that asks a model."""

SNAPSHOT_PROPERTY = "crossmath_snapshot"
"""Property of a test: how its outcome changed since the snapshot, a `SnapshotChange`."""


def start(config: pytest.Config, run: RunConfig) -> Session:
    """The session of this process, in its role. Raises `CrossmathError`."""
    if hasattr(config, "workerinput"):
        return Worker(config, run)
    distributes = config.getoption("dist", "no") != "no" and config.getoption("tx", None)
    # With --collect-only, xdist starts no workers.
    if distributes and not config.option.collectonly:
        return Controller(config, run)
    return Local(config, run)


@contextmanager
def usage_errors() -> Iterator[None]:
    """Report a user's mistake in pytest's own way: one line and exit status 4."""
    try:
        yield
    except CrossmathError as error:
        raise pytest.UsageError(f"crossmath: {log_line(str(error))}") from None


class Session:
    """What all roles have: the plan, the progress display and the snapshots."""

    def __init__(self, config: pytest.Config, run: RunConfig) -> None:
        self.run = run
        self.plan = Plan.of(run)
        self.progress = Progress(config)
        self.snapshots = _snapshots(config, run)

    def pytest_report_header(self) -> str:
        """The line at the start of the run."""
        suite = suite_title(self.run.suite.name, len(self.run.suite.tasks))
        forms = ", ".join(modality.value for modality in self.run.modalities)
        return log_line(f"crossmath: {', '.join(self.plan.models)} on suite {suite} as {forms}")


class AskerRole(Session):
    """The part of a role that runs tests, and asks models for them."""

    asker: Asker

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Collect with the garbage collector off: there may be many items, and all of them stay."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return (yield)
        finally:
            if was_enabled:
                gc.enable()

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Add the built-in items to what pytest finds."""
        report = yield
        if isinstance(collector, pytest.Session) and collector.config.stash[selection] is not None:
            report.result = [*(report.result or ()), BuiltinModule.of(collector)]
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the problems into random order if a sequential test is used."""
        if self.run.stop_early == "sequential":
            places = [place for place, item in enumerate(items) if _asks_a_model(item)]
            asking = sorted((items[place] for place in places), key=self._random_order)
            for place, item in zip(places, asking, strict=True):
                items[place] = item

    @pytest.hookimpl(trylast=True)  # after syrupy
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Plan what the items that were selected will ask."""
        hide_from_syrupy(session.config)
        if not session.config.option.collectonly:
            with usage_errors():
                self.plan_items(session.items)

    def plan_items(self, items: Sequence[pytest.Item]) -> list[tuple[str, Request]]:
        """Pass the requests of the items to the asker, grouped by stretch, and return them."""
        scopes = self.stretches(items)
        asked = list(self.requests_of(items))
        self.asker.plan((model, scopes.get(item.nodeid), request) for item, model, request in asked)
        return [(model, request) for _, model, request in asked]

    def stretches(self, items: Sequence[pytest.Item]) -> Scopes:
        """The stretch of each test, by test id; empty if all tests run together."""
        raise NotImplementedError

    def requests_of(
        self, items: Sequence[pytest.Item]
    ) -> Iterator[tuple[pytest.Item, str, Request]]:
        """The items that ask a model, with the model and the request."""
        for item in items:
            if _asks_a_model(item):
                params = item.callspec.params  # type: ignore[attr-defined]  # parametrized by us
                model, task, asked = (params.get(f"crossmath_{name}") for name in _PARAMETERS)
                # If a test names another model itself, only that test fails, when it asks.
                if model in self.plan.models:
                    yield item, model, self.plan.request(task, asked)

    def ask(self, item: pytest.Item, engine: Engine, request: Request) -> Scored:
        """The scored response to a request; ends the test as an error if there is none."""
        try:
            settled = self.asker.ask(engine.name, request)
        except ModelError as error:
            if len(self.plan.models) == 1 and all(map(_asks_a_model, item.session.items)):
                # The remaining items would only repeat the message.
                self.stop(item.session, log_line(str(error)))
            raise NoMeasurement(log_line(str(error)), pytrace=False) from None
        finally:
            self.progress.clear()
        if settled is None:
            pytest.skip("stopped early: the gates are decided")
        if isinstance(settled, Failure):
            raise NoMeasurement(log_line(f"no measurement: {settled.message}"), pytrace=False)
        item.user_properties += [
            (MODEL_PROPERTY, settled.result.model),
            (PROBLEM_PROPERTY, settled.result.problem),
            ("crossmath_modality", settled.result.modality),
            ("crossmath_outcome", settled.result.outcome.value),
        ]
        return settled

    def stop(self, session: pytest.Session, reason: str) -> None:
        """Run no more items, since none of them can be measured."""
        raise NotImplementedError

    def is_regressed(self, item: pytest.Item, model: str, request: Request, score: Score) -> bool:
        """Whether the snapshot of outcomes says that the problem was solved before."""
        if self.snapshots is None:
            return False
        what, passes = self.snapshots.check(item, model, request, score)
        if self.snapshots.is_kept(model):
            item.user_properties.append((SNAPSHOT_PROPERTY, what.value))
        return not passes

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Mark the report of a test that ended because nothing was measured."""
        report = yield
        # Also the model's own errors: a test may call it directly.
        if call.excinfo and isinstance(call.excinfo.value, NO_MEASUREMENT):
            mark_unmeasured(report)
        self.attach(report)
        return report

    def attach(self, report: pytest.TestReport) -> None:
        """Attach results to the report of a test; nothing by default."""

    def _random_order(self, item: pytest.Item) -> tuple[str, bytes]:
        params = item.callspec.params  # type: ignore[attr-defined]  # parametrized by us
        return params["crossmath_model"], random_order(params["crossmath_problem"].id)


class CollectorRole(Session):
    """The part of a role that gets all results, judges the gates and reports."""

    collector: Collector
    report: Report | None = None
    """The report of the finished run; None before, and if there are no results."""
    unmeasured = 0
    """How many of the failures that pytest counted are only missing measurements."""
    unknown: Sequence[str] = ()
    """Why the exit status is `NO_RESULT`, in words; empty if it is not."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Check that the requested files can be written, and start the clock."""
        if not session.config.option.collectonly:
            with usage_errors():
                self.collector.start()
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
        self.unmeasured += report.failed and is_unmeasured(report)
        if self.snapshots is not None and report.when == "call":
            said = dict(report.user_properties)
            if SNAPSHOT_PROPERTY in said:
                named = (MODEL_PROPERTY, PROBLEM_PROPERTY, SNAPSHOT_PROPERTY)
                self.snapshots.count(*(str(said[name]) for name in named))

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
        self.report = self.collector.finish(note, self.troubles())
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
        missing = max(self.unmeasured, self.collector.errors)
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

    def unwritten(self) -> list[str]:
        """Why snapshots could not be written, in lines."""
        return self.snapshots.unwritten if self.snapshots is not None else []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the report."""
        if self.report is not None:
            from pytest_crossmath.plugin.terminal import show

            show(self.report, terminalreporter)
        if self.unknown:
            said = f"crossmath: nothing is known to be worse, but: {'; '.join(self.unknown)}"
            terminalreporter.write_line(log_line(f"{said} (exit status {NO_RESULT})"), red=True)


class Local(AskerRole, CollectorRole):
    """All in one process."""

    def __init__(self, config: pytest.Config, run: RunConfig) -> None:
        super().__init__(config, run)
        digests, root = _digests(config), config.rootpath
        self.collector = Collector(run, root, digests, arrived=self.progress.arrived)
        self.asker = Asker(
            run, root, digests, keep=self.collector.add, is_over=self.collector.is_over,
            loading=self.progress.loading,
        )  # fmt: skip

    def plan_items(self, items: Sequence[pytest.Item]) -> list[tuple[str, Request]]:
        """Pass the requests to the progress display and the gates, too."""
        asked = super().plan_items(items)
        self.plan_results(asked)
        return asked

    def stretches(self, items: Sequence[pytest.Item]) -> Scopes:  # noqa: ARG002 - no need to look
        """Empty: all tests run together."""
        return {}

    def stop(self, session: pytest.Session, reason: str) -> None:
        """End the run, as after --maxfail."""
        session.shouldfail = reason

    def troubles(self) -> list[str]:
        """What went wrong with its own cache."""
        return self.asker.close()


class Worker(AskerRole):
    """A worker of pytest-xdist."""

    def __init__(self, config: pytest.Config, run: RunConfig) -> None:
        super().__init__(config, run)
        self._input: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]  # set by xdist
        self._stopped_for: str | None = None
        self.outbox = Outbox()
        self.asker = Asker(
            run, config.rootpath, _digests(config), keep=self.outbox.put, is_over=self._is_over
        )

    def stretches(self, items: Sequence[pytest.Item]) -> Scopes:
        """The stretches, as the controller hands them out."""
        ids = [item.nodeid for item in items]
        return self.plan.stretches(ids, self._input["workercount"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Skip the remaining items of a run that was stopped."""
        if self._stopped_for is not None:
            pytest.skip(f"not run: {self._stopped_for}")

    def stop(self, session: pytest.Session, reason: str) -> None:  # noqa: ARG002 - it continues
        """Skip the remaining items. Ending the session would look like an interrupt to xdist."""
        self._stopped_for = reason

    def _is_over(self, model: str) -> bool:
        stops = self.run.stop_early is not None
        return stops and was_told(model, Path(self._input[FLAGS]))

    def attach(self, report: pytest.TestReport) -> None:
        """Attach the results that have arrived since the last report."""
        self.outbox.attach(report)

    @pytest.hookimpl(trylast=True)  # after syrupy has written; xdist sends it later still
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send the results that no report carried, and what went wrong."""
        unwritten = self.snapshots.unwritten if self.snapshots is not None else []
        last = self.outbox.last_word(self.asker.close(), unwritten)
        session.config.workeroutput.update(last)  # type: ignore[attr-defined]  # set by xdist


class Controller(CollectorRole):
    """The process that started the workers of pytest-xdist. It does not collect tests."""

    def __init__(self, config: pytest.Config, run: RunConfig) -> None:
        super().__init__(config, run)
        digests, root = _digests(config), config.rootpath
        self.collector = Collector(run, root, digests, arrived=self.progress.arrived)
        self.inbox = Inbox(self.collector.add)

    def receive(self, report: pytest.TestReport) -> None:
        """Take the results, too, and publish which models have been stopped."""
        self.inbox.take(report)
        super().receive(report)
        self.collector.publish_stops()

    def troubles(self) -> list[str]:
        """What went wrong with the caches of the workers."""
        return list(self.inbox.troubles)

    def unwritten(self) -> list[str]:
        """Those of the workers, too."""
        return list(dict.fromkeys([*super().unwritten(), *self.inbox.unwritten]))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Hand out stretches, unless the user chose a different distribution."""
        if config.getvalue("dist") != "load":
            return None
        return make_scheduler(config, log, self._handed_out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker its GPU, and the folder that shows which models have been stopped."""
        node.workerinput[GPU] = self._gpus.take(node.gateway.id)
        node.workerinput[FLAGS] = str(self.collector.flags())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take the last message of a worker."""
        self._gpus.release(node.gateway.id)
        self.inbox.take_last_word(getattr(node, "workeroutput", {}))

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """A worker died while it ran a test: nothing was measured there."""
        for model, request in self.plan.find([crashitem]):
            is_new = self.collector.add(failed(model, request, "the worker died"))
            # A test of the user's own may have had its response, and failed for its own reasons.
            if is_new or crashitem.startswith(TEST):
                mark_unmeasured(report)

    @cached_property
    def _gpus(self) -> GpuAssignment:
        # If the user names a device, the workers share it.
        by_hand = self.run.settings.device not in {"auto", "cuda"}
        return GpuAssignment([] if by_hand else visible_gpus())

    def _handed_out(self, ids: Sequence[str], workers: int) -> Scopes:
        with usage_errors():
            self.plan_results(list(self.plan.find(ids)))
        return self.plan.stretches(ids, workers)


def _asks_a_model(item: pytest.Item) -> bool:
    """Whether a test asks a model, with parameters that this plugin set."""
    if SCORED_FIXTURE not in getattr(item, "fixturenames", ()):
        return False
    params = item.callspec.params if hasattr(item, "callspec") else {}
    ours = isinstance(params.get("crossmath_modality"), FormSample)
    return ours and isinstance(params.get("crossmath_problem"), Task)


def _digests(config: pytest.Config) -> Digests:
    return Digests(config.rootpath / FOLDER)


def _snapshots(config: pytest.Config, run: RunConfig) -> Snapshots | None:
    """The snapshots; None if syrupy is off, or if nothing runs. Raises `SnapshotError`."""
    if not hasattr(config.option, "update_snapshots") or config.option.collectonly:
        return None
    # Imported here, so that syrupy is imported only if it is switched on.
    from pytest_crossmath.plugin.snapshots import Snapshots

    models = [spec.name for spec in run.models]
    return Snapshots(config, run.suite, models, is_cut=run.is_cut)
