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

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from pytest_crossmath.gating.early import was_told
from pytest_crossmath.inference.result import failed
from pytest_crossmath.plugin.asker_role import AskerRole
from pytest_crossmath.plugin.collector_role import CollectorRole
from pytest_crossmath.plugin.exit_status import mark_unmeasured
from pytest_crossmath.plugin.items import TEST
from pytest_crossmath.plugin.role import Session, digests_of, usage_errors
from pytest_crossmath.plugin.xdist import (
    FLAGS,
    GPU,
    PARENT,
    GpuAssignment,
    Inbox,
    Outbox,
    make_scheduler,
    visible_gpus,
)
from pytest_crossmath.run.asker import Asker
from pytest_crossmath.run.collector import Collector
from pytest_crossmath.run.config import RunConfig
from pytest_crossmath.run.plan import Scopes
from pytest_crossmath.tasks.request import Request


def start(config: pytest.Config, run: RunConfig) -> Session:
    """The session of this process, in its role. Raises `CrossmathError`."""
    if hasattr(config, "workerinput"):
        return Worker(config, run)
    distributes = config.getoption("dist", "no") != "no" and config.getoption("tx", None)
    # With --collect-only, xdist starts no workers.
    if distributes and not config.option.collectonly:
        return Controller(config, run)
    return Local(config, run)


class Local(AskerRole, CollectorRole):
    """All in one process."""

    def __init__(self, config: pytest.Config, run: RunConfig) -> None:
        super().__init__(config, run)
        digests, root = digests_of(config), config.rootpath
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

    @property
    def seconds(self) -> float:
        """How long it asked models."""
        return self.asker.seconds


class Worker(AskerRole):
    """A worker of pytest-xdist."""

    def __init__(self, config: pytest.Config, run: RunConfig) -> None:
        super().__init__(config, run)
        self._input: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]  # set by xdist
        self._stopped_for: str | None = None
        self.outbox = Outbox()
        self.asker = Asker(
            run, config.rootpath, digests_of(config), keep=self.outbox.put, is_over=self._is_over
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
        last = self.outbox.last_word(self.asker.close(), unwritten, self.asker.seconds)
        session.config.workeroutput.update(last)  # type: ignore[attr-defined]  # set by xdist


class Controller(CollectorRole):
    """The process that started the workers of pytest-xdist. It does not collect tests."""

    def __init__(self, config: pytest.Config, run: RunConfig) -> None:
        super().__init__(config, run)
        digests, root = digests_of(config), config.rootpath
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

    @property
    def seconds(self) -> float | None:
        """How long the busiest worker asked models; None if all of them died."""
        return self.inbox.seconds

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
        node.workerinput[PARENT] = os.getpid()
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
