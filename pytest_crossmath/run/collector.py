"""The collector: gathers all results of a run, writes its record, and judges its gates.

::

    collector = Collector(config, root, digests)
    collector.plan([("llava", request), …])
    collector.start()
    collector.add(result)                        # as they arrive, from any process
    report = collector.finish()
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_crossmath.errors import OutputError, setting
from pytest_crossmath.files import relative
from pytest_crossmath.gating.early import EarlyStop
from pytest_crossmath.gating.gatekeeper import Gatekeeper
from pytest_crossmath.gating.verdicts import any_fails
from pytest_crossmath.inference.result import Result, ResultId, pending, replaces
from pytest_crossmath.inference.run import Run
from pytest_crossmath.inference.transcript import Transcript
from pytest_crossmath.locks import Lock
from pytest_crossmath.models.digests import Digests
from pytest_crossmath.reporting.record import RecordWriter, default_path
from pytest_crossmath.reporting.report import Comparison, Report
from pytest_crossmath.reporting.summary import split_by_cause, summarize_run
from pytest_crossmath.run.config import RunConfig
from pytest_crossmath.run.header import digest_of, planned_header, record_header
from pytest_crossmath.run.outputs import check_files, write_files
from pytest_crossmath.signals import held_back
from pytest_crossmath.tasks.request import Request
from pytest_crossmath.tasks.score import Outcome

THIS_RUN = "this run"
"""What messages call a run without a record."""


@dataclass(frozen=True, slots=True)
class SnapshotNote:
    """How outcomes changed since their snapshot, for record and report."""

    lines: Sequence[str] = ()
    """The changes as lines, for people."""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """The number of each change, by model, for the record."""


class Collector:
    """Collects the results of a run, in the one process that sees them all."""

    def __init__(
        self,
        config: RunConfig,
        root: Path,
        digests: Digests,
        *,
        arrived: Callable[[Result], None] = lambda _: None,
    ) -> None:
        """`arrived` is called with every new result. The record is below `root`.

        Raises `ComparisonError` if the run cannot be compared with the baseline.
        """
        self._config = config
        self._root = root
        self._digests = digests
        self._arrived = arrived
        self._results: dict[ResultId, Result] = {}
        self._transcripts: dict[ResultId, Transcript] = {}
        self._record: RecordWriter | None = None
        self._started = time.perf_counter()
        self._lock: Lock | None = None
        self._keeper = Gatekeeper(
            config.gates, config.baseline, sequential=config.stop_early == "sequential"
        )
        planned = {**planned_header(config), "models": {}}
        self._keeper.check_asked(planned, [spec.name for spec in config.models])
        self._stopping = EarlyStop(self._keeper, self._results, config.stop_early)
        self._flags: tempfile.TemporaryDirectory[str] | None = None
        self.is_worse = False
        """Whether a gate fails the run."""
        self.unknown: tuple[str, ...] = ()
        """What was requested but could not be judged or written, in words."""

    def plan(self, requests: Iterable[tuple[str, Request]]) -> None:
        """Pass the requests to the gates. Raises `ComparisonError`."""
        if self._config.gates or self._config.baseline:
            self._keeper.plan(pending(model, request) for model, request in requests)

    def start(self, *, read: Iterable[Path] = (), others: Iterable[tuple[str, Path]] = ()) -> None:
        """Start the clock, and check that the requested files can be written.

        They must not be a file that the run reads, `read` included, nor one of the `others`, which
        pytest and other plugins write. Raises `OptionError`.
        """
        self._started = time.perf_counter()
        check_files(self._config, self._root, read=read, others=others)
        # Only now: the lock makes the record's folder, and a refused run leaves nothing behind.
        if self._config.record is not None:
            self._lock = Lock(self._config.record, "the run record", noun="file")

    def add(self, line: Result | Transcript) -> bool:
        """Add a line to the record, but only once: after a crash, a request may be repeated.

        A measurement replaces an error, as when a test is rerun. Returns whether it was added.
        """
        known: dict[ResultId, Any] = (
            self._results if isinstance(line, Result) else self._transcripts
        )
        before = known.get(line.id)
        if before is not None and not (
            isinstance(line, Result) and isinstance(before, Result) and replaces(before, line)
        ):
            return False
        # In the record and in the figures, or in neither.
        with held_back():
            # The text is in the record; the texts of a long run would fill the memory.
            known[line.id] = replace(line, response="")
            self._open_record().append(line)
        if isinstance(line, Result):
            self._arrived(line)
        return True

    @property
    def errors(self) -> int:
        """How many requests have no measurement."""
        return sum(result.outcome is Outcome.ERROR for result in self._results.values())

    def is_over(self, model: str) -> bool:
        """Whether a model has been stopped."""
        return self._stopping.is_over(model)

    def flags(self) -> Path:
        """A folder that shows other processes which models have been stopped."""
        self._flags = self._flags or tempfile.TemporaryDirectory(prefix="crossmath-")
        return Path(self._flags.name)

    def publish_stops(self) -> None:
        """Update that folder."""
        if self._flags is not None:
            self._stopping.tell((spec.name for spec in self._config.models), self.flags())

    def finish(
        self,
        snapshots: SnapshotNote | None = None,
        troubles: Iterable[str] = (),
        seconds: float | None = None,
    ) -> Report | None:
        """Judge the gates, close the record with the figures, and write the requested files.

        `troubles` says what went wrong with the cache, and what is to be known about the models;
        `seconds` how long models were asked, None for all the time since the start. Returns None
        if there are no results.
        """
        try:
            return self._finish(snapshots, troubles, seconds)
        finally:
            if self._lock is not None:
                self._lock.release()

    def _finish(
        self, snapshots: SnapshotNote | None, troubles: Iterable[str], seconds: float | None
    ) -> Report | None:
        if self._flags is not None:
            self._flags.cleanup()
        if not self._results:
            named = [*self._config.files, *(["record"] if self._config.record else [])]
            self.unknown = (
                *(f"{gate} was not judged" for gate in self._config.gates),
                *(
                    str(OutputError(f"there was nothing to write for {setting(name)}"))
                    for name in named
                ),
            )
            return None
        if seconds is None:
            seconds = time.perf_counter() - self._started
        report = self._report(snapshots or SnapshotNote(), troubles, seconds)
        record = self._open_record()
        record.finish(self._last_line(report, snapshots))
        changed = self._changed_models()
        report = replace(
            report,
            record=relative(record.path) if record.is_kept else None,
            troubles=[*self._record_troubles(), *changed, *report.troubles],
        )
        unwritten = write_files(report, self._config)
        self.is_worse = any_fails(report.verdicts, inconclusive_fails=report.inconclusive_fails)
        lost = self._config.record is not None and bool(self._record_troubles())
        self.unknown = (
            *changed,
            *(f"{v.gate} of {v.model} was not judged" for v in report.verdicts if not v.is_judged),
            *([f"the run record is {self._record_state}"] if lost else []),
            *(["a report was not written"] if unwritten else []),
        )
        return replace(report, troubles=[*report.troubles, *unwritten])

    def _report(self, snapshots: SnapshotNote, troubles: Iterable[str], seconds: float) -> Report:
        record = self._open_record()
        path = record.path if record.is_kept else None
        run = Run(
            relative(path) if path else THIS_RUN, record.header,
            tuple(self._results.values()), tuple(self._transcripts.values()), None,
        )  # fmt: skip
        return Report(
            run=run,
            summary=summarize_run(run.results),
            splits=split_by_cause(run.results, run.transcripts),
            verdicts=self._keeper.verdicts(self._results, record.header),
            comparisons=[Comparison(*found) for found in self._keeper.changes(self._results)],
            differences=list(dict.fromkeys(self._keeper.differences(record.header, self._results))),
            inconclusive_fails=self._config.inconclusive == "fail",
            stopped=[*self._stopping.lines(), *self._keeper.copies(self._results)],
            snapshots=snapshots.lines,
            seconds=seconds,
            troubles=list(troubles),
        )

    def _last_line(self, report: Report, snapshots: SnapshotNote | None) -> dict[str, Any]:
        return {
            **report.summary.to_json(),
            "gates": [verdict.to_json() for verdict in report.verdicts],
            "stopped_early": self._stopping.to_json(),
            "snapshots": snapshots.counts if snapshots else {},
            "causes": [split.to_json() for split in report.splits],
        }

    def _changed_models(self) -> list[str]:
        """A line for each model whose weights changed during the run.

        Each worker loads them for itself, so the figures may be those of two models.
        """
        known = self._open_record().header["models"]
        found = {spec.name: digest_of(spec, self._digests) for spec in self._config.models}
        return [
            f"the weights of {name} changed during the run: its figures may be those of two models"
            for name, digest in found.items()
            if digest and known[name]["digest"] and digest != known[name]["digest"]
        ]

    def _record_troubles(self) -> list[str]:
        trouble = self._record.trouble if self._record else None
        kept = "  it is" if self._record and self._record.is_kept else "record:"
        return [f"{kept} {self._record_state}: {trouble}"] if trouble else []

    @property
    def _record_state(self) -> str:
        return "incomplete" if self._record and self._record.is_kept else "not written"

    def _open_record(self) -> RecordWriter:
        if self._record is None:
            path = self._config.record or default_path(self._root)
            self._record = RecordWriter(path, record_header(self._config, self._digests))
        return self._record
