"""Verdicts: whether a run meets its gates, fails them, or cannot tell.

A gate *fails* if the run shows, at 95 %, that its limit is broken; it *passes* if the run
shows that the limit is kept; otherwise it is *inconclusive*: there are too few problems for
this limit. The chance that a gate fails although nothing is wrong is at most 5 %, corrected for
several gates of one setting by Holm's method. `kinds` has the test of each kind of gate.

Samples without a measurement are counted first as solved and then as missed: if that makes a
difference, the verdict is inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

from pytest_crossmath.errors import OptionError
from pytest_crossmath.fields import parse_fields
from pytest_crossmath.gating.gate import Figures, Gate, PValues, Side, Word
from pytest_crossmath.gating.gates import parse_shown
from pytest_crossmath.gating.rates import UNSETTLED, Tallies, settled, tally
from pytest_crossmath.gating.stats import Interval, holm
from pytest_crossmath.inference.result import Result
from pytest_crossmath.tasks.score import Outcome

_LARGEST = 1e9
"""No figure comes near it: a bound for what is read from a file."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of one gate on one model. Figures are fractions from 0 to 1."""

    model: str
    """Name of the model."""
    gate: str
    """The gate as it was written."""
    kind: str
    """Its kind, which says what the figure is; see `kinds.GATES`."""
    word: Word
    """Pass, fail or inconclusive."""
    figure: float | None
    """What was measured: share solved, gap, drop or growth of the gap; None without a
    measurement."""
    interval: Interval | None
    """Its 95 % interval."""
    limit: float
    """The gate's limit."""
    problems: int
    """Problems with a measurement."""
    detectable: float | None
    """How far beyond the limit the truth must lie for this run to fail 80 % of the time: below the
    limit of a `fail-under`, above that of a `max-gap`; for a comparison, the drop itself."""
    notes: tuple[str, ...] = ()
    """What a reader should know: missing measurements, truncated responses that matter."""

    @property
    def is_judged(self) -> bool:
        """Whether there was a measurement to judge."""
        return self.figure is not None

    def to_json(self) -> dict[str, Any]:
        """The fields, as builtin types only."""
        return asdict(self) | {"word": self.word.value, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Verdict:
        """The inverse of `to_json`. Raises `ValueError` that names the first invalid field."""
        fields = parse_fields(dict[str, Any], fields)
        if "kind" not in fields:  # older records do not name it
            try:
                fields = {**fields, "kind": parse_shown(str(fields.get("gate"))).kind}
            except OptionError as error:
                raise ValueError(str(error)) from None
        verdict = parse_fields(cls, fields)
        interval = verdict.interval
        if interval is not None and not -_LARGEST < interval.low <= interval.high < _LARGEST:
            raise ValueError("the field 'interval' is not an interval")
        numbers = (verdict.figure, verdict.detectable, verdict.limit, verdict.problems)
        if not all(-_LARGEST < number < _LARGEST for number in numbers if number is not None):
            raise ValueError("the figures of a gate are too large")
        if verdict.problems < 0 or verdict.limit < 0:
            raise ValueError("the fields 'problems' and 'limit' must not be negative")
        return verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """One model's results, and those of the baseline."""

    new: Sequence[Result]
    """The results that are judged."""
    base: Sequence[Result] = ()
    """The baseline's results, of one model; empty without a baseline."""

    def seen(self, gate: Gate, side: Side) -> Iterable[Result]:
        """The results that one side of a gate's figure is taken from, in any form."""
        results = self.base if side.in_base else self.new
        if gate.family is None:
            return results
        # Older records do not say the family of a result; the problems are the same.
        problems = {result.problem for result in self.new if result.family == gate.family}
        return (result for result in results if result.problem in problems)

    def tallies(self, gate: Gate, side: Side) -> Tallies:
        """The rates of one side as they were measured."""
        return tally(self.seen(gate, side), gate.form_of(side))


def any_fails(verdicts: Iterable[Verdict], *, inconclusive_fails: bool) -> bool:
    """Whether any verdict fails the run; `inconclusive_fails` says if an inconclusive one does.

    A gate that nothing was measured for does not fail it: nothing is known to be worse.
    """
    failing = {Word.FAIL, *([Word.INCONCLUSIVE] if inconclusive_fails else [])}
    return any(verdict.is_judged and verdict.word in failing for verdict in verdicts)


def judge(gates: Sequence[Gate], evidence: Mapping[str, Evidence]) -> tuple[Verdict, ...]:
    """The verdict of every gate on every model."""
    return tuple(
        verdict for model, seen in evidence.items() for verdict in _judge_model(gates, model, seen)
    )


def _judge_model(gates: Sequence[Gate], model: str, evidence: Evidence) -> list[Verdict]:
    plain = _said(gates, evidence, frozenset())
    # The verdicts if truncated and unparsed responses were solved, in this run or the baseline.
    turned = [_said(gates, evidence, UNSETTLED)]
    if evidence.base:
        turned.append(_said(gates, evidence, UNSETTLED, in_base=True))
    verdicts = []
    for i, gate in enumerate(gates):
        word, notes = plain[i], []
        missing = _missing(gate, evidence)
        if missing:
            notes.append(
                f"{missing} samples have no measurement: counted both as solved and as missed"
            )
        others = {other[i] for other in turned} - {word}
        if others and not missing:
            notes.append(
                "truncated and unparsed responses decide: if they counted as solved, it would be"
                f" {' or '.join(sorted(others))}"
            )
        verdicts.append(_verdict(model, gate, word, measured_figures(gate, evidence), notes))
    return verdicts


def word_of(gate: Gate, values: Sequence[float], *, samples: int = 1) -> Word:
    """The verdict of a single gate on one figure per problem: a share, a gap, a drop or a growth.

    The values are multiples of 1 / `samples`.
    """
    found = Figures(values, (), samples)
    return gate.word(found, _p_values(gate, found))


def decided(gates: Sequence[Gate], evidence: Evidence) -> bool:
    """Whether no verdict depends on the outcomes of the samples without a measurement.

    One more sample in favour of this run never makes a verdict worse, so it is enough to
    check the two extremes: all of them in its favour, and all of them against it.
    """
    return all(low is high for low, high in _extremes(gates, evidence, frozenset(), in_base=False))


def measured_figures(gate: Gate, evidence: Evidence) -> Figures:
    """The figures of what was measured, leaving out what is missing."""
    return gate.figures(partial(evidence.tallies, gate))


def whole_values(gate: Gate, evidence: Evidence, order: Callable[[str], Any]) -> Iterator[float]:
    """The figures of problems in the given order, up to the first that lacks a measurement."""
    found = measured_figures(gate, evidence)
    value = dict(zip(found.problems, found.values, strict=True))
    missing = {
        problem
        for side in gate.sides
        for problem, t in evidence.tallies(gate, side).items()
        if t.unknown
    }
    for problem in sorted({*value, *missing}, key=order):
        if problem in missing:
            return
        yield value[problem]


def _said(
    gates: Sequence[Gate],
    evidence: Evidence,
    as_solved: frozenset[Outcome],
    *,
    in_base: bool = False,
) -> list[Word]:
    """The verdict of each gate; inconclusive if it depends on samples without a measurement."""
    extremes = _extremes(gates, evidence, as_solved, in_base=in_base)
    return [low if low is high else Word.INCONCLUSIVE for low, high in extremes]


def _extremes(
    gates: Sequence[Gate], evidence: Evidence, as_solved: frozenset[Outcome], *, in_base: bool
) -> list[tuple[Word, Word]]:
    """The verdicts of each gate with all unmeasured samples against this run, and for it."""
    low, high = (
        _words(gates, evidence, as_solved, in_base=in_base, best=best) for best in (False, True)
    )
    return list(zip(low, high, strict=True))


def _words(
    gates: Sequence[Gate],
    evidence: Evidence,
    as_solved: frozenset[Outcome],
    *,
    in_base: bool,
    best: bool,
) -> list[Word]:
    """The verdicts with all unmeasured samples in favour of this run, or all against it."""

    def tallies(gate: Gate, side: Side) -> Tallies:
        counted = as_solved if side.in_base == in_base else frozenset()
        found = tally(
            evidence.seen(gate, side),
            gate.form_of(side),
            solved=lambda r: r.outcome is Outcome.SOLVED or r.outcome in counted,
        )
        # A solved sample raises the figure if its side is added, and lowers it otherwise.
        raises = side.sign > 0
        return settled(found, solved=raises == (best != gate.higher_is_worse))

    found = [gate.figures(partial(tallies, gate)) for gate in gates]
    values = [_p_values(gate, figures) for gate, figures in zip(gates, found, strict=True)]
    by_option: dict[str, list[float]] = {}
    for gate, value in zip(gates, values, strict=True):
        by_option.setdefault(gate.option, []).append(value.broken)
    corrected = {option: iter(holm(broken)) for option, broken in by_option.items()}
    return [
        gate.word(figures, replace(value, broken=next(corrected[gate.option])))
        for gate, figures, value in zip(gates, found, values, strict=True)
    ]


def _p_values(gate: Gate, found: Figures) -> PValues:
    return gate.p_values(found) if found.values else PValues(1.0, 1.0)


def _missing(gate: Gate, evidence: Evidence) -> int:
    """How many of the samples that the gate looks at have no measurement."""
    return sum(t.unknown for side in gate.sides for t in evidence.tallies(gate, side).values())


def _verdict(model: str, gate: Gate, word: Word, found: Figures, notes: Sequence[str]) -> Verdict:
    if not found.values:
        notes = (*notes, "no problem has a measurement")
        return Verdict(model, str(gate), gate.kind, word, None, None, gate.limit, 0, None, notes)
    return Verdict(
        model, str(gate), gate.kind, word, fmean(found.values), gate.interval(found), gate.limit,
        len(found.values), gate.detectable(found.values), tuple(notes),
    )  # fmt: skip
