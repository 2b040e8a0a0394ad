"""The figures of a run, computed from its results alone.

The terminal table, the last line of the record and every later report use these, so a record
gives the same figures as the run that wrote it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from pytest_crossmath.gating.stats import Interval, gap_interval, rate_interval, wilson
from pytest_crossmath.inference.result import Result, ResultId
from pytest_crossmath.inference.transcript import Transcript
from pytest_crossmath.tasks.diagnosis import Cause
from pytest_crossmath.tasks.score import Outcome
from pytest_crossmath.tasks.scoring import step_rates
from pytest_crossmath.tasks.task import Form, Modality


@dataclass(frozen=True, slots=True)
class Gap:
    """How much worse a form is than text, paired by problem."""

    points: float
    """Solved as text minus solved in this form, -1 to 1: positive is worse."""
    interval: Interval
    """95 % interval, see `gap_interval`."""
    problems: int
    """Problems measured in both forms."""

    @property
    def word(self) -> str:
        """The gap in plain words."""
        if self.interval.low > 0:
            return "worse"
        return "better" if self.interval.high < 0 else "no clear difference"


@dataclass(frozen=True, slots=True)
class Row:
    """One model in one form."""

    model: str
    """Name of the model."""
    modality: str
    """The form."""
    style: str | None
    """Image style; None without an image."""
    problems: int
    """Problems measured; backend errors are left out."""
    solved: float
    """Macro accuracy: fraction with every blank right, mean over samples, 0 to 1."""
    solved_interval: Interval
    """95 % interval of `solved`: Wilson, or over problems if there are several samples."""
    blanks: float
    """Micro accuracy: mean over problems of the fraction of blanks right, 0 to 1."""
    gap: Gap | None
    """Gap to text; None for text itself, or if text was not asked."""
    steps: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Fraction of blanks right, by the step that fills them: ``1``, ``2``, ``3``, ``4+``."""

    @property
    def form(self) -> Form:
        """Modality and style."""
        return Form(Modality(self.modality), self.style)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run."""

    rows: tuple[Row, ...]
    """One for each model, form and style, in the order in which they were requested."""
    outcomes: Mapping[str, Mapping[str, int]]
    """For each model, the count of every outcome that occurred."""
    problems: int
    """Problems asked in any form."""
    responses: int
    """Responses measured."""
    cached: int
    """How many of those came from the cache."""
    new_tokens: int
    """Tokens generated in this run."""
    seconds: float
    """Time in the backend, summed over responses."""

    @property
    def several_styles(self) -> bool:
        """Whether any modality was shown in several styles; no style counts as one."""
        shown = {row.form for row in self.rows}
        return len(shown) > len({form.modality for form in shown})

    @property
    def has_blanks(self) -> bool:
        """Whether any task has blanks with steps; questions have a single answer instead."""
        return any(row.steps for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The figures as builtin types."""
        return asdict(self)


def summarize_run(results: Iterable[Result]) -> Summary:
    """The figures of a run."""
    everything = list(results)
    measured = [r for r in everything if r.outcome is not Outcome.ERROR]
    groups: dict[tuple[str, Form], list[Result]] = {}
    for result in sorted(measured, key=_form_order):
        groups.setdefault((result.model, result.form), []).append(result)
    models = dict.fromkeys(result.model for result in everything)
    return Summary(
        rows=tuple(
            _row(group, groups.get((model, Form(Modality.TEXT))))
            for model in models
            for (owner, _), group in groups.items()
            if owner == model
        ),
        outcomes={
            model: {
                outcome.value: count
                for outcome in Outcome
                if (count := sum(r.outcome is outcome for r in everything if r.model == model))
            }
            for model in models
        },
        problems=len({result.problem for result in everything}),
        responses=len(measured),
        cached=sum(result.cached for result in measured),
        new_tokens=sum(result.new_tokens for result in measured if not result.cached),
        seconds=sum(result.seconds for result in measured if not result.cached),
    )


_NO_ANSWER, _UNKNOWN, _ONLY_AS_IMAGE = "no answer", "unknown", "only as image"
_PARTS = (*(cause.value for cause in Cause), _NO_ANSWER, _UNKNOWN, _ONLY_AS_IMAGE)


@dataclass(frozen=True, slots=True)
class Split:
    """Why one model missed pictures, and how much each cause contributes to the gap."""

    model: str
    """Name of the model."""
    missed: Mapping[str, int]
    """Number of missed responses to pictures, by `Cause`."""
    gap: Mapping[str, float]
    """The gap of `image` to text split by cause, -1 to 1; the parts add up to the gap. Besides the
    causes there are ``no answer``, ``unknown`` (the backend failed to say what it saw) and
    ``only as image`` (solved as picture but not as text). Empty if text was not asked."""

    def to_json(self) -> dict[str, Any]:
        """The figures as builtin types."""
        return asdict(self)


def split_by_cause(results: Iterable[Result], transcripts: Iterable[Transcript]) -> list[Split]:
    """Why each model missed pictures; empty if no model was asked what it saw."""
    causes = {transcript.id: transcript.cause for transcript in transcripts}
    if not causes:
        return []
    by_model: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        if result.outcome is not Outcome.ERROR:
            by_model.setdefault(result.model, {}).setdefault(result.modality, []).append(result)
    return [_split(model, forms, causes) for model, forms in by_model.items()]


def _split(
    model: str, forms: Mapping[str, Sequence[Result]], causes: Mapping[ResultId, Cause]
) -> Split:
    images = forms.get(Modality.IMAGE.value, ())
    found = Counter(causes[r.id].value for r in images if r.id in causes)
    text = {
        (r.problem, r.sample): r.outcome is Outcome.SOLVED
        for r in forms.get(Modality.TEXT.value, ())
    }
    pairs = [(text[where], r) for r in images if (where := (r.problem, r.sample)) in text]
    parts: Counter[str] = Counter()
    for by_text, result in pairs:
        by_image = result.outcome is Outcome.SOLVED
        if by_text and not by_image:
            parts[_cause(result, causes)] += 1
        elif by_image and not by_text:
            parts[_ONLY_AS_IMAGE] -= 1
    return Split(
        model,
        {cause.value: found[cause.value] for cause in Cause if found[cause.value]},
        {name: parts[name] / len(pairs) for name in _PARTS if parts[name]},
    )


def _cause(result: Result, causes: Mapping[ResultId, Cause]) -> str:
    if result.outcome is not Outcome.MISSED:
        return _NO_ANSWER
    cause = causes.get(result.id)
    return cause.value if cause else _UNKNOWN


def unsolved(results: Iterable[Result]) -> dict[str, dict[str, list[str]]]:
    """By model and form, the problems that any sample failed to solve; errors do not count."""
    found: dict[str, dict[str, list[str]]] = {}
    for result in sorted(results, key=_form_order):
        if result.outcome not in {Outcome.SOLVED, Outcome.ERROR}:
            problems = found.setdefault(result.model, {}).setdefault(str(result.form), [])
            if result.problem not in problems[-1:]:
                problems.append(result.problem)
    return found


def _row(group: Sequence[Result], text: Sequence[Result] | None) -> Row:
    first = group[0]
    rates = _solved_by_problem(group)
    blanks: dict[str, list[float]] = {}
    for result in group:
        blanks.setdefault(result.problem, []).append(fmean(result.right))
    return Row(
        first.model, first.modality, first.style, len(rates),
        fmean(rates.values()), _rate_interval(group, rates),
        fmean(fmean(fractions) for fractions in blanks.values()),
        None if first.modality == Modality.TEXT or not text else _gap(text, rates),
        step_rates((result.right, result.steps) for result in group),
    )  # fmt: skip


def _gap(text: Iterable[Result], rates: Mapping[str, float]) -> Gap | None:
    by_text = _solved_by_problem(text)
    differences = [by_text[problem] - rate for problem, rate in rates.items() if problem in by_text]
    if not differences:
        return None
    return Gap(fmean(differences), gap_interval(differences), len(differences))


def _rate_interval(group: Sequence[Result], rates: Mapping[str, float]) -> Interval:
    if len(group) == len(rates):
        return wilson(sum(r.outcome is Outcome.SOLVED for r in group), len(group))
    return rate_interval(list(rates.values()))


def _solved_by_problem(results: Iterable[Result]) -> dict[str, float]:
    """For each problem, the fraction of its samples that were solved."""
    solved: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for result in results:
        asked[result.problem] += 1
        solved[result.problem] += result.outcome is Outcome.SOLVED
    return {problem: solved[problem] / asked[problem] for problem in asked}


def _form_order(result: Result) -> tuple[int, str]:
    return result.form.order
