"""One run: what is asked, the engines that answer, and what is known when it ends.

The hooks and fixtures of `plugin` delegate to a `CrossmathSession`. Under
pytest-xdist each worker has one that answers, and the controller has one that
collects: results travel on the test reports, the only thing that survives a
worker that dies, and the last ones on what a worker says when it leaves.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_crossmath.errors import ModelError
from pytest_crossmath.files import FOLDER, relative
from pytest_crossmath.gating.early import EarlyStop, was_told
from pytest_crossmath.gating.gatekeeper import Gatekeeper
from pytest_crossmath.gating.sequential import random_order
from pytest_crossmath.gating.verdicts import Verdict, Word
from pytest_crossmath.inference.cache import ModelCache, ResponseStore
from pytest_crossmath.inference.engine import Engine, Failure, Scored
from pytest_crossmath.inference.result import Result, ResultId, failed, pending
from pytest_crossmath.inference.transcript import Transcript, parse_line
from pytest_crossmath.models.backend import Backend
from pytest_crossmath.models.registry import load_backend
from pytest_crossmath.models.spec import ModelSpec
from pytest_crossmath.plugin.outputs import check_files, write_files
from pytest_crossmath.plugin.progress import Progress
from pytest_crossmath.plugin.xdist import Scopes, stretches
from pytest_crossmath.reporting.record import RecordWriter, check_writable, default_path
from pytest_crossmath.reporting.report import Comparison, Report
from pytest_crossmath.reporting.summary import Split, split_by_cause, summarize_run, unsolved
from pytest_crossmath.run.config import CrossmathConfig
from pytest_crossmath.run.plan import (
    FormSample,
    asked,
    decoding,
    everything,
    record_header,
    suite_title,
)
from pytest_crossmath.tasks.diagnosis import diagnose
from pytest_crossmath.tasks.request import Request, make_request
from pytest_crossmath.tasks.score import Score
from pytest_crossmath.tasks.task import Task

if TYPE_CHECKING:
    from pytest_crossmath.plugin.snapshots import Snapshots

ANSWER_FIXTURE = "_crossmath_scored"
"""The fixture that asks a model; every test that depends on it is planned."""

REPORT_ATTRIBUTE = "crossmath_results"
"""Where a test report, and a worker's last word, carry results as builtin types."""

FLAGS = "crossmath_flags"
"""Where a worker is told which folder says that a model is not to be asked any more."""

MODEL_PROPERTY = "crossmath_model"
"""Property of a test: the model that it asked."""

PROBLEM_PROPERTY = "crossmath_problem"
"""Property of a test: the id of its problem."""

SNAPSHOT_PROPERTY = "crossmath_snapshot"
"""Property of a test: what became of its outcome since the snapshot, a `Change`."""

TROUBLE = "crossmath_trouble"
"""Where a worker's last word carries what is to be said about its cache."""


class CrossmathSession:
    """The state of a run in one process."""

    def __init__(self, config: CrossmathConfig, root: pytest.Config) -> None:
        self.config = config
        self._pytest = root
        self._workerinput: Mapping[str, Any] | None = getattr(root, "workerinput", None)
        self._store = ResponseStore(root.rootpath)
        self._troubles: dict[str, None] = {}
        self._fresh: list[Result | Transcript] = []
        self._transcripts: dict[ResultId, Transcript] = {}
        self._engines = {spec.name: self._engine(spec) for spec in config.models}
        self._results: dict[ResultId, Result] = {}
        self._record: RecordWriter | None = None
        self._started = time.perf_counter()
        self.progress = Progress(root)
        self._keeper = Gatekeeper(
            config.gates, config.baseline, sequential=config.stop_early == "sequential"
        )
        self._keeper.check_asked(
            {**asked(self.config), "models": {}}, [spec.name for spec in config.models]
        )
        self._stopping = EarlyStop(self._keeper, self._results, config.stop_early)
        self._verdicts: tuple[Verdict, ...] = ()
        self._flags: tempfile.TemporaryDirectory[str] | None = None
        self._snapshots = self._read_snapshots()
        self._unwritten: list[str] = []
        self.report: Report | None = None
        """What the run says when it has ended; None before, and where nothing was answered."""

    # -- what is asked ---------------------------------------------------------------

    def ids(self) -> Iterator[str]:
        """The bracketed part of every built-in test id."""
        return (id for id, _, _, _ in everything(self.config))

    def reorder(self, items: list[pytest.Item]) -> None:
        """Put the problems into random order where a sequential test looks at them on the way."""
        if self.config.stop_early == "sequential":
            places = [place for place, item in enumerate(items) if _asks_a_model(item)]
            asking = sorted((items[place] for place in places), key=_random_order)
            for place, item in zip(places, asking, strict=True):
                items[place] = item

    def plan(self, items: Iterable[pytest.Item]) -> None:
        """Tell each engine the requests that the selected items will make together."""
        items = list(items)
        asking = [item for item in items if _asks_a_model(item)]
        scopes: Scopes = {}
        if self._workerinput is not None:
            ids = [item.nodeid for item in items]
            scopes = self.stretches(ids, self._workerinput["workercount"])
        planned: dict[tuple[str, str | None], list[Request]] = {}
        for item in asking:
            params = item.callspec.params  # type: ignore[attr-defined]  # parametrized by us
            request = self.request(params["crossmath_problem"], params["crossmath_modality"])
            together = params["crossmath_model"], scopes.get(item.nodeid)
            planned.setdefault(together, []).append(request)
        for (name, _), requests in planned.items():
            self._engines[name].plan(requests)
        if not self.is_worker:
            self.progress.plan(
                (name, request) for (name, _), requests in planned.items() for request in requests
            )
            self._plan_gates(
                (name, request) for (name, _), requests in planned.items() for request in requests
            )

    @property
    def is_worker(self) -> bool:
        """Whether this process is a worker of pytest-xdist."""
        return self._workerinput is not None

    def stretches(self, ids: Sequence[str], workers: int) -> Scopes:
        """Which tests go to the same worker, by test id."""
        if not self.is_worker:
            known = dict(self._requests_by_id())
            asked = [id.partition("[")[2].removesuffix("]") for id in ids]
            requests = [known[id] for id in asked if id in known]
            self.progress.plan(requests)
            self._plan_gates(requests)
        return stretches(
            ids,
            models=[spec.name for spec in self.config.models],
            problems=[task.id for task in self.config.suite.tasks],
            workers=workers,
        )

    def request(self, task: Task, asked: FormSample) -> Request:
        """The request for a task in a form."""
        return make_request(
            task, asked.form, sample=asked.sample, instruction=self.config.instruction
        )

    def engine(self, name: str) -> Engine:
        """The engine of a model."""
        return self._engines[name]

    def start(self) -> None:
        """Start the clock, and see that the record can be written before anything is asked.

        Raises `OptionError` where it cannot.
        """
        self._started = time.perf_counter()
        if self.config.record is not None:
            check_writable(self.config.record)
        check_files(self.config)
        if self._snapshots is not None:
            self._snapshots.check_writable()

    # -- what came of it -------------------------------------------------------------

    def ask(self, engine: Engine, request: Request, session: pytest.Session) -> Scored:
        """The scored response to a request; ends the test as an error when there is none."""
        if not engine.is_settled(request) and self._is_over(engine.name):
            pytest.skip("stopped early: the gates are decided")
        try:
            settled = engine.ask(request)
        except ModelError as error:
            if len(self._engines) == 1 and all(map(_asks_a_model, session.items)):
                # The items left would only say the same: stop, as after --maxfail.
                session.shouldfail = str(error)
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        finally:
            self.progress.clear()
        if isinstance(settled, Failure):
            pytest.fail(f"no measurement: {settled.message}", pytrace=False)
        if self.config.diagnose and settled.is_missed_picture:
            self._diagnose(engine, settled)
        return settled

    def properties(self, scored: Scored) -> list[tuple[str, object]]:
        """What a test's JUnit entry says of it."""
        result = scored.result
        return [
            (MODEL_PROPERTY, result.model),
            (PROBLEM_PROPERTY, result.problem),
            ("crossmath_modality", result.modality),
            ("crossmath_outcome", result.outcome.value),
        ]

    def is_regressed(self, item: pytest.Item, model: str, request: Request, score: Score) -> bool:
        """Whether the snapshot of outcomes says that the problem was solved before."""
        if self._snapshots is None:
            return False
        what, passes = self._snapshots.check(item, model, request, score)
        if self._snapshots.is_kept(model):
            item.user_properties.append((SNAPSHOT_PROPERTY, what.value))
        return not passes

    def attach(self, report: pytest.TestReport) -> None:
        """In a worker: put what arrived since the last report on this one."""
        if self._fresh:
            setattr(report, REPORT_ATTRIBUTE, self._take_fresh())

    def last_word(self) -> dict[str, Any]:
        """In a worker: what no report has carried."""
        return {REPORT_ATTRIBUTE: self._take_fresh(), TROUBLE: list(self._all_troubles())}

    def receive(self, report: pytest.TestReport) -> None:
        """Take the results that a worker's report carries into the record."""
        for fields in getattr(report, REPORT_ATTRIBUTE, ()):
            self._collect(parse_line(fields))
        if self._snapshots is not None and report.when == "call":
            said = dict(report.user_properties)
            if SNAPSHOT_PROPERTY in said:
                named = (MODEL_PROPERTY, PROBLEM_PROPERTY, SNAPSHOT_PROPERTY)
                self._snapshots.count(*(str(said[name]) for name in named))
        if self._flags is not None:
            self._stopping.tell(self._engines, Path(self._flags.name))

    def flags(self) -> str:
        """A folder where workers see which models are not to be asked any more."""
        self._flags = self._flags or tempfile.TemporaryDirectory(prefix="crossmath-")
        return self._flags.name

    def receive_last_word(self, said: Mapping[str, Any]) -> None:
        """Take what a worker said when it left."""
        for fields in said.get(REPORT_ATTRIBUTE, ()):
            self._collect(parse_line(fields))
        self._troubles.update(dict.fromkeys(said.get(TROUBLE, ())))

    def receive_crash(self, test_id: str) -> None:
        """A worker died while it ran a test: nothing was measured there."""
        for id, model, task, one in everything(self.config):
            if test_id.endswith(f"[{id}]"):
                self._collect(failed(model, self.request(task, one), "the worker died"))

    def finish(self) -> None:
        """Judge the gates, and close the record with the figures, and the cache."""
        self.progress.clear()
        if not self.is_worker:
            self._verdicts = self._keeper.verdicts(self._results) if self._results else ()
            if self._snapshots is not None:
                self._snapshots.finish()
        if self._record is not None:
            self._record.finish(
                {
                    **summarize_run(self._results.values()).to_json(),
                    "gates": [verdict.to_json() for verdict in self._verdicts],
                    "stopped_early": self._stopping.to_json(),
                    "snapshots": self._snapshots.to_json() if self._snapshots else {},
                    "causes": [split.to_json() for split in self._splits()],
                }
            )
        self._store.close()
        if self._flags is not None:
            self._flags.cleanup()
        if self._results and not self.is_worker:
            report = self._report()
            record = self._record.path if self._record else None
            self._unwritten = write_files(report, self.config, record)
            self.report = replace(report, troubles=[*report.troubles, *self._unwritten])

    @property
    def has_failed(self) -> bool:
        """Whether a gate fails the run, or a file that was asked for could not be written."""
        failing = {Word.FAIL} | (
            {Word.INCONCLUSIVE} if self.config.inconclusive == "fail" else set()
        )
        lost = self.config.record and self._record is not None and self._record.trouble
        return bool(lost or self._unwritten) or any(
            verdict.word in failing for verdict in self._verdicts
        )

    def header(self) -> str:
        """The line at the start of the run."""
        models = ", ".join(spec.name for spec in self.config.models)
        forms = ", ".join(modality.value for modality in self.config.modalities)
        return f"crossmath: {models} on suite {suite_title(self.config)} as {forms}"

    # -- inside ----------------------------------------------------------------------

    def _report(self) -> Report:
        summary = summarize_run(self._results.values())
        record = self._record
        header = record.header if record else self._record_header()
        return Report(
            suite=suite_title(self.config, summary.problems),
            decoding=decoding(self.config),
            summary=summary,
            unsolved=unsolved(self._results.values()),
            splits=self._splits(),
            comparisons=[Comparison(*found) for found in self._keeper.changes(self._results)],
            differences=list(dict.fromkeys(self._keeper.differences(header))),
            verdicts=self._verdicts,
            inconclusive_fails=self.config.inconclusive == "fail",
            stopped=list(self._stopping.lines()),
            snapshots=list(self._snapshots.lines()) if self._snapshots else [],
            seconds=time.perf_counter() - self._started,
            record=relative(record.path) if record else None,
            troubles=[
                *([f"  it is incomplete: {record.trouble}"] if record and record.trouble else []),
                *(f"cache: {trouble}" for trouble in self._all_troubles()),
            ],
        )

    def _engine(self, spec: ModelSpec) -> Engine:
        settings = self.config.settings

        def load() -> Backend:
            self.progress.loading(spec.name)
            try:
                return load_backend(spec, settings)
            finally:
                self.progress.clear()

        return Engine(
            spec.name,
            load=load,
            settings=settings,
            cache=self._cache(spec),
            on_result=self._keep,
        )

    def _splits(self) -> list[Split]:
        return split_by_cause(self._results.values(), self._transcripts.values())

    def _read_snapshots(self) -> Snapshots | None:
        """The snapshots; None where syrupy is switched off."""
        if not hasattr(self._pytest.option, "update_snapshots"):
            return None
        # Not above: syrupy is imported only where it is on.
        from pytest_crossmath.plugin.snapshots import Snapshots

        models = [spec.name for spec in self.config.models]
        suite = self.config.suite
        return Snapshots(self._pytest, suite, models, is_cut=self.config.is_cut)

    def _is_over(self, model: str) -> bool:
        """Whether a model is not to be asked any more."""
        if self.config.stop_early is None:
            return False
        if self._workerinput is not None:
            return was_told(model, Path(self._workerinput[FLAGS]))
        return self._stopping.is_over(model)

    def _requests_by_id(self) -> Iterator[tuple[str, tuple[str, Request]]]:
        for id, model, task, one in everything(self.config):
            yield id, (model, self.request(task, one))

    def _plan_gates(self, requests: Iterable[tuple[str, Request]]) -> None:
        """Tell the gates what will be asked. Raises `ComparisonError`."""
        if self.config.gates or self.config.baseline:
            self._keeper.plan(pending(model, request) for model, request in requests)

    def _cache(self, spec: ModelSpec) -> ModelCache | None:
        if self.config.cache == "off":
            return None
        settings, memo = self.config.settings, self._pytest.rootpath / FOLDER

        def identity() -> str | None:
            from pytest_crossmath.models.registry import identify

            loaded = self._engines[spec.name].is_loaded
            return identify(spec, settings, memo=memo, loaded=loaded)

        return ModelCache(
            self._store,
            identify=identity,
            settings=settings,
            refresh=self.config.cache == "refresh",
        )

    def _diagnose(self, engine: Engine, scored: Scored) -> None:
        """Ask what was seen in a picture that was missed, and keep why it was."""
        said = engine.transcript(scored.request)
        self.progress.clear()
        if said is not None:
            cause = diagnose(scored.request.task, scored.score.answer or (), said)
            result = scored.result
            named = result.model, result.problem, result.modality, result.style, result.sample
            self._keep(Transcript(*named, cause, said))

    def _keep(self, line: Result | Transcript) -> None:
        """Take a line of the record: here, or in a worker, for the next report."""
        if self.is_worker:
            self._fresh.append(line)
        else:
            self._collect(line)

    def _collect(self, result: Result | Transcript) -> None:
        """Take a result into the record, once: a request may be made again after a crash."""
        if isinstance(result, Transcript):
            if result.id not in self._transcripts:
                self._transcripts[result.id] = replace(result, response="")
                self._open_record().append(result)
        elif result.id not in self._results:
            # The text is in the record: a long run's would fill the memory.
            self._results[result.id] = replace(result, response="")
            self._open_record().append(result)
            self.progress.arrived(result)

    def _take_fresh(self) -> list[dict[str, Any]]:
        fresh = [result.to_json() for result in self._fresh]
        self._fresh.clear()
        return fresh

    def _all_troubles(self) -> Iterable[str]:
        own = [self._store.trouble] if self._store.trouble else []
        return dict.fromkeys([*self._troubles, *own])

    def _record_header(self) -> Mapping[str, Any]:
        return record_header(self.config, self._pytest.rootpath / FOLDER)

    def _open_record(self) -> RecordWriter:
        if self._record is None:
            path = self.config.record or default_path(self._pytest.rootpath)
            self._record = RecordWriter(path, self._record_header())
        return self._record


def _asks_a_model(item: pytest.Item) -> bool:
    return ANSWER_FIXTURE in getattr(item, "fixturenames", ())


def _random_order(item: pytest.Item) -> tuple[str, bytes]:
    params = item.callspec.params  # type: ignore[attr-defined]  # parametrized by us
    return params["crossmath_model"], random_order(params["crossmath_problem"].id)


def usage_error(error: Exception) -> pytest.UsageError:
    """A user's mistake in pytest's own form: one line and exit status 4."""
    return pytest.UsageError(f"crossmath: {error}")
