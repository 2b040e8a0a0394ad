"""The part of a role that runs tests, and asks models for them."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator, Sequence

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.gating.sequential import random_order
from pytest_crossmath.inference.engine import Engine, Failure, Scored
from pytest_crossmath.plugin.exit_status import NO_MEASUREMENT, NoMeasurement, mark_unmeasured
from pytest_crossmath.plugin.items import BuiltinModule, hide_from_syrupy, selection
from pytest_crossmath.plugin.parameters import asked_by
from pytest_crossmath.plugin.role import (
    FORM_PROPERTY,
    MODALITY_PROPERTY,
    MODEL_PROPERTY,
    OUTCOME_PROPERTY,
    PROBLEM_PROPERTY,
    SNAPSHOT_PROPERTY,
    Session,
    usage_errors,
)
from pytest_crossmath.run.asker import Asker
from pytest_crossmath.run.plan import Scopes
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.text import log_line, one_line

_cut_off: pytest.StashKey[bool] = pytest.StashKey()
"""Whether asking for a test was cut off, so that nothing was measured."""


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
            asked = [(place, found) for place, item in enumerate(items)
                     if (found := asked_by(item, self.plan)) is not None]  # fmt: skip
            order = sorted(asked, key=lambda one: (one[1][0], random_order(one[1][1].task.id)))
            moved = [items[place] for place, _ in order]
            for (place, _), item in zip(asked, moved, strict=True):
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
            found = asked_by(item, self.plan)
            if found is not None:
                yield item, *found

    def ask(self, item: pytest.Item, engine: Engine, request: Request) -> Scored:
        """The scored response to a request; ends the test as an error if there is none."""
        sample = f"#{request.sample}" if request.sample else ""
        # Before asking, so that a missing measurement is counted once for its request.
        note(item, MODEL_PROPERTY, engine.name)
        note(item, PROBLEM_PROPERTY, request.task.id)
        note(item, MODALITY_PROPERTY, request.form.modality.value)
        note(item, FORM_PROPERTY, f"{request.form}{sample}")
        try:
            settled = self.asker.ask(engine.name, request)
        except ModelError as error:
            if len(self.plan.models) == 1 and all(
                asked_by(one, self.plan) for one in item.session.items
            ):
                # The remaining items would only repeat the message.
                self.stop(item.session, log_line(str(error)))
            raise NoMeasurement(log_line(str(error)), pytrace=False) from None
        except (Exception, pytest.fail.Exception) as error:
            # Another plugin's time limit, or a fault of a backend or of ours: nothing was measured.
            self.asker.give_up(engine.name, request, one_line(error))
            item.stash[_cut_off] = True
            raise
        finally:
            self.progress.clear()
        if settled is None:
            pytest.skip("stopped early: the gates are decided")
        if isinstance(settled, Failure):
            raise NoMeasurement(log_line(f"no measurement: {settled.message}"), pytrace=False)
        note(item, OUTCOME_PROPERTY, settled.result.outcome.value)
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
            note(item, SNAPSHOT_PROPERTY, what.value)
        return not passes

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Mark the report of a test that ended because nothing was measured."""
        report = yield
        # Also the model's own errors: a test may call it directly.
        # Once: a test that is run again may fail for another reason.
        is_cut_off = call.when == "setup" and item.stash.get(_cut_off, False)
        item.stash[_cut_off] = False
        if call.excinfo and (is_cut_off or isinstance(call.excinfo.value, NO_MEASUREMENT)):
            mark_unmeasured(report)
        self.attach(report)
        return report

    def attach(self, report: pytest.TestReport) -> None:
        """Attach results to the report of a test; nothing by default."""


def note(item: pytest.Item, name: str, value: str) -> None:
    """Set a property of a test; a test that is run again has each once."""
    item.user_properties[:] = [one for one in item.user_properties if one[0] != name]
    item.user_properties.append((name, value))
