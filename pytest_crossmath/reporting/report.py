"""A finished run with its figures: the one value that every writer takes.

A live run builds one when it ends, and `report_of` builds one from a record, so terminal, page,
Markdown and annotations show the same for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_crossmath.errors import ComparisonError, RecordError
from pytest_crossmath.gating.answering import another_answered
from pytest_crossmath.gating.comparison import Change, check_comparable
from pytest_crossmath.gating.gatekeeper import Baseline, Gatekeeper
from pytest_crossmath.gating.verdicts import Verdict
from pytest_crossmath.inference.run import Run
from pytest_crossmath.reporting.record import read_record
from pytest_crossmath.reporting.summary import (
    Split,
    Summary,
    split_by_cause,
    summarize_run,
    unsolved,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the results of one model changed since the baseline."""

    model: str
    """Name of the model."""
    base: str
    """Its name in the baseline."""
    changes: Sequence[Change]
    """One for each form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished run with its figures."""

    run: Run
    """What was asked, and every result; the texts of responses may be missing."""
    summary: Summary
    """The figures."""
    splits: Sequence[Split] = ()
    """Why pictures were missed, if the run was asked to diagnose that."""
    comparisons: Sequence[Comparison] = ()
    """What changed since the baseline."""
    differences: Sequence[str] = ()
    """Settings and versions that differ from the baseline, one line each."""
    verdicts: Sequence[Verdict] = ()
    """The verdicts of the gates."""
    inconclusive_fails: bool = False
    """Whether an inconclusive gate fails the run."""
    stopped: Sequence[str] = ()
    """Models that were stopped early, one line each."""
    snapshots: Sequence[str] = ()
    """How outcomes changed since their snapshot, as lines."""
    seconds: float
    """How long models were asked, without loading them: in the busiest of several workers. For a
    record, the time spent in the backends."""
    record: str | None = None
    """Path of the run record; None if nothing was recorded."""
    troubles: Sequence[str] = ()
    """What went wrong with the record and the cache, one line each."""

    @property
    def suite(self) -> str:
        """Name and size of the suite, and how many of its problems were asked."""
        suite = self.run.header.get("suite", {})
        return suite_title(suite.get("name"), len(suite.get("problems", ())), self.summary.problems)

    @property
    def decoding(self) -> str:
        """How responses were decoded."""
        return decoding_of(self.run)

    @property
    def answering(self) -> Sequence[str]:
        """A line for each model that another one answered for, or several in turn."""
        return another_answered(self.run.header, self.run.results)

    @property
    def unsolved(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """The problems that were not solved, by model and form."""
        return unsolved(self.run.results)

    def with_texts(self) -> Report:
        """The report with the texts of responses, read from the record. Raises `RecordError`."""
        if self.record is None:
            raise RecordError("there is no run record")
        read = read_record(Path(self.record), texts=True)
        known = {result.id: result for result in read.results}
        # An incomplete record lacks some results; they are here, without their texts.
        results = tuple(known.get(result.id, result) for result in self.run.results)
        return replace(self, run=replace(read, results=results))


def report_of(run: Run, base: Run | None = None) -> Report:
    """The report of a record, with what changed since `base` if that is given.

    Raises `ComparisonError` for two runs that cannot be compared, and `RecordError` for a
    record whose last line is invalid.
    """
    summary = summarize_run(run.results)
    return Report(
        run=run,
        summary=summary,
        splits=split_by_cause(run.results, run.transcripts),
        comparisons=[] if base is None else _comparisons(run, base),
        verdicts=_verdicts(run),
        seconds=summary.seconds,
        record=run.name,
    )


def side_by_side(runs: Sequence[Run]) -> tuple[list[Report], list[str]]:
    """The report of each run, compared with the first, and notes on those that cannot be."""
    reports, notes = [report_of(runs[0])], []
    for run in runs[1:]:
        try:
            reports.append(report_of(run, runs[0]))
        except ComparisonError as error:
            reports.append(report_of(run))
            notes.append(f"{run.name} cannot be compared with {runs[0].name}: {error}")
    return reports, notes


def suite_title(name: object, count: int, asked: int | None = None) -> str:
    """Name and size of a suite, and how many of its problems were asked if not all."""
    of = f"{asked} of " if asked is not None and asked < count else ""
    return f"{name} ({of}{count} problem{'s' if count > 1 else ''})"


def decoding_of(run: Run) -> str:
    """How the responses of a run were decoded."""
    temperature = run.header.get("settings", {}).get("temperature")
    if not temperature:
        return "greedy decoding"
    is_number = isinstance(temperature, int | float)
    return f"temperature {temperature:g}" if is_number else f"temperature {temperature}"


def _comparisons(run: Run, base: Run) -> list[Comparison]:
    check_comparable(base, run)
    keeper = Gatekeeper((), Baseline(base, None), name=run.name)
    keeper.plan(run.results)
    results = {result.id: result for result in run.results}
    return [Comparison(*found) for found in keeper.changes(results)]


def _verdicts(run: Run) -> list[Verdict]:
    try:
        return [Verdict.from_json(fields) for fields in (run.summary or {}).get("gates") or ()]
    except ValueError as error:
        raise RecordError(f"{run.name}: the last line has an invalid gate: {error}") from None
